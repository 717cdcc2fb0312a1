// SPDX-License-Identifier: MIT
// Edges: children and those that are waited for (R6 to R13). Each test is named after its rule.
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

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::Hold;
using GoProcess::Process;
using State = GoProcess::Process::State;

class tst_Edges : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void r06_closingClosesTheChild();
    void r06_childMayCloseEarlier();
    void r06_childIsNotWaitedFor();

    void r07_teardownWaitsForTheOther();
    void r07_closesNeitherOfThem();
    void r07_callDoesNotBlock();

    void r08_childIsClosedAndWaitedFor();
    void r08_onlyAddingIsNeverHalfDone();

    void r09_anyParentClosesTheChild();
    void r09_manyWaitForOne();
    void r09_oneWaitsForMany();
    void r09_closingEdgesGoRound();
    void r09_edgeMayBeAddedTwice();
    void r09_noWaitChildBecomesAWaitedForChild();
};

// R6 — p.addChildNoWait(q): when p closes, q is closed; q may close earlier.

void tst_Edges::r06_closingClosesTheChild()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s);
    Process &q = family.add(u"q"_s);
    log.watch(q);
    QVERIFY(p.addChildNoWait(&q));
    QCOMPARE(q.state(), State::Running);
    p.close();
    QVERIFY(q.isClosing());
    QVERIFY(q.waitForClosed(soon()));
    QCOMPARE(log.take(), (QStringList { u"closing q"_s, u"closed q"_s }));
}

void tst_Edges::r06_childMayCloseEarlier()
{
    Family family;
    Process &p = family.add(u"p"_s);
    Process &q = family.add(u"q"_s);
    QVERIFY(p.addChildNoWait(&q));
    QVERIFY(!q.closeAndWait());
    deliver();
    QCOMPARE(p.state(), State::Running);
    QVERIFY(!p.closeAndWait());
}

void tst_Edges::r06_childIsNotWaitedFor()
{
    Family family;
    Process &p = family.add(u"p"_s);
    Process &q = family.add(u"q"_s);
    QVERIFY(p.addChildNoWait(&q));
    Hold hold = q.hold();
    p.close();
    QVERIFY(p.waitForClosed(soon()));
    QCOMPARE(q.state(), State::Closing);
    hold.release();
    QVERIFY(q.waitForClosed(soon()));
}

// R7 — p.waitFor(q): p's teardown does not begin before q is Closed. The call itself does not
// block.

void tst_Edges::r07_teardownWaitsForTheOther()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s, log.teardown(u"p"_s));
    Process &q = family.add(u"q"_s, log.teardown(u"q"_s));
    log.watch(p);
    log.watch(q);
    QVERIFY(p.waitFor(&q));
    p.close();
    QVERIFY(!p.waitForClosed(now()));
    deliver();
    QCOMPARE(log.events(), (QStringList { u"closing p"_s }));

    q.close();
    QVERIFY(p.waitForClosed(soon()));
    QCOMPARE(log.take(),
             (QStringList { u"closing p"_s, u"closing q"_s, u"teardown q"_s, u"closed q"_s,
                            u"teardown p"_s, u"closed p"_s }));
}

void tst_Edges::r07_closesNeitherOfThem()
{
    Family family;
    Process &p = family.add(u"p"_s);
    Process &q = family.add(u"q"_s);
    Process &r = family.add(u"r"_s);
    QVERIFY(p.waitFor(&q));
    QVERIFY(q.waitFor(&r));
    QVERIFY(!r.closeAndWait());
    deliver();
    QCOMPARE(q.state(), State::Running);
    p.close();
    deliver();
    QCOMPARE(q.state(), State::Running);
    QVERIFY(!q.closeAndWait());
    QVERIFY(p.waitForClosed(soon()));
}

void tst_Edges::r07_callDoesNotBlock()
{
    // While the home of q is busy in a teardown that only ends after the call.
    Gate inTeardown;
    EventLoopThread home;
    Family family;
    Process &p = family.add(u"p"_s);
    std::unique_ptr<Process> q =
            home.run([&] { return std::make_unique<Process>([&] { inTeardown.pass(); }); });
    q->close();
    QVERIFY(inTeardown.waitForArrivals());
    QVERIFY(p.waitFor(q.get()));
    QCOMPARE(p.state(), State::Running);
    QVERIFY(!inTeardown.isOpen());
    p.close();
    QVERIFY(!p.waitForClosed(now()));
    inTeardown.open();
    QVERIFY(p.waitForClosed(soon()));
    QVERIFY(q->isClosed());
    home.run([&] { q.reset(); });
}

// R8 — p.addChild(q) is R6 and R7 in one atomic step.

void tst_Edges::r08_childIsClosedAndWaitedFor()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s, log.teardown(u"p"_s));
    Process &q = family.add(u"q"_s, log.teardown(u"q"_s));
    QVERIFY(p.addChild(&q));
    QCOMPARE(q.state(), State::Running);
    Hold hold = q.hold();
    p.close();
    QVERIFY(q.isClosing());
    QVERIFY(!p.waitForClosed(now()));
    QCOMPARE(log.events(), QStringList());
    hold.release();
    QVERIFY(p.waitForClosed(soon()));
    QVERIFY(q.isClosed());
    QCOMPARE(log.take(), (QStringList { u"teardown q"_s, u"teardown p"_s }));
}

