// SPDX-License-Identifier: MIT
// The order of a close, and closes that wait for the children (R19, R20). Each test is named after
// its rule.
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
#include <QHash>
#include <QString>
#include <QStringList>
#include <QTest>

#include <algorithm>
#include <cstddef>
#include <random>
#include <vector>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::Error;
using GoProcess::Hold;
using GoProcess::Process;
using GoProcess::ProcessPtr;
using State = GoProcess::Process::State;

class tst_CloseOrder : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void r19_orderOfOneClose();
    void r19_orderDownAndUpAChain();
    void r19_runningWorkIsWaitedFor();
    void r19_holdsAreWaitedFor();
    void r19_futuresComeBeforeThoseThatWaitGoOn();
    void r19_closingComesAfterThatOfTheParent();
    void r19_closingComesAfterThatOfTheParentInAnyTree();

    void r20_closesWhenAllChildrenHaveClosed();
    void r20_closesNoneOfThem();
    void r20_withoutChildrenClosesAtOnce();
    void r20_childrenAddedMeanwhileCount();
    void r20_waitedForProcessesCount();
    void r20_worksCount();
    void r20_noWaitChildrenDoNotCount();
    void r20_closingChildrenCount();
    void r20_closeTakesOver();
    void r20_calledAgainChangesNothing();
    void r20_closingIsAtomicWithTheLastOneLeaving();
    void r20_teardownRunsOnlyAfterChildren();
};

// R19 — Order of one close.

void tst_CloseOrder::r19_orderOfOneClose()
{
    EventLog log;
    Gate inWork;
    Family family;
    Process &root = family.add(u"root"_s, log.teardown(u"root"_s));
    Process &child = family.add(u"child"_s, log.teardown(u"child"_s));
    Process &other = family.add(u"other"_s, log.teardown(u"other"_s));
    Process &above = family.add(u"above"_s, log.teardown(u"above"_s));
    for (Process *const process : { &root, &child, &other, &above })
        log.watchAll(*process);
    const QFuture<void> future =
            root.whenClosed().then([&](const Error &) { log.add(u"future root"_s); });
    QVERIFY(above.waitFor(&root));
    QVERIFY(root.addChild(&child));
    QVERIFY(root.waitFor(&other));
    const ProcessPtr work = root.go([&] { inWork.pass(); });
    Hold hold = root.hold();
    QVERIFY(inWork.waitForArrivals());

    above.close();
    deliver();
    QCOMPARE(log.take(), (QStringList { u"state Closing above"_s, u"closing above"_s }));
    root.close();
    deliver();
    QCOMPARE(log.take(),
             (QStringList { u"state Closing root"_s, u"closing root"_s, u"state Closing child"_s,
                            u"closing child"_s, u"teardown child"_s, u"state Closed child"_s,
                            u"closed child"_s }));
    other.close();
    deliver();
    QCOMPARE(log.take(),
             (QStringList { u"state Closing other"_s, u"closing other"_s, u"teardown other"_s,
                            u"state Closed other"_s, u"closed other"_s }));
    inWork.open();
    QVERIFY(work->waitForClosed(soon()));
    deliver();
    QCOMPARE(log.events(), QStringList());
    hold.release();
    QVERIFY(above.waitForClosed(soon()));
    QCOMPARE(log.take(),
             (QStringList { u"teardown root"_s, u"state Closed root"_s, u"closed root"_s,
                            u"future root"_s, u"teardown above"_s, u"state Closed above"_s,
                            u"closed above"_s }));
    QVERIFY(future.isFinished());
}

