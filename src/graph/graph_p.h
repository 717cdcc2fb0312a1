// SPDX-License-Identifier: MIT
// The state core: the graph of processes, its counters and the rules of a close.
//
// Plain C++ without QObject and without threads of its own. An operation changes the graph under a
// lock and returns the steps that have become due, each for one process; it runs no user code.
// Nothing here recurses with the depth or the width of the graph.
//
// Locks. Processes that edges join share one lock, their domain; separate trees have separate ones.
// A process without edges is in one of a few lone domains. When an edge joins two domains, the
// smaller forwards to the larger for ever; a lone process just moves in. The order of locks is:
// lone domains, domains by address, then those of the dispatchers, and innermost the label locks
// (names) and those of the further edges. See src/README.md.

#ifndef GOPROCESS_GRAPH_P_H
#define GOPROCESS_GRAPH_P_H

#include "common/mutex_p.h"

#include <GoProcess/error.h>

#include <QList>
#include <QString>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#ifndef GOPROCESS_EDGES_PER_SLICE // tests of the core have graphs of a few edges
#  define GOPROCESS_EDGES_PER_SLICE 2000
#endif

namespace GoProcess::Private {

class Node;

/// A counted reference to a T, whose ref() and deref() count.
template<class T>
class Ref
{
public:
    Ref() noexcept = default;
    explicit Ref(T *object) noexcept : m_object(object)
    {
        if (m_object)
            m_object->ref();
    }
    Ref(const Ref &other) noexcept : Ref(other.m_object) { }
    Ref(Ref &&other) noexcept : m_object(std::exchange(other.m_object, nullptr)) { }
    Ref &operator=(Ref other) noexcept
    {
        std::swap(m_object, other.m_object);
        return *this;
    }
    ~Ref()
    {
        if (m_object)
            m_object->deref();
    }

    T *get() const noexcept { return m_object; }
    T *operator->() const noexcept { return m_object; }
    T &operator*() const noexcept { return *m_object; }
    explicit operator bool() const noexcept { return m_object != nullptr; }

private:
    T *m_object = nullptr;
};

enum class NodeState : std::uint8_t { Running, Closing, Closed };

/// A piece of a close that runs outside the graph, at home.
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

struct Edge;

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
        // Acquire pairs with the release of who merged: what lies beyond is complete. Forwards are
        // never undone and every link holds a reference on the next, so the walk needs no lock.
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
    /// For who has just let go of the lock and takes it again soon: a mutex is not fair, and
    /// another thread that waits for it would hardly ever get it.
    void letOthersIn() const;

    Mutex mutex;
    /// The domain that this one was merged into. Written once, under both locks, and published
    /// with release; once set it never changes, so whoever reads it needs no lock.
    std::atomic<LockDomain *> forward = nullptr;
    /// The last number that a search marked nodes with. What changes edges moves it on as well: a
    /// search in slices sees by it that something has happened meanwhile.
    std::uint64_t visits = 0;
    std::uint32_t rank = 0; ///< Bounds the length of the chain of forwards that ends here.
    /// Of closes, for what they reach (R18), in the order in which they were set aside. What one
    /// has not looked at is Closing, and has one reason more not to begin its teardown (m_pending).
    std::list<Walk> markings;
    std::list<Walk> looks; ///< Of those who look at what is open.
    std::list<Ref<Node>> leaving; ///< Finished, and still in books of those above them.
    /// Whether there are markings or such. Written under the lock with release: whoever sees Closed
    /// a process that a marking has reached sees it set, until all that the marking reaches is
    /// Closing.
    std::atomic<bool> isUnderWay = false;
    const bool isLone;

    /// The next one in the list of all but the lone domains, whose lock the caller has.
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

/// Somebody who is blocked until a process has come somewhere. Lives on the stack of the blocked
/// thread, in the list of the node, guarded by the node's lock.
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

/// A process in the graph. Lives as long as anybody refers to it, longer than its QObject.
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

