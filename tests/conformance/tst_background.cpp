// SPDX-License-Identifier: MIT
// The process that never closes (R21). Each test is named after its rule.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "rulesupport.h"
#include "support/allocatedbytes.h"
#include "support/eventlog.h"
#include "support/family.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QDeadlineTimer>
#include <QStringList>
#include <QTest>
#include <QThreadPool>

#include <cstddef>
#include <memory>
#include <vector>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::Error;
using GoProcess::Hold;
using GoProcess::Process;
using GoProcess::ProcessPtr;
using State = GoProcess::Process::State;

class tst_Background : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void r21_closingTheBackgroundIsRefused();
    void r21_settingsOfTheBackgroundAreRefused();
    void r21_waitingForTheBackgroundIsRefused();
    void r21_theBackgroundIsNobodysChild();
    void r21_blockingWaitsEnd();
    void r21_blockingWaitsRunSteps();
    void r21_closeAndWaitIsAnErrorAtOnce();
    void r21_processesCanBeItsChildren();
    void r21_keepsNoBooks();
    void r21_runsWorks();
    void r21_neverBecomesAQObjectParent();
};

// R21 — Process::background() never closes.

void tst_Background::r21_closingTheBackgroundIsRefused()
{
    Process *const background = Process::background();
    QVERIFY(background);
    Thread([&] { CHECK(Process::background() == background); }).join();
    {
        const ExpectWarning refused(naming({ background }));
        background->close();
        QCOMPARE(refused.count(), 1);
    }
    {
        const ExpectWarning refused(naming({ background }));
        background->closeAfterChildren();
        QCOMPARE(refused.count(), 1);
    }
    {
        const ExpectWarning refused(naming({ background }));
        Process closer;
        connect(&closer, &Process::closed, background, &Process::close, Qt::DirectConnection);
        QVERIFY(!closer.closeAndWait());
        QCOMPARE(refused.count(), 1);
    }
    deliver();
    QCOMPARE(background->state(), State::Running);
    QVERIFY(!background->isClosing());
    QVERIFY(!background->isClosed());
}

void tst_Background::r21_settingsOfTheBackgroundAreRefused()
{
    Process *const background = Process::background();
    {
        const ExpectWarning refused(naming({ background }));
        QVERIFY(!background->setTeardown([] {}));
        QCOMPARE(refused.count(), 1);
    }
    {
        QThreadPool pool;
        const ExpectWarning refused(naming({ background }));
        background->setThreadPool(&pool);
        QCOMPARE(refused.count(), 1);
        QCOMPARE(background->threadPool(), nullptr);
    }
    {
        const ExpectWarning refused(naming({ background }));
        const Hold hold = background->hold();
        QVERIFY(!hold.isValid());
        QCOMPARE(refused.count(), 1);
    }
}

void tst_Background::r21_waitingForTheBackgroundIsRefused()
{
    Process *const background = Process::background();
    Family family;
    Process &p = family.add(u"p"_s);
    {
        const ExpectWarning refused(naming({ &p }));
        QVERIFY(!p.waitFor(background));
        QCOMPARE(refused.count(), 1);
    }
    {
        const ExpectWarning refused(naming({ &p }));
        QVERIFY(!background->waitFor(&p));
        QCOMPARE(refused.count(), 1);
    }
    QCOMPARE(p.state(), State::Running);
    QVERIFY(!p.closeAndWait());
}

void tst_Background::r21_theBackgroundIsNobodysChild()
{
    Process *const background = Process::background();
    Family family;
    Process &p = family.add(u"p"_s);
    {
        const ExpectWarning refused(naming({ &p }), 2);
        QVERIFY(!p.addChild(background));
        QCOMPARE(refused.count(), 1);
        QVERIFY(!p.addChildNoWait(background));
        QCOMPARE(refused.count(), 2);
    }
    QVERIFY(!p.closeAndWait());
    {
        const ExpectWarning refused(naming({ &p }));
        QVERIFY(!p.addChildNoWait(background));
        QCOMPARE(refused.count(), 1);
    }
    QCOMPARE(background->state(), State::Running);
}

