// SPDX-License-Identifier: MIT
// Works that run again and again. What upstream's tests of its package `periodic` assert (sequence,
// waiting, overlap, dropped beats) is tested here by order and by lower bounds of time, which hold
// on the slowest machine.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "periodicsupport.h"
#include "support/allocatedbytes.h"
#include "support/eventlog.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/Periodic>

#include <QProcess>
#include <QString>
#include <QStringList>
#include <QTest>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

using GoProcess::Error;
using GoProcess::every;
using GoProcess::everyGo;
using GoProcess::onSignal;
using GoProcess::onSignalGo;
using GoProcess::Process;
using GoProcess::ProcessPtr;
using GoProcess::tick;
using GoProcess::tickGo;

using namespace TestSupport;

using namespace std::chrono_literals;

using Clock = std::chrono::steady_clock;

namespace {

/// When works began.
class Times
{
public:
    void note()
    {
        const auto now = Clock::now();
        {
            const std::lock_guard lock(m_mutex);
            m_times.push_back(now);
        }
        m_count.add();
    }
    bool waitFor(int count) { return m_count.waitFor(count); }
    std::vector<Clock::time_point> all() const
    {
        const std::lock_guard lock(m_mutex);
        return m_times;
    }

private:
    mutable std::mutex m_mutex;
    std::vector<Clock::time_point> m_times;
    Counter m_count;
};

/// True if no time is earlier than \a interval after the one before, the first after \a start.
bool isSequence(const std::vector<Clock::time_point> &times, Clock::time_point start,
                Clock::duration interval)
{
    for (const auto time : times) {
        if (time - start < interval)
            return false;
        start = time;
    }
    return true;
}

} // namespace

class tst_Periodic : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void beatRunsInSequence_data() { addBeats(); }
    void beatRunsInSequence();
    void everyWaitsAfterARunHasClosed();
    void everyWaitsForTheChildrenOfARun();
    void everyGoOverlaps();
    void tickDropsBeatsDuringARun();
    void tickNeverOverlaps();
    void tickGoOverlaps();
    void tickKeepsTheBeat();

    void eachRunIsAChildWithTheRunAsArgument();
    void errorsOfRunsAreInTheTree();
    void exceptionOfARunIsAnErrorAndTheBeatGoesOn();
    void manyErrorsAreCounted();
    void workMayBeMoveOnly();
    void workKeepsItsState();
    void runSeesWhatTheOneBeforeDid();

    void threadThatMadeItMayEnd();
    void threadThatMadeItMayBeBusy();
    void stepsRunWithoutAnEventLoop();

    void intervalOfZeroOrLessIsRefused();
    void nullIsRefused();
    void anyDurationIsAnInterval();

    void tenThousandAtOnce();
    void memoryStaysFlat();

    // Last, as the thread sanitizer follows a program less well once it has started another.
    void scenario_data();
    void scenario();
};

// Beats

void tst_Periodic::beatRunsInSequence()
{
    QFETCH(int, which);
    constexpr auto interval = 5ms;
    Times times;
    const auto start = Clock::now();
    const ProcessPtr process = beat(which)(interval, [&] { times.note(); });
    QVERIFY(process);
    QVERIFY(times.waitFor(5));
    QVERIFY(closes(process));
    // The last of n runs is not before n intervals; for `every` each has the interval before it.
    const auto all = times.all();
    QVERIFY(all.back() - start >= int(all.size()) * interval);
    if (which == 0)
        QVERIFY(isSequence(all, start, interval));
}

void tst_Periodic::everyWaitsAfterARunHasClosed()
{
    constexpr auto interval = 5ms;
    Counter begun;
    std::mutex mutex;
    Clock::time_point released = Clock::now();
    Counter releases;
    const ProcessPtr process = every(interval, [&] {
        const auto now = Clock::now();
        {
            const std::lock_guard lock(mutex);
            CHECK(now - released >= interval);
        }
        begun.add();
        releases.waitFor(begun.count());
    });
    for (int i = 1; i <= 5; ++i) {
        QVERIFY(begun.waitFor(i));
        QCOMPARE(begun.count(), i); // it does not overlap
        {
            const std::lock_guard lock(mutex);
            released = Clock::now();
        }
        releases.add();
    }
    releases.add(100);
    QVERIFY(closes(process));
}

