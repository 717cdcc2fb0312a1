// SPDX-License-Identifier: MIT
// The search along waiting edges for the way from one process to another.

#ifndef GOPROCESS_SEARCH_P_H
#define GOPROCESS_SEARCH_P_H

#include "graph_p.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <vector>

namespace GoProcess::Private {

/// How many edges a search looks at in a slice, if it begins again when something has happened
/// between two: all that there are, where something happens again and again.
inline std::size_t edgesOfASlice(int beginnings)
{
    constexpr int mostBeginnings = 8;
    return beginnings <= mostBeginnings ? GOPROCESS_EDGES_PER_SLICE
                                        : std::numeric_limits<std::size_t>::max();
}

/// One end of a search along waiting edges, which goes from edge to edge.
class Graph::Side
{
public:
    enum class Way : std::uint8_t { Down, Up };

    Side(Node &start, Way way, LockDomain &domain) : m_way(way), m_mark(++domain.visits)
    {
        add(start);
    }

    /// Looks at one edge more: Yes where it leads to what \a other has found, No where there is
    /// none.
    Reach step(const Side &other)
    {
        while (!m_edge) {
            if (m_next == m_found.size())
                return Reach::No;
            const Node &node = *m_found[m_next++].node;
            m_edge = m_way == Way::Down ? node.m_firstDown : node.m_firstUp;
        }
        const Edge &edge = *m_edge;
        m_edge = m_way == Way::Down ? edge.nextDown : edge.nextUp;
        Node &node = m_way == Way::Down ? *edge.lower : *edge.upper;
        if (!edge.waits || node.m_visit == m_mark)
            return Reach::Unknown;
        // Between two slices a node may lose its mark, as a step of it becomes due: then it is
        // found once more. Those where the sides began are known without.
        const bool isMet = node.m_visit == other.m_mark || &node == other.m_found.front().node;
        add(node);
        return isMet ? Reach::Yes : Reach::Unknown;
    }

    Node *last() const { return m_found.back().node; }
    bool hasFound(const Node *node) const { return place(node) < m_found.size(); }
    /// The way from \a node, which it has found, back to its beginning.
    std::vector<Node *> wayBack(const Node *node) const
    {
        std::vector<Node *> way;
        std::size_t at = place(node);
        for (; at > 0; at = m_found[at].from)
            way.push_back(m_found[at].node);
        way.push_back(m_found[at].node);
        return way;
    }

private:
    struct Found
    {
        Node *node;
        std::size_t from; ///< The one by an edge of which it was found.
    };

    void add(Node &node)
    {
        node.m_visit = m_mark;
        m_found.push_back({ &node, m_next > 0 ? m_next - 1 : 0 });
    }
    std::size_t place(const Node *node) const
    {
        const auto isIt = [node](const Found &found) { return found.node == node; };
        return std::size_t(std::find_if(m_found.cbegin(), m_found.cend(), isIt) - m_found.cbegin());
    }

    const Way m_way;
    const std::uint64_t m_mark;
    std::deque<Found> m_found;
    std::size_t m_next = 0;
    const Edge *m_edge = nullptr;
};

/// Whether one node waits, directly or not, for another one, in slices between which other threads
/// get the lock. If an edge of the domain was changed meanwhile, or another search came by, it
/// begins again: the nodes and marks that it has left may be gone.
class Graph::WaySearch
{
public:
    WaySearch(Node &from, Node &target) : m_from(from), m_target(target) { }

    /// Looks at up to \a limit edges from each end. Unknown: there are more.
    Reach goOn(LockDomain &domain, std::size_t limit)
    {
        if (!m_down || domain.visits != m_visits) {
            m_down.emplace(m_from, Side::Way::Down, domain);
            m_up.emplace(m_target, Side::Way::Up, domain);
            ++m_beginnings;
        }
        // From both ends in turn, an edge each: the smaller of the two sides bounds the search,
        // however many edges a single node has.
        Reach reached = Reach::Unknown;
        for (std::size_t looked = 0; looked < limit && reached == Reach::Unknown; ++looked) {
            reached = m_up->step(*m_down);
            if (reached == Reach::Unknown)
                reached = m_down->step(*m_up);
        }
        m_visits = domain.visits;
        return reached;
    }
    /// Looks at as many edges as a slice allows. Unknown: there are more.
    Reach goOn(LockDomain &domain)
    {
        constexpr std::size_t steps =
                4; // each end has its share, and what it finds is all over the memory
        return goOn(domain, edgesOfASlice(m_beginnings + 1) / steps + 1);
    }

    /// Once there is one, in the slice that has found it: the way from the one node to the other.
    std::vector<Node *> way() const
    {
        // The side that has come to what the other one had found added it last.
        Node *const met = m_down->hasFound(m_up->last()) ? m_up->last() : m_down->last();
        std::vector<Node *> way = m_down->wayBack(met);
        std::reverse(way.begin(), way.end());
        const std::vector<Node *> rest = m_up->wayBack(met);
        way.insert(way.end(), rest.cbegin() + 1, rest.cend());
        return way;
    }

private:
    Node &m_from;
    Node &m_target;
    std::optional<Side> m_down;
    std::optional<Side> m_up;
    std::uint64_t m_visits = 0; ///< Those of the domain, at the end of the last slice.
    int m_beginnings = 0;
};

/// False in the usual case, which costs nothing: \a lower waits for nothing, or nothing is above
/// \a upper.
inline bool Graph::mayCloseCycle(const Node &upper, const Node &lower)
{
    return (lower.m_waits > 0 && upper.m_firstUp) || &upper == &lower;
}

} // namespace GoProcess::Private

#endif
