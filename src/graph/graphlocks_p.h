// SPDX-License-Identifier: MIT
// Where processes without edges find their lock, and the small locks inside of all others.

#ifndef GOPROCESS_GRAPHLOCKS_P_H
#define GOPROCESS_GRAPHLOCKS_P_H

#include "common/fork_p.h"
#include "common/mutex_p.h"
#include "graph_p.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace GoProcess::Private {

// Never destroyed: processes may be closed in static destruction (R48).
template<class T>
T &immortal()
{
    static T *const object = new T;
    return *object;
}

/// Where processes without edges find their lock. Several, so that threads do not meet there.
class LoneDomains
{
public:
    LockDomain *pick()
    {
        // A thread keeps to one lone domain; relaxed, as the number only spreads the threads.
        thread_local const std::size_t index = m_next.fetch_add(1, std::memory_order_relaxed);
        return m_domains[index % m_domains.size()].get();
    }

    LoneDomains();
    bool tryLock();
    void unlock(std::size_t count)
    {
        while (count > 0)
            m_domains[--count]->mutex.unlock();
    }
    void unlock() { unlock(m_domains.size()); }

private:
    std::array<std::unique_ptr<LockDomain>, 64> m_domains;
    std::atomic<std::size_t> m_next = 0;
};

/// Names and first parents are read along a path through many domains; a few locks of their own
/// guard them. Innermost of all locks: nothing else is locked under one.
class LabelLocks
{
public:
    Mutex &of(const Node *node)
    {
        return m_mutexes[std::hash<const Node *> {}(node) / alignof(std::max_align_t)
                         % m_mutexes.size()];
    }
    bool tryLock()
    {
        for (std::size_t i = 0; i < m_mutexes.size(); ++i) {
            if (!tryLockShortly(m_mutexes[i])) { // GCOVR_EXCL_BR_LINE: race
                unlock(i); // GCOVR_EXCL_LINE: race
                return false; // GCOVR_EXCL_LINE: race
            }
        }
        return true;
    }
    void unlock(std::size_t count)
    {
        while (count > 0)
            m_mutexes[--count].unlock();
    }
    void unlock() { unlock(m_mutexes.size()); }

private:
    std::array<Mutex, 64> m_mutexes;
};

inline Mutex &labelLock(const Node *node)
{
    return immortal<LabelLocks>().of(node);
}

/// The edges to further parents, by their ends. Where both ends have many, a search through their
/// books would take long.
///
/// In parts with a lock each, which is innermost like the label locks: the lock of the domain alone
/// would not do, as domains are joined. What find() returns stays, as its caller has that lock too.
class FurtherEdges
{
public:
    Edge *make(const Node &upper, const Node &lower)
    {
        auto edge = std::make_unique<Edge>();
        Part &part = of(upper, lower);
        const std::lock_guard lock(part.mutex);
        part.edges.emplace(Ends(&upper, &lower), edge.get());
        return edge.release();
    }
    void remove(Edge *edge)
    {
        {
            Part &part = of(*edge->upper, *edge->lower);
            const std::lock_guard lock(part.mutex);
            part.edges.erase(Ends(edge->upper, edge->lower));
        }
        delete edge;
    }
    Edge *find(const Node &upper, const Node &lower)
    {
        Part &part = of(upper, lower);
        const std::lock_guard lock(part.mutex);
        const auto found = part.edges.find(Ends(&upper, &lower));
        return found != part.edges.end() ? found->second : nullptr;
    }
    bool tryLock()
    {
        for (std::size_t i = 0; i < m_parts.size(); ++i) {
            if (!tryLockShortly(m_parts[i].mutex)) { // GCOVR_EXCL_BR_LINE: race
                unlock(i); // GCOVR_EXCL_LINE: race
                return false; // GCOVR_EXCL_LINE: race
            }
        }
        return true;
    }
    void unlock() { unlock(m_parts.size()); }

private:
    using Ends = std::pair<const Node *, const Node *>;
    struct Hash
    {
        std::size_t operator()(const Ends &ends) const
        {
            const std::hash<const Node *> hash;
            return hash(ends.first) / alignof(std::max_align_t) * 31 + hash(ends.second);
        }
    };
    struct Part
    {
        Mutex mutex;
        std::unordered_map<Ends, Edge *, Hash> edges;
    };

    Part &of(const Node &upper, const Node &lower)
    {
        return m_parts[Hash()({ &upper, &lower }) / alignof(std::max_align_t) % m_parts.size()];
    }
    void unlock(std::size_t count)
    {
        while (count > 0)
            m_parts[--count].mutex.unlock();
    }

    std::array<Part, 16> m_parts;
};

} // namespace GoProcess::Private

#endif
