// SPDX-License-Identifier: MIT
// The rules R28 to R48 of src/doc/rules.md: works, threads and lifetime. Each test is named after its rule.
//
// What a program can do only once runs in a child process: the program "scenarios", whose path the
// build gives as the string GOPROCESS_SCENARIOS (in CMake, "$<TARGET_FILE:...>" of that target).
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "sanitizers.h"
#include "testsupport.h"

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QDeadlineTimer>
#include <QElapsedTimer>
#include <QEvent>
#include <QEventLoop>
#include <QFuture>
#include <QObject>
#include <QPointer>
#include <QProcess>
#include <QRegularExpression>
#include <QScopeGuard>
#include <QSet>
#include <QString>
#include <QStringList>
#include <QTest>
#include <QThread>
#include <QThreadPool>
#include <QTimer>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#ifdef Q_OS_UNIX
#  include <QSocketNotifier>
#  include <unistd.h>
#endif

using GoProcess::Error;
using GoProcess::Hold;
using GoProcess::Process;
using GoProcess::ProcessPtr;

using TestSupport::Counter;
using TestSupport::EventLog;
using TestSupport::EventLoopThread;
using TestSupport::ExpectWarning;
using TestSupport::Gate;
using TestSupport::naming;
using TestSupport::patience;
using TestSupport::soon;
using TestSupport::Thread;
using TestSupport::underSanitizer;

namespace {

/// A capture that calls \a function when the last copy of it is destroyed.
std::shared_ptr<void> atDestruction(std::function<void()> function)
{
    return { nullptr, [call = std::move(function)](void *) { call(); } };
}

/// Uses the processor for that long, as a slow slot does.
void burn(std::chrono::microseconds duration)
{
    const auto end = std::chrono::steady_clock::now() + duration;
    while (std::chrono::steady_clock::now() < end) { }
}

/// In which threads the steps of processes ran.
class StepThreads
{
public:
    void note()
    {
        const std::lock_guard lock(m_mutex);
        m_threads.push_back(QThread::currentThread());
    }
    /// Notes closing(), the teardown and closed() of \a process.
    void watch(Process &process)
    {
        QObject::connect(
                &process, &Process::closing, &process, [this] { note(); }, Qt::DirectConnection);
        QObject::connect(
                &process, &Process::closed, &process, [this] { note(); }, Qt::DirectConnection);
        process.setTeardown([this] { note(); });
    }
    std::vector<QThread *> threads() const
    {
        const std::lock_guard lock(m_mutex);
        return m_threads;
    }
    bool isEmpty() const { return threads().empty(); }
    /// True if there were \a count steps, all in \a thread.
    bool are(std::size_t count, const QThread *thread) const
    {
        const std::vector<QThread *> all = threads();
        return all.size() == count && std::all_of(all.begin(), all.end(), [thread](QThread *other) {
                   return other == thread;
               });
    }
    /// True if there were \a count steps, none of them in \a thread.
    bool areNot(std::size_t count, const QThread *thread) const
    {
        const std::vector<QThread *> all = threads();
        return all.size() == count
                && std::none_of(all.begin(), all.end(),
                                [thread](QThread *other) { return other == thread; });
    }

private:
    mutable std::mutex m_mutex;
    std::vector<QThread *> m_threads;
};

/// A pool of one thread, which something that is no work of a process keeps busy.
class BusyPool
{
public:
    BusyPool()
    {
        pool.setMaxThreadCount(1);
        pool.start([this] { gate.pass(); });
        gate.waitForArrivals();
    }
    Q_DISABLE_COPY_MOVE(BusyPool)
    ~BusyPool()
    {
        gate.open();
        pool.waitForDone();
    }

    Gate gate;
    QThreadPool pool;
};

/// An object in an event loop that counts what is delivered to it.
class Bystander : public QObject
{
public:
    int timers = 0;
    int posted = 0;
    int calls = 0;

    int all() const { return timers + posted + calls; }

    /// Leaves one thing of each kind to be delivered.
    void expectAll()
    {
        startTimer(0);
        QCoreApplication::postEvent(this, new QEvent(QEvent::User));
        QMetaObject::invokeMethod(
                this, [this] { ++calls; }, Qt::QueuedConnection);
    }

    bool event(QEvent *event) override
    {
        if (event->type() == QEvent::Timer)
            ++timers;
        else if (event->type() == QEvent::User)
            ++posted;
        return QObject::event(event);
    }
};

/// Counts the queued calls and custom events that are delivered in the main thread.
class EventCounter : public QObject
{
public:
    EventCounter() { QCoreApplication::instance()->installEventFilter(this); }

    int count = 0;

    bool eventFilter(QObject *, QEvent *event) override
    {
        if (event->type() == QEvent::MetaCall || event->type() >= QEvent::User)
            ++count;
        return false;
    }
};

/// A QObject child that is told while its parent moves to another thread.
class MoveProbe : public QObject
{
public:
    MoveProbe(QObject *parent, std::function<void()> onMove)
        : QObject(parent), m_onMove(std::move(onMove))
    {
    }

    bool event(QEvent *event) override
    {
        if (event->type() == QEvent::ThreadChange)
            m_onMove();
        return QObject::event(event);
    }

private:
    std::function<void()> m_onMove;
};

/// A thread that the test starts itself. Ends at the end of its scope, also where a test fails.
class PlainThread : public QThread
{
public:
    PlainThread() = default;
    Q_DISABLE_COPY_MOVE(PlainThread)
    ~PlainThread() override
    {
        quit();
        wait();
    }
};

/// A finished child process.
struct Outcome
{
    bool crashed = true;
    int exitCode = -1;
    QStringList output;
    QString messages;
};

Outcome outcome(QProcess &process)
{
    Outcome result;
    // It may have finished while a test ran the event loop.
    if (process.state() != QProcess::NotRunning
        && !process.waitForFinished(int(2 * std::chrono::milliseconds(patience).count()))) {
        TestSupport::fail(QStringLiteral("A scenario did not end: ") + process.errorString());
        process.kill();
        process.waitForFinished();
        return result;
    }
    result.crashed = process.exitStatus() == QProcess::CrashExit;
    result.exitCode = process.exitCode();
    result.output = QString::fromUtf8(process.readAllStandardOutput())
                            .split(QLatin1Char('\n'), Qt::SkipEmptyParts);
    result.messages = QString::fromUtf8(process.readAllStandardError());
    return result;
}

Outcome runScenario(const QString &name)
{
    QProcess process;
    process.start(QStringLiteral(GOPROCESS_SCENARIOS), { name });
    return outcome(process);
}

/// True if \a outcome is a normal end without any message. Prints what there is otherwise.
bool isClean(const Outcome &outcome, int exitCode = 0)
{
    if (!outcome.crashed && outcome.exitCode == exitCode && outcome.messages.isEmpty())
        return true;
    std::fprintf(stderr, "status %d%s, output:\n%s\nmessages:\n%s\n", outcome.exitCode,
                 outcome.crashed ? " (crashed)" : "",
                 qPrintable(outcome.output.join(QLatin1Char('\n'))), qPrintable(outcome.messages));
    return false;
}

/// True if \a outcome is the end of a program by a fatal message that matches \a pattern.
bool isFatal(const Outcome &outcome, const QString &pattern)
{
    // Another pattern each time.
    const QRegularExpression fatal(QStringLiteral("^fatal [^\n]*") + pattern,
                                   QRegularExpression::MultilineOption);
    if (outcome.crashed && outcome.output.isEmpty()
        && fatal.match(outcome.messages).hasMatch()) // clazy:exclude=use-static-qregularexpression
        return true;
    isClean(outcome, -1);
    return false;
}

/// Waits for \a process to be Closed in the main thread's event loop, as an application does.
bool closesInEventLoop(Process &process)
{
    QEventLoop loop;
    QTimer::singleShot(patience, &loop, [&loop] { loop.exit(1); });
    QObject::connect(&process, &Process::closed, &loop, [&loop] { loop.exit(0); });
    return process.isClosed() || loop.exec() == 0;
}

/// What a subclass may look like: its teardown needs its members (R47).
class Database : public Process
{
    Q_OBJECT

public:
    explicit Database(EventLog &log, QObject *parent = nullptr)
        : Process(parent),
          m_member(atDestruction([&log] { log.add(QStringLiteral("members gone")); }))
    {
        setTeardown([this, &log] {
            log.add(m_member.use_count() == 1 ? QStringLiteral("teardown")
                                              : QStringLiteral("broken"));
        });
    }

private:
    std::shared_ptr<void> m_member;
};

/// A subclass that closes itself, as R47 demands.
class ClosingDatabase : public Database
{
    Q_OBJECT

public:
    using Database::Database;
    ~ClosingDatabase() override { closeAndWait(); }
};

/// A class that has a process, as R47 demands.
class Composed
{
public:
    explicit Composed(EventLog &log)
        : m_member(atDestruction([&log] { log.add(QStringLiteral("members gone")); })),
          m_process([this, &log] {
              log.add(m_member.use_count() == 1 ? QStringLiteral("teardown")
                                                : QStringLiteral("broken"));
          })
    {
    }

private:
    std::shared_ptr<void> m_member;
    Process m_process;
};

Error failingFunction()
{
    return Error(QStringLiteral("function"));
}

} // namespace

