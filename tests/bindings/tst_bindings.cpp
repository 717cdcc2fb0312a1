// SPDX-License-Identifier: MIT
// What closes a process, and what ends with it: signals, futures and deadlines. What upstream's
// package `context` does is tested here and in tst_stoptoken.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/allocatedbytes.h"
#include "support/eventlog.h"
#include "support/messages.h"
#include "support/readyfuture.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/Bindings>

#include <QDeadlineTimer>
#include <QFuture>
#include <QFutureWatcher>
#include <QObject>
#include <QPointer>
#include <QPromise>
#include <QTest>
#include <QThread>
#include <QTimer>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

using GoProcess::cancelOnClosing;
using GoProcess::closeAt;
using GoProcess::closeOn;
using GoProcess::Error;
using GoProcess::Process;
using GoProcess::ProcessPtr;

using TestSupport::allocatedBytes;
using TestSupport::Counter;
using TestSupport::EventLog;
using TestSupport::EventLoopThread;
using TestSupport::ExpectWarning;
using TestSupport::Gate;
using TestSupport::naming;
using TestSupport::pollUntil;
using TestSupport::readyFuture;
using TestSupport::soon;
using TestSupport::Thread;

using namespace std::chrono_literals;

namespace {

class Sender : public QObject
{
    Q_OBJECT

Q_SIGNALS:
    void plain();
    void withArguments(int number, const QString &text);
};

/// A promise that was started, and its future.
template<class T>
struct Started
{
    Started() { promise.start(); }
    ~Started()
    {
        if (!future.isFinished())
            promise.finish();
    }
    Q_DISABLE_COPY_MOVE(Started)

    QPromise<T> promise;
    QFuture<T> future = promise.future();
};

/// True if \a process is not closed by what is on its way in the clock: another process of the same
/// kind, bound afterwards, is closed first.
bool staysOpen(const Process &process)
{
    Process other;
    CHECK(closeAt(&other, QDeadlineTimer(1)));
    CHECK(other.waitForClosing(soon()));
    return !process.isClosing();
}

} // namespace

class Bindings : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void signalClosesBeforeItsEmissionReturns();
    void signalWithAnyArgumentsCloses();
    void signalOfAnotherProcessCloses();
    void signalInAnotherThreadCloses();
    void signalClosesAProcessWithoutAHome();
    void severalSignalsMayCloseOneProcess();
    void destroyedSenderIsNoSignal();
    void connectionEndsWithTheProcess();
    void signalAfterTheProcessIsDestroyedDoesNothing();
    void closedProcessIsNotBoundToASignal();
    void manySendersLeaveNothingBehind();

    void finishedFutureCloses();
    void cancelledFutureClosesBeforeItFinishes();
    void failedFutureCloses();
    void droppedPromiseCloses();
    void futureThatHasFinishedClosesAtOnce();
    void defaultConstructedFutureClosesAtOnce();
    void futureWithAResultCloses();
    void futureClosesWhileTheHomeIsBlocked();
    void futureLeavesContinuationsAlone_data();
    void futureLeavesContinuationsAlone();
    void futureLeavesWatchersAlone();
    void futureThatReportsManyResultsIsNotHeldUp();
    void futureOfAClosedProcessIsForgotten();
    void boundFutureKeepsNoResult();
    void manyFuturesCloseManyProcesses();

    void deadlineCloses();
    void durationIsADeadline();
    void expiredDeadlineClosesAtOnce();
    void foreverNeverCloses();
    void earlierDeadlineOvertakes();
    void deadlineThatIsFarAwayIsNoProblem();
    void deadlineKeepsNothingAlive();
    void deadlineOfTenThousandProcesses();

    void teardownWaitsForTheFuture();
    void teardownWaitsForACancelledFuture();
    void teardownWaitsForAFailedFuture();
    void teardownDoesNotWaitForAFinishedFuture();
    void waitingForAFutureEndsInABlockedHome();
    void waitingForAFutureDoesNotClose();
    void waitingForAFutureIsRefusedAfterTeardownHasBegun();
    void waitingForAFutureWhileClosingIsHonoured();

    void closingCancelsTheFuture();
    void closingCancelsAfterItWasAnnounced();
    void closingProcessCancelsAtOnce();
    void closingDoesNotTouchAFinishedFuture();
    void closingOfAProcessWithoutAHomeCancels();
    void runningProcessKeepsNoResult();
    void backgroundNeverCancels();

    void nullIsRefused();
    void backgroundIsRefused();
    void bindingsAreMadeInAnyThread();
    void bindingsMeetTheClose();
};

