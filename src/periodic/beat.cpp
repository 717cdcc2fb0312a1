// SPDX-License-Identifier: MIT
// The beat of a periodic process: when its next run starts.

#include "beat_p.h"

#include <QString>

namespace GoProcess::Private {

namespace {

/// A run's share in the work.
class Run final : public Work
{
public:
    explicit Run(std::shared_ptr<Work> work) : m_work(std::move(work)) { }

    Error run(Process &self) override
    {
        // Closing stops the beat at once, also a run that was started and has not begun.
        return self.isClosing() ? Error() : m_work->run(self);
    }

private:
    const std::shared_ptr<Work> m_work;
};

/// Tells the beat that a run has Closed.
class EndOfRun final : public Binding
{
public:
    explicit EndOfRun(std::shared_ptr<Beat> beat) : m_beat(std::move(beat)) { }
    void closed() override { m_beat->runClosed(); }

private:
    const std::shared_ptr<Beat> m_beat;
};

class FireBeat final : public Trigger
{
public:
    explicit FireBeat(std::shared_ptr<Beat> beat) : m_beat(std::move(beat)) { }
    Q_DISABLE_COPY_MOVE(FireBeat)
    ~FireBeat() override { m_beat->fireNoMore(); }
    void fire() override { m_beat->fire(); }

private:
    const std::shared_ptr<Beat> m_beat;
};

} // namespace

Trigger::~Trigger() = default;

/// Holds the process without a warning if it cannot be held any more.
class Beat::Holding
{
public:
    explicit Holding(const Beat &beat) : m_data(*beat.m_handle.data()), m_holds(Graph::hold(m_data))
    {
    }
    Q_DISABLE_COPY_MOVE(Holding)
    ~Holding()
    {
        if (m_holds)
            deliver(Graph::release(m_data));
    }
    explicit operator bool() const { return m_holds; }

private:
    ProcessData &m_data;
    const bool m_holds;
};

Beat::Beat(Beats beats, std::chrono::nanoseconds interval, std::unique_ptr<Work> work,
           Process &process)
    : m_beats(beats),
      m_interval(interval),
      m_handle(process),
      m_process(&process),
      m_work(std::move(work)),
      m_time(Clock::now())
{
}

bool Beat::overlaps() const
{
    return m_beats == Beats::EveryGo || m_beats == Beats::TickGo || m_beats == Beats::OnSignalGo;
}

/// The caller holds the process.
bool Beat::mayStart()
{
    if (Clock::instance().hasProgramEnded())
        programEnds();
    return !m_handle.isClosing();
}

/// What else would be running asks to be closed then, too (R48).
void Beat::programEnds()
{
    m_handle.close();
}

/// The caller holds the process, so that nothing of this is refused.
void Beat::startRun()
{
    // In no thread: the one of the process may neither run events nor ever wait, so that it would
    // never delete them.
    const ProcessPtr run = ProcessData::make(nullptr, QString());
    ProcessData &data = *ProcessData::of(run.get());
    if (!overlaps())
        data.bind(std::make_shared<EndOfRun>(shared_from_this()), NodeState::Running);
    data.start(m_process, std::make_unique<Run>(m_work), "go()");
}

void Beat::startTimer()
{
    const bool keepsBeat = m_beats == Beats::Tick || m_beats == Beats::TickGo;
    const Clock::Time now = Clock::now();
    // A clock that comes late drops beats, too.
    m_time = keepsBeat ? m_time + m_interval * ((now - m_time) / m_interval + 1) : now + m_interval;
    Clock::instance().start(shared_from_this(), m_time);
}

void Beat::begin()
{
    const Holding holding(*this);
    if (holding && mayStart())
        startTimer();
}

void Beat::expired()
{
    const Holding holding(*this);
    if (!holding || !mayStart())
        return;
    std::uint64_t none = 0;
    if (overlaps() || m_due.compare_exchange_strong(none, 1, std::memory_order_acq_rel))
        startRun();
    if (m_beats != Beats::Every)
        startTimer();
}

void Beat::fire()
{
    const Holding holding(*this);
    if (!holding || !mayStart())
        return;
    if (overlaps() || m_due.fetch_add(1) == 0)
        startRun();
}

void Beat::fireNoMore()
{
    m_noMore.store(true);
    if (overlaps())
        deliver(Graph::closeAfterChildren(*m_handle.data()));
    else if (m_due.load() == 0)
        m_handle.close();
}

void Beat::runClosed()
{
    const Holding holding(*this);
    if (!holding || !mayStart())
        return;
    const bool more = m_due.fetch_sub(1) > 1;
    if (more)
        startRun();
    else if (m_beats == Beats::Every)
        startTimer();
    else if (m_noMore.load())
        m_handle.close();
}

void Beat::closing()
{
    Clock::instance().stop(*this);
}

void Beat::finishing()
{
    Clock::instance().stop(*this);
    m_work.reset(); // no run is left, so the work and what the user captured go here
}

// --- What the header calls -----------------------------------------------------------------------

void refusePeriodic(const char *what, const char *why, const Process *parent)
{
    ProcessData::refuse(what, parent ? parent->path() : QString(), QString::fromLatin1(why));
}

/// A periodic process whose beat has not begun; null if it is refused.
static std::shared_ptr<Beat> makeBeat(Beats beats, const char *what,
                                      std::chrono::nanoseconds interval, std::unique_ptr<Work> work,
                                      Process *parent, ProcessPtr *process)
{
    if (!work) {
        refusePeriodic(what, "the work is null", parent);
        return nullptr;
    }
    ProcessPtr made = ProcessData::make(ProcessData::threadBelow(parent), QString());
    ProcessData &data = *ProcessData::of(made.get());
    auto beat = std::make_shared<Beat>(beats, interval, std::move(work), *made);
    data.bind(beat, NodeState::Running);
    if (!data.join(parent, what))
        return nullptr;
    *process = std::move(made);
    return beat;
}

ProcessPtr startBeat(Beats beats, const char *what, std::chrono::nanoseconds interval,
                     std::unique_ptr<Work> work, Process *parent)
{
    if (interval <= std::chrono::nanoseconds::zero()) {
        refusePeriodic(what, "the interval is not positive", parent);
        return nullptr;
    }
    ProcessPtr process;
    if (const auto beat = makeBeat(beats, what, interval, std::move(work), parent, &process))
        beat->begin();
    return process;
}

ProcessPtr startTriggered(Beats beats, const char *what, std::unique_ptr<Work> work,
                          Process *parent, std::shared_ptr<Trigger> *trigger)
{
    ProcessPtr process;
    auto beat = makeBeat(beats, what, std::chrono::nanoseconds::zero(), std::move(work), parent,
                         &process);
    if (beat)
        *trigger = std::make_shared<FireBeat>(std::move(beat));
    return process;
}

} // namespace GoProcess::Private
