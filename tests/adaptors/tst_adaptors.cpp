// SPDX-License-Identifier: MIT
// adopt() of threads, thread pools and futures.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/eventlog.h"
#include "support/messages.h"
#include "support/readyfuture.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QDeadlineTimer>
#include <QEvent>
#include <QFuture>
#include <QPointer>
#include <QPromise>
#include <QTest>
#include <QThread>
#include <QThreadPool>
#include <QtConcurrent>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::adopt;
using GoProcess::Error;
using GoProcess::Process;
using GoProcess::ProcessPtr;

namespace {

/// Runs functions in the event loop of a thread, each in a queued event of its own. Made before the
/// thread starts, which orders the two.
class Poster : public QObject
{
public:
    explicit Poster(QThread &thread) { moveToThread(&thread); }

    void post(std::function<void()> function)
    {
        // The event is posted under the mutex too, which orders all of it before its delivery.
        const std::lock_guard lock(m_mutex);
        m_functions.push_back(std::move(function));
        QCoreApplication::postEvent(this, new QEvent(QEvent::User));
    }

    bool event(QEvent *event) override
    {
        if (event->type() != QEvent::User)
            return QObject::event(event);
        std::function<void()> function;
        {
            const std::lock_guard lock(m_mutex);
            function = std::move(m_functions.front());
            m_functions.pop_front();
        }
        function();
        return true;
    }

private:
    std::mutex m_mutex;
    std::deque<std::function<void()>> m_functions; // guarded by m_mutex
};

class RunThread : public QThread
{
public:
    explicit RunThread(std::function<void()> function) : m_function(std::move(function)) { }

protected:
    void run() override { m_function(); }

private:
    const std::function<void()> m_function;
};

} // namespace

class tst_Adaptors : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void nullIsRefused();
    void theParentOwns();
    void withoutAParentTheCallerOwns();
    void underAClosingParent();
    void insideAWorkUnderAClosingParent();

    void thread_isQuitAndClosedOnFinished();
    void thread_homeIsBlocked();
    void thread_homeRunsStepsWhileTheThreadEnds();
    void thread_childrenInItCloseFirst();
    void thread_queuedCallsStillRun();
    void thread_startedJustBefore();
    void thread_neverStarted();
    void thread_endsByItself();
    void thread_endsByItselfWhileHomeIsBlocked();
    void thread_hadFinishedBefore();
    void thread_thatEndsByItselfStillRunsItsChildren_data();
    void thread_thatEndsByItselfStillRunsItsChildren();
    void thread_withoutAnEventLoop();
    void thread_subclass();
    void thread_destroyedTooEarly();
    void thread_destroyedAfterItFinished();
    void thread_destroyedRightAfterClosed();
    void thread_processDestroyedWhileItRuns();
    void thread_adoptedInItselfIsRefused();
    void thread_adoptedInAWork();
    void thread_startAndCloseStorm();

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

    void future_isCancelledAndClosedWhenFinished();
    void future_homeIsBlocked();
    void future_finishesByItself();
    void future_finishedBefore();
    void future_default();
    void future_exceptionIsAnError();
    void future_exceptionInABlockedWait();
    void future_errorAsResult();
    void future_ofConcurrentRun();
    void future_moveOnlyResult();
    void future_continuationsStayAsTheyAre();
    void future_processDestroyedWhileItRuns();
    void future_inAWork();
};

// --- All -----------------------------------------------------------------------------------------

void tst_Adaptors::nullIsRefused()
{
    Process parent;
    parent.setName(u"parent"_s);
    const ExpectWarning refused(u"^adopt\\(\\).*/parent.*refused.*null"_s, 3);
    QVERIFY(!adopt(static_cast<QThread *>(nullptr), &parent));
    QVERIFY(!adopt(static_cast<QThreadPool *>(nullptr), &parent));
    QVERIFY(!adopt(static_cast<QIODevice *>(nullptr), &parent));
    const ExpectWarning withoutParent(u"^adopt\\(\\) refused.*null"_s);
    QVERIFY(!adopt(static_cast<QThread *>(nullptr)));
    QVERIFY(parent.children().isEmpty());
}

