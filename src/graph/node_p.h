// SPDX-License-Identifier: MIT
// A process as a node of the graph: its state, its books, its counters.

#ifndef GOPROCESS_NODE_P_H
#define GOPROCESS_NODE_P_H

#include "ref_p.h"

#include <GoProcess/error.h>

#include <QList>
#include <QString>

#include <atomic>
#include <cstdint>
#include <memory>

namespace GoProcess::Private {

class LockDomain;
class Node;

enum class NodeState : std::uint8_t { Running, Closing, Closed };

/// What runs for a process outside of the graph: at its home; Work and Rehome on a pool.
enum class Step : std::uint8_t {
    None,
    Announce, ///< emit closing()
    Teardown, ///< run the teardown
    Finish, ///< become Closed and emit closed()
    LateTeardown, ///< run a teardown that was set on a Closed process
    Work, ///< run the function given to `go`
    Post, ///< run the next function given to `post`
    Rehome ///< bring a step to the thread that the process was moved to
};

/// An edge from a process down to another, in the books of both. What a close looks at comes last,
/// beside what it looks at in the node.
struct Edge
{
    Edge *previousUp = nullptr; ///< Neighbours in the books of lower.
    Edge *nextUp = nullptr;
    Node *upper = nullptr; ///< Null: not in use.
    Edge *previousDown = nullptr; ///< Neighbours in the books of upper.
    Edge *nextDown = nullptr;
    Node *lower = nullptr;
    bool closes = false; ///< When upper closes, lower is closed.
    bool waits = false; ///< Upper's teardown does not begin before lower is Closed.
    bool isNext = false; ///< A Walk may go on here.
    bool isTold = false; ///< Upper knows what failed at or below lower.
};

/// A thread that is blocked until a process has reached a goal. Lives on the stack of that thread,
/// and in the list of the node, which the node's lock guards.
class Waiter
{
public:
    enum class Goal : std::uint8_t { Closing, TeardownBegun, Closed, LateTeardown };

    explicit Waiter(Goal awaited) noexcept : goal(awaited) { }
    Q_DISABLE_COPY_MOVE(Waiter)

    /// Called once, under the node's lock.
    virtual void wake() = 0;

    const Goal goal;
    Waiter *next = nullptr;
    // Of the waiting thread alone:
    const void *waitedFor = nullptr; ///< The node.
    Waiter *outer = nullptr; ///< The wait that this thread was in before.

protected:
    ~Waiter() = default;
};

/// Which processes failed below a process (R27).
struct TreeErrors
{
    static constexpr qsizetype kept = 100;

    struct Entry
    {
        std::uint64_t id = 0;
        ProcessError error;
    };

    void add(const Entry &entry);
    void add(const TreeErrors &other);
    /// Another one would only be counted.
    bool isFull() const { return entries.size() >= kept; }

    QList<Entry> entries;
    qsizetype uncounted = 0; ///< Those that there was no room for.
};

/// A process in the graph. Lives as long as there are references to it, longer than its QObject.
class Node
{
public:
    Q_DISABLE_COPY_MOVE(Node)

    void ref() noexcept { m_refs.fetch_add(1, std::memory_order_relaxed); }
    void deref() noexcept
    {
        if (isShared() && m_refs.fetch_sub(1, std::memory_order_acq_rel) != 1)
            return;
        delete this;
    }

    /// Lock-free. Acquire, so that a caller that sees Closed also sees the error.
    NodeState state() const noexcept { return m_state.load(std::memory_order_acquire); }
    /// True once closed() was emitted and the process has left all books.
    bool isFinished() const noexcept { return m_finished.load(std::memory_order_acquire); }
    /// True while a teardown that was set on a Closed process has not completed.
    bool hasLateTeardown() const noexcept { return m_late.load(std::memory_order_acquire); }
    /// True if a reader of ChangedNodes may have found it. Relaxed: the thread that found it had a
    /// reference or the lock, which orders that before; see also ChangedNodes.
    bool isWatched() const noexcept
    {
        return (m_foundBy.load(std::memory_order_relaxed) & Watcher) != 0;
    }
    /// A number of its own, made when first asked for.
    std::uint64_t id() const noexcept;

    /// A reference, unless the last one is gone and the node is being destroyed.
    Ref<Node> tryRef() noexcept;
    /// Null if it has none, or has let go of it.
    Ref<Node> firstParent() const;

