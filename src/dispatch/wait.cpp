// SPDX-License-Identifier: MIT
// The blocking wait, which runs the steps at home in its thread meanwhile, and no events.

#include "wait_p.h"

#include "blockers_p.h"
#include "closewatch_p.h"
#include "common/logging_p.h"
#include "delivery_p.h"
#include "focus_p.h"
#include "stepscope_p.h"
#include "workpool_p.h"

#include <QCoreApplication>
#include <QThread>

#include <algorithm>
#include <optional>
#include <utility>

namespace GoProcess::Private {

using namespace std::chrono_literals;

namespace {

Dispatcher::Clock::time_point timePoint(QDeadlineTimer deadline)
{
    // Beyond what a clock can count it is as good as for ever.
    constexpr auto longest = std::chrono::hours(24 * 365 * 10);
    const std::chrono::nanoseconds remaining(deadline.remainingTimeNSecs());
    if (deadline.isForever() || remaining > longest) // GCOVR_EXCL_BR_LINE: rare
        return Dispatcher::Clock::time_point::max();
    return Dispatcher::Clock::now() + remaining;
}

void warnOfLongWait(StepTarget &node)
{
    const Blockers blockers(node);
    CloseWatch::instance().told(node);
    warn(QStringLiteral(
                 "A wait for process \"%1\" has blocked its thread for 5 s. What needs the event "
                 "loop of the blocked thread (timers, sockets, queued or blocking calls into it) "
                 "cannot finish during the wait; nor what waits for a lock, a hold or another wait "
                 "that ends only after it. %2 blocker(s):%3")
                 .arg(node.path(), QString::number(blockers.count()), blockers.toString()));
}

/// Runs a step that was claimed, of a process whose home does not run any.
void runInstead(StepTarget &node, Step step, Dispatcher &home, Dispatcher &here)
{
    if (home.takeWarning()) {
        warn(QStringLiteral("The thread of process \"%1\" does not run its steps%2: they run "
                            "in the thread that waits for it")
                     .arg(node.path(),
                          home.life() == Dispatcher::Life::Ended
                                  ? QStringLiteral(" any more (it has finished)")
                                  : QCoreApplication::instance()
                                  ? QStringLiteral(" (it was not started)")
                                  : QStringLiteral(
                                          " (it was not started, or it needs a QCoreApplication)")));
    }
    here.runClaimed(node, step);
}

/// Runs steps that stand in the queues of threads that do not run any (R38). True if there was one.
bool runStopped(StepTarget &node, Dispatcher &here)
{
    bool any = false;
    for (const auto &[home, due] : Dispatcher::stoppedItems()) {
        if (home.get() == &here || !Graph::mayWaitFor(node, *due.node)
            || !due.node->claim(due.step)) // GCOVR_EXCL_BR_LINE: race
            continue;
        any = true;
        if (home->isFor(due.node->thread()))
            runInstead(*due.node, due.step, *home, here);
        else
            deliver(*due.node, due.step); // it has moved away
    }
    return any;
}

/// Runs steps that this thread may run although they are queued elsewhere, in the queue of
/// whichever thread: of processes that have moved here, and of those whose home does not run (R38).
/// True if there was one.
bool runScattered(StepTarget &node, Dispatcher &here)
{
    struct Found
    {
        Ref<StepTarget> node;
        Step step;
        DispatcherRef
                stopped; ///< The home that does not run steps; null: it has moved here, or its thread
        ///< is null.
    };
    std::vector<Found> found;
    // The lock keeps the objects alive whose thread is asked for.
    Graph::visitOpen(node, [&](Node &below) {
        auto &open = static_cast<StepTarget &>(below);
        const Step step = open.due();
        const bool isPostDue = open.isPostDue();
        if ((step == Step::None && !isPostDue) || open.hasNoHome())
            return;
        QThread *thread = open.thread();
        const bool isHere = !thread || thread == QThread::currentThread();
        DispatcherRef home = isHere ? DispatcherRef() : Dispatcher::known(thread);
        // GCOVR_EXCL_BR_START: race
        if (!isHere && (!home || home->life() == Dispatcher::Life::Live))
            // GCOVR_EXCL_BR_STOP
            return;
        if (isPostDue) // GCOVR_EXCL_BR_LINE: race
            found.push_back({ Ref<StepTarget>(&open), Step::Post, home }); // GCOVR_EXCL_LINE: race
        if (step != Step::None) // GCOVR_EXCL_BR_LINE: race
            found.push_back({ Ref<StepTarget>(&open), step, std::move(home) });
    });

    for (Found &due : found) {
        if (!due.node->claim(due.step))
            continue;
        if (due.stopped)
            runInstead(*due.node, due.step, *due.stopped, here);
        else
            here.runClaimed(*due.node, due.step);
    }
    return !found.empty();
}

/// Looks for steps that this thread may run although they are queued elsewhere, when there may be
/// some.
class OrphanSearch
{
public:
    OrphanSearch(StepTarget &node, Dispatcher &here) : m_node(node), m_here(here) { }

