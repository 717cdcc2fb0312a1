// SPDX-License-Identifier: MIT
// Works: go and its pool (R28 to R33). Each test is named after its rule.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "rulesupport.h"
#include "scenario.h"
#include "support/eventlog.h"
#include "support/messages.h"
#include "support/sanitizers.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QDeadlineTimer>
#include <QObject>
#include <QScopeGuard>
#include <QString>
#include <QStringList>
#include <QTest>
#include <QThread>
#include <QThreadPool>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

using namespace TestSupport;
using GoProcess::Error;
using GoProcess::Hold;
using GoProcess::Process;
using GoProcess::ProcessPtr;

namespace {

/// A pool of one thread, which something that is no work of a process keeps busy.
class BusyPool
{
public:
    BusyPool()
    {
        pool.setMaxThreadCount(1);
        pool.start([this] { gate.pass(); });
        gate.waitForArrivals();
    }
    Q_DISABLE_COPY_MOVE(BusyPool)
    ~BusyPool()
    {
        gate.open();
        pool.waitForDone();
    }

    Gate gate;
    QThreadPool pool;
};

Error failingFunction()
{
    return Error(QStringLiteral("function"));
}

} // namespace

class tst_Works : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void r28_goMakesAChildThatIsClosedAndWaitedFor();
    void r28_theWorkGetsItsProcessInAPoolThread();
    void r28_everyWorkRunsExactlyOnce();
    void r28_aWorkOfAClosingProcessSeesThatFromItsFirstLine();
    void r28_aWorkThatWasClosedBeforeItStartedRunsAllTheSame();
    void r28_droppingThePointerNeitherClosesNorWaits();
    void r28_theChildLivesUntilAfterClosed();
    void r28_capturesAreDestroyedWhereTheWorkRanBeforeClosed();

    void r29_theChildIsNotClosedBeforeTheWorkHasReturned();
    void r29_theChildClosesAfterItsOwnChildren();

    void r30_aWorkThatThePoolDropsClosesWithAnError();
    void r30_droppedWorksHangNobody();

    void r31_worksStartThoughAllEarlierOnesAreBlocked();
    void r31_nestedWorksStartThoughAllOuterOnesAreBlocked();
    void r31_worksStartThoughEarlierOnesKeepAllProcessorsBusy();
    void r31_worksStartTogetherAfterAShortOne();
    void r31_worksStartWhileAThreadIsAboutToLeave();
    void r31_theGlobalPoolIsNotUsed();

    void r32_worksRunInThePoolThatWasSet();
    void r32_processesThatGoMakesAfterwardsInheritThePool();
    void r32_nullIsTheDefaultPoolAgain();
    void r32_aWaitLendsThePlaceOfItsThreadOut();
    void r32_nestedGoAndWaitNeedOneThreadOnly();
    void r32_aWorkThatWaitsRunsTheUnstartedWorkItself();
    void r32_aThreadOutsideThePoolRunsNoWorks();

    void r33_aWorkTakesItsProcessOrNothingAndReturnsVoidOrError();
    void r33_aWorkMayBeMoveOnlyAndMutable();

    // Last, as the thread sanitizer loses sight of what the main thread has done before it started
    // a program: what other threads do with the same memory later may be a race then.
    void r31_aBurstOfShortWorksDoesNotGrowThePool();
    void r31_thePoolShrinksAgain();
    void r31_worksBeyondTheCapQueueWithAWarning();
};

// R28: go

void tst_Works::r28_goMakesAChildThatIsClosedAndWaitedFor()
{
    Gate gate;
    Process root;
    root.setName(QStringLiteral("root"));
    const ProcessPtr child = root.go(QStringLiteral("child"), [&] { gate.pass(); });
    QVERIFY(child);
    QCOMPARE(child->path(), QStringLiteral("/root/child"));
    QVERIFY(!child->isClosing());
    root.close();
    QVERIFY(child->isClosing());
    QVERIFY(gate.waitForArrivals());
    QVERIFY(!root.waitForClosed(QDeadlineTimer(0)));
    gate.open();
    QVERIFY(root.waitForClosed(soon()));
    QVERIFY(child->isClosed());
}

void tst_Works::r28_theWorkGetsItsProcessInAPoolThread()
{
    Process root;
    const Process *argument = nullptr;
    const QThread *thread = nullptr;
    const ProcessPtr child = root.go([&](Process &self) {
        argument = &self;
        thread = QThread::currentThread();
    });
    QVERIFY(child->waitForClosed(soon()));
    QCOMPARE(argument, child.get());
    QVERIFY(thread && thread != QThread::currentThread());
}

