// SPDX-License-Identifier: MIT
// Bindings to futures, which leave the continuation of the future to its owner.
//
// A QFuture of Qt 6.4 has room for one continuation: a second one silently throws the first away.
// So these are watchers, of which there may be any number. A QFutureWatcher is told by a posted
// event, which would need an event loop; but to post an event also wakes the event dispatcher
// of the watcher's thread. The watchers here live in threads that are never started, and whose
// dispatchers notify a group instead: then the clock looks which futures of the group have
// finished. A notification does not tell which of them it was, so there is a group for every few.

#include "futurewatch_p.h"

#include <GoProcess/bindings.h>

#include "clearedpools_p.h"
#include "clock/clock_p.h"
#include "process/processcore_p.h"

#include <QAbstractEventDispatcher>
#include <QCoreApplication>
#include <QEvent>
#include <QFutureWatcher>
#include <QThread>

#include <limits>
#include <list>
#include <mutex>
#include <utility>
#include <vector>

namespace GoProcess {

using Private::Binding;
using Private::Clock;
using Private::ProcessHandle;
using Private::Timer;

namespace {

class FutureWatch;

/// A few futures that share a Notifier: it tells where to look, and looking costs the same
/// however many futures are watched. It takes events from no thread, and costs some 700 bytes.
class WatchGroup
{
public:
    static constexpr int size = 16;

    WatchGroup();

    QThread &thread() { return m_thread; }
    void add(const std::shared_ptr<FutureWatch> &watch);
    void remove(FutureWatch &watch);
    /// Some future may have changed. Called by Qt under the locks of that future, too.
    void notify();
    /// Tells those that have finished.
    void look();
    void addThoseOfPool(const QThreadPool *pool, std::vector<QFuture<void>> &found);

private:
    friend class FutureWatch;
    friend class FutureWatches;
    using Watches = std::list<std::shared_ptr<FutureWatch>>;

    QThread m_thread; ///< Never started.
    // Set by notify(), cleared by look() before it looks. Acquire and release: the look that a
    // notification leads to sees that future finished, and so does one that came when it was set.
    std::atomic<bool> m_isNotified = false;

    Private::Mutex m_mutex; // guards what follows
    Watches m_watches;

    // Guarded by the mutex of all groups.
    WatchGroup *m_next = nullptr; ///< Never changes once other threads know the group.
    int m_taken = 0; ///< How many places are.
    WatchGroup *m_nextWithRoom = nullptr;
    WatchGroup *m_nextNotified = nullptr;
};

/// All groups. Never destroyed: a thread may still be in notify() when the scan has told of its
/// future.
class FutureWatches
{
public:
    static FutureWatches &instance()
    {
        static auto *const watches = new FutureWatches;
        return *watches;
    }

    /// A group where a place was taken for the caller.
    WatchGroup &takePlace();
    void giveBack(WatchGroup &group);
    void notified(WatchGroup &group);
    std::vector<QFuture<void>> ofPool(const QThreadPool *pool);

private:
    class Scan final : public Timer
    {
    public:
        void expired() override { instance().scan(); }
    };

    WatchGroup *firstNotified();
    void scan();

    const std::shared_ptr<Scan> m_scan = std::make_shared<Scan>();

    Private::Mutex m_mutex; // guards what follows
    WatchGroup *m_all = nullptr; ///< The newest one; they are a list.
    WatchGroup *m_withRoom = nullptr; ///< One of those; they are a list, too.
    WatchGroup *m_firstNotified = nullptr;
    WatchGroup *m_lastNotified = nullptr;
    bool m_isScheduled = false; ///< The scan is, or runs.
    Clock::Time m_nextScan; ///< Not before.
};

/// The event dispatcher of a thread that is never started: it is there to be woken. It needs no
/// moc.
class Notifier final : public QAbstractEventDispatcher // clazy:exclude=missing-qobject-macro
{
public:
    explicit Notifier(WatchGroup &group) : m_group(group) { }
    void wakeUp() override { m_group.notify(); }

    void interrupt() override { } // GCOVR_EXCL_LINE: compiler
    // GCOVR_EXCL_START: compiler
    bool processEvents(QEventLoop::ProcessEventsFlags) override { return false; }
    // GCOVR_EXCL_STOP
    void registerSocketNotifier(QSocketNotifier *) override { } // GCOVR_EXCL_LINE: compiler
    void unregisterSocketNotifier(QSocketNotifier *) override { } // GCOVR_EXCL_LINE: compiler
    // GCOVR_EXCL_START: compiler
    void registerTimer(int, qint64, Qt::TimerType, QObject *) override { }
    // GCOVR_EXCL_STOP
    bool unregisterTimer(int) override { return false; } // GCOVR_EXCL_LINE: compiler
    bool unregisterTimers(QObject *) override { return false; } // GCOVR_EXCL_LINE: compiler
    // GCOVR_EXCL_START: compiler
    QList<TimerInfo> registeredTimers(QObject *) const override { return {}; }
    // GCOVR_EXCL_STOP
    int remainingTime(int) override { return -1; } // GCOVR_EXCL_LINE: compiler

private:
    WatchGroup &m_group;
};

/// A future that is watched, and what to do when it has finished.
class FutureWatch
{
public:
    explicit FutureWatch(const QFuture<void> &future)
        : m_future(future), m_group(FutureWatches::instance().takePlace())
    {
        m_watcher.moveToThread(&m_group.thread());
        // The results that it is told of are never taken, so they must not hold their producer up.
        m_watcher.setPendingResultsLimit(std::numeric_limits<int>::max());
        m_watcher.setFuture(m_future);
    }
    Q_DISABLE_COPY_MOVE(FutureWatch)
    virtual ~FutureWatch() { FutureWatches::instance().giveBack(m_group); }