class RulesB : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void cleanup();
    void cleanupTestCase();

    void r28_goMakesAChildThatIsClosedAndWaitedFor();
    void r28_theWorkGetsItsProcessInAPoolThread();
    void r28_everyWorkRunsExactlyOnce();
    void r28_aWorkOfAClosingProcessSeesThatFromItsFirstLine();
    void r28_aWorkThatWasClosedBeforeItStartedRunsAllTheSame();
    void r28_droppingThePointerNeitherClosesNorWaits();
    void r28_theChildLivesUntilAfterClosed();
    void r28_capturesAreDestroyedWhereTheWorkRanBeforeClosed();

    void r29_theChildIsNotClosedBeforeTheWorkHasReturned();
    void r29_theChildClosesAfterItsOwnChildren();

    void r30_aWorkThatThePoolDropsClosesWithAnError();
    void r30_droppedWorksHangNobody();

    void r31_worksStartThoughAllEarlierOnesAreBlocked();
    void r31_nestedWorksStartThoughAllOuterOnesAreBlocked();
    void r31_worksStartThoughEarlierOnesKeepAllProcessorsBusy();
    void r31_worksStartTogetherAfterAShortOne();
    void r31_worksStartWhileAThreadIsAboutToLeave();
    void r31_theGlobalPoolIsNotUsed();
    void r31_aBurstOfShortWorksDoesNotGrowThePool();
    void r31_thePoolShrinksAgain();
    void r31_worksBeyondTheCapQueueWithAWarning();

    void r32_worksRunInThePoolThatWasSet();
    void r32_processesThatGoMakesAfterwardsInheritThePool();
    void r32_nullIsTheDefaultPoolAgain();
    void r32_aWaitLendsThePlaceOfItsThreadOut();
    void r32_nestedGoAndWaitNeedOneThreadOnly();
    void r32_aWorkThatWaitsRunsTheUnstartedWorkItself();
    void r32_aThreadOutsideThePoolRunsNoWorks();

    void r33_aWorkTakesItsProcessOrNothingAndReturnsVoidOrError();
    void r33_aWorkMayBeMoveOnlyAndMutable();

    void r34_stepsOfAWorkDoNotRunInTheMainThread();
    void r34_closingMayComeWhileTheWorkRuns();
    void r34_stepsNeverRunInAUsersPool();
    void r34_stepsRunOneAfterAnother();
    void r34_stepsFollowTheWorkInItsThread();
    void r34_theThreadIsTheParents();
    void r34_theThreadIsTheCallersWithoutAParent();
    void r34_queuedCallsToAWorkArrive();
    void r34_theObjectIsDeletedInItsThread();
    void r34_aProcessConstructedInAWorkHasNoHome();
    void r34_aProcessConstructedInAWorkOfAUsersPoolHasNoHome();
    void r34_aProcessConstructedInAWorkHasItsParentsThread();

    void r35_stepsRunAtHome();
    void r35_manyProcessesOfAThreadCostFewEvents();
    void r35_aConnectionByHandReachesAnyThread();

    void r36_aProcessMovesBeforeItHasEdges();
    void r36_aProcessMovesAfterItHasEdges();
    void r36_stepsThatWaitAreForwarded();
    void r36_aProcessThatMovesInItsClosingSlotGoesOnThere();
    void r36_aProcessThatMovesInItsTeardownGoesOnThere();
    void r36_noStepRunsInTheNewHomeBeforeTheMoveIsOver();
    void r36_aCloseDuringTheMoveRunsNothingBeforeTheMoveIsOver();

    void r37_aWaitRunsTheStepsOfItsThread();
    void r37_aWaitRunsNothingElse();
    void r37_aWaitRunsNoNestedEventLoop();
    void r37_aWaitForClosingRunsStepsToo();
    void r37_aWaitNeedsNoEventLoop();
    void r37_aWaitEndsAtItsDeadline();
    void r37_aLongWaitWarnsOfWhatIsOpen();
    void r37_manyThreadsMayWait();

    void r38_stepsAreDrainedAtTheEndOfTheirThread();
    void r38_stepsOfAThreadWithoutEventLoopAreDrainedAtItsEnd();
    void r38_stepsOfAThreadThatBecomesAHomeInItsLastSignalAreNotLost();
    void r38_stepsOfAFinishedThreadRunWhereSomebodyWaits();
    void r38_stepsOfAFinishedThreadRunWhereSomebodyCloses();
    void r38_stepsOfAFinishedThreadRunWhereADependencyCompletes();
    void r38_stepsOfADestroyedThreadRunWhereSomebodyWaits();
    void r38_stepsWithoutAThreadRunWhereSomebodyWaits();
    void r38_stepsOfAThreadThatNeverStartedRunWhereSomebodyWaits();
    void r38_stepsOfAThreadThatStartsLaterRunThere();
    void r38_aRestartedThreadIsAHomeAgain();

    void r39_waitInOwnTeardownIsRefused();
    void r39_waitInOwnClosingSlotIsRefused();
    void r39_waitInOwnClosedSlotIsTrueAtOnce();
    void r39_waitInOwnWorkIsRefusedButCloses();
    void r39_waitForAnAncestorInATeardownIsRefusedButCloses();
    void r39_waitForAnAncestorInAWorkIsRefused();
    void r39_waitForTheParentInAClosedSlotIsRefused();
    void r39_waitForAStepFurtherDownTheStackIsRefused();
    void r39_waitForAWaitingWorkInTheSameThreadIsRefused();
    void r39_waitForClosingInAWorkIsAllowed();
    void r39_waitForOthersInAStepIsAllowed();

    void r40_closeRunsNoUserCode();
    void r40_otherEventsAreDeliveredBetweenSlices();
    void r40_timersFireBetweenSlices();
    void r40_aNestedEventLoopInAStepKeepsDelivering();

    void r41_theDestructorClosesAndWaits();
    void r41_theDestructorDeliversNoEvents();

    void r42_processesMayBeDestroyedInAnyOrder();
    void r42_aProcessMayBeDestroyedWhileThreadsWaitForIt();
    void r42_futuresOutliveTheProcess();

    void r43_aProcessMayBeDeletedInItsClosingSlot();
    void r43_aProcessMayBeDeletedInItsClosedSlot();
    void r43_aProcessMayBeDeletedInItsStateChangedSlot_data();
    void r43_aProcessMayBeDeletedInItsStateChangedSlot();
    void r43_anotherThreadMayDeleteRightAfterItsWait();
    void r43_aChildMayBeDeletedInTheTeardownOfItsParent();
    void r43_deletionThatCouldNotEndIsFatal_data();
    void r43_deletionThatCouldNotEndIsFatal();

    void r44_aProcessParentMakesAChildAndOwnsIt();
    void r44_anotherParentOnlyOwns();
    void r44_aParentInAnotherThreadOwnsNothing();
    void r44_aClosingParentClosesTheNewProcessAndWaitsForIt();
    void r44_aNewProcessWhoseEdgeIsRefusedIsClosed();
    void r44_setParentMakesNoEdge();

    void r45_processesWorkWithoutAnApplication();
    void r45_processesWorkBeforeAndAfterTheApplication();
    void r45_processesOutliveTheApplication();
    void r45_stepsWaitForTheApplication_data();
    void r45_stepsWaitForTheApplication();
    void r45_aWaitRunsStepsWithoutAnApplication_data();
    void r45_aWaitRunsStepsWithoutAnApplication();

    void r46_teardownDoesNotBeginWhileAHoldLives();
    void r46_aHoldOfAClosingProcessIsValidUntilItsTeardownBegins();
    void r46_aHoldMoves();
    void r46_aHoldIsReleasedOnceAndInAnyThread();
    void r46_aReleasedHoldDoesNotClose();

    void r47_aProcessThatIsTheLastMemberClosesBeforeTheOthersGo();
    void r47_aSubclassThatClosesInItsDestructorNeedsNoMessage();
    void r47_closingClosesBeforeTheMembersGo();
    void r47_aSubclassLeftOpenIsNamedInACriticalMessage();
    void r47_aSubclassWithoutATeardownNeedsNoMessage();

    void r48_worksAreAskedToCloseAtTheEndOfTheProgram();
    void r48_aWorkThatDoesNotEndIsNamedAndLeftBehind();
    void r48_staticProcessesCloseInStaticDestruction_data();
    void r48_staticProcessesCloseInStaticDestruction();

private:
    /// Takes 5 s to end, so it starts first and its test asks last.
    QProcess m_stubborn;
};

void RulesB::initTestCase()
{
    TestSupport::begin();
    m_stubborn.start(QStringLiteral(GOPROCESS_SCENARIOS), { QStringLiteral("workThatNeverEnds") });
}

void RulesB::cleanup()
{
    TestSupport::verify();
}

void RulesB::cleanupTestCase()
{
    if (m_stubborn.state() != QProcess::NotRunning) {
        m_stubborn.kill();
        m_stubborn.waitForFinished();
    }
}

// R28: go

void RulesB::r28_goMakesAChildThatIsClosedAndWaitedFor()
{
    Gate gate;
    Process root;
    root.setName(QStringLiteral("root"));
    const ProcessPtr child = root.go(QStringLiteral("child"), [&] { gate.pass(); });
    QVERIFY(child);
    QCOMPARE(child->path(), QStringLiteral("/root/child"));
    QVERIFY(!child->isClosing());
    root.close();
    QVERIFY(child->isClosing());
    QVERIFY(gate.waitForArrivals());
    QVERIFY(!root.waitForClosed(QDeadlineTimer(0)));
    gate.open();
    QVERIFY(root.waitForClosed(soon()));
    QVERIFY(child->isClosed());
}

void RulesB::r28_theWorkGetsItsProcessInAPoolThread()
{
    Process root;
    const Process *argument = nullptr;
    const QThread *thread = nullptr;
    const ProcessPtr child = root.go([&](Process &self) {
        argument = &self;
        thread = QThread::currentThread();
    });
    QVERIFY(child->waitForClosed(soon()));
    QCOMPARE(argument, child.get());
    QVERIFY(thread && thread != QThread::currentThread());
}

void RulesB::r28_everyWorkRunsExactlyOnce()
{
    std::array<std::atomic<int>, 500> runs {};
    Process root;
    for (std::atomic<int> &run : runs)
        QVERIFY(root.go([&run] { ++run; }));
    QVERIFY(!root.closeAndWait());
    QVERIFY(std::all_of(runs.begin(), runs.end(),
                        [](const std::atomic<int> &run) { return run == 1; }));
}

void RulesB::r28_aWorkOfAClosingProcessSeesThatFromItsFirstLine()
{
    Process root;
    Hold hold = root.hold();
    root.close();
    bool sawClosing = false;
    const ProcessPtr child = root.go([&](Process &self) { sawClosing = self.isClosing(); });
    QVERIFY(child);
    QVERIFY(child->isClosing());
    hold.release();
    QVERIFY(root.waitForClosed(soon()));
    QVERIFY(sawClosing);
}

void RulesB::r28_aWorkThatWasClosedBeforeItStartedRunsAllTheSame()
{
    BusyPool busy;
    Process root;
    root.setThreadPool(&busy.pool);
    bool sawClosing = false;
    root.go([&](Process &self) { sawClosing = self.isClosing(); });
    root.close();
    busy.gate.open();
    QVERIFY(root.waitForClosed(soon()));
    QVERIFY(sawClosing);
}

void RulesB::r28_droppingThePointerNeitherClosesNorWaits()
{
    Gate gate;
    Counter done;
    Process root;
    root.go([&](Process &self) {
        gate.pass();
        CHECK(!self.isClosing());
        done.add();
    });
    QVERIFY(gate.waitForArrivals()); // so the call has not waited for the work
    gate.open();
    QVERIFY(done.waitFor(1));
    QVERIFY(!root.isClosing());
}

void RulesB::r28_theChildLivesUntilAfterClosed()
{
    EventLog log;
    Process root;
    root.go(QStringLiteral("child"), [&](Process &self) {
        QObject::connect(
                &self, &Process::closed, &self,
                [&] { log.add(QStringLiteral("closed ") + self.name()); }, Qt::DirectConnection);
        QObject::connect(
                &self, &QObject::destroyed, &self, [&] { log.add(QStringLiteral("destroyed")); },
                Qt::DirectConnection);
    });
    QTRY_VERIFY_WITH_TIMEOUT(log.contains(QStringLiteral("destroyed")),
                             int(patience.count()) * 1000);
    QVERIFY(log.compare({ QStringLiteral("closed child"), QStringLiteral("destroyed") }));
}

void RulesB::r28_capturesAreDestroyedWhereTheWorkRanBeforeClosed()
{
    EventLog log;
    const QThread *ranIn = nullptr;
    const QThread *destroyedIn = nullptr;
    Process root;
    const ProcessPtr child = root.go([&, capture = atDestruction([&] {
                                             destroyedIn = QThread::currentThread();
                                             log.add(QStringLiteral("captures gone"));
                                         })](Process &self) {
        ranIn = QThread::currentThread();
        QObject::connect(
                &self, &Process::closed, &self, [&] { log.add(QStringLiteral("closed")); },
                Qt::DirectConnection);
        log.add(QStringLiteral("work"));
    });
    QVERIFY(child->waitForClosed(soon()));
    QVERIFY(log.compare(
            { QStringLiteral("work"), QStringLiteral("captures gone"), QStringLiteral("closed") }));
    QVERIFY(ranIn);
    QCOMPARE(destroyedIn, ranIn);
}