void tst_Edges::r08_onlyAddingIsNeverHalfDone()
{
    // A child that p closes is also waited for, and one that p does not wait for is left alone.
    for (int round = 0; round < 100; ++round) {
        EventLog log;
        Family family;
        Process &p = family.add(u"p"_s, log.teardown(u"p"_s));
        Process &q = family.add(u"q"_s, log.teardown(u"q"_s));
        const ExpectWarning refused(naming({ &p, &q }), 0, 1);
        StartLine start(3);
        bool added = false;
        Thread adder([&] {
            start.arrive();
            added = p.addChild(&q);
        });
        Thread closer([&] {
            start.arrive();
            p.close();
        });
        start.arrive();
        QVERIFY(p.waitForClosed(soon()));
        adder.join();
        closer.join();
        if (added) {
            QVERIFY(q.isClosed());
            QVERIFY(log.inOrder(u"teardown q"_s, u"teardown p"_s));
        } else {
            QCOMPARE(q.state(), State::Running);
        }
        QCOMPARE(refused.count(), added ? 0 : 1);
    }
}

// R9 — A process may have many parents, and many that wait for it. Waiting edges form a DAG;
// closing edges may go round.

void tst_Edges::r09_anyParentClosesTheChild()
{
    for (std::size_t closer = 0; closer < 3; ++closer) {
        EventLog log;
        Family family;
        Process &child = family.add(u"child"_s);
        std::array<Process *, 3> parents = {};
        for (Process *&parent : parents) {
            parent = &family.add(u"parent"_s, log.teardown(u"parent"_s));
            QVERIFY(parent->addChild(&child));
        }
        parents[closer]->close();
        QVERIFY(child.isClosing());
        QVERIFY(parents[closer]->waitForClosed(soon()));
        for (std::size_t i = 0; i < parents.size(); ++i)
            QCOMPARE(parents[i]->state(), i == closer ? State::Closed : State::Running);
    }
}

void tst_Edges::r09_manyWaitForOne()
{
    Family family;
    Process &other = family.add(u"other"_s);
    Hold hold = other.hold();
    other.close();
    std::vector<Process *> waiting;
    for (int i = 0; i < 10; ++i) {
        waiting.push_back(&family.add(u"p"_s));
        QVERIFY(waiting.back()->waitFor(&other));
        waiting.back()->close();
    }
    deliver();
    for (const Process *const process : waiting)
        QCOMPARE(process->state(), State::Closing);
    hold.release();
    for (Process *const process : waiting)
        QVERIFY(process->waitForClosed(soon()));
}

void tst_Edges::r09_oneWaitsForMany()
{
    Family family;
    Process &p = family.add(u"p"_s);
    std::vector<Process *> others;
    for (int i = 0; i < 10; ++i) {
        others.push_back(&family.add(u"q"_s));
        QVERIFY(p.waitFor(others.back()));
    }
    p.close();
    for (Process *const other : others) {
        deliver();
        QCOMPARE(p.state(), State::Closing);
        QVERIFY(!other->closeAndWait());
    }
    QVERIFY(p.waitForClosed(soon()));
}

void tst_Edges::r09_closingEdgesGoRound()
{
    for (std::size_t first = 0; first < 3; ++first) {
        EventLog log;
        Family family;
        std::array<Process *, 3> ring = { &family.add(u"a"_s), &family.add(u"b"_s),
                                          &family.add(u"c"_s) };
        QVERIFY(ring[0]->addChildNoWait(ring[1]));
        // One of them waits as well: that alone is no cycle.
        QVERIFY(ring[1]->addChild(ring[2]));
        QVERIFY(ring[2]->addChildNoWait(ring[0]));
        for (Process *const process : ring) {
            log.watch(*process);
            QVERIFY(process->path().endsWith(u'/' + process->name()));
        }
        ring[first]->close();
        for (Process *const process : ring)
            QVERIFY(process->isClosing());
        for (Process *const process : ring)
            QVERIFY(process->waitForClosed(soon()));
        QCOMPARE(log.take().size(), 6);
    }

    Family family;
    Process &alone = family.add(u"alone"_s);
    QVERIFY(alone.addChildNoWait(&alone));
    QVERIFY(!alone.closeAndWait());
}

void tst_Edges::r09_edgeMayBeAddedTwice()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s, log.teardown(u"p"_s));
    Process &q = family.add(u"q"_s, log.teardown(u"q"_s));
    log.watch(q);
    for (int i = 0; i < 2; ++i) {
        QVERIFY(p.addChild(&q));
        QVERIFY(p.addChildNoWait(&q));
        QVERIFY(p.waitFor(&q));
    }
    QVERIFY(!p.closeAndWait());
    QCOMPARE(log.take(),
             (QStringList { u"closing q"_s, u"teardown q"_s, u"closed q"_s, u"teardown p"_s }));
}

void tst_Edges::r09_noWaitChildBecomesAWaitedForChild()
{
    for (const bool asChild : { true, false }) {
        Family family;
        Process &p = family.add(u"p"_s);
        Process &q = family.add(u"q"_s);
        QVERIFY(p.addChildNoWait(&q));
        QVERIFY(asChild ? p.addChild(&q) : p.waitFor(&q));
        Hold hold = q.hold();
        p.close();
        QVERIFY(q.isClosing());
        deliver();
        QCOMPARE(p.state(), State::Closing);
        QVERIFY(!p.waitForClosed(now()));
        hold.release();
        QVERIFY(p.waitForClosed(soon()));
        QVERIFY(q.isClosed());
    }
}

QTEST_GUILESS_MAIN(tst_Edges)

#include "tst_edges.moc"