    /// Called once, in the thread of the clock.
    virtual void happened() = 0;
    virtual bool hasHappened() const { return m_future.isFinished(); }

    /// Throws away what the watcher was told.
    void forgetEvents() { QCoreApplication::removePostedEvents(&m_watcher); }
    WatchGroup &group() const { return m_group; }

    const QFuture<void> &future() const { return m_future; }

protected:
    // It shares the state of the future, which Qt guards, but does not keep its results.
    const QFuture<void> m_future;

private:
    friend class WatchGroup;

    WatchGroup &m_group;
    QFutureWatcher<void> m_watcher;
    WatchGroup::Watches::iterator m_place; ///< Guarded by the mutex of the group.
    bool m_isWatched = false; ///< Guarded by the mutex of the group.
};

// --- A group -------------------------------------------------------------------------------------

WatchGroup::WatchGroup()
{
    m_thread.setEventDispatcher(new Notifier(*this));
}

void WatchGroup::add(const std::shared_ptr<FutureWatch> &watch)
{
    {
        const std::lock_guard lock(m_mutex);
        watch->m_place = m_watches.insert(m_watches.end(), watch);
        watch->m_isWatched = true;
    }
    // A notification that came before the watch was entered has found nothing.
    if (watch->hasHappened())
        notify();
    else if (QThreadPool *pool = Private::poolOf(watch->future()))
        Private::noteWatchedFuture(pool, watch->future());
}

void WatchGroup::remove(FutureWatch &watch)
{
    std::shared_ptr<FutureWatch> removed; // let go of outside of the lock
    const std::lock_guard lock(m_mutex);
    if (!std::exchange(watch.m_isWatched, false))
        return;
    removed = std::move(*watch.m_place);
    m_watches.erase(watch.m_place);
}

void WatchGroup::notify()
{
    if (!m_isNotified.exchange(true, std::memory_order_acq_rel))
        FutureWatches::instance().notified(*this);
}

void WatchGroup::look()
{
    m_isNotified.exchange(false, std::memory_order_acq_rel);
    Watches happened;
    {
        const std::lock_guard lock(m_mutex);
        for (auto watch = m_watches.begin(); watch != m_watches.end();) {
            const auto here = watch++;
            (*here)->forgetEvents();
            if ((*here)->hasHappened()) {
                (*here)->m_isWatched = false;
                happened.splice(happened.end(), m_watches, here);
            }
        }
    }
    for (const auto &watch : happened)
        watch->happened();
}

void WatchGroup::addThoseOfPool(const QThreadPool *pool, std::vector<QFuture<void>> &found)
{
    const std::lock_guard lock(m_mutex);
    for (const auto &watch : m_watches) {
        if (Private::poolOf(watch->future()) == pool && !watch->future().isFinished())
            found.push_back(watch->future());
    }
}

// --- All groups ----------------------------------------------------------------------------------

WatchGroup &FutureWatches::takePlace()
{
    std::unique_lock lock(m_mutex);
    if (!m_withRoom) {
        lock.unlock(); // Qt has locks of its own
        auto *fresh = new WatchGroup;
        lock.lock();
        fresh->m_next = std::exchange(m_all, fresh);
        fresh->m_nextWithRoom = std::exchange(m_withRoom, fresh);
    }
    WatchGroup &group = *m_withRoom;
    if (++group.m_taken == WatchGroup::size)
        m_withRoom = group.m_nextWithRoom;
    return group;
}

void FutureWatches::giveBack(WatchGroup &group)
{
    const std::lock_guard lock(m_mutex);
    if (group.m_taken-- == WatchGroup::size)
        group.m_nextWithRoom = std::exchange(m_withRoom, &group);
}

void FutureWatches::notified(WatchGroup &group)
{
    Clock::Time next;
    {
        const std::lock_guard lock(m_mutex);
        group.m_nextNotified = nullptr;
        (m_lastNotified ? m_lastNotified->m_nextNotified : m_firstNotified) = &group;
        m_lastNotified = &group;
        if (std::exchange(m_isScheduled, true))
            return;
        next = m_nextScan;
    }
    Clock::instance().start(m_scan, std::max(next, Clock::now()));
}

std::vector<QFuture<void>> FutureWatches::ofPool(const QThreadPool *pool)
{
    WatchGroup *group = nullptr;
    {
        const std::lock_guard lock(m_mutex);
        group = m_all;
    }
    std::vector<QFuture<void>> found;
    for (; group; group = group->m_next)
        group->addThoseOfPool(pool, found);
    return found;
}

/// Takes the group that was notified first; if there is none the next notification schedules a
/// scan.
WatchGroup *FutureWatches::firstNotified()
{
    const std::lock_guard lock(m_mutex);
    WatchGroup *const first = m_firstNotified;
    if (!first) {
        m_isScheduled = false;
        m_nextScan = Clock::now() + std::chrono::milliseconds(1);
        return nullptr;
    }
    m_firstNotified = first->m_nextNotified;
    if (!m_firstNotified)
        m_lastNotified = nullptr;
    return first;
}

/// Looks into the groups that were notified, at most once in a millisecond. Of many that finish at
/// once it leaves some for later, behind what else is due.
void FutureWatches::scan()
{
    const Clock::Time end = Clock::now() + std::chrono::milliseconds(2);
    while (WatchGroup *const group = firstNotified()) {
        group->look();
        if (Clock::now() >= end) {
            Clock::instance().start(m_scan, Clock::now());
            return;
        }
    }
}

class CloseOnFuture final : public Binding, public FutureWatch
{
public:
    CloseOnFuture(const QFuture<void> &future, ProcessHandle process)
        : FutureWatch(future), m_process(std::move(process))
    {
    }

