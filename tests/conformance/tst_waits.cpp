// SPDX-License-Identifier: MIT
// Blocking waits, also for threads that do not run, and those that are refused (R37 to R39). Each
// test is named after its rule.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "rulesupport.h"
#include "support/eventlog.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QDeadlineTimer>
#include <QObject>
#include <QPointer>
#include <QScopeGuard>
#include <QString>
#include <QTest>
#include <QThread>
#include <QThreadPool>
#include <QTimer>

#include <array>
#include <memory>
#include <thread>
#include <vector>

#ifdef Q_OS_UNIX
#  include <QSocketNotifier>
#  include <unistd.h>
#endif

using namespace TestSupport;
using GoProcess::Error;
using GoProcess::Hold;
using GoProcess::Process;
using GoProcess::ProcessPtr;

namespace {

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

} // namespace

class tst_Waits : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

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
};

// R37: waits

void tst_Waits::r37_aWaitRunsTheStepsOfItsThread()
{
    StepThreads steps;
    Process process;
    steps.watch(process);
    Thread([&] { process.close(); }).join();
    QVERIFY(steps.isEmpty());
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(steps.are(3, QThread::currentThread()));
}

void tst_Waits::r37_aWaitRunsNothingElse()
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

void tst_Waits::r37_aWaitRunsNoNestedEventLoop()
{
    const int level = QThread::currentThread()->loopLevel();
    Process process;
    QObject::connect(&process, &Process::closing, &process,
                     [&] { CHECK(QThread::currentThread()->loopLevel() == level); });
    process.setTeardown([&] { CHECK(QThread::currentThread()->loopLevel() == level); });
    QVERIFY(!process.closeAndWait());
}

void tst_Waits::r37_aWaitForClosingRunsStepsToo()
{
    Process first;
    Process second;
    QObject::connect(&first, &Process::closing, &second, &Process::close);
    first.close();
    QVERIFY(second.waitForClosing(soon()));
}

void tst_Waits::r37_aWaitNeedsNoEventLoop()
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

void tst_Waits::r37_aWaitEndsAtItsDeadline()
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

void tst_Waits::r37_aLongWaitWarnsOfWhatIsOpen()
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

void tst_Waits::r37_manyThreadsMayWait()
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

void tst_Waits::r38_stepsAreDrainedAtTheEndOfTheirThread()
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

void tst_Waits::r38_stepsOfAThreadWithoutEventLoopAreDrainedAtItsEnd()
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

void tst_Waits::r38_stepsOfAThreadThatBecomesAHomeInItsLastSignalAreNotLost()
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

void tst_Waits::r38_stepsOfAFinishedThreadRunWhereSomebodyWaits()
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

void tst_Waits::r38_stepsOfAFinishedThreadRunWhereSomebodyCloses()
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

void tst_Waits::r38_stepsOfAFinishedThreadRunWhereADependencyCompletes()
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

void tst_Waits::r38_stepsOfADestroyedThreadRunWhereSomebodyWaits()
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

void tst_Waits::r38_stepsWithoutAThreadRunWhereSomebodyWaits()
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

void tst_Waits::r38_stepsOfAThreadThatNeverStartedRunWhereSomebodyWaits()
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

void tst_Waits::r38_stepsOfAThreadThatStartsLaterRunThere()
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

void tst_Waits::r38_aRestartedThreadIsAHomeAgain()
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

void tst_Waits::r39_waitInOwnTeardownIsRefused()
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

void tst_Waits::r39_waitInOwnClosingSlotIsRefused()
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

void tst_Waits::r39_waitInOwnClosedSlotIsTrueAtOnce()
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

void tst_Waits::r39_waitInOwnWorkIsRefusedButCloses()
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

void tst_Waits::r39_waitForAnAncestorInATeardownIsRefusedButCloses()
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

void tst_Waits::r39_waitForAnAncestorInAWorkIsRefused()
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

void tst_Waits::r39_waitForTheParentInAClosedSlotIsRefused()
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

void tst_Waits::r39_waitForAStepFurtherDownTheStackIsRefused()
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

void tst_Waits::r39_waitForAWaitingWorkInTheSameThreadIsRefused()
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

void tst_Waits::r39_waitForClosingInAWorkIsAllowed()
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

void tst_Waits::r39_waitForOthersInAStepIsAllowed()
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

QTEST_GUILESS_MAIN(tst_Waits)

#include "tst_waits.moc"
