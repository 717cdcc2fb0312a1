// SPDX-License-Identifier: MIT
// Running -> Closing, for all that a close reaches (R18).
//
// The search goes over closing edges, breadth first, so that parents become due before their children. It lets
// go of the lock after some edges, what it has made due is brought on its way, and other threads get the lock.
// Meanwhile the graph may change. What keeps the search right:
// - Each process that it has not searched is Closing, and kept from its teardown by a count in m_pending, so that
//   it keeps its books. Whatever becomes a child of it from here on is closed by who adds it.
// - The edge where the search goes on is marked, and whoever takes it out of the books moves the search on.
// - When components are joined, so are their lists of markings.
// - Other closes of the component bring it to its end with the thread that began it: a close returns when no
//   marking is left in its component, which is more than what it reaches, and needs no search for that.

#include "graph_p.h"

#include "journal_p.h"

#include <chrono>
#include <limits>
#include <new>
#include <thread>

namespace GoProcess::Private {

#ifndef GOPROCESS_EDGES_PER_SLICE // tests of the core have graphs of a few edges
#  define GOPROCESS_EDGES_PER_SLICE 2000
#endif

/// One slice of a search.
class Graph::Search
{
public:
    explicit Search(Change &change) : m_change(change) { }

    void begin(Node &start, bool begins);
    void goOn(Marking &marking);

private:
    void close(Node &node, bool begins);
    Edge *lookBelow(Edge *edge);
    void searchDue();
    bool setAside(Node &node, Edge &edge);
    bool isOver() const { return m_left == 0; }

    Change &m_change;
    std::size_t m_left = GOPROCESS_EDGES_PER_SLICE; ///< How many edges it looks at.
    Marking *m_marking = nullptr; ///< Where those go that are to be searched; null: see below.
    /// Those that are to be searched are due in m_change, from the one on to the other.
    Node *m_first = nullptr;
    Node *m_last = nullptr;
};

void Graph::Search::begin(Node &start, bool begins)
{
    close(start, begins);
    searchDue();
}

/// Goes on with \a marking, up to its end or that of the slice.
void Graph::Search::goOn(Marking &marking)
{
    m_marking = &marking;
    Edge *edge = marking.edge;
    if (edge)
        edge->isNext = false;
    while (true) {
        edge = lookBelow(edge);
        if (edge || isOver())
            break;
        Node &searched = *marking.nodes[marking.next++];
        --m_left;
        countDown(searched, m_change);
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
    // Release: who sees Closing without the lock sees what happened before the close.
    node.m_state.store(NodeState::Closing, std::memory_order_release);
    node.m_beginsClose = begins;
    Journal::note(node);
    wake(node, Waiter::Goal::Closing);
    m_change.add(node);
    if (!node.m_firstDown)
        return;
    if (m_marking) {
        try {
            m_marking->nodes.emplace_back(&node);
            ++node.m_pending;
            return;
        } catch (const std::bad_alloc &) {
            // This slice is the last one, as it needs no memory: all that is left, and then what is due.
            m_marking = nullptr;
            m_left = std::numeric_limits<std::size_t>::max();
        }
    }
    if (!m_first)
        m_first = &node;
    m_last = &node;
}

/// Closes what \a edge and those behind it in the same books lead to. Null at their end, or else where the slice is
/// over.
Edge *Graph::Search::lookBelow(Edge *edge)
{
    while (edge && !isOver()) {
        --m_left;
        Edge *const following = edge->nextDown;
        if (edge->closes) {
            if (edge->lower->state() == NodeState::Running)
                close(*edge->lower, !edge->waits);
            if (!edge->waits)
                detach(edge); // it has done its duty
        }
        edge = following;
    }
    return edge;
}

/// Searches what is due in m_change, which needs no memory; when the slice is over the rest is set aside.
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
            m_left = std::numeric_limits<std::size_t>::max();
        } else if (node == m_last) {
            return; // what is due behind it has nothing below
        } else {
            node = node->m_nextDue;
            edge = node->m_firstDown;
        }
    }
}

