// SPDX-License-Identifier: MIT
// Teardowns run once; when they may be set (R22, R24). Each test is named after its rule.
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

#include <QStringList>
#include <QTest>
#include <QThread>

#include <atomic>
#include <memory>
#include <stdexcept>

#if defined(Q_OS_UNIX)
#  include <csignal>
#  include <pthread.h>
#endif

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::Error;
using GoProcess::Hold;
using GoProcess::Process;
using GoProcess::ProcessPtr;
using State = GoProcess::Process::State;

class tst_Teardown : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void r22_teardownRunsOnce_data();
    void r22_teardownRunsOnce();
    void r22_teardownRunsOnceWhenThreadsCompete();
    void r22_teardownRunsOnceWhenDeletedInASlot_data();
    void r22_teardownRunsOnceWhenDeletedInASlot();
    void r22_teardownThatThrowsRunsOnce();

    void r24_allowedOnceWhileRunning();
    void r24_constructorCounts();
    void r24_constructorUnderAClosingParentInAWork();
    void r24_allowedOnceWhileClosing();
    void r24_allowedInOwnClosing();
    void r24_refusedAfterTeardownHasBegun();
    void r24_onAClosedProcessRunsAsAStep();
    void r24_onAClosedProcessRunsInTheEventLoopOfItsHome();
    void r24_onAClosedProcessDestructorWaits();
    void r24_onAClosedProcessErrorIsLogged();
    void r24_onAClosedProcessOnce();
};

// R22 — Teardown runs exactly once, in whatever way and however often the process is closed or
// destroyed.

void tst_Teardown::r22_teardownRunsOnce_data()
{
    QTest::addColumn<int>("ways");
    for (int ways = 0; ways < 64; ++ways)
        QTest::addRow("%d", ways) << ways;
}

void tst_Teardown::r22_teardownRunsOnce()
{
    QFETCH(const int, ways);
    int runs = 0;
    Family family;
    Process &parent = family.add(u"parent"_s);
    Process &other = family.add(u"other"_s);
    Process &closed = family.add(u"closed"_s);
    QVERIFY(!closed.closeAndWait());
    {
        Process process([&] { ++runs; });
        QVERIFY(parent.addChild(&process));
        QVERIFY(other.addChildNoWait(&process));
        if (ways & 1)
            process.closeAfterChildren();
        if (ways & 2)
            parent.close();
        if (ways & 4)
            deliver();
        if (ways & 8)
            Thread([&] { process.close(); }).join();
        if (ways & 16)
            QVERIFY(!process.closeAndWait());
        if (ways & 32)
            other.close();
        QVERIFY(runs <= 1);
    }
    QCOMPARE(runs, 1);
    deliver();
    QCOMPARE(runs, 1);
}

void tst_Teardown::r22_teardownRunsOnceWhenThreadsCompete()
{
    for (int round = 0; round < 25; ++round) {
        std::atomic<int> runs = 0;
        Family family;
        Process &first = family.add(u"first"_s);
        Process &second = family.add(u"second"_s);
        {
            Process process([&] { ++runs; });
            QVERIFY(first.addChild(&process));
            QVERIFY(second.addChildNoWait(&process));
            StartLine start(5);
            const Thread a([&] {
                start.arrive();
                first.close();
            });
            const Thread b([&] {
                start.arrive();
                second.close();
            });
            const Thread c([&] {
                start.arrive();
                CHECK(!process.closeAndWait());
            });
            const Thread d([&] {
                start.arrive();
                process.closeAfterChildren();
            });
            start.arrive();
            QVERIFY(!process.closeAndWait());
        }
        QCOMPARE(runs, 1);
    }
}

void tst_Teardown::r22_teardownRunsOnceWhenDeletedInASlot_data()
{
    QTest::addColumn<QByteArray>("signal");
    QTest::addColumn<bool>("blocked");
    for (const char *const signal : { SIGNAL(closing()), SIGNAL(closed()) }) {
        QTest::addRow("%s in the event loop", signal) << QByteArray(signal) << false;
        QTest::addRow("%s in a wait", signal) << QByteArray(signal) << true;
    }
}