// R29: when a work ends

void RulesB::r29_theChildIsNotClosedBeforeTheWorkHasReturned()
{
    Gate gate;
    EventLog log;
    Process root;
    const ProcessPtr child = root.go([&](Process &self) {
        QObject::connect(
                &self, &Process::closed, &self, [&] { log.add(QStringLiteral("closed")); },
                Qt::DirectConnection);
        gate.pass();
        log.add(QStringLiteral("work"));
    });
    QVERIFY(gate.waitForArrivals());
    child->close();
    QVERIFY(!child->waitForClosed(QDeadlineTimer(0)));
    gate.open();
    QVERIFY(child->waitForClosed(soon()));
    QVERIFY(log.compare({ QStringLiteral("work"), QStringLiteral("closed") }));
}

void RulesB::r29_theChildClosesAfterItsOwnChildren()
{
    Gate gate;
    EventLog log;
    Process root;
    const ProcessPtr child =
            root.go(QStringLiteral("child"), [&, capture = atDestruction([&] {
                                                     log.add(QStringLiteral("returned"));
                                                 })](Process &self) {
                log.watch(self);
                self.go(QStringLiteral("grandchild"), [&](Process &grandchild) {
                    log.watch(grandchild);
                    gate.pass();
                    CHECK(!grandchild.isClosing()); // nobody closes it
                });
                gate.waitForArrivals();
            });
    QVERIFY(log.waitFor(QStringLiteral("returned")));
    QVERIFY(!child->isClosing());
    gate.open();
    QVERIFY(child->waitForClosed(soon()));
    QVERIFY(log.compare({ QStringLiteral("returned"), QStringLiteral("closing grandchild"),
                          QStringLiteral("closed grandchild"), QStringLiteral("closing child"),
                          QStringLiteral("closed child") }));
}

// R30: works that a pool drops

void RulesB::r30_aWorkThatThePoolDropsClosesWithAnError()
{
    BusyPool busy;
    bool ran = false;
    bool capturesGone = false;
    Process root;
    root.setName(QStringLiteral("root"));
    root.setThreadPool(&busy.pool);
    const ProcessPtr child =
            root.go(QStringLiteral("lost"),
                    [&, capture = atDestruction([&] { capturesGone = true; })] { ran = true; });
    busy.pool.clear();
    QVERIFY(child->waitForClosed(soon()));
    QVERIFY(!ran);
    QVERIFY(capturesGone);
    QVERIFY(child->error().isError());
    QVERIFY2(child->error().message().contains(QStringLiteral("pool")),
             qPrintable(child->error().message()));
    QVERIFY(!root.closeAndWait());
    QCOMPARE(root.treeErrors().size(), 1);
    QCOMPARE(root.treeErrors().constFirst().path, QStringLiteral("/root/lost"));
}

void RulesB::r30_droppedWorksHangNobody()
{
    BusyPool busy;
    Process root;
    root.setThreadPool(&busy.pool);
    std::vector<ProcessPtr> works;
    for (int i = 0; i < 50; ++i)
        works.push_back(root.go([](Process &self) { self.waitForClosing(); }));
    const Thread waiter([&] { CHECK(works.back()->waitForClosed(soon())); });
    busy.pool.clear();
    QVERIFY(!root.closeAndWait());
    QVERIFY(std::all_of(works.begin(), works.end(),
                        [](const ProcessPtr &work) { return work->error().isError(); }));
    QCOMPARE(root.treeErrorCount(), 50);
}

// R31: the library's own pool

void RulesB::r31_worksStartThoughAllEarlierOnesAreBlocked()
{
    Gate gate;
    Process root;
    for (int i = 0; i < 64; ++i)
        root.go([&] { gate.pass(); });
    QVERIFY(gate.waitForArrivals(64)); // all of them run at the same time
    gate.open();
    QVERIFY(!root.closeAndWait());
}

void RulesB::r31_nestedWorksStartThoughAllOuterOnesAreBlocked()
{
    Gate gate;
    Process root;
    std::function<void(Process &, int)> nest = [&](Process &self, int depth) {
        if (depth > 0)
            self.go([&nest, depth](Process &inner) { nest(inner, depth - 1); });
        gate.pass();
    };
    root.go([&](Process &self) { nest(self, 31); });
    QVERIFY(gate.waitForArrivals(32));
    gate.open();
    QVERIFY(!root.closeAndWait());
}

void RulesB::r31_worksStartThoughEarlierOnesKeepAllProcessorsBusy()
{
    std::atomic<bool> enough = false;
    const auto spin = [&] {
        const QDeadlineTimer end = soon();
        while (!enough && CHECK(!end.hasExpired())) { }
    };
    Process root;
    for (int i = 0; i < QThread::idealThreadCount(); ++i)
        root.go(spin);
    root.go([&] { enough = true; });
    QVERIFY(!root.closeAndWait());
}

/// A thread that has just been at work takes one of them, and sees to the other.
void RulesB::r31_worksStartTogetherAfterAShortOne()
{
    const int rounds = underSanitizer ? 50 : 300;
    Process root;
    for (int i = 0; i < rounds; ++i) {
        Gate gate;
        QVERIFY(root.go([] {})->waitForClosed(soon()));
        const ProcessPtr first = root.go([&] { gate.pass(); });
        const ProcessPtr second = root.go([&] { gate.pass(); });
        QVERIFY(gate.waitForArrivals(2));
        gate.open();
        QVERIFY(first->waitForClosed(soon()));
        QVERIFY(second->waitForClosed(soon()));
    }
}

void RulesB::r31_worksStartWhileAThreadIsAboutToLeave()
{
    const int rounds = underSanitizer ? 200 : 2000;
    Process root;
    for (int i = 0; i < rounds; ++i) {
        QVERIFY(root.go([] {})->waitForClosed(soon()));
        std::this_thread::sleep_for(std::chrono::microseconds(i % 40));
    }
}

void RulesB::r31_theGlobalPoolIsNotUsed()
{
    QThreadPool *const global = QThreadPool::globalInstance();
    const int before = global->maxThreadCount();
    global->setMaxThreadCount(1);
    Gate gate;
    global->start([&] { gate.pass(); });
    const auto restore = qScopeGuard([&] {
        gate.open();
        global->waitForDone();
        global->setMaxThreadCount(before);
    });
    QVERIFY(gate.waitForArrivals());

    bool inGlobalPool = true;
    Process root;
    const ProcessPtr child =
            root.go([&] { inGlobalPool = global->contains(QThread::currentThread()); });
    QVERIFY(child->waitForClosed(soon())); // not starved by the work of the global pool
    QVERIFY(!inGlobalPool);
}

void RulesB::r31_aBurstOfShortWorksDoesNotGrowThePool()
{
    // In a program of its own, whose pool nobody has made grow.
    const Outcome result = runScenario(QStringLiteral("burst"));
    QVERIFY(!result.crashed);
    QVERIFY2(result.output == QStringList { QStringLiteral("modest") },
             qPrintable(result.messages));
}

void RulesB::r31_thePoolShrinksAgain()
{
    const Outcome result = runScenario(QStringLiteral("burstAfterBlockedWorks"));
    QVERIFY(isClean(result));
    QCOMPARE(result.output, QStringList { QStringLiteral("modest") });
}

void RulesB::r31_worksBeyondTheCapQueueWithAWarning()
{
    QCOMPARE(GoProcess::maxWorkThreadCount(), 4096);
    const Outcome result = runScenario(QStringLiteral("cap"));
    QVERIFY(!result.crashed);
    QCOMPARE(result.exitCode, 0);
    QCOMPARE(result.output, QStringList({ QStringLiteral("queued"), QStringLiteral("all ran") }));
    QVERIFY2(result.messages.startsWith(QStringLiteral("warning goprocess: ")),
             qPrintable(result.messages));
}

// R32: other pools, and waits inside works

void RulesB::r32_worksRunInThePoolThatWasSet()
{
    QThreadPool pool;
    bool inPool = false;
    Process root;
    QVERIFY(!root.threadPool());
    root.setThreadPool(&pool);
    QCOMPARE(root.threadPool(), &pool);
    const ProcessPtr child = root.go([&] { inPool = pool.contains(QThread::currentThread()); });
    QVERIFY(child->waitForClosed(soon()));
    QVERIFY(inPool);
}

void RulesB::r32_processesThatGoMakesAfterwardsInheritThePool()
{
    QThreadPool pool;
    Gate gate;
    Process root;
    bool earlierInPool = true;
    const ProcessPtr earlier = root.go([&](Process &self) {
        gate.pass();
        self.go([&] { earlierInPool = pool.contains(QThread::currentThread()); });
    });
    root.setThreadPool(&pool);
    bool laterInPool = false;
    const ProcessPtr later = root.go([&](Process &self) {
        self.go([&](Process &inner) {
            laterInPool = pool.contains(QThread::currentThread()) && inner.threadPool() == &pool;
        });
    });
    QCOMPARE(earlier->threadPool(), nullptr);
    QCOMPARE(later->threadPool(), &pool);
    gate.open();
    QVERIFY(earlier->waitForClosed(soon()));
    QVERIFY(later->waitForClosed(soon()));
    QVERIFY(!earlierInPool);
    QVERIFY(laterInPool);
}

void RulesB::r32_nullIsTheDefaultPoolAgain()
{
    QThreadPool pool;
    Process root;
    root.setThreadPool(&pool);
    root.setThreadPool(nullptr);
    QVERIFY(!root.threadPool());
    bool inPool = true;
    const ProcessPtr child = root.go([&] { inPool = pool.contains(QThread::currentThread()); });
    QVERIFY(child->waitForClosed(soon()));
    QVERIFY(!inPool);
}

void RulesB::r32_aWaitLendsThePlaceOfItsThreadOut()
{
    QThreadPool pool;
    pool.setMaxThreadCount(1);
    Process target; // closed by a work that has no place while the first one has it
    Process root;
    root.setThreadPool(&pool);
    const ProcessPtr outer = root.go([&](Process &self) {
        // With a deadline a wait runs no works itself.
        const ProcessPtr inner = self.go([] {});
        CHECK(inner->waitForClosed(soon()));
        self.go([&] { target.close(); });
        CHECK(target.waitForClosing());
        CHECK(target.waitForClosed());
    });
    QVERIFY(outer->waitForClosed(soon()));
    QVERIFY(target.isClosed());
    QCOMPARE(pool.maxThreadCount(), 1);
}

