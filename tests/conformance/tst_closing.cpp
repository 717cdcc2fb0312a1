// SPDX-License-Identifier: MIT
// What close() has done when it returns, and what it does not do (R17, R18). Each test is named
// after its rule.
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
#include <QString>
#include <QStringList>
#include <QTest>

#include <algorithm>
#include <cstddef>
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
using GoProcess::ProcessPtr;
using State = GoProcess::Process::State;

class tst_Closing : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void r17_closeRunsNoUserCode();
    void r17_closeIsASlot();
    void r17_closeFromAnyThreadAnyNumberOfTimes();
    void r17_closeInOwnSteps();
    void r17_addingEdgesRunsNoUserCode();
    void r17_releasingAHoldRunsNoUserCode();
    void r17_nothingBlocksWhileHomeDoes();

    void r18_everythingBelowIsClosingOnReturn();
    void r18_waitingEdgesAreNotFollowed();
    void r18_deepAndRoundAndSharedTrees();
    void r18_pollersSeeItWithoutEventLoop();
    void r18_blockedWaitsWakeWithoutEventLoop();
    void r18_worksSeeIt();
    void r18_closeHelpsAnotherToMark();
};

// R17 — close() may be called from any thread, any number of times, never blocks, is a slot, and
// runs no user code. The same holds for adding edges and releasing holds.

void tst_Closing::r17_closeRunsNoUserCode()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s, log.teardown(u"p"_s));
    Process &q = family.add(u"q"_s, log.teardown(u"q"_s));
    log.watchAll(p);
    log.watchAll(q);
    QVERIFY(p.addChild(&q));
    const QFuture<void> closing = p.whenClosing().then([&] { log.add(u"future"_s); });
    const QFuture<void> closed = p.whenClosed().then([&](const Error &) { log.add(u"future"_s); });
    p.close();
    QCOMPARE(log.events(), QStringList());
    QVERIFY(!closing.isFinished());
    // As a step of the event loop.
    QTRY_VERIFY(p.isClosed());
    QCOMPARE(log.take().size(), 12);
    QVERIFY(closed.isFinished());

    Process &afterChildren = family.add(u"r"_s, log.teardown(u"r"_s));
    log.watchAll(afterChildren);
    afterChildren.closeAfterChildren();
    QVERIFY(afterChildren.isClosing());
    QCOMPARE(log.events(), QStringList());
    QVERIFY(afterChildren.waitForClosed(soon()));
    QCOMPARE(log.take().size(), 5);
}

void tst_Closing::r17_closeIsASlot()
{
    Family family;
    Process &first = family.add(u"first"_s);
    Process &second = family.add(u"second"_s);
    Process &third = family.add(u"third"_s);
    Process &fourth = family.add(u"fourth"_s);
    connect(&first, &Process::closed, &second, &Process::close);
    // By name, as generic code does.
    connect(&second, SIGNAL(closed()), &third, SLOT(close())); // clazy:exclude=old-style-connect
    connect(&third, SIGNAL(closed()), &fourth, // clazy:exclude=old-style-connect
            SLOT(closeAfterChildren()));
    QVERIFY(QMetaObject::invokeMethod(&first, "close"));
    QVERIFY(fourth.waitForClosed(soon()));
}

void tst_Closing::r17_closeFromAnyThreadAnyNumberOfTimes()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s, log.teardown(u"p"_s));
    log.watch(p);
    {
        std::vector<Thread> threads(4);
        for (Thread &thread : threads) {
            thread = Thread([&] {
                for (int j = 0; j < 100; ++j) {
                    p.close();
                    CHECK(p.isClosing());
                }
            });
        }
    }
    QCOMPARE(log.events(), QStringList());
    QVERIFY(p.waitForClosed(soon()));
    p.close();
    Thread([&] { p.close(); }).join();
    deliver();
    QCOMPARE(log.take(), (QStringList { u"closing p"_s, u"teardown p"_s, u"closed p"_s }));
}

void tst_Closing::r17_closeInOwnSteps()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s);
    const auto close = [&] {
        p.close();
        p.closeAfterChildren();
    };
    connect(&p, &Process::stateChanged, this, close);
    connect(&p, &Process::closing, this, close);
    connect(&p, &Process::closed, this, close);
    log.watch(p);
    QVERIFY(p.setTeardown([&] {
        close();
        log.add(u"teardown p"_s);
    }));
    p.close();
    QVERIFY(p.waitForClosed(soon()));
    deliver();
    QCOMPARE(log.take(), (QStringList { u"closing p"_s, u"teardown p"_s, u"closed p"_s }));
}