void tst_Teardown::r22_teardownRunsOnceWhenDeletedInASlot()
{
    QFETCH(const QByteArray, signal);
    QFETCH(const bool, blocked);
    EventLog log;
    Family family;
    Process &parent = family.add(u"parent"_s);
    auto *const process = new Process(log.teardown(u"p"_s));
    QVERIFY(parent.addChild(process));
    const auto deleteIt = [&, process] {
        delete process;
        log.add(u"deleted"_s);
    };
    if (signal == SIGNAL(closing()))
        connect(process, &Process::closing, this, deleteIt);
    else
        connect(process, &Process::closed, this, deleteIt);
    parent.close();
    if (blocked)
        QVERIFY(parent.waitForClosed(soon()));
    else
        QTRY_VERIFY(parent.isClosed());
    QCOMPARE(log.take(), (QStringList { u"teardown p"_s, u"deleted"_s }));
}

void tst_Teardown::r22_teardownThatThrowsRunsOnce()
{
    int runs = 0;
    {
        Process process([&] {
            ++runs;
            throw std::runtime_error("thrown");
        });
        QVERIFY(process.closeAndWait());
        QVERIFY(process.closeAndWait());
    }
    QCOMPARE(runs, 1);
}

// R24 — setTeardown is allowed once, while Running or Closing.

// Qt 6.4 may run a continuation twice that is attached while the future finishes.
void tst_Teardown::r24_allowedOnceWhileRunning()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s);
    QVERIFY(p.setTeardown(log.teardown(u"first"_s)));
    const ExpectWarning refused(naming({ &p }));
    QVERIFY(!p.setTeardown(log.teardown(u"second"_s)));
    QCOMPARE(refused.count(), 1);
    QVERIFY(!p.closeAndWait());
    QCOMPARE(log.take(), (QStringList { u"teardown first"_s }));
}

void tst_Teardown::r24_constructorCounts()
{
    EventLog log;
    Process p(log.teardown(u"first"_s));
    p.setName(u"p"_s);
    const ExpectWarning refused(naming({ &p }));
    QVERIFY(!p.setTeardown(log.teardown(u"second"_s), [] {}));
    QCOMPARE(refused.count(), 1);
    QVERIFY(!p.closeAndWait());
    QCOMPARE(log.take(), (QStringList { u"teardown first"_s }));
}

// The steps of a process that is made in a work run in other threads, and may do so at once.
void tst_Teardown::r24_constructorUnderAClosingParentInAWork()
{
    Process parent;
    const Hold hold = parent.hold();
    parent.close();
    Counter teardowns;
    const ProcessPtr work = GoProcess::go([&] {
        for (int i = 0; i < 1000; ++i)
            const Process process([&] { teardowns.add(); }, &parent);
    });
    QVERIFY(work->waitForClosed(soon()));
    QCOMPARE(teardowns.count(), 1000);
}

void tst_Teardown::r24_allowedOnceWhileClosing()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s);
    Hold hold = p.hold();
    p.close();
    deliver();
    QVERIFY(p.setTeardown(log.teardown(u"first"_s)));
    {
        const ExpectWarning refused(naming({ &p }));
        QVERIFY(!p.setTeardown(log.teardown(u"second"_s)));
        QCOMPARE(refused.count(), 1);
    }
    hold.release();
    QVERIFY(p.waitForClosed(soon()));
    QCOMPARE(log.take(), (QStringList { u"teardown first"_s }));
}

void tst_Teardown::r24_allowedInOwnClosing()
{
    EventLog log;
    Process p;
    connect(&p, &Process::closing, this, [&] { CHECK(p.setTeardown(log.teardown(u"p"_s))); });
    QVERIFY(!p.closeAndWait());
    QCOMPARE(log.take(), (QStringList { u"teardown p"_s }));
}

void tst_Teardown::r24_refusedAfterTeardownHasBegun()
{
    EventLog log;
    const auto promise = startedPromise<void>();
    Family family;
    Process &p = family.add(u"p"_s);
    const ExpectWarning refused(naming({ &p }), 2);
    QVERIFY(p.setTeardown([&, promise] {
        CHECK(!p.setTeardown(log.teardown(u"inside"_s)));
        return promise->future();
    }));
    p.close();
    deliver();
    QCOMPARE(refused.count(), 1);
    QVERIFY(!p.setTeardown(log.teardown(u"meanwhile"_s)));
    QCOMPARE(refused.count(), 2);
    promise->finish();
    QVERIFY(p.waitForClosed(soon()));
    QCOMPARE(log.take(), QStringList());
}