    QString name() const;
    /// False if that is the name already.
    bool setName(const QString &name);
    QString path() const;
    /// The QObject is gone: lets go of the first parent, so that nodes in a cycle of closing edges
    /// do not keep each other alive.
    void forgetParent();

    /// Valid once the state is Closed.
    const Error &error() const noexcept { return m_error; }

protected:
    explicit Node(bool isBackground);
    virtual ~Node();

    /// False if the caller's reference is the only one, and no thread can get another.
    bool isShared() const noexcept
    {
        // Acquire: all that other owners did came before, and so did their letFind().
        return m_refs.load(std::memory_order_acquire) != 1
                || m_foundBy.load(std::memory_order_relaxed) != Nobody;
    }

    /// What gets a reference by tryRef(), without having one.
    enum Finder : std::uint8_t {
        Nobody = 0,
        Watcher = 1, ///< A reader of ChangedNodes, which notes its changes.
        LeftOpenList = 2 ///< The end of the program, by its teardown.
    };
    /// Before \a finder finds it. The caller has a reference or the object.
    void letFind(Finder finder) noexcept { m_foundBy.fetch_or(finder, std::memory_order_relaxed); }

private:
    friend class DueSteps;
    friend class Graph;
    friend class ChangedNodes;
    friend class NodeLock;

    // In the order of use: a large close goes over all nodes more than once, and what it needs of
    // each is together, down here and at the beginning of StepTarget.

    /// Guarded by the label lock of this node; null where it is empty.
    std::unique_ptr<const QString> m_name;
    mutable std::atomic<std::uint64_t> m_id = 0;
    // All below is guarded by the domain's lock, unless it says otherwise.
    std::unique_ptr<TreeErrors> m_treeErrors;
    /// Of the work, then of the teardown, the first that failed. Handed from step to step; the
    /// state Closed publishes it.
    Error m_error;
    /// Holds a reference. Set once, under the domain's lock; read and let go of under the label
    /// lock of this node.
    std::atomic<Node *> m_firstParent = nullptr;
    /// Written when the node leaves its lone domain, under the locks of both; never changes after
    /// that.
    std::atomic<LockDomain *> m_domain;
    Edge *m_firstUp = nullptr;
    /// How many processes this waits for that are not Finished.
    std::uint32_t m_waits = 0;
    /// How many processes are closed when this closes: what stands in its books as its children.
    std::uint32_t m_children = 0;
    Edge *m_lastDown = nullptr;
    Edge m_ownEdge; ///< The first edge up needs no allocation.
    /// First those that it only waits for, then its children in the order in which they became so.
    Edge *m_firstDown = nullptr;
    Waiter *m_waiters = nullptr;
    union
    {
        std::uint64_t m_visit = 0; ///< The search that came by last.
        Node *m_nextDue; ///< The next one, while a step of it stands in a DueSteps, under its lock.
    };
    /// What keeps teardown from beginning: processes that this waits for, work, holds and posted
    /// functions, the announcement itself, and a marking that has not searched it. Zero: teardown has begun;
    /// nothing increments it from there.
    std::uint32_t m_pending = 1;
    std::atomic<int> m_refs = 1;
    bool m_closeAfterChildren : 1;
    bool m_announced : 1;
    bool m_hasClosingListeners : 1;
    bool m_hasClosedListeners : 1;
    bool m_areErrorsKept : 1; ///< A parent knows what failed at or below this.
    bool m_beginsClose : 1; ///< A close has begun here, and not above.
    /// It has a work that has not returned.
    bool m_hasWork : 1;
    bool m_hasOwnWaiters : 1; ///< In a forked child, see Graph::forgetLostWaiters().
    /// Its steps have user code to run or a signal to emit. Never taken back. Written under the
    /// lock with release; a thread that sees it set sees what the lock guarded then.
    std::atomic<bool> m_isObserved = false;
    /// Finders; none is ever taken back. Written by letFind(), which owners of a reference or of
    /// the object call, and read by isShared(): the count of references orders the one before the
    /// other. See also ChangedNodes.
    std::atomic<std::uint8_t> m_foundBy = Nobody;
    // Written under the domain's lock with release, read by any thread with acquire. Only Closed
    // without errors is written without the lock, by the thread that runs the last step: see
    // Graph::setClosed().
    std::atomic<NodeState> m_state = NodeState::Running;
    std::atomic<bool> m_finished = false;
    std::atomic<bool> m_late = false;

public:
    /// Takes part in no graph; the process that never closes.
    const bool background = false;
};

using NodeRef = Ref<Node>;

} // namespace GoProcess::Private

#endif