void tst_Works::r28_everyWorkRunsExactlyOnce()
{
    std::array<std::atomic<int>, 500> runs {};
    Process root;
    for (std::atomic<int> &run : runs)
        QVERIFY(root.go([&run] { ++run; }));
    QVERIFY(!root.closeAndWait());
    QVERIFY(std::all_of(runs.begin(), runs.end(),
                        [](const std::atomic<int> &run) { return run == 1; }));
}

void tst_Works::r28_aWorkOfAClosingProcessSeesThatFromItsFirstLine()
{
    Process root;
    Hold hold = root.hold();
    root.close();
    bool sawClosing = false;
    const ProcessPtr child = root.go([&](Process &self) { sawClosing = self.isClosing(); });
    QVERIFY(child);
    QVERIFY(child->isClosing());
    hold.release();
    QVERIFY(root.waitForClosed(soon()));
    QVERIFY(sawClosing);
}

void tst_Works::r28_aWorkThatWasClosedBeforeItStartedRunsAllTheSame()
{
    BusyPool busy;
    Process root;
    root.setThreadPool(&busy.pool);
    bool sawClosing = false;
    root.go([&](Process &self) { sawClosing = self.isClosing(); });
    root.close();
    busy.gate.open();
    QVERIFY(root.waitForClosed(soon()));
    QVERIFY(sawClosing);
}

void tst_Works::r28_droppingThePointerNeitherClosesNorWaits()
{
    Gate gate;
    Counter done;
    Process root;
    root.go([&](Process &self) {
        gate.pass();
        CHECK(!self.isClosing());
        done.add();
    });
    QVERIFY(gate.waitForArrivals()); // so the call has not waited for the work
    gate.open();
    QVERIFY(done.waitFor(1));
    QVERIFY(!root.isClosing());
}

void tst_Works::r28_theChildLivesUntilAfterClosed()
{
    EventLog log;
    Process root;
    root.go(QStringLiteral("child"), [&](Process &self) {
        QObject::connect(
                &self, &Process::closed, &self,
                [&] { log.add(QStringLiteral("closed ") + self.name()); }, Qt::DirectConnection);
        QObject::connect(
                &self, &QObject::destroyed, &self, [&] { log.add(QStringLiteral("destroyed")); },
                Qt::DirectConnection);
    });
    QTRY_VERIFY_WITH_TIMEOUT(log.contains(QStringLiteral("destroyed")),
                             int(patience.count()) * 1000);
    QVERIFY(log.compare({ QStringLiteral("closed child"), QStringLiteral("destroyed") }));
}

void tst_Works::r28_capturesAreDestroyedWhereTheWorkRanBeforeClosed()
{
    EventLog log;
    const QThread *ranIn = nullptr;
    const QThread *destroyedIn = nullptr;
    Process root;
    const ProcessPtr child = root.go([&, capture = atDestruction([&] {
                                             destroyedIn = QThread::currentThread();
                                             log.add(QStringLiteral("captures gone"));
                                         })](Process &self) {
        ranIn = QThread::currentThread();
        QObject::connect(
                &self, &Process::closed, &self, [&] { log.add(QStringLiteral("closed")); },
                Qt::DirectConnection);
        log.add(QStringLiteral("work"));
    });
    QVERIFY(child->waitForClosed(soon()));
    QVERIFY(log.compare(
            { QStringLiteral("work"), QStringLiteral("captures gone"), QStringLiteral("closed") }));
    QVERIFY(ranIn);
    QCOMPARE(destroyedIn, ranIn);
}

// R29: when a work ends

void tst_Works::r29_theChildIsNotClosedBeforeTheWorkHasReturned()
{
    Gate gate;
    EventLog log;
    Process root;
    const ProcessPtr child = root.go([&](Process &self) {
        QObject::connect(
                &self, &Process::closed, &self, [&] { log.add(QStringLiteral("closed")); },
                Qt::DirectConnection);
        gate.pass();
        log.add(QStringLiteral("work"));
    });
    QVERIFY(gate.waitForArrivals());
    child->close();
    QVERIFY(!child->waitForClosed(QDeadlineTimer(0)));
    gate.open();
    QVERIFY(child->waitForClosed(soon()));
    QVERIFY(log.compare({ QStringLiteral("work"), QStringLiteral("closed") }));
}

