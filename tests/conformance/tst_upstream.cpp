// SPDX-License-Identifier: MIT
// What goprocess's own test suite asserts of a process, restated for this library. Where the rules
// leave upstream's text (1.8 of src/doc/rules.md: a refusal for a panic), the test says so.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/eventlog.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QDeadlineTimer>
#include <QObject>
#include <QString>
#include <QStringList>
#include <QTest>

#include <array>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

using GoProcess::Error;
using GoProcess::Process;
using GoProcess::ProcessPtr;

using TestSupport::Counter;
using TestSupport::EventLog;
using TestSupport::ExpectWarning;
using TestSupport::Gate;
using TestSupport::soon;
using TestSupport::Thread;

namespace {

/// Three levels, closed from the leaves up: a; b1 and b2; c1 to c4.
class Hierarchy
{
public:
    explicit Hierarchy(EventLog &log)
    {
        for (Process *const process : all()) {
            log.watch(*process);
            process->setTeardown(log.teardown(process->name()));
        }
        a.addChild(&b1);
        a.addChild(&b2);
        b1.addChild(&c1);
        b1.addChild(&c2);
        b2.addChild(&c3);
        b2.addChild(&c4);
    }
    Q_DISABLE_COPY_MOVE(Hierarchy)
    ~Hierarchy() { a.close(); }

    std::array<Process *, 7> all() { return { &a, &b1, &b2, &c1, &c2, &c3, &c4 }; }

    class Named : public Process
    {
    public:
        explicit Named(const QString &name) { setName(name); }
        ~Named() override { closeAndWait(); }
    };
    Named a { QStringLiteral("a") };
    Named b1 { QStringLiteral("b1") };
    Named b2 { QStringLiteral("b2") };
    Named c1 { QStringLiteral("c1") };
    Named c2 { QStringLiteral("c2") };
    Named c3 { QStringLiteral("c3") };
    Named c4 { QStringLiteral("c4") };
};

/// Five processes without edges, whose closed() is logged. None outlives a failed test open.
class Five
{
public:
    explicit Five(EventLog &log)
    {
        a.setName(QStringLiteral("a"));
        b.setName(QStringLiteral("b"));
        c.setName(QStringLiteral("c"));
        d.setName(QStringLiteral("d"));
        e.setName(QStringLiteral("e"));
        for (Process *const process : all()) {
            QObject::connect(
                    process, &Process::closed, process,
                    [&log, process] { log.add(process->name()); }, Qt::DirectConnection);
        }
    }
    Q_DISABLE_COPY_MOVE(Five)
    ~Five()
    {
        for (Process *const process : all())
            process->close();
    }

    std::array<Process *, 5> all() { return { &a, &b, &c, &d, &e }; }

    Process a;
    Process b;
    Process c;
    Process d;
    Process e;
};

/// Runs the steps that are due in this thread, as far as they go without anything else happening.
void settle()
{
    QCoreApplication::processEvents();
}

/// The events as a set: for those whose order is open.
QStringList sorted(QStringList events)
{
    events.sort();
    return events;
}

} // namespace

class Upstream : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void closingComesBeforeClosed();
    void aCloseWaitsForTheWork();
    void teardownIsCalledOnce();
    void allCloseLeavesFirst();
    void aSubtreeClosesWithoutTheRest();
    void aProcessWaitsForThoseThatItWasToldTo();
    void aCloseWaitsUntilTheLastOneIsClosed();
    void childrenWithoutWaiting();
    void aChildOfTwoParentsClosesWithTheFirst();
    void worksOfWorksCloseInnermostFirst();
    void closeAfterChildrenClosesNone();
    void closeAfterChildrenOfAClosedProcessReturns();
    void aClosedProcessRefuses();
    void aClosingProcessWaitsForWhatIsAddedLate();
    void aClosingProcessClosesWhatIsAddedWithoutWaiting();
    void errorsAreKept();
    void aWorkWithoutAnErrorHasNone();
    void anErrorIsKnownOnceClosed();
    void goWhileClosing();
    void backgroundDoesNotClose();
    void manyTreesCloseOneByOne();
};

