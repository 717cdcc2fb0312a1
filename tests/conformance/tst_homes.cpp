// SPDX-License-Identifier: MIT
// In which threads steps run (R34 to R36). Each test is named after its rule.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "rulesupport.h"
#include "support/eventlog.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QElapsedTimer>
#include <QEvent>
#include <QEventLoop>
#include <QObject>
#include <QString>
#include <QTest>
#include <QThread>
#include <QThreadPool>
#include <QTimer>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

using namespace TestSupport;
using GoProcess::Process;
using GoProcess::ProcessPtr;

namespace {

/// Counts the queued calls and custom events that are delivered in the main thread.
class EventCounter : public QObject
{
public:
    EventCounter() { QCoreApplication::instance()->installEventFilter(this); }

    int count = 0;

    bool eventFilter(QObject *, QEvent *event) override
    {
        if (event->type() == QEvent::MetaCall || event->type() >= QEvent::User)
            ++count;
        return false;
    }
};

/// A QObject child that is told while its parent moves to another thread.
class MoveProbe : public QObject
{
public:
    MoveProbe(QObject *parent, std::function<void()> onMove)
        : QObject(parent), m_onMove(std::move(onMove))
    {
    }

    bool event(QEvent *event) override
    {
        if (event->type() == QEvent::ThreadChange)
            m_onMove();
        return QObject::event(event);
    }

private:
    std::function<void()> m_onMove;
};

/// Waits for \a process to be Closed in the main thread's event loop, as an application does.
bool closesInEventLoop(Process &process)
{
    QEventLoop loop;
    QTimer::singleShot(patience, &loop, [&loop] { loop.exit(1); });
    QObject::connect(&process, &Process::closed, &loop, [&loop] { loop.exit(0); });
    return process.isClosed() || loop.exec() == 0;
}

} // namespace

class tst_Homes : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void r34_stepsOfAWorkDoNotRunInTheMainThread();
    void r34_closingMayComeWhileTheWorkRuns();
    void r34_stepsNeverRunInAUsersPool();
    void r34_stepsRunOneAfterAnother();
    void r34_stepsFollowTheWorkInItsThread();
    void r34_theThreadIsTheParents();
    void r34_theThreadIsTheCallersWithoutAParent();
    void r34_queuedCallsToAWorkArrive();
    void r34_theObjectIsDeletedInItsThread();
    void r34_aProcessConstructedInAWorkHasNoHome();
    void r34_aProcessConstructedInAWorkOfAUsersPoolHasNoHome();
    void r34_aProcessConstructedInAWorkHasItsParentsThread();

    void r35_stepsRunAtHome();
    void r35_manyProcessesOfAThreadCostFewEvents();
    void r35_aConnectionByHandReachesAnyThread();

    void r36_aProcessMovesBeforeItHasEdges();
    void r36_aProcessMovesAfterItHasEdges();
    void r36_stepsThatWaitAreForwarded();
    void r36_aProcessThatMovesInItsClosingSlotGoesOnThere();
    void r36_aProcessThatMovesInItsTeardownGoesOnThere();
    void r36_noStepRunsInTheNewHomeBeforeTheMoveIsOver();
    void r36_aCloseDuringTheMoveRunsNothingBeforeTheMoveIsOver();
};

// R34: processes without a home

void tst_Homes::r34_stepsOfAWorkDoNotRunInTheMainThread()
{
    StepThreads steps;
    Counter watched;
    Process root;
    root.go([&](Process &self) {
        steps.watch(self);
        watched.add();
    });
    QVERIFY(watched.waitFor(1)); // closing() may come before that else
    QVERIFY(!root.closeAndWait()); // a wait, which runs the steps of this thread
    QVERIFY(steps.areNot(3, QThread::currentThread()));
}