// closeOn(sender, signal)

void Bindings::signalClosesBeforeItsEmissionReturns()
{
    Sender sender;
    Process process;
    QVERIFY(closeOn(&process, &sender, &Sender::plain));
    QVERIFY(!process.isClosing());
    Q_EMIT sender.plain();
    QVERIFY(process.isClosing());
}

void Bindings::signalWithAnyArgumentsCloses()
{
    Sender sender;
    Process process;
    QVERIFY(closeOn(&process, &sender, &Sender::withArguments));
    Q_EMIT sender.withArguments(1, QString());
    QVERIFY(process.isClosing());
}

void Bindings::signalOfAnotherProcessCloses()
{
    Process first;
    Process second;
    QVERIFY(closeOn(&second, &first, &Process::closed));
    first.closeAndWait();
    QVERIFY(second.isClosing());
}

void Bindings::signalInAnotherThreadCloses()
{
    Sender sender;
    Process process;
    QVERIFY(closeOn(&process, &sender, &Sender::plain));
    Thread thread([&] { Q_EMIT sender.plain(); });
    QVERIFY(process.waitForClosing(soon()));
}

void Bindings::signalClosesAProcessWithoutAHome()
{
    Sender sender;
    const ProcessPtr work = GoProcess::go([](Process &self) { self.waitForClosing(); });
    QVERIFY(closeOn(work.get(), &sender, &Sender::plain));
    Q_EMIT sender.plain();
    QVERIFY(work->waitForClosed(soon()));
}

void Bindings::severalSignalsMayCloseOneProcess()
{
    Sender sender;
    Sender other;
    Process process;
    QVERIFY(closeOn(&process, &sender, &Sender::plain));
    QVERIFY(closeOn(&process, &sender, &Sender::withArguments));
    QVERIFY(closeOn(&process, &other, &Sender::plain));
    Q_EMIT other.plain();
    QVERIFY(process.isClosing());
    Q_EMIT sender.plain();
    QVERIFY(!process.closeAndWait());
}

void Bindings::destroyedSenderIsNoSignal()
{
    Process process;
    {
        Sender sender;
        QVERIFY(closeOn(&process, &sender, &Sender::plain));
    }
    QVERIFY(!process.isClosing());
    QVERIFY(!process.closeAndWait());
}

void Bindings::connectionEndsWithTheProcess()
{
    class Watched : public Sender
    {
    public:
        bool hasReceivers() const { return receivers(SIGNAL(plain())) > 0; }
    };
    Watched sender;
    Process process;
    QVERIFY(closeOn(&process, &sender, &Sender::plain));
    QVERIFY(sender.hasReceivers());
    process.closeAndWait();
    QVERIFY(!sender.hasReceivers());
}

void Bindings::signalAfterTheProcessIsDestroyedDoesNothing()
{
    Sender sender;
    {
        Process process;
        QVERIFY(closeOn(&process, &sender, &Sender::plain));
    }
    Q_EMIT sender.plain();
}

void Bindings::closedProcessIsNotBoundToASignal()
{
    Sender sender;
    Process process;
    process.closeAndWait();
    QVERIFY(closeOn(&process, &sender, &Sender::plain));
    Q_EMIT sender.plain();
}

void Bindings::manySendersLeaveNothingBehind()
{
    constexpr int count = 50'000;
    Process process;
    const auto bindMany = [&] {
        for (int i = 0; i < count; ++i) {
            Sender sender;
            Started<void> bound;
            CHECK(closeOn(&process, &sender, &Sender::plain));
            CHECK(cancelOnClosing(&process, bound.future));
        }
    };
    bindMany();
    const auto before = qsizetype(allocatedBytes());
    bindMany();
    const qsizetype growth = qsizetype(allocatedBytes()) - before;
    QVERIFY2(growth < count, qPrintable(QString::number(growth)));
}