void Upstream::closingComesBeforeClosed()
{
    EventLog log;
    Gate work;
    Process a;
    a.go([&] { work.pass(); });

    const Thread closingWaiter([&] {
        CHECK(a.waitForClosing(soon()));
        log.add(QStringLiteral("closing"));
        work.open();
    });
    const Thread closedWaiter([&] {
        CHECK(a.waitForClosed(soon()));
        log.add(QStringLiteral("closed"));
    });
    QVERIFY(!a.closeAndWait());
    log.add(QStringLiteral("closed"));
    QVERIFY(log.waitForCount(3));
    QVERIFY(log.compare(
            { QStringLiteral("closing"), QStringLiteral("closed"), QStringLiteral("closed") }));
}

void Upstream::aCloseWaitsForTheWork()
{
    EventLog log;
    Gate work;
    Process a;
    a.go([&] {
        log.add(QStringLiteral("work begins"));
        work.pass();
        log.add(QStringLiteral("work ends"));
    });
    QVERIFY(work.waitForArrivals());
    a.close();
    QVERIFY(!a.waitForClosed(QDeadlineTimer(10)));
    work.open();
    QVERIFY(a.waitForClosed(soon()));
    log.add(QStringLiteral("closed"));
    QVERIFY(log.compare({ QStringLiteral("work begins"), QStringLiteral("work ends"),
                          QStringLiteral("closed") }));
}

void Upstream::teardownIsCalledOnce()
{
    EventLog log;
    {
        Hierarchy tree(log);
        for (Process *const process : { &tree.c1, &tree.b1, &tree.a, &tree.b2 }) {
            for (int i = 0; i < 4; ++i) {
                process->close();
                QVERIFY(!process->closeAndWait());
            }
        }
    } // destroying them makes no difference
    for (const char *const name : { "a", "b1", "b2", "c1", "c2", "c3", "c4" })
        QCOMPARE(log.count(QStringLiteral("teardown ") + QLatin1String(name)), 1);
}

void Upstream::allCloseLeavesFirst()
{
    EventLog log;
    Hierarchy tree(log);
    Process root;
    root.addChild(&tree.a);
    Thread([&] { root.close(); }).join();
    QVERIFY(root.waitForClosed(soon()));

    QCOMPARE(log.events().size(), 3 * 7);
    const std::vector<std::pair<const char *, const char *>> edges {
        { "a", "b1" }, { "a", "b2" }, { "b1", "c1" }, { "b1", "c2" }, { "b2", "c3" }, { "b2", "c4" }
    };
    for (const auto &[parent, child] : edges) {
        QVERIFY(log.inOrder(QStringLiteral("closing ") + QLatin1String(parent),
                            QStringLiteral("closing ") + QLatin1String(child)));
        QVERIFY(log.inOrder(QStringLiteral("closed ") + QLatin1String(child),
                            QStringLiteral("teardown ") + QLatin1String(parent)));
    }
}

void Upstream::aSubtreeClosesWithoutTheRest()
{
    EventLog log;
    Hierarchy tree(log);
    QVERIFY(!tree.b1.closeAndWait());
    QVERIFY(tree.c1.isClosed() && tree.c2.isClosed());
    for (const Process *const process : { &tree.a, &tree.b2, &tree.c3, &tree.c4 })
        QVERIFY(!process->isClosing());
    QVERIFY(!tree.b2.closeAndWait());
    QVERIFY(tree.c3.isClosed() && tree.c4.isClosed());
    QVERIFY(!tree.a.isClosing());
    QVERIFY(!tree.a.closeAndWait());
    QCOMPARE(log.events().constLast(), QStringLiteral("closed a"));
}

