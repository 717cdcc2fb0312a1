// SPDX-License-Identifier: MIT
// What has closed leaves no trace in those above (R16). Each test is named after its rule.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "rulesupport.h"
#include "support/allocatedbytes.h"
#include "support/family.h"
#include "support/messages.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QDeadlineTimer>
#include <QEvent>
#include <QTest>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <random>
#include <vector>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::Error;
using GoProcess::Process;
using GoProcess::ProcessPtr;
using State = GoProcess::Process::State;

namespace {

/// Runs \a step so often that caches are warm, then often again, and returns how many bytes more
/// are allocated then.
template<class Step>
qint64 growth(int count, Step &&step)
{
    for (int i = 0; i < count / 10; ++i)
        step();
    const std::size_t before = allocatedBytes();
    for (int i = 0; i < count; ++i)
        step();
    return qint64(allocatedBytes()) - qint64(before);
}

} // namespace

class tst_Books : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void r16_childrenWithoutEventLoop();
    void r16_childrenInTheEventLoop();
    void r16_otherEdges();
    void r16_ringsOfClosingEdges();
    void r16_worksWithoutEventLoop();
    void r16_worksWithEventLoop();
    void r16_worksOfAWorkWhileItsThreadWaits();
    void r16_failedChildren();
    void r16_removingAChildIsCheap();
};

// R16 — A long-lived process with a million short-lived children stays flat in memory, with or
// without a running event loop, and removing one costs O(1). (A tenth of a million: what one
// child leaves behind shows as well.)

void tst_Books::r16_childrenWithoutEventLoop()
{
    Family family;
    Process &p = family.add(u"p"_s);
    const qint64 grown = growth(100'000, [&] {
        Process child;
        CHECK(p.addChild(&child));
    });
    QVERIFY(grown < flat);
    const qint64 grownByNames = growth(20'000, [&] {
        auto child = std::make_unique<Process>();
        child->setName(u"a name that allocates"_s);
        CHECK(p.addChild(child.get()));
        CHECK(!child->closeAndWait());
    });
    QVERIFY(grownByNames < flat);
    QCOMPARE(p.state(), State::Running);
    QVERIFY(!p.closeAndWait());
}

void tst_Books::r16_childrenInTheEventLoop()
{
    Family family;
    Process &p = family.add(u"p"_s);
    int closed = 0;
    int made = 0;
    const qint64 grown = growth(20'000, [&] {
        auto *const child = new Process;
        CHECK(p.addChild(child));
        connect(child, &Process::closed, child, [&, child] {
            ++closed;
            child->deleteLater();
        });
        child->close();
        ++made;
        if (made % 10 == 0) {
            CHECK(pollUntil([&] {
                QCoreApplication::processEvents();
                return closed == made;
            }));
        }
        QCoreApplication::sendPostedEvents(nullptr, QEvent::DeferredDelete);
    });
    QVERIFY(grown < flat);
    QCOMPARE(closed, made);
}

void tst_Books::r16_otherEdges()
{
    Family family;
    Process &p = family.add(u"p"_s);
    Process &second = family.add(u"second"_s);
    const qint64 grown = growth(20'000, [&] {
        Process child;
        CHECK(p.addChildNoWait(&child));
        CHECK(p.waitFor(&child));
        CHECK(second.waitFor(&child));
        Process below;
        CHECK(child.addChildNoWait(&below));
        CHECK(second.addChild(&below));
        child.close();
    });
    QVERIFY(grown < flat);
}

void tst_Books::r16_ringsOfClosingEdges()
{
    Family family;
    Process &p = family.add(u"p"_s);
    const qint64 grown = growth(20'000, [&] {
        Process first;
        Process second;
        CHECK(first.addChild(&second));
        CHECK(second.addChildNoWait(&first));
        CHECK(p.addChild(&second));
    });
    QVERIFY(grown < flat);
    QCOMPARE(p.state(), State::Running);
}

void tst_Books::r16_worksWithoutEventLoop()
{
    Family family;
    Process &p = family.add(u"p"_s);
    const qint64 grown = growth(5'000, [&] {
        const ProcessPtr work = p.go(u"a name that allocates"_s, [] {});
        CHECK(work->waitForClosed(soon()));
    });
    QVERIFY(grown < 4 * flat);
    QVERIFY(!p.closeAndWait());
}

void tst_Books::r16_worksWithEventLoop()
{
    Family family;
    Process &p = family.add(u"p"_s);
    const qint64 grown = growth(5'000, [&] {
        const ProcessPtr work = p.go([] {});
        CHECK(pollUntil([&] {
            QCoreApplication::processEvents();
            return work->isClosed();
        }));
    });
    QVERIFY(grown < 4 * flat);
    QVERIFY(!p.closeAndWait());
}

void tst_Books::r16_worksOfAWorkWhileItsThreadWaits()
{
    // Their objects live in this thread, which is blocked in a wait, and deletes them there.
    Family family;
    Process &p = family.add(u"p"_s);
    const ProcessPtr work = p.go([&](Process &self) {
        const qint64 grown = growth(5'000, [&] { CHECK(self.go([] {})->waitForClosed(soon())); });
        // Where other programs take its time it lags behind, but makes up for that.
        const qint64 limit = qint64(allocatedBytes()) - grown + 4 * flat;
        CHECK(pollUntil([&] { return qint64(allocatedBytes()) < limit; }));
    });
    // 5 s are not much for that on a slow machine under a sanitizer.
    const ExpectWarning mayTakeLong(naming({ work.get() }), 0, 1);
    QVERIFY(work->waitForClosed(soon()));
    QVERIFY(!p.closeAndWait());
}

void tst_Books::r16_failedChildren()
{
    Family family;
    Process &p = family.add(u"p"_s);
    int failures = 0;
    const qint64 grown = growth(20'000, [&] {
        ++failures;
        Process child([] { return Error(u"failed"_s); });
        CHECK(p.addChild(&child));
        CHECK(child.closeAndWait());
    });
    QVERIFY(grown < flat);
    QCOMPARE(p.treeErrorCount(), failures);
    QCOMPARE(p.treeErrors().size(), 100);
}

void tst_Books::r16_removingAChildIsCheap()
{
    // With a search through all children for each that closes this would take minutes.
    constexpr int count = 100'000;
    Family family;
    Process &p = family.add(u"p"_s);
    const QDeadlineTimer deadline = soon();
    std::vector<std::unique_ptr<Process>> children;
    for (int i = 0; i < count; ++i) {
        children.push_back(std::make_unique<Process>());
        QVERIFY(p.addChild(children.back().get()));
    }
    std::mt19937 random(1);
    std::shuffle(children.begin(), children.end(), random);
    while (!children.empty()) {
        children.pop_back();
        if (children.size() % 1000 == 0)
            QVERIFY(!deadline.hasExpired());
    }
    QVERIFY(!p.closeAndWait());
}

QTEST_GUILESS_MAIN(tst_Books)

#include "tst_books.moc"
