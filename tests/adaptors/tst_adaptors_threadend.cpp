// SPDX-License-Identifier: MIT
// adopt() of a thread: how it is asked to end, and when it has ended.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/eventlog.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QDeadlineTimer>
#include <QTest>
#include <QThread>
#include <QThreadStorage>

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::adopt;
using GoProcess::Process;

namespace {

/// Calls a function in its destructor.
class Worker : public QObject
{
public:
    explicit Worker(std::function<void()> atEnd) : m_atEnd(std::move(atEnd)) { }
    Q_DISABLE_COPY_MOVE(Worker)
    ~Worker() override { m_atEnd(); }

private:
    const std::function<void()> m_atEnd;
};

/// Puts a worker into a thread that deletes it in the way of Qt's documentation.
void addWorker(QThread &thread, std::function<void()> atEnd)
{
    auto *worker = new Worker(std::move(atEnd));
    worker->moveToThread(&thread);
    QObject::connect(&thread, &QThread::finished, worker, &QObject::deleteLater);
}

class RunThread : public QThread
{
public:
    explicit RunThread(std::function<void(QThread &)> function)
        : m_function(std::move(function)) { }

protected:
    void run() override { m_function(*this); }

private:
    const std::function<void(QThread &)> m_function;
};

} // namespace

class tst_AdaptorsThreadEnd : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void deferredDeletesAreOver_data();
    void deferredDeletesAreOver();
    void theEventLoopGoesOnMeanwhile();
    void threadStorageIsGone();
    void threadMayBeDestroyedInClosed();
    void threadMayDeleteItselfWhenItHasFinished();
    void whatWaitsForItIsTornDownAfterwards();
    void processMayBeDestroyedMeanwhile();
    void startedAnewByASlotOfFinished();
    void adoptedWhileItFinishes();
    void aStdThread();
    void isInterrupted_data();
    void isInterrupted();
    void isInterruptedBeforeItIsQuit();
};

void tst_AdaptorsThreadEnd::deferredDeletesAreOver_data()
{
    QTest::addColumn<QString>("how");
    for (const char *how : { "closed", "by itself" })
        QTest::newRow(how) << QString::fromUtf8(how);
}

void tst_AdaptorsThreadEnd::deferredDeletesAreOver()
{
    QFETCH(const QString, how);
    QThread thread;
    Gate gate;
    std::atomic<bool> deleted = false;
    addWorker(thread, [&] {
        gate.pass();
        deleted = true;
    });
    thread.start();
    const std::unique_ptr<Process> process(adopt(&thread));
    if (how == "closed"_L1)
        process->close();
    else
        thread.quit();
    QTRY_VERIFY(thread.isFinished());
    QVERIFY(gate.waitForArrivals());
    QVERIFY(!process->waitForClosed(QDeadlineTimer(50)));
    QVERIFY(process->isClosing());
    gate.open();
    QVERIFY(process->waitForClosed(soon()));
    QVERIFY(deleted);
    QVERIFY(thread.wait(QDeadlineTimer(0)));
    QVERIFY(!process->error());
}

void tst_AdaptorsThreadEnd::theEventLoopGoesOnMeanwhile()
{
    QThread thread;
    Gate gate;
    addWorker(thread, [&] { gate.pass(); });
    thread.start();
    const std::unique_ptr<Process> process(adopt(&thread));
    process->close();
    // It opens the gate, without which the thread does not end.
    QTRY_VERIFY(thread.isFinished());
    QMetaObject::invokeMethod(
            this, [&] { gate.open(); }, Qt::QueuedConnection);
    QTRY_VERIFY(process->isClosed());
    QVERIFY(thread.wait(QDeadlineTimer(0)));
}

void tst_AdaptorsThreadEnd::threadStorageIsGone()
{
    struct Stored
    {
        Q_DISABLE_COPY_MOVE(Stored)
        explicit Stored(std::atomic<bool> &isGone) : gone(isGone) { }
        ~Stored()
        {
            QThread::msleep(20);
            gone = true;
        }
        std::atomic<bool> &gone;
    };
    std::atomic<bool> gone = false;
    QThreadStorage<Stored *> storage;
    RunThread thread([&](QThread &) { storage.setLocalData(new Stored(gone)); });
    const std::unique_ptr<Process> process(adopt(&thread));
    thread.start();
    QVERIFY(process->waitForClosed(soon()));
    QVERIFY(gone);
}

void tst_AdaptorsThreadEnd::threadMayBeDestroyedInClosed()
{
    for (int i = 0; i < 50; ++i) {
        auto thread = std::make_unique<QThread>();
        addWorker(*thread, [] {});
        thread->start();
        Process root;
        Process *process = adopt(thread.get(), &root);
        connect(process, &Process::closed, this, [&] { thread.reset(); });
        if (i % 2) {
            QVERIFY(!root.closeAndWait());
        } else {
            root.close();
            QTRY_VERIFY(root.isClosed());
        }
        QVERIFY(!thread);
    }
}