void RulesB::r32_nestedGoAndWaitNeedOneThreadOnly()
{
    QThreadPool pool;
    pool.setMaxThreadCount(1);
    std::function<int(Process &, int)> fibonacci = [&](Process &self, int n) {
        if (n < 2)
            return n;
        int a = 0;
        int b = 0;
        const ProcessPtr first = self.go([&](Process &inner) { a = fibonacci(inner, n - 1); });
        const ProcessPtr second = self.go([&](Process &inner) { b = fibonacci(inner, n - 2); });
        CHECK(first->waitForClosed());
        CHECK(!second->closeAndWait());
        return a + b;
    };
    int result = 0;
    Process root;
    root.setThreadPool(&pool);
    const ProcessPtr child = root.go([&](Process &self) { result = fibonacci(self, 9); });
    QVERIFY(child->waitForClosed(soon()));
    QCOMPARE(result, 34);
}

void RulesB::r32_aWorkThatWaitsRunsTheUnstartedWorkItself()
{
    QThreadPool pool;
    pool.setMaxThreadCount(1); // so the inner work cannot have started
    const QThread *outerThread = nullptr;
    const QThread *innerThread = nullptr;
    Process root;
    root.setThreadPool(&pool);
    const ProcessPtr outer = root.go([&](Process &self) {
        outerThread = QThread::currentThread();
        CHECK(self.go([&] { innerThread = QThread::currentThread(); })->waitForClosed());
    });
    QVERIFY(outer->waitForClosed(soon()));
    QVERIFY(outerThread);
    QCOMPARE(innerThread, outerThread);
}

void RulesB::r32_aThreadOutsideThePoolRunsNoWorks()
{
    BusyPool busy;
    Process root;
    root.setThreadPool(&busy.pool);
    bool inPool = false;
    const ProcessPtr child =
            root.go([&] { inPool = busy.pool.contains(QThread::currentThread()); });
    // The pool becomes free by a step that only the wait below can run.
    Process opener;
    QObject::connect(&opener, &Process::closing, &opener, [&] { busy.gate.open(); });
    opener.close();
    QVERIFY(child->waitForClosed());
    QVERIFY(inPool);
}

// R33: what a work looks like

void RulesB::r33_aWorkTakesItsProcessOrNothingAndReturnsVoidOrError()
{
    Process root;
    Counter ran;
    const auto takesNothing = [&] { ran.add(); };
    const std::function<void(Process &)> takesProcess = [&](Process &) { ran.add(); };
    const std::vector<ProcessPtr> fine {
        root.go(takesNothing),
        root.go(QStringLiteral("named"), takesProcess),
        root.go([&](Process &) {
            ran.add();
            return Error();
        }),
        root.go(&Process::close),
        GoProcess::go(takesNothing),
        GoProcess::go(QStringLiteral("named"), takesProcess),
    };
    for (const ProcessPtr &child : fine) {
        QVERIFY(child->waitForClosed(soon()));
        QVERIFY(!child->error());
    }
    QCOMPARE(ran.count(), 5);

    const std::vector<ProcessPtr> failing {
        root.go(failingFunction),
        root.go(&failingFunction),
        root.go([] { return Error(QStringLiteral("function")); }),
        root.go([](Process &self) {
            return Error(self.isClosed() ? QString() : QStringLiteral("function"));
        }),
        GoProcess::go([] { return Error(QStringLiteral("function")); }),
    };
    for (const ProcessPtr &child : failing) {
        QVERIFY(child->waitForClosed(soon()));
        QCOMPARE(child->error().message(), QStringLiteral("function"));
    }
}

void RulesB::r33_aWorkMayBeMoveOnlyAndMutable()
{
    Process root;
    int result = 0;
    const ProcessPtr child = root.go(
            [&result, number = std::make_unique<int>(41)]() mutable { result = ++*number; });
    QVERIFY(child->waitForClosed(soon()));
    QCOMPARE(result, 42);
}

// R34: processes without a home

void RulesB::r34_stepsOfAWorkDoNotRunInTheMainThread()
{
    StepThreads steps;
    Counter watched;
    Process root;
    root.go([&](Process &self) {
        steps.watch(self);
        watched.add();
    });
    QVERIFY(watched.waitFor(1)); // closing() may come before that else
    QVERIFY(!root.closeAndWait()); // a wait, which runs the steps of this thread
    QVERIFY(steps.areNot(3, QThread::currentThread()));
}

void RulesB::r34_closingMayComeWhileTheWorkRuns()
{
    Gate gate;
    Counter watched;
    Process root;
    const ProcessPtr child = root.go([&](Process &self) {
        QObject::connect(
                &self, &Process::closing, &self, [&] { gate.open(); }, Qt::DirectConnection);
        watched.add();
        gate.pass(); // opened by closing() only
    });
    QVERIFY(watched.waitFor(1));
    root.close();
    QVERIFY(root.waitForClosed(soon()));
}

void RulesB::r34_stepsNeverRunInAUsersPool()
{
    QThreadPool pool;
    StepThreads steps;
    Counter watched;
    Process root;
    root.setThreadPool(&pool);
    for (int i = 0; i < 10; ++i) {
        root.go([&](Process &self) {
            steps.watch(self);
            watched.add();
        });
    }
    QVERIFY(watched.waitFor(10)); // closing() may come before that else
    QVERIFY(!root.closeAndWait());
    const std::vector<QThread *> threads = steps.threads();
    QCOMPARE(threads.size(), std::size_t(30));
    QVERIFY(std::none_of(threads.begin(), threads.end(),
                         [&](QThread *thread) { return pool.contains(thread); }));
}

void RulesB::r34_stepsFollowTheWorkInItsThread()
{
    for (int i = 0; i < 100; ++i) {
        std::atomic<QThread *> ofWork = nullptr;
        std::atomic<QThread *> ofTeardown = nullptr;
        const ProcessPtr work = GoProcess::go([&](Process &self) {
            ofWork = QThread::currentThread();
            self.setTeardown([&] { ofTeardown = QThread::currentThread(); });
        });
        QVERIFY(work->waitForClosed(soon()));
        QVERIFY(ofTeardown);
        QCOMPARE(ofTeardown.load(), ofWork.load());
    }
}

void RulesB::r34_stepsRunOneAfterAnother()
{
    Gate returned;
    EventLog log;
    Process root;
    const ProcessPtr child =
            root.go([&, capture = atDestruction([&] { returned.open(); })](Process &self) {
                QObject::connect(
                        &self, &Process::closing, &self,
                        [&] {
                            log.add(QStringLiteral("closing"));
                            returned.pass(); // meanwhile nothing keeps the teardown but this slot
                            log.add(QStringLiteral("end of closing"));
                        },
                        Qt::DirectConnection);
                self.setTeardown(log.teardown(QStringLiteral("child")));
                QObject::connect(
                        &self, &Process::closed, &self, [&] { log.add(QStringLiteral("closed")); },
                        Qt::DirectConnection);
                self.close();
                log.waitFor(QStringLiteral("closing"));
            });
    QVERIFY(child->waitForClosed(soon()));
    QVERIFY(log.compare({ QStringLiteral("closing"), QStringLiteral("end of closing"),
                          QStringLiteral("teardown child"), QStringLiteral("closed") }));
}

void RulesB::r34_theThreadIsTheParents()
{
    EventLoopThread thread;
    Process root;
    root.moveToThread(&thread);
    const ProcessPtr child = root.go([&](Process &self) {
        const ProcessPtr inner = self.go([] {});
        CHECK(inner->thread() == &thread);
    });
    QCOMPARE(child->thread(), &thread);
    QVERIFY(!root.closeAndWait());
}

void RulesB::r34_theThreadIsTheCallersWithoutAParent()
{
    EventLoopThread thread;
    const ProcessPtr here = GoProcess::go([] {});
    const ProcessPtr there = thread.run([] { return GoProcess::go([] {}); });
    QCOMPARE(here->thread(), QThread::currentThread());
    QCOMPARE(there->thread(), &thread);
    QVERIFY(here->waitForClosed(soon()));
    QVERIFY(there->waitForClosed(soon()));
}

void RulesB::r34_queuedCallsToAWorkArrive()
{
    Process root;
    const ProcessPtr child = root.go([](Process &self) { self.waitForClosing(); });
    QTimer timer;
    timer.setSingleShot(true);
    QObject::connect(&timer, &QTimer::timeout, child.get(), &Process::close, Qt::QueuedConnection);
    timer.start(0);
    QTRY_VERIFY_WITH_TIMEOUT(child->isClosing(), int(patience.count()) * 1000);
    QVERIFY(child->waitForClosed(soon()));
}

void RulesB::r34_theObjectIsDeletedInItsThread()
{
    EventLoopThread thread;
    EventLog log;
    StepThreads deletions;
    Process root;
    root.moveToThread(&thread);
    root.go([&](Process &self) {
        QObject::connect(
                &self, &QObject::destroyed, &self,
                [&] {
                    deletions.note();
                    log.add(QStringLiteral("destroyed"));
                },
                Qt::DirectConnection);
    });
    QVERIFY(log.waitFor(QStringLiteral("destroyed")));
    QVERIFY(deletions.are(1, &thread));
    QVERIFY(!root.closeAndWait());
}

void RulesB::r34_aProcessConstructedInAWorkHasNoHome()
{
    StepThreads steps;
    Counter done;
    Process root;
    root.go([&] {
        Process made;
        CHECK(made.thread() == QThread::currentThread());
        steps.watch(made);
        made.close();
        // Nobody serves this thread's events or waits in it: the pool has to run the steps.
        CHECK(TestSupport::pollUntil([&] { return made.isClosed(); }));
        done.add();
    });
    QVERIFY(done.waitFor(1)); // this thread runs no steps either
    QVERIFY(!root.closeAndWait());
    QVERIFY(steps.areNot(3, QThread::currentThread()));
}

void RulesB::r34_aProcessConstructedInAWorkOfAUsersPoolHasNoHome()
{
    QThreadPool pool;
    StepThreads steps;
    Counter done;
    Process root;
    root.setThreadPool(&pool);
    root.go([&] {
        Process made;
        steps.watch(made);
        made.close();
        CHECK(TestSupport::pollUntil([&] { return made.isClosed(); }));
        done.add();
    });
    QVERIFY(done.waitFor(1));
    QVERIFY(!root.closeAndWait());
    const std::vector<QThread *> threads = steps.threads();
    QCOMPARE(threads.size(), std::size_t(3));
    QVERIFY(std::none_of(threads.begin(), threads.end(),
                         [&](QThread *thread) { return pool.contains(thread); }));
}

void RulesB::r34_aProcessConstructedInAWorkHasItsParentsThread()
{
    StepThreads steps;
    Counter watched;
    Process root;
    root.go([&](Process &self) {
        Process made(&self);
        CHECK(made.thread() == root.thread());
        steps.watch(made);
        watched.add();
        CHECK(!made.closeAndWait());
    });
    QVERIFY(watched.waitFor(1)); // closing() may come before that else
    QVERIFY(!root.closeAndWait()); // runs the steps whose home is this thread
    QVERIFY(steps.areNot(3, QThread::currentThread()));
}

// R35: other threads

void RulesB::r35_stepsRunAtHome()
{
    EventLoopThread thread;
    StepThreads here;
    StepThreads there;
    Process root;
    here.watch(root);
    std::array<Process, 10> children;
    for (Process &child : children) {
        there.watch(child);
        child.moveToThread(&thread);
        root.addChild(&child);
    }
    QVERIFY(!root.closeAndWait());
    QVERIFY(here.are(3, QThread::currentThread()));
    QVERIFY(there.are(30, &thread));
}

