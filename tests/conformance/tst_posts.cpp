// SPDX-License-Identifier: MIT
// post(): functions that run as steps before the teardown.

#include "support/eventlog.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QEventLoop>
#include <QPointer>
#include <QPromise>
#include <QSemaphore>
#include <QTest>
#include <QThread>
#include <QThreadPool>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <vector>

using GoProcess::Error;
using GoProcess::Process;
using GoProcess::ProcessPtr;
using TestSupport::EventLog;
using TestSupport::ExpectWarning;
using TestSupport::soon;

namespace {

constexpr QLatin1String failure("cannot open");

/// Its future is open until the test finishes it.
std::shared_ptr<QPromise<Error>> openPromise()
{
    auto promise = std::make_shared<QPromise<Error>>();
    promise->start();
    return promise;
}

} // namespace

class tst_posts : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    static void initTestCase() { TestSupport::begin(); }
    static void cleanup() { TestSupport::verify(); }

    static void r17_runsNothingInTheCall();
    static void r34_runsAtHomeInOrder();
    static void r34_ofNoHomeRunOneAfterAnother();
    static void r34_closingDoesNotOvertakeWhatWasPosted_data();
    static void r34_closingDoesNotOvertakeWhatWasPosted();
    static void r19_closingOfAChildComesBehindThatOfItsParent();
    static void r37_aWaitRunsIt();
    static void r37_aWaitInsideAStepRunsIt();
    static void r25_itsFailureIsTheErrorAndCloses_data();
    static void r25_itsFailureIsTheErrorAndCloses();
    static void r25_theFirstFailureCounts();
    static void r25_besideAWorkThatFails();
    static void r23_itsFutureKeepsTheTeardown();
    static void r23_aFinishedFutureIsLikeAResult();
    static void postedInAPostedFunction();
    static void theFunctionGoesAtHome();
    static void closedWhileItRuns();
    static void r40_aNestedLoopInItSeesClosing();
    static void r39_waitsForItselfAreRefused();
    static void r43_itDestroysTheProcess_data();
    static void r43_itDestroysTheProcess();
    static void r41_destroyedWithPostsPending();
    static void r36_movedWithPostsPending();
    static void r36_movedWhileOthersPost();
    static void r38_homeThatHasEnded();
    static void r38_homeThatWasNeverStarted();
    static void r15_refusals();
    static void r17_whileOthersClose();
    static void r49_aDroppedWorkFailsMeanwhile();
    static void toAProcessInAThreadOfItsOwn();
    static void longCloseNamesIt();
};

void tst_posts::r17_runsNothingInTheCall()
{
    EventLog log;
    Process process;
    QVERIFY(process.post([&] { log.add(QStringLiteral("ran")); }));
    QVERIFY(log.events().isEmpty());
    TestSupport::deliver();
    QVERIFY(log.compare({ QStringLiteral("ran") }));
    QVERIFY(!process.isClosing());
    QVERIFY(!process.closeAndWait());
}

void tst_posts::r34_runsAtHomeInOrder()
{
    EventLog log;
    TestSupport::EventLoopThread thread;
    Process process(log.teardown(QStringLiteral("p")));
    log.watch(process, QStringLiteral("p"));
    process.moveToThread(&thread);
    for (int i = 0; i < 3; ++i) {
        QVERIFY(process.post([&log, &thread, i] {
            CHECK(QThread::currentThread() == &thread);
            log.add(QString::number(i));
        }));
    }
    GoProcess::Hold hold = process.hold(); // the thread may be as fast as to be done before
    process.close();
    QVERIFY(process.post([&log] { log.add(QStringLiteral("late")); }));
    hold.release();
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(log.compare({ QStringLiteral("0"), QStringLiteral("1"), QStringLiteral("2"),
                          QStringLiteral("closing p"), QStringLiteral("late"),
                          QStringLiteral("teardown p"), QStringLiteral("closed p") }));
}

