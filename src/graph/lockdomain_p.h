// SPDX-License-Identifier: MIT
// The processes that edges have joined, and the lock that they share.

#ifndef GOPROCESS_LOCKDOMAIN_P_H
#define GOPROCESS_LOCKDOMAIN_P_H

#include "common/mutex_p.h"
#include "node_p.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <utility>

namespace GoProcess::Private {

/// A walk down the graph, set aside so that other threads get the lock. Guarded by the domain's
/// lock.
struct Walk
{
    /// What it has come to and where edges lead down, parents before children; from the one at
    /// \a next on it has not looked at all of these.
    std::deque<Ref<Node>> nodes;
    std::size_t next = 0;
    /// Of the node at \a next: where it goes on, null at the end.
    Edge *edge = nullptr;
};

/// Processes joined by edges, and the lock that they share.
class LockDomain
{
public:
    explicit LockDomain(bool isLone = false);
    Q_DISABLE_COPY_MOVE(LockDomain)
    ~LockDomain();

    void ref() noexcept { m_refs.fetch_add(1, std::memory_order_relaxed); }
    void deref() noexcept
    {
        if (loseReference())
            destroy();
    }

    /// This one, or what it was merged into.
    LockDomain *root() noexcept
    {
        // Acquire pairs with the release of the thread that merged: what lies beyond is complete.
        // Forwards are never undone and every link holds a reference on the next, so the walk needs
        // no lock.
        LockDomain *domain = this;
        while (LockDomain *next = domain->forward.load(std::memory_order_acquire))
            domain = next;
        return domain;
    }

    void lock()
    {
        if (Q_UNLIKELY(!mutex.try_lock()))
            waitForLock();
    }
    /// For a caller that has just let go of the lock and takes it again soon: a mutex is not fair,
    /// and another thread that waits for it would hardly ever get it.
    void letOthersIn() const;

    Mutex mutex;
    /// The domain that this one was merged into. Written once, under both locks, and published
    /// with release; once set it never changes, so a thread that reads it needs no lock.
    std::atomic<LockDomain *> forward = nullptr;
    /// The last number that a search marked nodes with. What changes edges moves it on as well: a
    /// search in slices sees by it that something has happened meanwhile.
    std::uint64_t visits = 0;
    std::uint32_t rank = 0; ///< Bounds the length of the chain of forwards that ends here.
    /// Of closes, for what they reach (R18), in the order in which they were set aside. What one
    /// has not looked at is Closing, and has one reason more not to begin its teardown (m_pending).
    std::list<Walk> markings;
    std::list<Walk> looks; ///< Of threads that look at what is open.
    std::list<Ref<Node>> leaving; ///< Finished, and still in books of those above them.
    /// Whether there are markings, or nodes that are leaving. Written under the lock with release:
    /// a thread that sees a process Closed that a marking has reached sees this set, until all that
    /// the marking reaches is Closing.
    std::atomic<bool> isUnderWay = false;
    const bool isLone;

    /// The next one in the list of all but the lone domains. The caller holds the lock of the list.
    LockDomain *next() const { return m_next; }

private:
    /// True if that was the last one.
    bool loseReference() noexcept
    {
        return !isLone && m_refs.fetch_sub(1, std::memory_order_acq_rel) == 1;
    }
    void destroy() noexcept;
    void enlist();
    void delist();
    void waitForLock();

    std::atomic<int> m_refs = 1;
    std::atomic<int> m_waiting = 0; ///< How many threads wait for the lock.
    // In the list of all but the lone domains, guarded by its lock.
    LockDomain *m_previous = nullptr;
    LockDomain *m_next = nullptr;
};

/// Holds the lock of a node's domain.
class NodeLock
{
public:
    NodeLock() noexcept = default;
    explicit NodeLock(const Node &node);
    /// Locks two nodes at once and joins their domains.
    NodeLock(Node &a, Node &b);
    /// Locks \a domain, or what it was merged into.
    explicit NodeLock(LockDomain &domain);
    NodeLock(NodeLock &&other) noexcept : m_domain(std::exchange(other.m_domain, nullptr)) { }
    NodeLock &operator=(NodeLock &&other) noexcept
    {
        std::swap(m_domain, other.m_domain);
        return *this;
    }
    NodeLock(const NodeLock &) = delete;
    NodeLock &operator=(const NodeLock &) = delete;
    ~NodeLock() { unlock(); }

    explicit operator bool() const noexcept { return m_domain != nullptr; }

    void unlock() noexcept;
    /// unlock(), and other threads get the lock that wait for it. The caller keeps a node of the
    /// domain, which keeps that.
    void letOthersIn();
    LockDomain &domain() const noexcept { return *m_domain; }

    /// The domain of \a node; without its lock, as it was a moment ago.
    static LockDomain *rootOf(const Node &node) noexcept
    {
        return node.m_domain.load(std::memory_order_acquire)->root(); // acquire: as in root()
    }

private:
    LockDomain *m_domain = nullptr;
};

inline NodeLock::NodeLock(const Node &node)
{
    while (true) {
        LockDomain *domain = rootOf(node);
        domain->lock();
        if (rootOf(node) == domain) {
            m_domain = domain;
            return;
        }
        domain->mutex.unlock(); // it was merged meanwhile
    }
}

inline void NodeLock::unlock() noexcept
{
    if (LockDomain *domain = std::exchange(m_domain, nullptr))
        domain->mutex.unlock();
}

inline void NodeLock::letOthersIn()
{
    const LockDomain &domain = *m_domain;
    unlock();
    domain.letOthersIn();
}

} // namespace GoProcess::Private

#endif