void tst_AdaptorsThreadEnd::threadMayDeleteItselfWhenItHasFinished()
{
    for (int i = 0; i < 50; ++i) {
        auto *thread = new QThread;
        connect(thread, &QThread::finished, thread, &QObject::deleteLater);
        thread->start();
        const std::unique_ptr<Process> process(adopt(thread));
        bool destroyed = false;
        connect(thread, &QObject::destroyed, this, [&] { destroyed = true; });
        process->close();
        QTRY_VERIFY(process->isClosed() && destroyed);
        QVERIFY2(!process->error(), qPrintable(process->error().message()));
    }
}

void tst_AdaptorsThreadEnd::whatWaitsForItIsTornDownAfterwards()
{
    EventLog log;
    QThread thread;
    addWorker(thread, [&] {
        QThread::msleep(20);
        log.add(u"worker deleted"_s);
    });
    thread.start();
    Process root;
    Process *io = adopt(&thread, &root);
    Process store(log.teardown(u"store"_s), &root);
    QVERIFY(store.waitFor(io));
    QVERIFY(!root.closeAndWait());
    QVERIFY(log.compare({ u"worker deleted"_s, u"teardown store"_s }));
}

void tst_AdaptorsThreadEnd::processMayBeDestroyedMeanwhile()
{
    QThread thread;
    std::atomic<bool> deleted = false;
    addWorker(thread, [&] {
        QThread::msleep(20);
        deleted = true;
    });
    thread.start();
    Process *process = adopt(&thread);
    thread.quit();
    delete process;
    QVERIFY(deleted);
    QVERIFY(thread.wait(QDeadlineTimer(0)));
}

void tst_AdaptorsThreadEnd::startedAnewByASlotOfFinished()
{
    Counter runs;
    EventLoopThread starter; // Qt blocks there until the first run is over
    Gate gate;
    QThread thread;
    addWorker(thread, [&] { gate.pass(); });
    auto *there = new QObject;
    there->moveToThread(&starter);
    connect(&starter, &QThread::finished, there, &QObject::deleteLater);
    connect(
            &thread, &QThread::started, this, [&] { runs.add(); }, Qt::DirectConnection);
    thread.start();
    QVERIFY(runs.waitFor(1));
    connect(&thread, &QThread::finished, there, [&] {
        if (runs.count() == 1)
            thread.start();
    });
    const std::unique_ptr<Process> process(adopt(&thread));
    process->close();
    QTRY_VERIFY(thread.isFinished());
    QVERIFY(gate.waitForArrivals());
    QVERIFY(!process->isClosed());
    gate.open();
    QTRY_VERIFY(process->isClosed()); // the run that was adopted, and not the next one
    QVERIFY(!process->error());
    QVERIFY(runs.waitFor(2));
    QVERIFY(thread.isRunning());
    thread.quit();
    QVERIFY(thread.wait(soon()));
}

void tst_AdaptorsThreadEnd::adoptedWhileItFinishes()
{
    QThread thread;
    Gate gate;
    addWorker(thread, [&] { gate.pass(); });
    thread.start();
    thread.quit();
    QVERIFY(gate.waitForArrivals());
    const std::unique_ptr<Process> process(adopt(&thread));
    QVERIFY(!process->waitForClosed(QDeadlineTimer(50)));
    gate.open();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(thread.wait(QDeadlineTimer(0)));
}

void tst_AdaptorsThreadEnd::aStdThread()
{
    Gate gate;
    std::atomic<QThread *> qts = nullptr;
    Thread thread([&] {
        qts = QThread::currentThread();
        gate.pass();
    });
    QVERIFY(gate.waitForArrivals());
    const std::unique_ptr<Process> process(adopt(qts));
    process->close();
    QVERIFY(!process->waitForClosed(QDeadlineTimer(20)));
    gate.open();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
}

void tst_AdaptorsThreadEnd::isInterrupted_data()
{
    QTest::addColumn<bool>("isBlocked");
    QTest::newRow("event loop") << false;
    QTest::newRow("blocked home") << true;
}

void tst_AdaptorsThreadEnd::isInterrupted()
{
    QFETCH(const bool, isBlocked);
    Counter begun;
    RunThread thread([&](QThread &self) {
        begun.add();
        CHECK(pollUntil([&] { return self.isInterruptionRequested(); }));
    });
    thread.start();
    QVERIFY(begun.waitFor(1));
    const std::unique_ptr<Process> process(adopt(&thread));
    QVERIFY(!thread.isInterruptionRequested());
    process->close();
    if (isBlocked)
        QVERIFY(process->waitForClosed(soon()));
    else
        QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
}

void tst_AdaptorsThreadEnd::isInterruptedBeforeItIsQuit()
{
    // A long call in the thread's event loop that asks for it lets the quit through.
    QThread thread;
    Counter begun;
    auto *receiver = new QObject;
    receiver->moveToThread(&thread);
    connect(&thread, &QThread::finished, receiver, &QObject::deleteLater);
    QMetaObject::invokeMethod(receiver, [&] {
        begun.add();
        CHECK(pollUntil([&] { return thread.isInterruptionRequested(); }));
    });
    thread.start();
    QVERIFY(begun.waitFor(1));
    const std::unique_ptr<Process> process(adopt(&thread));
    QVERIFY(!process->closeAndWait());
}

QTEST_MAIN(tst_AdaptorsThreadEnd)
#include "tst_adaptors_threadend.moc"