    void happened() override { m_process.close(); }
    bool hasHappened() const override { return m_future.isFinished() || m_future.isCanceled(); }
    void finishing() override { group().remove(*this); }
    bool isOver() const override { return hasHappened(); }

private:
    const ProcessHandle m_process;
};

/// Holds a process until a future has finished. It is no Binding: the process cannot close before.
class HoldForFuture final : public FutureWatch
{
public:
    HoldForFuture(const QFuture<void> &future, ProcessHandle held)
        : FutureWatch(future), m_held(std::move(held))
    {
    }

    void happened() override { m_held.data()->release(); }

private:
    const ProcessHandle m_held;
};

class CallWhenFinished final : public FutureWatch
{
public:
    CallWhenFinished(const QFuture<void> &future, std::function<void()> function)
        : FutureWatch(future), m_function(std::move(function))
    {
    }

    void happened() override { m_function(); }

private:
    const std::function<void()> m_function;
};

class CancelOnClosing final : public Binding
{
public:
    explicit CancelOnClosing(const QFuture<void> &future) : m_future(future) { }

    void closing() override { m_future.cancel(); }
    bool isOver() const override { return m_future.isFinished(); }

private:
    QFuture<void> m_future; ///< Without its results.
};

} // namespace

void Private::whenFutureFinished(const QFuture<void> &future, std::function<void()> function)
{
    const auto watch = std::make_shared<CallWhenFinished>(future, std::move(function));
    watch->group().add(watch);
}

std::vector<QFuture<void>> Private::watchedFuturesOf(const QThreadPool *pool)
{
    return FutureWatches::instance().ofPool(pool);
}

QThreadPool *Private::poolOf(const QFuture<void> &future)
{
    return QFutureInterfaceBase::get(future).threadPool();
}

bool Private::closeOnFuture(Process *process, const QFuture<void> &future)
{
    const auto handle = ProcessHandle::toClose(process, "closeOn()");
    if (!handle)
        return false;
    if (future.isFinished() || future.isCanceled()) // GCOVR_EXCL_BR_LINE: race
        handle.close();
    if (handle.isClosing())
        return true;
    const auto watch = std::make_shared<CloseOnFuture>(future, handle);
    watch->group().add(watch);
    if (!handle.bind(watch))
        watch->finishing();
    return true;
}

bool Private::waitForFuture(Process *process, const QFuture<void> &future)
{
    constexpr const char *what = "waitFor()";
    const auto handle = ProcessHandle::toClose(process, what);
    if (!handle)
        return false;
    if (!handle.data()->hold())
        return handle.refuse(what, "its teardown has begun");
    if (future.isFinished()) {
        handle.data()->release();
        return true;
    }
    const auto watch = std::make_shared<HoldForFuture>(future, handle);
    watch->group().add(watch);
    return true;
}

bool Private::cancelFutureOnClosing(Process *process, const QFuture<void> &future)
{
    const auto handle = ProcessHandle::of(process, "cancelOnClosing()");
    if (!handle)
        return false;
    if (handle.isBackground() || future.isFinished())
        return true;
    const auto binding = std::make_shared<CancelOnClosing>(future);
    if (!handle.bind(binding))
        binding->closing();
    return true;
}

} // namespace GoProcess