void tst_posts::r34_ofNoHomeRunOneAfterAnother()
{
    constexpr int count = 200;
    std::atomic<int> inside = 0;
    std::vector<int> order; // no lock: they run one after another
    TestSupport::Gate gate;
    Process root;
    const ProcessPtr work = root.go([&](Process &) { gate.pass(); });
    for (int i = 0; i < count; ++i) {
        QVERIFY(work->post([&, i] {
            CHECK(inside.fetch_add(1) == 0);
            order.push_back(i);
            std::this_thread::yield();
            inside.fetch_sub(1);
        }));
    }
    gate.open();
    QVERIFY(work->waitForClosed(soon()));
    QCOMPARE(int(order.size()), count);
    QVERIFY(std::is_sorted(order.begin(), order.end()));
}

void tst_posts::r34_closingDoesNotOvertakeWhatWasPosted_data()
{
    QTest::addColumn<bool>("hasHome");
    QTest::newRow("at home") << true;
    QTest::newRow("of no home") << false;
}

void tst_posts::r34_closingDoesNotOvertakeWhatWasPosted()
{
    QFETCH(const bool, hasHome);
    for (int i = 0; i < 50; ++i) {
        EventLog log;
        ProcessPtr process;
        const auto prepare = [&](Process *made) {
            log.watch(*made, QStringLiteral("p"));
            for (int n = 0; n < 4; ++n)
                CHECK(made->post([&log, n] { log.add(QString::number(n)); }));
            made->close();
            CHECK(made->post([&log] { log.add(QStringLiteral("late")); }));
        };
        if (hasHome) {
            process = std::make_shared<Process>();
            prepare(process.get());
        } else {
            process = GoProcess::go([&](Process &self) { prepare(&self); });
        }
        QVERIFY(process->waitForClosed(soon()));
        QVERIFY(log.compare({ QStringLiteral("0"), QStringLiteral("1"), QStringLiteral("2"),
                              QStringLiteral("3"), QStringLiteral("closing p"),
                              QStringLiteral("late"), QStringLiteral("closed p") }));
    }
}

void tst_posts::r19_closingOfAChildComesBehindThatOfItsParent()
{
    EventLog log;
    Process parent(QStringLiteral("parent"));
    Process child(QStringLiteral("child"), &parent);
    log.watch(parent);
    log.watch(child);
    for (int i = 0; i < 3; ++i)
        QVERIFY(parent.post([&log, i] { log.add(QString::number(i)); }));
    parent.close();
    TestSupport::deliver();
    QVERIFY(log.compare({ QStringLiteral("0"), QStringLiteral("1"), QStringLiteral("2"),
                          QStringLiteral("closing parent"), QStringLiteral("closing child"),
                          QStringLiteral("closed child"), QStringLiteral("closed parent") }));
}

void tst_posts::r37_aWaitInsideAStepRunsIt()
{
    EventLog log;
    Process outer;
    Process inner(log.teardown(QStringLiteral("inner")));
    QVERIFY(outer.post([&] {
        log.add(QStringLiteral("outer"));
        CHECK(!inner.closeAndWait());
        log.add(QStringLiteral("waited"));
    }));
    QVERIFY(inner.post([&] { log.add(QStringLiteral("1")); }));
    QVERIFY(inner.post([&] { log.add(QStringLiteral("2")); }));
    QVERIFY(!outer.closeAndWait());
    QVERIFY(log.compare({ QStringLiteral("outer"), QStringLiteral("1"), QStringLiteral("2"),
                          QStringLiteral("teardown inner"), QStringLiteral("waited") }));
}

void tst_posts::r37_aWaitRunsIt()
{
    std::atomic<bool> ran = false;
    TestSupport::Gate made;
    std::atomic<Process *> process = nullptr;
    TestSupport::Thread thread([&] { // has no event loop
        Process own;
        process = &own;
        made.open();
        CHECK(own.waitForClosed(soon()));
    });
    QVERIFY(made.pass());
    QVERIFY(process.load()->post([&, there = process.load()->thread()] {
        CHECK(QThread::currentThread() == there);
        ran = true;
    }));
    QVERIFY(TestSupport::pollUntil([&] { return ran.load(); }));
    process.load()->close();
    thread.join();
}

