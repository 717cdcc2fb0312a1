// SPDX-License-Identifier: MIT
// Searches: for a cycle that an edge would close (R14), and for what has not announced above a
// process (R19).

#include "search_p.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace GoProcess::Private {

/// Whether \a from waits for \a target, by up to \a limit edges from each end, at once. Both are in
/// \a domain. The caller holds its lock.
Graph::Reach Graph::reach(Node &from, Node &target, LockDomain &domain, std::size_t limit)
{
    return WaySearch(from, target).goOn(domain, limit);
}

/// Whether an edge from \a upper to \a lower closes a cycle: then \a result refuses it. Unknown:
/// other threads have had the lock meanwhile, so the caller repeats all its checks. \a search keeps
/// what is known.
Graph::Reach Graph::lookForCycle(Node &upper, Node &lower, EdgeChange &result,
                                 std::unique_ptr<WaySearch> &search)
{
    constexpr std::size_t few = std::min(64, GOPROCESS_EDGES_PER_SLICE);

    LockDomain &domain = result.steps.m_lock.domain();
    if (&upper == &lower) {
        refuse(result, { &upper });
        return Reach::Yes;
    }
    if (!search) {
        WaySearch look(lower, upper);
        Reach reached = look.goOn(domain, few);
        if (reached == Reach::Yes)
            refuse(result, look.way());
        // If upper waits for lower already, if only in the end, another edge changes nothing. Such
        // a shortcut is often one of few edges in a graph where the way around is long.
        else if (reached == Reach::Unknown && reach(upper, lower, domain, few) == Reach::Yes)
            reached = Reach::No;
        if (reached != Reach::Unknown)
            return reached;
        search = std::make_unique<WaySearch>(lower, upper);
    }
    const Reach reached = search->goOn(domain);
    if (reached == Reach::Unknown) {
        result.steps.m_lock.letOthersIn();
        result.steps = DueSteps(NodeLock(upper, lower));
    } else if (reached == Reach::Yes) {
        refuse(result, search->way());
    }
    return reached;
}

/// Refuses the new edge, with which \a way, the nodes from lower to upper, would be a cycle.
void Graph::refuse(EdgeChange &result, const std::vector<Node *> &way)
{
    constexpr std::size_t half = 50; // of a longer one those at both ends, for the message

    result.refusal = Refusal::Cycle;
    auto cycle = std::make_unique<std::vector<NodeRef>>();
    cycle->emplace_back(way.back());
    for (std::size_t i = 0; i < way.size(); ++i) {
        if (i == half && way.size() > 2 * half) {
            cycle->emplace_back(); // here is a gap
            i = way.size() - half;
        }
        cycle->emplace_back(way[i]);
    }
    result.cycle = std::move(cycle);
}

bool Graph::waitsFor(Node &node, Node &other)
{
    if (&node == &other)
        return true;
    WaySearch search(node, other);
    while (NodeLock lock = lockIfJoined(node, other)) { // GCOVR_EXCL_BR_LINE: race
        // GCOVR_EXCL_BR_START: race
        if (const Reach reached = search.goOn(lock.domain()); reached != Reach::Unknown)
            // GCOVR_EXCL_BR_STOP
            return reached == Reach::Yes;
        lock.letOthersIn();
    }
    return false;
}

bool Graph::mayWaitFor(Node &node, Node &other)
{
    constexpr std::size_t few = 64;
    if (&node == &other)
        return true;
    const NodeLock lock = lockIfJoined(node, other);
    return lock && reach(node, other, lock.domain(), few) != Reach::No; // GCOVR_EXCL_BR_LINE: race
}

/// Nothing if neither waits for the other, as they are in separate graphs. If another thread joins
/// these at this moment, either answer is right.
NodeLock Graph::lockIfJoined(Node &node, const Node &other)
{
    if (NodeLock::rootOf(node) != NodeLock::rootOf(other))
        return {};
    NodeLock lock(node);
    // GCOVR_EXCL_BR_START: race
    if (NodeLock::rootOf(other) != &lock.domain() || lock.domain().isLone)
        // GCOVR_EXCL_BR_STOP
        return {};
    return lock;
}

/// A search up from a node, in slices as a WaySearch. It finds parents before their children.
class Graph::Climb
{
public:
    explicit Climb(Node &start) : m_start(start) { }

    /// False at the end.
    bool goOn(LockDomain &domain, std::vector<NodeRef> &found);

private:
    /// A node on the way up.
    struct Place
    {
        NodeRef node;
        const Edge *edge;
        bool hasFirstParent;
    };

    void add(Node &node)
    {
        node.m_visit = m_mark;
        m_way.push_back({ NodeRef(&node), node.m_firstUp, true });
    }
    void addIfWanted(Node &node)
    {
        if (node.m_visit != m_mark && node.state() == NodeState::Closing && !node.m_announced)
            add(node);
    }

    Node &m_start;
    std::vector<Place> m_way;
    std::vector<NodeRef>
            m_left; ///< May be the last references, which are not to go under the lock.
    std::uint64_t m_mark = 0;
    std::uint64_t m_visits = 0; ///< Those of the domain, at the end of the last slice.
    int m_beginnings = 0;
};

bool Graph::Climb::goOn(LockDomain &domain, std::vector<NodeRef> &found)
{
    if (m_beginnings == 0 || domain.visits != m_visits) {
        ++m_beginnings;
        for (Place &place : m_way)
            m_left.push_back(std::move(place.node));
        m_way.clear();
        for (NodeRef &node : found)
            m_left.push_back(std::move(node));
        found.clear();
        m_mark = ++domain.visits;
        add(m_start);
    }
    for (std::size_t left = edgesOfASlice(m_beginnings); left > 0 && !m_way.empty(); --left) {
        Place &last = m_way.back();
        if (last.edge) {
            const Edge &edge = *std::exchange(last.edge, last.edge->nextUp);
            if (edge.closes)
                addIfWanted(*edge.upper);
        } else if (std::exchange(last.hasFirstParent, false)) {
            // What does not wait has left its books; its first parent is known all the same. It is
            // in the domain, as they were joined once, and nothing parts what was.
            if (NodeRef parent = last.node->firstParent()) {
                addIfWanted(*parent);
                m_left.push_back(std::move(parent));
            }
        } else {
            if (last.node.get() != &m_start)
                found.push_back(std::move(last.node));
            m_way.pop_back();
        }
    }
    m_visits = domain.visits;
    return !m_way.empty();
}

void Graph::unannouncedAbove(Node &node, std::vector<NodeRef> &found)
{
    Climb climb(node);
    while (true) {
        NodeLock lock(node);
        LockDomain &domain = lock.domain();
        if (domain.isLone || !climb.goOn(domain, found))
            return; // nothing is above it, or nothing more
        lock.letOthersIn();
    }
}

} // namespace GoProcess::Private