void Upstream::aProcessWaitsForThoseThatItWasToldTo()
{
    EventLog log;
    Five p(log);
    QVERIFY(p.a.waitFor(&p.b));
    QVERIFY(p.a.waitFor(&p.c));
    QVERIFY(p.b.waitFor(&p.d));
    QVERIFY(p.e.waitFor(&p.d));
    QVERIFY(log.compare({}));

    p.a.close(); // has to wait
    p.e.close();
    settle();
    QVERIFY(log.compare({}));
    QVERIFY(!p.b.isClosing() && !p.c.isClosing() && !p.d.isClosing());

    QVERIFY(!p.d.closeAndWait());
    QVERIFY(p.e.waitForClosed(soon()));
    QVERIFY(log.compare({ QStringLiteral("d"), QStringLiteral("e") }));
    log.take();

    QVERIFY(!p.c.closeAndWait());
    settle();
    QVERIFY(log.compare({ QStringLiteral("c") }));
    log.take();

    QVERIFY(!p.b.closeAndWait());
    QVERIFY(p.a.waitForClosed(soon()));
    QVERIFY(log.compare({ QStringLiteral("b"), QStringLiteral("a") }));
}

void Upstream::aCloseWaitsUntilTheLastOneIsClosed()
{
    EventLog log;
    Five p(log);
    QVERIFY(p.a.waitFor(&p.b));
    QVERIFY(p.b.waitFor(&p.c));
    p.a.close();
    QVERIFY(!p.a.waitForClosed(QDeadlineTimer(10)));
    p.b.close();
    QVERIFY(!p.a.waitForClosed(QDeadlineTimer(10)));
    p.c.close();
    QVERIFY(p.a.waitForClosed(soon()));
    QVERIFY(log.compare({ QStringLiteral("c"), QStringLiteral("b"), QStringLiteral("a") }));
}

void Upstream::childrenWithoutWaiting()
{
    EventLog log;
    Five p(log);
    QVERIFY(p.a.addChildNoWait(&p.b));
    QVERIFY(p.a.addChildNoWait(&p.c));
    QVERIFY(p.b.addChildNoWait(&p.d));
    QVERIFY(p.e.addChildNoWait(&p.d));
    settle();
    QVERIFY(log.compare({}));

    p.b.close();
    QVERIFY(p.b.waitForClosed(soon()));
    QVERIFY(p.d.waitForClosed(soon()));
    QCOMPARE(sorted(log.take()), QStringList({ QStringLiteral("b"), QStringLiteral("d") }));

    p.a.close();
    QVERIFY(p.a.waitForClosed(soon()));
    QVERIFY(p.c.waitForClosed(soon()));
    QCOMPARE(sorted(log.take()), QStringList({ QStringLiteral("a"), QStringLiteral("c") }));

    QVERIFY(!p.e.closeAndWait());
    QVERIFY(log.compare({ QStringLiteral("e") }));
}

void Upstream::aChildOfTwoParentsClosesWithTheFirst()
{
    EventLog log;
    Five p(log);
    QVERIFY(p.a.addChild(&p.b));
    QVERIFY(p.a.addChild(&p.c));
    QVERIFY(p.b.addChild(&p.d));
    QVERIFY(p.e.addChild(&p.d));

    QVERIFY(!p.b.closeAndWait());
    QVERIFY(log.compare({ QStringLiteral("d"), QStringLiteral("b") }));
    QVERIFY(!p.e.isClosing());
    log.take();

    QVERIFY(!p.a.closeAndWait());
    QVERIFY(log.compare({ QStringLiteral("c"), QStringLiteral("a") }));
    log.take();

    QVERIFY(!p.e.closeAndWait());
    QVERIFY(log.compare({ QStringLiteral("e") }));
}