void RulesB::r35_manyProcessesOfAThreadCostFewEvents()
{
    constexpr std::size_t count = 2000;
    Process root;
    std::vector<Process> children(count);
    for (Process &child : children)
        root.addChild(&child);
    QCoreApplication::processEvents();

    const EventCounter counter;
    QElapsedTimer time;
    time.start();
    Thread([&] { root.close(); }).join();
    while (!root.isClosed() && !time.hasExpired(std::chrono::milliseconds(patience).count()))
        QCoreApplication::processEvents();
    QVERIFY(root.isClosed());
    // One event to begin with, and one for each slice of the time that it took (R40).
    QVERIFY2(counter.count <= 2 + time.elapsed(), qPrintable(QString::number(counter.count)));
    QVERIFY(counter.count < int(count));
}

void RulesB::r35_aConnectionByHandReachesAnyThread()
{
    EventLoopThread thread;
    Process first;
    Process second;
    second.moveToThread(&thread);
    Process third;
    QObject::connect(&first, &Process::closing, &second, &Process::close);
    QObject::connect(&second, &Process::closing, &third, &Process::close);
    const ProcessPtr work = GoProcess::go([](Process &self) { self.waitForClosing(); });
    QObject::connect(&third, &Process::closing, work.get(), &Process::close);
    first.close();
    QVERIFY(closesInEventLoop(third));
    QVERIFY(first.isClosed());
    QVERIFY(second.waitForClosed(soon()));
    QVERIFY(work->waitForClosed(soon()));
}

// R36: moving

void RulesB::r36_aProcessMovesBeforeItHasEdges()
{
    EventLoopThread thread;
    StepThreads steps;
    Process root;
    Process child;
    steps.watch(child);
    child.moveToThread(&thread);
    root.addChild(&child);
    QVERIFY(!root.closeAndWait());
    QVERIFY(steps.are(3, &thread));
}

void RulesB::r36_aProcessMovesAfterItHasEdges()
{
    EventLoopThread thread;
    StepThreads steps;
    Process root;
    Process child;
    steps.watch(child);
    root.addChild(&child);
    child.moveToThread(&thread);
    QVERIFY(!root.closeAndWait());
    QVERIFY(steps.are(3, &thread));
}

void RulesB::r36_stepsThatWaitAreForwarded()
{
    EventLoopThread thread;
    StepThreads steps;
    Process process;
    steps.watch(process);
    process.close(); // its steps wait for this thread
    process.moveToThread(&thread);
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(steps.are(3, &thread));
}

void RulesB::r36_aProcessThatMovesInItsClosingSlotGoesOnThere()
{
    EventLoopThread thread;
    StepThreads steps;
    Process process;
    QObject::connect(
            &process, &Process::closing, &process, [&] { process.moveToThread(&thread); },
            Qt::DirectConnection);
    process.setTeardown([&] { steps.note(); });
    QObject::connect(
            &process, &Process::closed, &process, [&] { steps.note(); }, Qt::DirectConnection);
    QVERIFY(!process.closeAndWait());
    QVERIFY(steps.are(2, &thread));
}

void RulesB::r36_aProcessThatMovesInItsTeardownGoesOnThere()
{
    EventLoopThread thread;
    StepThreads steps;
    Process process;
    process.setTeardown([&] { process.moveToThread(&thread); });
    QObject::connect(
            &process, &Process::closed, &process, [&] { steps.note(); }, Qt::DirectConnection);
    QVERIFY(!process.closeAndWait());
    QVERIFY(steps.are(1, &thread));
}

void RulesB::r36_noStepRunsInTheNewHomeBeforeTheMoveIsOver()
{
    EventLoopThread thread;
    StepThreads steps;
    Process process;
    steps.watch(process);
    process.close();
    new MoveProbe(&process, [&] {
        // Whatever the new home was sent by now it runs before this returns.
        thread.flush();
        CHECK(steps.isEmpty());
    });
    process.moveToThread(&thread);
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(steps.are(3, &thread));
}

void RulesB::r36_aCloseDuringTheMoveRunsNothingBeforeTheMoveIsOver()
{
    EventLoopThread thread;
    StepThreads steps;
    Process process;
    steps.watch(process);
    new MoveProbe(&process, [&] {
        Thread([&] { process.close(); }).join();
        thread.flush();
        CHECK(steps.isEmpty());
    });
    process.moveToThread(&thread);
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(steps.are(3, &thread));
}

// R37: waits

void RulesB::r37_aWaitRunsTheStepsOfItsThread()
{
    StepThreads steps;
    Process process;
    steps.watch(process);
    Thread([&] { process.close(); }).join();
    QVERIFY(steps.isEmpty());
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(steps.are(3, QThread::currentThread()));
}

void RulesB::r37_aWaitRunsNothingElse()
{
    EventLoopThread thread;
    Gate gate;
    Process root; // opens the gate in this thread, for the child in the other one
    QObject::connect(&root, &Process::closing, &root, [&] { gate.open(); });
    Process child([&] { gate.pass(); });
    child.moveToThread(&thread);
    root.addChild(&child);

    Bystander bystander;
    bystander.expectAll();
    const QPointer<QObject> doomed = new QObject;
    doomed->deleteLater();
#ifdef Q_OS_UNIX
    int pipe[2] = { -1, -1 };
    QCOMPARE(::pipe(pipe), 0);
    const auto closePipe = qScopeGuard([&] {
        ::close(pipe[0]);
        ::close(pipe[1]);
    });
    QCOMPARE(::write(pipe[1], "x", 1), 1);
    int activations = 0;
    QSocketNotifier notifier(pipe[0], QSocketNotifier::Read);
    QObject::connect(&notifier, &QSocketNotifier::activated, &notifier, [&] {
        ++activations;
        notifier.setEnabled(false);
    });
#endif

    QVERIFY(!root.closeAndWait());
    QCOMPARE(bystander.all(), 0);
    QVERIFY(doomed);
#ifdef Q_OS_UNIX
    QCOMPARE(activations, 0);
    QTRY_COMPARE(activations, 1);
#endif
    // All of it was there to be delivered.
    QTRY_VERIFY(bystander.timers > 0 && bystander.posted > 0 && bystander.calls > 0);
    QTRY_VERIFY(!doomed);
}

void RulesB::r37_aWaitRunsNoNestedEventLoop()
{
    const int level = QThread::currentThread()->loopLevel();
    Process process;
    QObject::connect(&process, &Process::closing, &process,
                     [&] { CHECK(QThread::currentThread()->loopLevel() == level); });
    process.setTeardown([&] { CHECK(QThread::currentThread()->loopLevel() == level); });
    QVERIFY(!process.closeAndWait());
}

void RulesB::r37_aWaitForClosingRunsStepsToo()
{
    Process first;
    Process second;
    QObject::connect(&first, &Process::closing, &second, &Process::close);
    first.close();
    QVERIFY(second.waitForClosing(soon()));
}

void RulesB::r37_aWaitNeedsNoEventLoop()
{
    EventLoopThread thread;
    const auto close = [&] {
        Process root;
        Process child;
        child.moveToThread(&thread);
        root.addChild(&child);
        root.go([](Process &self) { self.waitForClosing(); });
        return root.closeAndWait();
    };
    QVERIFY(!close());
    QTimer::singleShot(0, QCoreApplication::instance(), &QCoreApplication::quit);
    QCoreApplication::exec();
    QVERIFY(!close());
}

void RulesB::r37_aWaitEndsAtItsDeadline()
{
    Process process;
    QVERIFY(!process.waitForClosing(QDeadlineTimer(0)));
    QVERIFY(!process.waitForClosing(QDeadlineTimer(10)));
    QVERIFY(!process.waitForClosed(QDeadlineTimer(10)));
    Hold hold = process.hold();
    process.close();
    QVERIFY(process.waitForClosing(QDeadlineTimer(0)));
    QVERIFY(!process.waitForClosed(QDeadlineTimer(0)));
    QVERIFY(!process.waitForClosed(QDeadlineTimer(10)));
    hold.release();
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(process.waitForClosed(QDeadlineTimer(0)));
}

void RulesB::r37_aLongWaitWarnsOfWhatIsOpen()
{
    Gate gate;
    Process root;
    root.setName(QStringLiteral("root"));
    Process done;
    done.setName(QStringLiteral("done"));
    Process held;
    held.setName(QStringLiteral("held"));
    root.addChild(&done);
    root.addChild(&held);
    const ProcessPtr work = root.go(QStringLiteral("work"), [&] { gate.pass(); });
    Hold hold = held.hold();
    std::vector<Hold> manyHolds; // more than a reader wants to see
    std::array<Process, 30> many;
    for (Process &one : many) {
        root.addChild(&one);
        manyHolds.push_back(one.hold());
    }

    const ExpectWarning warning(naming({ &held, work.get() }));
    const Thread releaser([&] {
        if (!QTest::qWaitFor([&] { return warning.count() > 0; }, int(patience.count()) * 1000))
            TestSupport::fail(QStringLiteral("There was no warning"));
        hold.release();
        manyHolds.clear();
        gate.open();
    });
    QVERIFY(!root.closeAndWait());
    QCOMPARE(warning.count(), 1);
    const QString message = warning.messages().constFirst();
    QVERIFY2(message.contains(QStringLiteral("event loop")), qPrintable(message));
    QVERIFY2(!message.contains(done.path()), qPrintable(message));
    QVERIFY2(message.contains(QStringLiteral("and 12 more")), qPrintable(message)); // of 32
}

void RulesB::r37_manyThreadsMayWait()
{
    Process process;
    std::vector<Thread> threads;
    for (int i = 0; i < 16; ++i) {
        threads.emplace_back([&] {
            CHECK(process.waitForClosing(soon()));
            CHECK(process.waitForClosed(soon()));
        });
    }
    QVERIFY(!process.closeAndWait());
}

// R38: threads that do not run

void RulesB::r38_stepsAreDrainedAtTheEndOfTheirThread()
{
    EventLoopThread thread;
    Gate gate;
    StepThreads steps;
    Process process;
    steps.watch(process);
    process.moveToThread(&thread);
    thread.post([&] {
        gate.pass();
        thread.quit(); // the steps are queued behind this function, and never delivered
    });
    QVERIFY(gate.waitForArrivals());
    process.close();
    gate.open();
    QVERIFY(thread.wait(soon()));
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(steps.are(3, &thread));
}

void RulesB::r38_stepsOfAThreadWithoutEventLoopAreDrainedAtItsEnd()
{
    EventLog log;
    std::unique_ptr<Process> process;
    std::thread::id home;
    std::thread::id drainedIn;
    Thread([&] {
        home = std::this_thread::get_id();
        process = std::make_unique<Process>([&] { drainedIn = std::this_thread::get_id(); });
        log.watch(*process, QStringLiteral("process"));
        process->close();
    }).join();
    QVERIFY(process->waitForClosed(soon()));
    QVERIFY(log.compare({ QStringLiteral("closing process"), QStringLiteral("closed process") }));
    QVERIFY(home != std::thread::id());
    QVERIFY(drainedIn == home);
}

