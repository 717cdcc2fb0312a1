// SPDX-License-Identifier: MIT
// The clock of the library: one thread that sleeps until the next of all its timers is due.

#ifndef GOPROCESS_CLOCK_P_H
#define GOPROCESS_CLOCK_P_H

#include "common/fork_p.h"
#include "common/logging_p.h"
#include "common/mutex_p.h"

#include <QDeadlineTimer>
#include <QString>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

namespace GoProcess::Private {

/// Something that is due at a time. The clock keeps it alive until then.
class Timer
{
public:
    Timer() = default;
    Q_DISABLE_COPY_MOVE(Timer)
    virtual ~Timer();

    /// Called in the thread of the clock, which everything else that is due waits for: it runs no
    /// user code and does not block.
    virtual void expired() = 0;
    /// Called instead of that, maybe, at the end of the program, in the thread that ends it.
    virtual void programEnds();

private:
    friend class Clock;
    using Schedule = std::multimap<std::chrono::steady_clock::time_point, std::shared_ptr<Timer>>;

    /// Where it stands in the schedule. Guarded by the mutex of the clock.
    std::optional<Schedule::iterator> m_place;
};

/// Starting and stopping a timer costs O(log n), and a thousand idle timers no wake-up.
///
/// It needs no event loop and no application. Its thread is started with the first timer, and left
/// asleep at the end of the program: it touches nothing that is ever destroyed.
class Clock final : private ForkPart
{
public:
    using Time = std::chrono::steady_clock::time_point;

    /// Never destroyed.
    static Clock &instance();

    static Time now() { return std::chrono::steady_clock::now(); }
    /// When \a deadline, which is not Forever, passes.
    static Time timeOf(const QDeadlineTimer &deadline);

    /// Makes \a timer expire at \a time, once, and at no other time that it was started for. From
    /// any thread, its own expired() included. Never in a forked child, which has no clock.
    void start(const std::shared_ptr<Timer> &timer, Time time);
    /// It does not expire any more, unless it is doing so just now.
    void stop(Timer &timer);

    /// Static destruction has begun: the library starts no works by itself any more (R48).
    bool hasProgramEnded() const { return m_programEnded.load(std::memory_order_acquire); }

private:
    struct EndOfProgram;

    Clock() { Forks::add(*this); }
    bool tryLock() override { return tryLockShortly(m_mutex); }
    void unlock() override { m_mutex.unlock(); }
    bool forked() override
    {
        new (&m_wake) std::condition_variable; // its thread sleeps in it, and is gone
        return m_hasThread;
    }
    void unschedule(Timer &timer, std::shared_ptr<Timer> &removed);
    void startThread(Warnings &warnings);
    void run();
    void runDue(std::unique_lock<std::mutex> &lock);
    void endOfProgram();

    // Written once by the thread that ends the program, read by those that would start works.
    std::atomic<bool> m_programEnded = false;

    Mutex m_mutex; // guards what follows
    std::condition_variable m_wake;
    Timer::Schedule m_schedule;
    bool m_hasThread = false;
};

} // namespace GoProcess::Private

#endif
