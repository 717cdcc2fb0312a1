// SPDX-License-Identifier: MIT
// Refusals: cycles, and what a refused call does (R14, R15). Each test is named after its rule.
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

#include <QDeadlineTimer>
#include <QFuture>
#include <QRegularExpression>
#include <QString>
#include <QStringList>
#include <QTest>

#include <atomic>
#include <cstddef>
#include <functional>
#include <vector>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::Error;
using GoProcess::Hold;
using GoProcess::Process;
using GoProcess::ProcessPtr;
using State = GoProcess::Process::State;

namespace {

/// A pattern for a message that tells the way round a cycle, wherever it begins.
QString cyclePattern(const QStringList &paths)
{
    QStringList rotations;
    for (qsizetype first = 0; first < paths.size(); ++first) {
        QStringList parts;
        for (qsizetype i = 0; i <= paths.size(); ++i) {
            parts << u"(?<![\\w/#])%1(?![\\w/#])"_s.arg(
                    QRegularExpression::escape(paths[(first + i) % paths.size()]));
        }
        rotations << parts.join(u".*"_s);
    }
    return u"(%1)"_s.arg(rotations.join(u'|'));
}

} // namespace

class tst_Refusals : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void r14_waitingForItselfIsRefused();
    void r14_cycleOfTwoIsRefused();
    void r14_longCycleIsRefusedAndNamed();
    void r14_cycleOverChildrenIsRefusedAndNamed();
    void r14_workCannotWaitForItsParent();
    void r14_cycleWhileClosingIsRefused();
    void r14_refusedCycleChangesNothing();
    void r14_closingEdgesMakeNoCycle();
    void r14_concurrentAdditionsCloseNoCycle_data();
    void r14_concurrentAdditionsCloseNoCycle();
    void r14_newLeavesAndRootsNeedNoSearch();

    void r15_nullIsRefused();
    void r15_emptyFunctionsAreRefused();
    void r15_emptyTeardownInConstructorIsRefused();
    void r15_holdRefusedIsInvalid();
    void r15_warningNamesBothPaths();
    void r15_refusedInAnyThread();
};

// R14 — An edge that would close a waiting cycle is refused when it is added, and the message
// names the path of the cycle.

void tst_Refusals::r14_waitingForItselfIsRefused()
{
    Family family;
    Process &p = family.add(u"p"_s);
    {
        const ExpectWarning refused(cyclePattern({ u"/p"_s }));
        QVERIFY(!p.waitFor(&p));
        QCOMPARE(refused.count(), 1);
    }
    {
        const ExpectWarning refused(cyclePattern({ u"/p"_s }));
        QVERIFY(!p.addChild(&p));
        QCOMPARE(refused.count(), 1);
    }
    QCOMPARE(p.state(), State::Running);
    QVERIFY(!p.closeAndWait());
}

void tst_Refusals::r14_cycleOfTwoIsRefused()
{
    Family family;
    Process &a = family.add(u"a"_s);
    Process &b = family.add(u"b"_s);
    QVERIFY(a.waitFor(&b));
    {
        const ExpectWarning refused(cyclePattern({ u"/a"_s, u"/b"_s }));
        QVERIFY(!b.waitFor(&a));
        QCOMPARE(refused.count(), 1);
    }
    {
        const ExpectWarning refused(cyclePattern({ u"/a"_s, u"/b"_s }));
        QVERIFY(!b.addChild(&a));
        QCOMPARE(refused.count(), 1);
    }
}

void tst_Refusals::r14_longCycleIsRefusedAndNamed()
{
    Family family;
    std::vector<Process *> chain;
    QStringList paths;
    for (int i = 0; i < 6; ++i) {
        chain.push_back(&family.add(u"p%1"_s.arg(i)));
        paths << chain.back()->path();
    }
    // In an order in which both ends of each edge have others already.
    for (const std::size_t i : { 0u, 2u, 4u, 1u, 3u })
        QVERIFY(chain[i]->waitFor(chain[i + 1]));
    // Others that are no part of the cycle.
    Process &above = family.add(u"above"_s);
    Process &below = family.add(u"below"_s);
    QVERIFY(above.waitFor(chain[2]));
    QVERIFY(chain[2]->waitFor(&below));

    const ExpectWarning refused(cyclePattern(paths));
    QVERIFY(!chain[5]->waitFor(chain[0]));
    QCOMPARE(refused.count(), 1);
    QVERIFY(!refused.messages().join(QString()).contains(u"/above"));
    QVERIFY(!refused.messages().join(QString()).contains(u"/below"));
    // What closes no cycle is still allowed.
    QVERIFY(chain[0]->waitFor(chain[5]));
}

void tst_Refusals::r14_cycleOverChildrenIsRefusedAndNamed()
{
    Family family;
    Process &app = family.add(u"app"_s);
    Process &net = family.add(u"net"_s);
    Process &socket = family.add(u"socket"_s);
    Process &disk = family.add(u"disk"_s);
    QVERIFY(app.addChild(&net));
    QVERIFY(net.addChild(&socket));
    QVERIFY(socket.waitFor(&disk));
    const ExpectWarning refused(
            cyclePattern({ u"/app"_s, u"/app/net"_s, u"/app/net/socket"_s, u"/disk"_s }));
    QVERIFY(!disk.addChild(&app));
    QCOMPARE(refused.count(), 1);
    // A closing edge the other way round waits for no process.
    QVERIFY(disk.addChildNoWait(&app));
}