// closeOn(future)

void Bindings::finishedFutureCloses()
{
    Started<void> bound;
    Process process;
    QVERIFY(closeOn(&process, bound.future));
    QVERIFY(staysOpen(process));
    bound.promise.finish();
    QVERIFY(process.waitForClosing(soon()));
}

void Bindings::cancelledFutureClosesBeforeItFinishes()
{
    Started<void> bound;
    Process process;
    QVERIFY(closeOn(&process, bound.future));
    bound.future.cancel();
    QVERIFY(process.waitForClosing(soon()));
    QVERIFY(!bound.future.isFinished());
}

void Bindings::failedFutureCloses()
{
    Started<int> bound;
    Process process;
    QVERIFY(closeOn(&process, bound.future));
    bound.promise.setException(std::make_exception_ptr(std::runtime_error("failed")));
    bound.promise.finish();
    QVERIFY(process.waitForClosing(soon()));
    QVERIFY(!process.closeAndWait());
}

void Bindings::droppedPromiseCloses()
{
    Process process;
    {
        QPromise<int> promise;
        promise.start();
        QVERIFY(closeOn(&process, promise.future()));
    }
    QVERIFY(process.waitForClosing(soon()));
}

void Bindings::futureThatHasFinishedClosesAtOnce()
{
    Process process;
    QVERIFY(closeOn(&process, readyFuture(1)));
    QVERIFY(process.isClosing());
}

void Bindings::defaultConstructedFutureClosesAtOnce()
{
    Process process;
    QVERIFY(closeOn(&process, QFuture<int>()));
    QVERIFY(process.isClosing());
}

void Bindings::futureWithAResultCloses()
{
    Started<QString> bound;
    Process process;
    QVERIFY(closeOn(&process, bound.future));
    bound.promise.addResult(QStringLiteral("result"));
    QVERIFY(staysOpen(process)); // a result is not the end
    bound.promise.finish();
    QVERIFY(process.waitForClosing(soon()));
    QCOMPARE(bound.future.result(), QStringLiteral("result"));
}

void Bindings::futureClosesWhileTheHomeIsBlocked()
{
    Started<void> bound;
    Process process;
    QVERIFY(closeOn(&process, bound.future));
    Thread thread([&] { bound.promise.finish(); });
    QVERIFY(process.waitForClosed(soon()));
    thread.join();
}

void Bindings::futureLeavesContinuationsAlone_data()
{
    QTest::addColumn<bool>("continuedFirst");
    QTest::newRow("made before") << true;
    QTest::newRow("made after") << false;
}

void Bindings::futureLeavesContinuationsAlone()
{
    QFETCH(bool, continuedFirst);
    Started<int> bound;
    Process process;
    int seen = 0;
    const auto see = [&](int result) { seen = result; };
    if (continuedFirst)
        bound.future.then(see);
    QVERIFY(closeOn(&process, bound.future));
    QVERIFY(GoProcess::waitFor(&process, bound.future));
    QVERIFY(cancelOnClosing(&process, bound.future));
    if (!continuedFirst)
        bound.future.then(see);
    bound.promise.addResult(7);
    bound.promise.finish();
    QCOMPARE(seen, 7);
    QVERIFY(process.waitForClosed(soon()));
}

void Bindings::futureLeavesWatchersAlone()
{
    Started<int> bound;
    Process process;
    QFutureWatcher<int> watcher;
    bool finished = false;
    connect(&watcher, &QFutureWatcher<int>::finished, this, [&] { finished = true; });
    watcher.setFuture(bound.future);
    QVERIFY(closeOn(&process, bound.future));
    bound.promise.finish();
    QVERIFY(process.waitForClosed(soon()));
    QTRY_VERIFY(finished);
}

