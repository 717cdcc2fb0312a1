// SPDX-License-Identifier: MIT
// adopt() of futures whose thread, or whose pool, does not go on.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QDeadlineTimer>
#include <QFutureWatcher>
#include <QPromise>
#include <QTest>
#include <QThread>
#include <QThreadPool>
#include <QtConcurrent>

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::adopt;
using GoProcess::Error;
using GoProcess::Process;
using GoProcess::ProcessPtr;

namespace {

/// A pool of one thread, which is busy until the gate is opened.
struct BusyPool
{
    BusyPool()
    {
        pool.setMaxThreadCount(1);
        pool.start([this] { gate.pass(); });
        gate.waitForArrivals();
    }
    QFuture<void> run()
    {
        return QtConcurrent::run(&pool, [this] { ++ran; });
    }

    Gate gate;
    std::atomic<int> ran = 0;
    QThreadPool pool;
};

} // namespace

class tst_AdaptorsStuckFutures : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void adoptedInAThreadThatHasEnded_data();
    void adoptedInAThreadThatHasEnded();
    void endsByItselfWhileHomeIsBlocked();
    void beforeThereIsAnEventLoop();
    void resultsAreNotKept();

    void poolAndFutures_data();
    void poolAndFutures();
    void poolAndWaitedForFutures_data();
    void poolAndWaitedForFutures();
    void poolAloneIsClosed();
    void adoptedAfterItsPoolWasCleared();
    void clearedPoolIsUsedOn();
    void poolDestroyedMeanwhile();
    void queuedBehindWhatEndsAfterTheWait();
    void closeStorm();
};

void tst_AdaptorsStuckFutures::adoptedInAThreadThatHasEnded_data()
{
    QTest::addColumn<bool>("isClosedBefore");
    QTest::newRow("thread ends, then it is closed") << false;
    QTest::newRow("it is closed, then the thread ends") << true;
}

void tst_AdaptorsStuckFutures::adoptedInAThreadThatHasEnded()
{
    QFETCH(const bool, isClosedBefore);
    QPromise<void> promise;
    promise.start();
    EventLoopThread thread;
    const ExpectWarning homeless(u"does not run its steps"_s, 1, 3);
    Process *process = thread.run([&] { return adopt(promise.future()); });
    if (isClosedBefore) {
        process->close();
        QTRY_VERIFY(promise.isCanceled());
        thread.stop();
    } else {
        thread.stop();
        process->close();
        QTRY_VERIFY(promise.isCanceled());
    }
    QVERIFY(!process->isClosed());
    promise.finish();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
    delete process;
}

void tst_AdaptorsStuckFutures::endsByItselfWhileHomeIsBlocked()
{
    QPromise<void> promise;
    promise.start();
    const std::unique_ptr<Process> process(adopt(promise.future()));
    Thread producer([&] { promise.finish(); });
    QVERIFY(process->waitForClosed(soon())); // without a close(), and without an event loop
    QVERIFY(!promise.isCanceled());
}

void tst_AdaptorsStuckFutures::beforeThereIsAnEventLoop()
{
    // As above, in a thread that never has one.
    QPromise<void> promise;
    promise.start();
    Thread thread([&] {
        const std::unique_ptr<Process> process(adopt(promise.future()));
        Thread producer([&] { promise.finish(); });
        CHECK(process->waitForClosed(soon()));
    });
}

void tst_AdaptorsStuckFutures::resultsAreNotKept()
{
    QPromise<std::shared_ptr<int>> promise;
    promise.start();
    auto result = std::make_shared<int>(1);
    const std::weak_ptr<int> seen = result;
    promise.addResult(std::move(result));
    const std::unique_ptr<Process> process(adopt(promise.future()));
    promise.finish();
    promise = QPromise<std::shared_ptr<int>>();
    QVERIFY(seen.expired());
    QTRY_VERIFY(process->isClosed());
}

// --- Futures of a pool that is adopted as well ---------------------------------------------------

void tst_AdaptorsStuckFutures::poolAndFutures_data()
{
    QTest::addColumn<bool>("isPoolFirst");
    QTest::addColumn<bool>("isBlocked");
    QTest::newRow("pool, futures") << true << false;
    QTest::newRow("futures, pool") << false << false;
    QTest::newRow("pool, futures, blocked home") << true << true;
    QTest::newRow("futures, pool, blocked home") << false << true;
}

void tst_AdaptorsStuckFutures::poolAndFutures()
{
    QFETCH(const bool, isPoolFirst);
    QFETCH(const bool, isBlocked);
    BusyPool busy;
    Process root;
    if (isPoolFirst)
        adopt(&busy.pool, &root);
    std::vector<QFuture<void>> futures;
    for (int i = 0; i < 5; ++i) {
        futures.push_back(busy.run());
        adopt(futures.back(), &root);
    }
    if (!isPoolFirst)
        adopt(&busy.pool, &root);
    root.close();
    if (isBlocked) {
        QVERIFY(!root.waitForClosed(QDeadlineTimer(20)));
        busy.gate.open();
        QVERIFY(root.waitForClosed(soon()));
    } else {
        deliver();
        busy.gate.open();
        QTRY_VERIFY(root.isClosed());
    }
    QCOMPARE(root.treeErrorCount(), 0);
    QCOMPARE(busy.ran.load(), 0);
    for (const QFuture<void> &future : futures) {
        QVERIFY(future.isFinished());
        QVERIFY(future.isCanceled());
    }
}