void tst_Works::r29_theChildClosesAfterItsOwnChildren()
{
    Gate gate;
    EventLog log;
    Process root;
    const ProcessPtr child =
            root.go(QStringLiteral("child"), [&, capture = atDestruction([&] {
                                                     log.add(QStringLiteral("returned"));
                                                 })](Process &self) {
                log.watch(self);
                self.go(QStringLiteral("grandchild"), [&](Process &grandchild) {
                    log.watch(grandchild);
                    gate.pass();
                    CHECK(!grandchild.isClosing()); // nothing closes it
                });
                gate.waitForArrivals();
            });
    QVERIFY(log.waitFor(QStringLiteral("returned")));
    QVERIFY(!child->isClosing());
    gate.open();
    QVERIFY(child->waitForClosed(soon()));
    QVERIFY(log.compare({ QStringLiteral("returned"), QStringLiteral("closing grandchild"),
                          QStringLiteral("closed grandchild"), QStringLiteral("closing child"),
                          QStringLiteral("closed child") }));
}

// R30: works that a pool drops

void tst_Works::r30_aWorkThatThePoolDropsClosesWithAnError()
{
    BusyPool busy;
    bool ran = false;
    bool capturesGone = false;
    Process root;
    root.setName(QStringLiteral("root"));
    root.setThreadPool(&busy.pool);
    const ProcessPtr child =
            root.go(QStringLiteral("lost"),
                    [&, capture = atDestruction([&] { capturesGone = true; })] { ran = true; });
    busy.pool.clear();
    QVERIFY(child->waitForClosed(soon()));
    QVERIFY(!ran);
    QVERIFY(capturesGone);
    QVERIFY(child->error().isError());
    QVERIFY2(child->error().message().contains(QStringLiteral("pool")),
             qPrintable(child->error().message()));
    QVERIFY(!root.closeAndWait());
    QCOMPARE(root.treeErrors().size(), 1);
    QCOMPARE(root.treeErrors().constFirst().path, QStringLiteral("/root/lost"));
}

void tst_Works::r30_droppedWorksHangNobody()
{
    BusyPool busy;
    Process root;
    root.setThreadPool(&busy.pool);
    std::vector<ProcessPtr> works;
    for (int i = 0; i < 50; ++i)
        works.push_back(root.go([](Process &self) { self.waitForClosing(); }));
    const Thread waiter([&] { CHECK(works.back()->waitForClosed(soon())); });
    busy.pool.clear();
    QVERIFY(!root.closeAndWait());
    QVERIFY(std::all_of(works.begin(), works.end(),
                        [](const ProcessPtr &work) { return work->error().isError(); }));
    QCOMPARE(root.treeErrorCount(), 50);
}

// R31: the library's own pool

void tst_Works::r31_worksStartThoughAllEarlierOnesAreBlocked()
{
    Gate gate;
    Process root;
    for (int i = 0; i < 64; ++i)
        root.go([&] { gate.pass(); });
    QVERIFY(gate.waitForArrivals(64)); // all of them run at the same time
    gate.open();
    QVERIFY(!root.closeAndWait());
}

void tst_Works::r31_nestedWorksStartThoughAllOuterOnesAreBlocked()
{
    Gate gate;
    Process root;
    std::function<void(Process &, int)> nest = [&](Process &self, int depth) {
        if (depth > 0)
            self.go([&nest, depth](Process &inner) { nest(inner, depth - 1); });
        gate.pass();
    };
    root.go([&](Process &self) { nest(self, 31); });
    QVERIFY(gate.waitForArrivals(32));
    gate.open();
    QVERIFY(!root.closeAndWait());
}

void tst_Works::r31_worksStartThoughEarlierOnesKeepAllProcessorsBusy()
{
    std::atomic<bool> enough = false;
    const auto spin = [&] {
        const QDeadlineTimer end = soon();
        while (!enough && CHECK(!end.hasExpired())) { }
    };
    Process root;
    for (int i = 0; i < QThread::idealThreadCount(); ++i)
        root.go(spin);
    root.go([&] { enough = true; });
    QVERIFY(!root.closeAndWait());
}

/// A thread that has just been at work takes one of them, and sees to the other.
void tst_Works::r31_worksStartTogetherAfterAShortOne()
{
    const int rounds = underSanitizer ? 50 : 300;
    Process root;
    for (int i = 0; i < rounds; ++i) {
        Gate gate;
        QVERIFY(root.go([] {})->waitForClosed(soon()));
        const ProcessPtr first = root.go([&] { gate.pass(); });
        const ProcessPtr second = root.go([&] { gate.pass(); });
        QVERIFY(gate.waitForArrivals(2));
        gate.open();
        QVERIFY(first->waitForClosed(soon()));
        QVERIFY(second->waitForClosed(soon()));
    }
}

