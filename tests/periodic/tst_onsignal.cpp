// SPDX-License-Identifier: MIT
// Works that run for each signal: onSignal() and onSignalGo().
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "periodicsupport.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/Periodic>

#include <QObject>
#include <QTest>
#include <QTimer>

#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

using GoProcess::onSignal;
using GoProcess::onSignalGo;
using GoProcess::Process;
using GoProcess::ProcessPtr;

using namespace TestSupport;

using namespace std::chrono_literals;

class tst_OnSignal : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void onSignalRunsOnceForEachSignal();
    void onSignalCountsSignalsDuringARun();
    void onSignalFollowsATimer();
    void onSignalGoOverlaps();
    void signalOfAnotherThreadRuns();
    void destroyedSenderClosesAfterTheRunsThatAreDue();
    void destroyedSenderClosesAfterRunsInFlight();
    void destroyedSenderClosesWithoutRuns();
    void signalsFromManyThreadsAreCounted();
};

// Signals

void tst_OnSignal::onSignalRunsOnceForEachSignal()
{
    Sender sender;
    Counter runs;
    const ProcessPtr process = onSignal(&sender, &Sender::fired, [&] { runs.add(); });
    QVERIFY(process);
    for (int i = 1; i <= 5; ++i) {
        Q_EMIT sender.fired(i);
        QVERIFY(runs.waitFor(i));
    }
    QVERIFY(closes(process));
    QCOMPARE(runs.count(), 5);
}

void tst_OnSignal::onSignalCountsSignalsDuringARun()
{
    Sender sender;
    std::atomic<int> running = 0;
    Counter runs;
    Gate gate;
    const ProcessPtr process = onSignal(&sender, &Sender::fired, [&] {
        CHECK(running.fetch_add(1) == 0); // one after another
        gate.pass();
        running.fetch_sub(1);
        runs.add();
    });
    for (int i = 0; i < 5; ++i)
        Q_EMIT sender.fired(i);
    QVERIFY(gate.waitForArrivals());
    gate.open();
    QVERIFY(runs.waitFor(5));
    QVERIFY(closes(process));
    QCOMPARE(runs.count(), 5);
}

void tst_OnSignal::onSignalFollowsATimer()
{
    QTimer timer;
    std::atomic<int> runs = 0;
    const ProcessPtr process = onSignal(&timer, &QTimer::timeout, [&] { ++runs; });
    timer.start(1ms);
    QTRY_VERIFY(runs >= 3);
    QVERIFY(closes(process));
}

void tst_OnSignal::onSignalGoOverlaps()
{
    Sender sender;
    Gate gate;
    const ProcessPtr process = onSignalGo(&sender, &Sender::fired, [&] { gate.pass(); });
    for (int i = 0; i < 5; ++i)
        Q_EMIT sender.fired(i);
    QVERIFY(gate.waitForArrivals(5));
    gate.open();
    QVERIFY(closes(process));
}

void tst_OnSignal::signalOfAnotherThreadRuns()
{
    Sender sender;
    Counter runs;
    const ProcessPtr process = onSignal(&sender, &Sender::fired, [&] { runs.add(); });
    Thread thread([&] { Q_EMIT sender.fired(1); });
    QVERIFY(runs.waitFor(1));
    thread.join();
    QVERIFY(closes(process));
}

void tst_OnSignal::destroyedSenderClosesAfterTheRunsThatAreDue()
{
    auto sender = std::make_unique<Sender>();
    Counter runs;
    Gate gate;
    const ProcessPtr process = onSignal(sender.get(), &Sender::fired, [&](Process &self) {
        gate.pass();
        CHECK(!self.isClosing());
        runs.add();
    });
    for (int i = 0; i < 3; ++i)
        Q_EMIT sender->fired(i);
    sender.reset();
    QVERIFY(!process->isClosing());
    gate.open();
    QVERIFY(process->waitForClosed(soon()));
    QCOMPARE(runs.count(), 3);
}

void tst_OnSignal::destroyedSenderClosesAfterRunsInFlight()
{
    auto sender = std::make_unique<Sender>();
    Counter runs;
    Gate gate;
    const ProcessPtr process = onSignalGo(sender.get(), &Sender::fired, [&](Process &self) {
        gate.pass();
        CHECK(!self.isClosing());
        runs.add();
    });
    for (int i = 0; i < 3; ++i)
        Q_EMIT sender->fired(i);
    sender.reset();
    gate.open();
    QVERIFY(process->waitForClosed(soon()));
    QCOMPARE(runs.count(), 3);
}

void tst_OnSignal::destroyedSenderClosesWithoutRuns()
{
    auto sender = std::make_unique<Sender>();
    const ProcessPtr one = onSignal(sender.get(), &Sender::fired, [] {});
    const ProcessPtr other = onSignalGo(sender.get(), &Sender::fired, [] {});
    sender.reset();
    QVERIFY(one->waitForClosed(soon()));
    QVERIFY(other->waitForClosed(soon()));
}

void tst_OnSignal::signalsFromManyThreadsAreCounted()
{
    constexpr int each = 500;
    Sender sender;
    int runs = 0; // without a lock: runs come one after another
    Counter done;
    const ProcessPtr process = onSignal(&sender, &Sender::fired, [&] {
        if (++runs == 4 * each)
            done.add();
    });
    std::vector<Thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int k = 0; k < each; ++k)
                Q_EMIT sender.fired(k);
        });
    }
    QVERIFY(done.waitFor(1));
    threads.clear();
    QVERIFY(closes(process));
    QCOMPARE(runs, 4 * each);
}

QTEST_GUILESS_MAIN(tst_OnSignal)

#include "tst_onsignal.moc"