void tst_posts::r25_itsFailureIsTheErrorAndCloses_data()
{
    QTest::addColumn<int>("how");
    QTest::newRow("an Error") << 0;
    QTest::newRow("an exception") << 1;
    QTest::newRow("a finished future") << 2;
    QTest::newRow("an open future") << 3;
    QTest::newRow("an exception in an open future") << 4;
    QTest::newRow("a cancelled future") << 5;
}

void tst_posts::r25_itsFailureIsTheErrorAndCloses()
{
    QFETCH(const int, how);
    Process root(QStringLiteral("app"));
    bool tornDown = false;
    Process process(
            QStringLiteral("db"), [&] { tornDown = true; }, &root);
    const auto promise = openPromise();
    switch (how) {
    case 0:
        QVERIFY(process.post([] { return Error(failure); }));
        break;
    case 1:
        QVERIFY(process.post([] { throw std::runtime_error("cannot open"); }));
        break;
    case 2:
        promise->addResult(Error(failure));
        promise->finish();
        [[fallthrough]];
    default:
        QVERIFY(process.post([promise] { return promise->future(); }));
    }
    TestSupport::deliver();
    if (how == 3) {
        QVERIFY(!process.isClosing());
        promise->addResult(Error(failure));
        promise->finish();
    } else if (how == 4) {
        promise->setException(std::make_exception_ptr(std::runtime_error("cannot open")));
        promise->finish();
    } else if (how == 5) {
        promise->future().cancel();
        promise->finish();
    }
    QTRY_VERIFY(process.isClosed());
    QVERIFY(process.error());
    if (how != 5)
        QCOMPARE(process.error().message(), failure);
    QVERIFY(tornDown);
    QVERIFY(!root.isClosing());
    QCOMPARE(root.treeErrorCount(), 1);
    QVERIFY(!root.closeAndWait());
}

void tst_posts::r25_theFirstFailureCounts()
{
    int ran = 0;
    Process process([] { return Error(QStringLiteral("teardown")); });
    QVERIFY(process.post([&] {
        ++ran;
        return Error(QStringLiteral("first"));
    }));
    QVERIFY(process.post([&] {
        ++ran;
        CHECK(process.isClosing());
        return Error(QStringLiteral("second"));
    }));
    QVERIFY(process.waitForClosed(soon()));
    QCOMPARE(process.error().message(), QStringLiteral("first"));
    QCOMPARE(ran, 2); // nothing accepted is lost
}

/// One of the two, and no race.
void tst_posts::r25_besideAWorkThatFails()
{
    for (int i = 0; i < 50; ++i) {
        const ProcessPtr process = GoProcess::go([](Process &self) {
            CHECK(self.post([] { return Error(failure); }));
            return Error(failure);
        });
        QVERIFY(process->waitForClosed(soon()));
        QCOMPARE(process->error().message(), failure);
    }
}

void tst_posts::r23_itsFutureKeepsTheTeardown()
{
    EventLog log;
    const auto promise = openPromise();
    Process process(log.teardown(QStringLiteral("p")));
    QVERIFY(process.post([promise] { return promise->future(); }));
    QVERIFY(process.post([&] { log.add(QStringLiteral("next")); }));
    process.close();
    TestSupport::deliver();
    QVERIFY(log.compare({ QStringLiteral("next") }));
    QVERIFY(!process.isClosed());
    TestSupport::Thread finisher([&] { promise->finish(); });
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(log.compare({ QStringLiteral("next"), QStringLiteral("teardown p") }));
    QVERIFY(!process.error());
}

void tst_posts::r23_aFinishedFutureIsLikeAResult()
{
    Process process;
    QVERIFY(process.post([] { return QFuture<void>(); })); // default-constructed: no error
    TestSupport::deliver();
    QVERIFY(!process.isClosing());
    QVERIFY(!process.closeAndWait());
}