void tst_Homes::r34_closingMayComeWhileTheWorkRuns()
{
    Gate gate;
    Counter watched;
    Process root;
    const ProcessPtr child = root.go([&](Process &self) {
        QObject::connect(
                &self, &Process::closing, &self, [&] { gate.open(); }, Qt::DirectConnection);
        watched.add();
        gate.pass(); // opened by closing() only
    });
    QVERIFY(watched.waitFor(1));
    root.close();
    QVERIFY(root.waitForClosed(soon()));
}

void tst_Homes::r34_stepsNeverRunInAUsersPool()
{
    QThreadPool pool;
    StepThreads steps;
    Counter watched;
    Process root;
    root.setThreadPool(&pool);
    for (int i = 0; i < 10; ++i) {
        root.go([&](Process &self) {
            steps.watch(self);
            watched.add();
        });
    }
    QVERIFY(watched.waitFor(10)); // closing() may come before that else
    QVERIFY(!root.closeAndWait());
    const std::vector<QThread *> threads = steps.threads();
    QCOMPARE(threads.size(), std::size_t(30));
    QVERIFY(std::none_of(threads.begin(), threads.end(),
                         [&](QThread *thread) { return pool.contains(thread); }));
}

void tst_Homes::r34_stepsFollowTheWorkInItsThread()
{
    for (int i = 0; i < 100; ++i) {
        std::atomic<QThread *> ofWork = nullptr;
        std::atomic<QThread *> ofTeardown = nullptr;
        const ProcessPtr work = GoProcess::go([&](Process &self) {
            ofWork = QThread::currentThread();
            self.setTeardown([&] { ofTeardown = QThread::currentThread(); });
        });
        QVERIFY(work->waitForClosed(soon()));
        QVERIFY(ofTeardown);
        QCOMPARE(ofTeardown.load(), ofWork.load());
    }
}

void tst_Homes::r34_stepsRunOneAfterAnother()
{
    Gate returned;
    EventLog log;
    Process root;
    const ProcessPtr child =
            root.go([&, capture = atDestruction([&] { returned.open(); })](Process &self) {
                QObject::connect(
                        &self, &Process::closing, &self,
                        [&] {
                            log.add(QStringLiteral("closing"));
                            returned.pass(); // meanwhile nothing keeps the teardown but this slot
                            log.add(QStringLiteral("end of closing"));
                        },
                        Qt::DirectConnection);
                self.setTeardown(log.teardown(QStringLiteral("child")));
                QObject::connect(
                        &self, &Process::closed, &self, [&] { log.add(QStringLiteral("closed")); },
                        Qt::DirectConnection);
                self.close();
                log.waitFor(QStringLiteral("closing"));
            });
    QVERIFY(child->waitForClosed(soon()));
    QVERIFY(log.compare({ QStringLiteral("closing"), QStringLiteral("end of closing"),
                          QStringLiteral("teardown child"), QStringLiteral("closed") }));
}

void tst_Homes::r34_theThreadIsTheParents()
{
    EventLoopThread thread;
    Process root;
    root.moveToThread(&thread);
    const ProcessPtr child = root.go([&](Process &self) {
        const ProcessPtr inner = self.go([] {});
        CHECK(inner->thread() == &thread);
    });
    QCOMPARE(child->thread(), &thread);
    QVERIFY(!root.closeAndWait());
}

void tst_Homes::r34_theThreadIsTheCallersWithoutAParent()
{
    EventLoopThread thread;
    const ProcessPtr here = GoProcess::go([] {});
    const ProcessPtr there = thread.run([] { return GoProcess::go([] {}); });
    QCOMPARE(here->thread(), QThread::currentThread());
    QCOMPARE(there->thread(), &thread);
    QVERIFY(here->waitForClosed(soon()));
    QVERIFY(there->waitForClosed(soon()));
}

void tst_Homes::r34_queuedCallsToAWorkArrive()
{
    Process root;
    const ProcessPtr child = root.go([](Process &self) { self.waitForClosing(); });
    QTimer timer;
    timer.setSingleShot(true);
    QObject::connect(&timer, &QTimer::timeout, child.get(), &Process::close, Qt::QueuedConnection);
    timer.start(0);
    QTRY_VERIFY_WITH_TIMEOUT(child->isClosing(), int(patience.count()) * 1000);
    QVERIFY(child->waitForClosed(soon()));
}

