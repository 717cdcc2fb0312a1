// SPDX-License-Identifier: MIT
// Edges, children and works that are added to processes which close or have closed (R10 to R13).
// Each test is named after its rule.
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

#include <memory>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::Error;
using GoProcess::Hold;
using GoProcess::Process;
using GoProcess::ProcessPtr;
using State = GoProcess::Process::State;

class tst_LateEdges : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void r10_waitForAClosedProcessCloses();
    void r10_addChildOfAClosedProcessAddsNothing();
    void r10_addChildOfAClosedProcessWhileClosing();
    void r10_waitForAClosingProcessWaits();

    void r11_waitForWhileClosingIsRefused();
    void r11_waitForOnceClosedIsRefused();
    void r11_waitForInOwnClosingIsRefused();

    void r12_addChildNoWaitWhileClosingClosesTheChild();
    void r12_addChildNoWaitDuringTeardownClosesTheChild();
    void r12_addChildNoWaitOnceClosedClosesTheChild();

    void r13_addChildWhileClosingIsHonoured();
    void r13_goWhileClosingIsHonoured();
    void r13_addChildInOwnClosingIsHonoured();
    void r13_goInOwnClosingIsHonoured();
    void r13_addChildDuringOwnClosingFromAnotherThreadIsHonoured();
    void r13_addChildInTeardownIsRefused();
    void r13_goInTeardownIsRefused();
    void r13_addChildAfterTeardownHasReturnedAFutureIsRefused();
    void r13_addChildOnceClosedIsRefused();
    void r13_goOnceClosedIsRefused();
    void r13_refusedWorkOfAProcessElsewhereIsDestroyedAtOnce();
};

// R10 — p.waitFor(q) with q already Closed closes p. addChild of a Closed q adds nothing and
// returns true.

void tst_LateEdges::r10_waitForAClosedProcessCloses()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s);
    Process &q = family.add(u"q"_s);
    Process &child = family.add(u"child"_s);
    QVERIFY(p.addChild(&child));
    log.watch(p);
    QVERIFY(!q.closeAndWait());
    QVERIFY(p.waitFor(&q));
    QVERIFY(p.isClosing());
    QVERIFY(child.isClosing());
    QCOMPARE(log.events(), QStringList());
    QVERIFY(p.waitForClosed(soon()));
    QCOMPARE(log.take(), (QStringList { u"closing p"_s, u"closed p"_s }));
}

void tst_LateEdges::r10_addChildOfAClosedProcessAddsNothing()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s);
    Process &q = family.add(u"q"_s, [] { return Error(u"failed"_s); });
    const ExpectWarning none(u"."_s, 0);
    QVERIFY(q.closeAndWait());
    log.watch(p);
    log.watch(q);
    QVERIFY(p.addChild(&q));
    QVERIFY(p.addChildNoWait(&q));
    deliver();
    QCOMPARE(p.state(), State::Running);
    QCOMPARE(log.events(), QStringList());
    QVERIFY(!p.closeAndWait());
    QCOMPARE(p.treeErrorCount(), 0);
    QCOMPARE(log.take(), (QStringList { u"closing p"_s, u"closed p"_s }));
}

void tst_LateEdges::r10_addChildOfAClosedProcessWhileClosing()
{
    Family family;
    Process &p = family.add(u"p"_s);
    Process &q = family.add(u"q"_s);
    QVERIFY(!q.closeAndWait());
    Hold hold = p.hold();
    p.close();
    QVERIFY(p.addChild(&q));
    hold.release();
    QVERIFY(p.waitForClosed(soon()));
}

void tst_LateEdges::r10_waitForAClosingProcessWaits()
{
    Family family;
    Process &p = family.add(u"p"_s);
    Process &q = family.add(u"q"_s);
    Hold hold = q.hold();
    q.close();
    QVERIFY(p.waitFor(&q));
    deliver();
    QCOMPARE(p.state(), State::Running);
    p.close();
    QVERIFY(!p.waitForClosed(now()));
    hold.release();
    QVERIFY(p.waitForClosed(soon()));
}

