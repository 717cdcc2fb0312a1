// SPDX-License-Identifier: MIT
// Works that run again and again. What upstream's tests of its package `periodic` assert (sequence,
// waiting, overlap, dropped beats) is tested here by order and by lower bounds of time, which hold on
// the slowest machine.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/allocatedbytes.h"
#include "support/eventlog.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/Periodic>

#include <QDeadlineTimer>
#include <QObject>
#include <QProcess>
#include <QString>
#include <QStringList>
#include <QTest>
#include <QThread>
#include <QThreadPool>
#include <QTimer>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>
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

using TestSupport::allocatedBytes;
using TestSupport::Counter;
using TestSupport::EventLog;
using TestSupport::EventLoopThread;
using TestSupport::ExpectWarning;
using TestSupport::Gate;
using TestSupport::naming;
using TestSupport::pollUntil;
using TestSupport::soon;
using TestSupport::Thread;

using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

class Sender : public QObject
{
    Q_OBJECT

Q_SIGNALS:
    void fired(int number);
};

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

bool closes(const ProcessPtr &process)
{
    return !process->closeAndWait();
}

/// Whichever function makes a periodic process of a beat.
using Make = ProcessPtr (*)(std::chrono::milliseconds, std::function<void()>);

template<int which>
ProcessPtr make(std::chrono::milliseconds interval, std::function<void()> work)
{
    switch (which) {
    case 0:
        return every(interval, std::move(work));
    case 1:
        return everyGo(interval, std::move(work));
    case 2:
        return tick(interval, std::move(work));
    default:
        return tickGo(interval, std::move(work));
    }
}

void addBeats()
{
    QTest::addColumn<int>("which");
    QTest::newRow("every") << 0;
    QTest::newRow("everyGo") << 1;
    QTest::newRow("tick") << 2;
    QTest::newRow("tickGo") << 3;
}

Make beat(int which)
{
    constexpr Make all[] { make<0>, make<1>, make<2>, make<3> };
    return all[which];
}

} // namespace

class Periodic : public QObject
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

    void onSignalRunsOnceForEachSignal();
    void onSignalCountsSignalsDuringARun();
    void onSignalFollowsATimer();
    void onSignalGoOverlaps();
    void signalOfAnotherThreadRuns();
    void destroyedSenderClosesAfterTheRunsThatAreDue();
    void destroyedSenderClosesAfterRunsInFlight();
    void destroyedSenderClosesWithoutRuns();
    void signalsFromManyThreadsAreCounted();

    void eachRunIsAChildWithTheRunAsArgument();
    void errorsOfRunsAreInTheTree();
    void exceptionOfARunIsAnErrorAndTheBeatGoesOn();
    void manyErrorsAreCounted();
    void workMayBeMoveOnly();
    void workKeepsItsState();
    void runSeesWhatTheOneBeforeDid();

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

void Periodic::beatRunsInSequence()
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

void Periodic::everyWaitsAfterARunHasClosed()
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

void Periodic::everyWaitsForTheChildrenOfARun()
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

void Periodic::everyGoOverlaps()
{
    Gate gate;
    const ProcessPtr process = everyGo(1ms, [&] { gate.pass(); });
    QVERIFY(gate.waitForArrivals(5));
    gate.open();
    QVERIFY(closes(process));
}

void Periodic::tickDropsBeatsDuringARun()
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

void Periodic::tickNeverOverlaps()
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

void Periodic::tickGoOverlaps()
{
    Gate gate;
    const ProcessPtr process = tickGo(1ms, [&] { gate.pass(); });
    QVERIFY(gate.waitForArrivals(5));
    gate.open();
    QVERIFY(closes(process));
}

void Periodic::tickKeepsTheBeat()
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

// Signals

void Periodic::onSignalRunsOnceForEachSignal()
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

void Periodic::onSignalCountsSignalsDuringARun()
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

void Periodic::onSignalFollowsATimer()
{
    QTimer timer;
    std::atomic<int> runs = 0;
    const ProcessPtr process = onSignal(&timer, &QTimer::timeout, [&] { ++runs; });
    timer.start(1ms);
    QTRY_VERIFY(runs >= 3);
    QVERIFY(closes(process));
}

void Periodic::onSignalGoOverlaps()
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

void Periodic::signalOfAnotherThreadRuns()
{
    Sender sender;
    Counter runs;
    const ProcessPtr process = onSignal(&sender, &Sender::fired, [&] { runs.add(); });
    Thread thread([&] { Q_EMIT sender.fired(1); });
    QVERIFY(runs.waitFor(1));
    thread.join();
    QVERIFY(closes(process));
}