void tst_Periodic::everyWaitsForTheChildrenOfARun()
{
    EventLog log;
    Gate gate;
    std::atomic<int> runs = 0;
    const ProcessPtr process = every(1ms, [&](Process &self) {
        log.add(QStringLiteral("run"));
        if (runs++ == 0) {
            self.go([&] {
                gate.pass();
                log.add(QStringLiteral("child"));
            });
        }
    });
    QVERIFY(gate.waitForArrivals());
    gate.open();
    QVERIFY(log.waitForCount(3));
    QCOMPARE(
            log.events().mid(0, 3),
            QStringList({ QStringLiteral("run"), QStringLiteral("child"), QStringLiteral("run") }));
    QVERIFY(closes(process));
}

void tst_Periodic::everyGoOverlaps()
{
    Gate gate;
    const ProcessPtr process = everyGo(1ms, [&] { gate.pass(); });
    QVERIFY(gate.waitForArrivals(5));
    gate.open();
    QVERIFY(closes(process));
}

void tst_Periodic::tickDropsBeatsDuringARun()
{
    constexpr auto interval = 5ms;
    Times times;
    Gate gate;
    const ProcessPtr process = tick(interval, [&] {
        times.note();
        gate.pass();
    });
    QVERIFY(gate.waitForArrivals());
    // Meanwhile at least five beats pass.
    Counter beats;
    const ProcessPtr other = tickGo(interval, [&] { beats.add(); });
    QVERIFY(beats.waitFor(5));
    QCOMPARE(times.all().size(), std::size_t(1));
    gate.open();
    QVERIFY(times.waitFor(7));
    QVERIFY(closes(process));
    QVERIFY(closes(other));
    // They are not made up for: a run begins on a beat after the one before has closed.
    const auto all = times.all();
    QVERIFY(all[6] - all[1] >= 4 * interval);
}

void tst_Periodic::tickNeverOverlaps()
{
    std::atomic<int> running = 0;
    Counter runs;
    const ProcessPtr process = tick(100us, [&] {
        CHECK(running.fetch_add(1) == 0);
        std::this_thread::yield();
        CHECK(running.fetch_sub(1) == 1);
        runs.add();
    });
    QVERIFY(runs.waitFor(200));
    QVERIFY(closes(process));
}

void tst_Periodic::tickGoOverlaps()
{
    Gate gate;
    const ProcessPtr process = tickGo(1ms, [&] { gate.pass(); });
    QVERIFY(gate.waitForArrivals(5));
    gate.open();
    QVERIFY(closes(process));
}

void tst_Periodic::tickKeepsTheBeat()
{
    // A run does not delay the beat: less than an interval lies between its end and the next run,
    // which never happens with `every`. On a busy machine not each time.
    constexpr auto interval = 10ms;
    Clock::time_point end;
    Counter seen;
    const ProcessPtr process = tick(interval, [&] {
        const auto begin = Clock::now();
        if (begin - end < interval)
            seen.add();
        pollUntil([&] { return Clock::now() - begin > interval / 3; });
        end = Clock::now();
    });
    QVERIFY(seen.waitFor(3));
    QVERIFY(closes(process));
}

// Runs

void tst_Periodic::eachRunIsAChildWithTheRunAsArgument()
{
    EventLog log;
    const ProcessPtr process = every(1ms, [&](Process &self) { log.add(self.path()); });
    process->setName(QStringLiteral("beat"));
    QVERIFY(log.waitForCount(3));
    QVERIFY(closes(process));
    const QStringList paths = log.events();
    // The first may have come before the name.
    QVERIFY(paths[1].startsWith(QStringLiteral("/beat/#")));
    QVERIFY(paths[1] != paths[2]);
}