// R11 — p.waitFor(q) when p is Closing or Closed is refused.

void tst_LateEdges::r11_waitForWhileClosingIsRefused()
{
    Family family;
    Process &p = family.add(u"p"_s);
    Process &q = family.add(u"q"_s);
    Process &closed = family.add(u"closed"_s);
    QVERIFY(!closed.closeAndWait());
    Hold hold = p.hold();
    p.close();
    {
        const ExpectWarning refused(naming({ &p, &q }));
        QVERIFY(!p.waitFor(&q));
        QCOMPARE(refused.count(), 1);
    }
    {
        const ExpectWarning refused(naming({ &p, &closed }));
        QVERIFY(!p.waitFor(&closed));
        QCOMPARE(refused.count(), 1);
    }
    QCOMPARE(q.state(), State::Running);
    hold.release();
    QVERIFY(p.waitForClosed(soon()));
    QCOMPARE(q.state(), State::Running);
}

void tst_LateEdges::r11_waitForOnceClosedIsRefused()
{
    Family family;
    Process &p = family.add(u"p"_s);
    Process &q = family.add(u"q"_s);
    QVERIFY(!p.closeAndWait());
    const ExpectWarning refused(naming({ &p, &q }));
    QVERIFY(!p.waitFor(&q));
    QCOMPARE(refused.count(), 1);
    QCOMPARE(q.state(), State::Running);
}

void tst_LateEdges::r11_waitForInOwnClosingIsRefused()
{
    Family family;
    Process &p = family.add(u"p"_s);
    Process &q = family.add(u"q"_s);
    const ExpectWarning refused(naming({ &p, &q }));
    connect(&p, &Process::closing, this, [&] { CHECK(!p.waitFor(&q)); });
    QVERIFY(!p.closeAndWait());
    QCOMPARE(refused.count(), 1);
    QCOMPARE(q.state(), State::Running);
}

// R12 — p.addChildNoWait(q) when p is Closing or Closed closes q: q is Closing when the call
// returns.

void tst_LateEdges::r12_addChildNoWaitWhileClosingClosesTheChild()
{
    Family family;
    Process &p = family.add(u"p"_s);
    Process &q = family.add(u"q"_s);
    Process &below = family.add(u"below"_s);
    QVERIFY(q.addChildNoWait(&below));
    Hold hold = p.hold();
    const Hold holdBelow = q.hold();
    p.close();
    QVERIFY(p.addChildNoWait(&q));
    QVERIFY(q.isClosing());
    QVERIFY(below.isClosing());
    hold.release();
    // Without waiting for it.
    QVERIFY(p.waitForClosed(soon()));
    QVERIFY(!q.isClosed());
}

void tst_LateEdges::r12_addChildNoWaitDuringTeardownClosesTheChild()
{
    Gate inTeardown;
    EventLoopThread home;
    Family family;
    Process &q = family.add(u"q"_s);
    Process &own = family.add(u"own"_s);
    std::unique_ptr<Process> p = home.run([&] {
        auto made = std::make_unique<Process>();
        Process *const process = made.get();
        made->setTeardown([&, process] {
            CHECK(process->addChildNoWait(&own));
            CHECK(own.isClosing());
            inTeardown.pass();
        });
        return made;
    });
    p->close();
    QVERIFY(inTeardown.waitForArrivals());
    QVERIFY(p->addChildNoWait(&q));
    QVERIFY(q.isClosing());
    QVERIFY(!p->isClosed());
    inTeardown.open();
    QVERIFY(p->waitForClosed(soon()));
    QVERIFY(q.waitForClosed(soon()));
    QVERIFY(own.waitForClosed(soon()));
    home.run([&] { p.reset(); });
}

void tst_LateEdges::r12_addChildNoWaitOnceClosedClosesTheChild()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s);
    Process &q = family.add(u"q"_s);
    Process &other = family.add(u"other"_s);
    log.watch(q);
    QVERIFY(!p.closeAndWait());
    QVERIFY(p.addChildNoWait(&q));
    QVERIFY(q.isClosing());
    QCOMPARE(log.events(), QStringList());
    QVERIFY(q.waitForClosed(soon()));
    Thread([&] {
        CHECK(p.addChildNoWait(&other));
        CHECK(other.isClosing());
    }).join();
    QVERIFY(other.waitForClosed(soon()));
}