void Upstream::worksOfWorksCloseInnermostFirst()
{
    // a goes b, which goes c; and d, which goes e.
    EventLog log;
    Gate bGate;
    Gate cGate;
    Gate dGate;
    Gate eGate;
    Process a;
    a.setName(QStringLiteral("a"));
    log.watch(a);
    ProcessPtr c;
    ProcessPtr e;
    const ProcessPtr b = a.go(QStringLiteral("b"), [&](Process &self) {
        log.watch(self);
        c = self.go(QStringLiteral("c"), [&](Process &inner) {
            log.watch(inner);
            cGate.pass();
        });
        bGate.pass();
    });
    const ProcessPtr d = a.go(QStringLiteral("d"), [&](Process &self) {
        log.watch(self);
        e = self.go(QStringLiteral("e"), [&](Process &inner) {
            log.watch(inner);
            eGate.pass();
        });
        dGate.pass();
    });
    for (Gate *const gate : { &bGate, &cGate, &dGate, &eGate })
        QVERIFY(gate->waitForArrivals());

    a.close();
    for (const Process *const process : { b.get(), c.get(), d.get(), e.get() })
        QVERIFY(process->isClosing());
    bGate.open();
    QVERIFY(!b->waitForClosed(QDeadlineTimer(10))); // waits for c
    cGate.open();
    QVERIFY(b->waitForClosed(soon()));
    QVERIFY(c->isClosed());
    QVERIFY(log.inOrder(QStringLiteral("closed c"), QStringLiteral("closed b")));

    eGate.open();
    QVERIFY(e->waitForClosed(soon()));
    QVERIFY(!d->waitForClosed(QDeadlineTimer(10))); // its own work still runs
    QVERIFY(!a.isClosed());
    dGate.open();
    QVERIFY(a.waitForClosed(soon()));
    QVERIFY(log.inOrder(QStringLiteral("closed e"), QStringLiteral("closed d")));
    QVERIFY(log.inOrder(QStringLiteral("closed b"), QStringLiteral("closed a")));
    QVERIFY(log.inOrder(QStringLiteral("closed d"), QStringLiteral("closed a")));
}

void Upstream::closeAfterChildrenClosesNone()
{
    EventLog log;
    Counter ready;
    Process a;
    a.setName(QStringLiteral("a"));
    log.watch(a);
    ProcessPtr c;
    ProcessPtr e;
    const ProcessPtr b = a.go(QStringLiteral("b"), [&](Process &self) {
        log.watch(self);
        c = self.go(QStringLiteral("c"), [&](Process &inner) {
            log.watch(inner);
            ready.add();
            inner.waitForClosing();
        });
        ready.add();
        // Closes after its children by itself.
    });
    const ProcessPtr d = a.go(QStringLiteral("d"), [&](Process &self) {
        log.watch(self);
        e = self.go(QStringLiteral("e"), [&](Process &inner) {
            log.watch(inner);
            ready.add();
            inner.waitForClosing();
        });
        ready.add();
        self.waitForClosing();
    });
    QVERIFY(ready.waitFor(4));

    a.closeAfterChildren();
    b->closeAfterChildren();
    settle();
    const std::initializer_list<const Process *> all { &a, b.get(), c.get(), d.get(), e.get() };
    for (const Process *const process : all) {
        QVERIFY(!process->isClosing());
    }

    QVERIFY(!c->closeAndWait());
    QVERIFY(b->waitForClosed(soon()));
    QVERIFY(!e->closeAndWait());
    QVERIFY(!d->isClosing());
    QVERIFY(!a.isClosing());
    QVERIFY(!d->closeAndWait());
    QVERIFY(a.waitForClosed(soon()));
    QVERIFY(log.inOrder(QStringLiteral("closed c"), QStringLiteral("closing b")));
    QVERIFY(log.inOrder(QStringLiteral("closed d"), QStringLiteral("closing a")));
}

void Upstream::closeAfterChildrenOfAClosedProcessReturns()
{
    Process a;
    QVERIFY(!a.closeAndWait());
    a.closeAfterChildren();
    QVERIFY(a.waitForClosed(soon()));
}

void Upstream::aClosedProcessRefuses()
{
    // Upstream panics; here these calls return and warn.
    Process a;
    a.setName(QStringLiteral("a"));
    QVERIFY(!a.closeAndWait());
    Process child;
    {
        const ExpectWarning warning(TestSupport::naming({ &a }), 3);
        QVERIFY(!a.go([] { TestSupport::fail(QStringLiteral("A closed process ran a work")); }));
        QVERIFY(!a.addChild(&child));
        QVERIFY(!a.waitFor(&child));
    }
    QVERIFY(!child.isClosing());
    QVERIFY(!a.closeAndWait());
}

