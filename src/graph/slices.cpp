// SPDX-License-Identifier: MIT
// Large operations in slices: closes, what becomes due when a process leaves the books of many
// others, and looks at what is open.
//
// An operation lets go of the lock after some edges. What it has made due is brought on its way,
// and other threads get the lock; the rest stands in the domain. The thread that called it goes on
// until nothing is left there, and so do threads that close or wait in that domain meanwhile,
// whichever of them began what is left (R18).
//
// A close goes over closing edges, breadth first, so that parents become due before their children.
// Between its slices the graph may change. What keeps its search right:
// - Each process that it has not searched is Closing, and kept from its teardown by a count in
//   m_pending, so that it keeps its books. A child that is added to it from here on is closed by
//   the call that adds it.
// - The edge where the search goes on is marked, and the call that takes it out of the books moves
//   the search on.
// - When domains are joined, so are their lists.
//
// A look does the same without a count, as it needs none: it takes what it finds as it comes by.
//
// A finished process leaves the books above it from the first to the last, and no edges are added
// to it any more. Those that it has not left wait for it still, and so do not go.

#include "graph_p.h"

#include "changednodes_p.h"

#include <limits>
#include <new>
#include <unordered_set>

namespace GoProcess::Private {

/// One slice of a search.
class Graph::Search
{
public:
    explicit Search(DueSteps &steps) : m_steps(steps) { }

    void begin(Node &start, bool begins);
    void goOn(Walk &marking);

private:
    void close(Node &node, bool begins);
    void searchLater(Node &node);
    Edge *lookBelow(Edge *edge);
    void searchDue();
    bool setAside(Node &node, Edge &edge);
    bool isOver() const { return m_steps.m_left == 0; }
    void goOnToTheEnd() { m_steps.m_left = std::numeric_limits<std::size_t>::max(); }

