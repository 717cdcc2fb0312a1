// SPDX-License-Identifier: MIT
// A close: the counters that say what comes next, and the end (R17 to R20).

#include "graph_p.h"

#include "changednodes_p.h"

#include <algorithm>
#include <optional>

namespace GoProcess::Private {

/// One reason less to wait; the last one out begins the teardown.
void Graph::countDown(Node &node, Change &change)
{
    if (--node.m_pending == 0) {
        wake(node, Waiter::Goal::TeardownBegun);
        change.add(node);
    }
}

void Graph::closeIfLeft(Node &node, Change &change)
{
    if (node.m_closeAfterChildren && node.m_waits == 0)
        mark(node, change);
}

Change Graph::close(Node &node)
{
    // Whatever its state is, another thread may still be marking what is below (R18).
    if (node.state() == NodeState::Closed && !isUnderWay(node))
        return {};
    Change change { NodeLock(node) };
    mark(node, change);
    return change;
}

Change Graph::closeAfterChildren(Node &node)
{
    Change change { NodeLock(node) };
    node.m_closeAfterChildren = true;
    closeIfLeft(node, change);
    return change;
}

Change Graph::workReturned(Node &node)
{
    Change change { NodeLock(node) };
    node.m_hasWork = false;
    node.m_closeAfterChildren = true;
    closeIfLeft(node, change);
    countDown(node, change);
    return change;
}

bool Graph::hold(Node &node)
{
    const NodeLock lock(node);
    if (hasBegunTeardown(node))
        return false;
    ++node.m_pending;
    return true;
}

Change Graph::release(Node &node)
{
    Change change { NodeLock(node) };
    countDown(node, change);
    return change;
}

void Graph::addAudience(Node &node)
{
    if (node.m_hasAudience.load(std::memory_order_acquire))
        return;
    const NodeLock lock(node);
    addAudienceLocked(node);
}

/// True if nobody is to be told of anything. Needs the lock.
bool Graph::isUnheard(const Node &node)
{
    return !node.m_hasAudience.load(std::memory_order_relaxed) && !node.m_hasClosingListeners
            && !node.m_hasClosedListeners;
}

/// Closed, unless there is an error: parents are to be told of it. Needs the lock.
bool Graph::tryClose(Node &node, Change &change)
{
    if (node.m_error || node.m_treeErrors)
        return false;
    // Release: as in setClosed().
    node.m_state.store(NodeState::Closed, std::memory_order_release);
    leaveBooks(node, change);
    return true;
}

std::optional<Change> Graph::announceUnheard(Node &node)
{
    Change change { NodeLock(node) };
    if (!isUnheard(node))
        return std::nullopt;
    announceLocked(node, change);
    return change;
}

void Graph::announceUnheard(Node &node, Change &change)
{
    if (change.m_first != &node || hasBegunTeardown(node) || !isUnheard(node))
        return;
    static_cast<void>(change.take());
    announceLocked(node, change);
}

void Graph::announceLocked(Node &node, Change &change)
{
    node.m_announced = true;
    if (--node.m_pending == 0) {
        wake(node, Waiter::Goal::TeardownBegun);
        if (!tryClose(node, change))
            change.add(node);
    }
}

std::optional<Change> Graph::finishUnheard(Node &node)
{
    Change change { NodeLock(node) };
    if (!isUnheard(node) || !tryClose(node, change))
        return std::nullopt;
    return change;
}

std::optional<Change> Graph::announced(Node &node)
{
    Change change { NodeLock(node) };
    if (node.m_hasClosingListeners)
        return std::nullopt;
    node.m_announced = true;
    countDown(node, change);
    return change;
}

std::optional<Change> Graph::finish(Node &node)
{
    Change change { NodeLock(node) };
    if (node.m_hasClosedListeners)
        return std::nullopt;
    leaveBooks(node, change);
    return change;
}

/// The node is Closed and everybody was told: those that waited go on.
void Graph::leaveBooks(Node &node, Change &change)
{
    // Release: who sees it may destroy the QObject, which nobody touches from here.
    node.m_finished.store(true, std::memory_order_release);
    Journal::note(node);
    wake(node, Waiter::Goal::Closed);
    leave(node, change);
}

/// Out of the books above, or as many of them as the slice allows.
void Graph::leave(Node &node, Change &change)
{
    constexpr std::size_t cost = 4; // of an edge, as it may be that of a close

    while (Edge *edge = node.m_firstUp) {
        if (change.m_left == 0 && leavesLater(node, change))
            return;
        change.m_left -= std::min(change.m_left, cost);
        Node &upper = *edge->upper;
        const bool waited = edge->waits;
        detach(change.m_lock.component(), edge);
        if (waited) {
            --upper.m_waits;
            closeIfLeft(upper, change);
            countDown(upper, change);
        }
    }
}

} // namespace GoProcess::Private