void tst_Adaptors::theParentOwns()
{
    QThreadPool pool;
    QPointer<Process> process;
    {
        Process parent;
        process = adopt(&pool, &parent);
        QCOMPARE(process->parent(), &parent);
        QVERIFY(!parent.closeAndWait());
        QVERIFY(process->isClosed()); // a child as well
    }
    QVERIFY(!process);
    {
        QObject parent;
        process = adopt(&pool, &parent);
        QVERIFY(!process->isClosing());
    }
    QVERIFY(!process);
}

void tst_Adaptors::withoutAParentTheCallerOwns()
{
    QThreadPool pool;
    const std::unique_ptr<Process> process(adopt(&pool));
    QVERIFY(!process->parent());
    QVERIFY(!process->closeAndWait());
}

void tst_Adaptors::underAClosingParent()
{
    Process parent;
    QVERIFY(!parent.closeAndWait());
    EventLoopThread thread;
    const ExpectWarning refused(u"addChild.*Closed"_s);
    Process *process = adopt(&thread, &parent);
    QVERIFY(process);
    QVERIFY(process->waitForClosed(soon()));
    QVERIFY(thread.wait(soon()));
}

void tst_Adaptors::insideAWorkUnderAClosingParent()
{
    Process parent;
    const GoProcess::Hold hold = parent.hold();
    parent.close();
    const ProcessPtr work = GoProcess::go([&] {
        for (int i = 0; i < 200; ++i) {
            QThreadPool pool;
            const std::unique_ptr<Process> process(adopt(&pool, &parent));
            CHECK(process->waitForClosed(soon()));
            CHECK(!process->error());
        }
    });
    QVERIFY(work->waitForClosed(soon()));
}

// --- QThread -------------------------------------------------------------------------------------

void tst_Adaptors::thread_isQuitAndClosedOnFinished()
{
    QThread thread;
    thread.start();
    const std::unique_ptr<Process> process(adopt(&thread));
    QVERIFY(!process->isClosing());
    process->close();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
    QVERIFY(!thread.isRunning());
    QVERIFY(thread.wait(soon()));
}

void tst_Adaptors::thread_homeIsBlocked()
{
    QThread thread;
    thread.start();
    const std::unique_ptr<Process> process(adopt(&thread));
    QVERIFY(!process->closeAndWait());
    QVERIFY(!thread.isRunning());
    QVERIFY(thread.wait(soon()));
}

void tst_Adaptors::thread_homeRunsStepsWhileTheThreadEnds()
{
    QThread thread;
    Poster poster(thread);
    thread.start();
    Counter torn;
    Process other([&] { torn.add(); });
    const std::unique_ptr<Process> process(adopt(&thread));
    Gate gate;
    poster.post([&] {
        gate.pass();
        other.close();
        torn.waitFor(1); // a step of the thread that waits for this one
    });
    QVERIFY(gate.waitForArrivals());
    gate.open();
    QVERIFY(!process->closeAndWait());
    QCOMPARE(torn.count(), 1);
    thread.wait();
}

void tst_Adaptors::thread_childrenInItCloseFirst()
{
    EventLog log;
    QThread thread;
    connect(
            &thread, &QThread::finished, &thread, [&] { log.add(u"finished"_s); },
            Qt::DirectConnection);
    thread.start();
    const std::unique_ptr<Process> process(adopt(&thread));
    process->setName(u"thread"_s);
    QThread *where = nullptr;
    Process child([&] {
        where = QThread::currentThread();
        log.add(u"teardown"_s);
    });
    process->addChild(&child);
    child.moveToThread(&thread);
    log.watch(*process);
    process->close();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(log.inOrder(u"teardown"_s, u"finished"_s));
    QVERIFY(log.inOrder(u"finished"_s, u"closed thread"_s));
    QCOMPARE(where, &thread);
    thread.wait();
}

