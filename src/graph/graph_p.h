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

#include "duesteps_p.h"

#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace GoProcess::Private {

/// Why an edge was not added.
enum class Refusal : std::uint8_t {
    None,
    Background, ///< The process that never closes takes no part.
    NotRunning, ///< waitFor() of a process that closes.
    TeardownBegun, ///< Too late to wait for anything.
    Cycle, ///< A process would wait for itself.
    NoMemory ///< For callers that catch what the operations throw.
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
    /// waitFor() for a caller that has a hold of \a upper, whatever the state of that is. No other
    /// thread knows \a lower yet.
    static void waitForNew(Node &upper, Node &lower)
    {
        const NodeLock lock(upper, lower);
        attach(lock.domain(), upper, lower, false, true);
    }

    static DueSteps close(Node &node);
    static DueSteps closeAfterChildren(Node &node);
    /// Brings to its end what is under way in the domain of \a node, when the caller delivers what
    /// is returned; nullopt if nothing is. For a caller that is about to wait: the thread of that
    /// operation may not end it before the caller goes on.
    static std::optional<DueSteps> help(const Node &node);
    /// DueSteps::more().
    static bool goOn(DueSteps &steps);

    /// Counts a work of a node that no other thread knows yet; workReturned() takes it back.
    static void addWork(Node &node)
    {
        ++node.m_pending;
        node.m_hasWork = true;
    }
    /// The work has returned: the node closes after its children (R29).
    static DueSteps workReturned(Node &node);
    /// False once teardown has begun.
    static bool hold(Node &node);
    /// hold() of a node whose teardown has not begun. The caller holds the lock.
    static void holdLocked(Node &node) { ++node.m_pending; }
    static DueSteps release(Node &node);

    /// The steps of \a node have user code to run or a signal to emit from here on. A caller that
    /// connects to a signal says so before it looks at the state, and so misses nothing.
    static void setObserved(Node &node);
    static bool isObserved(const Node &node)
    {
        return node.m_isObserved.load(std::memory_order_relaxed);
    }
    /// setObserved(). The caller holds the lock.
    static void setObservedLocked(Node &node)
    {
        node.m_isObserved.store(true, std::memory_order_release);
    }
    /// Makes the steps of \a node, one of which is due, in one go and without its thread, if the node
    /// is silent: its announcement, and if nothing keeps it open any more and nothing has failed, all
    /// the rest. nullopt, and nothing done, if it is not silent, or if its teardown is due and there
    /// is an error to be told: then the step is run.
    static std::optional<DueSteps> advance(Node &node);
    /// advance() inside of the operation that has made \a steps due. It does nothing unless their
    /// first one is the announcement of \a node, and nothing observes that.
    static void advance(Node &node, DueSteps &steps);
    /// closing() was emitted. nullopt while futures or bindings wait for Closing: the caller tells
    /// these, and calls again.
    static std::optional<DueSteps> announced(Node &node);
    /// The work or the teardown has failed; for the thread that runs a step of the node.
    static void fail(Node &node, const Error &error)
    {
        if (!node.m_error)
            node.m_error = error;
    }
    /// Teardown has completed: the state is Closed from here, and the error is known above.
    static void setClosed(Node &node);
    /// A slice of what comes before that, for tests.
    static bool tellOfErrors(Node &node, Edge *&told);
    /// closed() was emitted: the node leaves all books and those that waited go on. nullopt while
    /// futures or bindings wait for Closed: the caller tells these, and calls again.
    static std::optional<DueSteps> finish(Node &node);

    /// True if teardown has begun. The caller holds the lock.
    static bool hasBegunTeardown(const Node &node) { return node.m_pending == 0; }
    /// Futures or bindings are to be told before announced(), or before finish(). The caller holds
    /// the lock.
    static void setHasClosingListeners(Node &node, bool on) { node.m_hasClosingListeners = on; }
    static void setHasClosedListeners(Node &node, bool on) { node.m_hasClosedListeners = on; }

    /// False if the goal is reached; the waiter is not registered then.
    static bool addWaiter(Node &node, Waiter &waiter);
    static void removeWaiter(Node &node, Waiter &waiter);
    /// In a forked child: forgets the waits of threads that are gone. The caller holds the lock.
    static void forgetLostWaiters(Node &node);
    /// True if a thread is blocked until \a node is Closed.
    static bool hasWaiters(const Node &node);
    /// Wakes the threads that wait for \a goal. The caller holds the lock.
    static void wake(Node &node, Waiter::Goal goal)
    {
        if (node.m_waiters)
            wakeWaiters(node, goal);
    }
    /// A teardown that was set on a Closed process is pending, or has completed.
    static void setLateTeardown(Node &node, bool pending);
    /// Closed at once: no other thread has seen \a node, and none will use it.
    static void abandon(Node &node);