void tst_Closing::r17_addingEdgesRunsNoUserCode()
{
    EventLog log;
    Family family;
    Process &closed = family.add(u"closed"_s);
    QVERIFY(!closed.closeAndWait());
    Process &held = family.add(u"held"_s, log.teardown(u"held"_s));
    Hold hold = held.hold();
    held.close();
    deliver();
    Process &a = family.add(u"a"_s, log.teardown(u"a"_s));
    Process &b = family.add(u"b"_s, log.teardown(u"b"_s));
    Process &c = family.add(u"c"_s, log.teardown(u"c"_s));
    for (Process *const process : { &a, &b, &c })
        log.watchAll(*process);

    QVERIFY(closed.addChildNoWait(&a));
    QVERIFY(b.waitFor(&closed));
    QVERIFY(held.addChild(&c));
    for (const Process *const process : { &a, &b, &c })
        QVERIFY(process->isClosing());
    QCOMPARE(log.events(), QStringList());
    hold.release();
    for (Process *const process : { &a, &b, &c })
        QVERIFY(process->waitForClosed(soon()));
    QVERIFY(held.waitForClosed(soon()));
}

void tst_Closing::r17_releasingAHoldRunsNoUserCode()
{
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s, log.teardown(u"p"_s));
    Hold hold = p.hold();
    log.watchAll(p);
    p.close();
    deliver();
    QCOMPARE(log.take(), (QStringList { u"state Closing p"_s, u"closing p"_s }));
    hold.release();
    QCOMPARE(log.events(), QStringList());
    QVERIFY(!p.isClosed());
    QTRY_VERIFY(p.isClosed());
    QCOMPARE(log.take(), (QStringList { u"teardown p"_s, u"state Closed p"_s, u"closed p"_s }));
}

void tst_Closing::r17_nothingBlocksWhileHomeDoes()
{
    Gate gate;
    EventLoopThread home;
    struct Processes
    {
        Process blocking;
        Process child;
        Process other;
        Process third;
    };
    auto processes = home.run([] { return std::make_unique<Processes>(); });
    Process &blocking = processes->blocking;
    QVERIFY(blocking.addChild(&processes->child));
    connect(
            &blocking, &Process::closing, &blocking, [&] { gate.pass(); }, Qt::DirectConnection);
    Hold hold = processes->child.hold();
    blocking.close();
    QVERIFY(gate.waitForArrivals());

    blocking.close();
    blocking.closeAfterChildren();
    processes->child.close();
    hold.release();
    QVERIFY(blocking.addChild(&processes->other));
    QVERIFY(blocking.addChildNoWait(&processes->third));
    QVERIFY(processes->other.isClosing());
    QVERIFY(processes->third.isClosing());
    Hold another = blocking.hold();
    QVERIFY(another.isValid());
    QVERIFY(!gate.isOpen());
    gate.open();
    QVERIFY(processes->other.waitForClosed(soon()));
    QVERIFY(processes->third.waitForClosed(soon()));
    QVERIFY(!blocking.isClosed());
    another.release();
    QVERIFY(blocking.waitForClosed(soon()));
    home.run([&] { processes.reset(); });
}

// R18 — When close() returns, the process and everything reachable over child edges already is
// Closing.

void tst_Closing::r18_everythingBelowIsClosingOnReturn()
{
    EventLoopThread elsewhere;
    auto remote = elsewhere.run([] { return std::make_unique<Process>(); });
    Family family;
    Process &root = family.add(u"root"_s);
    std::vector<Process *> all { &root };
    for (std::size_t i = 0; i < 40; ++i) {
        for (int j = 0; j < 3; ++j) {
            Process &child = family.add(QString());
            QVERIFY(j == 0 ? all[i]->addChildNoWait(&child) : all[i]->addChild(&child));
            all.push_back(&child);
        }
    }
    QVERIFY(all.back()->addChild(remote.get()));
    root.close();
    for (const Process *const process : all)
        QVERIFY(process->isClosing());
    QVERIFY(remote->isClosing());
    QVERIFY(root.waitForClosed(soon()));
    QVERIFY(remote->waitForClosed(soon()));
    elsewhere.run([&] { remote.reset(); });
}

