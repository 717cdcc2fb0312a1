// SPDX-License-Identifier: MIT
// The library's own pool: runs works, and the steps of processes without a home.

#ifndef GOPROCESS_WORKPOOL_P_H
#define GOPROCESS_WORKPOOL_P_H

#include "common/fork_p.h"
#include "dispatcher_p.h"
#include "stepscope_p.h"
#include "threadprobe_p.h"

#include <QRunnable>
#include <QThreadPool>

#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <vector>

namespace GoProcess::Private {

/// Runs steps and works on threads of a QThreadPool of its own, as many at once as there are cores,
/// and more where these are blocked: so work starts even when all earlier work is blocked (R31).
///
/// How many works may be in threads at once has a limit. Steps have a queue of their own, which
/// comes first, and threads beyond that limit if need be: the works that fill it may wait for them.
/// Nor does a work count whose thread is blocked in a wait of the library.
///
/// Its queue is its own: a thread of the pool, once started, takes from it until it is empty. That
/// is faster than a QRunnable each, and sanitizers can follow the hand-over.
class WorkPool final : private ForkPart
{
    struct PoolThread
    {
        bool isBlocked() const;

        ThreadProbe probe;
        const ThreadContext *context;
    };
    struct RunningWork
    {
        Ref<StepTarget> node; ///< Null between two steps.
        std::optional<PoolThread> thread; ///< If it is one of the pool's own threads.
    };

public:
    /// Never destroyed. Its first use arranges that the end of the program waits for works (R48).
    static WorkPool &instance();

    /// True from the moment at which the end of the program waits for works. Acquire pairs with the
    /// release there. Threads that it does not wait for have to end before by themselves.
    static bool hasProgramEnded() { return s_hasProgramEnded.load(std::memory_order_acquire); }

    void submit(DueStep due);
    void submit(std::vector<DueStep> dueSteps);
    /// Gives a work to a user's pool.
    static void submit(StepTarget &node, QThreadPool *pool);

    /// Starts threads anew if the system has refused those that the queue waits for. Costs nothing
    /// to speak of else; called by waits that last long, and when steps or works are submitted.
    void startAgain();

    int maxThreadCount() const;
    void setMaxThreadCount(int count);

    /// Lends the place of the calling thread out while it is blocked in a wait (R32).
    class BlockingScope
    {
    public:
        BlockingScope();
        Q_DISABLE_COPY_MOVE(BlockingScope)
        ~BlockingScope();

    private:
        const bool m_isLibraryThread;
        QThreadPool *const m_userPool;
    };

    /// Names a running work for as long as it lives, for the end of the program.
    class Running
    {
    public:
        explicit Running(StepTarget &node);
        Q_DISABLE_COPY_MOVE(Running)
        ~Running();

    private:
        std::list<RunningWork>::iterator m_place;
    };

private:
    class Runnable;
    struct EndOfProgram;

    WorkPool();

    bool tryLock() override { return tryLockShortly(m_mutex); }
    void unlock() override { m_mutex.unlock(); }
    bool forked() override;

    void submit(DueStep *begin, DueStep *end);
    void runWorker();
    bool hasNext() const;
    DueStep takeNext(ThreadContext &context);
    void spinForMore(std::unique_lock<std::mutex> &lock);
    void watch();
    int countUnblocked() const;
    void beginBlocking();
    void endBlocking();
    static bool isOfCaller(const RunningWork &running);
    void endOfProgram();
    int threadCount() const { return m_active + m_blocking; }
    int roomForWorks() const;
    int roomForSteps() const;
    int threadsToAdd(int unblocked) const;
    bool startsWatcher();
    bool takePlace();
    void noteStarts(int count);
    bool hasLostThreads() const;
    void fitThreads();

    static std::atomic<bool> s_hasProgramEnded;

    /// There are steps or works in the queues. Written under the lock; a thread that spins looks without it.
    std::atomic<bool> m_hasItems = false;

    const std::unique_ptr<QRunnable> m_worker;
    const std::unique_ptr<QRunnable> m_watcher;
    QThreadPool m_threads;
    QThreadPool m_watcherThread; ///< Apart, so that it does not count among those for works.

    mutable Mutex m_mutex; // guards what follows
    std::condition_variable m_idle;
    std::deque<DueStep> m_steps; ///< Come first.
    std::deque<DueStep> m_works;
    std::list<RunningWork> m_running;
    int m_base; ///< How many threads run where nothing is blocked.
    int m_max = 4096; ///< How many works may be in threads that are not lent.
    int m_working = 0; ///< How many are.
    int m_limit = 0; ///< What the QThreadPool is limited to.
    int m_active = 0; ///< Threads that take steps and works.
    int m_starting = 0; ///< Those of them that have not begun yet.
    int m_lost = 0; ///< Threads that seem to be refused by the system; they count nowhere else.
    Dispatcher::Clock::time_point m_lastStart;
    int m_blocking = 0; ///< Threads that are blocked in a wait of the library.
    std::uint64_t m_completed = 0;
    bool m_isSpinning = false; ///< One of the active threads has nothing to do, but waits a moment.
    bool m_watching = false;
    bool m_watcherHasBegun = false;
    bool m_warned = false;
};

} // namespace GoProcess::Private

#endif
