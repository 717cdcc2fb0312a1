// SPDX-License-Identifier: MIT
// How periodic processes close, by themselves and with their parents.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "periodicsupport.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/Periodic>

#include <QDeadlineTimer>
#include <QObject>
#include <QTest>
#include <QThread>
#include <QThreadPool>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

using GoProcess::every;
using GoProcess::onSignal;
using GoProcess::onSignalGo;
using GoProcess::Process;
using GoProcess::ProcessPtr;
using GoProcess::tick;

using namespace TestSupport;

using namespace std::chrono_literals;

class tst_PeriodicClose : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void closingDoesNotWaitForTheInterval_data() { addBeats(); }
    void closingDoesNotWaitForTheInterval();
    void closingWaitsForRunsInFlight_data() { addBeats(); }
    void closingWaitsForRunsInFlight();
    void closingDropsSignals();
    void noWorkBeginsAfterTheClose();
    void workGoesBeforeClosed();
    void closingInARun();
    void closeMeetsTheBeat_data() { addBeats(); }
    void closeMeetsTheBeat();
    void closeMeetsTheSignal();
    void droppedPointerChangesNothing();

    void parentClosesIt();
    void closingParentClosesItAtOnce();
    void parentAfterTeardownIsRefused();
    void backgroundMayBeTheParent();
    void worksUseThePoolOfTheParent();
    void poolThatDropsARunDoesNotStopTheBeat();
};

// Closing

void tst_PeriodicClose::closingDoesNotWaitForTheInterval()
{
    QFETCH(int, which);
    const ProcessPtr process = beat(which)(24h, [] { TestSupport::fail(QStringLiteral("a run")); });
    QVERIFY(closes(process));
}

void tst_PeriodicClose::closingWaitsForRunsInFlight()
{
    QFETCH(int, which);
    Gate gate;
    std::atomic<int> returned = 0;
    std::atomic<int> begun = 0;
    const ProcessPtr process = beat(which)(1ms, [&] {
        ++begun;
        gate.pass();
        ++returned;
    });
    QVERIFY(gate.waitForArrivals());
    process->close();
    QVERIFY(!process->waitForClosed(QDeadlineTimer(1)));
    gate.open();
    QVERIFY(process->waitForClosed(soon()));
    QVERIFY(returned > 0);
    QCOMPARE(returned.load(), begun.load());
}

void tst_PeriodicClose::closingDropsSignals()
{
    Sender sender;
    Gate gate;
    Counter runs;
    const ProcessPtr process = onSignal(
            &sender, &Sender::fired,
            [&] {
                runs.add();
                gate.pass();
            },
            nullptr, GoProcess::AtClose::Drop);
    for (int i = 0; i < 5; ++i)
        Q_EMIT sender.fired(i);
    QVERIFY(gate.waitForArrivals());
    process->close();
    gate.open();
    QVERIFY(process->waitForClosed(soon()));
    QCOMPARE(runs.count(), 1);
}

void tst_PeriodicClose::noWorkBeginsAfterTheClose()
{
    Sender sender;
    Counter runs;
    const auto work = [&] { runs.add(); };
    const ProcessPtr one = onSignal(&sender, &Sender::fired, work);
    const ProcessPtr other = onSignalGo(&sender, &Sender::fired, work);
    GoProcess::Hold hold = one->hold(); // its teardown has not begun
    one->close();
    other->close();
    Q_EMIT sender.fired(1);
    hold.release();
    QVERIFY(one->waitForClosed(soon()));
    QVERIFY(other->waitForClosed(soon()));
    QCOMPARE(runs.count(), 0);
}

void tst_PeriodicClose::workGoesBeforeClosed()
{
    for (int which = 0; which < 5; ++which) {
        Sender sender;
        auto captured = std::make_shared<int>(0);
        const std::weak_ptr<int> observed = captured;
        Counter runs;
        std::function<void()> work = [&runs, held = std::move(captured)] { runs.add(); };
        ProcessPtr process;
        if (which < 4)
            process = beat(which)(1ms, std::move(work));
        else
            process = onSignal(&sender, &Sender::fired, std::move(work));
        work = nullptr;
        Q_EMIT sender.fired(1);
        QVERIFY(runs.waitFor(1));
        QVERIFY(!observed.expired());
        connect(
                process.get(), &Process::closed, process.get(), [&] { CHECK(observed.expired()); },
                Qt::DirectConnection);
        process->close();
        pollUntil([&] { return process->isClosed(); });
        QVERIFY(observed.expired());
        QVERIFY(process->waitForClosed(soon()));
    }
}