// R13 — addChild and go when p is Closing but has not begun its teardown are honoured. Once it
// has, they are refused.

void tst_LateEdges::r13_addChildWhileClosingIsHonoured()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s, log.teardown(u"p"_s));
    Process &q = family.add(u"q"_s, log.teardown(u"q"_s));
    Hold hold = p.hold();
    p.close();
    deliver();
    Hold holdChild = q.hold();
    QVERIFY(p.addChild(&q));
    QVERIFY(q.isClosing());
    hold.release();
    QVERIFY(!p.waitForClosed(now()));
    QCOMPARE(log.events(), QStringList());
    holdChild.release();
    QVERIFY(p.waitForClosed(soon()));
    QCOMPARE(log.take(), (QStringList { u"teardown q"_s, u"teardown p"_s }));
}

void tst_LateEdges::r13_goWhileClosingIsHonoured()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s, log.teardown(u"p"_s));
    Hold hold = p.hold();
    p.close();
    deliver();
    const ProcessPtr child = p.go([&](Process &self) {
        CHECK(self.isClosing());
        log.add(u"work"_s);
    });
    QVERIFY(child);
    QVERIFY(child->isClosing());
    hold.release();
    QVERIFY(p.waitForClosed(soon()));
    QVERIFY(child->isClosed());
    QCOMPARE(log.take(), (QStringList { u"work"_s, u"teardown p"_s }));
}

void tst_LateEdges::r13_addChildInOwnClosingIsHonoured()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s, log.teardown(u"p"_s));
    Process &q = family.add(u"q"_s, log.teardown(u"q"_s));
    // Nothing but the announcement itself keeps p from its teardown.
    connect(&p, &Process::closing, this, [&] {
        CHECK(p.addChild(&q));
        CHECK(q.isClosing());
    });
    QVERIFY(!p.closeAndWait());
    QVERIFY(q.isClosed());
    QCOMPARE(log.take(), (QStringList { u"teardown q"_s, u"teardown p"_s }));
}

void tst_LateEdges::r13_goInOwnClosingIsHonoured()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s, log.teardown(u"p"_s));
    ProcessPtr child;
    connect(&p, &Process::closing, this, [&] {
        child = p.go([&](Process &self) {
            CHECK(self.isClosing());
            log.add(u"work"_s);
        });
        CHECK(child);
    });
    QVERIFY(!p.closeAndWait());
    QVERIFY(child);
    QVERIFY(child->isClosed());
    QCOMPARE(log.take(), (QStringList { u"work"_s, u"teardown p"_s }));
}

void tst_LateEdges::r13_addChildDuringOwnClosingFromAnotherThreadIsHonoured()
{
    EventLog log;
    Gate inClosing;
    EventLoopThread home;
    Family family;
    Process &q = family.add(u"q"_s, log.teardown(u"q"_s));
    std::unique_ptr<Process> p = home.run([&] {
        auto made = std::make_unique<Process>(log.teardown(u"p"_s));
        connect(
                made.get(), &Process::closing, made.get(), [&] { inClosing.pass(); },
                Qt::DirectConnection);
        return made;
    });
    p->close();
    QVERIFY(inClosing.waitForArrivals());
    QVERIFY(p->addChild(&q));
    QVERIFY(q.isClosing());
    const ProcessPtr work = p->go([&] { log.add(u"work"_s); });
    QVERIFY(work);
    QVERIFY(work->isClosing());
    inClosing.open();
    QVERIFY(p->waitForClosed(soon()));
    QCOMPARE(log.events().size(), 3);
    QVERIFY(log.inOrder(u"work"_s, u"teardown p"_s));
    QVERIFY(log.inOrder(u"teardown q"_s, u"teardown p"_s));
    home.run([&] { p.reset(); });
}