void tst_Works::r31_worksStartWhileAThreadIsAboutToLeave()
{
    const int rounds = underSanitizer ? 200 : 2000;
    Process root;
    for (int i = 0; i < rounds; ++i) {
        QVERIFY(root.go([] {})->waitForClosed(soon()));
        std::this_thread::sleep_for(std::chrono::microseconds(i % 40));
    }
}

void tst_Works::r31_theGlobalPoolIsNotUsed()
{
    QThreadPool *const global = QThreadPool::globalInstance();
    const int before = global->maxThreadCount();
    global->setMaxThreadCount(1);
    Gate gate;
    global->start([&] { gate.pass(); });
    const auto restore = qScopeGuard([&] {
        gate.open();
        global->waitForDone();
        global->setMaxThreadCount(before);
    });
    QVERIFY(gate.waitForArrivals());

    bool inGlobalPool = true;
    Process root;
    const ProcessPtr child =
            root.go([&] { inGlobalPool = global->contains(QThread::currentThread()); });
    QVERIFY(child->waitForClosed(soon())); // not starved by the work of the global pool
    QVERIFY(!inGlobalPool);
}

void tst_Works::r31_aBurstOfShortWorksDoesNotGrowThePool()
{
    // In a program of its own, whose pool has not grown.
    const Outcome result = runScenario(QStringLiteral("burst"));
    QVERIFY(!result.crashed);
    QVERIFY2(result.output == QStringList { QStringLiteral("modest") },
             qPrintable(result.messages));
}

void tst_Works::r31_thePoolShrinksAgain()
{
    const Outcome result = runScenario(QStringLiteral("burstAfterBlockedWorks"));
    QVERIFY(isClean(result));
    QCOMPARE(result.output, QStringList { QStringLiteral("modest") });
}

void tst_Works::r31_worksBeyondTheCapQueueWithAWarning()
{
    QCOMPARE(GoProcess::maxWorkThreadCount(), 4096);
    const Outcome result = runScenario(QStringLiteral("cap"));
    QVERIFY(!result.crashed);
    QCOMPARE(result.exitCode, 0);
    QCOMPARE(result.output, QStringList({ QStringLiteral("queued"), QStringLiteral("all ran") }));
    QVERIFY2(result.messages.startsWith(QStringLiteral("warning goprocess: ")),
             qPrintable(result.messages));
}

// R32: other pools, and waits inside works

void tst_Works::r32_worksRunInThePoolThatWasSet()
{
    QThreadPool pool;
    bool inPool = false;
    Process root;
    QVERIFY(!root.threadPool());
    root.setThreadPool(&pool);
    QCOMPARE(root.threadPool(), &pool);
    const ProcessPtr child = root.go([&] { inPool = pool.contains(QThread::currentThread()); });
    QVERIFY(child->waitForClosed(soon()));
    QVERIFY(inPool);
}

void tst_Works::r32_processesThatGoMakesAfterwardsInheritThePool()
{
    QThreadPool pool;
    Gate gate;
    Process root;
    bool earlierInPool = true;
    const ProcessPtr earlier = root.go([&](Process &self) {
        gate.pass();
        self.go([&] { earlierInPool = pool.contains(QThread::currentThread()); });
    });
    root.setThreadPool(&pool);
    bool laterInPool = false;
    const ProcessPtr later = root.go([&](Process &self) {
        self.go([&](Process &inner) {
            laterInPool = pool.contains(QThread::currentThread()) && inner.threadPool() == &pool;
        });
    });
    QCOMPARE(earlier->threadPool(), nullptr);
    QCOMPARE(later->threadPool(), &pool);
    gate.open();
    QVERIFY(earlier->waitForClosed(soon()));
    QVERIFY(later->waitForClosed(soon()));
    QVERIFY(!earlierInPool);
    QVERIFY(laterInPool);
}

void tst_Works::r32_nullIsTheDefaultPoolAgain()
{
    QThreadPool pool;
    Process root;
    root.setThreadPool(&pool);
    root.setThreadPool(nullptr);
    QVERIFY(!root.threadPool());
    bool inPool = true;
    const ProcessPtr child = root.go([&] { inPool = pool.contains(QThread::currentThread()); });
    QVERIFY(child->waitForClosed(soon()));
    QVERIFY(!inPool);
}

