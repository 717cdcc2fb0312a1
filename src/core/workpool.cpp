// SPDX-License-Identifier: MIT
// The library's own pool: runs works, and the steps of processes without a home.

#include "workpool_p.h"

#include "frame_p.h"
#include "logging_p.h"
#include "tsan_p.h"

#include <QDeadlineTimer>
#include <QStringList>
#include <QThread>

#include <algorithm>

namespace GoProcess::Private {

using namespace std::chrono_literals;

/// One function of the pool in one of its threads.
class WorkPool::Pump final : public QRunnable
{
public:
    Pump(WorkPool &pool, void (WorkPool::*function)()) : m_pool(pool), m_function(function)
    {
        setAutoDelete(false);
        handOver(this);
    }
    void run() override
    {
        takeOver(this);
        (m_pool.*m_function)();
    }

private:
    WorkPool &m_pool;
    void (WorkPool::*const m_function)();
};

/// A work in a user's pool. Destroyed unrun, it tells the process (R30).
class PooledWork final : public QRunnable
{
public:
    PooledWork(Resident &node, QThreadPool *pool) : m_node(&node), m_pool(pool) { }
    Q_DISABLE_COPY_MOVE(PooledWork)
    ~PooledWork() override
    {
        takeOver(this);
        if (m_node->claim(Step::Work))
            m_node->workDropped();
        handOver(this);
    }
    void run() override
    {
        takeOver(this);
        ThreadContext &context = ThreadContext::current();
        const ThreadContext outer = std::exchange(context, { false, m_pool });
        if (m_node->claim(Step::Work)) {
            const WorkPool::Running running(*m_node);
            m_node->run(Step::Work, nullptr);
        }
        if (Dispatcher *dispatcher = Dispatcher::currentIfAny())
            dispatcher->drain();
        context = outer;
        handOver(this);
    }

private:
    const Ref<Resident> m_node;
    QThreadPool *const m_pool;
};

struct WorkPool::EndOfProgram
{
    Q_DISABLE_COPY_MOVE(EndOfProgram)
    EndOfProgram() = default;
    ~EndOfProgram() { instance().endOfProgram(); }
};

WorkPool &WorkPool::instance()
{
    static auto *const pool = new WorkPool;
    static const EndOfProgram end;
    return *pool;
}

WorkPool::WorkPool()
    : m_pump(std::make_unique<Pump>(*this, &WorkPool::pump)),
      m_watcher(std::make_unique<Pump>(*this, &WorkPool::watch)),
      m_base(std::max(1, QThread::idealThreadCount()))
{
    fitThreads();
    m_threads.setObjectName(QStringLiteral("GoProcess"));
    m_watcherThread.setMaxThreadCount(1);
    m_watcherThread.setObjectName(QStringLiteral("GoProcess watcher"));
}

int WorkPool::maxThreadCount() const
{
    const std::lock_guard lock(m_mutex);
    return m_max;
}

void WorkPool::setMaxThreadCount(int count)
{
    const std::lock_guard lock(m_mutex);
    m_max = std::max(1, count);
    m_warned = false;
}

/// Limits the QThreadPool to the threads that there shall be, else it makes another one whenever a
/// thread has nothing left to run but is not back in the pool yet. Needs the lock.
void WorkPool::fitThreads()
{
    const int limit = std::max(m_base, threadCount());
    if (limit != m_limit)
        m_threads.setMaxThreadCount(m_limit = limit);
}

/// A place for one more thread, if there is one within the usual number. Needs the lock.
bool WorkPool::takePlace()
{
    if (m_active >= std::min(m_base, m_max) || threadCount() >= m_max)
        return false;
    ++m_active;
    fitThreads();
    return true;
}

void WorkPool::submit(std::vector<Item> items)
{
    int pumps = 0;
    bool watch = false;
    {
        const std::lock_guard lock(m_mutex);
        for (Item &item : items) {
            m_queue.push_back(std::move(item));
            if (takePlace())
                ++pumps;
        }
        if (pumps < int(items.size()) && !m_watching)
            watch = m_watching = true;
    }
    for (; pumps > 0; --pumps)
        m_threads.start(m_pump.get());
    if (watch)
        m_watcherThread.start(m_watcher.get());
}

void WorkPool::submit(Resident &node, QThreadPool *pool)
{
    instance(); // the end of the program waits for this work, too
    node.setDue(Step::Work);
    auto *work = new PooledWork(node, pool);
    handOver(work);
    pool->start(work);
}

void WorkPool::pump()
{
    ThreadContext::current().isLibraryThread = true;
    std::unique_lock lock(m_mutex);
    m_running.emplace_front();
    const auto place = m_running.begin();
    // Fewer are needed once nothing is left to take.
    while (!m_queue.empty()) {
        Item item = std::move(m_queue.front());
        m_queue.pop_front();
        *place = item.node;
        lock.unlock();

        runItem(std::move(item));
        if (Dispatcher *dispatcher = Dispatcher::currentIfAny())
            dispatcher->drain();

        lock.lock();
        ++m_completed;
        std::swap(*place, item.node);
        if (item.node) {
            lock.unlock();
            item = {}; // the last reference may go, and with it what the user captured
            lock.lock();
        }
    }
    m_running.erase(place);
    --m_active;
    fitThreads();
    m_idle.notify_all();
}

/// Starts threads while works wait and none completes.
void WorkPool::watch()
{
    constexpr auto tick = 1ms;
    constexpr int patience = 5; // ticks without a completion before threads are added

    std::condition_variable clock;
    std::unique_lock lock(m_mutex);
    std::uint64_t completed = m_completed;
    int stalled = 0;
    while (!m_queue.empty()) {
        const auto before = Dispatcher::Clock::now();
        clock.wait_until(lock, before + tick, [] { return false; });
        if (m_completed != completed) {
            completed = m_completed;
            stalled = 0;
            continue;
        }
        // A tick that took long tells that the machine is busy, not that works are blocked.
        if (Dispatcher::Clock::now() - before > 4 * tick || ++stalled < patience)
            continue;

        // A few more first, which a busy machine can bear; only if that does not help either, twice as
        // many each tick, so that hundreds of blocked works run within milliseconds.
        const bool first = threadCount() <= m_base;
        if (first)
            stalled = 0;
        int pumps = std::min(
                { int(m_queue.size()), first ? m_base : threadCount(), m_max - threadCount() });
        const int max = m_max;
        const bool warn =
                threadCount() >= max && !m_queue.empty() && !std::exchange(m_warned, true);
        m_active += std::max(0, pumps);
        fitThreads();
        lock.unlock();
        for (; pumps > 0; --pumps)
            m_threads.start(m_pump.get());
        if (warn) {
            qCWarning(lcProcess) << "All" << max
                                 << "threads for works are blocked: further works wait until one "
                                    "returns (setMaxWorkThreadCount() allows more)";
        }
        lock.lock();
    }
    m_watching = false;
    m_idle.notify_all();
}

void WorkPool::lend()
{
    bool start = false;
    {
        const std::lock_guard lock(m_mutex);
        --m_active;
        ++m_lent;
        start = !m_queue.empty() && takePlace();
    }
    if (start)
        m_threads.start(m_pump.get());
}

void WorkPool::takeBack()
{
    const std::lock_guard lock(m_mutex);
    ++m_active;
    --m_lent;
}

WorkPool::Lease::Lease()
    : m_isLibraryThread(ThreadContext::current().isLibraryThread),
      m_userPool(ThreadContext::current().userPool)
{
    if (m_isLibraryThread)
        instance().lend();
    else if (m_userPool)
        m_userPool->releaseThread();
}

WorkPool::Lease::~Lease()
{
    if (m_isLibraryThread)
        instance().takeBack();
    else if (m_userPool)
        m_userPool->reserveThread();
}

WorkPool::Running::Running(Resident &node)
{
    WorkPool &pool = instance();
    const std::lock_guard lock(pool.m_mutex);
    pool.m_running.emplace_front(&node);
    m_place = pool.m_running.begin();
}

WorkPool::Running::~Running()
{
    WorkPool &pool = instance();
    Ref<Resident> node; // let go of outside of the lock
    const std::lock_guard lock(pool.m_mutex);
    node = std::move(*m_place);
    pool.m_running.erase(m_place);
    pool.m_idle.notify_all();
}

/// Asks the works that are left to close, and waits for them, but not for ever (R48).
void WorkPool::endOfProgram()
{
    if (Dispatcher *dispatcher = Dispatcher::currentIfAny())
        dispatcher->drain();

    const QDeadlineTimer deadline(5s);
    std::vector<Ref<Resident>> open;
    const auto collect = [&] {
        open.clear();
        for (const Ref<Resident> &node : m_running) {
            if (node)
                open.push_back(node);
        }
        for (const Item &item : m_queue)
            open.push_back(item.node);
    };

    std::unique_lock lock(m_mutex);
    collect();
    lock.unlock();
    for (const Ref<Resident> &node : open)
        deliver(Graph::close(*node));
    lock.lock();
    // Woken by each thread that has nothing left to do; the deadline bounds the whole.
    const auto end = Dispatcher::Clock::now() + std::chrono::milliseconds(deadline.remainingTime());
    const bool idle = m_idle.wait_until(
            lock, end, [&] { return m_queue.empty() && m_running.empty() && !m_watching; });
    if (idle) {
        lock.unlock();
        open.clear();
        m_threads.waitForDone(int(deadline.remainingTime()));
        m_watcherThread.waitForDone(int(deadline.remainingTime()));
        return;
    }
    collect();
    lock.unlock();

    QStringList paths;
    for (const Ref<Resident> &node : open)
        paths += node->path();
    paths.removeDuplicates();
    qCWarning(lcProcess).noquote()
            << "Works still run 5 s after they were asked to close, at the end of the program; their "
               "threads are left behind:"
            << paths.join(QLatin1String(", "));
}

} // namespace GoProcess::Private