/// Makes a marking of the rest, from \a edge below \a node on. False if there is no memory for that.
bool Graph::Search::setAside(Node &node, Edge &edge)
{
    Component &component = m_change.m_lock.component();
    std::list<Marking> fresh;
    try {
        Marking &marking = fresh.emplace_back();
        for (Node *left = &node;; left = left->m_nextDue) {
            if (left->m_firstDown)
                marking.nodes.emplace_back(left);
            if (left == m_last)
                break;
        }
    } catch (const std::bad_alloc &) {
        return false;
    }
    Marking &marking = fresh.front();
    for (const NodeRef &left : marking.nodes)
        ++left->m_pending;
    marking.edge = &edge;
    edge.isNext = true;
    component.markings.splice(component.markings.end(), fresh);
    component.isMarking.store(true, std::memory_order_release);
    return true;
}

/// Running -> Closing for \a start and everything reachable over closing edges; for a large graph with the help of
/// Change::more(). \a begins: no close above waits for it.
void Graph::mark(Node &start, Change &change, bool begins)
{
    if (start.state() == NodeState::Running)
        Search(change).begin(start, begins);
    helpLocked(change);
}

/// Has \a change bring all markings of its component to their ends.
void Graph::helpLocked(Change &change)
{
    Component &component = change.m_lock.component();
    if (component.isMarking.load(std::memory_order_relaxed))
        change.m_marking = Ref<Component>(&component);
}

std::optional<Change> Graph::helpToMark(const Node &node)
{
    if (!isMarking(node))
        return std::nullopt;
    Change change { NodeLock(node) };
    helpLocked(change);
    return change;
}

/// Without the lock.
bool Graph::isMarking(const Node &node)
{
    // Acquire: as in Component::root(); and see the declaration of isMarking.
    return node.m_component.load(std::memory_order_acquire)
            ->root()
            ->isMarking.load(std::memory_order_acquire);
}

/// The search moves on from \a edge, which leaves the books of its upper end.
void Graph::passOver(Edge &edge)
{
    for (Marking &marking :
         edge.upper->m_component.load(std::memory_order_relaxed)->root()->markings) {
        if (marking.edge == &edge)
            marking.edge = edge.nextDown;
    }
    edge.isNext = false;
    if (edge.nextDown)
        edge.nextDown->isNext = true;
}

bool Graph::goOn(Change &change)
{
    while (true) {
        change.m_marking->root()->letOthersIn();
        // The processes that it has kept may go with it, and not under the lock.
        std::list<Marking> ended;
        change.m_lock = NodeLock(*change.m_marking);
        Component &component = change.m_lock.component();
        std::list<Marking> &markings = component.markings;
        if (!markings.empty() && markings.front().next < markings.front().nodes.size()) {
            Search(change).goOn(markings.front());
            return true;
        }
        if (!markings.empty())
            ended.splice(ended.begin(), markings, markings.begin());
        const bool isLast = markings.empty();
        if (isLast)
            component.isMarking.store(false, std::memory_order_release);
        change.m_lock.unlock();
        if (isLast) {
            change.m_marking = {};
            return false;
        }
    }
}

void Component::waitForLock()
{
    // Relaxed: the number orders nothing.
    m_waiting.fetch_add(1, std::memory_order_relaxed);
    mutex.lock();
    m_waiting.fetch_sub(1, std::memory_order_relaxed);
}

void Component::letOthersIn() const
{
    // It goes to sleep in the lock and needs a moment to wake up. Not for long, as there is no end to those who
    // may come, and no promise that they run.
    using Clock = std::chrono::steady_clock;
    constexpr std::chrono::milliseconds longest { 1 };

    const int waiting = m_waiting.load(std::memory_order_relaxed);
    if (waiting == 0)
        return;
    const Clock::time_point end = Clock::now() + longest;
    while (m_waiting.load(std::memory_order_relaxed) >= waiting && Clock::now() < end)
        std::this_thread::yield();
}

} // namespace GoProcess::Private
