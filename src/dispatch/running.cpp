// SPDX-License-Identifier: MIT
// What a dispatcher does in its thread: it runs steps, in slices or in a wait, and deletes objects.

#include "dispatcher_p.h"

#include "common/mutex_p.h"
#include "common/tsan_p.h"
#include "delivery_p.h"
#include "focus_p.h"
#include "thrown_p.h"

#include <QCoreApplication>
#include <QMetaMethod>
#include <QThread>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

namespace GoProcess::Private {

bool Dispatcher::take(DueStep &due)
{
    if (m_batch.empty()) {
        const std::lock_guard lock(m_mutex);
        if (m_life == Life::Ended && !m_incoming.empty()) {
            // One by one: the others stay where leave() and a thread that is started again find
            // them.
            due = std::move(m_incoming.front());
            m_incoming.pop_front();
            m_hasIncoming.store(!m_incoming.empty(), std::memory_order_relaxed);
            return true;
        }
        m_batch.swap(m_incoming);
        m_hasIncoming.store(false, std::memory_order_relaxed);
        if (m_batch.empty())
            return false;
    }
    due = std::move(m_batch.front());
    m_batch.pop_front();
    return true;
}

bool Dispatcher::takeAny(DueStep &due)
{
    return (m_focus && Focus::takeAside(m_focus, due)) || take(due);
}

bool Dispatcher::isToAnnounce(const StepTarget &node) const
{
    const NodeLock lock(node); // while the step is due it keeps the object alive
    // GCOVR_EXCL_BR_START: race
    return node.due() == Step::Announce && !node.hasNoHome() && isFor(node.thread());
    // GCOVR_EXCL_BR_STOP
}

bool Dispatcher::runOne()
{
    DueStep due;
    if (!take(due))
        return false;
    runItem(due);
    return true;
}

void Dispatcher::runItem(DueStep &due)
{
    StepTarget &node = *due.node;
    if (!node.claim(due.step))
        return;
    // Relaxed: the thread that has moved it has delivered this step after that.
    if (!node.m_moved.load(std::memory_order_relaxed)) {
        if (std::optional<DueStep> next = node.advance(due.step)) {
            if (next->node)
                StepEnd { std::move(*next), {} }.goOn();
            return;
        }
    }
    if (!due.anywhere && !isFor(node.thread())) {
        deliver(node, due.step); // it has moved away
        return;
    }
    runClaimed(node, due.step);
}

/// Gets the lock of the event queue of this thread, and lets it go.
void Dispatcher::awaitEventQueue()
{
    {
        const std::lock_guard lock(m_mutex);
        if (!m_receiver) // GCOVR_EXCL_BR_LINE: race
            return; // GCOVR_EXCL_LINE: race
    }
    // Nothing was ever posted to this one: else Qt would go through all that is queued in the
    // thread.
    QObject fresh;
    QCoreApplication::removePostedEvents(&fresh, QEvent::User);
}

void Dispatcher::runClaimed(StepTarget &node, Step step)
{
    // Not while it is about to leave from here: then it has not come anywhere yet.
    if (node.m_moved.load(std::memory_order_relaxed)
        && !node.isLeaving(m_thread.load(std::memory_order_relaxed))
        && node.m_moved.exchange(false, std::memory_order_acquire)) {
        // It has just come. moveToThread() holds the locks of the event queues of both threads
        // until the object has arrived: once this thread has had the one of its own, it is
        // complete.
        awaitEventQueue();
    }
    // User code may run a nested event loop: it goes on with the rest, in a wait as well (R40).
    if (!m_batch.empty() || m_focus || m_hasIncoming.load(std::memory_order_relaxed))
        flush();
    node.run(step).goOn();
}

/// Whatever ends a slice, what is left goes on: an exception of a slot may be caught behind the
/// loop.
class Dispatcher::Slice
{
public:
    explicit Slice(Dispatcher &dispatcher) : m_dispatcher(dispatcher) { ++m_dispatcher.m_slices; }
    Q_DISABLE_COPY_MOVE(Slice)
    ~Slice()
    {
        --m_dispatcher.m_slices;
        {
            const std::lock_guard lock(m_dispatcher.m_mutex);
            m_dispatcher.m_calledEarly = m_dispatcher.m_isWakeUpPosted;
        }
        m_dispatcher.flush();
    }

private:
    Dispatcher &m_dispatcher;
};

void Dispatcher::runSlice()
{
    // One step is never split, but between two of them other events get their turn (R40).
    constexpr auto longest = std::chrono::milliseconds(8);

    const DispatcherRef self(this);
    enter(); // another thread may have made it
    {
        const std::lock_guard lock(m_mutex);
        m_isWakeUpPosted = false;
    }
    if (m_slices == 0 && std::exchange(m_calledEarly, false)) {
        flush(); // once more, behind the events that came during the last slice
        return;
    }

    const auto end = Clock::now() + longest;
    const Slice slice(*this);
    do {
        DueStep due;
        if (takeAny(due)) {
            runItem(due);
        } else if (QObject *object = takeToDelete()) {
            flush();
            delete object;
        } else {
            break;
        }
    } while (Clock::now() < end);
}

void Dispatcher::drain()
{
    const DispatcherRef self(this);
    while (true) {
        DueStep due;
        while (takeAny(due)) {
            try {
                runItem(due);
            } catch (...) {
                logUncaught(due.node->path());
            }
        }
        QObject *object = takeToDelete();
        if (!object)
            return;
        delete object;
    }
}

void Dispatcher::flush()
{
    const bool isOwner = isOwn();
    const std::lock_guard lock(m_mutex);
    if (m_incoming.empty() && m_toDelete.empty() && m_toDeleteSilently.empty()
        && (!isOwner || (m_batch.empty() && m_toDeleteHere.empty() && !Focus::hasAside(m_focus))))
        return;
    if (m_sleepers > 0)
        m_wake.notify_all();
    else
        postWakeUpLocked();
}

void Dispatcher::postWakeUpLocked()
{
    QThread *thread = m_thread.load(std::memory_order_relaxed);
    // GCOVR_EXCL_BR_START: race
    if (m_isWakeUpPosted || !thread || !m_receiver || m_life == Life::Ended || isDeafLocked())
        // GCOVR_EXCL_BR_STOP
        return;
    handOver(m_receiver);
    // By its meta method: this posts one event that carries nothing.
    static const QMetaMethod wakeUp = WakeUpReceiver::staticMetaObject.method(
            WakeUpReceiver::staticMetaObject.indexOfMethod("wakeUp()"));
    m_isWakeUpPosted = wakeUp.invoke(m_receiver, Qt::QueuedConnection);
    m_looks = 0;
}

/// Not under a lock: the move sends an event, which passes QCoreApplication::notify().
WakeUpReceiver *Dispatcher::makeReceiver()
{
    aboutToRunUserCode();
    QThread *thread = m_thread.load(std::memory_order_relaxed);
    auto *receiver = new WakeUpReceiver(*this);
    if (receiver->thread() != thread)
        receiver->moveToThread(thread);
    return receiver;
}

void Dispatcher::postWakeUpAgain()
{
    WakeUpReceiver *old = makeReceiver();
    {
        const std::lock_guard lock(m_mutex);
        std::swap(old, m_receiver);
        m_isWakeUpPosted = false;
    }
    delete old; // and a call that is still on its way, so that there are not two
    flush();
}

void WakeUpReceiver::wakeUp()
{
    m_dispatcher->runSlice();
}

bool WakeUpReceiver::event(QEvent *event)
{
    takeOver(this);
    return QObject::event(event);
}

// --- Blocking waits ------------------------------------------------------------------------------

void Dispatcher::sleep(const std::atomic<bool> &reached, Clock::time_point until,
                       std::uint64_t homeChanges)
{
    if (!m_batch.empty()) // GCOVR_EXCL_BR_LINE: race
        return; // a step became due in this thread itself. GCOVR_EXCL_LINE: race
    std::unique_lock<std::mutex> lock(m_mutex);
    ++m_sleepers;
    const auto awake = [&] {
        return reached.load(std::memory_order_relaxed) || !m_incoming.empty()
                || m_toDeleteSilently.size() >= enoughToDelete
                || Dispatcher::homeChanges() != homeChanges;
    };
    // Without a QThread it is not in the registry, so addHomeChange() does not wake it: it looks by
    // itself.
    if (!m_thread.load(std::memory_order_relaxed))
        until = std::min(until, Clock::now() + std::chrono::milliseconds(100));
    if (until == Clock::time_point::max())
        m_wake.wait(lock, awake);
    else
        m_wake.wait_until(lock, until, awake);
    --m_sleepers;
}

void Dispatcher::wake(std::atomic<bool> &flag)
{
    const std::lock_guard lock(m_mutex);
    flag.store(true, std::memory_order_release);
    m_wake.notify_all();
}

std::vector<Ref<StepTarget>> Dispatcher::openFutures() const
{
    const std::lock_guard lock(m_mutex);
    return { m_openFutures.begin(), m_openFutures.end() };
}

void Dispatcher::addOpenFuture(StepTarget &node)
{
    const std::lock_guard lock(m_mutex);
    m_openFutures.emplace_back(&node);
    m_futurePlaces[&node] = std::prev(m_openFutures.end());
    m_futuresSeen.store(futuresSeen() + 1, std::memory_order_relaxed);
}

void Dispatcher::removeOpenFuture(const StepTarget &node)
{
    Ref<StepTarget> removed; // let go of outside of the lock
    const std::lock_guard lock(m_mutex);
    const auto place = m_futurePlaces.find(&node);
    if (place == m_futurePlaces.end()) // GCOVR_EXCL_BR_LINE: guard
        return; // GCOVR_EXCL_LINE: guard
    removed = std::move(*place->second);
    m_openFutures.erase(place->second);
    m_futurePlaces.erase(place);
}

} // namespace GoProcess::Private