void tst_Refusals::r14_workCannotWaitForItsParent()
{
    Family family;
    Process &p = family.add(u"p"_s);
    const ExpectWarning refused(cyclePattern({ u"/p"_s, u"/p/w"_s }));
    const ProcessPtr work = p.go(u"w"_s, [&](Process &self) { CHECK(!self.waitFor(&p)); });
    QVERIFY(work->waitForClosed(soon()));
    QCOMPARE(refused.count(), 1);
}

void tst_Refusals::r14_cycleWhileClosingIsRefused()
{
    Family family;
    Process &a = family.add(u"a"_s);
    Process &b = family.add(u"b"_s);
    QVERIFY(b.waitFor(&a));
    Hold hold = a.hold();
    a.close();
    const ExpectWarning refused(cyclePattern({ u"/a"_s, u"/b"_s }));
    QVERIFY(!a.addChild(&b));
    QCOMPARE(refused.count(), 1);
    QCOMPARE(b.state(), State::Running);
    hold.release();
    QVERIFY(a.waitForClosed(soon()));
}

void tst_Refusals::r14_refusedCycleChangesNothing()
{
    EventLog log;
    Family family;
    Process &a = family.add(u"a"_s, log.teardown(u"a"_s));
    Process &b = family.add(u"b"_s, log.teardown(u"b"_s));
    Process &c = family.add(u"c"_s, log.teardown(u"c"_s));
    QVERIFY(a.waitFor(&b));
    QVERIFY(b.waitFor(&c));
    {
        const ExpectWarning refused(cyclePattern({ u"/a"_s, u"/b"_s, u"/c"_s }));
        QVERIFY(!c.addChild(&a));
    }
    QCOMPARE(a.path(), u"/a"_s);
    // c neither closes a nor waits for it.
    QVERIFY(!c.closeAndWait());
    QCOMPARE(a.state(), State::Running);
    a.close();
    b.close();
    QVERIFY(a.waitForClosed(soon()));
    QCOMPARE(log.take(), (QStringList { u"teardown c"_s, u"teardown b"_s, u"teardown a"_s }));
}

void tst_Refusals::r14_closingEdgesMakeNoCycle()
{
    // From upper over lower back to upper, but for edges that only close.
    Family family;
    Process &upper = family.add(u"upper"_s);
    Process &above = family.add(u"above"_s);
    Process &closer = family.add(u"closer"_s);
    Process &lower = family.add(u"lower"_s);
    Process &below = family.add(u"below"_s);
    QVERIFY(above.waitFor(&upper));
    QVERIFY(closer.addChildNoWait(&upper));
    QVERIFY(lower.waitFor(&below));
    QVERIFY(lower.addChildNoWait(&above));
    QVERIFY(below.addChildNoWait(&closer));
    QVERIFY(upper.waitFor(&lower));
    {
        const ExpectWarning refused(cyclePattern({ above.path(), upper.path(), lower.path() }));
        QVERIFY(!lower.waitFor(&above));
        QCOMPARE(refused.count(), 1);
    }
    lower.close();
    above.close();
    QVERIFY(!below.closeAndWait());
    QVERIFY(above.waitForClosed(soon()));
    QVERIFY(upper.isClosed());
}

void tst_Refusals::r14_concurrentAdditionsCloseNoCycle_data()
{
    QTest::addColumn<int>("size");
    QTest::addColumn<bool>("children");
    for (const int size : { 2, 3, 5 }) {
        QTest::addRow("%d waiting", size) << size << false;
        QTest::addRow("%d children", size) << size << true;
    }
}

void tst_Refusals::r14_concurrentAdditionsCloseNoCycle()
{
    QFETCH(const int, size);
    QFETCH(const bool, children);
    // All edges of a ring at the same moment: whichever comes last is refused, and no other.
    for (int round = 0; round < 40; ++round) {
        Family family;
        std::vector<Process *> ring;
        ring.reserve(std::size_t(size));
        for (int i = 0; i < size; ++i)
            ring.push_back(&family.add(u"p%1"_s.arg(i)));
        QStringList names;
        for (const Process *const process : ring)
            names << u"(?=.*/%1(?![\\w#]))"_s.arg(process->name());
        const ExpectWarning refused(u'^' + names.join(QString()));
        std::atomic<int> added = 0;
        StartLine start(size);
        std::vector<Thread> threads;
        for (std::size_t i = 0; i < ring.size(); ++i) {
            threads.emplace_back([&, i] {
                Process *const next = ring[(i + 1) % ring.size()];
                start.arrive();
                if (children ? ring[i]->addChild(next) : ring[i]->waitFor(next))
                    ++added;
            });
        }
        threads.clear();
        QCOMPARE(added, size - 1);
        QCOMPARE(refused.count(), 1);
        for (Process *const process : ring)
            process->close();
        for (Process *const process : ring)
            QVERIFY(process->waitForClosed(soon()));
    }
}

