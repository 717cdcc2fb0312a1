// SPDX-License-Identifier: MIT
// Moves of a process to another thread that meet its close: no step is left behind in the thread
// that it left, none runs in the new one before moveToThread() has returned, and waits go on (R36,
// R37).
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QDeadlineTimer>
#include <QEvent>
#include <QEventLoop>
#include <QPromise>
#include <QTest>
#include <QThread>
#include <QThreadPool>
#include <QTimer>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>

using namespace TestSupport;
using GoProcess::Process;

namespace {

/// Nothing, for a while that differs from round to round, so that two threads meet everywhere.
void linger(int count)
{
    for (int i = 0; i < count; ++i)
        std::atomic_signal_fence(std::memory_order_seq_cst);
}

} // namespace

class tst_Moves : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void closedByAnotherThreadWhileItMoves();
    void movedFromAWorkAfterItsClose();
    void waitInsideOfTheMove();
    void futureFinishesWhileTheOldHomeWaits();
    void nestedEventLoopInAWaitGoesOn();
    void nestedEventLoopBehindAnEventGoesOn();
    void eventsInTurnsBehindAnEventGoOn();
    void messageHandlerClosesWhatAWaitIsStuckFor();
};

// The home that it leaves runs nothing afterwards; the new one has an event loop.
void tst_Moves::closedByAnotherThreadWhileItMoves()
{
    const int rounds = 3000;
    EventLoopThread target;
    std::atomic<int> turn = 0;
    std::atomic<int> closed = 0;
    std::atomic<Process *> process = nullptr;
    Thread closer([&] {
        for (int i = 1; i <= rounds; ++i) {
            if (!pollUntil([&] { return turn >= i; }))
                return;
            linger((i * 7) % 500);
            process.load()->close();
            closed = i;
        }
    });
    for (int i = 1; i <= rounds; ++i) {
        const auto moving = std::make_unique<Process>([] {});
        process = moving.get();
        turn = i;
        moving->moveToThread(&target);
        QVERIFY(pollUntil([&] { return closed >= i; }));
        QVERIFY(pollUntil([&] { return moving->isClosed(); }));
        QVERIFY(moving->waitForClosed(soon()));
    }
}

// A process without a home gets one by the move. Its step is still queued then, as the threads of
// the pool have other things to do for a moment; unless the test is held up for longer than that.
void tst_Moves::movedFromAWorkAfterItsClose()
{
    Gate gate;
    Process busy;
    const int threads = std::max(1, QThread::idealThreadCount());
    for (int i = 0; i < threads; ++i)
        QVERIFY(busy.go([&] { gate.pass(); }));
    QVERIFY(gate.waitForArrivals(threads));

    QThreadPool pool;
    Process maker;
    maker.setThreadPool(&pool);
    EventLoopThread home;
    int atHome = 0;
    for (int i = 0; i < 100; ++i) {
        std::atomic<QThread *> closingIn = nullptr;
        std::atomic<QThread *> tornDownIn = nullptr;
        std::unique_ptr<Process> process;
        const auto work = maker.go([&] {
            process = std::make_unique<Process>([&] { tornDownIn = QThread::currentThread(); });
            connect(
                    process.get(), &Process::closing, process.get(),
                    [&] { closingIn = QThread::currentThread(); }, Qt::DirectConnection);
            process->close();
            process->moveToThread(&home);
        });
        QVERIFY(work->waitForClosed(soon()));
        QVERIFY(process->waitForClosed(soon()));
        if (closingIn.load() == &home) {
            ++atHome;
            QCOMPARE(tornDownIn.load(), &home);
        }
    }
    QVERIFY(atHome > 0);
    gate.open();
    QVERIFY(!busy.closeAndWait());
}

// Until moveToThread() is over the old thread is the home, so a wait in it runs the steps.
void tst_Moves::waitInsideOfTheMove()
{
    class Child : public QObject
    {
    public:
        explicit Child(Process &process) : QObject(&process), m_process(process) { }
        bool event(QEvent *event) override
        {
            if (event->type() == QEvent::ThreadChange)
                CHECK(m_process.waitForClosed(soon()));
            return QObject::event(event);
        }

    private:
        Process &m_process;
    };

    EventLoopThread target;
    for (int i = 0; i < 50; ++i) {
        std::atomic<QThread *> tornDownIn = nullptr;
        Process process([&] { tornDownIn = QThread::currentThread(); });
        auto *child = new Child(process);
        process.close();
        process.moveToThread(&target);
        QVERIFY(process.isClosed());
        QCOMPARE(tornDownIn.load(), QThread::currentThread());
        target.run([&] { delete child; });
    }
}

