// SPDX-License-Identifier: MIT
// The schedule of a periodic process: when its next run starts.

#ifndef GOPROCESS_SCHEDULE_P_H
#define GOPROCESS_SCHEDULE_P_H

#include "clock/clock_p.h"
#include "process/processcore_p.h"

#include <GoProcess/periodic.h>

#include <QPointer>

#include <atomic>
#include <memory>

namespace GoProcess::Private {

/// Goes along with a periodic process and starts its runs: in the thread of the clock, in those
/// that emit its signal, and where the previous run has closed. User code runs in the runs only,
/// which are works, or where there is a context the teardowns of processes that are at home in its
/// thread.
///
/// A thread that starts a run or a timer holds the process meanwhile. So neither begins once the
/// process has begun its teardown, and during finishing() no thread uses the work or starts the
/// timer.
class Schedule final : public Binding, public Timer, public std::enable_shared_from_this<Schedule>
{
public:
    Schedule(ScheduleKind kind, AtClose atClose, std::chrono::nanoseconds interval,
             std::unique_ptr<Work> work, Process &process);
    /// Runs are in the thread of the process, as long as \a context exists. Before other threads
    /// know the schedule.
    void runInThread(const QObject *context);

    /// The first interval begins now.
    void begin();
    /// The signal was emitted.
    void fire();
    /// The signal will not be emitted any more.
    void fireNoMore();
    /// A run has Closed. Called only where runs do not overlap.
    void runClosed();
    /// Runs \a work there, in a run of this.
    Error runHere(Work &work);

    void expired() override;
    void programEnds() override;
    void closing() override;
    void finishing() override;

private:
    bool overlaps() const;
    bool mayStart();
    void startRun();
    void startTimer();

    const ScheduleKind m_kind;
    const AtClose m_atClose;
    bool m_isInThread = false; ///< Set before other threads know the schedule, like the next.
    /// Where it is null, there is no context any more: cleared by its destructor, in the thread
    /// that runs the works; other threads may see it too late, never too early.
    QPointer<const QObject> m_context;
    const std::chrono::nanoseconds m_interval;
    const ProcessHandle m_handle;
    Process *const m_process; ///< Alive while it is held.
    /// Set before other threads know the schedule, reset by finishing(); the runs share it.
    std::shared_ptr<Work> m_work;
    /// When the timer expires. Touched by one thread at a time: the clock's, or for Every the one
    /// that starts the timer, and the mutex of the clock is between the two.
    Clock::Time m_time;
    /// Runs that are due or in flight, for kinds that do not overlap; a tick raises it from 0 to 1
    /// only. The thread that takes it from zero, or finds some left when a run has closed, starts
    /// the next. Acquire and release, so that a run sees what the one before did.
    std::atomic<std::uint64_t> m_due = 0;
    /// Written by fireNoMore(). Sequentially consistent like m_due next to it: of the last run and
    /// that call at least one sees the other.
    std::atomic<bool> m_noMore = false;
};

} // namespace GoProcess::Private

#endif