void RulesB::r38_stepsOfAThreadThatBecomesAHomeInItsLastSignalAreNotLost()
{
    QThread thread;
    Counter torn;
    Process process([&] { torn.add(); });
    process.moveToThread(&thread);
    QObject::connect(
            &thread, &QThread::finished, &process, [&] { process.close(); }, Qt::DirectConnection);
    const ExpectWarning warning(QStringLiteral("does not run its steps any more"));
    thread.start();
    thread.quit();
    QVERIFY(thread.wait(soon()));
    QVERIFY(process.waitForClosed(soon()));
    QCOMPARE(torn.count(), 1);
    // The thread warns when it has handed its steps on, and it may be wait() that returns before.
    QTRY_COMPARE_WITH_TIMEOUT(warning.count(), 1, int(patience.count()) * 1000);
}

void RulesB::r38_stepsOfAFinishedThreadRunWhereSomebodyWaits()
{
    EventLoopThread thread;
    StepThreads steps;
    Process process;
    process.setName(QStringLiteral("process"));
    steps.watch(process);
    process.moveToThread(&thread);
    thread.stop();
    const ExpectWarning warning(naming({ &process }));
    QVERIFY(!process.closeAndWait());
    QVERIFY(steps.are(3, QThread::currentThread()));
}

void RulesB::r38_stepsOfAFinishedThreadRunWhereSomebodyCloses()
{
    EventLoopThread thread;
    StepThreads steps;
    Process process;
    process.setName(QStringLiteral("process"));
    steps.watch(process);
    process.moveToThread(&thread);
    thread.stop();
    const ExpectWarning warning(naming({ &process }));
    process.close();
    QVERIFY(steps.isEmpty()); // R17
    QTRY_VERIFY_WITH_TIMEOUT(process.isClosed(), int(patience.count()) * 1000);
    QVERIFY(steps.are(3, QThread::currentThread()));
}

void RulesB::r38_stepsOfAFinishedThreadRunWhereADependencyCompletes()
{
    EventLoopThread thread;
    Gate gate;
    EventLog log;
    Process process(log.teardown(QStringLiteral("process")));
    process.setName(QStringLiteral("process"));
    log.watch(process);
    const ProcessPtr work = process.go([&] { gate.pass(); });
    process.moveToThread(&thread);
    thread.stop();
    const ExpectWarning warning(naming({ &process }));
    process.close();
    QTRY_VERIFY_WITH_TIMEOUT(log.contains(QStringLiteral("closing process")),
                             int(patience.count()) * 1000);
    gate.open();
    // This thread serves nothing: the work's thread has to run the rest.
    QVERIFY(log.waitFor(QStringLiteral("closed process")));
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(log.compare({ QStringLiteral("closing process"), QStringLiteral("teardown process"),
                          QStringLiteral("closed process") }));
}

void RulesB::r38_stepsOfADestroyedThreadRunWhereSomebodyWaits()
{
    StepThreads steps;
    Process process;
    process.setName(QStringLiteral("process"));
    steps.watch(process);
    {
        EventLoopThread thread;
        process.moveToThread(&thread);
    }
    const ExpectWarning warning(naming({ &process }));
    QVERIFY(!process.closeAndWait());
    QVERIFY(steps.are(3, QThread::currentThread()));
}

void RulesB::r38_stepsWithoutAThreadRunWhereSomebodyWaits()
{
    StepThreads steps;
    Process process;
    process.setName(QStringLiteral("process"));
    steps.watch(process);
    process.moveToThread(nullptr);
    const ExpectWarning warning(naming({ &process }));
    QVERIFY(!process.closeAndWait());
    QVERIFY(steps.are(3, QThread::currentThread()));
}

void RulesB::r38_stepsOfAThreadThatNeverStartedRunWhereSomebodyWaits()
{
    PlainThread thread;
    StepThreads steps;
    Process process;
    process.setName(QStringLiteral("process"));
    steps.watch(process);
    process.moveToThread(&thread);
    process.close();
    QCoreApplication::processEvents();
    QVERIFY(steps.isEmpty()); // it may still start
    const ExpectWarning warning(naming({ &process }));
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(steps.are(3, QThread::currentThread()));
}

void RulesB::r38_stepsOfAThreadThatStartsLaterRunThere()
{
    PlainThread thread;
    StepThreads steps;
    Process process;
    steps.watch(process);
    process.moveToThread(&thread);
    process.close();
    thread.start();
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(steps.are(3, &thread));
    thread.quit();
    QVERIFY(thread.wait(soon()));
}

void RulesB::r38_aRestartedThreadIsAHomeAgain()
{
    PlainThread thread;
    StepThreads before;
    Process first;
    first.setName(QStringLiteral("first"));
    before.watch(first);
    first.moveToThread(&thread);
    StepThreads after;
    Process second;
    after.watch(second);
    second.moveToThread(&thread);

    thread.start();
    thread.quit();
    QVERIFY(thread.wait(soon()));
    {
        const ExpectWarning warning(naming({ &first }));
        QVERIFY(!first.closeAndWait());
    }
    thread.start();
    QVERIFY(!second.closeAndWait());
    thread.quit();
    QVERIFY(thread.wait(soon()));
    QVERIFY(before.are(3, QThread::currentThread()));
    QVERIFY(after.are(3, &thread));
}

// R39: waits that could only end after themselves

void RulesB::r39_waitInOwnTeardownIsRefused()
{
    Process process;
    process.setName(QStringLiteral("process"));
    process.setTeardown([&] {
        CHECK(!process.waitForClosed());
        CHECK(!process.waitForClosed(soon()));
        CHECK(process.closeAndWait().isError());
    });
    const ExpectWarning warning(naming({ &process }), 3);
    QVERIFY(!process.closeAndWait());
}

void RulesB::r39_waitInOwnClosingSlotIsRefused()
{
    Process process;
    process.setName(QStringLiteral("process"));
    QObject::connect(&process, &Process::closing, &process, [&] {
        CHECK(process.waitForClosing());
        CHECK(!process.waitForClosed());
        CHECK(process.closeAndWait().isError());
    });
    const ExpectWarning warning(naming({ &process }), 2);
    QVERIFY(!process.closeAndWait());
}

void RulesB::r39_waitInOwnClosedSlotIsTrueAtOnce()
{
    int calls = 0;
    Process process([] { return Error(QStringLiteral("failed")); });
    QObject::connect(&process, &Process::closed, &process, [&] {
        ++calls;
        CHECK(process.waitForClosing());
        CHECK(process.waitForClosed());
        CHECK(process.closeAndWait().message() == QStringLiteral("failed"));
    });
    QCOMPARE(process.closeAndWait().message(), QStringLiteral("failed"));
    QCOMPARE(calls, 1);
}

void RulesB::r39_waitInOwnWorkIsRefusedButCloses()
{
    Process root;
    root.setName(QStringLiteral("root"));
    const ExpectWarning warning(naming({ QStringLiteral("/root/work") }), 2);
    const ProcessPtr work = root.go(QStringLiteral("work"), [](Process &self) {
        CHECK(!self.waitForClosed());
        CHECK(!self.isClosing());
        CHECK(self.closeAndWait().isError());
        CHECK(self.isClosing());
    });
    QVERIFY(work->waitForClosed(soon()));
    QVERIFY(!work->error()); // that of the refused wait is not the work's
    QVERIFY(!root.isClosing());
}

void RulesB::r39_waitForAnAncestorInATeardownIsRefusedButCloses()
{
    Process root;
    root.setName(QStringLiteral("root"));
    Process middle;
    root.addChild(&middle);
    Process leaf([&] {
        CHECK(!root.waitForClosed());
        CHECK(!root.isClosing());
        CHECK(root.closeAndWait().isError());
        CHECK(root.isClosing());
    });
    middle.addChild(&leaf);
    const ExpectWarning warning(naming({ &root }), 2);
    QVERIFY(!leaf.closeAndWait());
    QVERIFY(root.waitForClosed(soon()));
}

void RulesB::r39_waitForAnAncestorInAWorkIsRefused()
{
    Process root;
    root.setName(QStringLiteral("root"));
    const ExpectWarning warning(naming({ &root }), 2);
    const ProcessPtr outer = root.go([&](Process &self) {
        const ProcessPtr inner = self.go([&] {
            CHECK(!root.waitForClosed());
            CHECK(root.closeAndWait().isError());
        });
        CHECK(inner->waitForClosed(soon()));
    });
    QVERIFY(root.waitForClosed(soon()));
}

void RulesB::r39_waitForTheParentInAClosedSlotIsRefused()
{
    Process root;
    root.setName(QStringLiteral("root"));
    Process child;
    root.addChild(&child);
    QObject::connect(&child, &Process::closed, &child, [&] {
        CHECK(!root.waitForClosed());
        CHECK(root.closeAndWait().isError());
    });
    const ExpectWarning warning(naming({ &root }), 2);
    QVERIFY(!child.closeAndWait());
    QVERIFY(root.waitForClosed(soon()));
}

void RulesB::r39_waitForAStepFurtherDownTheStackIsRefused()
{
    Process outer;
    outer.setName(QStringLiteral("outer"));
    Process inner;
    inner.setTeardown([&] { CHECK(!outer.waitForClosed()); }); // in the teardown of outer
    outer.setTeardown([&] { CHECK(!inner.closeAndWait()); });
    const ExpectWarning warning(naming({ &outer }));
    QVERIFY(!outer.closeAndWait());
    QVERIFY(inner.isClosed());
}

void RulesB::r39_waitForAWaitingWorkInTheSameThreadIsRefused()
{
    QThreadPool pool;
    pool.setMaxThreadCount(1); // the second work runs in the wait of the first (R32)
    Process root;
    root.setName(QStringLiteral("root"));
    root.setThreadPool(&pool);
    const ExpectWarning warning(naming({ QStringLiteral("/root/first") }));
    const ProcessPtr first = root.go(QStringLiteral("first"), [&](Process &self) {
        const ProcessPtr second = root.go([&] { CHECK(!self.waitForClosed(soon())); });
        CHECK(second->waitForClosed());
    });
    QVERIFY(first->waitForClosed(soon()));
}

void RulesB::r39_waitForClosingInAWorkIsAllowed()
{
    Counter started;
    Process root;
    const ProcessPtr work = root.go([&](Process &self) {
        started.add();
        CHECK(self.waitForClosing());
        CHECK(root.waitForClosing());
    });
    QVERIFY(started.waitFor(1));
    QVERIFY(!root.closeAndWait());
}

void RulesB::r39_waitForOthersInAStepIsAllowed()
{
    EventLoopThread thread;
    Process here;
    Process there;
    there.moveToThread(&thread);
    Process process([&] {
        CHECK(!here.closeAndWait());
        CHECK(!there.closeAndWait());
        CHECK(GoProcess::go([] {})->waitForClosed());
    });
    QVERIFY(!process.closeAndWait());
}

// R40: large closes

void RulesB::r40_closeRunsNoUserCode()
{
    StepThreads steps;
    Process root;
    std::array<Process, 1000> children;
    for (Process &child : children) {
        steps.watch(child);
        root.addChild(&child);
    }
    root.close();
    QVERIFY(std::all_of(children.begin(), children.end(),
                        [](const Process &child) { return child.isClosing(); }));
    QVERIFY(steps.isEmpty());
    QVERIFY(root.waitForClosed(soon()));
}

