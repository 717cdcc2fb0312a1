// SPDX-License-Identifier: MIT
// What a dispatcher does in its thread: it runs steps, in slices or in a wait, and deletes objects.

#include "dispatcher_p.h"

#include "common/mutex_p.h"
#include "common/tsan_p.h"
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

/// How many objects make it worth to wake a thread for their deletion.
constexpr std::size_t enoughToReap = 64;
/// How many wait for a thread that does not come by, where others could delete them.
constexpr std::size_t mostToReap = 4096;

bool Dispatcher::take(Item &item)
{
    if (m_batch.empty()) {
        const std::lock_guard lock(m_mutex);
        if (m_life == Life::Ended && !m_incoming.empty()) {
            // One by one: the others stay where leave() and a thread that is started again find them.
            item = std::move(m_incoming.front());
            m_incoming.pop_front();
            m_hasIncoming.store(!m_incoming.empty(), std::memory_order_relaxed);
            return true;
        }
        m_batch.swap(m_incoming);
        m_hasIncoming.store(false, std::memory_order_relaxed);
        if (m_batch.empty())
            return false;
    }
    item = std::move(m_batch.front());
    m_batch.pop_front();
    return true;
}

bool Dispatcher::takeAny(Item &item)
{
    return (m_focus && Focus::takeAside(m_focus, item)) || take(item);
}

bool Dispatcher::isToAnnounce(const Resident &node) const
{
    const NodeLock lock(node); // while the step is due it keeps the object alive
    return node.due() == Step::Announce && !node.isHomeless() && isFor(node.thread());
}

bool Dispatcher::runOne()
{
    Item item;
    if (!take(item))
        return false;
    runItem(item);
    return true;
}

void Dispatcher::runItem(Item &item)
{
    Resident &node = *item.node;
    if (!node.claim(item.step))
        return;
    // Relaxed: whoever has moved it has delivered this step after that.
    if (!node.m_moved.load(std::memory_order_relaxed) && node.runUnheard(item.step, nullptr))
        return;
    if (!item.anywhere && !isFor(node.thread())) {
        deliver(node, item.step); // it has moved away
        return;
    }
    runClaimed(node, item.step);
}

/// Gets the lock of the event queue of this thread, and lets it go.
void Dispatcher::awaitEventQueue()
{
    {
        const std::lock_guard lock(m_mutex);
        if (!m_bell)
            return;
    }
    // Nothing was ever posted to this one: else Qt would go through all that is queued in the thread.
    QObject fresh;
    QCoreApplication::removePostedEvents(&fresh, QEvent::User);
}

void Dispatcher::runClaimed(Resident &node, Step step)
{
    // Not while it is about to leave from here: then it has not come anywhere yet.
    if (node.m_moved.load(std::memory_order_relaxed)
        && !node.isLeaving(m_thread.load(std::memory_order_relaxed))
        && node.m_moved.exchange(false, std::memory_order_acquire)) {
        // It has just come. moveToThread() holds the locks of the event queues of both threads until
        // the object has arrived: whoever gets the one of this thread finds it complete.
        awaitEventQueue();
    }
    // User code may run a nested event loop: it goes on with the rest, in a wait as well (R40).
    if (!m_batch.empty() || m_focus || m_hasIncoming.load(std::memory_order_relaxed))
        flush();
    node.run(step, nullptr);
}

/// Whatever ends a slice, what is left goes on: an exception of a slot may be caught behind the loop.
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
            m_dispatcher.m_calledEarly = m_dispatcher.m_rung;
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
        m_rung = false;
    }
    if (m_slices == 0 && std::exchange(m_calledEarly, false)) {
        flush(); // once more, behind the events that came during the last slice
        return;
    }

    const auto end = Clock::now() + longest;
    const Slice slice(*this);
    do {
        Item item;
        if (takeAny(item)) {
            runItem(item);
        } else if (QObject *object = takeRetired()) {
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
        Item item;
        while (takeAny(item)) {
            try {
                runItem(item);
            } catch (...) {
                logUncaught(item.node->path());
            }
        }
        QObject *object = takeRetired();
        if (!object)
            return;
        delete object;
    }
}

void Dispatcher::flush()
{
    const bool isOwner = isOwn();
    const std::lock_guard lock(m_mutex);
    if (m_incoming.empty() && m_retired.empty() && m_silentlyRetired.empty()
        && (!isOwner || (m_batch.empty() && m_reaped.empty() && !Focus::hasAside(m_focus))))
        return;
    if (m_sleepers > 0)
        m_wake.notify_all();
    else
        ringLocked();
}

void Dispatcher::ringLocked()
{
    QThread *thread = m_thread.load(std::memory_order_relaxed);
    if (m_rung || !thread || !m_bell || m_life == Life::Ended || isDeafLocked())
        return;
    handOver(m_bell);
    // By its meta method: this posts one event that carries nothing.
    static const QMetaMethod ring =
            Bell::staticMetaObject.method(Bell::staticMetaObject.indexOfMethod("ring()"));
    m_rung = ring.invoke(m_bell, Qt::QueuedConnection);
    m_looks = 0;
}

