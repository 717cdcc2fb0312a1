// SPDX-License-Identifier: MIT
// What runs on the stack of this thread on behalf of processes.

#ifndef GOPROCESS_STEPSCOPE_P_H
#define GOPROCESS_STEPSCOPE_P_H

#include <QtGlobal>

#include <atomic>
#include <cstdint>

QT_BEGIN_NAMESPACE
class QThreadPool;
QT_END_NAMESPACE

namespace GoProcess::Private {

class Node;
class ThreadReport;

/// A step or a work that runs user code in this thread; scopes form a stack (R39).
class StepScope
{
public:
    enum class Kind : std::uint8_t {
        Announce,
        Teardown,
        Finish,
        LateTeardown,
        Work,
        Post,
        EndFuture
    };

    StepScope(Node &scopeNode, Kind scopeKind) noexcept;
    Q_DISABLE_COPY_MOVE(StepScope)
    ~StepScope();

    static StepScope *innermost() noexcept;
    /// The innermost scope of \a node in this thread, or null.
    static StepScope *find(const Node &node) noexcept;
    /// True inside a work, however deep.
    static bool isInWork() noexcept;
    /// How many scopes are on the stack of this thread.
    static int depth() noexcept;

    Node &node;
    const Kind kind;
    StepScope *const outer;
    /// The QObject was destroyed by the user code that this scope runs (R43).
    bool objectGone = false;
    /// The state signal was delivered, the second signal is being emitted.
    bool inSecondSignal = false;
    /// The destructor has completed what this scope had to do.
    bool completed = false;

private:
    ThreadReport *const m_report; ///< Shows it to other threads; null at the end of the thread.
};

/// What kind of thread this is.
struct ThreadContext
{
    bool isLibraryThread = false; ///< One of the library's own pool.
    QThreadPool *userPool = nullptr; ///< The user's pool whose work runs here.
    bool countsAsWork =
            false; ///< What the library's own pool runs here has a place among its works.
    // Written by the thread itself; the pool's watcher reads them to tell a blocked work from a
    // thread that waits for a lock of the library. Relaxed, as the numbers only guide a guess.
    std::atomic<int> works = 0; ///< How many functions of works are on the stack.
    std::atomic<std::uint32_t> worksBegun = 0;

    static ThreadContext &current() noexcept;
};

/// Library threads, and user's threads in a work, are the home of no process (R34).
bool isThreadWithoutHomes() noexcept;

/// Counts the function of a work while it runs.
class FunctionOfWork
{
public:
    FunctionOfWork() noexcept : m_context(ThreadContext::current())
    {
        m_context.works.fetch_add(1, std::memory_order_relaxed);
        m_context.worksBegun.fetch_add(1, std::memory_order_relaxed);
    }
    Q_DISABLE_COPY_MOVE(FunctionOfWork)
    ~FunctionOfWork() { m_context.works.fetch_sub(1, std::memory_order_relaxed); }

private:
    ThreadContext &m_context;
};

} // namespace GoProcess::Private

#endif