void tst_Closing::r18_waitingEdgesAreNotFollowed()
{
    Family family;
    Process &root = family.add(u"root"_s);
    Process &child = family.add(u"child"_s);
    Process &waitedFor = family.add(u"waitedFor"_s);
    Process &waiting = family.add(u"waiting"_s);
    Process &otherParent = family.add(u"otherParent"_s);
    QVERIFY(root.addChild(&child));
    QVERIFY(otherParent.addChild(&child));
    QVERIFY(child.waitFor(&waitedFor));
    QVERIFY(waiting.waitFor(&child));
    root.close();
    QVERIFY(child.isClosing());
    deliver();
    for (const Process *const process : { &waitedFor, &waiting, &otherParent })
        QCOMPARE(process->state(), State::Running);
}

void tst_Closing::r18_deepAndRoundAndSharedTrees()
{
    constexpr int depth = 100'000;
    Family family;
    std::vector<Process *> chain { &family.add(u"root"_s) };
    Process &shared = family.add(u"shared"_s);
    for (int i = 0; i < depth; ++i) {
        Process &next = family.add(QString());
        QVERIFY(chain.back()->addChild(&next));
        if (i % 1000 == 0)
            QVERIFY(next.addChild(&shared));
        chain.push_back(&next);
    }
    QVERIFY(chain.back()->addChildNoWait(chain.front()));
    // From the middle, all the way round.
    chain[depth / 2]->close();
    for (const Process *const process : chain)
        QVERIFY(process->isClosing());
    QVERIFY(shared.isClosing());
    QVERIFY(chain.front()->waitForClosed(soon()));
}

void tst_Closing::r18_pollersSeeItWithoutEventLoop()
{
    Family family;
    Process &root = family.add(u"root"_s);
    std::vector<Thread> pollers;
    StartLine start(4);
    for (int i = 0; i < 3; ++i) {
        Process &child = family.add(QString());
        QVERIFY(root.addChild(&child));
        pollers.emplace_back([&] {
            start.arrive();
            pollUntil([&] { return child.isClosing(); });
        });
    }
    start.arrive();
    root.close();
    // This thread, their home, runs no step until they have ended.
    pollers.clear();
    QVERIFY(!root.isClosed());
}

void tst_Closing::r18_blockedWaitsWakeWithoutEventLoop()
{
    EventLog log;
    Family family;
    Process &root = family.add(u"root"_s);
    Process &child = family.add(u"child"_s);
    Process &grandchild = family.add(u"grandchild"_s);
    QVERIFY(root.addChildNoWait(&child));
    QVERIFY(child.addChild(&grandchild));
    log.watch(grandchild);
    StartLine start(4);
    std::vector<Thread> waiters;
    for (Process *const process : { &root, &child, &grandchild }) {
        waiters.emplace_back([&start, process] {
            start.arrive();
            CHECK(process->waitForClosing(soon()));
        });
    }
    start.arrive();
    root.close();
    waiters.clear();
    QCOMPARE(log.events(), QStringList());
}

void tst_Closing::r18_worksSeeIt()
{
    Counter started;
    Family family;
    Process &root = family.add(u"root"_s);
    const ProcessPtr poller = root.go([&](Process &self) {
        started.add();
        pollUntil([&] { return self.isClosing(); });
    });
    const ProcessPtr waiter = root.go([&](Process &self) {
        started.add();
        CHECK(self.waitForClosing(soon()));
    });
    QVERIFY(started.waitFor(2));
    root.close();
    QVERIFY(poller->isClosing());
    QVERIFY(waiter->isClosing());
    QVERIFY(root.waitForClosed(soon()));
}

void tst_Closing::r18_closeHelpsAnotherToMark()
{
    constexpr int width = 3000;
    for (int round = 0; round < 20; ++round) {
        Family family;
        Process &top = family.add(u"top"_s);
        Process &shared = family.add(u"shared"_s);
        QVERIFY(top.addChild(&shared));
        std::vector<Process *> leaves;
        for (int i = 0; i < width; ++i) {
            leaves.push_back(&family.add(QString()));
            QVERIFY(shared.addChild(leaves.back()));
        }
        const auto allAreClosing = [&] {
            return std::all_of(leaves.begin(), leaves.end(),
                               [](const Process *leaf) { return leaf->isClosing(); });
        };
        StartLine start(2);
        Thread other([&] {
            start.arrive();
            // The other close has reached it, and may be anywhere below.
            pollUntil([&] { return shared.isClosing(); });
            (round % 2 == 0 ? top : shared).close();
            CHECK(allAreClosing());
        });
        start.arrive();
        shared.close();
        QVERIFY(allAreClosing());
        other.join();
        top.close();
        QVERIFY(top.waitForClosed(soon()));
    }
}

QTEST_GUILESS_MAIN(tst_Closing)

#include "tst_closing.moc"