    /// True if \a node waits, directly or not, for \a other.
    static bool waitsFor(Node &node, Node &other);
    /// False if a short look tells that \a node does not wait for \a other, directly or not.
    static bool mayWaitFor(Node &node, Node &other);
    /// Appends those that closing() of \a node has to come after, if it was not emitted yet: the
    /// closing ones through which the close may have reached it. Parents come before children. Of a
    /// child that a parent does not wait for, it knows the first parent only.
    static void unannouncedAbove(Node &node, std::vector<NodeRef> &found);
    /// The open processes that \a node waits for, directly or not, itself first; \a visit is called
    /// under the lock. In slices, between which other threads get the lock: changes of theirs may
    /// be missed, and a process that gets one more edge up then may be visited twice.
    static void visitOpen(Node &node, const std::function<void(Node &)> &visit);

    /// Appends up to \a limit children of \a upper to \a found, from the one behind \a after on or,
    /// if that is null, from the first; they are watched from here on. False, and nothing, if
    /// \a after is no child any more.
    static bool children(Node &upper, Node *after, std::size_t limit, std::vector<NodeRef> &found)
    {
        return children(upper, after, limit, found, [](const Edge &) { return true; });
    }
    /// children(), of which it takes only those that \a upper waits for.
    static bool waitedForChildren(Node &upper, Node *after, std::size_t limit,
                                  std::vector<NodeRef> &found)
    {
        return children(upper, after, limit, found, [](const Edge &edge) { return edge.waits; });
    }
    /// Appends up to \a limit children that \a upper waits for, from the one before \a before back
    /// or, if that is null, from the last, as far as \a isNew is true of them; they are watched
    /// from here on. False, and nothing, if \a before has left the books of \a upper.
    template<class IsNew>
    static bool newestWaitedFor(Node &upper, Node *before, std::size_t limit,
                                std::vector<NodeRef> &found, IsNew &&isNew);
    /// Appends what \a node waits for and is no child of it, up to \a limit; watched from here on.
    static void waitedFor(Node &node, std::size_t limit, std::vector<NodeRef> &found);
    // The caller holds the lock:
    static std::uint32_t waits(const Node &node) { return node.m_waits; }
    static std::uint32_t childCount(const Node &node) { return node.m_children; }
    static bool closesAfterChildren(const Node &node) { return node.m_closeAfterChildren; }
    /// True if a close has begun at \a node: CloseWatch warns of it if it does not end.
    static bool beginsClose(const Node &node) { return node.m_beginsClose; }
    /// CloseWatch need not know of the close of \a node if it runs no user code and waits for no
    /// other process.
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
    /// Without the lock, by a caller that knows that \a node is finished: its errors are final.
    static bool hasErrors(const Node &node) { return node.m_error || node.m_treeErrors; }
    static bool areErrorsKept(const Node &node)
    {
        const NodeLock lock(node);
        return node.m_areErrorsKept;
    }
    static bool waitsForOthers(const Node &node) { return node.m_waits > 0; }
    /// For messages: how many holds, works and posted functions keep the teardown from beginning, and
    /// a marking that has not come by. The caller holds the lock.
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
    static bool advanceLocked(Node &node, DueSteps &steps);
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

inline bool DueSteps::more()
{
    return m_rest && Graph::goOn(*this);
}

template<class IsNew>
bool Graph::newestWaitedFor(Node &upper, Node *before, std::size_t limit,
                            std::vector<NodeRef> &found, IsNew &&isNew)
{
    const NodeLock lock(upper);
    Edge *edge = upper.m_lastDown;
    if (before) { // GCOVR_EXCL_BR_LINE: rare
        edge = find(upper, *before); // GCOVR_EXCL_LINE: rare
        if (!edge) // GCOVR_EXCL_LINE: rare
            return false; // GCOVR_EXCL_LINE: rare
        edge = edge->previousDown; // GCOVR_EXCL_LINE: rare
    }
    // GCOVR_EXCL_BR_START: rare
    for (; edge && edge->closes && limit > 0; edge = edge->previousDown) {
        // GCOVR_EXCL_BR_STOP
        if (!edge->waits) // GCOVR_EXCL_BR_LINE: rare
            continue; // GCOVR_EXCL_LINE: rare
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
        if (!edge || !edge->closes) // GCOVR_EXCL_BR_LINE: rare
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
