// SPDX-License-Identifier: MIT
// adopt() of thread pools.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/messages.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QDeadlineTimer>
#include <QTest>
#include <QThreadPool>

#include <atomic>
#include <memory>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::adopt;
using GoProcess::Process;
using GoProcess::ProcessPtr;

class tst_AdaptorsPool : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void pool_isClearedAndClosedWhenDone();
    void pool_homeIsBlocked();
    void pool_doesNotBlockTheEventLoop();
    void pool_droppedWorksOfProcessesFail();
    void pool_childrenThatRunInItCloseFirst();
    void pool_idle();
    void pool_destroyedTooEarly();
    void pool_destroyedWhileItsProcessCloses();
    void pool_destroyedRightAfterClosed();
    void pool_processDestroyedWhileWorksRun();
};

// --- QThreadPool ---------------------------------------------------------------------------------

void tst_AdaptorsPool::pool_isClearedAndClosedWhenDone()
{
    QThreadPool pool;
    pool.setMaxThreadCount(1);
    Gate gate;
    pool.start([&] { gate.pass(); });
    QVERIFY(gate.waitForArrivals());
    pool.start([] { fail(u"It had not started"_s); });
    const std::unique_ptr<Process> process(adopt(&pool));
    Counter torn;
    connect(process.get(), &Process::closing, this, [&] { torn.add(); });
    process->close();
    QTRY_COMPARE(torn.count(), 1);
    QVERIFY(!process->isClosed());
    gate.open();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
}

void tst_AdaptorsPool::pool_homeIsBlocked()
{
    QThreadPool pool;
    Counter ran;
    Gate gate;
    pool.start([&] {
        gate.pass();
        ran.add();
    });
    QVERIFY(gate.waitForArrivals());
    const std::unique_ptr<Process> process(adopt(&pool));
    connect(process.get(), &Process::closing, this, [&] { gate.open(); });
    QVERIFY(!process->closeAndWait());
    QCOMPARE(ran.count(), 1);
}

void tst_AdaptorsPool::pool_doesNotBlockTheEventLoop()
{
    QThreadPool pool;
    Gate gate;
    pool.start([&] { gate.pass(); });
    QVERIFY(gate.waitForArrivals());
    const std::unique_ptr<Process> process(adopt(&pool));
    process->close();
    // The event loop goes on: it opens the gate, without which the pool is never done.
    connect(process.get(), &Process::closing, this, [&] {
        QMetaObject::invokeMethod(
                this,
                [&] {
                    QMetaObject::invokeMethod(
                            this, [&] { gate.open(); }, Qt::QueuedConnection);
                },
                Qt::QueuedConnection);
    });
    QTRY_VERIFY(process->isClosed());
}

void tst_AdaptorsPool::pool_droppedWorksOfProcessesFail()
{
    QThreadPool pool;
    pool.setMaxThreadCount(1);
    Gate gate;
    pool.start([&] { gate.pass(); });
    QVERIFY(gate.waitForArrivals());
    Process other;
    other.setThreadPool(&pool);
    const ProcessPtr dropped = other.go([] { fail(u"It had not started"_s); });
    const std::unique_ptr<Process> process(adopt(&pool));
    process->close();
    QTRY_VERIFY(dropped->isClosed());
    QVERIFY(dropped->error());
    gate.open();
    QVERIFY(process->waitForClosed(soon()));
}

void tst_AdaptorsPool::pool_childrenThatRunInItCloseFirst()
{
    QThreadPool pool;
    pool.setMaxThreadCount(1);
    const std::unique_ptr<Process> process(adopt(&pool));
    process->setThreadPool(&pool);
    std::atomic<int> ran = 0;
    for (int i = 0; i < 20; ++i)
        QVERIFY(process->go([&] { ++ran; }));
    QVERIFY(!process->closeAndWait());
    QCOMPARE(ran.load(), 20);
}

void tst_AdaptorsPool::pool_idle()
{
    QThreadPool pool;
    const std::unique_ptr<Process> process(adopt(&pool));
    process->close();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
}

void tst_AdaptorsPool::pool_destroyedTooEarly()
{
    auto pool = std::make_unique<QThreadPool>();
    const std::unique_ptr<Process> process(adopt(pool.get()));
    pool.reset();
    QVERIFY(process->waitForClosed(soon()));
    QVERIFY(process->error().message().contains(u"destroyed"_s));
}

void tst_AdaptorsPool::pool_destroyedWhileItsProcessCloses()
{
    for (int i = 0; i < 50; ++i) {
        auto pool = std::make_unique<QThreadPool>();
        Gate gate;
        pool->start([&] { gate.pass(); });
        QVERIFY(gate.waitForArrivals());
        const std::unique_ptr<Process> process(adopt(pool.get()));
        process->close();
        QVERIFY(!process->waitForClosed(QDeadlineTimer(i % 3))); // in the middle of it
        gate.open();
        pool.reset();
        QVERIFY(process->waitForClosed(soon()));
    }
}

void tst_AdaptorsPool::pool_destroyedRightAfterClosed()
{
    for (int i = 0; i < 100; ++i) {
        auto pool = std::make_unique<QThreadPool>();
        pool->start([] {});
        const std::unique_ptr<Process> process(adopt(pool.get()));
        QVERIFY(!process->closeAndWait());
        pool.reset();
    }
}

void tst_AdaptorsPool::pool_processDestroyedWhileWorksRun()
{
    QThreadPool pool;
    std::atomic<bool> ran = false;
    Gate gate;
    pool.start([&] {
        gate.pass();
        ran = true;
    });
    QVERIFY(gate.waitForArrivals());
    Process *process = adopt(&pool);
    connect(process, &Process::closing, this, [&] { gate.open(); });
    delete process;
    QVERIFY(ran);
}

QTEST_MAIN(tst_AdaptorsPool)

#include "tst_adaptors_pool.moc"
