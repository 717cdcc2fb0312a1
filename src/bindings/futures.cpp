// SPDX-License-Identifier: MIT
// Bindings to futures, which leave the continuation of the future to its owner.
//
// A QFuture of Qt 6.4 has room for one continuation: a second one silently throws the first away. So
// these are watchers, of which there may be any number. A QFutureWatcher is told by a posted event,
// which would need an event loop; but whoever posts an event also wakes the event dispatcher of the
// watcher's thread. The watchers here live in a thread that is never started, and whose dispatcher
// rings a bell instead: then the clock looks which futures have finished.

#include "futurewatch_p.h"

#include <GoProcess/bindings.h>

#include "adaptors/clearedpools_p.h"
#include "clock/clock_p.h"
#include "core/processdata_p.h"

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
using Private::Graph;
using Private::ProcessHandle;
using Private::Timer;

namespace {

class FutureWatch;

/// All futures that are watched. Never destroyed.
class FutureWatches
{
public:
    static FutureWatches &instance()
    {
        static auto *const watches = new FutureWatches;
        return *watches;
    }

    QThread *thread() const { return m_thread; }
    void add(const std::shared_ptr<FutureWatch> &watch);
    void remove(FutureWatch &watch);
    std::vector<QFuture<void>> ofPool(const QThreadPool *pool);
    /// Some future may have changed. Called by Qt under the locks of that future, too.
    void ring();

private:
    friend class FutureWatch;
    using Watches = std::list<std::shared_ptr<FutureWatch>>;

    class Scan final : public Timer
    {
    public:
        void expired() override { instance().scan(); }
    };

    FutureWatches();
    void scan();

    QThread *const m_thread;
    const std::shared_ptr<Scan> m_scan = std::make_shared<Scan>();
    // Set by those who ring, cleared by the scan before it looks. Acquire and release: the scan that
    // a ring leads to sees that future finished, and so does one whose ring came when it was set.
    std::atomic<bool> m_isRung = false;
    // Written by the scan; relaxed, as a time that is a little old only lets one scan come early.
    std::atomic<Clock::Time::rep> m_nextScan = 0;

    std::mutex m_mutex; // guards what follows
    Watches m_watches;
};

/// The event dispatcher of the thread that is never started: it is there to be woken. It needs no moc.
class Doorbell final : public QAbstractEventDispatcher // clazy:exclude=missing-qobject-macro
{
public:
    void wakeUp() override { FutureWatches::instance().ring(); }

    void interrupt() override { }
    bool processEvents(QEventLoop::ProcessEventsFlags) override { return false; }
    void registerSocketNotifier(QSocketNotifier *) override { }
    void unregisterSocketNotifier(QSocketNotifier *) override { }
    void registerTimer(int, qint64, Qt::TimerType, QObject *) override { }
    bool unregisterTimer(int) override { return false; }
    bool unregisterTimers(QObject *) override { return false; }
    QList<TimerInfo> registeredTimers(QObject *) const override { return {}; }
    int remainingTime(int) override { return -1; }
};

/// A future that is watched, and what to do when it has finished.
class FutureWatch
{
public:
    explicit FutureWatch(const QFuture<void> &future) : m_future(future)
    {
        m_watcher.moveToThread(FutureWatches::instance().thread());
        // Nobody takes the results that it is told of, so they must not hold their producer up.
        m_watcher.setPendingResultsLimit(std::numeric_limits<int>::max());
        m_watcher.setFuture(m_future);
    }
    Q_DISABLE_COPY_MOVE(FutureWatch)
    virtual ~FutureWatch() = default;

    /// Called once, in the thread of the clock.
    virtual void happened() = 0;
    virtual bool hasHappened() const { return m_future.isFinished(); }

    /// Throws away what the watcher was told.
    void forgetEvents() { QCoreApplication::removePostedEvents(&m_watcher); }

    const QFuture<void> &future() const { return m_future; }

protected:
    // It shares the state of the future, which Qt guards, but does not keep its results.
    const QFuture<void> m_future;

private:
    friend class FutureWatches;

    QFutureWatcher<void> m_watcher;
    FutureWatches::Watches::iterator m_place; ///< Guarded by the mutex of all watches.
    bool m_isWatched = false; ///< The same.
};

FutureWatches::FutureWatches() : m_thread(new QThread)
{
    m_thread->setEventDispatcher(new Doorbell);
}

void FutureWatches::add(const std::shared_ptr<FutureWatch> &watch)
{
    {
        const std::lock_guard lock(m_mutex);
        watch->m_place = m_watches.insert(m_watches.end(), watch);
        watch->m_isWatched = true;
    }
    // What was rung before was not found.
    if (watch->hasHappened())
        ring();
    else if (QThreadPool *pool = Private::poolOf(watch->future()))
        Private::noteWatchedFuture(pool, watch->future());
}

void FutureWatches::remove(FutureWatch &watch)
{
    std::shared_ptr<FutureWatch> removed; // let go of outside of the lock
    const std::lock_guard lock(m_mutex);
    if (!std::exchange(watch.m_isWatched, false))
        return;
    removed = std::move(*watch.m_place);
    m_watches.erase(watch.m_place);
}

std::vector<QFuture<void>> FutureWatches::ofPool(const QThreadPool *pool)
{
    std::vector<QFuture<void>> found;
    const std::lock_guard lock(m_mutex);
    for (const auto &watch : m_watches) {
        if (Private::poolOf(watch->future()) == pool && !watch->future().isFinished())
            found.push_back(watch->future());
    }
    return found;
}

void FutureWatches::ring()
{
    if (m_isRung.exchange(true, std::memory_order_acq_rel))
        return;
    const Clock::Time next(Clock::Time::duration(m_nextScan.load(std::memory_order_relaxed)));
    Clock::instance().start(m_scan, std::max(next, Clock::now()));
}

/// Finds the futures that have finished, at most once in a millisecond.
void FutureWatches::scan()
{
    m_isRung.exchange(false, std::memory_order_acq_rel);
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
    const Clock::Time next = Clock::now() + std::chrono::milliseconds(1);
    m_nextScan.store(next.time_since_epoch().count(), std::memory_order_relaxed);
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
    void finishing() override { FutureWatches::instance().remove(*this); }
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

    void happened() override { deliver(Graph::release(*m_held.data())); }

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
    FutureWatches::instance().add(std::make_shared<CallWhenFinished>(future, std::move(function)));
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
    if (future.isFinished() || future.isCanceled())
        handle.close();
    if (handle.isClosing())
        return true;
    const auto watch = std::make_shared<CloseOnFuture>(future, handle);
    FutureWatches::instance().add(watch);
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
    if (!Graph::hold(*handle.data()))
        return handle.refuse(what, "its teardown has begun");
    if (future.isFinished())
        deliver(Graph::release(*handle.data()));
    else
        FutureWatches::instance().add(std::make_shared<HoldForFuture>(future, handle));
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