void tst_posts::postedInAPostedFunction()
{
    EventLog log;
    Process process(log.teardown(QStringLiteral("p")));
    QVERIFY(process.post([&] {
        CHECK(process.post([&] {
            log.add(QStringLiteral("inner"));
            process.close();
            CHECK(process.post([&] { log.add(QStringLiteral("last")); }));
        }));
        log.add(QStringLiteral("outer"));
    }));
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(log.compare({ QStringLiteral("outer"), QStringLiteral("inner"), QStringLiteral("last"),
                          QStringLiteral("teardown p") }));
}

void tst_posts::theFunctionGoesAtHome()
{
    struct Captured
    {
        explicit Captured(std::atomic<QThread *> &destroyedIn) : in(destroyedIn) { }
        Q_DISABLE_COPY_MOVE(Captured)
        ~Captured() { in = QThread::currentThread(); }
        std::atomic<QThread *> &in;
    };
    std::atomic<QThread *> first = nullptr;
    std::atomic<QThread *> second = nullptr;
    TestSupport::EventLoopThread thread;
    const auto promise = openPromise();
    Process process;
    process.moveToThread(&thread);
    QVERIFY(process.post([captured = std::make_unique<Captured>(first)] {}));
    QVERIFY(process.post([captured = std::make_unique<Captured>(second), promise] {
        return promise->future();
    }));
    thread.flush();
    QCOMPARE(first.load(), &thread);
    QVERIFY(!second.load());
    promise->finish();
    QVERIFY(!process.closeAndWait());
    QCOMPARE(second.load(), &thread);
}

void tst_posts::closedWhileItRuns()
{
    TestSupport::Gate gate;
    TestSupport::EventLoopThread thread;
    std::atomic<bool> tornDown = false;
    Process process([&] { tornDown = true; });
    process.moveToThread(&thread);
    QVERIFY(process.post([&] {
        gate.pass();
        CHECK(!tornDown);
        CHECK(process.waitForClosing(soon())); // seen at once, as in a work
    }));
    QVERIFY(gate.waitForArrivals());
    process.close();
    gate.open();
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(tornDown);
}

void tst_posts::r40_aNestedLoopInItSeesClosing()
{
    EventLog log;
    TestSupport::EventLoopThread thread;
    TestSupport::Counter inLoop;
    Process process(log.teardown(QStringLiteral("p")));
    process.moveToThread(&thread);
    QVERIFY(process.post([&] {
        QEventLoop loop;
        QObject::connect(&process, &Process::closing, &loop, &QEventLoop::quit);
        QMetaObject::invokeMethod(
                &loop, [&] { inLoop.add(); }, Qt::QueuedConnection);
        loop.exec();
        log.add(QStringLiteral("left"));
    }));
    QVERIFY(inLoop.waitFor(1));
    process.close();
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(log.compare({ QStringLiteral("left"), QStringLiteral("teardown p") }));
}

void tst_posts::r39_waitsForItselfAreRefused()
{
    const ExpectWarning warning(QStringLiteral("closeAndWait\\(\\) .* refused"));
    Process process;
    QVERIFY(process.post([&] { CHECK(process.closeAndWait()); }));
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(!process.error());
}

void tst_posts::r43_itDestroysTheProcess_data()
{
    QTest::addColumn<bool>("fails");
    QTest::addColumn<bool>("isClosing");
    QTest::newRow("and returns") << false << false;
    QTest::newRow("and fails") << true << false;
    QTest::newRow("which closes, and returns") << false << true;
    QTest::newRow("which closes, and fails") << true << true;
}

void tst_posts::r43_itDestroysTheProcess()
{
    QFETCH(const bool, fails);
    QFETCH(const bool, isClosing);
    const ExpectWarning warning(
            QStringLiteral("posted to process \"/p\" has destroyed it, and failed"), fails ? 1 : 0);
    EventLog log;
    Process root;
    auto *const process = new Process(QStringLiteral("p"), log.teardown(QStringLiteral("p")));
    log.watch(*process);
    if (isClosing)
        QVERIFY(process->post(
                [] {})); // this one is a step, and the next one comes before closing()
    QVERIFY(process->post([&, process] {
        log.add(QStringLiteral("ran"));
        delete process;
        log.add(QStringLiteral("gone"));
        return fails ? Error(failure) : Error();
    }));
    QVERIFY(process->post([&log] { log.add(QStringLiteral("next")); }));
    if (isClosing)
        process->close();
    TestSupport::deliver();
    QVERIFY(log.compare({ QStringLiteral("ran"), QStringLiteral("next"),
                          QStringLiteral("closing p"), QStringLiteral("teardown p"),
                          QStringLiteral("closed p"), QStringLiteral("gone") }));
}

