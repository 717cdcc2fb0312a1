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
        m_watcherThread.start(m_watcher.get());
}

/// Limits the QThreadPool to the threads that there shall be, else it makes another one whenever a
/// thread has nothing left to run but is not back in the pool yet. Needs the lock.
void WorkPool::fitThreads()
{
    const int limit = std::max(m_base, threadCount()) + m_lost;
    if (limit != m_limit)
        m_threads.setMaxThreadCount(m_limit = limit);
}

/// How many works could be in threads at once with what is queued, beyond those that are. Needs the
/// lock.
int WorkPool::roomForWorks() const
{
    return std::clamp(m_max - m_working, 0, int(m_works.size()));
}

/// How many threads could run the steps that are queued. Needs the lock.
int WorkPool::roomForSteps() const
{
    // Steps are short. If thousands of them block, something is wrong that more threads would not
    // mend.
    constexpr int most = 4096;
    return std::clamp(most - (m_active - m_working), 0, int(m_steps.size()));
}

/// True if the caller, who needs the lock, has to start the watcher. It has something to do where
/// threads may be added; else it tells that there are none, once. Who takes an item asks again, and
/// so does whatever makes room.
bool WorkPool::startsWatcher()
{
    if (m_watching)
        return false;
    const bool isNeeded =
            roomForSteps() > 0 || roomForWorks() > 0 || (!m_works.empty() && !m_warned);
    if (!isNeeded)
        return false;
    m_watching = true;
    m_watcherHasBegun = false;
    noteStarts(0);
    return true;
}

/// A place for one more thread, if there is one within the usual number. Needs the lock.
bool WorkPool::takePlace()
{
    if (m_active >= (m_steps.empty() ? std::min(m_base, m_max) : m_base))
        return false;
    ++m_active;
    noteStarts(1);
    fitThreads();
    return true;
}

/// Needs the lock.
void WorkPool::noteStarts(int count)
{
    m_starting += count;
    m_lastStart = Dispatcher::Clock::now();
}

/// True if threads were told to start long ago and have not: the system refuses them, which
/// QThreadPool does not tell. Needs the lock.
bool WorkPool::hasLostThreads() const
{
    constexpr auto patience = 100ms;
    return (m_starting > 0 || (m_watching && !m_watcherHasBegun))
            && Dispatcher::Clock::now() - m_lastStart > patience;
}

