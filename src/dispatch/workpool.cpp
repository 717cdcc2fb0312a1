// SPDX-License-Identifier: MIT
// The library's own pool: runs works, and the steps of processes without a home.

#include "workpool_p.h"

#include "common/logging_p.h"
#include "common/pin_p.h"
#include "common/tsan_p.h"
#include "delivery_p.h"
#include "stepscope_p.h"

#include <QDeadlineTimer>
#include <QStringList>
#include <QThread>

#include <algorithm>

namespace GoProcess::Private {

using namespace std::chrono_literals;

/// One function of the pool in one of its threads.
class WorkPool::Runnable final : public QRunnable
{
public:
    Runnable(WorkPool &pool, void (WorkPool::*function)()) : m_pool(pool), m_function(function)
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
    PooledWork(StepTarget &node, QThreadPool *pool) : m_node(&node), m_pool(pool) { }
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
        const bool wasLibraryThread = std::exchange(context.isLibraryThread, false);
        QThreadPool *const outerPool = std::exchange(context.userPool, m_pool);
        if (m_node->claim(Step::Work)) {
            const WorkPool::Running running(*m_node);
            m_node->run(Step::Work).goOn();
        }
        if (Dispatcher *dispatcher = Dispatcher::currentIfAny())
            dispatcher->drain();
        context.isLibraryThread = wasLibraryThread;
        context.userPool = outerPool;
        handOver(this);
    }

private:
    const Ref<StepTarget> m_node;
    QThreadPool *const m_pool;
};

std::atomic<bool> WorkPool::s_hasProgramEnded = false;

struct WorkPool::EndOfProgram
{
    Q_DISABLE_COPY_MOVE(EndOfProgram)
    EndOfProgram() = default;
    ~EndOfProgram() { instance().endOfProgram(); }
};

WorkPool &WorkPool::instance()
{
    static auto *const pool = [] {
        keepLoaded();
        return new WorkPool;
    }();
    static const EndOfProgram end;
    return *pool;
}

WorkPool::WorkPool()
    : m_worker(std::make_unique<Runnable>(*this, &WorkPool::runWorker)),
      m_watcher(std::make_unique<Runnable>(*this, &WorkPool::watch)),
      m_base(std::max(1, QThread::idealThreadCount()))
{
    fitThreads();
    m_threads.setObjectName(QStringLiteral("GoProcess"));
    m_watcherThread.setMaxThreadCount(1);
    m_watcherThread.setObjectName(QStringLiteral("GoProcess watcher"));
    Forks::add(*this);
}

bool WorkPool::forked()
{
    // What stands in the queue is the parent's: Forks::revive() finds what of it matters here.
    static auto *const steps = new std::deque<DueStep>;
    static auto *const works = new std::deque<DueStep>;
    steps->swap(m_steps);
    works->swap(m_works);
    m_hasItems.store(false, std::memory_order_relaxed);
    new (&m_idle) std::condition_variable;
    m_active = ThreadContext::current().isLibraryThread ? 1 : 0;
    m_working = ThreadContext::current().countsAsWork ? 1 : 0;
    m_starting = m_blocking = m_lost = 0;
    m_isSpinning = m_watching = false;
    return true;
}

int WorkPool::maxThreadCount() const
{
    const std::lock_guard lock(m_mutex);
    return m_max;
}

void WorkPool::setMaxThreadCount(int count)
{
    bool watch = false;
    {
        const std::lock_guard lock(m_mutex);
        m_max = std::max(1, count);
        m_warned = false;
        watch = startsWatcher();
    }
    if (watch)
        m_watcherThread.start(m_watcher.get()); // GCOVR_EXCL_LINE: system
}

void WorkPool::submit(DueStep due)
{
    submit(&due, &due + 1);
}

void WorkPool::submit(std::vector<DueStep> dueSteps)
{
    submit(dueSteps.data(), dueSteps.data() + dueSteps.size());
}

