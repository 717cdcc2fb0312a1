// SPDX-License-Identifier: MIT
// States, and what tells of them (R1 to R5). Each test is named after its rule.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "rulesupport.h"
#include "support/eventlog.h"
#include "support/family.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QFuture>
#include <QList>
#include <QString>
#include <QStringList>
#include <QTest>
#include <QThread>

#include <atomic>
#include <memory>
#include <vector>

#if defined(Q_OS_UNIX)
#  include <csignal>
#  include <pthread.h>
#endif

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::Error;
using GoProcess::Hold;
using GoProcess::Process;
using State = GoProcess::Process::State;

namespace {

#if defined(Q_OS_UNIX)
std::atomic<const Process *> signalledProcess = nullptr;
std::atomic<int> signalsSeen = 0;

void readStateInSignalHandler(int)
{
    if (const Process *const process = signalledProcess) {
        if (process->isClosing() && process->state() != State::Running && !process->isClosed())
            ++signalsSeen;
    }
}
#endif

} // namespace

class tst_States : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void r01_runningThenClosingThenClosed();
    void r01_neverGoesBack();
    void r01_pollersSeeEachStateInOrder();

    void r02_closingOnceAfterStateAndBeforeTeardown();
    void r02_closingOnceHoweverOftenClosed();
    void r02_closingOnceWhenThreadsCompete();

    void r03_closedOnceAfterTeardownAndState();
    void r03_closedOnceHoweverOftenClosed();
    void r03_waitIsTrueOnlyAfterTheEmission();
    void r03_waitInsideTheEmissionIsTrueAtOnce();

    void r04_answersWhileRunning();
    void r04_answersWhileClosing();
    void r04_answersOnceClosed();
    void r04_futuresFinishWithTheSignals();
    void r04_futuresCarryTheError();
    void r04_futuresAreIndependent();
    void r04_continuationsRunAtHome();

    void r05_stateIsReadFromAnyThread();
    void r05_stateIsReadInASignalHandler();
    void r05_nameFromAnyThread();
    void r05_nameAlsoSetsObjectNameAtHome();
};

// R1 — A process is Running, then Closing, then Closed, and never goes back.

void tst_States::r01_runningThenClosingThenClosed()
{
    QList<State> states;
    Process process;
    QCOMPARE(process.state(), State::Running);
    connect(&process, &Process::stateChanged, this, [&](State state) {
        CHECK(process.state() == state);
        states << state;
    });
    QVERIFY(process.setTeardown([&] { CHECK(process.state() == State::Closing); }));

    process.close();
    QCOMPARE(process.state(), State::Closing);
    QVERIFY(process.waitForClosed(soon()));
    QCOMPARE(process.state(), State::Closed);
    QCOMPARE(states, (QList<State> { State::Closing, State::Closed }));
}

void tst_States::r01_neverGoesBack()
{
    EventLog log;
    Family family;
    Process &process = family.add(u"p"_s);
    Process &child = family.add(u"c"_s);
    log.watchAll(process);
    QVERIFY(!process.closeAndWait());
    const QStringList once = log.events();

    process.close();
    process.closeAfterChildren();
    QVERIFY(process.addChildNoWait(&child));
    QVERIFY(!process.closeAndWait());
    process.setName(u"q"_s);
    deliver();
    QCOMPARE(process.state(), State::Closed);
    QCOMPARE(log.events(), once);
}

void tst_States::r01_pollersSeeEachStateInOrder()
{
    for (int round = 0; round < 50; ++round) {
        Process process;
        StartLine start(3);
        const auto poll = [&] {
            start.arrive();
            State last = State::Running;
            pollUntil([&] {
                const State state = process.state();
                CHECK(state >= last);
                last = state;
                return state == State::Closed;
            });
        };
        const Thread first(poll);
        const Thread second(poll);
        start.arrive();
        QVERIFY(!process.closeAndWait());
    }
}

// R2 — closing() is emitted exactly once, after the state is Closing and before teardown.

void tst_States::r02_closingOnceAfterStateAndBeforeTeardown()
{
    EventLog log;
    Process process(log.teardown(u"p"_s));
    process.setName(u"p"_s);
    log.watch(process);
    connect(&process, &Process::closing, this, [&] {
        CHECK(process.state() == State::Closing);
        CHECK(process.isClosing());
        CHECK(!process.isClosed());
    });
    QVERIFY(!process.closeAndWait());
    QCOMPARE(log.take(), (QStringList { u"closing p"_s, u"teardown p"_s, u"closed p"_s }));
}