void tst_posts::r41_destroyedWithPostsPending()
{
    EventLog log;
    {
        Process process(log.teardown(QStringLiteral("p")));
        for (int i = 0; i < 3; ++i)
            QVERIFY(process.post([&log, i] { log.add(QString::number(i)); }));
    }
    QVERIFY(log.compare({ QStringLiteral("0"), QStringLiteral("1"), QStringLiteral("2"),
                          QStringLiteral("teardown p") }));
}

void tst_posts::r36_movedWithPostsPending()
{
    for (int i = 0; i < 50; ++i) {
        TestSupport::EventLoopThread thread;
        std::vector<int> order;
        Process process;
        for (int n = 0; n < 20; ++n) {
            QVERIFY(process.post([&, n] {
                CHECK(QThread::currentThread() == &thread);
                order.push_back(n);
            }));
            if (n == 10) // this thread runs no event loop
                process.moveToThread(&thread);
        }
        if (i % 2 == 0)
            thread.flush();
        process.close();
        QVERIFY(process.waitForClosed(soon()));
        QCOMPARE(int(order.size()), 20);
        QVERIFY(std::is_sorted(order.begin(), order.end()));
    }
}

/// Each runs once, where the process is at home then.
void tst_posts::r36_movedWhileOthersPost()
{
    constexpr int each = 300;
    TestSupport::EventLoopThread one;
    TestSupport::EventLoopThread two;
    std::vector<int> order; // no lock: they run one after another, wherever that is
    Process process;
    process.moveToThread(&one);
    TestSupport::Thread mover([&] {
        for (int i = 0; i < each; ++i) {
            CHECK(process.post(
                    [&] { process.moveToThread(process.thread() == &one ? &two : &one); }));
            if (i % 10 == 0)
                std::this_thread::yield();
        }
    });
    for (int i = 0; i < each; ++i) {
        QVERIFY(process.post([&, i] {
            CHECK(QThread::currentThread() == process.thread());
            order.push_back(i);
        }));
    }
    mover.join();
    process.close();
    QVERIFY(process.waitForClosed(soon()));
    QCOMPARE(int(order.size()), each);
    QVERIFY(std::is_sorted(order.begin(), order.end()));
}

void tst_posts::r38_homeThatHasEnded()
{
    std::atomic<bool> ran = false;
    TestSupport::EventLoopThread thread;
    Process process;
    process.moveToThread(&thread);
    thread.flush();
    thread.stop();
    const ExpectWarning warning(QStringLiteral("does not run its steps any more"));
    QVERIFY(process.post([&] { ran = true; }));
    process.close();
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(ran);
}

void tst_posts::r38_homeThatWasNeverStarted()
{
    bool ran = false;
    QThread thread;
    Process process;
    process.moveToThread(&thread);
    QVERIFY(process.post([&] { ran = true; }));
    TestSupport::deliver();
    QVERIFY(!ran);
    const ExpectWarning warning(QStringLiteral("does not run its steps .*not started"));
    process.close();
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(ran);
}

void tst_posts::r15_refusals()
{
    Process process(QStringLiteral("p"));
    {
        const ExpectWarning warning(
                QStringLiteral("post\\(\\) of process \"/p\" refused: the function is null"));
        QVERIFY(!process.post(std::function<void()>()));
    }
    process.setTeardown([&] {
        const ExpectWarning warning(
                QStringLiteral("post\\(\\) of process \"/p\" refused: its teardown has begun"));
        CHECK(!process.post([] { TestSupport::fail(QStringLiteral("ran")); }));
    });
    QVERIFY(!process.closeAndWait());
    {
        const ExpectWarning warning(
                QStringLiteral("post\\(\\) of process \"/p\" refused: it is Closed"));
        QVERIFY(!process.post([] { TestSupport::fail(QStringLiteral("ran")); }));
    }
    const ExpectWarning warning(QStringLiteral("post\\(\\) .* refused: background\\(\\)"));
    QVERIFY(!Process::background()->post([] {}));
}

