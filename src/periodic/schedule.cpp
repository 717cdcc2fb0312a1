// SPDX-License-Identifier: MIT
// The schedule of a periodic process: when its next run starts.

#include "schedule_p.h"

#include <QString>

namespace GoProcess::Private {

namespace {

/// A run's share in the work.
class Run final : public Work
{
public:
    Run(std::shared_ptr<Work> work, AtClose atClose) : m_work(std::move(work)), m_atClose(atClose)
    {
    }

    Error run(Process &self) override
    {
        // Closing stops the schedule at once, also a run that was started and has not begun.
        const bool isDropped = m_atClose == AtClose::Drop && self.isClosing();
        return isDropped ? Error() : m_work->run(self);
    }

private:
    const std::shared_ptr<Work> m_work;
    const AtClose m_atClose;
};

/// A run as a step at home: the teardown of its process.
class RunInThread final : public Teardown
{
public:
    RunInThread(std::shared_ptr<Schedule> schedule, std::shared_ptr<Work> work)
        : m_schedule(std::move(schedule)), m_work(std::move(work))
    {
    }
    TeardownResult run() override { return m_schedule->runHere(*m_work); }

private:
    const std::shared_ptr<Schedule> m_schedule;
    const std::shared_ptr<Work> m_work;
};

/// Tells the schedule that a run has Closed.
class EndOfRun final : public Binding
{
public:
    explicit EndOfRun(std::shared_ptr<Schedule> schedule) : m_schedule(std::move(schedule)) { }
    void closed() override { m_schedule->runClosed(); }

private:
    const std::shared_ptr<Schedule> m_schedule;
};

class FireSchedule final : public Trigger
{
public:
    explicit FireSchedule(std::shared_ptr<Schedule> schedule) : m_schedule(std::move(schedule)) { }
    Q_DISABLE_COPY_MOVE(FireSchedule)
    ~FireSchedule() override { m_schedule->fireNoMore(); }
    void fire() override { m_schedule->fire(); }

private:
    const std::shared_ptr<Schedule> m_schedule;
};

} // namespace

Trigger::~Trigger() = default;

Schedule::Schedule(ScheduleKind kind, AtClose atClose, std::chrono::nanoseconds interval,
                   std::unique_ptr<Work> work, Process &process)
    : m_kind(kind),
      m_atClose(atClose),
      m_interval(interval),
      m_handle(process),
      m_process(&process),
      m_work(std::move(work)),
      m_time(Clock::now())
{
}

void Schedule::runInThread(const QObject *context)
{
    m_isInThread = true;
    m_context = context;
}

bool Schedule::overlaps() const
{
    return m_kind == ScheduleKind::EveryGo || m_kind == ScheduleKind::TickGo
            || m_kind == ScheduleKind::OnSignalGo;
}

/// The caller holds the process.
bool Schedule::mayStart()
{
    if (Clock::instance().hasProgramEnded())
        programEnds();
    // Its destructor closes the process by a signal, which the program may have disconnected.
    if (m_isInThread && m_context.isNull())
        m_handle.close();
    return !m_handle.isClosing();
}

/// What else would be running asks to be closed then, too (R48).
void Schedule::programEnds()
{
    m_handle.close();
}

/// The caller holds the process, so that nothing of this is refused.
void Schedule::startRun()
{
    // In no thread: the one of the process may neither run events nor ever wait, so that it would
    // never delete them.
    const ProcessPtr run = m_isInThread
            ? ProcessCore::makeAtHome(ProcessCore::threadBelow(m_process), QString())
            : ProcessCore::make(nullptr, QString());
    ProcessCore &data = *ProcessCore::of(run.get());
    if (!overlaps())
        data.bind(std::make_shared<EndOfRun>(shared_from_this()), NodeState::Running);
    if (!m_isInThread) {
        data.start(m_process, std::make_unique<Run>(m_work, m_atClose), "go()");
        return;
    }
    data.setTeardown(std::make_unique<RunInThread>(shared_from_this(), m_work));
    if (data.join(m_process, "go()"))
        data.close();
}

/// The process waits for the run that calls, so its object lives.
Error Schedule::runHere(Work &work)
{
    const bool isDropped = m_atClose == AtClose::Drop && m_handle.isClosing();
    return isDropped || m_context.isNull() ? Error() : work.run(*m_process);
}

void Schedule::startTimer()
{
    const bool keepsBeat = m_kind == ScheduleKind::Tick || m_kind == ScheduleKind::TickGo;
    const Clock::Time now = Clock::now();
    // A clock that comes late drops beats, too.
    m_time = keepsBeat ? m_time + m_interval * ((now - m_time) / m_interval + 1) : now + m_interval;
    Clock::instance().start(shared_from_this(), m_time);
}

void Schedule::begin()
{
    const QuietHold holding(*m_handle.data());
    if (holding && mayStart()) // GCOVR_EXCL_BR_LINE: race
        startTimer();
}

void Schedule::expired()
{
    const QuietHold holding(*m_handle.data());
    if (!holding || !mayStart())
        return;
    std::uint64_t none = 0;
    if (overlaps() || m_due.compare_exchange_strong(none, 1, std::memory_order_acq_rel))
        startRun();
    if (m_kind != ScheduleKind::Every)
        startTimer();
}

void Schedule::fire()
{
    const QuietHold holding(*m_handle.data());
    if (!holding || !mayStart())
        return;
    if (overlaps() || m_due.fetch_add(1) == 0)
        startRun();
}

void Schedule::fireNoMore()
{
    m_noMore.store(true);
    if (overlaps())
        m_handle.data()->closeAfterChildren();
    else if (m_due.load() == 0)
        m_handle.close();
}

void Schedule::runClosed()
{
    const QuietHold holding(*m_handle.data());
    if (!holding) // GCOVR_EXCL_BR_LINE: race
        return; // GCOVR_EXCL_LINE: race
    // What is due was counted before the close.
    const bool goesOn = mayStart();
    if (!goesOn && m_atClose == AtClose::Drop)
        return;
    const bool more = m_due.fetch_sub(1) > 1;
    if (more)
        startRun();
    else if (goesOn && m_kind == ScheduleKind::Every)
        startTimer();
    else if (goesOn && m_noMore.load())
        m_handle.close();
}

void Schedule::closing()
{
    Clock::instance().stop(*this);
}

void Schedule::finishing()
{
    Clock::instance().stop(*this);
    m_work.reset(); // no run is left, so the work and what the user captured go here
}

// --- What the header calls -----------------------------------------------------------------------

void refusePeriodic(const char *what, const char *why, const Process *parent)
{
    ProcessCore::refuse(what, parent ? parent->path() : QString(), QString::fromLatin1(why));
}

/// A periodic process whose schedule has not begun; null if it is refused.
static std::shared_ptr<Schedule> makeSchedule(ScheduleKind kind, const char *what,
                                              const Place &place, std::chrono::nanoseconds interval,
                                              std::unique_ptr<Work> work, Process *parent,
                                              AtClose atClose, ProcessPtr *process)
{
    if (!work) {
        refusePeriodic(what, "the work is null", parent);
        return nullptr;
    }
    QThread *const home = place.context ? place.context->thread() : nullptr;
    if (place.hasContext && !home) {
        refusePeriodic(what, place.context ? "the context has no thread" : "the context is null",
                       parent);
        return nullptr;
    }
    ProcessPtr made = home ? ProcessCore::makeAtHome(home, place.name)
                           : ProcessCore::make(ProcessCore::threadBelow(parent), place.name);
    ProcessCore &data = *ProcessCore::of(made.get());
    auto schedule = std::make_shared<Schedule>(kind, atClose, interval, std::move(work), *made);
    if (home)
        schedule->runInThread(place.context);
    data.bind(schedule, NodeState::Running);
    if (!data.join(parent, what))
        return nullptr;
    if (home) {
        const ProcessHandle handle(*made);
        handle.bindConnection(
                QObject::connect(place.context, &QObject::destroyed, CloseProcess { handle }));
    }
    *process = std::move(made);
    return schedule;
}

ProcessPtr startSchedule(ScheduleKind kind, const char *what, const Place &place,
                         std::chrono::nanoseconds interval, std::unique_ptr<Work> work,
                         Process *parent)
{
    if (interval <= std::chrono::nanoseconds::zero()) {
        refusePeriodic(what, "the interval is not positive", parent);
        return nullptr;
    }
    ProcessPtr process;
    if (const auto schedule = makeSchedule(kind, what, place, interval, std::move(work), parent,
                                           AtClose::Drop, &process))
        schedule->begin();
    return process;
}

ProcessPtr startTriggered(ScheduleKind kind, const char *what, const Place &place,
                          std::unique_ptr<Work> work, Process *parent, AtClose atClose,
                          std::shared_ptr<Trigger> *trigger)
{
    ProcessPtr process;
    auto schedule = makeSchedule(kind, what, place, std::chrono::nanoseconds::zero(),
                                 std::move(work), parent, atClose, &process);
    if (schedule)
        *trigger = std::make_shared<FireSchedule>(std::move(schedule));
    return process;
}

} // namespace GoProcess::Private