void Upstream::aClosingProcessWaitsForWhatIsAddedLate()
{
    Gate first;
    Gate second;
    Process a;
    a.setName(QStringLiteral("a"));
    a.go([&] { first.pass(); });
    a.close();
    const ProcessPtr late = GoProcess::go([&] { second.pass(); });
    QVERIFY(!late->isClosing());
    {
        // Upstream allows this one as well; here only a child may come so late (R11).
        const ExpectWarning warning(TestSupport::naming({ &a }));
        QVERIFY(!a.waitFor(late.get()));
    }
    QVERIFY(a.addChild(late.get()));
    QVERIFY(late->isClosing());
    first.open();
    QVERIFY(!a.waitForClosed(QDeadlineTimer(10)));
    second.open();
    QVERIFY(a.waitForClosed(soon()));
    QVERIFY(late->isClosed());
}

void Upstream::aClosingProcessClosesWhatIsAddedWithoutWaiting()
{
    Gate gate;
    Gate lateGate;
    Process a;
    a.go([&] { gate.pass(); });
    a.close();
    const ProcessPtr late = GoProcess::go([&] { lateGate.pass(); });
    QVERIFY(a.addChildNoWait(late.get()));
    QVERIFY(late->isClosing());
    gate.open();
    QVERIFY(a.waitForClosed(soon())); // though the other one still works
    QVERIFY(!late->isClosed());
    lateGate.open();
    QVERIFY(late->waitForClosed(soon()));
}

void Upstream::errorsAreKept()
{
    const Error failure(QStringLiteral("foobar"));
    Process p([&] { return failure; });
    for (int i = 0; i < 3; ++i)
        QCOMPARE(p.closeAndWait(), failure);
    QCOMPARE(p.error(), failure);
}

void Upstream::aWorkWithoutAnErrorHasNone()
{
    const ProcessPtr p = GoProcess::go([](Process &) {});
    QVERIFY(p->waitForClosed(soon()));
    QVERIFY(!p->error());
}

void Upstream::anErrorIsKnownOnceClosed()
{
    // Upstream's Err() waits; here waitForClosed() does.
    const Error failure(QStringLiteral("foobar"));
    Process p([&] { return failure; });
    const Thread waiter([&] {
        CHECK(p.waitForClosed(soon()));
        CHECK(p.error() == failure);
    });
    QVERIFY(!p.error());
    QVERIFY(p.closeAndWait());
}

void Upstream::goWhileClosing()
{
    Counter ready;
    Gate inner;
    Process a;
    a.go([&] {
        CHECK(a.go([&] { ready.add(); }));
        a.close(); // cannot be closed before this has returned
        CHECK(a.waitForClosing());
        CHECK(a.go([&](Process &self) {
            CHECK(self.isClosing());
            ready.add();
            inner.pass();
            CHECK(!a.isClosed());
        }));
        ready.add();
    });
    QVERIFY(ready.waitFor(3));
    QVERIFY(!a.waitForClosed(QDeadlineTimer(10)));
    inner.open();
    QVERIFY(a.waitForClosed(soon()));
}

void Upstream::backgroundDoesNotClose()
{
    Process *const background = Process::background();
    // Upstream hangs in this call; here it is refused.
    const ExpectWarning warning(QStringLiteral("."));
    Thread([&] { background->close(); }).join();
    QVERIFY(!background->isClosing());
    QVERIFY(!background->waitForClosed(QDeadlineTimer(10)));
}

void Upstream::manyTreesCloseOneByOne()
{
    // Upstream looks at the memory; here the root tells at the end that nothing is left in its
    // books.
    Process root;
    for (int round = 0; round < 20; ++round) {
        std::vector<std::unique_ptr<Process>> processes;
        const auto add = [&](Process &parent) -> Process & {
            processes.push_back(std::make_unique<Process>());
            parent.addChild(processes.back().get());
            return *processes.back();
        };
        for (int i = 0; i < 5; ++i) {
            Process &first = add(root);
            for (int j = 0; j < 5; ++j) {
                Process &second = add(first);
                for (int k = 0; k < 5; ++k)
                    add(second);
            }
        }
        for (const auto &process : processes)
            QVERIFY(!process->closeAndWait());
    }
    QVERIFY(!root.isClosing());
    root.closeAfterChildren();
    QVERIFY(root.isClosing());
}

QTEST_GUILESS_MAIN(Upstream)
#include "tst_upstream.moc"