void tst_AdaptorsStuckFutures::poolAndWaitedForFutures_data()
{
    QTest::addColumn<bool>("isBlocked");
    QTest::newRow("event loop") << false;
    QTest::newRow("blocked home") << true;
}

void tst_AdaptorsStuckFutures::poolAndWaitedForFutures()
{
    QFETCH(const bool, isBlocked);
    BusyPool busy;
    Process root;
    adopt(&busy.pool, &root);
    int told = 0;
    QFutureWatcher<void> watcher;
    connect(&watcher, &QFutureWatcherBase::finished, this, [&] { ++told; });
    for (int i = 0; i < 5; ++i) {
        const QFuture<void> future = busy.run();
        QVERIFY(GoProcess::waitFor(&root, future));
        if (i == 0)
            watcher.setFuture(future);
    }
    root.close();
    if (isBlocked) {
        QVERIFY(!root.waitForClosed(QDeadlineTimer(20)));
        busy.gate.open();
        QVERIFY(root.waitForClosed(soon()));
    } else {
        deliver();
        busy.gate.open();
        QTRY_VERIFY(root.isClosed());
    }
    QTRY_COMPARE(told, 1); // others hear of it as well
}

void tst_AdaptorsStuckFutures::poolAloneIsClosed()
{
    BusyPool busy;
    const std::unique_ptr<Process> pool(adopt(&busy.pool));
    const std::unique_ptr<Process> future(adopt(busy.run()));
    pool->close();
    QVERIFY(!pool->waitForClosed(QDeadlineTimer(20)));
    busy.gate.open();
    QTRY_VERIFY(pool->isClosed());
    QTRY_VERIFY(future->isClosed());
    QVERIFY(!future->error());
}

void tst_AdaptorsStuckFutures::adoptedAfterItsPoolWasCleared()
{
    BusyPool busy;
    const QFuture<void> first = busy.run();
    const QFuture<void> second = busy.run();
    const std::unique_ptr<Process> pool(adopt(&busy.pool));
    QVERIFY(!(pool->close(), pool->waitForClosed(QDeadlineTimer(20))));
    const std::unique_ptr<Process> early(adopt(first));
    busy.gate.open();
    QTRY_VERIFY(pool->isClosed());
    const std::unique_ptr<Process> late(adopt(second));
    QTRY_VERIFY(early->isClosed());
    QTRY_VERIFY(late->isClosed());
    QCOMPARE(busy.ran.load(), 0);
}

void tst_AdaptorsStuckFutures::clearedPoolIsUsedOn()
{
    QThreadPool pool;
    QVERIFY(!std::unique_ptr<Process>(adopt(&pool))->closeAndWait());
    std::atomic<int> ran = 0;
    Process root;
    Gate gate;
    for (int i = 0; i < 100; ++i) {
        adopt(QtConcurrent::run(&pool,
                                [&] {
                                    gate.pass();
                                    ++ran;
                                }),
              &root);
    }
    gate.open();
    root.closeAfterChildren();
    QTRY_VERIFY(root.isClosed());
    QCOMPARE(ran.load(), 100);
}

void tst_AdaptorsStuckFutures::poolDestroyedMeanwhile()
{
    auto busy = std::make_unique<BusyPool>();
    const QFuture<void> future = busy->run();
    const std::unique_ptr<Process> pool(adopt(&busy->pool));
    const std::unique_ptr<Process> process(adopt(future));
    QVERIFY(!(pool->close(), pool->waitForClosed(QDeadlineTimer(20))));
    busy->gate.open();
    busy.reset();
    QTRY_VERIFY(process->isClosed());
    QTRY_VERIFY(pool->isClosed());
}

void tst_AdaptorsStuckFutures::queuedBehindWhatEndsAfterTheWait()
{
    BusyPool busy;
    const std::unique_ptr<Process> process(adopt(busy.run()));
    QVERIFY(!process->closeAndWait()); // and only now the pool goes on
    busy.gate.open();
    QVERIFY(busy.pool.waitForDone(-1));
    QCOMPARE(busy.ran.load(), 0);
}

void tst_AdaptorsStuckFutures::closeStorm()
{
    for (int round = 0; round < 50; ++round) {
        QThreadPool pool;
        pool.setMaxThreadCount(2);
        Process root;
        adopt(&pool, &root);
        for (int i = 0; i < 20; ++i)
            adopt(QtConcurrent::run(&pool, [] { std::this_thread::yield(); }), &root);
        root.close();
        if (round % 2)
            QVERIFY(root.waitForClosed(soon()));
        QTRY_VERIFY(root.isClosed());
        QCOMPARE(root.treeErrorCount(), 0);
    }
}

QTEST_MAIN(tst_AdaptorsStuckFutures)
#include "tst_adaptors_stuckfutures.moc"