void tst_Homes::r34_theObjectIsDeletedInItsThread()
{
    EventLoopThread thread;
    EventLog log;
    StepThreads deletions;
    Process root;
    root.moveToThread(&thread);
    root.go([&](Process &self) {
        QObject::connect(
                &self, &QObject::destroyed, &self,
                [&] {
                    deletions.note();
                    log.add(QStringLiteral("destroyed"));
                },
                Qt::DirectConnection);
    });
    QVERIFY(log.waitFor(QStringLiteral("destroyed")));
    QVERIFY(deletions.are(1, &thread));
    QVERIFY(!root.closeAndWait());
}

void tst_Homes::r34_aProcessConstructedInAWorkHasNoHome()
{
    StepThreads steps;
    Counter done;
    Process root;
    root.go([&] {
        Process made;
        CHECK(made.thread() == QThread::currentThread());
        steps.watch(made);
        made.close();
        // This thread neither serves its events nor waits: the pool has to run the steps.
        CHECK(TestSupport::pollUntil([&] { return made.isClosed(); }));
        done.add();
    });
    QVERIFY(done.waitFor(1)); // this thread runs no steps either
    QVERIFY(!root.closeAndWait());
    QVERIFY(steps.areNot(3, QThread::currentThread()));
}

void tst_Homes::r34_aProcessConstructedInAWorkOfAUsersPoolHasNoHome()
{
    QThreadPool pool;
    StepThreads steps;
    Counter done;
    Process root;
    root.setThreadPool(&pool);
    root.go([&] {
        Process made;
        steps.watch(made);
        made.close();
        CHECK(TestSupport::pollUntil([&] { return made.isClosed(); }));
        done.add();
    });
    QVERIFY(done.waitFor(1));
    QVERIFY(!root.closeAndWait());
    const std::vector<QThread *> threads = steps.threads();
    QCOMPARE(threads.size(), std::size_t(3));
    QVERIFY(std::none_of(threads.begin(), threads.end(),
                         [&](QThread *thread) { return pool.contains(thread); }));
}

void tst_Homes::r34_aProcessConstructedInAWorkHasItsParentsThread()
{
    StepThreads steps;
    Counter watched;
    Process root;
    root.go([&](Process &self) {
        Process made(&self);
        CHECK(made.thread() == root.thread());
        steps.watch(made);
        watched.add();
        CHECK(!made.closeAndWait());
    });
    QVERIFY(watched.waitFor(1)); // closing() may come before that else
    QVERIFY(!root.closeAndWait()); // runs the steps whose home is this thread
    QVERIFY(steps.areNot(3, QThread::currentThread()));
}

// R35: other threads

void tst_Homes::r35_stepsRunAtHome()
{
    EventLoopThread thread;
    StepThreads here;
    StepThreads there;
    Process root;
    here.watch(root);
    std::array<Process, 10> children;
    for (Process &child : children) {
        there.watch(child);
        child.moveToThread(&thread);
        root.addChild(&child);
    }
    QVERIFY(!root.closeAndWait());
    QVERIFY(here.are(3, QThread::currentThread()));
    QVERIFY(there.are(30, &thread));
}

void tst_Homes::r35_manyProcessesOfAThreadCostFewEvents()
{
    constexpr std::size_t count = 2000;
    Process root;
    std::vector<Process> children(count);
    for (Process &child : children)
        root.addChild(&child);
    QCoreApplication::processEvents();

    const EventCounter counter;
    QElapsedTimer time;
    time.start();
    Thread([&] { root.close(); }).join();
    while (!root.isClosed() && !time.hasExpired(std::chrono::milliseconds(patience).count()))
        QCoreApplication::processEvents();
    QVERIFY(root.isClosed());
    // One event to begin with, and one for each slice of the time that it took (R40).
    QVERIFY2(counter.count <= 2 + time.elapsed(), qPrintable(QString::number(counter.count)));
    QVERIFY(counter.count < int(count));
}