void WorkPool::startAgain()
{
    int workers = 0;
    bool watch = false;
    {
        const std::lock_guard lock(m_mutex);
        if ((m_steps.empty() && m_works.empty()) || !hasLostThreads())
            return;
        // One that was only slow takes its place again when it begins.
        m_active -= m_starting;
        m_lost += std::exchange(m_starting, 0);
        while (workers < int(m_steps.size() + m_works.size()) && takePlace())
            ++workers;
        if (m_watching && !m_watcherHasBegun) {
            m_watcherThread.setMaxThreadCount(m_watcherThread.maxThreadCount() + 1);
            watch = true;
        }
    }
    for (; workers > 0; --workers)
        m_threads.start(m_worker.get());
    if (watch)
        m_watcherThread.start(m_watcher.get());
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
    if (watch)
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

/// There is something to be run that has its place. Needs the lock, as the next one does.
bool WorkPool::hasNext() const
{
    return !m_steps.empty() || (!m_works.empty() && m_working < m_max);
}

/// Takes that for the calling thread.
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
    Ref<StepTarget> node; // of the last item; let go of outside of the lock
    std::unique_lock<std::mutex> lock(m_mutex);
    if (m_starting > 0) {
        --m_starting;
    } else { // taken for lost
        --m_lost;
        ++m_active;
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
/// work does. Only the last thread does so, and where whoever submits has another core.
void WorkPool::spinForMore(std::unique_lock<std::mutex> &lock)
{
    constexpr auto moment = 20us;

    if (m_base == 1 || threadCount() > 1)
        return;
    m_isSpinning = true;
    lock.unlock();
    const auto end = Dispatcher::Clock::now() + moment;
    while (!m_hasItems.load(std::memory_order_relaxed) && Dispatcher::Clock::now() < end) { }
    lock.lock();
    m_isSpinning = false;
}

/// How many threads for works are on their way, if only to their first work. Needs the lock.
int WorkPool::countUnblocked() const
{
    const auto blocked =
            std::count_if(m_running.cbegin(), m_running.cend(), [](const RunningWork &running) {
                return running.thread && running.thread->isBlocked();
            });
    return threadCount() - int(blocked);
}

bool WorkPool::PoolThread::isBlocked() const
{
    // What sleeps outside of a work waits for a lock of the library, whose owner is on its way.
    const auto begun = context->worksBegun.load(std::memory_order_relaxed);
    const auto isInWork = [&] {
        return context->works.load(std::memory_order_relaxed) > 0
                && context->worksBegun.load(std::memory_order_relaxed) == begun;
    };
    return isInWork() && probe.isAsleep() && isInWork();
}

/// How many threads to add when \a unblocked are on their way and nothing completes. Needs the
/// lock.
int WorkPool::threadsToAdd(int unblocked) const
{
    // A few more at first, as all may wait for somebody who is short of a processor (the
    // allocator's lock is such a place). If they are blocked too, four times as many each time, so
    // that hundreds of blocked works run within milliseconds.
    const auto more = [&](int count) { return count <= m_base ? m_base : 3 * count; };
    const int wanted = unblocked > 0 ? std::max(1, m_base - unblocked) : more(threadCount());
    // Threads that are not in works are there for steps.
    const int forSteps = std::min({ roomForSteps(), wanted, more(m_active - m_working) });
    return std::min(roomForWorks(), wanted) + forSteps;
}

/// Starts threads while works or steps wait and none completes. Where it cannot, as all the places
/// are taken, it tells once, and ends.
void WorkPool::watch()
{
    constexpr auto tick = 1ms;
    // Ticks without a completion before threads are added. Where all threads are blocked they are
    // needed now. A thread that is on its way may just be short of a processor, and more threads
    // would not help it; but it may also go on for ever, and what is queued has to start at last.
    constexpr int patience = 2;
    constexpr int patienceIfSomeGoOn = 50;
    constexpr int patienceIfAllGoOn = 100;
    // It takes a while to ask thousands of threads, and the lock is held meanwhile: less often if
    // it lasts.
    const auto isTimeToAsk = [](int ticks) {
        return (ticks & (ticks - 1)) == 0 || ticks == patienceIfSomeGoOn
                || ticks >= patienceIfAllGoOn;
    };

    std::condition_variable clock;
    std::unique_lock<std::mutex> lock(m_mutex);
    m_watcherHasBegun = true;
    std::uint64_t completed = m_completed;
    int stalled = 0;
    while (!m_steps.empty() || !m_works.empty()) {
        const bool isFull = roomForSteps() == 0 && roomForWorks() == 0;
        if (isFull && m_warned)
            break;
        clock.wait_for(lock, tick, [] { return false; });
        if (m_completed != completed) {
            completed = m_completed;
            stalled = 0;
            continue;
        }
        if (++stalled < (isFull ? patienceIfSomeGoOn : patience) || !isTimeToAsk(stalled))
            continue;
        const int unblocked = countUnblocked();
        if (unblocked > 0
            && stalled < (unblocked < m_base && !isFull ? patienceIfSomeGoOn : patienceIfAllGoOn))
            continue;

        // All are blocked: what is added may be as well, which is seen at the next tick.
        stalled = unblocked > 0 || threadCount() <= m_base ? 0 : patience - 1;
        int workers = threadsToAdd(unblocked);
        const int max = m_max;
        const bool warn = !m_works.empty() && m_working >= max && !std::exchange(m_warned, true);
        m_active += workers;
        noteStarts(workers);
        fitThreads();
        lock.unlock();
        for (; workers > 0; --workers)
            m_threads.start(m_worker.get());
        if (warn) {
            Private::warn(
                    QStringLiteral(
                            "All %1 threads for works are blocked: further works wait until one "
                            "returns (setMaxWorkThreadCount() allows more)")
                            .arg(max));
        }
        lock.lock();
    }
    m_watching = false;
    m_idle.notify_all();
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
        watch = !start && hasNext() && startsWatcher();
    }
    if (start)
        m_threads.start(m_worker.get());
    if (watch)
        m_watcherThread.start(m_watcher.get());
}

void WorkPool::endBlocking()
{
    const std::lock_guard lock(m_mutex);
    ++m_active;
    --m_blocking;
    if (ThreadContext::current().countsAsWork)
        ++m_working; // beyond the limit perhaps: who has begun goes on
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
        return true;
    return running.node && StepScope::find(*running.node);
}

/// Asks the works that are left to close, and waits for them, but not for ever (R48).
void WorkPool::endOfProgram()
{
    s_hasProgramEnded.store(true, std::memory_order_release);
    if (Forks::hasLostThreads())
        return; // the works are the parent's, and so are the steps that are left here
    if (Dispatcher *dispatcher = Dispatcher::currentIfAny())
        dispatcher->drain();

    const QDeadlineTimer deadline(5s);
    std::vector<Ref<StepTarget>> open;
    const auto collect = [&](bool asksCaller) {
        open.clear();
        for (const RunningWork &running : m_running) {
            if (running.node && (asksCaller || !isOfCaller(running)))
                open.push_back(running.node);
        }
        for (const auto *queue : { &m_steps, &m_works }) {
            for (const DueStep &due : *queue)
                open.push_back(due.node);
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
        return m_steps.empty() && m_works.empty() && !m_watching
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