void RulesB::r40_otherEventsAreDeliveredBetweenSlices()
{
    // 100 ms of steps, so 12 slices of at most 8 ms.
    constexpr std::size_t count = 100;
    std::size_t closed = 0;
    std::size_t closedAtCall = count;
    QObject receiver;
    Process root;
    std::array<Process, count> children;
    for (Process &child : children) {
        child.setTeardown([&] {
            burn(std::chrono::milliseconds(1));
            if (closed++ == 0) {
                QMetaObject::invokeMethod(
                        &receiver, [&] { closedAtCall = closed; }, Qt::QueuedConnection);
            }
        });
        root.addChild(&child);
    }
    root.close();
    QVERIFY(closesInEventLoop(root));
    QCOMPARE(closed, count);
    // Behind one slice at most, whose last step may be begun just before its end.
    QVERIFY2(closedAtCall <= 10, qPrintable(QString::number(closedAtCall)));
}

void RulesB::r40_timersFireBetweenSlices()
{
    constexpr std::size_t count = 100;
    std::size_t closed = 0;
    QSet<std::size_t> closedAtTicks;
    QTimer timer;
    timer.setTimerType(Qt::PreciseTimer);
    QObject::connect(&timer, &QTimer::timeout, &timer, [&] { closedAtTicks << closed; });
    Process root;
    std::array<Process, count> children;
    for (Process &child : children) {
        child.setTeardown([&] {
            burn(std::chrono::milliseconds(1));
            ++closed;
        });
        root.addChild(&child);
    }
    timer.start(std::chrono::milliseconds(1));
    root.close();
    QVERIFY(closesInEventLoop(root));
    QCOMPARE(closed, count);
    // 12 slices give at least 11 breaks; half of them may be the system's business.
    QVERIFY2(closedAtTicks.size() >= 5, qPrintable(QString::number(closedAtTicks.size())));
}

void RulesB::r40_aNestedEventLoopInAStepKeepsDelivering()
{
    EventLog log;
    Process root;
    Process first;
    first.setName(QStringLiteral("first"));
    Process second;
    second.setName(QStringLiteral("second"));
    root.addChild(&first);
    root.addChild(&second);
    QObject::connect(&first, &Process::closing, &first, [&] {
        // The steps of the other are in the same queue as this one.
        log.add(QStringLiteral("begin"));
        CHECK(closesInEventLoop(second));
        log.add(QStringLiteral("end"));
    });
    log.watch(second);
    root.close();
    QVERIFY(closesInEventLoop(root));
    QVERIFY(log.inOrder(QStringLiteral("begin"), QStringLiteral("end")));
    QVERIFY(log.inOrder(QStringLiteral("closed second"), QStringLiteral("end")));
}

// R41: the destructor

void RulesB::r41_theDestructorClosesAndWaits()
{
    EventLoopThread thread;
    EventLog log;
    Process child(log.teardown(QStringLiteral("child")));
    child.moveToThread(&thread);
    ProcessPtr work;
    {
        Process root(log.teardown(QStringLiteral("root")));
        log.watch(root, QStringLiteral("root"));
        root.addChild(&child);
        work = root.go([](Process &self) { self.waitForClosing(); });
    }
    QVERIFY(child.isClosed());
    QVERIFY(work->isClosed());
    QVERIFY(log.inOrder(QStringLiteral("closing root"), QStringLiteral("teardown root")));
    QVERIFY(log.inOrder(QStringLiteral("teardown child"), QStringLiteral("teardown root")));
    QVERIFY(log.inOrder(QStringLiteral("teardown root"), QStringLiteral("closed root")));
}

void RulesB::r41_theDestructorDeliversNoEvents()
{
    Bystander bystander;
    {
        Process root;
        root.go([](Process &self) { self.waitForClosing(); });
        bystander.expectAll();
    }
    QCOMPARE(bystander.all(), 0);
    QTRY_VERIFY(bystander.timers > 0 && bystander.posted > 0 && bystander.calls > 0);
}

// R42: edges never dangle

void RulesB::r42_processesMayBeDestroyedInAnyOrder()
{
    std::array<std::size_t, 4> order { 0, 1, 2, 3 };
    do {
        std::array<int, 4> teardowns {};
        std::array<std::unique_ptr<Process>, 4> processes;
        for (std::size_t i = 0; i < 4; ++i)
            processes[i] = std::make_unique<Process>([&teardowns, i] { ++teardowns[i]; });
        // A diamond, and a closing edge back to its top.
        QVERIFY(processes[0]->addChild(processes[1].get()));
        QVERIFY(processes[0]->addChild(processes[2].get()));
        QVERIFY(processes[1]->addChild(processes[3].get()));
        QVERIFY(processes[2]->addChild(processes[3].get()));
        QVERIFY(processes[3]->addChildNoWait(processes[0].get()));
        for (const std::size_t i : order)
            processes[i].reset();
        QCOMPARE(teardowns, (std::array { 1, 1, 1, 1 }));
    } while (std::next_permutation(order.begin(), order.end()));
}

void RulesB::r42_aProcessMayBeDestroyedWhileThreadsWaitForIt()
{
    Counter waiting;
    auto process = std::make_unique<Process>();
    std::vector<Thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&waiting, target = process.get()] {
            // A step of this thread runs only in a wait, so it tells that the wait has begun.
            Process marker;
            QObject::connect(&marker, &Process::closing, &marker, [&] { waiting.add(); });
            marker.close();
            CHECK(target->waitForClosed(soon()));
        });
    }
    QVERIFY(waiting.waitFor(8));
    process.reset();
}

void RulesB::r42_futuresOutliveTheProcess()
{
    QFuture<void> closing;
    QFuture<Error> closed;
    {
        const Process process([] { return Error(QStringLiteral("failed")); });
        closing = process.whenClosing();
        closed = process.whenClosed();
        QVERIFY(!closing.isFinished());
        QVERIFY(!closed.isFinished());
    }
    QVERIFY(closing.isFinished());
    QVERIFY(closed.isFinished());
    QCOMPARE(closed.result().message(), QStringLiteral("failed"));
}

// R43: deletion in slots

void RulesB::r43_aProcessMayBeDeletedInItsClosingSlot()
{
    EventLog log;
    Process root;
    auto *const process = new Process(log.teardown(QStringLiteral("process")));
    root.addChild(process);
    QObject::connect(process, &Process::closing, &root, [&log, process] {
        log.add(QStringLiteral("first slot"));
        delete process;
        log.add(QStringLiteral("deleted"));
    });
    QObject::connect(process, &Process::closing, &root,
                     [&log] { log.add(QStringLiteral("second slot")); });
    QObject::connect(process, &Process::closed, &root,
                     [&log] { log.add(QStringLiteral("closed")); });
    QVERIFY(!root.closeAndWait());
    QVERIFY(log.compare({ QStringLiteral("first slot"), QStringLiteral("teardown process"),
                          QStringLiteral("closed"), QStringLiteral("deleted") }));
}

void RulesB::r43_aProcessMayBeDeletedInItsClosedSlot()
{
    EventLog log;
    Process root;
    auto *const process = new Process(log.teardown(QStringLiteral("process")));
    root.addChild(process);
    const QFuture<Error> future = process->whenClosed();
    QObject::connect(process, &Process::closed, &root, [&log, process] {
        log.add(QStringLiteral("closed"));
        delete process;
        log.add(QStringLiteral("deleted"));
    });
    QVERIFY(!root.closeAndWait());
    QVERIFY(log.compare({ QStringLiteral("teardown process"), QStringLiteral("closed"),
                          QStringLiteral("deleted") }));
    QVERIFY(future.isFinished());
}

void RulesB::r43_aProcessMayBeDeletedInItsStateChangedSlot_data()
{
    QTest::addColumn<Process::State>("state");
    QTest::newRow("closing") << Process::State::Closing;
    QTest::newRow("closed") << Process::State::Closed;
}

void RulesB::r43_aProcessMayBeDeletedInItsStateChangedSlot()
{
    QFETCH(const Process::State, state);
    EventLog log;
    Process root;
    auto *const process = new Process(log.teardown(QStringLiteral("process")));
    root.addChild(process);
    const QFuture<Error> future = process->whenClosed();
    QObject::connect(process, &Process::stateChanged, &root,
                     [&log, process, state](Process::State now) {
                         if (now != state)
                             return;
                         delete process;
                         log.add(QStringLiteral("deleted"));
                     });
    QVERIFY(!root.closeAndWait());
    QVERIFY(log.compare({ QStringLiteral("teardown process"), QStringLiteral("deleted") }));
    QVERIFY(future.isFinished());
}

void RulesB::r43_anotherThreadMayDeleteRightAfterItsWait()
{
    for (int i = 0; i < 100; ++i) {
        Process root;
        auto *const process = new Process;
        root.addChild(process);
        const Thread deleter([process] {
            CHECK(process->waitForClosed(soon()));
            delete process;
        });
        QVERIFY(!root.closeAndWait());
    }
}

void RulesB::r43_aChildMayBeDeletedInTheTeardownOfItsParent()
{
    EventLog log;
    Process root;
    auto *const child = new Process(log.teardown(QStringLiteral("child")));
    root.addChild(child);
    root.setTeardown([&, child] {
        delete child;
        log.add(QStringLiteral("deleted"));
    });
    QVERIFY(!root.closeAndWait());
    QVERIFY(log.compare({ QStringLiteral("teardown child"), QStringLiteral("deleted") }));
}

void RulesB::r43_deletionThatCouldNotEndIsFatal_data()
{
    QTest::addColumn<QString>("path");
    QTest::newRow("deleteInTeardown") << QStringLiteral("/doomed");
    QTest::newRow("deleteInWork") << QStringLiteral("/root/doomed");
    QTest::newRow("deleteParentInTeardown") << QStringLiteral("/doomed");
    QTest::newRow("deleteParentInWork") << QStringLiteral("/doomed");
}

void RulesB::r43_deletionThatCouldNotEndIsFatal()
{
    QFETCH(const QString, path);
    const Outcome result = runScenario(QString::fromLatin1(QTest::currentDataTag()));
    QVERIFY(isFatal(result, path));
}

// R44: QObject parents

void RulesB::r44_aProcessParentMakesAChildAndOwnsIt()
{
    EventLog log;
    QPointer<Process> child;
    {
        Process root(log.teardown(QStringLiteral("root")));
        root.setName(QStringLiteral("root"));
        child = new Process(log.teardown(QStringLiteral("child")), &root);
        child->setName(QStringLiteral("child"));
        QCOMPARE(child->parent(), &root);
        QCOMPARE(child->path(), QStringLiteral("/root/child"));
        root.close();
        QVERIFY(child->isClosing());
        QVERIFY(root.waitForClosed(soon()));
        QVERIFY(child->isClosed());
        QVERIFY(log.compare({ QStringLiteral("teardown child"), QStringLiteral("teardown root") }));
    }
    QVERIFY(!child);
}

