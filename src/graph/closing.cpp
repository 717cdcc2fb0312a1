// SPDX-License-Identifier: MIT
// A close: the counters that say what comes next, and the end (R17 to R20).

#include "graph_p.h"

#include "changednodes_p.h"

#include <algorithm>
#include <optional>

namespace GoProcess::Private {

/// One reason less not to begin the teardown; the last one makes it due.
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

/// True if no teardown, connection, future or binding waits for a step of the node. The caller
/// holds the lock.
bool Graph::isSilent(const Node &node)
{
    return !node.m_isObserved.load(std::memory_order_relaxed) && !node.m_hasClosingListeners
            && !node.m_hasClosedListeners;
}

/// Takes a silent node on as far as it can go under this one lock: its announcement is made, and if
/// nothing else keeps it open it is Closed and Finished. False where that is not possible, as its
/// teardown had begun and there is an error that parents are to be told of.
inline bool Graph::advanceLocked(Node &node, DueSteps &steps)
{
    const bool announces = !node.m_announced;
    if (announces) {
        node.m_announced = true;
        if (--node.m_pending > 0)
            return true;
        wake(node, Waiter::Goal::TeardownBegun);
    }
    if (!node.m_error && !node.m_treeErrors) {
        // Release: as in setClosed().
        node.m_state.store(NodeState::Closed, std::memory_order_release);
        leaveBooks(node, steps);
        return true;
    }
    if (announces)
        steps.add(node);
    return announces;
}

std::optional<DueSteps> Graph::advance(Node &node)
{
    DueSteps steps { NodeLock(node) };
    if (!isSilent(node) || !advanceLocked(node, steps))
        return std::nullopt;
    return steps;
}

void Graph::advance(Node &node, DueSteps &steps)
{
    if (steps.m_first != &node || node.m_announced || !isSilent(node))
        return;
    static_cast<void>(steps.take());
    advanceLocked(node, steps);
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

/// The node is Closed, its signals were emitted, its futures and bindings were told: the threads
/// and processes that wait for it go on.
void Graph::leaveBooks(Node &node, DueSteps &steps)
{
    // Release: a thread that sees it may destroy the QObject, which this step touches no more.
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
