// SPDX-License-Identifier: MIT
// A close: the counters that say what comes next, and the end (R17 to R20).

#include "graph_p.h"

#include "changednodes_p.h"

#include <algorithm>
#include <optional>

namespace GoProcess::Private {

/// One reason less to wait; the last one out begins the teardown.
void Graph::countDown(Node &node, DueSteps &steps)
{
    if (--node.m_pending == 0) {
        wake(node, Waiter::Goal::TeardownBegun);
        steps.add(node);
    }
}

void Graph::closeIfLeft(Node &node, DueSteps &steps)
{
    if (node.m_closeAfterChildren && node.m_waits == 0)
        mark(node, steps);
}

DueSteps Graph::close(Node &node)
{
    // Whatever its state is, another thread may still be marking what is below (R18).
    if (node.state() == NodeState::Closed && !isUnderWay(node))
        return {};
    DueSteps steps { NodeLock(node) };
    mark(node, steps);
    return steps;
}

DueSteps Graph::closeAfterChildren(Node &node)
{
    DueSteps steps { NodeLock(node) };
    node.m_closeAfterChildren = true;
    closeIfLeft(node, steps);
    return steps;
}

DueSteps Graph::workReturned(Node &node)
{
    DueSteps steps { NodeLock(node) };
    node.m_hasWork = false;
    node.m_closeAfterChildren = true;
    closeIfLeft(node, steps);
    countDown(node, steps);
    return steps;
}

bool Graph::hold(Node &node)
{
    const NodeLock lock(node);
    if (hasBegunTeardown(node))
        return false;
    ++node.m_pending;
    return true;
}

DueSteps Graph::release(Node &node)
{
    DueSteps steps { NodeLock(node) };
    countDown(node, steps);
    return steps;
}

void Graph::setObserved(Node &node)
{
    if (node.m_isObserved.load(std::memory_order_acquire))
        return;
    const NodeLock lock(node);
    setObservedLocked(node);
}

/// True if nobody is to be told of anything. Needs the lock.
bool Graph::isSilent(const Node &node)
{
    return !node.m_isObserved.load(std::memory_order_relaxed) && !node.m_hasClosingListeners
            && !node.m_hasClosedListeners;
}

/// Closed, unless there is an error: parents are to be told of it. Needs the lock.
bool Graph::tryClose(Node &node, DueSteps &steps)
{
    if (node.m_error || node.m_treeErrors)
        return false;
    // Release: as in setClosed().
    node.m_state.store(NodeState::Closed, std::memory_order_release);
    leaveBooks(node, steps);
    return true;
}

std::optional<DueSteps> Graph::announceSilently(Node &node)
{
    DueSteps steps { NodeLock(node) };
    if (!isSilent(node))
        return std::nullopt;
    announceLocked(node, steps);
    return steps;
}

void Graph::announceSilently(Node &node, DueSteps &steps)
{
    if (steps.m_first != &node || hasBegunTeardown(node) || !isSilent(node))
        return;
    static_cast<void>(steps.take());
    announceLocked(node, steps);
}

void Graph::announceLocked(Node &node, DueSteps &steps)
{
    node.m_announced = true;
    if (--node.m_pending == 0) {
        wake(node, Waiter::Goal::TeardownBegun);
        if (!tryClose(node, steps))
            steps.add(node);
    }
}

std::optional<DueSteps> Graph::finishSilently(Node &node)
{
    DueSteps steps { NodeLock(node) };
    if (!isSilent(node) || !tryClose(node, steps))
        return std::nullopt;
    return steps;
}

std::optional<DueSteps> Graph::announced(Node &node)
{
    DueSteps steps { NodeLock(node) };
    if (node.m_hasClosingListeners)
        return std::nullopt;
    node.m_announced = true;
    countDown(node, steps);
    return steps;
}

std::optional<DueSteps> Graph::finish(Node &node)
{
    DueSteps steps { NodeLock(node) };
    if (node.m_hasClosedListeners)
        return std::nullopt;
    leaveBooks(node, steps);
    return steps;
}

/// The node is Closed and everybody was told: those that waited go on.
void Graph::leaveBooks(Node &node, DueSteps &steps)
{
    // Release: who sees it may destroy the QObject, which nobody touches from here.
    node.m_finished.store(true, std::memory_order_release);
    ChangedNodes::note(node);
    wake(node, Waiter::Goal::Closed);
    leave(node, steps);
}

/// Out of the books above, or as many of them as the slice allows.
void Graph::leave(Node &node, DueSteps &steps)
{
    constexpr std::size_t cost = 4; // of an edge, as it may be that of a close

    while (Edge *edge = node.m_firstUp) {
        if (steps.m_left == 0 && leavesLater(node, steps))
            return;
        steps.m_left -= std::min(steps.m_left, cost);
        Node &upper = *edge->upper;
        const bool waited = edge->waits;
        detach(steps.m_lock.domain(), edge);
        if (waited) {
            --upper.m_waits;
            closeIfLeft(upper, steps);
            countDown(upper, steps);
        }
    }
}

} // namespace GoProcess::Private
