// SPDX-License-Identifier: MIT
// The dispatcher of a thread: it keeps the steps whose home is that thread, and runs them there.

#ifndef GOPROCESS_DISPATCHER_P_H
#define GOPROCESS_DISPATCHER_P_H

#include "common/fork_p.h"
#include "common/mutex_p.h"
#include "steptarget_p.h"

#include <QObject>
#include <QPointer>
#include <QThread>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <unordered_map>
#include <utility>
#include <vector>

QT_BEGIN_NAMESPACE
class QAbstractEventDispatcher;
QT_END_NAMESPACE

namespace GoProcess::Private {

class Focus;
class WakeUpReceiver;

/// Runs the steps of the processes at home in one thread: in slices when its event loop delivers
/// the one queued call, or at once while the thread is blocked in a wait.
class Dispatcher
{
public:
    using Clock = std::chrono::steady_clock;

    enum class Life : std::uint8_t {
        Fresh, ///< The thread was not started yet.
        Live,
        Ended ///< The thread has finished or is gone.
    };

    explicit Dispatcher(QThread *thread);
    Q_DISABLE_COPY_MOVE(Dispatcher)

    void ref() noexcept { m_refs.fetch_add(1, std::memory_order_relaxed); }
    void deref() noexcept
    {
        if (m_refs.fetch_sub(1, std::memory_order_acq_rel) == 1)
            delete this;
    }

    /// Of the calling thread; made on demand. At any moment of a thread's end: when the QThread may
    /// be gone already it is one that no other thread knows.
    static DispatcherRef current();
    /// Of the calling thread; null if none was made yet, or at the very end of the thread.
    static Dispatcher *currentIfAny();
    /// deleteSome(), if the calling thread has a dispatcher.
    static void deleteSomeHere();
    /// Of \a thread, which must exist; made on demand. Not under a lock: to connect to the thread
    /// calls a virtual function of its class, and to move an object there sends an event.
    static DispatcherRef of(QThread *thread);
    /// Of \a thread, which need not exist any more; null if there is none. Under any lock.
    static DispatcherRef known(const QThread *thread);
    /// True at the very end of the calling thread: its QThread may be gone.
    static bool isInDepartedThread();
    /// What the deletion of an object needs.
    enum class Deletion : std::uint8_t {
        RunsUserCode,
        Silent, ///< It runs no user code.
        Anywhere ///< Nor does its thread use the object any more: any thread may delete it.
    };
    /// Deletes \a object in its thread. Here, at once, if that has ended; and, if any thread may
    /// delete it, also if its thread was not started or has not deleted anything for long.
    /// \a likely is the dispatcher of its probable thread, or null.
    static void deleteLater(QObject *object, Deletion deletion, const DispatcherRef &likely);

    bool isFor(const QThread *thread) const
    {
        // Acquire pairs with the release of its destruction: an old address is not taken for it.
        return m_thread.load(std::memory_order_acquire) == thread;
    }
    /// isFor(), and it is not another QThread at the same address. That differs where the program
    /// has cut all connections of the thread, as QObject::disconnect() does, so that its
    /// destruction was not told.
    bool isStillFor(const QThread *thread) const { return isFor(thread) && !m_alive.isNull(); }
    Life life();
    // For forks; see ForkPart:
    bool tryLock() { return tryLockShortly(m_mutex); }
    void unlock() { m_mutex.unlock(); }
    /// Its thread is not among those of a forked child.
    void forgetThread();
    /// Gives steps that run anywhere to the calling thread.
    static void runHere(DueStep *begin, DueStep *end);
    /// True for the first caller.
    bool takeWarning() { return !m_warned.exchange(true, std::memory_order_relaxed); }

    // In its own thread only:
    /// Runs one step; false if there was none.
    bool runOne();
    /// Runs a step that the caller has claimed.
    void runClaimed(StepTarget &node, Step step);
    /// Deletes a few objects whose deletion runs no user code; false if there was none.
    bool deleteSome();
    /// Runs and deletes all there is. What slots throw is logged: no caller catches it here.
    void drain();
    /// Sleeps until there is a step, enough to delete, \a reached or \a until; or until
    /// homeChanges() is no more the number that the caller has seen.
    void sleep(const std::atomic<bool> &reached, Clock::time_point until,
               std::uint64_t homeChanges);
    /// Processes at home here whose teardown waits for a future.
    std::vector<Ref<StepTarget>> openFutures() const;
    /// Grows with each of them that comes; 0 if none ever came.
    std::uint64_t futuresSeen() const { return m_futuresSeen.load(std::memory_order_relaxed); }

    /// Hears of each turn of the event loop of this thread; once more for each QCoreApplication, as
    /// that has a new one.
    void listen();
    /// Posts the queued call anew: a QCoreApplication that is gone took it with it.
    void postWakeUpAgain();
    /// Calls the threads that have steps, which only a QCoreApplication can reach.
    static void flushAll();

    // From any thread:
    /// Wakes the thread if it sleeps in a wait, else posts the one event to it, if there are steps or
    /// objects for it. Called when something was put here, and when a wait leaves something.
    void flush();
    /// Sets \a flag under the lock of this dispatcher, and wakes its thread.
    void wake(std::atomic<bool> &flag);
    /// Calls \a function in the thread when that has finished, before the steps that are left run;
    /// never if it has finished already.
    void atEnd(std::function<void()> function);
    void addOpenFuture(StepTarget &node);
    void removeOpenFuture(const StepTarget &node);

