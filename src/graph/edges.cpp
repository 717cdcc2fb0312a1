// SPDX-License-Identifier: MIT
// Edges: which process closes which, and which waits for which (R6 to R16).

#include "graph_p.h"

#include "changednodes_p.h"
#include "graphlocks_p.h"
#include "search_p.h"

#include <memory>
#include <utility>
#include <vector>

namespace GoProcess::Private {

void Graph::attach(LockDomain &domain, Node &upper, Node &lower, bool closes, bool waits)
{
    ++domain.visits;
    Edge *edge = lower.m_firstUp ? find(upper, lower) : nullptr;
    if (!edge) {
        edge = lower.m_ownEdge.upper ? immortal<FurtherEdges>().make(upper, lower)
                                     : &lower.m_ownEdge;
        edge->upper = &upper;
        edge->lower = &lower;
        edge->closes = closes;
        linkDown(*edge);
        edge->nextUp = std::exchange(lower.m_firstUp, edge);
        if (edge->nextUp)
            edge->nextUp->previousUp = edge;
        if (closes)
            becomeChild(upper, lower);
    } else if (closes && !edge->closes) {
        unlinkDown(domain, *edge);
        edge->closes = true;
        linkDown(*edge); // to the children
        becomeChild(upper, lower);
    }

    if (waits && !edge->waits) {
        edge->waits = true;
        ++upper.m_waits;
        ++upper.m_pending;
    }
    if (lower.m_areErrorsKept)
        tellOfErrors(*edge); // lower has told its other parents, and may not come by this edge
    ChangedNodes::note(upper);
    ChangedNodes::note(lower);
}

void Graph::becomeChild(Node &upper, Node &lower)
{
    ++upper.m_children;
    if (!lower.m_firstParent.load(std::memory_order_relaxed)) {
        upper.ref();
        lower.m_firstParent.store(&upper, std::memory_order_release);
    }
}

/// Into the books of upper: children at the end, the others at the beginning.
void Graph::linkDown(Edge &edge)
{
    Node &upper = *edge.upper;
    edge.previousDown = edge.closes ? upper.m_lastDown : nullptr;
    edge.nextDown = edge.closes ? nullptr : upper.m_firstDown;
    (edge.previousDown ? edge.previousDown->nextDown : upper.m_firstDown) = &edge;
    (edge.nextDown ? edge.nextDown->previousDown : upper.m_lastDown) = &edge;
}

void Graph::unlinkDown(LockDomain &domain, Edge &edge)
{
    if (edge.isNext)
        passOver(domain, edge);
    (edge.previousDown ? edge.previousDown->nextDown : edge.upper->m_firstDown) = edge.nextDown;
    (edge.nextDown ? edge.nextDown->previousDown : edge.upper->m_lastDown) = edge.previousDown;
}

void Graph::detach(LockDomain &domain, Edge *edge)
{
    ++domain.visits;
    ChangedNodes::note(*edge->upper);
    ChangedNodes::note(*edge->lower);
    if (edge->closes)
        --edge->upper->m_children;
    unlinkDown(domain, *edge);
    (edge->previousUp ? edge->previousUp->nextUp : edge->lower->m_firstUp) = edge->nextUp;
    if (edge->nextUp)
        edge->nextUp->previousUp = edge->previousUp;

    if (edge == &edge->lower->m_ownEdge)
        *edge = Edge();
    else
        immortal<FurtherEdges>().remove(edge);
}

Edge *Graph::find(const Node &upper, const Node &lower)
{
    constexpr int few = 16;

    if (lower.m_ownEdge.upper == &upper)
        return const_cast<Edge *>(&lower.m_ownEdge);
    // In step through both books, so that the shorter one bounds the search.
    Edge *down = upper.m_firstDown;
    Edge *up = lower.m_firstUp;
    for (int looked = 0; down && up; ++looked) {
        if (looked == few)
            return immortal<FurtherEdges>().find(upper, lower);
        if (down->lower == &lower)
            return down;
        if (up->upper == &upper)
            return up;
        down = down->nextDown;
        up = up->nextUp;
    }
    return nullptr;
}

EdgeChange Graph::addChild(Node &upper, Node &lower)
{
    if (lower.background)
        return { {}, Refusal::Background, {} };
    if (upper.background || lower.state() == NodeState::Closed)
        return {};

    EdgeChange result { DueSteps(NodeLock(upper, lower)), Refusal::None, {} };
    std::unique_ptr<WaySearch> search;
    while (true) {
        if (lower.state() == NodeState::Closed)
            return result;
        if (hasBegunTeardown(upper)) {
            result.refusal = Refusal::TeardownBegun;
            return result;
        }
        if (mayCloseCycle(upper, lower)) {
            const Reach reached = lookForCycle(upper, lower, result, search);
            if (reached == Reach::Unknown)
                continue;
            if (reached == Reach::Yes)
                return result;
        }
        attach(result.steps.m_lock.domain(), upper, lower, true, true);
        if (upper.state() == NodeState::Closing)
            mark(lower, result.steps, false);
        return result;
    }
}

EdgeChange Graph::addChildNoWait(Node &upper, Node &lower)
{
    if (lower.background)
        return { {}, Refusal::Background, {} };
    if (upper.background || &upper == &lower || lower.state() == NodeState::Closed)
        return {};

    EdgeChange result { DueSteps(NodeLock(upper, lower)), Refusal::None, {} };
    if (upper.state() != NodeState::Running)
        mark(lower, result.steps);
    else if (lower.state() != NodeState::Closed)
        attach(result.steps.m_lock.domain(), upper, lower, true, false);
    return result;
}

EdgeChange Graph::waitFor(Node &upper, Node &lower)
{
    if (lower.background || upper.background)
        return { {}, Refusal::Background, {} };

    EdgeChange result { DueSteps(NodeLock(upper, lower)), Refusal::None, {} };
    std::unique_ptr<WaySearch> search;
    while (true) {
        if (upper.state() != NodeState::Running) {
            result.refusal = Refusal::NotRunning;
            return result;
        }
        if (lower.state() == NodeState::Closed) {
            mark(upper, result.steps);
            return result;
        }
        if (mayCloseCycle(upper, lower)) {
            const Reach reached = lookForCycle(upper, lower, result, search);
            if (reached == Reach::Unknown)
                continue;
            if (reached == Reach::Yes)
                return result;
        }
        attach(result.steps.m_lock.domain(), upper, lower, false, true);
        return result;
    }
}

void Graph::waitedFor(Node &node, std::size_t limit, std::vector<NodeRef> &found)
{
    const NodeLock lock(node);
    for (Edge *edge = node.m_firstDown; edge && !edge->closes && limit > 0; edge = edge->nextDown) {
        watch(*edge->lower);
        found.emplace_back(edge->lower);
        --limit;
    }
}

bool Graph::isChildOfAny(const Node &node)
{
    Edge *edge = node.m_firstUp;
    while (edge && !edge->closes)
        edge = edge->nextUp;
    return edge != nullptr;
}

void Graph::parents(const Node &node, std::size_t limit, std::vector<NodeRef> &found)
{
    const NodeLock lock(node);
    const Edge *edge = node.m_firstUp;
    for (; edge && limit > 0; edge = edge->nextUp) { // GCOVR_EXCL_BR_LINE: rare
        if (!edge->closes) // GCOVR_EXCL_BR_LINE: rare
            continue; // GCOVR_EXCL_LINE: rare
        found.emplace_back(edge->upper);
        --limit;
    }
}

} // namespace GoProcess::Private