    /// Lock-free. Acquire, so that who sees Closed also sees the error.
    NodeState state() const noexcept { return m_state.load(std::memory_order_acquire); }
    /// True once closed() was emitted and the process has left all books.
    bool isFinished() const noexcept { return m_finished.load(std::memory_order_acquire); }
    /// True while a teardown that was set on a Closed process has not completed.
    bool hasLateTeardown() const noexcept { return m_late.load(std::memory_order_acquire); }
    /// Somebody has looked at it from its parent. Relaxed: whoever did has let go of it before it
    /// is asked.
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
    /// The QObject is gone: lets go of the first parent, so that rings of closing edges do not keep
    /// each other alive.
    void forgetParent();

    /// Valid once the state is Closed.
    const Error &error() const noexcept { return m_error; }

protected:
    explicit Node(bool isBackground);
    virtual ~Node();

    /// False if the caller's reference is the only one, and nobody can get another.
    bool isShared() const noexcept
    {
        // Acquire: all that the others did came before. That includes that they watched or listed
        // it.
        return m_refs.load(std::memory_order_acquire) != 1
                || m_foundBy.load(std::memory_order_relaxed) != Nobody;
    }

    /// Who gets a reference by tryRef(), without having one.
    enum Finder : std::uint8_t {
        Nobody = 0,
        Watcher = 1, ///< A reader of the journal, which has its changes while that has readers.
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
    /// How many unclosed processes this waits for.
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
        Node *m_nextDue; ///< While a step of it stands in a DueSteps, which holds the lock: the next one.
    };
    /// What keeps teardown from beginning: unclosed processes that this waits for, work, holds, the
    /// announcement itself, and a marking that has not searched it. Zero: teardown has begun;
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
    /// Its steps have something to run, or somebody to tell. Never taken back. Written under the
    /// lock with release; whoever sees it set has seen what the lock guarded then.
    std::atomic<bool> m_isObserved = false;
    /// Finders; none is ever taken back. Written by letFind(), which owners of a reference or of
    /// the object call, and read by isShared(): the count of references orders the one before the
    /// other. See also ChangedNodes.
    std::atomic<std::uint8_t> m_foundBy = Nobody;
    // Written under the domain's lock with release, read by anybody with acquire. Only Closed
    // without errors is written without the lock, by who runs the last step: see
    // Graph::setClosed().
    std::atomic<NodeState> m_state = NodeState::Running;
    std::atomic<bool> m_finished = false;
    std::atomic<bool> m_late = false;

public:
    /// Takes part in no graph; the process that never closes.
    const bool background = false;
};

using NodeRef = Ref<Node>;

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
    /// Takes out the step that became due first; there has to be one.
    inline Due take() noexcept;
    void unlock() noexcept { m_lock.unlock(); }
    /// After unlock(), until it is false: then the operation is over, and all that it closes is
    /// Closing (R18). While it is true there is a slice more, locked, of steps to take.
    inline bool more();

private:
    friend class Graph;
    inline void add(Node &node) noexcept;

    NodeLock m_lock;
    Node *m_first = nullptr;
    Node *m_last = nullptr;
    Ref<LockDomain> m_rest; ///< Where something is under way, which is to be brought to its end.
    /// How many edges the operation looks at before it lets go of the lock. It does not move with
    /// the rest, as that makes no slice much longer.
    std::size_t m_left = GOPROCESS_EDGES_PER_SLICE;
};

/// Why an edge was not added.
enum class Refusal : std::uint8_t {
    None,
    Background, ///< The process that never closes takes no part.
    NotRunning, ///< waitFor() of a process that closes.
    TeardownBegun, ///< Too late to wait for anything.
    Cycle, ///< A process would wait for itself.
    NoMemory ///< For those who catch what the operations throw.
};

/// An edge that was added, or why not.
struct EdgeChange
{
    DueSteps steps;
    Refusal refusal = Refusal::None;
    /// From upper over lower back to upper; of a long one the middle is left out, where a null
    /// stands.
    std::unique_ptr<const std::vector<NodeRef>> cycle;
};

