// SPDX-License-Identifier: MIT
// The blocking wait, which runs the steps at home in its thread meanwhile, and no events.

#ifndef GOPROCESS_WAIT_P_H
#define GOPROCESS_WAIT_P_H

#include "dispatcher_p.h"
#include "graph/graph_p.h"

#include <QDeadlineTimer>

namespace GoProcess::Private {

/// Why a wait for Closed cannot be made in this thread (R39): the node whose step or work is on the
/// stack and would have to end first. Null: it can.
const Node *blockedBy(Node &node);

/// A flag that a blocked thread waits for, and any thread sets. Made, and waited for, in one
/// thread.
class WakeUp
{
public:
    WakeUp() : m_dispatcher(Dispatcher::current()) { }
    Q_DISABLE_COPY_MOVE(WakeUp)

    /// From any thread. The caller keeps the waiting thread from destroying it meanwhile, by a lock
    /// that the waiting thread takes before it does.
    void set() { m_dispatcher->wake(m_isSet); }
    /// Acquire: a thread that sees it set sees what led to it.
    bool isSet() const { return m_isSet.load(std::memory_order_acquire); }

private:
    friend bool waitUntil(const WakeUp &wakeUp, StepTarget &node, bool closes,
                          QDeadlineTimer deadline);
    /// Counted: the thread may be at its end, and the QThread gone.
    const DispatcherRef m_dispatcher;
    /// Set under the lock of the dispatcher, so that its thread does not miss it falling asleep.
    std::atomic<bool> m_isSet = false;
};

/// Sets a WakeUp when a process reaches a goal; at once if it has.
class GoalWaiter final : public Waiter
{
public:
    GoalWaiter(Node &node, Goal awaited, WakeUp &wakeUp)
        : Waiter(awaited),
          m_node(node),
          m_wakeUp(wakeUp),
          m_registered(Graph::addWaiter(node, *this))
    {
        if (!m_registered)
            m_wakeUp.set(); // the goal is reached: no step will
    }
    Q_DISABLE_COPY_MOVE(GoalWaiter)
    ~GoalWaiter()
    {
        if (m_registered)
            Graph::removeWaiter(m_node, *this);
    }

    void wake() override { m_wakeUp.set(); }

private:
    Node &m_node;
    WakeUp &m_wakeUp;
    const bool m_registered;
};

/// Blocks until \a wakeUp is set; false if \a deadline passed first.
///
/// Runs the steps at home meanwhile, and does what the calling thread can do for \a node and what
/// it waits for to close; not the futures of teardowns and the own work unless \a closes.
bool waitUntil(const WakeUp &wakeUp, StepTarget &node, bool closes, QDeadlineTimer deadline);

/// Blocks until \a goal is reached; false if \a deadline passed first. Does not ask blockedBy().
bool waitUntil(StepTarget &node, Waiter::Goal goal, QDeadlineTimer deadline);

/// Just blocks until \a deadline; for the process that never closes.
void waitInVain(QDeadlineTimer deadline);

} // namespace GoProcess::Private

#endif