void tst_PeriodicClose::closingInARun()
{
    Sender sender;
    ProcessPtr process;
    Counter runs;
    process = onSignal(
            &sender, &Sender::fired,
            [&] {
                runs.add();
                process->close();
            },
            nullptr, GoProcess::AtClose::Drop);
    Q_EMIT sender.fired(1);
    Q_EMIT sender.fired(2);
    QVERIFY(process->waitForClosed(soon()));
    QCOMPARE(runs.count(), 1);
}

void tst_PeriodicClose::closeMeetsTheBeat()
{
    // A beat that comes too late is no refusal: any warning fails the test.
    QFETCH(int, which);
    for (int i = 0; i < 100; ++i) {
        Process root;
        Counter runs;
        std::vector<ProcessPtr> processes;
        for (int k = 0; k < 5; ++k) {
            processes.push_back(beat(which)(1ms, [&] { runs.add(); }));
            QVERIFY(root.addChild(processes.back().get()));
        }
        QVERIFY(runs.waitFor(1 + i % 7));
        QVERIFY(!root.closeAndWait());
    }
}

void tst_PeriodicClose::closeMeetsTheSignal()
{
    for (int i = 0; i < 100; ++i) {
        Sender sender;
        Counter runs;
        const ProcessPtr one = onSignal(&sender, &Sender::fired, [&] { runs.add(); });
        const ProcessPtr other = onSignalGo(&sender, &Sender::fired, [&] { runs.add(); });
        Thread thread([&] {
            for (int k = 0; k < 20; ++k)
                Q_EMIT sender.fired(k);
        });
        QVERIFY(runs.waitFor(1 + i % 7));
        QVERIFY(closes(one));
        QVERIFY(closes(other));
    }
}

void tst_PeriodicClose::droppedPointerChangesNothing()
{
    Process root;
    Counter runs;
    every(
            1ms, [&] { runs.add(); }, &root);
    QVERIFY(runs.waitFor(3));
    QVERIFY(!root.closeAndWait());
}

// Parents

void tst_PeriodicClose::parentClosesIt()
{
    Process root;
    root.setName(QStringLiteral("root"));
    const ProcessPtr process = tick(
            24h, [] {}, &root);
    process->setName(QStringLiteral("beat"));
    QCOMPARE(process->path(), QStringLiteral("/root/beat"));
    QVERIFY(!root.closeAndWait());
    QVERIFY(process->isClosed());
}

void tst_PeriodicClose::closingParentClosesItAtOnce()
{
    Process root;
    const GoProcess::Hold hold = root.hold();
    root.close();
    const ProcessPtr process = every(
            1ms, [] { TestSupport::fail(QStringLiteral("a run")); }, &root);
    QVERIFY(process);
    QVERIFY(process->isClosing());
    QVERIFY(process->waitForClosed(soon()));
}

void tst_PeriodicClose::parentAfterTeardownIsRefused()
{
    Sender sender;
    Process root;
    root.setName(QStringLiteral("root"));
    root.closeAndWait();
    auto captured = std::make_shared<int>(0);
    const ExpectWarning warnings(naming({ &root }), 2);
    QVERIFY(!every(
            1ms, [captured] {}, &root));
    QVERIFY(!onSignal(
            &sender, &Sender::fired, [captured] {}, &root));
    QCOMPARE(captured.use_count(), 1L);
    Q_EMIT sender.fired(1);
}

void tst_PeriodicClose::backgroundMayBeTheParent()
{
    Counter runs;
    const ProcessPtr process = every(
            1ms, [&] { runs.add(); }, Process::background());
    QVERIFY(runs.waitFor(1));
    QVERIFY(closes(process));
}

void tst_PeriodicClose::worksUseThePoolOfTheParent()
{
    QThreadPool pool;
    Process root;
    root.setThreadPool(&pool);
    Counter runs;
    const ProcessPtr process = every(
            1ms,
            [&] {
                CHECK(pool.contains(QThread::currentThread()));
                runs.add();
            },
            &root);
    QVERIFY(runs.waitFor(2));
    QVERIFY(!root.closeAndWait());
}

void tst_PeriodicClose::poolThatDropsARunDoesNotStopTheBeat()
{
    QThreadPool pool;
    pool.setMaxThreadCount(1);
    Gate gate;
    pool.start([&] { gate.pass(); });
    QVERIFY(gate.waitForArrivals());
    Process root;
    root.setThreadPool(&pool);
    Counter runs;
    const ProcessPtr process = every(
            1ms, [&] { runs.add(); }, &root);
    while (process->treeErrorCount() == 0)
        pool.clear();
    gate.open();
    QVERIFY(runs.waitFor(1));
    QVERIFY(!root.closeAndWait());
}

QTEST_GUILESS_MAIN(tst_PeriodicClose)

#include "tst_periodicclose.moc"