/// The operations. All are static and may be called from any thread; a Node that is passed must be
/// kept alive by the caller.
class Graph
{
public:
    static EdgeChange addChild(Node &upper, Node &lower);
    static EdgeChange addChildNoWait(Node &upper, Node &lower);
    static EdgeChange waitFor(Node &upper, Node &lower);
    /// The same for who holds \a upper, whatever its state is. \a lower is one that nobody else
    /// knows yet.
    static void waitForNew(Node &upper, Node &lower)
    {
        const NodeLock lock(upper, lower);
        attach(lock.domain(), upper, lower, false, true);
    }

    static DueSteps close(Node &node);
    static DueSteps closeAfterChildren(Node &node);
    /// What is under way in the domain of \a node, for who waits: its own thread may not bring it
    /// to its end before this one has gone on.
    static std::optional<DueSteps> help(const Node &node);
    /// DueSteps::more().
    static bool goOn(DueSteps &steps);

    /// Counts a work of a node that nobody else knows yet; workReturned() takes it back.
    static void addWork(Node &node)
    {
        ++node.m_pending;
        node.m_hasWork = true;
    }
    /// The work has returned: the node closes after its children (R29).
    static DueSteps workReturned(Node &node);
    /// False once teardown has begun.
    static bool hold(Node &node);
    /// The same for who holds the lock, and knows that it has not.
    static void holdLocked(Node &node) { ++node.m_pending; }
    static DueSteps release(Node &node);

    /// The steps of \a node have user code to run from here on, or somebody to tell. Whoever
    /// connects to a signal says so before it looks at the state, and so misses nothing.
    static void setObserved(Node &node);
    static bool isObserved(const Node &node)
    {
        return node.m_isObserved.load(std::memory_order_relaxed);
    }
    /// The same for who holds the lock.
    static void setObservedLocked(Node &node)
    {
        node.m_isObserved.store(true, std::memory_order_release);
    }
    /// The announcement of a node without an audience, and if nothing else keeps it open all the
    /// rest. Nothing if there is somebody to tell.
    static std::optional<DueSteps> announceSilently(Node &node);
    /// The same at once if that is what became due first by \a change.
    static void announceSilently(Node &node, DueSteps &steps);
    /// The same of the rest of its steps, once teardown has begun. Nothing if there is an error,
    /// too.
    static std::optional<DueSteps> finishSilently(Node &node);
    /// closing() was emitted. Nothing while listeners are to be told first.
    static std::optional<DueSteps> announced(Node &node);
    /// The work or the teardown has failed; for who runs a step of the node.
    static void fail(Node &node, const Error &error)
    {
        if (!node.m_error)
            node.m_error = error;
    }
    /// Teardown has completed: the state is Closed from here, and the error is known above.
    static void setClosed(Node &node);
    /// A slice of what comes before that, for tests.
    static bool tellOfErrors(Node &node, Edge *&told);
    /// closed() was emitted: the node leaves all books and those that waited go on. Nothing while
    /// listeners are to be told first.
    static std::optional<DueSteps> finish(Node &node);

    /// True if teardown has begun. The caller holds the lock.
    static bool hasBegunTeardown(const Node &node) { return node.m_pending == 0; }
    /// Somebody must be told before announced(), or before finish(). The caller holds the lock.
    static void setHasClosingListeners(Node &node, bool on) { node.m_hasClosingListeners = on; }
    static void setHasClosedListeners(Node &node, bool on) { node.m_hasClosedListeners = on; }

    /// False if the goal is reached; the waiter is not registered then.
    static bool addWaiter(Node &node, Waiter &waiter);
    static void removeWaiter(Node &node, Waiter &waiter);
    static void forgetLostWaiters(Node &node);
    /// True if a thread is blocked until \a node is Closed.
    static bool hasWaiters(const Node &node);
    /// Wakes those who wait for \a goal. The caller holds the lock.
    static void wake(Node &node, Waiter::Goal goal)
    {
        if (node.m_waiters)
            wakeWaiters(node, goal);
    }
    /// A teardown that was set on a Closed process is pending, or has completed.
    static void setLateTeardown(Node &node, bool pending);
    /// A node that nobody else has seen will not be used.
    static void abandon(Node &node);