void WorkPool::submit(DueStep *begin, DueStep *end)
{
    if (Forks::hasLostThreads()) {
        Dispatcher::runHere(begin, end); // steps only: works are refused
        return;
    }
    int workers = 0;
    bool watch = false;
    bool hasLost = false;
    {
        const std::lock_guard lock(m_mutex);
        // The thread that spins takes the first one.
        const std::ptrdiff_t wanted = end - begin - (m_isSpinning && !hasNext() ? 1 : 0);
        for (DueStep *due = begin; due != end; ++due)
            (due->step == Step::Work ? m_works : m_steps).push_back(std::move(*due));
        m_hasItems.store(hasNext(), std::memory_order_relaxed);
        while (workers < wanted && takePlace())
            ++workers;
        watch = workers < wanted && startsWatcher();
        hasLost = workers == 0 && hasLostThreads();
    }
    for (; workers > 0; --workers)
        m_threads.start(m_worker.get());
    if (watch) // GCOVR_EXCL_BR_LINE: race
        m_watcherThread.start(m_watcher.get());
    if (hasLost)
        startAgain();
}

void WorkPool::submit(StepTarget &node, QThreadPool *pool)
{
    instance(); // the end of the program waits for this work, too
    node.setDue(Step::Work);
    auto *work = new PooledWork(node, pool);
    handOver(work);
    pool->start(work);
}

/// There is a step or a work to be run that has its place. The caller holds the lock.
bool WorkPool::hasNext() const
{
    return !m_steps.empty() || (!m_works.empty() && m_working < m_max);
}

/// Takes what hasNext() tells of, for the calling thread. The caller holds the lock.
DueStep WorkPool::takeNext(ThreadContext &context)
{
    context.countsAsWork = m_steps.empty();
    std::deque<DueStep> &queue = context.countsAsWork ? m_works : m_steps;
    if (context.countsAsWork)
        ++m_working;
    DueStep due = std::move(queue.front());
    queue.pop_front();
    m_hasItems.store(hasNext(), std::memory_order_relaxed);
    return due;
}

void WorkPool::runWorker()
{
    ThreadContext &context = ThreadContext::current();
    context.isLibraryThread = true;
    Ref<StepTarget> node; // of the last step; let go of outside of the lock
    std::unique_lock<std::mutex> lock(m_mutex);
    if (m_starting > 0) { // GCOVR_EXCL_BR_LINE: race
        --m_starting;
    } else { // taken for lost
        --m_lost; // GCOVR_EXCL_LINE: race
        ++m_active; // GCOVR_EXCL_LINE: race
    }
    m_running.push_front({ {}, PoolThread { ThreadProbe::ofThisThread(), &context } });
    const auto place = m_running.begin();
    while (true) {
        if (!hasNext()) {
            spinForMore(lock);
            if (!hasNext())
                break; // fewer are needed
        }
        DueStep due = takeNext(context);
        place->node = due.node;
        // A step that blocks may stand where there is room for works.
        const bool watch = !m_watching && !m_works.empty() && startsWatcher();
        lock.unlock();
        if (watch)
            m_watcherThread.start(m_watcher.get());

        node = due.node;
        runItem(std::move(due));
        if (Dispatcher *dispatcher = Dispatcher::currentIfAny())
            dispatcher->drain();

        lock.lock();
        ++m_completed;
        if (std::exchange(context.countsAsWork, false))
            --m_working;
        place->node = {};
    }
    m_running.erase(place);
    --m_active;
    fitThreads();
    m_idle.notify_all();
}

/// Looks for more a moment longer: to put a thread to sleep and to wake it costs more than a short
/// work does. Only the last thread does so, and where the submitting thread has another core.
void WorkPool::spinForMore(std::unique_lock<std::mutex> &lock)
{
    constexpr auto moment = 20us;

    if (m_base == 1 || threadCount() > 1) // GCOVR_EXCL_BR_LINE: race
        return;
    m_isSpinning = true;
    lock.unlock();
    const auto end = Dispatcher::Clock::now() + moment;
    while (!m_hasItems.load(std::memory_order_relaxed) && Dispatcher::Clock::now() < end) { }
    lock.lock();
    m_isSpinning = false;
}

void WorkPool::beginBlocking()
{
    bool start = false;
    bool watch = false;
    {
        const std::lock_guard lock(m_mutex);
        --m_active;
        ++m_blocking;
        if (ThreadContext::current().countsAsWork)
            --m_working;
        start = hasNext() && takePlace();
        watch = !start && hasNext() && startsWatcher(); // GCOVR_EXCL_BR_LINE: system
    }
    if (start)
        m_threads.start(m_worker.get());
    if (watch) // GCOVR_EXCL_BR_LINE: system
        m_watcherThread.start(m_watcher.get());
}