void tst_States::r02_closingOnceHoweverOftenClosed()
{
    EventLog log;
    Family family;
    Process &top = family.add(u"top"_s);
    Process &left = family.add(u"left"_s);
    Process &right = family.add(u"right"_s);
    Process &bottom = family.add(u"bottom"_s);
    log.watch(bottom);
    QVERIFY(top.addChild(&left));
    QVERIFY(top.addChild(&right));
    QVERIFY(left.addChild(&bottom));
    QVERIFY(right.addChildNoWait(&bottom));

    bottom.closeAfterChildren();
    bottom.close();
    left.close();
    QVERIFY(!top.closeAndWait());
    top.close();
    QVERIFY(!bottom.closeAndWait());
    deliver();
    QCOMPARE(log.count(u"closing bottom"_s), 1);
}

void tst_States::r02_closingOnceWhenThreadsCompete()
{
    for (int round = 0; round < 25; ++round) {
        EventLog log;
        Process process;
        process.setName(u"p"_s);
        log.watch(process);
        StartLine start(5);
        std::vector<Thread> threads(4);
        for (Thread &thread : threads) {
            thread = Thread([&] {
                start.arrive();
                process.close();
            });
        }
        start.arrive();
        QVERIFY(!process.closeAndWait());
        threads.clear();
        deliver();
        QCOMPARE(log.take(), (QStringList { u"closing p"_s, u"closed p"_s }));
    }
}

// R3 — closed() is emitted exactly once, after teardown has completed and the state is Closed. A
// wait for Closed returns true only after closed() has been emitted.

void tst_States::r03_closedOnceAfterTeardownAndState()
{
    EventLog log;
    Process process([&] {
        log.add(u"teardown begins"_s);
        CHECK(!process.isClosed());
        log.add(u"teardown ends"_s);
    });
    process.setName(u"p"_s);
    log.watch(process);
    connect(&process, &Process::closed, this, [&] {
        CHECK(process.state() == State::Closed);
        CHECK(process.isClosed());
    });
    QVERIFY(!process.closeAndWait());
    QCOMPARE(log.take(),
             (QStringList { u"closing p"_s, u"teardown begins"_s, u"teardown ends"_s,
                            u"closed p"_s }));
}

void tst_States::r03_closedOnceHoweverOftenClosed()
{
    EventLog log;
    Process process;
    process.setName(u"p"_s);
    log.watch(process);
    QVERIFY(!process.closeAndWait());
    process.close();
    process.closeAfterChildren();
    QVERIFY(!process.closeAndWait());
    QVERIFY(process.waitForClosed(soon()));
    deliver();
    QCOMPARE(log.count(u"closed p"_s), 1);
}

void tst_States::r03_waitIsTrueOnlyAfterTheEmission()
{
    EventLog log;
    EventLoopThread home;
    Gate inClosed;
    std::unique_ptr<Process> process = home.run([&] {
        auto made = std::make_unique<Process>();
        connect(
                made.get(), &Process::closed, made.get(),
                [&] {
                    inClosed.pass();
                    log.add(u"emitted"_s);
                },
                Qt::DirectConnection);
        return made;
    });
    Thread waiter([&] {
        CHECK(process->waitForClosed(soon()));
        log.add(u"waited"_s);
    });

    process->close();
    QVERIFY(inClosed.waitForArrivals());
    QVERIFY(process->isClosed());
    QVERIFY(!process->waitForClosed(now()));
    inClosed.open();
    QVERIFY(process->waitForClosed(soon()));
    QVERIFY(log.contains(u"emitted"_s));
    waiter.join();
    QCOMPARE(log.take(), (QStringList { u"emitted"_s, u"waited"_s }));
    home.run([&] { process.reset(); });
}

void tst_States::r03_waitInsideTheEmissionIsTrueAtOnce()
{
    EventLog log;
    Process process([] { return Error(u"failed"_s); });
    connect(&process, &Process::closed, this, [&] {
        CHECK(process.waitForClosed());
        CHECK(process.waitForClosed(now()));
        CHECK(process.waitForClosing());
        CHECK(process.closeAndWait().message() == u"failed");
        log.add(u"returned"_s);
    });
    QVERIFY(process.closeAndWait());
    QCOMPARE(log.take(), (QStringList { u"returned"_s }));
}

// R4 — State is level-triggered, also for a call that comes late.

void tst_States::r04_answersWhileRunning()
{
    Process process;
    QCOMPARE(process.state(), State::Running);
    QVERIFY(!process.isClosing());
    QVERIFY(!process.isClosed());
    QVERIFY(!process.waitForClosing(now()));
    QVERIFY(!process.waitForClosed(now()));
    QVERIFY(!process.whenClosing().isFinished());
    QVERIFY(!process.whenClosed().isFinished());
}