void tst_CloseOrder::r19_orderDownAndUpAChain()
{
    EventLog log;
    Family family;
    Process &a = family.add(u"a"_s, log.teardown(u"a"_s));
    Process &b = family.add(u"b"_s, log.teardown(u"b"_s));
    Process &c = family.add(u"c"_s, log.teardown(u"c"_s));
    QVERIFY(b.addChild(&c));
    QVERIFY(a.addChild(&b));
    for (Process *const process : { &a, &b, &c })
        log.watchAll(*process);
    QVERIFY(!a.closeAndWait());
    QCOMPARE(
            log.take(),
            (QStringList { u"state Closing a"_s, u"closing a"_s, u"state Closing b"_s,
                           u"closing b"_s, u"state Closing c"_s, u"closing c"_s, u"teardown c"_s,
                           u"state Closed c"_s, u"closed c"_s, u"teardown b"_s, u"state Closed b"_s,
                           u"closed b"_s, u"teardown a"_s, u"state Closed a"_s, u"closed a"_s }));
}

void tst_CloseOrder::r19_runningWorkIsWaitedFor()
{
    EventLog log;
    Gate inWork;
    Family family;
    Process &p = family.add(u"p"_s, log.teardown(u"p"_s));
    const ProcessPtr work = p.go([&](Process &self) {
        CHECK(self.setTeardown(log.teardown(u"work"_s)));
        inWork.pass();
        log.add(u"work returns"_s);
    });
    QVERIFY(inWork.waitForArrivals());
    p.close();
    QVERIFY(!p.waitForClosed(now()));
    deliver();
    QVERIFY(!work->waitForClosed(now()));
    QCOMPARE(log.events(), QStringList());
    inWork.open();
    QVERIFY(p.waitForClosed(soon()));
    QCOMPARE(log.take(), (QStringList { u"work returns"_s, u"teardown work"_s, u"teardown p"_s }));
}

void tst_CloseOrder::r19_holdsAreWaitedFor()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s, log.teardown(u"p"_s));
    Hold first = p.hold();
    Hold second = p.hold();
    QVERIFY(first && second);
    p.close();
    QVERIFY(!p.waitForClosed(now()));
    first.release();
    QVERIFY(!p.waitForClosed(now()));
    deliver();
    QCOMPARE(log.events(), QStringList());
    second.release();
    QVERIFY(p.waitForClosed(soon()));
    QCOMPARE(log.take(), (QStringList { u"teardown p"_s }));
}

void tst_CloseOrder::r19_futuresComeBeforeThoseThatWaitGoOn()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s, log.teardown(u"p"_s));
    Process &q = family.add(u"q"_s, log.teardown(u"q"_s));
    QVERIFY(p.addChild(&q));
    log.watch(q);
    // A future that is asked for in the last moment counts as well.
    QFuture<void> late;
    connect(&q, &Process::closed, this,
            [&] { late = q.whenClosed().then([&](const Error &) { log.add(u"late future"_s); }); });
    const QFuture<void> closing = q.whenClosing().then([&] { log.add(u"future closing"_s); });
    const QFuture<void> closed =
            q.whenClosed().then([&](const Error &) { log.add(u"future closed"_s); });
    QVERIFY(!p.closeAndWait());
    const QStringList events = log.take();
    QCOMPARE(events.mid(0, 4),
             (QStringList { u"closing q"_s, u"future closing"_s, u"teardown q"_s, u"closed q"_s }));
    QCOMPARE(events.last(), u"teardown p"_s);
    QVERIFY(events.contains(u"future closed"_s));
    QVERIFY(events.contains(u"late future"_s));
}

void tst_CloseOrder::r19_closingComesAfterThatOfTheParent()
{
    EventLog log;
    Family family;
    Process &child = family.add(u"child"_s);
    Process &first = family.add(u"first"_s);
    Process &second = family.add(u"second"_s);
    for (Process *const process : { &child, &first, &second })
        log.watch(*process);
    QVERIFY(first.addChildNoWait(&child));
    QVERIFY(second.addChildNoWait(&child));
    // The close reaches the child through its second parent.
    second.close();
    QVERIFY(child.waitForClosed(soon()));
    QVERIFY(log.inOrder(u"closing second"_s, u"closing child"_s));
    QVERIFY(!log.contains(u"closing first"_s));

    // One that is closed directly needs no parent's announcement.
    Process &parent = family.add(u"parent"_s);
    Process &early = family.add(u"early"_s);
    log.watch(parent);
    log.watch(early);
    QVERIFY(parent.addChild(&early));
    early.close();
    parent.close();
    QVERIFY(parent.waitForClosed(soon()));
    QVERIFY(log.inOrder(u"closing early"_s, u"closed early"_s));
}