void tst_Adaptors::thread_queuedCallsStillRun()
{
    for (int round = 0; round < 20; ++round) {
        QThread thread;
        Poster poster(thread);
        thread.start();
        const std::unique_ptr<Process> process(adopt(&thread));
        Counter calls;
        for (int i = 0; i < 100; ++i)
            poster.post([&] { calls.add(); });
        QVERIFY(!process->closeAndWait());
        QCOMPARE(calls.count(), 100);
        thread.wait();
    }
}

void tst_Adaptors::thread_startedJustBefore()
{
    QThread thread;
    const std::unique_ptr<Process> process(adopt(&thread));
    thread.start();
    QVERIFY(!process->closeAndWait());
    QVERIFY(thread.wait(soon()));
}

void tst_Adaptors::thread_neverStarted()
{
    QThread thread;
    const std::unique_ptr<Process> process(adopt(&thread));
    process->close();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
}

void tst_Adaptors::thread_endsByItself()
{
    QThread thread;
    thread.start();
    const std::unique_ptr<Process> process(adopt(&thread));
    thread.quit();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
    thread.wait();
}

void tst_Adaptors::thread_endsByItselfWhileHomeIsBlocked()
{
    QThread thread;
    thread.start();
    const std::unique_ptr<Process> process(adopt(&thread));
    thread.quit();
    QVERIFY(process->waitForClosed(soon())); // without a close(), and without an event loop
    thread.wait();
}

void tst_Adaptors::thread_hadFinishedBefore()
{
    QThread thread;
    thread.start();
    thread.quit();
    QVERIFY(thread.wait(soon()));
    const std::unique_ptr<Process> process(adopt(&thread));
    QVERIFY(process->waitForClosed(soon()));
    QVERIFY(!process->error());
}

void tst_Adaptors::thread_thatEndsByItselfStillRunsItsChildren_data()
{
    QTest::addColumn<bool>("wasHome");
    QTest::newRow("a new home") << false;
    QTest::newRow("a home before") << true;
}

void tst_Adaptors::thread_thatEndsByItselfStillRunsItsChildren()
{
    QFETCH(const bool, wasHome);
    QThread thread;
    Process before;
    if (wasHome) {
        before.moveToThread(&thread);
        before.close();
    }
    const std::unique_ptr<Process> process(adopt(&thread));
    thread.start();
    QThread *where = nullptr;
    Process child([&] { where = QThread::currentThread(); });
    process->addChild(&child);
    child.moveToThread(&thread);
    thread.quit();
    QVERIFY(process->waitForClosed(soon()));
    QCOMPARE(where, &thread);
    thread.wait();
}

void tst_Adaptors::thread_withoutAnEventLoop()
{
    Gate gate;
    RunThread thread([&] { gate.pass(); });
    thread.start();
    const std::unique_ptr<Process> process(adopt(&thread));
    connect(process.get(), &Process::closing, this, [&] { gate.open(); });
    QVERIFY(gate.waitForArrivals());
    process->close();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(thread.wait(soon()));
}

void tst_Adaptors::thread_subclass()
{
    class Worker : public QThread
    {
    public:
        void close() { fail(u"A thread is quit"_s); }
    };
    Worker thread;
    thread.start();
    const std::unique_ptr<Process> process(adopt(&thread));
    QVERIFY(!process->closeAndWait());
    QVERIFY(thread.wait(soon()));
}

void tst_Adaptors::thread_destroyedTooEarly()
{
    auto thread = std::make_unique<QThread>();
    const std::unique_ptr<Process> process(adopt(thread.get()));
    thread.reset();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(process->error());
    QVERIFY(process->error().message().contains(u"destroyed"_s));
}

void tst_Adaptors::thread_destroyedAfterItFinished()
{
    auto thread = std::make_unique<QThread>();
    thread->start();
    const std::unique_ptr<Process> process(adopt(thread.get()));
    thread->quit();
    thread->wait();
    thread.reset();
    QVERIFY(process->waitForClosed(soon()));
    QVERIFY(!process->error());
}