void RulesB::r44_anotherParentOnlyOwns()
{
    EventLog log;
    Process root;
    QPointer<Process> process;
    {
        QObject owner(&root);
        process = new Process(log.teardown(QStringLiteral("process")), &owner);
        QCOMPARE(process->parent(), &owner);
        QVERIFY(!root.closeAndWait());
        QVERIFY(!process->isClosing()); // there is no edge, not even by way of the owner
    }
    QVERIFY(!process);
    QVERIFY(log.compare({ QStringLiteral("teardown process") }));
}

void RulesB::r44_aParentInAnotherThreadOwnsNothing()
{
    EventLoopThread thread;
    StepThreads steps;
    Process root;
    root.moveToThread(&thread);
    Process child(&root);
    steps.watch(child);
    QVERIFY(!child.parent());
    QCOMPARE(child.thread(), QThread::currentThread());
    root.close();
    QVERIFY(child.isClosing());
    QVERIFY(root.waitForClosed(soon()));
    QVERIFY(child.isClosed());
    QVERIFY(steps.are(3, QThread::currentThread()));
}

void RulesB::r44_aClosingParentClosesTheNewProcessAndWaitsForIt()
{
    Process root;
    Hold hold = root.hold();
    root.close();
    const Process child(&root);
    QVERIFY(child.isClosing());
    hold.release();
    QVERIFY(root.waitForClosed(soon()));
    QVERIFY(child.isClosed());
}

void RulesB::r44_aNewProcessWhoseEdgeIsRefusedIsClosed()
{
    Process root;
    root.setName(QStringLiteral("root"));
    QVERIFY(!root.closeAndWait());
    const ExpectWarning warning(naming({ &root }));
    Process child(&root);
    QVERIFY(child.isClosing());
    QVERIFY(child.waitForClosed(soon()));
}

void RulesB::r44_setParentMakesNoEdge()
{
    Process root;
    Process child;
    child.setParent(&root);
    QVERIFY(!root.closeAndWait()); // so there is nothing to wait for either
    QVERIFY(!child.isClosing());
    child.setParent(nullptr);
}

// R45: without an application

void RulesB::r45_processesWorkWithoutAnApplication()
{
    const Outcome result = runScenario(QStringLiteral("withoutApplication"));
    QVERIFY(isClean(result));
    QVERIFY(result.output.contains(QStringLiteral("teardown child")));
    QCOMPARE(result.output.constLast(), QStringLiteral("closed root"));
}

void RulesB::r45_processesWorkBeforeAndAfterTheApplication()
{
    const Outcome result = runScenario(QStringLiteral("beforeAndAfterApplication"));
    QVERIFY(isClean(result));
    QStringList expected;
    for (const QString &name :
         { QStringLiteral("before"), QStringLiteral("during"), QStringLiteral("after") }) {
        expected << QStringLiteral("closing ") + name << QStringLiteral("closing child")
                 << QStringLiteral("teardown child") << QStringLiteral("closed child")
                 << QStringLiteral("teardown root") << QStringLiteral("closed ") + name;
    }
    QCOMPARE(result.output, expected);
}

void RulesB::r45_processesOutliveTheApplication()
{
    const Outcome result = runScenario(QStringLiteral("acrossApplication"));
    QVERIFY(isClean(result));
    QCOMPARE(result.output,
             QStringList({ QStringLiteral("application gone"), QStringLiteral("closing root"),
                           QStringLiteral("teardown"), QStringLiteral("closed root") }));
}

void RulesB::r45_stepsWaitForTheApplication_data()
{
    QTest::addColumn<QString>("before");
    QTest::newRow("closedBeforeApplication") << QStringLiteral("no application yet");
    QTest::newRow("closedBetweenApplications") << QStringLiteral("application gone");
}

void RulesB::r45_stepsWaitForTheApplication()
{
    QFETCH(const QString, before);
    const Outcome result = runScenario(QString::fromLatin1(QTest::currentDataTag()));
    QVERIFY(isClean(result));
    QCOMPARE(
            result.output,
            QStringList({ before, QStringLiteral("closing root"), QStringLiteral("closed root") }));
}

void RulesB::r45_aWaitRunsStepsWithoutAnApplication_data()
{
    QTest::addColumn<int>("unused");
    QTest::newRow("threadWithoutApplication") << 0;
    QTest::newRow("movedWithoutApplication") << 0;
}

void RulesB::r45_aWaitRunsStepsWithoutAnApplication()
{
    const Outcome result = runScenario(QString::fromLatin1(QTest::currentDataTag()));
    QVERIFY(isClean(result));
    QCOMPARE(result.output, QStringList { QStringLiteral("teardown at home") });
}

// R46: holds

void RulesB::r46_teardownDoesNotBeginWhileAHoldLives()
{
    EventLog log;
    Process process(log.teardown(QStringLiteral("process")));
    log.watch(process, QStringLiteral("process"));
    Hold first = process.hold();
    Hold second = process.hold();
    QVERIFY(first && first.isValid());
    process.close();
    QVERIFY(!process.waitForClosed(QDeadlineTimer(10)));
    first.release();
    QVERIFY(!process.waitForClosed(QDeadlineTimer(10)));
    QVERIFY(log.compare({ QStringLiteral("closing process") }));
    second.release();
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(log.compare({ QStringLiteral("closing process"), QStringLiteral("teardown process"),
                          QStringLiteral("closed process") }));
}

void RulesB::r46_aHoldOfAClosingProcessIsValidUntilItsTeardownBegins()
{
    Process process;
    process.setName(QStringLiteral("process"));
    QObject::connect(&process, &Process::closing, &process,
                     [&] { CHECK(process.hold().isValid()); });
    process.setTeardown([&] { CHECK(!process.hold().isValid()); });
    const ExpectWarning warning(naming({ &process }), 2);
    QVERIFY(!process.closeAndWait());
    const Hold late = process.hold();
    QVERIFY(!late && !late.isValid());
}

void RulesB::r46_aHoldMoves()
{
    static_assert(!std::is_copy_constructible_v<Hold> && !std::is_copy_assignable_v<Hold>);
    static_assert(
            std::is_nothrow_move_constructible_v<Hold> && std::is_nothrow_move_assignable_v<Hold>);
    static_assert(std::is_nothrow_default_constructible_v<Hold>);

    Process process;
    Process other;
    Hold target = other.hold();
    {
        Hold source = process.hold();
        target = std::move(source);
        QVERIFY(!source.isValid()); // NOLINT(bugprone-use-after-move): invalid is what it is now
    }
    QVERIFY(target.isValid());
    QVERIFY(!other.closeAndWait()); // what the target held before is released
    process.close();
    QVERIFY(!process.waitForClosed(QDeadlineTimer(10)));
    target = Hold();
    QVERIFY(process.waitForClosed(soon()));
}

void RulesB::r46_aHoldIsReleasedOnceAndInAnyThread()
{
    Process process;
    Hold hold = process.hold();
    Hold remaining = process.hold();
    Thread([&] {
        hold.release();
        hold.release();
    }).join();
    QVERIFY(!hold.isValid());
    process.close();
    QVERIFY(!process.waitForClosed(QDeadlineTimer(10)));
    const Thread releaser(
            [last = std::make_shared<GoProcess::Hold>(std::move(remaining))] { last->release(); });
    QVERIFY(process.waitForClosed(soon()));
}

void RulesB::r46_aReleasedHoldDoesNotClose()
{
    Process process;
    process.hold().release();
    QVERIFY(!process.waitForClosing(QDeadlineTimer(10)));
}

// R47: composition and inheritance

void RulesB::r47_aProcessThatIsTheLastMemberClosesBeforeTheOthersGo()
{
    EventLog log;
    {
        const Composed composed(log);
    }
    QVERIFY(log.compare({ QStringLiteral("teardown"), QStringLiteral("members gone") }));
}

void RulesB::r47_aSubclassThatClosesInItsDestructorNeedsNoMessage()
{
    EventLog log;
    {
        const ClosingDatabase database(log);
    }
    QVERIFY(log.compare({ QStringLiteral("teardown"), QStringLiteral("members gone") }));
}

void RulesB::r47_closingClosesBeforeTheMembersGo()
{
    static_assert(std::is_final_v<GoProcess::Closing<Database>>);
    EventLog log;
    {
        const GoProcess::Closing<Database> database(log);
    }
    QVERIFY(log.compare({ QStringLiteral("teardown"), QStringLiteral("members gone") }));
    log.take();
    {
        Process root;
        new GoProcess::Closing<Database>(log, &root);
    }
    QVERIFY(log.compare({ QStringLiteral("teardown"), QStringLiteral("members gone") }));
}

void RulesB::r47_aSubclassLeftOpenIsNamedInACriticalMessage()
{
    const Outcome result = runScenario(QStringLiteral("leftOpenSubclass"));
    QVERIFY(!result.crashed);
    QCOMPARE(result.exitCode, 0);
    QVERIFY2(result.messages.startsWith(QStringLiteral("critical goprocess: ")),
             qPrintable(result.messages));
    QVERIFY2(result.messages.contains(QStringLiteral("LeftOpenCache")),
             qPrintable(result.messages));
    QCOMPARE(result.messages.count(QLatin1Char('\n')), 1);
    // It is closed all the same (R41).
    QCOMPARE(result.output, QStringList({ QStringLiteral("teardown"), QStringLiteral("gone") }));
}

void RulesB::r47_aSubclassWithoutATeardownNeedsNoMessage()
{
    class Plain : public Process
    {
    };
    const Plain plain;
    QVERIFY(!plain.isClosing());
}

// R48: the end of the program

void RulesB::r48_worksAreAskedToCloseAtTheEndOfTheProgram()
{
    const Outcome result = runScenario(QStringLiteral("worksThatObeyAtTheEnd"));
    QVERIFY(!result.crashed);
    QCOMPARE(result.exitCode, 7);
    QCOMPARE(result.output,
             QStringList { QStringLiteral("end of main") }
                     + QStringList(8, QStringLiteral("asked to close")));
}

void RulesB::r48_aWorkThatDoesNotEndIsNamedAndLeftBehind()
{
    const Outcome result = outcome(m_stubborn);
    QVERIFY(!result.crashed);
    QCOMPARE(result.exitCode, 7);
    QCOMPARE(result.output, QStringList { QStringLiteral("end of main") }); // not terminated
    QVERIFY2(result.messages.startsWith(QStringLiteral("warning goprocess: ")),
             qPrintable(result.messages));
    QVERIFY2(result.messages.contains(QStringLiteral("/stubborn")), qPrintable(result.messages));
}

void RulesB::r48_staticProcessesCloseInStaticDestruction_data()
{
    QTest::addColumn<QString>("scenario");
    QTest::newRow("without an application") << QStringLiteral("staticProcess");
    QTest::newRow("after the application") << QStringLiteral("staticProcessAfterApplication");
}

void RulesB::r48_staticProcessesCloseInStaticDestruction()
{
    QFETCH(const QString, scenario);
    const Outcome result = runScenario(scenario);
    QVERIFY(!result.crashed);
    QCOMPARE(result.exitCode, 7);
    QCOMPARE(result.output,
             QStringList({ QStringLiteral("end of main"), QStringLiteral("closing static"),
                           QStringLiteral("late work"), QStringLiteral("teardown"),
                           QStringLiteral("closed static") }));
}

QTEST_GUILESS_MAIN(RulesB)
#include "tst_rules_b.moc"