void tst_Works::r32_aWaitLendsThePlaceOfItsThreadOut()
{
    QThreadPool pool;
    pool.setMaxThreadCount(1);
    Process target; // closed by a work that has no place while the first one has it
    Process root;
    root.setThreadPool(&pool);
    const ProcessPtr outer = root.go([&](Process &self) {
        // With a deadline a wait runs no works itself.
        const ProcessPtr inner = self.go([] {});
        CHECK(inner->waitForClosed(soon()));
        self.go([&] { target.close(); });
        CHECK(target.waitForClosing());
        CHECK(target.waitForClosed());
    });
    QVERIFY(outer->waitForClosed(soon()));
    QVERIFY(target.isClosed());
    QCOMPARE(pool.maxThreadCount(), 1);
}

void tst_Works::r32_nestedGoAndWaitNeedOneThreadOnly()
{
    QThreadPool pool;
    pool.setMaxThreadCount(1);
    std::function<int(Process &, int)> fibonacci = [&](Process &self, int n) {
        if (n < 2)
            return n;
        int a = 0;
        int b = 0;
        const ProcessPtr first = self.go([&](Process &inner) { a = fibonacci(inner, n - 1); });
        const ProcessPtr second = self.go([&](Process &inner) { b = fibonacci(inner, n - 2); });
        CHECK(first->waitForClosed());
        CHECK(!second->closeAndWait());
        return a + b;
    };
    int result = 0;
    Process root;
    root.setThreadPool(&pool);
    const ProcessPtr child = root.go([&](Process &self) { result = fibonacci(self, 9); });
    QVERIFY(child->waitForClosed(soon()));
    QCOMPARE(result, 34);
}

void tst_Works::r32_aWorkThatWaitsRunsTheUnstartedWorkItself()
{
    QThreadPool pool;
    pool.setMaxThreadCount(1); // so the inner work cannot have started
    const QThread *outerThread = nullptr;
    const QThread *innerThread = nullptr;
    Process root;
    root.setThreadPool(&pool);
    const ProcessPtr outer = root.go([&](Process &self) {
        outerThread = QThread::currentThread();
        CHECK(self.go([&] { innerThread = QThread::currentThread(); })->waitForClosed());
    });
    QVERIFY(outer->waitForClosed(soon()));
    QVERIFY(outerThread);
    QCOMPARE(innerThread, outerThread);
}

void tst_Works::r32_aThreadOutsideThePoolRunsNoWorks()
{
    BusyPool busy;
    Process root;
    root.setThreadPool(&busy.pool);
    bool inPool = false;
    const ProcessPtr child =
            root.go([&] { inPool = busy.pool.contains(QThread::currentThread()); });
    // The pool becomes free by a step that only the wait below can run.
    Process opener;
    QObject::connect(&opener, &Process::closing, &opener, [&] { busy.gate.open(); });
    opener.close();
    QVERIFY(child->waitForClosed());
    QVERIFY(inPool);
}

// R33: what a work looks like

void tst_Works::r33_aWorkTakesItsProcessOrNothingAndReturnsVoidOrError()
{
    Process root;
    Counter ran;
    const auto takesNothing = [&] { ran.add(); };
    const std::function<void(Process &)> takesProcess = [&](Process &) { ran.add(); };
    const std::vector<ProcessPtr> fine {
        root.go(takesNothing),
        root.go(QStringLiteral("named"), takesProcess),
        root.go([&](Process &) {
            ran.add();
            return Error();
        }),
        root.go(&Process::close),
        GoProcess::go(takesNothing),
        GoProcess::go(QStringLiteral("named"), takesProcess),
    };
    for (const ProcessPtr &child : fine) {
        QVERIFY(child->waitForClosed(soon()));
        QVERIFY(!child->error());
    }
    QCOMPARE(ran.count(), 5);

    const std::vector<ProcessPtr> failing {
        root.go(failingFunction),
        root.go(&failingFunction),
        root.go([] { return Error(QStringLiteral("function")); }),
        root.go([](Process &self) {
            return Error(self.isClosed() ? QString() : QStringLiteral("function"));
        }),
        GoProcess::go([] { return Error(QStringLiteral("function")); }),
    };
    for (const ProcessPtr &child : failing) {
        QVERIFY(child->waitForClosed(soon()));
        QCOMPARE(child->error().message(), QStringLiteral("function"));
    }
}

void tst_Works::r33_aWorkMayBeMoveOnlyAndMutable()
{
    Process root;
    int result = 0;
    const ProcessPtr child = root.go(
            [&result, number = std::make_unique<int>(41)]() mutable { result = ++*number; });
    QVERIFY(child->waitForClosed(soon()));
    QCOMPARE(result, 42);
}

QTEST_GUILESS_MAIN(tst_Works)

#include "tst_works.moc"