void tst_Refusals::r14_newLeavesAndRootsNeedNoSearch()
{
    // With a search through all that is there for each new edge this would take minutes.
    constexpr int length = 100'000;
    const QDeadlineTimer deadline = soon();
    for (const bool leaves : { true, false }) {
        Family family;
        Process *last = &family.add(u"first"_s);
        Process *const first = last;
        for (int i = 0; i < length; ++i) {
            Process &next = family.add(QString());
            QVERIFY(leaves ? last->waitFor(&next) : next.waitFor(last));
            last = &next;
            if (i % 1000 == 0)
                QVERIFY(!deadline.hasExpired());
        }
        // It is one chain all the same.
        Process &bottom = leaves ? *last : *first;
        Process &top = leaves ? *first : *last;
        top.close();
        QVERIFY(!top.waitForClosed(now()));
        bottom.close();
        deliver();
        QCOMPARE(top.state(), State::Closing);
    }
}

// R15 — Refused means: the call returns false (an empty pointer, an invalid Hold), one warning,
// and nothing has changed.

void tst_Refusals::r15_nullIsRefused()
{
    Family family;
    Process &p = family.add(u"p"_s);
    const ExpectWarning refused(naming({ &p }), 3);
    QVERIFY(!p.addChild(nullptr));
    QCOMPARE(refused.count(), 1);
    QVERIFY(!p.addChildNoWait(nullptr));
    QCOMPARE(refused.count(), 2);
    QVERIFY(!p.waitFor(nullptr));
    QCOMPARE(refused.count(), 3);
    QCOMPARE(p.state(), State::Running);
    QVERIFY(!p.closeAndWait());
}

void tst_Refusals::r15_emptyFunctionsAreRefused()
{
    Family family;
    Process &p = family.add(u"p"_s);
    {
        const ExpectWarning refused(naming({ &p }), 5);
        QVERIFY(!p.go(std::function<void()>()));
        QCOMPARE(refused.count(), 1);
        QVERIFY(!p.go(u"named"_s, std::function<Error(Process &)>()));
        QCOMPARE(refused.count(), 2);
        QVERIFY(!p.setTeardown(std::function<void()>()));
        QCOMPARE(refused.count(), 3);
        QVERIFY(!p.setTeardown(static_cast<Error (*)()>(nullptr)));
        QCOMPARE(refused.count(), 4);
        QVERIFY(!p.setTeardown([] { return QFuture<void>(); }, std::function<void()>()));
        QCOMPARE(refused.count(), 5);
    }
    {
        const ExpectWarning refused(u"."_s);
        QVERIFY(!GoProcess::go(std::function<void()>()));
        QCOMPARE(refused.count(), 1);
    }
    // Nothing has changed: the one teardown may still be set.
    bool ran = false;
    QVERIFY(p.setTeardown([&] { ran = true; }));
    QVERIFY(!p.closeAndWait());
    QVERIFY(ran);
}

void tst_Refusals::r15_emptyTeardownInConstructorIsRefused()
{
    const ExpectWarning refused(u"."_s);
    Process p { std::function<void()>() };
    QCOMPARE(refused.count(), 1);
    QVERIFY(!p.closeAndWait());
}

void tst_Refusals::r15_holdRefusedIsInvalid()
{
    Family family;
    Process &p = family.add(u"p"_s);
    QVERIFY(!p.closeAndWait());
    const ExpectWarning refused(naming({ &p }));
    const Hold hold = p.hold();
    QVERIFY(!hold.isValid());
    QVERIFY(!hold);
    QCOMPARE(refused.count(), 1);
}

void tst_Refusals::r15_warningNamesBothPaths()
{
    Family family;
    Process &app = family.add(u"app"_s);
    Process &net = family.add(u"net"_s);
    Process &other = family.add(u"other"_s);
    Process &unnamed = family.add(QString());
    QVERIFY(app.addChildNoWait(&net));
    QVERIFY(other.addChildNoWait(&unnamed));
    QVERIFY(!net.closeAndWait());
    QCOMPARE(net.path(), u"/app/net"_s);
    QVERIFY(unnamed.path().startsWith(u"/other/#"));
    const ExpectWarning refused(naming({ &net, &unnamed }));
    QVERIFY(!net.addChild(&unnamed));
    QCOMPARE(refused.count(), 1);
}

void tst_Refusals::r15_refusedInAnyThread()
{
    Family family;
    Process &p = family.add(u"p"_s);
    Process &q = family.add(u"q"_s);
    QVERIFY(!p.closeAndWait());
    const ExpectWarning refused(naming({ &p, &q }), 20);
    {
        std::vector<Thread> threads(10);
        for (Thread &thread : threads) {
            thread = Thread([&] {
                CHECK(!p.addChild(&q));
                CHECK(!p.waitFor(&q));
            });
        }
    }
    QCOMPARE(refused.count(), 20);
    QCOMPARE(q.state(), State::Running);
}

QTEST_GUILESS_MAIN(tst_Refusals)

#include "tst_refusals.moc"