void Bindings::futureThatReportsManyResultsIsNotHeldUp()
{
    Started<int> bound;
    Process process;
    QVERIFY(closeOn(&process, bound.future));
    for (int i = 0; i < 10'000; ++i)
        bound.promise.addResult(i);
    bound.promise.suspendIfRequested();
    QVERIFY(!bound.future.isSuspended());
    bound.promise.finish();
    QVERIFY(process.waitForClosed(soon()));
    QCOMPARE(bound.future.resultCount(), 10'000);
}

void Bindings::futureOfAClosedProcessIsForgotten()
{
    Started<void> bound;
    {
        Process process;
        QVERIFY(closeOn(&process, bound.future));
    }
    bound.promise.finish();
    Process closed;
    closed.closeAndWait();
    QVERIFY(closeOn(&closed, bound.future));
}

void Bindings::boundFutureKeepsNoResult()
{
    Process process;
    const auto result = std::make_shared<int>(1);
    {
        Started<std::shared_ptr<int>> bound;
        QVERIFY(closeOn(&process, bound.future));
        QVERIFY(GoProcess::waitFor(&process, bound.future));
        bound.promise.addResult(result);
        bound.promise.finish();
    }
    QCOMPARE(result.use_count(), 1L);
    QVERIFY(process.waitForClosed(soon()));
}

void Bindings::manyFuturesCloseManyProcesses()
{
    constexpr std::size_t count = 2'000;
    std::vector<std::unique_ptr<Process>> processes;
    std::vector<std::unique_ptr<Started<void>>> bound;
    for (std::size_t i = 0; i < count; ++i) {
        processes.push_back(std::make_unique<Process>());
        bound.push_back(std::make_unique<Started<void>>());
        QVERIFY(closeOn(processes[i].get(), bound[i]->future));
    }
    Thread thread([&] {
        for (const auto &one : bound)
            one->promise.finish();
    });
    for (const auto &process : processes)
        QVERIFY(process->waitForClosed(soon()));
}

// closeAt

void Bindings::deadlineCloses()
{
    Process process;
    const QDeadlineTimer deadline(20);
    QVERIFY(closeAt(&process, deadline));
    QVERIFY(process.waitForClosing(soon()));
    QVERIFY(deadline.hasExpired());
    QVERIFY(!process.closeAndWait());
}

void Bindings::durationIsADeadline()
{
    Process process;
    QVERIFY(closeAt(&process, 5ms));
    QVERIFY(process.waitForClosed(soon()));
}

void Bindings::expiredDeadlineClosesAtOnce()
{
    Process process;
    QVERIFY(closeAt(&process, QDeadlineTimer(0)));
    QVERIFY(process.isClosing());
}

void Bindings::foreverNeverCloses()
{
    Process process;
    QVERIFY(closeAt(&process, QDeadlineTimer::Forever));
    QVERIFY(staysOpen(process));
}

void Bindings::earlierDeadlineOvertakes()
{
    Process late;
    Process early;
    QVERIFY(closeAt(&late, 1h));
    QVERIFY(closeAt(&early, 1ms));
    QVERIFY(early.waitForClosed(soon()));
    QVERIFY(!late.isClosing());
}

void Bindings::deadlineThatIsFarAwayIsNoProblem()
{
    Process process;
    QVERIFY(closeAt(&process, std::chrono::hours(24 * 365 * 200)));
    QVERIFY(staysOpen(process));
}

void Bindings::deadlineKeepsNothingAlive()
{
    QPointer<Process> process = new Process;
    QVERIFY(closeAt(process.data(), 1h));
    delete process.data();
    QVERIFY(!process);
    Process closed;
    closed.closeAndWait();
    QVERIFY(closeAt(&closed, 1ms));
    QVERIFY(closeAt(&closed, QDeadlineTimer(0)));
}

void Bindings::deadlineOfTenThousandProcesses()
{
    std::vector<std::unique_ptr<Process>> processes;
    for (int i = 0; i < 10'000; ++i) {
        processes.push_back(std::make_unique<Process>());
        QVERIFY(closeAt(processes.back().get(), std::chrono::milliseconds(1 + (i * 7919) % 50)));
    }
    for (const auto &process : processes)
        QVERIFY(process->waitForClosed(soon()));
}

// waitFor(future)

void Bindings::teardownWaitsForTheFuture()
{
    EventLog log;
    Started<void> awaited;
    Process process([&] { log.add(QStringLiteral("teardown")); });
    QVERIFY(GoProcess::waitFor(&process, awaited.future));
    process.close();
    Thread thread([&] {
        CHECK(process.waitForClosing(soon()));
        log.add(QStringLiteral("finish"));
        awaited.promise.finish();
    });
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(log.compare({ QStringLiteral("finish"), QStringLiteral("teardown") }));
}

void Bindings::teardownWaitsForACancelledFuture()
{
    std::atomic<bool> finished = false;
    Started<void> awaited;
    Process process([&] { CHECK(finished); });
    QVERIFY(GoProcess::waitFor(&process, awaited.future));
    awaited.future.cancel();
    process.close();
    QVERIFY(!process.waitForClosed(QDeadlineTimer(1)));
    finished = true;
    awaited.promise.finish();
    QVERIFY(process.waitForClosed(soon()));
}

void Bindings::teardownWaitsForAFailedFuture()
{
    Started<int> awaited;
    Process process;
    QVERIFY(GoProcess::waitFor(&process, awaited.future));
    process.close();
    awaited.promise.setException(std::make_exception_ptr(std::runtime_error("failed")));
    awaited.promise.finish();
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(!process.error()); // the error is not the process's
}

void Bindings::teardownDoesNotWaitForAFinishedFuture()
{
    Process process;
    QVERIFY(GoProcess::waitFor(&process, readyFuture()));
    QVERIFY(GoProcess::waitFor(&process, QFuture<int>()));
    QVERIFY(!process.closeAndWait());
}

void Bindings::waitingForAFutureEndsInABlockedHome()
{
    Started<void> awaited;
    Process process;
    QVERIFY(GoProcess::waitFor(&process, awaited.future));
    const ProcessPtr finisher = GoProcess::go([&] {
        process.waitForClosing();
        awaited.promise.finish();
    });
    QVERIFY(!process.closeAndWait());
    QVERIFY(finisher->waitForClosed(soon()));
}

void Bindings::waitingForAFutureDoesNotClose()
{
    Started<void> awaited;
    Process process;
    QVERIFY(GoProcess::waitFor(&process, awaited.future));
    awaited.promise.finish();
    QVERIFY(staysOpen(process));
}

void Bindings::waitingForAFutureIsRefusedAfterTeardownHasBegun()
{
    Started<void> awaited;
    Process process;
    process.setName(QStringLiteral("late"));
    process.closeAndWait();
    const ExpectWarning warning(naming({ &process }));
    QVERIFY(!GoProcess::waitFor(&process, awaited.future));
}

void Bindings::waitingForAFutureWhileClosingIsHonoured()
{
    Started<void> awaited;
    bool tornDown = false;
    Process process([&] { tornDown = true; });
    connect(&process, &Process::closing, &process,
            [&] { CHECK(GoProcess::waitFor(&process, awaited.future)); });
    process.close();
    QVERIFY(!process.waitForClosed(QDeadlineTimer(1)));
    QVERIFY(!tornDown);
    awaited.promise.finish();
    QVERIFY(process.waitForClosed(soon()));
}

// cancelOnClosing

void Bindings::closingCancelsTheFuture()
{
    Started<int> cancelled;
    Process process;
    QVERIFY(cancelOnClosing(&process, cancelled.future));
    QVERIFY(!cancelled.future.isCanceled());
    process.closeAndWait();
    QVERIFY(cancelled.future.isCanceled());
}

void Bindings::closingCancelsAfterItWasAnnounced()
{
    Started<void> cancelled;
    Process process;
    QVERIFY(cancelOnClosing(&process, cancelled.future));
    connect(&process, &Process::closing, this, [&] { CHECK(!cancelled.future.isCanceled()); });
    process.setTeardown([&] { CHECK(cancelled.future.isCanceled()); });
    process.close();
    QVERIFY(!cancelled.future.isCanceled()); // not inside of close()
    QVERIFY(!process.closeAndWait());
}

void Bindings::closingProcessCancelsAtOnce()
{
    Started<void> cancelled;
    Process process;
    process.close();
    QVERIFY(cancelOnClosing(&process, cancelled.future));
    QVERIFY(cancelled.future.isCanceled());
    Started<void> late;
    process.closeAndWait();
    QVERIFY(cancelOnClosing(&process, late.future));
    QVERIFY(late.future.isCanceled());
}

void Bindings::closingDoesNotTouchAFinishedFuture()
{
    Process process;
    const QFuture<int> finished = readyFuture(3);
    QVERIFY(cancelOnClosing(&process, finished));
    process.closeAndWait();
    QCOMPARE(finished.result(), 3);
}

void Bindings::closingOfAProcessWithoutAHomeCancels()
{
    Started<void> cancelled;
    const ProcessPtr work = GoProcess::go([](Process &self) { self.waitForClosing(); });
    QVERIFY(cancelOnClosing(work.get(), cancelled.future));
    work->close();
    QVERIFY(work->waitForClosed(soon()));
    QVERIFY(cancelled.future.isCanceled());
}

void Bindings::runningProcessKeepsNoResult()
{
    Process process;
    const auto result = std::make_shared<int>(1);
    {
        Started<std::shared_ptr<int>> cancelled;
        QVERIFY(cancelOnClosing(&process, cancelled.future));
        cancelled.promise.addResult(result);
        cancelled.promise.finish();
    }
    QCOMPARE(result.use_count(), 1L);
}

void Bindings::backgroundNeverCancels()
{
    Started<void> cancelled;
    QVERIFY(cancelOnClosing(Process::background(), cancelled.future));
    QVERIFY(!cancelled.future.isCanceled());
}

// All

void Bindings::nullIsRefused()
{
    Sender sender;
    Process process;
    process.setName(QStringLiteral("bound"));
    {
        const ExpectWarning warnings(QStringLiteral("process is null"), 5);
        QVERIFY(!closeOn(nullptr, &sender, &Sender::plain));
        QVERIFY(!closeOn(nullptr, QFuture<void>()));
        QVERIFY(!closeAt(nullptr, 1s));
        QVERIFY(!GoProcess::waitFor(nullptr, QFuture<void>()));
        QVERIFY(!cancelOnClosing(nullptr, QFuture<void>()));
    }
    const ExpectWarning warning(QStringLiteral("sender is null"));
    QVERIFY(!closeOn(&process, static_cast<Sender *>(nullptr), &Sender::plain));
}

void Bindings::backgroundIsRefused()
{
    Sender sender;
    const ExpectWarning warnings(QStringLiteral("/background.*never closes"), 4);
    QVERIFY(!closeOn(Process::background(), &sender, &Sender::plain));
    QVERIFY(!closeOn(Process::background(), QFuture<void>()));
    QVERIFY(!closeAt(Process::background(), 1s));
    QVERIFY(!GoProcess::waitFor(Process::background(), QFuture<void>()));
}

void Bindings::bindingsAreMadeInAnyThread()
{
    EventLoopThread home;
    Sender sender;
    std::unique_ptr<Process> process;
    home.run([&] { process = std::make_unique<Process>(); });
    QVERIFY(closeOn(process.get(), &sender, &Sender::plain));
    QVERIFY(closeAt(process.get(), 1h));
    Started<void> cancelled;
    QVERIFY(cancelOnClosing(process.get(), cancelled.future));
    Q_EMIT sender.plain();
    QVERIFY(process->waitForClosed(soon()));
    QVERIFY(cancelled.future.isCanceled());
    home.run([&] { process.reset(); });
}

void Bindings::bindingsMeetTheClose()
{
    for (int i = 0; i < 200; ++i) {
        Sender sender;
        Started<void> bound;
        Started<void> cancelled;
        Process process;
        Gate gate;
        Thread closer([&] {
            gate.pass();
            process.close();
        });
        Thread binder([&] {
            gate.pass();
            CHECK(closeOn(&process, &sender, &Sender::plain));
            CHECK(closeOn(&process, bound.future));
            CHECK(closeAt(&process, 1h));
            CHECK(cancelOnClosing(&process, cancelled.future));
        });
        gate.waitForArrivals(2);
        gate.open();
        QVERIFY(process.waitForClosed(soon()));
        binder.join();
        QVERIFY(cancelled.future.isCanceled());
        Q_EMIT sender.plain();
    }
}

QTEST_GUILESS_MAIN(Bindings)

#include "tst_bindings.moc"