void WorkPool::endBlocking()
{
    const std::lock_guard lock(m_mutex);
    ++m_active;
    --m_blocking;
    if (ThreadContext::current().countsAsWork)
        ++m_working; // beyond the limit perhaps: a work that has begun goes on
}

WorkPool::BlockingScope::BlockingScope()
    : m_isLibraryThread(ThreadContext::current().isLibraryThread),
      m_userPool(ThreadContext::current().userPool)
{
    if (m_isLibraryThread)
        instance().beginBlocking();
    else if (m_userPool)
        m_userPool->releaseThread();
}

WorkPool::BlockingScope::~BlockingScope()
{
    if (m_isLibraryThread)
        instance().endBlocking();
    else if (m_userPool)
        m_userPool->reserveThread();
}

WorkPool::Running::Running(StepTarget &node)
{
    WorkPool &pool = instance();
    const std::lock_guard lock(pool.m_mutex);
    pool.m_running.push_front({ Ref<StepTarget>(&node), {} });
    m_place = pool.m_running.begin();
}

WorkPool::Running::~Running()
{
    WorkPool &pool = instance();
    Ref<StepTarget> node; // let go of outside of the lock
    const std::lock_guard lock(pool.m_mutex);
    node = std::move(m_place->node);
    pool.m_running.erase(m_place);
    pool.m_idle.notify_all();
}

/// True for what the calling thread runs itself: it returns when the program has ended, if ever.
bool WorkPool::isOfCaller(const RunningWork &running)
{
    if (running.thread && running.thread->context == &ThreadContext::current())
        return true; // GCOVR_EXCL_LINE: race
    return running.node && StepScope::find(*running.node); // GCOVR_EXCL_BR_LINE: race
}

/// Asks the works that are left to close, and waits for them, but not for ever (R48).
void WorkPool::endOfProgram()
{
    s_hasProgramEnded.store(true, std::memory_order_release);
    if (Forks::hasLostThreads())
        return; // the works are the parent's, and so are the steps that are left here
    if (Dispatcher *dispatcher = Dispatcher::currentIfAny()) // GCOVR_EXCL_BR_LINE: rare
        dispatcher->drain(); // GCOVR_EXCL_LINE: rare

    const QDeadlineTimer deadline(5s);
    std::vector<Ref<StepTarget>> open;
    const auto collect = [&](bool asksCaller) {
        open.clear();
        for (const RunningWork &running : m_running) {
            if (running.node && (asksCaller || !isOfCaller(running))) // GCOVR_EXCL_BR_LINE: race
                open.push_back(running.node);
        }
        for (const auto *queue : { &m_steps, &m_works }) {
            for (const DueStep &due : *queue)
                open.push_back(due.node); // GCOVR_EXCL_LINE: race
        }
    };

    std::unique_lock<std::mutex> lock(m_mutex);
    collect(true); // what it has started is to close, too
    lock.unlock();
    for (const Ref<StepTarget> &node : open)
        deliver(Graph::close(*node));
    lock.lock();
    // Woken by each thread that has nothing left to do; the deadline bounds the whole.
    const auto end = Dispatcher::Clock::now() + std::chrono::milliseconds(deadline.remainingTime());
    const bool idle = m_idle.wait_until(lock, end, [&] {
        return m_steps.empty() && m_works.empty() && !m_watching // GCOVR_EXCL_BR_LINE: rare
                && std::all_of(m_running.cbegin(), m_running.cend(), isOfCaller);
    });
    if (idle) {
        // QThreadPool would wait for threads that never came to be, and for the caller.
        const bool waitsInVain = m_lost > 0 || ThreadContext::current().isLibraryThread;
        lock.unlock();
        open.clear();
        if (waitsInVain)
            return;
        m_threads.waitForDone(int(deadline.remainingTime()));
        m_watcherThread.waitForDone(int(deadline.remainingTime()));
        return;
    }
    collect(false);
    lock.unlock();

    QStringList paths;
    for (const Ref<StepTarget> &node : open)
        paths += node->path();
    paths.removeDuplicates();
    warn(QStringLiteral(
                 "Works still run 5 s after they were asked to close, at the end of the program; "
                 "their threads are left behind: %1")
                 .arg(paths.join(QLatin1String(", "))));
}

} // namespace GoProcess::Private