/// Not under a lock: the move sends an event, which passes QCoreApplication::notify().
Bell *Dispatcher::makeBell()
{
    aboutToRunUserCode();
    QThread *thread = m_thread.load(std::memory_order_relaxed);
    auto *bell = new Bell(*this);
    if (bell->thread() != thread)
        bell->moveToThread(thread);
    return bell;
}

void Dispatcher::ringAgain()
{
    Bell *old = makeBell();
    {
        const std::lock_guard lock(m_mutex);
        std::swap(old, m_bell);
        m_rung = false;
    }
    delete old; // and a call that is still on its way, so that there are not two
    flush();
}

void Bell::ring()
{
    m_dispatcher->runSlice();
}

bool Bell::event(QEvent *event)
{
    takeOver(this);
    return QObject::event(event);
}

// --- Blocking waits ------------------------------------------------------------------------------

void Dispatcher::sleep(const std::atomic<bool> &reached, Clock::time_point until,
                       std::uint64_t irregularities)
{
    if (!m_batch.empty())
        return; // a step became due in this thread itself
    std::unique_lock<std::mutex> lock(m_mutex);
    ++m_sleepers;
    const auto awake = [&] {
        return reached.load(std::memory_order_relaxed) || !m_incoming.empty()
                || m_silentlyRetired.size() >= enoughToReap
                || Dispatcher::irregularities() != irregularities;
    };
    // Nobody knows this one any more who would tell it of irregularities: it looks by itself.
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

std::vector<Ref<Resident>> Dispatcher::openFutures() const
{
    const std::lock_guard lock(m_mutex);
    return { m_openFutures.begin(), m_openFutures.end() };
}

void Dispatcher::addOpenFuture(Resident &node)
{
    const std::lock_guard lock(m_mutex);
    m_openFutures.emplace_back(&node);
    m_futurePlaces[&node] = std::prev(m_openFutures.end());
    m_futuresSeen.store(futuresSeen() + 1, std::memory_order_relaxed);
}

void Dispatcher::removeOpenFuture(const Resident &node)
{
    Ref<Resident> removed; // let go of outside of the lock
    const std::lock_guard lock(m_mutex);
    const auto place = m_futurePlaces.find(&node);
    if (place == m_futurePlaces.end())
        return;
    removed = std::move(*place->second);
    m_openFutures.erase(place->second);
    m_futurePlaces.erase(place);
}

// --- Objects to delete ---------------------------------------------------------------------------

void Dispatcher::retire(QObject *object, Deletion deletion, const DispatcherRef &likely)
{
    QThread *thread = object->thread();
    if (thread && thread != QThread::currentThread()) {
        DispatcherRef dispatcher = likely && likely->isFor(thread) ? likely : known(thread);
        // If it was destroyed meanwhile the object tells so. Then the pointer is not looked into.
        if (!dispatcher && object->thread() == thread)
            dispatcher = of(thread);
        std::unique_lock<Mutex> lock;
        if (dispatcher)
            lock = std::unique_lock(dispatcher->m_mutex);
        if (dispatcher && dispatcher->deletesLocked(deletion)) {
            dispatcher->retireLocked(object, deletion != Deletion::RunsUserCode);
            return;
        }
    }
    aboutToRunUserCode();
    delete object;
}

/// False if the thread does not delete anything any more; and, of what others may delete, if it was not started
/// or is blocked: it may be so for ever, and what it would have to delete grow without a bound.
bool Dispatcher::deletesLocked(Deletion deletion)
{
    if (m_life == Life::Ended)
        return false;
    return deletion != Deletion::Anywhere
            || (lifeLocked() != Life::Fresh && m_silentlyRetired.size() < mostToReap);
}

void Dispatcher::retireLocked(QObject *object, bool silently)
{
    (silently ? m_silentlyRetired : m_retired).push_back(object);
    if (silently)
        m_hasSilentlyRetired.store(true, std::memory_order_relaxed);

    if (m_sleepers == 0)
        ringLocked();
    else if (m_silentlyRetired.size() == enoughToReap)
        m_wake.notify_all(); // a wait deletes no others, and not each by itself
}

static QObject *takeLast(std::vector<QObject *> &objects)
{
    QObject *object = objects.back();
    objects.pop_back();
    return object;
}

QObject *Dispatcher::takeRetired()
{
    if (!m_reaped.empty())
        return takeLast(m_reaped);
    const std::lock_guard lock(m_mutex);
    std::vector<QObject *> &retired = m_retired.empty() ? m_silentlyRetired : m_retired;
    return retired.empty() ? nullptr : takeLast(retired);
}

bool Dispatcher::reap()
{
    // More than one, so that whoever makes one each time gets rid of them; and not many, as the caller is
    // in a hurry and comes again, and new objects find the memory of the last ones at hand.
    constexpr int few = 3;

    if (m_reaped.empty()) {
        // Relaxed: what is not seen now is seen the next time.
        if (!m_hasSilentlyRetired.load(std::memory_order_relaxed))
            return false;
        const std::lock_guard lock(m_mutex);
        m_reaped.swap(m_silentlyRetired);
        m_hasSilentlyRetired.store(false, std::memory_order_relaxed);
    }
    const bool any = !m_reaped.empty();
    for (int i = 0; i < few && !m_reaped.empty(); ++i)
        delete takeLast(m_reaped);
    return any;
}

} // namespace GoProcess::Private