    /// True if \a node waits, directly or not, for \a other.
    static bool waitsFor(Node &node, Node &other);
    /// The same, but true as well where that takes more than a short look.
    static bool mayWaitFor(Node &node, Node &other);
    /// Appends those that closing() of \a node has to come after, if it was not emitted yet: the
    /// closing ones through which the close may have reached it. Parents come before children. Of a
    /// child that a parent does not wait for, it knows the first parent only.
    static void unannouncedAbove(Node &node, std::vector<NodeRef> &found);
    /// The open processes that \a node waits for, directly or not, itself first; \a visit is called
    /// under the lock. In slices between which others get the lock: what happens meanwhile counts
    /// or does not, and one of which it becomes a child then may come twice.
    static void visitOpen(Node &node, const std::function<void(Node &)> &visit);

    /// Appends up to \a limit children of \a upper to \a found, from the one behind \a after on or,
    /// if that is null, from the first; they are watched from here on. False, and nothing, if
    /// \a after is no child any more.
    static bool children(Node &upper, Node *after, std::size_t limit, std::vector<NodeRef> &found)
    {
        return children(upper, after, limit, found, [](const Edge &) { return true; });
    }
    /// The same of those that \a upper waits for.
    static bool waitedForChildren(Node &upper, Node *after, std::size_t limit,
                                  std::vector<NodeRef> &found)
    {
        return children(upper, after, limit, found, [](const Edge &edge) { return edge.waits; });
    }
    /// The same back from the one before \a before, or from the last, as far as \a isNew is true of
    /// them.
    template<class IsNew>
    static bool newestWaitedFor(Node &upper, Node *before, std::size_t limit,
                                std::vector<NodeRef> &found, IsNew &&isNew);
    /// Appends what \a node waits for and is no child of it, up to \a limit; watched from here on.
    static void waitedFor(Node &node, std::size_t limit, std::vector<NodeRef> &found);
    // The caller holds the lock:
    static std::uint32_t waits(const Node &node) { return node.m_waits; }
    static std::uint32_t childCount(const Node &node) { return node.m_children; }
    static bool closesAfterChildren(const Node &node) { return node.m_closeAfterChildren; }
    /// True if a close has begun at \a node, for who tells of closes that do not end.
    static bool beginsClose(const Node &node) { return node.m_beginsClose; }
    /// The close of \a node is nothing to tell of if it runs no user code and waits for nobody.
    static void forgetLoneBegin(Node &node)
    {
        if (node.m_pending <= 1 && !isObserved(node))
            node.m_beginsClose = false;
    }
    static bool isChildOfAny(const Node &node);
    /// Appends up to \a limit of those whose child \a node is. Takes the lock.
    static void parents(const Node &node, std::size_t limit, std::vector<NodeRef> &found);
    /// From here on its changes are noted.
    static void watch(Node &node) { node.letFind(Node::Watcher); }

    static TreeErrors treeErrors(const Node &node);
    // The caller holds the lock:
    static bool hasWork(const Node &node) { return node.m_hasWork; }
    static bool isAnnounced(const Node &node) { return node.m_announced; }
    /// For who knows that \a node is finished, when nobody changes what this looks at.
    static bool hasErrors(const Node &node) { return node.m_error || node.m_treeErrors; }
    static bool areErrorsKept(const Node &node)
    {
        const NodeLock lock(node);
        return node.m_areErrorsKept;
    }
    static bool waitsForOthers(const Node &node) { return node.m_waits > 0; }
    /// For messages: how many holds and works keep the teardown from beginning. Needs the lock.
    static std::uint32_t holds(const Node &node)
    {
        return node.m_pending - node.m_waits - (node.m_announced ? 0 : 1);
    }

private:
    enum class Reach : std::uint8_t { No, Yes, Unknown };
    class Side;
    class WaySearch;
    class Climb;
    class Search;

