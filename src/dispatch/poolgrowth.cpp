// SPDX-License-Identifier: MIT
// How many threads the pool of works has: more where works block (R31), and the usual number else.

#include "workpool_p.h"

#include "common/logging_p.h"
#include "stepscope_p.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace GoProcess::Private {

using namespace std::chrono_literals;

/// Limits the QThreadPool to the threads that there shall be, else it makes another one whenever a
/// thread has nothing left to run but is not back in the pool yet. The caller holds the lock.
void WorkPool::fitThreads()
{
    const int limit = std::max(m_base, threadCount()) + m_lost;
    if (limit != m_limit)
        m_threads.setMaxThreadCount(m_limit = limit);
}

/// How many works could be in threads at once with what is queued, beyond those that are. The
/// caller holds the lock.
int WorkPool::roomForWorks() const
{
    return std::clamp(m_max - m_working, 0, int(m_works.size()));
}

/// How many threads could run the steps that are queued. The caller holds the lock.
int WorkPool::roomForSteps() const
{
    // Steps are short. If thousands of them block, something is wrong that more threads would not
    // mend.
    constexpr int most = 4096;
    return std::clamp(most - (m_active - m_working), 0, int(m_steps.size()));
}

/// True if the caller has to start the watcher. That has something to do where threads may be
/// added; else it tells that there are none, once. A thread that takes a step asks again, and so
/// does a call that makes room. The caller holds the lock.
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

/// A place for one more thread, if there is one within the usual number. The caller holds the lock.
bool WorkPool::takePlace()
{
    if (m_active >= (m_steps.empty() ? std::min(m_base, m_max) : m_base))
        return false;
    ++m_active;
    noteStarts(1);
    fitThreads();
    return true;
}

/// The caller holds the lock.
void WorkPool::noteStarts(int count)
{
    m_starting += count;
    m_lastStart = Dispatcher::Clock::now();
}

/// True if threads were told to start long ago and have not: the system refuses them, which
/// QThreadPool does not tell. The caller holds the lock.
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
        if ((m_steps.empty() && m_works.empty()) || !hasLostThreads()) // GCOVR_EXCL_BR_LINE: race
            return;
        // One that was only slow takes its place again when it begins.
        m_active -= m_starting;
        m_lost += std::exchange(m_starting, 0);
        // GCOVR_EXCL_BR_START: race
        while (workers < int(m_steps.size() + m_works.size()) && takePlace())
            // GCOVR_EXCL_BR_STOP
            ++workers;
        if (m_watching && !m_watcherHasBegun) { // GCOVR_EXCL_BR_LINE: race
            m_watcherThread.setMaxThreadCount(m_watcherThread.maxThreadCount() + 1);
            watch = true;
        }
    }
    for (; workers > 0; --workers)
        m_threads.start(m_worker.get());
    if (watch)
        m_watcherThread.start(m_watcher.get());
}

/// How many threads are not blocked, those included that have not taken their first step. The
/// caller holds the lock.
int WorkPool::countUnblocked() const
{
    const auto blocked =
            std::count_if(m_running.cbegin(), m_running.cend(), [](const RunningWork &running) {
                return running.thread && running.thread->isBlocked(); // GCOVR_EXCL_BR_LINE: race
            });
    return threadCount() - int(blocked);
}

bool WorkPool::PoolThread::isBlocked() const
{
    // A thread that sleeps outside of a work waits for a lock of the library, whose owner runs:
    // that is not blocked.
    const auto begun = context->worksBegun.load(std::memory_order_relaxed);
    const auto isInWork = [&] {
        return context->works.load(std::memory_order_relaxed) > 0
                // GCOVR_EXCL_BR_START: race
                && context->worksBegun.load(std::memory_order_relaxed) == begun;
        // GCOVR_EXCL_BR_STOP
    };
    return isInWork() && probe.isAsleep() && isInWork();
}

/// How many threads to add when \a unblocked are not blocked and nothing completes. The caller
/// holds the lock.
int WorkPool::threadsToAdd(int unblocked) const
{
    // A few more at first, as all may wait for one thread that is short of a processor (and has the
    // allocator's lock, for example). If they are blocked too, four times as many each time, so
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

} // namespace GoProcess::Private