/// Each that was accepted runs, and before the teardown.
void tst_posts::r17_whileOthersClose()
{
    for (int i = 0; i < 30; ++i) {
        const ExpectWarning warning(QStringLiteral("post\\(\\) .* refused"), 0, 3);
        TestSupport::EventLoopThread thread;
        std::atomic<int> accepted = 0;
        std::atomic<int> ran = 0;
        Process process([&] { ran.fetch_add(1000); });
        process.moveToThread(&thread);
        std::vector<TestSupport::Thread> posters;
        for (int t = 0; t < 3; ++t) {
            posters.emplace_back([&] {
                while (process.post([&] { CHECK(ran.fetch_add(1) < 1000); })) {
                    if (accepted.fetch_add(1) > 300)
                        process.close();
                    if (accepted.load() > 900)
                        return;
                }
            });
        }
        posters.clear();
        process.close();
        QVERIFY(process.waitForClosed(soon()));
        QCOMPARE(ran.load(), accepted.load() + 1000);
    }
}

/// Two threads at once have an Error for one process: the thread sanitizer sees whether they are in
/// order.
void tst_posts::r49_aDroppedWorkFailsMeanwhile()
{
    QThreadPool pool;
    pool.setMaxThreadCount(1);
    Process root(QStringLiteral("root"));
    root.setThreadPool(&pool);
    for (int i = 0; i < 200; ++i) {
        QSemaphore occupied;
        pool.start([&] { occupied.acquire(); });
        const ProcessPtr work = root.go([] { TestSupport::fail(QStringLiteral("ran")); });
        QVERIFY(work->post([] { return Error(failure); }));
        pool.clear();
        occupied.release();
        QVERIFY(work->waitForClosed(soon()));
        QVERIFY(work->error());
        pool.waitForDone();
    }
    QVERIFY(!root.closeAndWait());
    QCOMPARE(root.treeErrorCount(), 200);
}

void tst_posts::toAProcessInAThreadOfItsOwn()
{
    Process root(QStringLiteral("app"));
    Process *const database = GoProcess::inThread(QStringLiteral("db"), &root);
    QThread *const thread = database->thread();
    bool isOpen = false; // of that thread alone
    bool tornDown = false;
    database->setTeardown([&] { tornDown = !isOpen && QThread::currentThread() == thread; });
    QVERIFY(database->post([&, thread] {
        CHECK(QThread::currentThread() == thread);
        return isOpen ? Error() : Error(failure);
    }));
    QVERIFY(database->waitForClosed(soon()));
    QCOMPARE(database->error().message(), failure);
    QVERIFY(!root.isClosing());
    QVERIFY(!root.closeAndWait());
    QVERIFY(tornDown);
}

void tst_posts::longCloseNamesIt()
{
    GoProcess::setCloseWarning(std::chrono::milliseconds(50));
    TestSupport::Gate gate;
    TestSupport::EventLoopThread thread;
    {
        Process process(QStringLiteral("p"));
        process.moveToThread(&thread);
        QVERIFY(process.post([&] { gate.pass(); }));
        QVERIFY(process.post([] {}));
        QVERIFY(gate.waitForArrivals());
        const ExpectWarning warning(
                QStringLiteral("/p: posted function runs .*/p: 1 posted function\\(s\\) not run"),
                1, 2);
        process.close();
        QVERIFY(TestSupport::pollUntil([&] { return warning.count() > 0; }));
        gate.open();
        QVERIFY(process.waitForClosed(soon()));
    }
    GoProcess::setCloseWarning(std::chrono::seconds(5));
}

QTEST_GUILESS_MAIN(tst_posts)
#include "tst_posts.moc"
