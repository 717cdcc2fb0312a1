// SPDX-License-Identifier: MIT
// adopt() of threads.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/eventlog.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QEvent>
#include <QTest>
#include <QThread>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::adopt;
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

class tst_AdaptorsThread : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

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
};

// --- QThread -------------------------------------------------------------------------------------

void tst_AdaptorsThread::thread_isQuitAndClosedOnFinished()
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

void tst_AdaptorsThread::thread_homeIsBlocked()
{
    QThread thread;
    thread.start();
    const std::unique_ptr<Process> process(adopt(&thread));
    QVERIFY(!process->closeAndWait());
    QVERIFY(!thread.isRunning());
    QVERIFY(thread.wait(soon()));
}

void tst_AdaptorsThread::thread_homeRunsStepsWhileTheThreadEnds()
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

void tst_AdaptorsThread::thread_childrenInItCloseFirst()
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

void tst_AdaptorsThread::thread_queuedCallsStillRun()
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

void tst_AdaptorsThread::thread_startedJustBefore()
{
    QThread thread;
    const std::unique_ptr<Process> process(adopt(&thread));
    thread.start();
    QVERIFY(!process->closeAndWait());
    QVERIFY(thread.wait(soon()));
}

void tst_AdaptorsThread::thread_neverStarted()
{
    QThread thread;
    const std::unique_ptr<Process> process(adopt(&thread));
    process->close();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
}

void tst_AdaptorsThread::thread_endsByItself()
{
    QThread thread;
    thread.start();
    const std::unique_ptr<Process> process(adopt(&thread));
    thread.quit();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
    thread.wait();
}

void tst_AdaptorsThread::thread_endsByItselfWhileHomeIsBlocked()
{
    QThread thread;
    thread.start();
    const std::unique_ptr<Process> process(adopt(&thread));
    thread.quit();
    QVERIFY(process->waitForClosed(soon())); // without a close(), and without an event loop
    thread.wait();
}

void tst_AdaptorsThread::thread_hadFinishedBefore()
{
    QThread thread;
    thread.start();
    thread.quit();
    QVERIFY(thread.wait(soon()));
    const std::unique_ptr<Process> process(adopt(&thread));
    QVERIFY(process->waitForClosed(soon()));
    QVERIFY(!process->error());
}

void tst_AdaptorsThread::thread_thatEndsByItselfStillRunsItsChildren_data()
{
    QTest::addColumn<bool>("wasHome");
    QTest::newRow("a new home") << false;
    QTest::newRow("a home before") << true;
}

void tst_AdaptorsThread::thread_thatEndsByItselfStillRunsItsChildren()
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

void tst_AdaptorsThread::thread_withoutAnEventLoop()
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

void tst_AdaptorsThread::thread_subclass()
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

void tst_AdaptorsThread::thread_destroyedTooEarly()
{
    auto thread = std::make_unique<QThread>();
    const std::unique_ptr<Process> process(adopt(thread.get()));
    thread.reset();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(process->error());
    QVERIFY(process->error().message().contains(u"destroyed"_s));
}

void tst_AdaptorsThread::thread_destroyedAfterItFinished()
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

void tst_AdaptorsThread::thread_destroyedRightAfterClosed()
{
    for (int i = 0; i < 100; ++i) {
        auto thread = std::make_unique<QThread>();
        thread->start();
        const std::unique_ptr<Process> process(adopt(thread.get()));
        QVERIFY(!process->closeAndWait());
        thread.reset(); // it may still be on its last lines, for which Qt waits
    }
}

void tst_AdaptorsThread::thread_processDestroyedWhileItRuns()
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

void tst_AdaptorsThread::thread_adoptedInItselfIsRefused()
{
    EventLoopThread thread;
    const ExpectWarning refused(u"adopt\\(\\) refused.*another thread"_s);
    QVERIFY(!thread.run([&] { return adopt(&thread); }));
}

void tst_AdaptorsThread::thread_adoptedInAWork()
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

void tst_AdaptorsThread::thread_startAndCloseStorm()
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

QTEST_MAIN(tst_AdaptorsThread)

#include "tst_adaptors_thread.moc"