void tst_LateEdges::r13_addChildInTeardownIsRefused()
{
    Family family;
    Process &p = family.add(u"p"_s);
    Process &q = family.add(u"q"_s);
    const ExpectWarning refused(naming({ &p, &q }));
    QVERIFY(p.setTeardown([&] { CHECK(!p.addChild(&q)); }));
    QVERIFY(!p.closeAndWait());
    QCOMPARE(refused.count(), 1);
    QCOMPARE(q.state(), State::Running);
    QCOMPARE(q.path(), u"/q"_s);
}

void tst_LateEdges::r13_goInTeardownIsRefused()
{
    bool ran = false;
    Family family;
    Process &p = family.add(u"p"_s);
    const ExpectWarning refused(naming({ &p }));
    const auto capture = std::make_shared<int>(0);
    QVERIFY(p.setTeardown([&] { CHECK(!p.go([&ran, copy = capture] { ran = true; })); }));
    QVERIFY(!p.closeAndWait());
    QCOMPARE(refused.count(), 1);
    QVERIFY(!ran);
    QCOMPARE(capture.use_count(), 1);
}

void tst_LateEdges::r13_addChildAfterTeardownHasReturnedAFutureIsRefused()
{
    const auto promise = startedPromise<void>();
    Family family;
    Process &p = family.add(u"p"_s, [promise] { return promise->future(); });
    Process &q = family.add(u"q"_s);
    p.close();
    deliver();
    QCOMPARE(p.state(), State::Closing);
    {
        const ExpectWarning refused(naming({ &p, &q }));
        QVERIFY(!p.addChild(&q));
        QCOMPARE(refused.count(), 1);
    }
    {
        const ExpectWarning refused(naming({ &p }));
        QVERIFY(!p.go([] { fail(u"A refused work ran"_s); }));
        QCOMPARE(refused.count(), 1);
    }
    QCOMPARE(q.state(), State::Running);
    promise->finish();
    QVERIFY(p.waitForClosed(soon()));
    QCOMPARE(q.state(), State::Running);
}

void tst_LateEdges::r13_addChildOnceClosedIsRefused()
{
    Family family;
    Process &p = family.add(u"p"_s);
    Process &q = family.add(u"q"_s);
    QVERIFY(!p.closeAndWait());
    const ExpectWarning refused(naming({ &p, &q }));
    QVERIFY(!p.addChild(&q));
    QCOMPARE(refused.count(), 1);
    deliver();
    QCOMPARE(q.state(), State::Running);
    QCOMPARE(q.path(), u"/q"_s);
}

void tst_LateEdges::r13_goOnceClosedIsRefused()
{
    Family family;
    Process &p = family.add(u"p"_s);
    QVERIFY(!p.closeAndWait());
    const auto capture = std::make_shared<int>(0);
    const ExpectWarning refused(naming({ &p }), 2);
    QVERIFY(!p.go([copy = capture] { fail(u"A refused work ran"_s); }));
    QVERIFY(!p.go(u"named"_s, [copy = capture](Process &) { fail(u"A refused work ran"_s); }));
    QCOMPARE(refused.count(), 2);
    QCOMPARE(capture.use_count(), 1);
}

void tst_LateEdges::r13_refusedWorkOfAProcessElsewhereIsDestroyedAtOnce()
{
    EventLoopThread elsewhere;
    Family family;
    Process &p = family.add(u"p"_s);
    p.moveToThread(&elsewhere);
    QVERIFY(!p.closeAndWait());
    // The thread where the object of the refused process is deleted has no time for that.
    Gate gate;
    elsewhere.post([&gate] { gate.pass(); });
    QVERIFY(gate.waitForArrivals());
    const auto capture = std::make_shared<int>(0);
    const ExpectWarning refused(naming({ &p }));
    QVERIFY(!p.go([copy = capture] { fail(u"A refused work ran"_s); }));
    QCOMPARE(capture.use_count(), 1);
    gate.open();
}

QTEST_GUILESS_MAIN(tst_LateEdges)

#include "tst_lateedges.moc"