void tst_Periodic::errorsOfRunsAreInTheTree()
{
    Counter runs;
    const ProcessPtr process = every(1ms, [&] {
        runs.add();
        return runs.count() == 2 ? Error(QStringLiteral("second")) : Error();
    });
    QVERIFY(runs.waitFor(3));
    QVERIFY(closes(process));
    QCOMPARE(process->treeErrorCount(), qsizetype(1));
    QCOMPARE(process->treeErrors().first().error.message(), QStringLiteral("second"));
}

void tst_Periodic::exceptionOfARunIsAnErrorAndTheBeatGoesOn()
{
    Counter runs;
    const ProcessPtr process = tick(1ms, [&] {
        runs.add();
        throw std::runtime_error("failed");
    });
    QVERIFY(runs.waitFor(3));
    QVERIFY(closes(process));
    QVERIFY(process->treeErrorCount() >= 3);
}

void tst_Periodic::manyErrorsAreCounted()
{
    Sender sender;
    Counter runs;
    const ProcessPtr process = onSignal(&sender, &Sender::fired, [&] {
        runs.add();
        return Error(QStringLiteral("failed"));
    });
    for (int i = 0; i < 150; ++i)
        Q_EMIT sender.fired(i);
    QVERIFY(runs.waitFor(150));
    QVERIFY(closes(process));
    QCOMPARE(process->treeErrors().size(), qsizetype(100));
    QCOMPARE(process->treeErrorCount(), qsizetype(150));
}

void tst_Periodic::workMayBeMoveOnly()
{
    Counter runs;
    Sender sender;
    const ProcessPtr one = every(1ms, [&, moved = std::make_unique<int>(1)] { runs.add(*moved); });
    const ProcessPtr other = onSignal(&sender, &Sender::fired,
                                      [&, moved = std::make_unique<int>(1)] { runs.add(*moved); });
    Q_EMIT sender.fired(1);
    QVERIFY(runs.waitFor(3));
    QVERIFY(closes(one));
    QVERIFY(closes(other));
}

void tst_Periodic::workKeepsItsState()
{
    Counter reached;
    const ProcessPtr process = every(1ms, [&, count = 0]() mutable {
        if (++count == 3)
            reached.add();
    });
    QVERIFY(reached.waitFor(1));
    QVERIFY(closes(process));
}

void tst_Periodic::runSeesWhatTheOneBeforeDid()
{
    // What the runs write has no lock; the thread sanitizer looks on.
    int written = 0;
    Counter done;
    const ProcessPtr process = tick(100us, [&] {
        if (++written == 100)
            done.add();
    });
    QVERIFY(done.waitFor(1));
    QVERIFY(closes(process));
    QVERIFY(written >= 100);
}

// Threads

void tst_Periodic::threadThatMadeItMayEnd()
{
    Counter runs;
    ProcessPtr process;
    Thread([&] { process = every(1ms, [&] { runs.add(); }); }).join();
    QVERIFY(runs.waitFor(3));
    QVERIFY(closes(process));
}

void tst_Periodic::threadThatMadeItMayBeBusy()
{
    EventLoopThread thread;
    Gate gate;
    Counter runs;
    ProcessPtr process;
    thread.run([&] { process = tick(1ms, [&] { runs.add(); }); });
    thread.post([&] { gate.pass(); });
    QVERIFY(gate.waitForArrivals());
    QVERIFY(runs.waitFor(3));
    QVERIFY(closes(process));
    gate.open();
}

void tst_Periodic::stepsRunWithoutAnEventLoop()
{
    EventLog log;
    const ProcessPtr process = every(24h, [] {});
    process->setName(QStringLiteral("p"));
    log.watch(*process);
    process->close();
    QVERIFY(log.waitFor(QStringLiteral("closed p")));
    QVERIFY(process->waitForClosed(soon()));
}

// Refusals