    template<class Wanted>
    static bool children(Node &upper, Node *after, std::size_t limit, std::vector<NodeRef> &found,
                         Wanted &&isWanted);
    static void mark(Node &start, DueSteps &steps, bool begins = true);
    static void wakeWaiters(Node &node, Waiter::Goal goal);
    static void helpLocked(DueSteps &steps);
    static bool isUnderWay(const Node &node);
    static void passOver(LockDomain &domain, Edge &edge);
    template<class LookAt>
    static bool goOn(Walk &walk, LookAt &&lookAt);
    static void countDown(Node &node, DueSteps &steps);
    static void closeIfLeft(Node &node, DueSteps &steps);
    static std::size_t tellOfErrors(Edge &edge);
    static bool isSilent(const Node &node);
    static void announceLocked(Node &node, DueSteps &steps);
    static bool tryClose(Node &node, DueSteps &steps);
    static void leaveBooks(Node &node, DueSteps &steps);
    static void leave(Node &node, DueSteps &steps);
    static bool leavesLater(Node &node, DueSteps &steps);
    static void attach(LockDomain &domain, Node &upper, Node &lower, bool closes, bool waits);
    static void detach(LockDomain &domain, Edge *edge);
    static void becomeChild(Node &upper, Node &lower);
    static void linkDown(Edge &edge);
    static void unlinkDown(LockDomain &domain, Edge &edge);
    static Edge *find(const Node &upper, const Node &lower);
    static Reach reach(Node &from, Node &target, LockDomain &domain, std::size_t limit);
    static NodeLock lockIfJoined(Node &node, const Node &other);
    static bool mayCloseCycle(const Node &upper, const Node &lower);
    static Reach lookForCycle(Node &upper, Node &lower, EdgeChange &result,
                              std::unique_ptr<WaySearch> &search);
    static void refuse(EdgeChange &result, const std::vector<Node *> &way);
};

/// One node has at most one step due: its announcement keeps its teardown from beginning.
void DueSteps::add(Node &node) noexcept
{
    node.m_nextDue = nullptr;
    (m_last ? m_last->m_nextDue : m_first) = &node;
    m_last = &node;
}

DueSteps::Due DueSteps::take() noexcept
{
    Node *const node = m_first;
    m_first = node->m_nextDue;
    if (!m_first)
        m_last = nullptr;
    node->m_visit = 0; // no search has come by
    return { node, Graph::hasBegunTeardown(*node) ? Step::Teardown : Step::Announce };
}

bool DueSteps::more()
{
    return m_rest && Graph::goOn(*this);
}

template<class IsNew>
bool Graph::newestWaitedFor(Node &upper, Node *before, std::size_t limit,
                            std::vector<NodeRef> &found, IsNew &&isNew)
{
    const NodeLock lock(upper);
    Edge *edge = upper.m_lastDown;
    if (before) {
        edge = find(upper, *before);
        if (!edge)
            return false;
        edge = edge->previousDown;
    }
    for (; edge && edge->closes && limit > 0; edge = edge->previousDown) {
        if (!edge->waits)
            continue;
        if (!isNew(*edge->lower))
            break;
        watch(*edge->lower);
        found.emplace_back(edge->lower);
        --limit;
    }
    return true;
}

template<class Wanted>
bool Graph::children(Node &upper, Node *after, std::size_t limit, std::vector<NodeRef> &found,
                     Wanted &&isWanted)
{
    const NodeLock lock(upper);
    Edge *edge = upper.m_firstDown;
    if (after) {
        edge = find(upper, *after);
        if (!edge || !edge->closes)
            return false;
        edge = edge->nextDown;
    }
    for (; edge && limit > 0; edge = edge->nextDown) {
        if (!edge->closes || !isWanted(*edge))
            continue;
        watch(*edge->lower);
        found.emplace_back(edge->lower);
        --limit;
    }
    return true;
}

} // namespace GoProcess::Private

#endif