void tst_Teardown::r24_onAClosedProcessRunsAsAStep()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s);
    QVERIFY(!p.closeAndWait());
    log.watchAll(p);
    QVERIFY(p.setTeardown([&] {
        CHECK(p.isClosed());
        log.add(u"teardown"_s);
    }));
    QCOMPARE(log.events(), QStringList());
    QTRY_COMPARE(log.events(), (QStringList { u"teardown"_s }));
    deliver();
    QCOMPARE(log.take(), (QStringList { u"teardown"_s }));
    QCOMPARE(p.state(), State::Closed);
}

void tst_Teardown::r24_onAClosedProcessRunsInTheEventLoopOfItsHome()
{
    EventLog log;
    EventLoopThread home;
    auto p = home.run([] { return std::make_unique<Process>(); });
    QVERIFY(!p->closeAndWait());
    QVERIFY(p->setTeardown([&] {
        CHECK(QThread::currentThread() == &home);
        log.add(u"teardown"_s);
    }));
    QVERIFY(log.waitFor(u"teardown"_s));
    home.run([&] { p.reset(); });
    QCOMPARE(log.take(), (QStringList { u"teardown"_s }));
}

void tst_Teardown::r24_onAClosedProcessDestructorWaits()
{
    EventLog log;
    {
        Process p;
        QVERIFY(!p.closeAndWait());
        QVERIFY(p.setTeardown(log.teardown(u"p"_s)));
        QCOMPARE(log.events(), QStringList());
    }
    QCOMPARE(log.take(), (QStringList { u"teardown p"_s }));

    // Where its home is another thread.
    Gate inTeardown;
    EventLoopThread home;
    auto p = home.run([] { return std::make_unique<Process>(); });
    QVERIFY(!p->closeAndWait());
    QVERIFY(p->setTeardown([&] {
        inTeardown.pass();
        log.add(u"teardown p"_s);
    }));
    QVERIFY(inTeardown.waitForArrivals());
    const Thread opener([&] { inTeardown.open(); });
    p.reset();
    QCOMPARE(log.take(), (QStringList { u"teardown p"_s }));
}

void tst_Teardown::r24_onAClosedProcessErrorIsLogged()
{
    Family family;
    Process &p = family.add(u"p"_s);
    Process &parent = family.add(u"parent"_s);
    QVERIFY(parent.addChild(&p));
    QVERIFY(!p.closeAndWait());
    const ExpectWarning logged(naming({ &p }) + u".*failed too late"_s);
    QVERIFY(p.setTeardown([] { return Error(u"failed too late"_s); }));
    QTRY_COMPARE(logged.count(), 1);
    QVERIFY(!p.error());
    QVERIFY(!p.closeAndWait());
    QVERIFY(!p.whenClosed().result());
    QCOMPARE(p.treeErrorCount(), 0);
    QCOMPARE(parent.treeErrorCount(), 0);

    Process &thrower = family.add(u"thrower"_s);
    QVERIFY(!thrower.closeAndWait());
    const ExpectWarning thrown(naming({ &thrower }) + u".*thrown too late"_s);
    QVERIFY(thrower.setTeardown([] { throw std::runtime_error("thrown too late"); }));
    QTRY_COMPARE(thrown.count(), 1);
    QVERIFY(!thrower.error());
}

void tst_Teardown::r24_onAClosedProcessOnce()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s);
    QVERIFY(!p.closeAndWait());
    QVERIFY(p.setTeardown(log.teardown(u"first"_s)));
    const ExpectWarning refused(naming({ &p }), 2);
    QVERIFY(!p.setTeardown(log.teardown(u"second"_s)));
    QTRY_COMPARE(log.events(), (QStringList { u"teardown first"_s }));
    QVERIFY(!p.setTeardown(log.teardown(u"third"_s)));
    deliver();
    QCOMPARE(log.take(), (QStringList { u"teardown first"_s }));

    Process &done = family.add(u"done"_s, log.teardown(u"done"_s));
    QVERIFY(!done.closeAndWait());
    const ExpectWarning refusedDone(naming({ &done }));
    QVERIFY(!done.setTeardown(log.teardown(u"again"_s)));
    deliver();
    QCOMPARE(log.take(), (QStringList { u"teardown done"_s }));
}

QTEST_GUILESS_MAIN(tst_Teardown)

#include "tst_teardown.moc"
