// SPDX-License-Identifier: MIT
// Delivery: brings steps that are due to where they run (R34, R35, R38).

#include "delivery_p.h"

#include "closewatch_p.h"
#include "common/logging_p.h"
#include "dispatcher_p.h"
#include "stepscope_p.h"
#include "thrown_p.h"
#include "workpool_p.h"

#include <QThread>
#include <QVarLengthArray>

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

namespace GoProcess::Private {

/// Collects steps by where they go. It runs under the graph's lock, so it neither wakes a thread
/// nor warns before finish().
class Delivery
{
public:
    /// \a isTail: it is the last thing that a step does, so that the thread that runs it looks for
    /// more by itself. \a takesNext: the first step without a home is left to takeNext().
    Delivery(bool isTail, bool takesNext) : m_isTail(isTail), m_takesNext(takesNext) { }

    /// send() of a step that a change made due: a close may begin with it. The caller holds the
    /// lock.
    void add(StepTarget &node, Step step);
    void send(StepTarget &node, Step step);
    void finish();
    /// The step that was not sent, as it can run right behind the one that has ended.
    DueStep takeNext() { return std::move(m_next); }

private:
    void addToPool(StepTarget &node, Step step, bool noHome)
    {
        m_pool.push_back({ Ref<StepTarget>(&node), step, true, noHome });
        node.setDueElsewhere(step);
    }
    void addOrphan(StepTarget &node, Step step, Dispatcher *home);
    void addUnknown();
    bool push(Dispatcher &dispatcher, DueStep due);
    void touch(Dispatcher &dispatcher);

