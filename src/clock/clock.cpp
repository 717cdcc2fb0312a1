// SPDX-License-Identifier: MIT
// The clock of the library: one thread that sleeps until the next of all its timers is due.

#include "clock_p.h"

#include "dispatch/stepscope_p.h"
#include "dispatch/workpool_p.h"

#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace GoProcess::Private {

Timer::~Timer() = default;

void Timer::programEnds() { }

struct Clock::EndOfProgram
{
    Q_DISABLE_COPY_MOVE(EndOfProgram)
    EndOfProgram() = default;
    ~EndOfProgram() { instance().endOfProgram(); }
};

Clock &Clock::instance()
{
    // Made after the pool's end of the program, so that this one comes before it.
    static auto *const clock = [] {
        WorkPool::instance();
        return new Clock;
    }();
    static const EndOfProgram end;
    return *clock;
}

Clock::Time Clock::timeOf(const QDeadlineTimer &deadline)
{
    // Longer than any program runs, and far from where a time_point overflows.
    constexpr std::chrono::nanoseconds longest = std::chrono::hours(24 * 365 * 10);
    return now() + std::min(longest, std::chrono::nanoseconds(deadline.remainingTimeNSecs()));
}

void Clock::start(const std::shared_ptr<Timer> &timer, Time time)
{
    // Outside of the lock: what is let go of, and the warning, as user code hears of it.
    std::shared_ptr<Timer> removed;
    Warnings warnings;
    const std::lock_guard lock(m_mutex);
    unschedule(*timer, removed);
    const auto place = m_schedule.emplace(time, timer);
    timer->m_place = place;
    if (place == m_schedule.begin())
        m_wake.notify_one();
    if (!m_hasThread)
        startThread(warnings);
}

void Clock::stop(Timer &timer)
{
    // The thread may wake for it in vain once, which is cheaper than to wake it now.
    std::shared_ptr<Timer> removed;
    const std::lock_guard lock(m_mutex);
    unschedule(timer, removed);
}

void Clock::unschedule(Timer &timer, std::shared_ptr<Timer> &removed)
{
    if (!timer.m_place)
        return;
    removed = std::move((*timer.m_place)->second);
    m_schedule.erase(*timer.m_place);
    timer.m_place.reset();
}

/// The caller holds the lock.
void Clock::startThread(Warnings &warnings)
{
    try {
        std::thread([this] { run(); }).detach();
        m_hasThread = true;
    } catch (const std::system_error &error) { // GCOVR_EXCL_BR_LINE: compiler
        warnings.add(QStringLiteral("The thread of the clock cannot be started, and the next timer "
                                    "tries again: %1")
                             .arg(QString::fromLocal8Bit(error.what())));
    }
}

void Clock::run()
{
    // Steps that run wherever they can do not run here.
    ThreadContext::current().isLibraryThread = true;
    std::unique_lock<std::mutex> lock(m_mutex);
    while (true) {
        if (m_schedule.empty())
            m_wake.wait(lock);
        else if (const Time first = m_schedule.begin()->first; first > now())
            m_wake.wait_until(lock, first);
        else
            runDue(lock);
    }
}

void Clock::runDue(std::unique_lock<std::mutex> &lock)
{
    const auto first = m_schedule.begin();
    std::shared_ptr<Timer> timer = std::move(first->second);
    m_schedule.erase(first);
    timer->m_place.reset();

    lock.unlock();
    timer->expired();
    timer.reset();
    lock.lock();
}

/// Ends what would go on by itself, before the pool waits for works.
void Clock::endOfProgram()
{
    // Release: a work that was started before is known to the pool.
    m_programEnded.store(true, std::memory_order_release);
    if (Forks::hasLostThreads())
        return; // the timers are the parent's
    std::vector<std::shared_ptr<Timer>> timers;
    {
        const std::lock_guard lock(m_mutex);
        for (const auto &[time, timer] : m_schedule)
            timers.push_back(timer);
    }
    for (const auto &timer : timers)
        timer->programEnds();
}

} // namespace GoProcess::Private
