// SPDX-License-Identifier: MIT
// What fails around the library: pools, threads that end, and code of users that never
// returns. What is not concerned closes all the same, and a message names the rest.
//
// Locals outlive the event loops here: clazy:excludeall=lambda-in-connect

#include "support/eventlog.h"
#include "support/family.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QDeadlineTimer>
#include <QElapsedTimer>
#include <QFuture>
#include <QObject>
#include <QProcess>
#include <QPromise>
#include <QString>
#include <QStringList>
#include <QTest>
#include <QThread>
#include <QThreadPool>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <stdexcept>

using GoProcess::Process;
using GoProcess::ProcessPtr;

using TestSupport::EventLog;
using TestSupport::EventLoopThread;
using TestSupport::ExpectWarning;
using TestSupport::Family;
using TestSupport::Gate;
using TestSupport::naming;
using TestSupport::soon;

class Faults : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void cleanup();

    void r22_aHomeThatEndsAtAnyMoment_data();
    void r22_aHomeThatEndsAtAnyMoment();
    void r23_aFinishThatThrowsIsTheError();
    void r24_aLateTeardownThatReturnsAFuture();
    void r30_aPoolThatStartsNothing();
    void r30_aPoolThatIsClearedWithEverythingInIt();
#ifdef GOPROCESS_NOTHREADS
    void r31_threadsThatTheSystemRefuses();
#endif
    void r37_theRestClosesAroundWhatNeverReturns();
};

void Faults::initTestCase()
{
    TestSupport::begin();
}

void Faults::cleanup()
{
    TestSupport::verify();
}

void Faults::r22_aHomeThatEndsAtAnyMoment_data()
{
    QTest::addColumn<int>("moment");
    QTest::newRow("before the close") << 0;
    // closing(), teardown and closed() of three processes.
    for (int moment = 1; moment <= 9; ++moment)
        QTest::addRow("in step %d", moment) << moment;
}

void Faults::r22_aHomeThatEndsAtAnyMoment()
{
    QFETCH(int, moment);
    constexpr std::size_t count = 3;

    QThread home;
    std::atomic<int> steps = 0;
    std::array<std::atomic<int>, count> teardowns {};
    const auto step = [&] {
        if (++steps == moment)
            home.quit();
        // Longer than a slice, so that the event loop ends between this step and the next one.
        QElapsedTimer timer;
        timer.start();
        while (timer.elapsed() < 9) { }
    };

    Family family;
    Process &root = family.add(QStringLiteral("root"));
    std::array<Process *, count> children {};
    for (std::size_t i = 0; i < count; ++i) {
        Process &child = family.add(QString::number(i), [&, i] {
            ++teardowns[i];
            step();
        });
        children[i] = &child;
        QObject::connect(&child, &Process::closing, &child, step, Qt::DirectConnection);
        QObject::connect(&child, &Process::closed, &child, step, Qt::DirectConnection);
        QVERIFY((i == 0 ? root : *children[i - 1]).addChild(&child));
        child.moveToThread(&home);
    }
    home.start();
    if (moment == 0)
        home.quit();
    // One for the thread, from the call that meets it first, if one has to.
    const ExpectWarning elsewhere(QStringLiteral("does not run its steps"), 0, 1);
    QVERIFY(!root.closeAndWait());
    home.quit();
    QVERIFY(home.wait(soon()));
    QCOMPARE(steps, int(3 * count));
    for (const std::atomic<int> &teardown : teardowns)
        QCOMPARE(teardown, 1);
}

void Faults::r23_aFinishThatThrowsIsTheError()
{
    QPromise<void> promise;
    promise.start();
    int torn = 0;
    Family family;
    Process &process = family.add(QStringLiteral("process"));
    QVERIFY(process.setTeardown(
            [&] {
                ++torn;
                return promise.future();
            },
            [] { throw std::runtime_error("thrown by finish"); }));
    const GoProcess::Error error = process.closeAndWait();
    QVERIFY(error);
    QVERIFY(error.message().contains(QStringLiteral("thrown by finish")));
    promise.finish(); // too late to count
    QCoreApplication::processEvents();
    QCOMPARE(torn, 1);
    QCOMPARE(process.error(), error);
}

void Faults::r24_aLateTeardownThatReturnsAFuture()
{
    QPromise<GoProcess::Error> promise;
    promise.start();
    Gate torn;
    EventLoopThread elsewhere;
    Family family;
    Process &process = family.add(QStringLiteral("process"));
    process.moveToThread(&elsewhere);
    QVERIFY(!process.closeAndWait());
    QVERIFY(process.setTeardown([&] {
        torn.pass();
        return promise.future();
    }));
    QVERIFY(torn.waitForArrivals());
    torn.open();
    elsewhere.flush();
    const ExpectWarning logged(QStringLiteral("/process.*too late"));
    promise.addResult(GoProcess::Error(QStringLiteral("too late")));
    promise.finish();
    QVERIFY(!process.error());
    QCOMPARE(logged.count(), 1);
}