void tst_Adaptors::thread_destroyedRightAfterClosed()
{
    for (int i = 0; i < 100; ++i) {
        auto thread = std::make_unique<QThread>();
        thread->start();
        const std::unique_ptr<Process> process(adopt(thread.get()));
        QVERIFY(!process->closeAndWait());
        thread.reset(); // it may still be on its last lines, for which Qt waits
    }
}

void tst_Adaptors::thread_processDestroyedWhileItRuns()
{
    QThread thread;
    thread.start();
    delete adopt(&thread);
    QVERIFY(!thread.isRunning());
    thread.wait();
    thread.start(); // nothing is left that would touch the process
    thread.quit();
    thread.wait();
}

void tst_Adaptors::thread_adoptedInItselfIsRefused()
{
    EventLoopThread thread;
    const ExpectWarning refused(u"adopt\\(\\) refused.*another thread"_s);
    QVERIFY(!thread.run([&] { return adopt(&thread); }));
}

void tst_Adaptors::thread_adoptedInAWork()
{
    QThread thread;
    thread.start();
    std::atomic<bool> failed = true;
    const ProcessPtr work = GoProcess::go([&](Process &self) {
        const std::unique_ptr<Process> process(adopt(&thread, &self));
        failed = bool(process->closeAndWait());
    });
    QVERIFY(work->waitForClosed(soon()));
    QVERIFY(!failed);
    QVERIFY(thread.wait(soon()));
}

void tst_Adaptors::thread_startAndCloseStorm()
{
    for (int i = 0; i < 200; ++i) {
        QThread thread;
        const std::unique_ptr<Process> process(adopt(&thread));
        thread.start();
        Thread closer([&] { process->close(); });
        if (i % 2)
            thread.quit(); // as it ends by itself
        QVERIFY(process->waitForClosed(soon()));
        closer.join();
        QVERIFY(thread.wait(soon()));
    }
}

// --- QThreadPool ---------------------------------------------------------------------------------

void tst_Adaptors::pool_isClearedAndClosedWhenDone()
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

void tst_Adaptors::pool_homeIsBlocked()
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

void tst_Adaptors::pool_doesNotBlockTheEventLoop()
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

void tst_Adaptors::pool_droppedWorksOfProcessesFail()
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

void tst_Adaptors::pool_childrenThatRunInItCloseFirst()
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

void tst_Adaptors::pool_idle()
{
    QThreadPool pool;
    const std::unique_ptr<Process> process(adopt(&pool));
    process->close();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
}

void tst_Adaptors::pool_destroyedTooEarly()
{
    auto pool = std::make_unique<QThreadPool>();
    const std::unique_ptr<Process> process(adopt(pool.get()));
    pool.reset();
    QVERIFY(process->waitForClosed(soon()));
    QVERIFY(process->error().message().contains(u"destroyed"_s));
}

void tst_Adaptors::pool_destroyedWhileItsProcessCloses()
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

void tst_Adaptors::pool_destroyedRightAfterClosed()
{
    for (int i = 0; i < 100; ++i) {
        auto pool = std::make_unique<QThreadPool>();
        pool->start([] {});
        const std::unique_ptr<Process> process(adopt(pool.get()));
        QVERIFY(!process->closeAndWait());
        pool.reset();
    }
}

void tst_Adaptors::pool_processDestroyedWhileWorksRun()
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

// --- QFuture -------------------------------------------------------------------------------------

void tst_Adaptors::future_isCancelledAndClosedWhenFinished()
{
    QPromise<int> promise;
    promise.start();
    const std::unique_ptr<Process> process(adopt(promise.future()));
    process->close();
    QTRY_VERIFY(promise.isCanceled());
    QVERIFY(!process->isClosed());
    promise.finish();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error()); // it was cancelled as it was asked to be
}

void tst_Adaptors::future_homeIsBlocked()
{
    QPromise<void> promise;
    promise.start();
    const std::unique_ptr<Process> process(adopt(promise.future()));
    Thread producer([&] {
        CHECK(pollUntil([&] { return promise.isCanceled(); }));
        promise.finish();
    });
    QVERIFY(!process->closeAndWait());
}

