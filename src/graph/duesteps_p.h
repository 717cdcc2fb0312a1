// SPDX-License-Identifier: MIT
// The steps that an operation of the graph has made due.

#ifndef GOPROCESS_DUESTEPS_P_H
#define GOPROCESS_DUESTEPS_P_H

#include "lockdomain_p.h"

#include <cstddef>
#include <utility>

#ifndef GOPROCESS_EDGES_PER_SLICE // tests of the core have graphs of a few edges
#  define GOPROCESS_EDGES_PER_SLICE 2000
#endif

namespace GoProcess::Private {

/// What an operation made due. It still holds the lock of the graph, so that steps reach the
/// queue of their home in the order in which they became due: take them, then let it go.
///
/// The steps are a list through the nodes, so that nothing can fail for want of memory once an
/// operation has begun to change the graph.
///
/// A large operation makes them due in slices, between which it lets go of the lock: see more().
class [[nodiscard]] DueSteps
{
public:
    struct Due
    {
        Node *node;
        Step step;
    };

    DueSteps() = default;
    explicit DueSteps(NodeLock lock) noexcept : m_lock(std::move(lock)) { }
    DueSteps(DueSteps &&other) noexcept
        : m_lock(std::move(other.m_lock)),
          m_first(std::exchange(other.m_first, nullptr)),
          m_last(std::exchange(other.m_last, nullptr)),
          m_rest(std::move(other.m_rest))
    {
    }
    DueSteps &operator=(DueSteps &&other) noexcept
    {
        std::swap(m_lock, other.m_lock);
        std::swap(m_first, other.m_first);
        std::swap(m_last, other.m_last);
        std::swap(m_rest, other.m_rest);
        return *this;
    }
    DueSteps(const DueSteps &) = delete;
    DueSteps &operator=(const DueSteps &) = delete;
    ~DueSteps() = default;

    bool isEmpty() const noexcept { return !m_first; }
    /// Nothing is due, and nothing will be by more().
    bool isOver() const noexcept { return !m_first && !m_rest; }
    /// Takes out the step that became due first; there has to be one.
    Due take() noexcept;
    void unlock() noexcept { m_lock.unlock(); }
    /// After unlock(), until it is false: then the operation is over, and all that it closes is
    /// Closing (R18). While it is true there is a slice more, locked, of steps to take.
    bool more();

private:
    friend class Graph;
    void add(Node &node) noexcept;

    NodeLock m_lock;
    Node *m_first = nullptr;
    Node *m_last = nullptr;
    Ref<LockDomain> m_rest; ///< Where an operation is under way that more() brings to its end.
    /// How many edges the operation looks at before it lets go of the lock. It does not move with
    /// the rest, as that makes no slice much longer.
    std::size_t m_left = GOPROCESS_EDGES_PER_SLICE;
};

/// One node has at most one step due: its announcement keeps its teardown from beginning. So what
/// is due in a node is its announcement until that is made, and its teardown from then on.
inline void DueSteps::add(Node &node) noexcept
{
    node.m_nextDue = nullptr;
    (m_last ? m_last->m_nextDue : m_first) = &node;
    m_last = &node;
}

inline DueSteps::Due DueSteps::take() noexcept
{
    Node *const node = m_first;
    m_first = node->m_nextDue;
    if (!m_first)
        m_last = nullptr;
    node->m_visit = 0; // no search has come by
    return { node, node->m_announced ? Step::Teardown : Step::Announce };
}

} // namespace GoProcess::Private

#endif