void Faults::r30_aPoolThatStartsNothing()
{
    Gate gate; // that its only thread is at
    QThreadPool pool;
    pool.setMaxThreadCount(1);
    pool.start([&gate] { gate.pass(); });
    QVERIFY(gate.waitForArrivals());
    Family family;
    Process &root = family.add(QStringLiteral("root"));
    root.setThreadPool(&pool);
    const ProcessPtr work = root.go([] { TestSupport::fail(QStringLiteral("A work ran")); });
    Process &beside = family.add(QStringLiteral("beside"));
    QVERIFY(root.addChild(&beside));

    root.close();
    QVERIFY(beside.waitForClosed(soon()));
    QVERIFY(work->isClosing());
    QVERIFY(!work->isClosed()); // it may start yet
    pool.clear();
    QVERIFY(root.waitForClosed(soon()));
    QVERIFY(work->error());
    gate.open();
}

void Faults::r30_aPoolThatIsClearedWithEverythingInIt()
{
    constexpr int count = 100;
    QThreadPool pool;
    pool.setMaxThreadCount(1);
    Family family;
    Process &root = family.add(QStringLiteral("root"));
    root.setThreadPool(&pool);
    Gate gate;
    const ProcessPtr running = root.go([&gate] { gate.pass(); });
    QVERIFY(gate.waitForArrivals());
    for (int i = 0; i < count; ++i)
        root.go([] { TestSupport::fail(QStringLiteral("A work ran")); });
    pool.clear();
    gate.open();
    QVERIFY(!root.closeAndWait());
    QVERIFY(!running->error());
    QCOMPARE(root.treeErrorCount(), count);
}

#ifdef GOPROCESS_NOTHREADS
void Faults::r31_threadsThatTheSystemRefuses()
{
    QProcess program;
    program.start(QStringLiteral(GOPROCESS_NOTHREADS), QStringList());
    QVERIFY(program.waitForFinished(
            int(std::chrono::milliseconds(2 * TestSupport::patience).count())));
    const QByteArray errors = program.readAllStandardError();
    QVERIFY2(program.exitStatus() == QProcess::NormalExit && program.exitCode() == 0,
             errors.constData());
    QVERIFY(errors.contains("Thread creation error")); // Qt's message
    QCOMPARE(errors.count("inThread() of process \"/db\" refused: the system starts no thread"), 1);
    QCOMPARE(program.readAllStandardOutput(), QByteArray("no threads\nnext\nclosed\n"));
}
#endif

void Faults::r37_theRestClosesAroundWhatNeverReturns()
{
    // Never, as far as the wait is concerned.
    Gate inTeardown;
    Gate inSlot;
    Gate inLastSlot;
    EventLoopThread first;
    EventLoopThread second;
    EventLoopThread third;
    Family family;
    Process &root = family.add(QStringLiteral("root"));
    Process &stuckTeardown =
            family.add(QStringLiteral("stuckTeardown"), [&] { inTeardown.pass(); });
    Process &stuckSlot = family.add(QStringLiteral("stuckSlot"));
    QObject::connect(
            &stuckSlot, &Process::closing, &stuckSlot, [&] { inSlot.pass(); },
            Qt::DirectConnection);
    Process &stuckClosed = family.add(QStringLiteral("stuckClosed"));
    QObject::connect(
            &stuckClosed, &Process::closed, &stuckClosed, [&] { inLastSlot.pass(); },
            Qt::DirectConnection);
    Process &beside = family.add(QStringLiteral("beside"));
    Process &below = family.add(QStringLiteral("below"));
    for (Process *const child : { &stuckTeardown, &stuckSlot, &stuckClosed, &beside })
        QVERIFY(root.addChild(child));
    QVERIFY(stuckTeardown.addChild(&below));
    stuckTeardown.moveToThread(&first);
    stuckSlot.moveToThread(&second);
    stuckClosed.moveToThread(&third);
    const ProcessPtr work = root.go([](Process &self) { self.waitForClosing(); });

    root.close();
    QVERIFY(beside.waitForClosed(soon()));
    QVERIFY(below.waitForClosed(soon()));
    QVERIFY(work->waitForClosed(soon()));
    QVERIFY(inTeardown.waitForArrivals());
    QVERIFY(inSlot.waitForArrivals());
    QVERIFY(inLastSlot.waitForArrivals());
    {
        const ExpectWarning named(
                naming({ &root, &stuckTeardown, &stuckSlot, &stuckClosed })
                + QStringLiteral(
                        "(?=.*stuckTeardown: teardown runs)(?=.*stuckSlot: slot)(?=.*stuckClosed: slot)"
                        "(?!.*beside)(?!.*below)"));
        QVERIFY(!root.waitForClosed(QDeadlineTimer(std::chrono::milliseconds(5500))));
        QCOMPARE(named.count(), 1);
    }
    inTeardown.open();
    inSlot.open();
    inLastSlot.open();
    QVERIFY(root.waitForClosed(soon()));
}

QTEST_GUILESS_MAIN(Faults)
#include "tst_faults.moc"