void tst_CloseOrder::r19_closingComesAfterThatOfTheParentInAnyTree()
{
    constexpr std::size_t size = 500;
    for (unsigned seed = 1; seed <= 3; ++seed) {
        std::mt19937 random(seed);
        EventLog log;
        Family family;
        std::vector<Process *> all;
        std::vector<std::size_t> parents;
        for (std::size_t i = 0; i < size; ++i) {
            const QString name = QString::number(i);
            all.push_back(&family.add(name, log.teardown(name)));
            log.watch(*all.back());
        }
        std::shuffle(all.begin(), all.end(), random);
        for (std::size_t i = 1; i < size; ++i) {
            parents.push_back(random() % i);
            QVERIFY(all[parents.back()]->addChild(all[i]));
        }
        QVERIFY(!all.front()->closeAndWait());
        const QStringList events = log.take();
        QHash<QString, qsizetype> position;
        for (qsizetype i = 0; i < events.size(); ++i)
            position.insert(events[i], i);
        QCOMPARE(position.size(), qsizetype(3 * size));
        for (std::size_t i = 1; i < size; ++i) {
            const QString parent = all[parents[i - 1]]->name();
            const QString child = all[i]->name();
            QVERIFY(position[u"closing "_s + parent] < position[u"closing "_s + child]);
            QVERIFY(position[u"closing "_s + child] < position[u"teardown "_s + child]);
            QVERIFY(position[u"teardown "_s + child] < position[u"closed "_s + child]);
            QVERIFY(position[u"closed "_s + child] < position[u"teardown "_s + parent]);
        }
    }
}

// R20 — closeAfterChildren() closes the process once all that it waits for has closed by itself.

void tst_CloseOrder::r20_closesWhenAllChildrenHaveClosed()
{
    Family family;
    Process &p = family.add(u"p"_s);
    Process &first = family.add(u"first"_s);
    Process &second = family.add(u"second"_s);
    QVERIFY(p.addChild(&first));
    QVERIFY(p.addChild(&second));
    p.closeAfterChildren();
    deliver();
    QCOMPARE(p.state(), State::Running);
    QVERIFY(!first.closeAndWait());
    deliver();
    QCOMPARE(p.state(), State::Running);
    second.close();
    QVERIFY(p.waitForClosed(soon()));
}

void tst_CloseOrder::r20_closesNoneOfThem()
{
    Family family;
    Process &p = family.add(u"p"_s);
    Process &child = family.add(u"child"_s);
    Process &sibling = family.add(u"sibling"_s);
    QVERIFY(p.addChild(&child));
    QVERIFY(p.addChild(&sibling));
    p.closeAfterChildren();
    QVERIFY(!sibling.closeAndWait());
    QVERIFY(!p.waitForClosing(now()));
    deliver();
    QCOMPARE(child.state(), State::Running);
    QVERIFY(!child.closeAndWait());
    QVERIFY(p.waitForClosed(soon()));
}

void tst_CloseOrder::r20_withoutChildrenClosesAtOnce()
{
    Family family;
    Process &p = family.add(u"p"_s);
    Process &gone = family.add(u"gone"_s);
    QVERIFY(p.addChild(&gone));
    QVERIFY(!gone.closeAndWait());
    p.closeAfterChildren();
    QVERIFY(p.isClosing());
    QVERIFY(p.waitForClosed(soon()));

    // A hold keeps the teardown from beginning, not the process from closing.
    Process &held = family.add(u"held"_s);
    Hold hold = held.hold();
    held.closeAfterChildren();
    QVERIFY(held.isClosing());
    QVERIFY(!held.waitForClosed(now()));
    hold.release();
    QVERIFY(held.waitForClosed(soon()));
}