void tst_Periodic::intervalOfZeroOrLessIsRefused()
{
    Process root;
    root.setName(QStringLiteral("root"));
    const ExpectWarning warnings(naming({ &root }) + QStringLiteral(".*interval"), 5);
    QVERIFY(!every(
            0ms, [] {}, &root));
    QVERIFY(!everyGo(
            -1s, [] {}, &root));
    QVERIFY(!tick(
            0h, [] {}, &root));
    QVERIFY(!tickGo(
            std::chrono::duration<double>(-0.5), [] {}, &root));
    QVERIFY(!tickGo(
            std::chrono::duration<double>(std::nan("")), [] {}, &root));
}

void tst_Periodic::nullIsRefused()
{
    Sender sender;
    const std::function<void()> none;
    {
        const ExpectWarning warnings(QStringLiteral("work is null"), 3);
        QVERIFY(!every(1ms, none));
        QVERIFY(!tickGo(1ms, none));
        QVERIFY(!onSignal(&sender, &Sender::fired, none));
    }
    const ExpectWarning warnings(QStringLiteral("sender is null"), 2);
    QVERIFY(!onSignal(static_cast<Sender *>(nullptr), &Sender::fired, [] {}));
    QVERIFY(!onSignalGo(static_cast<Sender *>(nullptr), &Sender::fired, [] {}));
}

void tst_Periodic::anyDurationIsAnInterval()
{
    Counter runs;
    const auto work = [&] { runs.add(); };
    const ProcessPtr fraction = every(std::chrono::duration<double>(0.0001), work);
    const ProcessPtr tiny = every(std::chrono::duration<float, std::pico>(1), work);
    const ProcessPtr forEver = every(std::chrono::hours::max(), work);
    QVERIFY(runs.waitFor(10));
    QVERIFY(closes(fraction));
    QVERIFY(closes(tiny));
    QVERIFY(closes(forEver));
}

// Many

void tst_Periodic::tenThousandAtOnce()
{
    constexpr int count = 10'000;
    Process root;
    std::vector<std::atomic<int>> runs(count);
    Counter all;
    for (std::size_t i = 0; i < count; ++i) {
        const auto work = [&, i] {
            if (++runs[i] == 2)
                all.add();
        };
        const auto interval = std::chrono::milliseconds(100 + i % 50);
        QVERIFY(i % 2 ? every(interval, work, &root) : tick(interval, work, &root));
    }
    QVERIFY(all.waitFor(count));
    QVERIFY(!root.closeAndWait());
}

void tst_Periodic::memoryStaysFlat()
{
    // What is left to this thread is not deleted: it is blocked, without a wait of the library.
    constexpr int count = 100'000;
    constexpr int warmUp = 10'000;
    Sender sender;
    Counter runs;
    const ProcessPtr process = onSignal(&sender, &Sender::fired, [&] { runs.add(); });
    for (int i = 0; i < warmUp; ++i)
        Q_EMIT sender.fired(i);
    QVERIFY(runs.waitFor(warmUp));
    const auto before = qsizetype(allocatedBytes());
    for (int i = 0; i < count; ++i)
        Q_EMIT sender.fired(i);
    QVERIFY(runs.waitFor(warmUp + count));
    const qsizetype growth = qsizetype(allocatedBytes()) - before;
    QVERIFY(closes(process));
    QVERIFY2(growth < count * 10, qPrintable(QString::number(growth)));
}

// What a program can do only once

void tst_Periodic::scenario_data()
{
    QTest::addColumn<QString>("name");
    for (const char *name :
         { "tenThousandHoldNoThread", "beatsAtTheEnd", "waitingAtTheEnd", "deadlineAtTheEnd" })
        QTest::newRow(name) << QString::fromLatin1(name);
}

void tst_Periodic::scenario()
{
    QFETCH(QString, name);
    QProcess program;
    program.start(QStringLiteral(GOPROCESS_SCENARIOS), { name });
    QVERIFY(program.waitForFinished(60'000));
    QCOMPARE(QString::fromUtf8(program.readAllStandardError()), QString());
    QCOMPARE(program.exitStatus(), QProcess::NormalExit);
    QCOMPARE(program.exitCode(), 0);
}

QTEST_GUILESS_MAIN(tst_Periodic)

#include "tst_periodic.moc"