void tst_Homes::r35_aConnectionByHandReachesAnyThread()
{
    EventLoopThread thread;
    Process first;
    Process second;
    second.moveToThread(&thread);
    Process third;
    QObject::connect(&first, &Process::closing, &second, &Process::close);
    QObject::connect(&second, &Process::closing, &third, &Process::close);
    const ProcessPtr work = GoProcess::go([](Process &self) { self.waitForClosing(); });
    QObject::connect(&third, &Process::closing, work.get(), &Process::close);
    first.close();
    QVERIFY(closesInEventLoop(third));
    QVERIFY(first.isClosed());
    QVERIFY(second.waitForClosed(soon()));
    QVERIFY(work->waitForClosed(soon()));
}

// R36: moving

void tst_Homes::r36_aProcessMovesBeforeItHasEdges()
{
    EventLoopThread thread;
    StepThreads steps;
    Process root;
    Process child;
    steps.watch(child);
    child.moveToThread(&thread);
    root.addChild(&child);
    QVERIFY(!root.closeAndWait());
    QVERIFY(steps.are(3, &thread));
}

void tst_Homes::r36_aProcessMovesAfterItHasEdges()
{
    EventLoopThread thread;
    StepThreads steps;
    Process root;
    Process child;
    steps.watch(child);
    root.addChild(&child);
    child.moveToThread(&thread);
    QVERIFY(!root.closeAndWait());
    QVERIFY(steps.are(3, &thread));
}

void tst_Homes::r36_stepsThatWaitAreForwarded()
{
    EventLoopThread thread;
    StepThreads steps;
    Process process;
    steps.watch(process);
    process.close(); // its steps wait for this thread
    process.moveToThread(&thread);
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(steps.are(3, &thread));
}

void tst_Homes::r36_aProcessThatMovesInItsClosingSlotGoesOnThere()
{
    EventLoopThread thread;
    StepThreads steps;
    Process process;
    QObject::connect(
            &process, &Process::closing, &process, [&] { process.moveToThread(&thread); },
            Qt::DirectConnection);
    process.setTeardown([&] { steps.note(); });
    QObject::connect(
            &process, &Process::closed, &process, [&] { steps.note(); }, Qt::DirectConnection);
    QVERIFY(!process.closeAndWait());
    QVERIFY(steps.are(2, &thread));
}

void tst_Homes::r36_aProcessThatMovesInItsTeardownGoesOnThere()
{
    EventLoopThread thread;
    StepThreads steps;
    Process process;
    process.setTeardown([&] { process.moveToThread(&thread); });
    QObject::connect(
            &process, &Process::closed, &process, [&] { steps.note(); }, Qt::DirectConnection);
    QVERIFY(!process.closeAndWait());
    QVERIFY(steps.are(1, &thread));
}

void tst_Homes::r36_noStepRunsInTheNewHomeBeforeTheMoveIsOver()
{
    EventLoopThread thread;
    StepThreads steps;
    Process process;
    steps.watch(process);
    process.close();
    new MoveProbe(&process, [&] {
        // Whatever the new home was sent by now it runs before this returns.
        thread.flush();
        CHECK(steps.isEmpty());
    });
    process.moveToThread(&thread);
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(steps.are(3, &thread));
}

void tst_Homes::r36_aCloseDuringTheMoveRunsNothingBeforeTheMoveIsOver()
{
    EventLoopThread thread;
    StepThreads steps;
    Process process;
    steps.watch(process);
    new MoveProbe(&process, [&] {
        Thread([&] { process.close(); }).join();
        thread.flush();
        CHECK(steps.isEmpty());
    });
    process.moveToThread(&thread);
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(steps.are(3, &thread));
}

QTEST_GUILESS_MAIN(tst_Homes)

#include "tst_homes.moc"