// The wait in the old home looks at a teardown that the new home lets go of.
void tst_Moves::futureFinishesWhileTheOldHomeWaits()
{
    const int rounds = 1000;
    EventLoopThread target;
    std::atomic<int> turn = 0;
    std::atomic<int> done = 0;
    std::atomic<QPromise<void> *> current = nullptr;
    Thread finisher([&] {
        for (int i = 1; i <= rounds; ++i) {
            if (!pollUntil([&] { return turn >= i; }))
                return;
            linger((i * 13) % 3000);
            current.load()->finish();
            done = i;
        }
    });
    for (int i = 1; i <= rounds; ++i) {
        QPromise<void> promise;
        promise.start();
        current = &promise;
        Process process;
        const auto data = std::make_shared<QByteArray>(1000, 'x');
        process.setTeardown([future = promise.future(), data] { return future; },
                            [data] { CHECK(data->size() == 1000); });
        process.close();
        TestSupport::deliver(); // the teardown runs, and its future is open
        process.moveToThread(&target);
        turn = i;
        QVERIFY(process.waitForClosed(soon()));
        QVERIFY(pollUntil([&] { return done >= i; }));
    }
}

// A wait runs a step whose nested event loop needs the next step (R40).
void tst_Moves::nestedEventLoopInAWaitGoesOn()
{
    Process root;
    Process first;
    Process second;
    QVERIFY(root.addChild(&first));
    QVERIFY(root.addChild(&second));
    bool isTold = false;
    connect(&first, &Process::closing, &first, [&] {
        QEventLoop loop;
        connect(&second, &Process::closing, &loop, [&] {
            isTold = true;
            loop.quit();
        });
        QTimer::singleShot(patience, &loop, &QEventLoop::quit);
        loop.exec();
    });
    Thread closer([&] { root.close(); });
    QVERIFY(root.waitForClosed(soon()));
    QVERIFY(isTold);
}

// An event loop inside of an event does not deliver by itself what stands behind that event (Qt
// with GLib), as the call does here that is to run the steps of this thread (R40).
static void goesOnBehindAnEvent(const std::function<void(Process &)> &runEventsUntilClosed)
{
    Process process;
    bool goesOn = false;
    QObject::connect(&process, &Process::closing, &process, [&] {
        Process other([] {});
        other.close();
        runEventsUntilClosed(other);
        goesOn = other.isClosed();
    });
    bool isClosed = false;
    QMetaObject::invokeMethod(
            &process, [&] { isClosed = process.waitForClosed(soon()); }, Qt::QueuedConnection);
    process.close();
    QVERIFY(pollUntil([&] {
        QCoreApplication::processEvents();
        return isClosed;
    }));
    QVERIFY(goesOn);
}

void tst_Moves::nestedEventLoopBehindAnEventGoesOn()
{
    goesOnBehindAnEvent([](Process &other) {
        QEventLoop loop;
        connect(&other, &Process::closed, &loop, &QEventLoop::quit);
        QTimer::singleShot(patience, &loop, &QEventLoop::quit);
        loop.exec();
    });
}

// The same of one that is looked after in turns, which is never about to block.
void tst_Moves::eventsInTurnsBehindAnEventGoOn()
{
    goesOnBehindAnEvent([](Process &other) {
        const QDeadlineTimer end(patience);
        while (!other.isClosed() && !end.hasExpired())
            QCoreApplication::processEvents();
    });
}

// The warning comes after 5 s; what its handler makes due in the waiting thread is run by the wait
// (R37).
void tst_Moves::messageHandlerClosesWhatAWaitIsStuckFor()
{
    static Process *stuck = nullptr;
    static QtMessageHandler outer = nullptr;
    const ExpectWarning warning(QStringLiteral("has blocked its thread for 5 s"));
    Process process([] {});
    stuck = &process;
    outer = qInstallMessageHandler(
            [](QtMsgType type, const QMessageLogContext &context, const QString &message) {
                outer(type, context, message);
                if (message.contains(QStringLiteral("has blocked its thread")))
                    stuck->close();
            });
    const bool isClosed = process.waitForClosed(soon());
    qInstallMessageHandler(outer);
    QVERIFY(isClosed);
}

QTEST_GUILESS_MAIN(tst_Moves)
#include "tst_moves.moc"