    DueSteps &m_steps;
    Walk *m_marking = nullptr; ///< Where those go that are to be searched; null: see below.
    /// Those that are to be searched are due in m_steps, from the one on to the other.
    Node *m_first = nullptr;
    Node *m_last = nullptr;
};

void Graph::Search::begin(Node &start, bool begins)
{
    close(start, begins);
    searchDue();
}

/// Goes on with \a marking, up to its end or that of the slice.
void Graph::Search::goOn(Walk &marking)
{
    m_marking = &marking;
    Edge *edge = marking.edge;
    while (true) {
        edge = lookBelow(edge);
        if (edge || isOver())
            break;
        Node &searched = *marking.nodes[marking.next++];
        --m_steps.m_left;
        countDown(searched, m_steps);
        if (marking.next == marking.nodes.size())
            break;
        edge = marking.nodes[marking.next]->m_firstDown;
    }
    marking.edge = edge;
    if (edge)
        edge->isNext = true;
    searchDue();
}

void Graph::Search::close(Node &node, bool begins)
{
    // Release: a thread that sees Closing without the lock sees what happened before the close.
    node.m_state.store(NodeState::Closing, std::memory_order_release);
    node.m_beginsClose = begins;
    ChangedNodes::note(node);
    wake(node, Waiter::Goal::Closing);
    m_steps.add(node);
    if (node.m_firstDown)
        searchLater(node);
}

void Graph::Search::searchLater(Node &node)
{
    if (m_marking) {
        try {
            m_marking->nodes.emplace_back(&node);
            ++node.m_pending;
            return;
        } catch (const std::bad_alloc &) { // GCOVR_EXCL_BR_LINE: compiler
            // This slice is the last one, as it needs no memory: all that is left, and then what is
            // due.
            m_marking = nullptr;
            goOnToTheEnd();
        }
    }
    if (!m_first)
        m_first = &node;
    m_last = &node;
}

/// Closes what \a edge and those behind it in the same books lead to. Null at their end, or else
/// where the slice is over.
Edge *Graph::Search::lookBelow(Edge *edge)
{
    while (edge && !isOver()) {
        --m_steps.m_left;
        Edge *const following = edge->nextDown;
        if (edge->closes) {
            if (edge->lower->state() == NodeState::Running)
                close(*edge->lower, !edge->waits);
            if (!edge->waits)
                detach(m_steps.m_lock.domain(), edge); // it has done its duty
        }
        edge = following;
    }
    return edge;
}

/// Searches what is due in m_steps, which needs no memory; when the slice is over the rest is set
/// aside.
void Graph::Search::searchDue()
{
    if (!m_first)
        return;
    Node *node = m_first;
    Edge *edge = node->m_firstDown;
    while (true) {
        edge = lookBelow(edge);
        if (edge) {
            if (setAside(*node, *edge))
                return;
            goOnToTheEnd();
        } else if (node == m_last) {
            return; // what is due behind it has nothing below
        } else {
            node = node->m_nextDue;
            edge = node->m_firstDown;
        }
    }
}

/// Makes a marking of the rest, from \a edge below \a node on. False if there is no memory for
/// that.
bool Graph::Search::setAside(Node &node, Edge &edge)
{
    LockDomain &domain = m_steps.m_lock.domain();
    std::list<Walk> fresh;
    try {
        Walk &marking = fresh.emplace_back();
        for (Node *left = &node;; left = left->m_nextDue) {
            if (left->m_firstDown)
                marking.nodes.emplace_back(left);
            if (left == m_last)
                break;
        }
    } catch (const std::bad_alloc &) { // GCOVR_EXCL_BR_LINE: compiler
        return false;
    }
    Walk &marking = fresh.front();
    for (const NodeRef &left : marking.nodes)
        ++left->m_pending;
    marking.edge = &edge;
    edge.isNext = true;
    domain.markings.splice(domain.markings.end(), fresh);
    domain.isUnderWay.store(true, std::memory_order_release);
    return true;
}

/// Running -> Closing for \a start and everything reachable over closing edges; for a large graph
/// with the help of DueSteps::more(). \a begins: no close above waits for it.
void Graph::mark(Node &start, DueSteps &steps, bool begins)
{
    if (start.state() == NodeState::Running)
        Search(steps).begin(start, begins);
    helpLocked(steps);
}

/// The slice is over: the rest of \a node stands in the domain from here on. False if there is no
/// memory for that, and all comes now.
bool Graph::leavesLater(Node &node, DueSteps &steps)
{
    LockDomain &domain = steps.m_lock.domain();
    if (!domain.leaving.empty() && domain.leaving.front().get() == &node)
        return true; // since an earlier slice
    try {
        domain.leaving.emplace_back(&node);
    } catch (const std::bad_alloc &) { // GCOVR_EXCL_BR_LINE: compiler
        steps.m_left = std::numeric_limits<std::size_t>::max();
        return false;
    }
    domain.isUnderWay.store(true, std::memory_order_release);
    helpLocked(steps);
    return true;
}

/// Has \a steps bring to its end what is under way in its domain.
void Graph::helpLocked(DueSteps &steps)
{
    LockDomain &domain = steps.m_lock.domain();
    if (domain.isUnderWay.load(std::memory_order_relaxed))
        steps.m_rest = Ref<LockDomain>(&domain);
}

std::optional<DueSteps> Graph::help(const Node &node)
{
    if (!isUnderWay(node))
        return std::nullopt;
    DueSteps steps { NodeLock(node) };
    helpLocked(steps);
    return steps;
}

/// Without the lock.
bool Graph::isUnderWay(const Node &node)
{
    // Acquire: see its declaration.
    return NodeLock::rootOf(node)->isUnderWay.load(std::memory_order_acquire);
}

/// Walks move on from \a edge, which leaves the books of its upper end.
void Graph::passOver(LockDomain &domain, Edge &edge)
{
    for (std::list<Walk> *walks : { &domain.markings, &domain.looks }) {
        for (Walk &walk : *walks) {
            if (walk.edge != &edge)
                continue; // it has gone on since
            walk.edge = edge.nextDown;
            if (walk.edge)
                walk.edge->isNext = true;
        }
    }
    edge.isNext = false;
}

/// A slice of \a walk; true at its end.
template<class LookAt>
bool Graph::goOn(Walk &walk, LookAt &&lookAt)
{
    Edge *edge = walk.edge;
    for (std::size_t left = GOPROCESS_EDGES_PER_SLICE; left > 0; --left) {
        if (edge) {
            lookAt(*edge);
            edge = edge->nextDown;
        } else if (++walk.next < walk.nodes.size()) {
            edge = walk.nodes[walk.next]->m_firstDown;
        } else {
            return true;
        }
    }
    walk.edge = edge;
    if (edge)
        edge->isNext = true;
    return false;
}

void Graph::visitOpen(Node &node, const std::function<void(Node &)> &visit)
{
    std::list<Walk> own(1); // what it keeps may go with it, and not under the lock
    const auto place = own.begin();
    std::unordered_set<const Node *> found; // those with several edges up
    const auto visitLower = [&](const Edge &edge) {
        Node &lower = *edge.lower;
        const bool isOnly = !edge.previousUp && !edge.nextUp;
        if (!edge.waits || !(isOnly || found.insert(&lower).second))
            return;
        visit(lower);
        if (lower.m_firstDown)
            place->nodes.emplace_back(&lower);
    };

    NodeLock lock(node);
    if (node.isFinished() && !node.hasLateTeardown())
        return;
    visit(node);
    place->nodes.emplace_back(&node);
    place->edge = node.m_firstDown;
    while (!goOn(*place, visitLower)) {
        std::list<Walk> &looks = lock.domain().looks;
        looks.splice(looks.end(), own);
        lock.letOthersIn();
        lock = NodeLock(node);
        own.splice(own.begin(), lock.domain().looks, place);
    }
}

bool Graph::goOn(DueSteps &steps)
{
    while (true) {
        steps.m_rest->root()->letOthersIn();
        // The processes that they have kept may go with them, and not under the lock.
        std::list<Walk> marked;
        std::list<NodeRef> left;
        steps.m_lock = NodeLock(*steps.m_rest);
        steps.m_left = GOPROCESS_EDGES_PER_SLICE;
        LockDomain &domain = steps.m_lock.domain();
        if (!domain.markings.empty()) {
            Walk &marking = domain.markings.front();
            if (marking.next < marking.nodes.size()) {
                Search(steps).goOn(marking);
                return true;
            }
            marked.splice(marked.begin(), domain.markings, domain.markings.begin());
        } else if (!domain.leaving.empty()) {
            Node &node = *domain.leaving.front();
            if (node.m_firstUp) {
                leave(node, steps);
                return true;
            }
            left.splice(left.begin(), domain.leaving, domain.leaving.begin());
        }
        const bool isOver = domain.markings.empty() && domain.leaving.empty();
        if (isOver)
            domain.isUnderWay.store(false, std::memory_order_release);
        steps.m_lock.unlock();
        if (isOver) {
            steps.m_rest = {};
            return false;
        }
    }
}

} // namespace GoProcess::Private
