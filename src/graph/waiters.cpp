// SPDX-License-Identifier: MIT
// The threads that are blocked until a process has reached a goal.

#include "graph_p.h"

#include "common/fork_p.h"

#include <utility>

namespace GoProcess::Private {

/// The waits that the calling thread is in, the innermost first.
static thread_local Waiter *ownWaits = nullptr;

bool Graph::addWaiter(Node &node, Waiter &waiter)
{
    const auto reached = [&] {
        switch (waiter.goal) { // GCOVR_EXCL_BR_LINE: compiler
        case Waiter::Goal::Closing:
            return node.state() != NodeState::Running;
        case Waiter::Goal::TeardownBegun:
            return hasBegunTeardown(node);
        case Waiter::Goal::Closed:
            return node.isFinished();
        case Waiter::Goal::LateTeardown:
            break;
        }
        return !node.hasLateTeardown();
    };

    const NodeLock lock(node);
    if (reached())
        return false;
    forgetLostWaiters(node);
    waiter.next = std::exchange(node.m_waiters, &waiter);
    waiter.waitedFor = &node;
    waiter.outer = std::exchange(ownWaits, &waiter);
    return true;
}

/// In a forked child the list still has the waits of threads that are gone, and their stacks with
/// them: it is made anew of those of the thread that forked, without a look at it.
void Graph::forgetLostWaiters(Node &node)
{
    if (!Forks::isChild() || node.m_hasOwnWaiters)
        return;
    node.m_hasOwnWaiters = true;
    node.m_waiters = nullptr;
    for (Waiter *waiter = ownWaits; waiter; waiter = waiter->outer) {
        if (waiter->waitedFor == &node)
            waiter->next = std::exchange(node.m_waiters, waiter);
    }
}

void Graph::removeWaiter(Node &node, Waiter &waiter)
{
    {
        const NodeLock lock(node);
        forgetLostWaiters(node);
        Waiter **place = &node.m_waiters;
        while (*place && *place != &waiter) // GCOVR_EXCL_BR_LINE: guard
            place = &(*place)->next;
        if (*place) // GCOVR_EXCL_BR_LINE: guard
            *place = waiter.next;
    }
    Waiter **own = &ownWaits;
    while (*own && *own != &waiter) // GCOVR_EXCL_BR_LINE: rare
        own = &(*own)->outer; // GCOVR_EXCL_LINE: rare
    if (*own) // GCOVR_EXCL_BR_LINE: rare
        *own = waiter.outer;
}

bool Graph::hasWaiters(const Node &node)
{
    const NodeLock lock(node);
    // Other threads are not there, in a forked child.
    if (Forks::isChild()) // GCOVR_EXCL_BR_LINE: rare
        return false; // GCOVR_EXCL_LINE: rare
    const Waiter *waiter = node.m_waiters;
    while (waiter && waiter->goal != Waiter::Goal::Closed) // GCOVR_EXCL_BR_LINE: rare
        waiter = waiter->next; // GCOVR_EXCL_LINE: rare
    return waiter;
}

void Graph::wakeWaiters(Node &node, Waiter::Goal goal)
{
    forgetLostWaiters(node);
    for (Waiter *waiter = node.m_waiters; waiter; waiter = waiter->next) {
        if (waiter->goal == goal)
            waiter->wake();
    }
}

void Graph::setLateTeardown(Node &node, bool pending)
{
    const NodeLock lock(node);
    // Release: a thread that sees that it has completed may destroy the QObject.
    node.m_late.store(pending, std::memory_order_release);
    if (!pending)
        wake(node, Waiter::Goal::LateTeardown);
}

void Graph::abandon(Node &node)
{
    node.m_state.store(NodeState::Closed, std::memory_order_release);
    node.m_finished.store(true, std::memory_order_release);
}

} // namespace GoProcess::Private