void tst_CloseOrder::r20_childrenAddedMeanwhileCount()
{
    Family family;
    Process &p = family.add(u"p"_s);
    Process &first = family.add(u"first"_s);
    Process &second = family.add(u"second"_s);
    QVERIFY(p.addChild(&first));
    p.closeAfterChildren();
    QVERIFY(p.addChild(&second));
    QCOMPARE(second.state(), State::Running);
    QVERIFY(!first.closeAndWait());
    deliver();
    QCOMPARE(p.state(), State::Running);
    Process &third = family.add(u"third"_s);
    QVERIFY(p.waitFor(&third));
    QVERIFY(!second.closeAndWait());
    deliver();
    QCOMPARE(p.state(), State::Running);
    QVERIFY(!third.closeAndWait());
    QVERIFY(p.waitForClosed(soon()));
}

void tst_CloseOrder::r20_waitedForProcessesCount()
{
    Family family;
    Process &p = family.add(u"p"_s);
    Process &other = family.add(u"other"_s);
    QVERIFY(p.waitFor(&other));
    p.closeAfterChildren();
    deliver();
    QCOMPARE(p.state(), State::Running);
    QVERIFY(!other.closeAndWait());
    QVERIFY(p.waitForClosed(soon()));
}

void tst_CloseOrder::r20_worksCount()
{
    Gate inWork;
    Gate inSecond;
    Family family;
    Process &p = family.add(u"p"_s);
    bool sawClosing = false;
    ProcessPtr second;
    const ProcessPtr work = p.go([&](Process &self) {
        inWork.pass();
        sawClosing = self.isClosing();
        // A work that starts another next to itself.
        second = p.go([&] { inSecond.pass(); });
        CHECK(second);
    });
    QVERIFY(inWork.waitForArrivals());
    p.closeAfterChildren();
    QCOMPARE(p.state(), State::Running);
    inWork.open();
    QVERIFY(work->waitForClosed(soon()));
    QVERIFY(inSecond.waitForArrivals());
    QVERIFY(!sawClosing);
    QCOMPARE(p.state(), State::Running);
    inSecond.open();
    QVERIFY(p.waitForClosed(soon()));
    QVERIFY(second->isClosed());
}

void tst_CloseOrder::r20_noWaitChildrenDoNotCount()
{
    Family family;
    Process &p = family.add(u"p"_s);
    Process &noWait = family.add(u"noWait"_s);
    Process &child = family.add(u"child"_s);
    QVERIFY(p.addChildNoWait(&noWait));
    QVERIFY(p.addChild(&child));
    p.closeAfterChildren();
    deliver();
    QCOMPARE(noWait.state(), State::Running);
    QVERIFY(!child.closeAndWait());
    QVERIFY(p.waitForClosed(soon()));
    // Closed by the close that followed, as by any other.
    QVERIFY(noWait.isClosing());
}

void tst_CloseOrder::r20_closingChildrenCount()
{
    Family family;
    Process &p = family.add(u"p"_s);
    Process &child = family.add(u"child"_s);
    QVERIFY(p.addChild(&child));
    Hold hold = child.hold();
    child.close();
    p.closeAfterChildren();
    deliver();
    QCOMPARE(p.state(), State::Running);
    hold.release();
    QVERIFY(p.waitForClosed(soon()));
    QVERIFY(child.isClosed());
}