    /// True if it has run one.
    bool run()
    {
        const std::uint64_t seen = Dispatcher::homeChanges();
        if (seen == m_homeChanges)
            return false;
        m_homeChanges = seen;
        bool any = runStopped(m_node, m_here);
        // It takes a look at every process that this waits for, under the lock: only where it has
        // to be.
        if (const std::uint64_t moves = Dispatcher::moves(); moves != m_moves) {
            m_moves = moves;
            any = runScattered(m_node, m_here) || any;
        }
        return any;
    }
    std::uint64_t homeChanges() const { return m_homeChanges; }

private:
    StepTarget &m_node;
    Dispatcher &m_here;
    std::uint64_t m_homeChanges = 0; ///< Those that were there when it looked last.
    std::uint64_t m_moves = 0;
};

enum class FutureEnds : std::uint8_t {
    None,
    NotYet, ///< Some need more time, and are called again.
    Some
};

/// Ends the futures of teardowns at home here that a process waits for (R23).
///
/// To look at all that are open takes a while if they are many, and a wait comes by for each step
/// that it runs: so it looks again where one has come, and else now and then, as what the process
/// waits for changes.
class FutureEnding
{
public:
    FutureEnding(StepTarget &node, const Dispatcher &here, QDeadlineTimer deadline,
                 Dispatcher::Clock::time_point now)
        : m_node(node), m_here(here), m_deadline(deadline), m_next(now + interval)
    {
    }

    /// For a wait that has nothing else to run.
    FutureEnds run()
    {
        const std::uint64_t seen = m_here.futuresSeen();
        if (seen == 0 || (seen == m_seen && !isTime()))
            return FutureEnds::None;
        m_seen = seen;
        return look();
    }
    /// For a wait that has something else to run, perhaps for long.
    FutureEnds runMeanwhile()
    {
        const bool looks = m_here.futuresSeen() != 0 && Dispatcher::Clock::now() >= m_next;
        return looks ? look() : FutureEnds::None;
    }
    /// When run() would look again although none has come; never if it did so after the last time
    /// that it was called.
    Dispatcher::Clock::time_point nextLook() const
    {
        return m_isPutOff ? m_next : Dispatcher::Clock::time_point::max();
    }

private:
    static constexpr auto interval = 8ms;

    bool isTime()
    {
        m_isPutOff = Dispatcher::Clock::now() < m_next;
        return !m_isPutOff;
    }
    FutureEnds look()
    {
        m_isPutOff = false;
        const Dispatcher::Clock::time_point begin = Dispatcher::Clock::now();
        auto result = FutureEnds::None;
        for (const Ref<StepTarget> &open : m_here.openFutures()) {
            if (Graph::waitsFor(m_node, *open) && open->takeFutureEnd()) {
                const auto end =
                        open->endFuture(m_deadline) ? FutureEnds::Some : FutureEnds::NotYet;
                result = std::max(result, end);
            }
        }
        const Dispatcher::Clock::time_point end = Dispatcher::Clock::now();
        m_next = end + std::max<Dispatcher::Clock::duration>(interval, 10 * (end - begin));
        if (result == FutureEnds::NotYet)
            m_seen = 0; // as soon as there is nothing else to run
        return result;
    }