    /// Counts what makes steps run elsewhere than usual: threads that end or were not started, and
    /// processes that move. Blocked waits look again when it changes.
    static std::uint64_t homeChanges();
    static void addHomeChange();
    /// Counts those of them after which a step may stand in the queue of a thread that is not its
    /// home, where a wait finds it only by a look at all the processes. The caller of addMove()
    /// calls addHomeChange() after it.
    static std::uint64_t moves();
    static void addMove();
    /// The steps in the queues of threads that do not run any, and those threads. They stay there:
    /// a caller that claims one may run it.
    static std::vector<std::pair<DispatcherRef, DueStep>> stoppedItems();

private:
    friend class WakeUpReceiver;
    friend class Delivery;
    friend class Focus;
    class Slice;
    class ThreadsOwn;

    /// How many objects make it worth to wake a thread for their deletion.
    static constexpr std::size_t enoughToDelete = 64;

    ~Dispatcher();
    static DispatcherRef make(QThread *thread);
    static DispatcherRef makeCurrent();
    static DispatcherRef ofDepartedThread();
    /// The calling thread runs as the QThread of this from here on.
    void enter();
    void enterIfKnown();
    void runWithoutApplication();
    void wakeUpAgain(QAbstractEventDispatcher &loop);
    /// The calling thread runs nothing any more.
    void leave();
    bool isOwn() const;
    void attach();
    void detach();
    Life lookAtThreadLocked();
    void runSlice();
    bool take(DueStep &due);
    /// What waits have set aside, or else take().
    bool takeAny(DueStep &due);
    void runItem(DueStep &due);
    /// True if the announcement of \a node is due and runs here.
    bool isToAnnounce(const StepTarget &node) const;
    Life lifeLocked();
    bool isDeafLocked() const;
    void setLifeLocked(Life life);
    /// Only in its own thread: true if a step for it may go to m_batch without m_mutex. False while
    /// m_incoming has steps, as these come first: one that another thread has sent under the same
    /// lock of the graph, which the caller holds, is seen here.
    bool takesHere() const
    {
        return m_isLive.load(std::memory_order_relaxed)
                && !m_hasIncoming.load(std::memory_order_relaxed);
    }
    void postWakeUpLocked();
    WakeUpReceiver *makeReceiver();
    void threadStarted();
    void threadFinished();
    bool visitAtTheEnd();
    void threadDestroyed();
    bool deletesLocked(Deletion deletion);
    void deleteLaterLocked(QObject *object, bool silently);
    QObject *takeToDelete();
    void dropClaimedLocked(std::vector<DueStep> &dropped);
    void awaitEventQueue();

    std::atomic<int> m_refs = 1;
    const std::uint64_t m_number; ///< Of no other dispatcher, as the address may be.
    std::atomic<QThread *> m_thread; ///< Null once destroyed.
    // Of the QThread. All are made before other threads know this dispatcher, and never written
    // again; Qt keeps what they tell atomic.
    QPointer<QThread> m_alive;
    QMetaObject::Connection m_started;
    QMetaObject::Connection m_finished;
    QMetaObject::Connection m_destroyed;
    std::atomic<bool> m_warned = false;
    // Written under m_mutex; the thread itself reads them without, see takesHere() and
    // deleteSome().
    std::atomic<bool> m_isLive = false;
    std::atomic<bool> m_hasIncoming = false;
    std::atomic<bool> m_hasToDeleteSilently = false;
    // Written under m_mutex by this thread, which alone reads it: relaxed order suffices.
    std::atomic<std::uint64_t> m_futuresSeen = 0;

    mutable Mutex m_mutex; // guards what follows
    std::condition_variable m_wake;
    std::deque<DueStep> m_incoming;
    std::vector<QObject *> m_toDelete;
    std::vector<QObject *> m_toDeleteSilently;
    std::list<Ref<StepTarget>> m_openFutures;
    std::unordered_map<const StepTarget *, std::list<Ref<StepTarget>>::iterator> m_futurePlaces;
    std::vector<std::function<void()>> m_atEnd;
    /// The thread of the system that runs as the QThread, or was the last to do so: see enter().
    const void *m_owner = nullptr;
    Life m_life = Life::Fresh;
    bool m_isWakeUpPosted = false; ///< The queued call is on its way.
    int m_looks = 0; ///< How often the event loop was told to look for it.
    bool m_isGone = false; ///< The thread was not copied by a fork.
    bool m_isLate = false; ///< The thread ran when this was made, and so missed its started().
    int m_sleepers = 0;
    WakeUpReceiver *m_receiver = nullptr;

    // Of the thread itself:
    std::vector<QObject *>
            m_toDeleteHere; ///< Taken from m_toDeleteSilently, to be deleted now and then.
    std::deque<DueStep> m_batch; ///< Taken from m_incoming; nested loops and waits go on with it.
    Focus *m_focus = nullptr; ///< Of the innermost wait inside a step; has set aside what is older.
    int m_slices = 0; ///< How many are on the stack: more than one in nested event loops.
    /// The queued call was posted within a slice, for a nested event loop that user code did not
    /// run.
    bool m_calledEarly = false;
};

/// Receives the queued call of a dispatcher in its thread.
class WakeUpReceiver : public QObject
{
    Q_OBJECT

public:
    explicit WakeUpReceiver(Dispatcher &dispatcher) : m_dispatcher(&dispatcher) { }

    Q_INVOKABLE void wakeUp();
    bool event(QEvent *event) override;

private:
    Dispatcher *const m_dispatcher;
};

} // namespace GoProcess::Private

#endif