void tst_States::r04_answersWhileClosing()
{
    EventLog log;
    Process process;
    process.setName(u"p"_s);
    log.watch(process);
    Hold hold = process.hold();
    process.close();
    deliver();
    QVERIFY(log.contains(u"closing p"_s));

    QVERIFY(process.isClosing());
    QVERIFY(!process.isClosed());
    QVERIFY(process.waitForClosing(now()));
    QVERIFY(process.waitForClosing());
    QVERIFY(!process.waitForClosed(now()));
    QVERIFY(process.whenClosing().isFinished());
    QVERIFY(!process.whenClosed().isFinished());
    hold.release();
}

void tst_States::r04_answersOnceClosed()
{
    Process process;
    QVERIFY(!process.closeAndWait());
    QVERIFY(process.isClosing());
    QVERIFY(process.isClosed());
    for (int i = 0; i < 2; ++i) {
        QVERIFY(process.waitForClosing(now()));
        QVERIFY(process.waitForClosing());
        QVERIFY(process.waitForClosed(now()));
        QVERIFY(process.waitForClosed());
        QVERIFY(process.whenClosing().isFinished());
        QVERIFY(process.whenClosed().isFinished());
        QVERIFY(!process.closeAndWait());
    }
    const Thread late([&] {
        CHECK(process.isClosed());
        CHECK(process.waitForClosing(now()));
        CHECK(process.waitForClosed(now()));
        CHECK(process.whenClosed().isFinished());
    });
}

void tst_States::r04_futuresFinishWithTheSignals()
{
    EventLog log;
    Process process;
    process.setName(u"p"_s);
    const QFuture<void> whenClosing = process.whenClosing();
    const QFuture<Error> whenClosed = process.whenClosed();
    connect(&process, &Process::closing, this, [&] {
        CHECK(!whenClosing.isFinished());
        CHECK(!process.whenClosed().isFinished());
        log.add(u"closing"_s);
    });
    connect(&process, &Process::closed, this, [&] {
        CHECK(whenClosing.isFinished());
        CHECK(!whenClosed.isFinished());
        log.add(u"closed"_s);
    });
    QVERIFY(process.setTeardown([&] {
        CHECK(whenClosing.isFinished());
        CHECK(!whenClosed.isFinished());
        log.add(u"teardown"_s);
    }));

    process.close();
    QVERIFY(!whenClosing.isFinished());
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(whenClosing.isFinished());
    QVERIFY(whenClosed.isFinished());
    QCOMPARE(log.take(), (QStringList { u"closing"_s, u"teardown"_s, u"closed"_s }));
}

void tst_States::r04_futuresCarryTheError()
{
    Process process([] { return Error(u"failed"_s); });
    const QFuture<Error> early = process.whenClosed();
    const Error error = process.closeAndWait();
    QVERIFY(error);
    QCOMPARE(early.result(), error);
    QCOMPARE(process.whenClosed().result(), error);

    Process fine;
    const QFuture<Error> none = fine.whenClosed();
    QVERIFY(!fine.closeAndWait());
    QVERIFY(!none.result());
    QVERIFY(!fine.whenClosed().result());
}

void tst_States::r04_futuresAreIndependent()
{
    int continued = 0;
    Process process([] { return Error(u"failed"_s); });
    QFuture<Error> cancelled = process.whenClosed();
    QFuture<void> cancelledClosing = process.whenClosing();
    const QFuture<Error> first = process.whenClosed();
    const QFuture<void> firstClosing = process.whenClosing();
    // A future has one continuation; both get theirs.
    const QFuture<void> a = process.whenClosed().then([&](const Error &) { ++continued; });
    const QFuture<void> b = process.whenClosed().then([&](const Error &) { ++continued; });
    cancelled.cancel();
    cancelledClosing.cancel();

    QVERIFY(process.closeAndWait());
    QVERIFY(firstClosing.isFinished());
    QVERIFY(!firstClosing.isCanceled());
    QVERIFY(first.isFinished());
    QVERIFY(!first.isCanceled());
    QCOMPARE(first.result().message(), u"failed"_s);
    QCOMPARE(continued, 2);

    QFuture<Error> late = process.whenClosed();
    late.cancel();
    QVERIFY(!process.whenClosed().isCanceled());
    QCOMPARE(process.whenClosed().result().message(), u"failed"_s);
}