void tst_CloseOrder::r20_closeTakesOver()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s, log.teardown(u"p"_s));
    Process &child = family.add(u"child"_s, log.teardown(u"child"_s));
    log.watchAll(p);
    QVERIFY(p.addChild(&child));
    p.closeAfterChildren();
    p.close();
    QVERIFY(p.isClosing());
    QVERIFY(child.isClosing());
    QVERIFY(p.waitForClosed(soon()));
    QCOMPARE(log.take(),
             (QStringList { u"state Closing p"_s, u"closing p"_s, u"teardown child"_s,
                            u"teardown p"_s, u"state Closed p"_s, u"closed p"_s }));
}

void tst_CloseOrder::r20_calledAgainChangesNothing()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s, log.teardown(u"p"_s));
    Process &child = family.add(u"child"_s);
    log.watch(p);
    QVERIFY(p.addChild(&child));
    p.closeAfterChildren();
    p.closeAfterChildren();
    Thread([&] { p.closeAfterChildren(); }).join();
    QCOMPARE(p.state(), State::Running);
    child.close();
    QVERIFY(p.waitForClosed(soon()));
    p.closeAfterChildren();
    deliver();
    QCOMPARE(log.take(), (QStringList { u"closing p"_s, u"teardown p"_s, u"closed p"_s }));

    // While it is Closing it is too late to spare the children.
    Process &closing = family.add(u"closing"_s);
    Hold hold = closing.hold();
    closing.close();
    closing.closeAfterChildren();
    Process &late = family.add(u"late"_s);
    QVERIFY(closing.addChild(&late));
    QVERIFY(late.isClosing());
    hold.release();
    QVERIFY(closing.waitForClosed(soon()));
}

void tst_CloseOrder::r20_closingIsAtomicWithTheLastOneLeaving()
{
    // Either the new child came before the last one left, and then nothing closes until it does by
    // itself, or p is Closing, and then it is closed and waited for or refused (R13).
    for (int round = 0; round < 100; ++round) {
        EventLog log;
        Family family;
        Process &p = family.add(u"p"_s, log.teardown(u"p"_s));
        Process &last = family.add(u"last"_s);
        Process &added = family.add(u"added"_s, log.teardown(u"added"_s));
        QVERIFY(p.addChild(&last));
        p.closeAfterChildren();
        const ExpectWarning refused(naming({ &p, &added }), 0, 1);
        StartLine start(2);
        bool honoured = false;
        Thread adder([&] {
            start.arrive();
            honoured = p.addChild(&added);
        });
        start.arrive();
        QVERIFY(!last.closeAndWait());
        adder.join();
        deliver();
        QCOMPARE(refused.count(), honoured ? 0 : 1);
        if (!honoured) {
            QVERIFY(p.isClosing());
            QCOMPARE(added.state(), State::Running);
        } else if (added.state() == State::Running) {
            QCOMPARE(p.state(), State::Running);
            QVERIFY(!added.closeAndWait());
        } else {
            QVERIFY(p.isClosing());
        }
        QVERIFY(p.waitForClosed(soon()));
        if (honoured)
            QVERIFY(log.inOrder(u"teardown added"_s, u"teardown p"_s));
    }
}

void tst_CloseOrder::r20_teardownRunsOnlyAfterChildren()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s, log.teardown(u"p"_s));
    Process &child = family.add(u"child"_s, log.teardown(u"child"_s));
    log.watchAll(p);
    log.watchAll(child);
    QVERIFY(p.addChild(&child));
    p.closeAfterChildren();
    child.close();
    QVERIFY(p.waitForClosed(soon()));
    QCOMPARE(log.take(),
             (QStringList { u"state Closing child"_s, u"closing child"_s, u"teardown child"_s,
                            u"state Closed child"_s, u"closed child"_s, u"state Closing p"_s,
                            u"closing p"_s, u"teardown p"_s, u"state Closed p"_s, u"closed p"_s }));
}

QTEST_GUILESS_MAIN(tst_CloseOrder)

#include "tst_closeorder.moc"