    const bool m_isTail;
    bool m_takesNext;
    DueStep m_next;
    Dispatcher *m_own = Dispatcher::currentIfAny(); ///< Of the calling thread, which keeps it.
    bool m_changesHome = false;
    bool m_hasOrphans = false;
    QThread *m_lastThread = nullptr;
    DispatcherRef m_last; ///< Of m_lastThread.
    Dispatcher *m_open = nullptr; ///< Whose lock is m_lock.
    std::unique_lock<Mutex> m_lock;
    QVarLengthArray<DispatcherRef, 4> m_touched; ///< Each once.
    Dispatcher *m_lastTouched = nullptr; ///< One of them.
    std::vector<DueStep> m_pool;
    std::vector<Ref<StepTarget>> m_begun; ///< Closes that begin.
    /// Moved while a step of theirs was sent to where they were.
    std::vector<Ref<StepTarget>> m_moved;
    /// Those of threads without a dispatcher, and those that go anywhere, from a thread without
    /// one; not due yet, which keeps the processes open.
    std::vector<DueStep> m_unknown;
    Warnings m_warnings;
};

void Delivery::add(StepTarget &node, Step step)
{
    // Once the step is due another thread may run it, and the rest of the close, and the object may
    // be gone: so that comes last, when it is known where the step goes.
    if (step == Step::Announce && Graph::beginsClose(node))
        m_begun.emplace_back(&node);
    send(node, step);
}

void Delivery::send(StepTarget &node, Step step)
{
    if (node.hasNoHome()) {
        if (std::exchange(m_takesNext, false)) {
            m_next = { Ref<StepTarget>(&node), step, true, true };
            node.setDueElsewhere(step);
        } else {
            addToPool(node, step, true);
        }
        return;
    }

    const std::uint16_t moves = node.moves(); // before the thread is asked for
    QThread *thread = node.thread();
    if (!thread) {
        addOrphan(node, step, nullptr);
        return;
    }
    if (m_own && m_own->isFor(thread) && m_own->takesHere()) {
        node.setDue(step);
        m_own->m_batch.push_back({ Ref<StepTarget>(&node), step, false });
        if (!m_isTail && m_own != m_lastTouched)
            touch(*m_own);
        return;
    }
    if (thread != m_lastThread) {
        m_lock = {};
        m_lastThread = thread;
        m_last = node.m_firstHome && node.m_firstHome->isStillFor(thread)
                ? node.m_firstHome // GCOVR_EXCL_BR_LINE: guard
                : Dispatcher::known(thread);
    }
    if (!m_last) {
        m_unknown.push_back({ Ref<StepTarget>(&node), step, false });
        return;
    }
    if (!push(*m_last, { Ref<StepTarget>(&node), step, false })) {
        addOrphan(node, step, m_last.get());
        return;
    }
    // The queue, which is locked, keeps it.
    StepTarget &sent = *m_last->m_incoming.back().node;
    if (sent.moves() != moves || sent.isLeaving(thread))
        m_moved.emplace_back(&sent);
}

void Delivery::touch(Dispatcher &dispatcher)
{
    m_lastTouched = &dispatcher;
    const bool known = std::any_of(m_touched.cbegin(), m_touched.cend(),
                                   [&](const auto &other) { return other.get() == &dispatcher; });
    if (!known)
        m_touched.push_back(DispatcherRef(&dispatcher));
}

bool Delivery::push(Dispatcher &dispatcher, DueStep due)
{
    if (!m_lock || m_open != &dispatcher) { // GCOVR_EXCL_BR_LINE: rare
        m_lock = {};
        m_open = &dispatcher;
        touch(dispatcher);
        m_lock = std::unique_lock(dispatcher.m_mutex);
    }
    const Dispatcher::Life life = dispatcher.lifeLocked();
    // The end of this thread may still run code: slots of finished(), deferred deletes, destructors
    // of thread_local objects. A wait there runs its steps, as it did before; what no wait runs
    // goes on when the thread leaves. No other thread could tell whether such a wait is to come.
    if (life == Dispatcher::Life::Ended && &dispatcher != m_own)
        return false;
    m_changesHome = m_changesHome || life == Dispatcher::Life::Fresh;
    due.node->setDueElsewhere(due.step); // under the lock, so that it is due when it is found
    dispatcher.m_incoming.push_back(std::move(due));
    dispatcher.m_hasIncoming.store(true, std::memory_order_relaxed);
    return true;
}

void Delivery::addOrphan(StepTarget &node, Step step, Dispatcher *home)
{
    const bool goesToPool = isThreadWithoutHomes();
    if (!goesToPool && !Dispatcher::currentIfAny() && !Dispatcher::isInDepartedThread()) {
        m_unknown.push_back({ Ref<StepTarget>(&node), step, true });
        return;
    }
    if (home ? home->takeWarning() : !node.m_warned.exchange(true, std::memory_order_relaxed)) {
        m_warnings.add(
                QStringLiteral("The thread of process \"%1\" does not run its steps any more (%2): "
                               "they run in the threads that close it, complete what it waits for, "
                               "or wait for it")
                        .arg(node.path(),
                             home ? QStringLiteral("it has finished")
                                  : QStringLiteral("it has none")));
    }
    m_changesHome = true;
    m_hasOrphans = true; // it will stand in the queue of a thread that may not run any for long
    m_lock = {};
    m_lastThread = nullptr;
    // GCOVR_EXCL_BR_START: race
    if (goesToPool || !push(*Dispatcher::current(), { Ref<StepTarget>(&node), step, true }))
        // GCOVR_EXCL_BR_STOP
        addToPool(node, step, false);
}

/// No lock is held any more, so a dispatcher can be made; the first steps that ever go to a thread
/// take this way.
void Delivery::addUnknown()
{
    const std::vector<DueStep> unknown = std::move(m_unknown);
    m_unknown.clear();
    for (const DueStep &due : unknown) {
        // It is not due yet, which keeps the object alive.
        QThread *thread = due.node->thread();
        m_lock = {};
        m_lastThread = nullptr;
        // GCOVR_EXCL_BR_START: race
        if (thread == QThread::currentThread() && Dispatcher::isInDepartedThread()) {
            // GCOVR_EXCL_BR_STOP
            addOrphan(*due.node, due.step, nullptr); // GCOVR_EXCL_LINE: race
            continue; // GCOVR_EXCL_LINE: race
        }
        if (due.anywhere || thread == QThread::currentThread()) // GCOVR_EXCL_BR_LINE: race
            Dispatcher::current();
        else if (thread)
            Dispatcher::of(thread);
        m_own = Dispatcher::currentIfAny();
        send(*due.node, due.step);
    }
}

void Delivery::finish()
{
    while (!m_unknown.empty())
        addUnknown();
    m_lock = {};
    for (const DispatcherRef &dispatcher : m_touched)
        dispatcher->flush();
    if (!m_pool.empty())
        WorkPool::instance().submit(std::move(m_pool));
    for (const Ref<StepTarget> &node : m_moved)
        deliverAfterMove(*node);
    // Not before they are due: a wait that looks for them meanwhile would not look again.
    if (m_hasOrphans || !m_moved.empty())
        Dispatcher::addMove();
    if (m_changesHome || !m_moved.empty())
        Dispatcher::addHomeChange();
    for (Ref<StepTarget> &node : m_begun)
        CloseWatch::instance().add(std::move(node));
    m_warnings.give();
}

/// The step that the caller can run behind the end of \a ended, which may be null.
static DueStep deliver(DueSteps &&steps, const StepTarget *ended)
{
    DueStep next;
    do {
        if (steps.isEmpty()) {
            steps.unlock();
            continue;
        }
        Delivery delivery(ended != nullptr, ended && ended->hasNoHome() && !next.node);
        while (!steps.isEmpty()) {
            const DueSteps::Due due = steps.take();
            delivery.add(static_cast<StepTarget &>(*due.node), due.step);
        }
        steps.unlock();
        delivery.finish();
        if (!next.node)
            next = delivery.takeNext();
    } while (steps.more());
    return next;
}

void deliver(DueSteps &&steps)
{
    static_cast<void>(deliver(std::move(steps), nullptr));
}

DueStep deliverAtEndOfStep(const StepTarget &ended, DueSteps &&steps)
{
    // The case of most processes that nothing observes.
    if (steps.isOver()) {
        steps.unlock();
        return {};
    }
    return deliver(std::move(steps), &ended);
}

void deliver(StepTarget &node, Step step)
{
    if (step == Step::Work) {
        DueStep due { Ref<StepTarget>(&node), step, true };
        node.setDue(step);
        WorkPool::instance().submit(std::move(due));
        return;
    }
    Delivery delivery(false, false);
    delivery.send(node, step);
    delivery.finish();
}

DueStep deliverAtEndOfStep(StepTarget &ended, Step step)
{
    Delivery delivery(false, ended.hasNoHome());
    delivery.send(ended, step);
    delivery.finish();
    return delivery.takeNext();
}

void deliverAfterMove(StepTarget &node)
{
    WorkPool::instance().submit({ Ref<StepTarget>(&node), Step::Rehome, true });
}

void StepEnd::goOn() &&
{
    if (next.node)
        WorkPool::instance().submit(std::move(next));
    if (thrown)
        std::rethrow_exception(thrown);
}

void runItem(DueStep due)
{
    while (due.node && due.node->claim(due.step)) {
        if (due.noHome && !due.node->hasNoHome()) {
            // It was moved by hand meanwhile, which has given it a home (R36).
            due.node->setDueElsewhere(due.step);
            deliverAfterMove(*due.node);
            return;
        }
        DueStep next;
        try {
            if (std::optional<DueStep> behind = due.node->advance(due.step)) {
                next = std::move(*behind);
            } else {
                StepEnd end = due.node->run(due.step);
                next = std::move(end.next);
                std::move(end).goOn();
            }
        } catch (...) { // of a slot, or of a system without memory
            logUncaught(due.node->path());
        }
        due = std::move(next);
    }
}

} // namespace GoProcess::Private