void tst_Adaptors::future_finishesByItself()
{
    QPromise<int> promise;
    promise.start();
    const std::unique_ptr<Process> process(adopt(promise.future()));
    QVERIFY(!process->isClosing());
    promise.addResult(1);
    promise.finish();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
}

void tst_Adaptors::future_finishedBefore()
{
    const std::unique_ptr<Process> process(adopt(readyFuture(1)));
    QVERIFY(process->waitForClosed(soon()));
    QVERIFY(!process->error());
}

void tst_Adaptors::future_default()
{
    const std::unique_ptr<Process> process(adopt(QFuture<int>()));
    QVERIFY(process->waitForClosed(soon()));
    QVERIFY(!process->error());
}

void tst_Adaptors::future_exceptionIsAnError()
{
    QPromise<int> promise;
    promise.start();
    const std::unique_ptr<Process> process(adopt(promise.future()));
    promise.setException(std::make_exception_ptr(std::runtime_error("it broke")));
    promise.finish();
    QTRY_VERIFY(process->isClosed());
    QCOMPARE(process->error().message(), u"it broke"_s);
    QVERIFY(process->error().exception());
}

void tst_Adaptors::future_exceptionInABlockedWait()
{
    QPromise<void> promise;
    promise.start();
    const std::unique_ptr<Process> process(adopt(promise.future()));
    promise.setException(std::make_exception_ptr(std::runtime_error("it broke")));
    Thread producer([&] { promise.finish(); });
    QCOMPARE(process->closeAndWait().message(), u"it broke"_s);
}

void tst_Adaptors::future_errorAsResult()
{
    const std::unique_ptr<Process> process(adopt(readyFuture(Error(u"it failed"_s))));
    QVERIFY(process->waitForClosed(soon()));
    QCOMPARE(process->error().message(), u"it failed"_s);
}

void tst_Adaptors::future_ofConcurrentRun()
{
    Counter begun;
    const QFuture<void> future = QtConcurrent::run([&](QPromise<void> &promise) {
        begun.add();
        pollUntil([&] { return promise.isCanceled(); });
    });
    QVERIFY(begun.waitFor(1));
    const std::unique_ptr<Process> process(adopt(future));
    process->close();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
    QVERIFY(future.isFinished());
}

void tst_Adaptors::future_moveOnlyResult()
{
    QPromise<std::unique_ptr<int>> promise;
    promise.start();
    const std::unique_ptr<Process> process(adopt(promise.future()));
    promise.addResult(std::make_unique<int>(1));
    promise.finish();
    QVERIFY(!process->closeAndWait());
}

void tst_Adaptors::future_continuationsStayAsTheyAre()
{
    QPromise<int> promise;
    promise.start();
    QFuture<int> future = promise.future();
    int seen = 0;
    const QFuture<void> continued = future.then([&](int value) { seen = value; });
    const std::unique_ptr<Process> process(adopt(future));
    promise.addResult(7);
    promise.finish();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(continued.isFinished());
    QCOMPARE(seen, 7);
}

void tst_Adaptors::future_processDestroyedWhileItRuns()
{
    const QFuture<void> future = QtConcurrent::run(
            [](QPromise<void> &promise) { pollUntil([&] { return promise.isCanceled(); }); });
    delete adopt(future);
    QVERIFY(future.isFinished());
}

void tst_Adaptors::future_inAWork()
{
    QPromise<void> promise;
    promise.start();
    Counter adopted;
    const ProcessPtr work = GoProcess::go([&](Process &self) {
        const std::unique_ptr<Process> process(adopt(promise.future(), &self));
        adopted.add();
        CHECK(process->waitForClosed(soon())); // by itself, without an event loop
        CHECK(!process->error());
    });
    QVERIFY(adopted.waitFor(1));
    promise.finish();
    QVERIFY(work->waitForClosed(soon()));
}

QTEST_MAIN(tst_Adaptors)
#include "tst_adaptors.moc"