    StepTarget &m_node;
    const Dispatcher &m_here;
    const QDeadlineTimer m_deadline;
    std::uint64_t m_seen = 0; ///< How many had come when it looked last.
    Dispatcher::Clock::time_point m_next;
    bool m_isPutOff = false;
};

/// Runs the work of the process itself if it has not started: its waiter would only block a thread
/// meanwhile (R32). Not on another pool than it was given to.
bool runWorkHere(StepTarget &node)
{
    constexpr int deepest = 64; // works that run each other take stack
    const ThreadContext &context = ThreadContext::current();
    // GCOVR_EXCL_BR_START: race
    if (!node.isWorkDue()
        || !(context.isLibraryThread || context.userPool)
        // GCOVR_EXCL_BR_STOP
        // GCOVR_EXCL_BR_START: race
        || node.workPool() != context.userPool
        || StepScope::depth() > deepest
        // GCOVR_EXCL_BR_STOP
        || !node.claim(Step::Work)) // GCOVR_EXCL_BR_LINE: race
        return false;

    const WorkPool::Running running(node);
    StepEnd end = node.run(Step::Work);
    if (context.isLibraryThread) // GCOVR_EXCL_BR_LINE: race
        runItem(std::exchange(end.next, {}));
    std::move(end).goOn();
    return true;
}

/// What a wait did not run goes to the event loop, also if an exception of a slot ends the wait.
class FlushAtEnd
{
public:
    explicit FlushAtEnd(Dispatcher &dispatcher) : m_dispatcher(dispatcher) { }
    Q_DISABLE_COPY_MOVE(FlushAtEnd)
    ~FlushAtEnd() { m_dispatcher.flush(); }

private:
    Dispatcher &m_dispatcher;
};

} // namespace

const Node *blockedBy(Node &node)
{
    for (const StepScope *scope = StepScope::innermost(); scope; scope = scope->outer) {
        // GCOVR_EXCL_BR_START: race
        if (!scope->completed && !scope->node.isFinished() && Graph::waitsFor(node, scope->node))
            // GCOVR_EXCL_BR_STOP
            return &scope->node;
    }
    return nullptr;
}

bool waitUntil(const WakeUp &wakeUp, StepTarget &node, bool closes, QDeadlineTimer deadline)
{
    constexpr auto patience = 5s;

    if (wakeUp.isSet())
        return true;
    Dispatcher &here = *wakeUp.m_dispatcher;
    const auto end = timePoint(deadline);
    const Dispatcher::Clock::time_point begin = Dispatcher::Clock::now();
    auto warnAt = begin + patience;
    const bool inWork = StepScope::isInWork();
    OrphanSearch orphans(node, here);
    FutureEnding futures(node, here, deadline, begin);
    const FlushAtEnd flush(here);
    Focus focus(here, &node, end);
    bool reached = false;
    while (!(reached = wakeUp.isSet())) {
        if (end != Dispatcher::Clock::time_point::max() && Dispatcher::Clock::now() >= end)
            break;
        if (closes && futures.runMeanwhile() == FutureEnds::Some)
            continue;
        if (focus.runOne() || here.deleteSome() || orphans.run())
            continue;
        const auto ends = closes ? futures.run() : FutureEnds::None;
        if (ends == FutureEnds::Some)
            continue;
        if (closes && inWork && deadline.isForever() && runWorkHere(node))
            continue;

        if (Dispatcher::Clock::now() >= warnAt) {
            warnAt = Dispatcher::Clock::time_point::max();
            warnOfLongWait(node);
            WorkPool::instance().startAgain();
            continue; // a message handler may have done what this waits for
        }
        if (ends == FutureEnds::NotYet)
            continue; // it has blocked this thread a while already
        const WorkPool::BlockingScope blocking;
        here.sleep(wakeUp.m_isSet, std::min({ end, warnAt, focus.nextLook(), futures.nextLook() }),
                   orphans.homeChanges());
    }
    return reached;
}

bool waitUntil(StepTarget &node, Waiter::Goal goal, QDeadlineTimer deadline)
{
    if (Forks::isChild())
        Forks::revive(node);
    // This thread may be in the middle of the close, and a message handler that it has called waits
    // here: then no other thread goes on with that.
    if (std::optional<DueSteps> help = Graph::help(node))
        deliver(std::move(*help));
    WakeUp wakeUp;
    const GoalWaiter waiter(node, goal, wakeUp);
    return waitUntil(wakeUp, node, goal != Waiter::Goal::Closing, deadline);
}

void waitInVain(QDeadlineTimer deadline)
{
    const DispatcherRef dispatcher = Dispatcher::current();
    Dispatcher &here = *dispatcher;
    const std::atomic<bool> reached = false;
    const auto end = timePoint(deadline);
    const FlushAtEnd flush(here);
    Focus focus(here, nullptr, end);
    while (Dispatcher::Clock::now() < end) {
        if (focus.runOne())
            continue;
        const WorkPool::BlockingScope blocking;
        here.sleep(reached, std::min(end, focus.nextLook()), Dispatcher::homeChanges());
    }
}

} // namespace GoProcess::Private