void tst_States::r04_continuationsRunAtHome()
{
    EventLog log;
    EventLoopThread home;
    auto process = home.run([&] {
        auto made = std::make_unique<Process>();
        made->whenClosing().then([&] {
            CHECK(QThread::currentThread() == &home);
            log.add(u"closing"_s);
        });
        made->whenClosed().then([&](const Error &) {
            CHECK(QThread::currentThread() == &home);
            log.add(u"closed"_s);
        });
        return made;
    });
    process->close();
    QVERIFY(log.waitFor(u"closed"_s));
    QCOMPARE(log.take(), (QStringList { u"closing"_s, u"closed"_s }));
    home.run([&] { process.reset(); });
}

// R5 — Reading the state is lock-free and allowed from any thread. name() is thread-safe.

void tst_States::r05_stateIsReadFromAnyThread()
{
    static_assert(noexcept(std::declval<const Process &>().state()));
    static_assert(noexcept(std::declval<const Process &>().isClosing()));
    static_assert(noexcept(std::declval<const Process &>().isClosed()));

    Gate inTeardown;
    EventLoopThread home;
    std::unique_ptr<Process> process =
            home.run([&] { return std::make_unique<Process>([&] { inTeardown.pass(); }); });
    Thread([&] {
        CHECK(process->state() == State::Running);
        CHECK(!process->isClosing());
        CHECK(!process->isClosed());
    }).join();
    process->close();
    QVERIFY(inTeardown.waitForArrivals());
    Thread([&] {
        CHECK(process->state() == State::Closing);
        CHECK(process->isClosing());
        CHECK(!process->isClosed());
    }).join();
    inTeardown.open();
    QVERIFY(process->waitForClosed(soon()));
    Thread([&] {
        CHECK(process->state() == State::Closed);
        CHECK(process->isClosing());
        CHECK(process->isClosed());
    }).join();
    home.run([&] { process.reset(); });
}

void tst_States::r05_stateIsReadInASignalHandler()
{
#if defined(Q_OS_UNIX)
    // A handler that needed a lock which the thread it interrupts holds would never return.
    Family family;
    Process &process = family.add(u"p"_s);
    Hold hold = process.hold();
    process.close();
    signalsSeen = 0;
    signalledProcess = &process;
    struct sigaction action = {};
    struct sigaction previous = {};
    action.sa_handler = &readStateInSignalHandler;
    sigaction(SIGUSR1, &action, &previous);

    const pthread_t thread = pthread_self();
    std::atomic<bool> enough = false;
    Thread signaller([&] {
        for (int sent = 0; sent < 500; ++sent) {
            pthread_kill(thread, SIGUSR1);
            // One at a time: signals that are still pending merge.
            pollUntil([&] { return signalsSeen > sent; });
        }
        enough = true;
    });
    while (!enough) {
        Process child;
        QVERIFY(process.addChild(&child));
        child.close();
        const Hold another = process.hold();
        process.close();
    }
    signaller.join();
    signalledProcess = nullptr;
    sigaction(SIGUSR1, &previous, nullptr);
    QCOMPARE(signalsSeen, 500);
    hold.release();
#else
    QSKIP("No Unix signals here");
#endif
}

void tst_States::r05_nameFromAnyThread()
{
    const QString first = QString(50, u'a');
    const QString second = QString(70, u'b');
    Process process;
    process.setName(first);
    std::atomic<bool> done = false;
    StartLine start(4);
    Thread reader([&] {
        start.arrive();
        while (!done) {
            const QString name = process.name();
            CHECK(name == first || name == second);
            const QString path = process.path();
            CHECK(path == u'/' + first || path == u'/' + second);
        }
    });
    const auto write = [&] {
        start.arrive();
        for (int i = 0; i < 500; ++i)
            process.setName(i % 2 == 0 ? second : first);
    };
    Thread writer(write);
    Thread otherWriter(write);
    start.arrive();
    writer.join();
    otherWriter.join();
    done = true;
    reader.join();
    QCOMPARE(process.name(), first);
}

void tst_States::r05_nameAlsoSetsObjectNameAtHome()
{
    EventLog log;
    Process process;
    connect(
            &process, &Process::nameChanged, &process, [&](const QString &name) { log.add(name); },
            Qt::DirectConnection);
    process.setName(u"here"_s);
    QCOMPARE(process.objectName(), u"here"_s);
    process.setName(u"here"_s);
    Thread([&] { process.setName(u"there"_s); }).join();
    QCOMPARE(process.name(), u"there"_s);
    QCOMPARE(process.objectName(), u"here"_s);
    QCOMPARE(log.take(), (QStringList { u"here"_s, u"there"_s }));
}

QTEST_GUILESS_MAIN(tst_States)

#include "tst_states.moc"