void Periodic::destroyedSenderClosesAfterTheRunsThatAreDue()
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

void Periodic::destroyedSenderClosesAfterRunsInFlight()
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

void Periodic::destroyedSenderClosesWithoutRuns()
{
    auto sender = std::make_unique<Sender>();
    const ProcessPtr one = onSignal(sender.get(), &Sender::fired, [] {});
    const ProcessPtr other = onSignalGo(sender.get(), &Sender::fired, [] {});
    sender.reset();
    QVERIFY(one->waitForClosed(soon()));
    QVERIFY(other->waitForClosed(soon()));
}

void Periodic::signalsFromManyThreadsAreCounted()
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

// Runs

void Periodic::eachRunIsAChildWithTheRunAsArgument()
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

void Periodic::errorsOfRunsAreInTheTree()
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

void Periodic::exceptionOfARunIsAnErrorAndTheBeatGoesOn()
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

void Periodic::manyErrorsAreCounted()
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

void Periodic::workMayBeMoveOnly()
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

void Periodic::workKeepsItsState()
{
    Counter reached;
    const ProcessPtr process = every(1ms, [&, count = 0]() mutable {
        if (++count == 3)
            reached.add();
    });
    QVERIFY(reached.waitFor(1));
    QVERIFY(closes(process));
}

void Periodic::runSeesWhatTheOneBeforeDid()
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

// Closing

void Periodic::closingDoesNotWaitForTheInterval()
{
    QFETCH(int, which);
    const ProcessPtr process = beat(which)(24h, [] { TestSupport::fail(QStringLiteral("a run")); });
    QVERIFY(closes(process));
}

void Periodic::closingWaitsForRunsInFlight()
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

void Periodic::closingDropsSignals()
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

void Periodic::noWorkBeginsAfterTheClose()
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

void Periodic::workGoesBeforeClosed()
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

void Periodic::closingInARun()
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

void Periodic::closeMeetsTheBeat()
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

void Periodic::closeMeetsTheSignal()
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

void Periodic::droppedPointerChangesNothing()
{
    Process root;
    Counter runs;
    every(
            1ms, [&] { runs.add(); }, &root);
    QVERIFY(runs.waitFor(3));
    QVERIFY(!root.closeAndWait());
}

// Parents

void Periodic::parentClosesIt()
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

void Periodic::closingParentClosesItAtOnce()
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

void Periodic::parentAfterTeardownIsRefused()
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

void Periodic::backgroundMayBeTheParent()
{
    Counter runs;
    const ProcessPtr process = every(
            1ms, [&] { runs.add(); }, Process::background());
    QVERIFY(runs.waitFor(1));
    QVERIFY(closes(process));
}

void Periodic::worksUseThePoolOfTheParent()
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

void Periodic::poolThatDropsARunDoesNotStopTheBeat()
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

// Threads

void Periodic::threadThatMadeItMayEnd()
{
    Counter runs;
    ProcessPtr process;
    Thread([&] { process = every(1ms, [&] { runs.add(); }); }).join();
    QVERIFY(runs.waitFor(3));
    QVERIFY(closes(process));
}

void Periodic::threadThatMadeItMayBeBusy()
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

void Periodic::stepsRunWithoutAnEventLoop()
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

void Periodic::intervalOfZeroOrLessIsRefused()
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

void Periodic::nullIsRefused()
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

void Periodic::anyDurationIsAnInterval()
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

void Periodic::tenThousandAtOnce()
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

void Periodic::memoryStaysFlat()
{
    // Nobody deletes what is left to this thread: it is blocked, without a wait of the library.
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

void Periodic::scenario_data()
{
    QTest::addColumn<QString>("name");
    for (const char *name :
         { "tenThousandHoldNoThread", "beatsAtTheEnd", "waitingAtTheEnd", "deadlineAtTheEnd" })
        QTest::newRow(name) << QString::fromLatin1(name);
}

void Periodic::scenario()
{
    QFETCH(QString, name);
    QProcess program;
    program.start(QStringLiteral(GOPROCESS_SCENARIOS), { name });
    QVERIFY(program.waitForFinished(60'000));
    QCOMPARE(QString::fromUtf8(program.readAllStandardError()), QString());
    QCOMPARE(program.exitStatus(), QProcess::NormalExit);
    QCOMPARE(program.exitCode(), 0);
}

QTEST_GUILESS_MAIN(Periodic)

#include "tst_periodic.moc"