void tst_Background::r21_blockingWaitsEnd()
{
    Process *const background = Process::background();
    {
        // Whether they warn is left open.
        const ExpectWarning mayWarn(naming({ background }), 0, 2);
        QVERIFY(!background->waitForClosing());
        QVERIFY(!background->waitForClosed());
    }
    const QDeadlineTimer deadline(20);
    QVERIFY(!background->waitForClosing(deadline));
    QVERIFY(deadline.hasExpired());
    const QDeadlineTimer second(20);
    QVERIFY(!background->waitForClosed(second));
    QVERIFY(second.hasExpired());
    QVERIFY(!background->waitForClosing(now()));
    QVERIFY(!background->whenClosing().isFinished());
    QVERIFY(!background->whenClosed().isFinished());
}

void tst_Background::r21_blockingWaitsRunSteps()
{
    Process p;
    p.close();
    QVERIFY(!Process::background()->waitForClosed(QDeadlineTimer(20)));
    QVERIFY(p.isClosed());
}

void tst_Background::r21_closeAndWaitIsAnErrorAtOnce()
{
    Process *const background = Process::background();
    const ExpectWarning refused(naming({ background }), 1);
    const Error error = background->closeAndWait();
    QVERIFY(error);
    QVERIFY(!error.message().isEmpty());
    QCOMPARE(background->state(), State::Running);
}

void tst_Background::r21_processesCanBeItsChildren()
{
    Process *const background = Process::background();
    EventLog log;
    Family family;
    Process &p = family.add(u"p"_s, log.teardown(u"p"_s));
    Process &q = family.add(u"q"_s, log.teardown(u"q"_s));
    QVERIFY(background->addChild(&p));
    QVERIFY(background->addChildNoWait(&q));
    QVERIFY(background->addChild(&p));
    QCOMPARE(p.state(), State::Running);
    QCOMPARE(q.state(), State::Running);
    QVERIFY(!p.closeAndWait());
    QVERIFY(!q.closeAndWait());
    QVERIFY(background->addChild(&p));
    QCOMPARE(background->state(), State::Running);
    QCOMPARE(log.take(), (QStringList { u"teardown p"_s, u"teardown q"_s }));
}

void tst_Background::r21_keepsNoBooks()
{
    Process *const background = Process::background();
    {
        Process child([] { return Error(u"failed"_s); });
        QVERIFY(background->addChild(&child));
        QVERIFY(child.closeAndWait());
    }
    QCOMPARE(background->treeErrorCount(), 0);
    QVERIFY(background->treeErrors().isEmpty());
    // Open children cost what they cost without a parent.
    constexpr std::size_t count = 10'000;
    std::vector<std::unique_ptr<Process>> children;
    for (std::size_t i = 0; i < count; ++i)
        children.push_back(std::make_unique<Process>());
    const std::size_t before = allocatedBytes();
    for (const auto &child : children)
        QVERIFY(background->addChild(child.get()));
    QVERIFY(qint64(allocatedBytes()) - qint64(before) < flat);
}

void tst_Background::r21_runsWorks()
{
    bool ran = false;
    const ProcessPtr work = Process::background()->go(u"w"_s, [&](Process &self) {
        CHECK(!self.isClosing());
        ran = true;
        return Error(u"failed"_s);
    });
    QVERIFY(work);
    QVERIFY(work->waitForClosed(soon()));
    QVERIFY(ran);
    QCOMPARE(work->error().message(), u"failed"_s);
}

void tst_Background::r21_neverBecomesAQObjectParent()
{
    {
        const Process child(Process::background());
        QCOMPARE(child.parent(), nullptr);
        QVERIFY(!child.isClosing());
    }
    Thread([] {
        const Process child(Process::background());
        CHECK(child.parent() == nullptr);
        CHECK(!child.isClosing());
    }).join();
    QVERIFY(Process::background()->children().isEmpty());
}

QTEST_GUILESS_MAIN(tst_Background)

#include "tst_background.moc"
