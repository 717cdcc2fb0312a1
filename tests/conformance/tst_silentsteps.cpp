// SPDX-License-Identifier: MIT
// A process to which the program has connected nothing takes its steps in one, silently. The
// program cannot tell: a connection that comes late misses nothing that happens after it.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/eventlog.h"
#include "support/messages.h"
#include "support/sanitizers.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QFuture>
#include <QMetaMethod>
#include <QPointer>
#include <QSignalSpy>
#include <QTest>
#include <QThread>

#include <atomic>
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

namespace {

/// A class that keeps from the library what is connected.
class Secretive : public Process
{
protected:
    void connectNotify(const QMetaMethod &) override { }
};

/// A class that connects to itself while it is made.
class SelfListening : public Process
{
public:
    explicit SelfListening(EventLog &log) { log.watch(*this, u"self"_s); }
};

} // namespace

class tst_SilentSteps : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void whoConnectsBeforeTheStepsIsTold();
    void whoConnectsBetweenTheStepsIsToldTheRest();
    void whoConnectsAfterTheStepsSeesThem();
    void oneSignalIsEnough_data();
    void oneSignalIsEnough();
    void whoConnectsThenLooksMissesNothing();
    void whoHasDisconnectedIsNotTold();
    void classesWithTheirOwnConnectNotify();
    void classesThatListenToThemselves();

    void teardownsThatComeLate();
    void waitersAndFutures();
    void holdsAndEdges();
    void childrenThatComeLate();
    void observedAndSilentInOrder();
    void errorsPassThrough();
    void worksThatFail();
    void observedWorks();
    void whoConnectsToAWorkThenLooksMissesNothing();
    void worksAreLetGo();
    void destroyedBetweenTheSteps();
    void movedBetweenTheSteps();
    void movedToAndFro();
    void closedElsewhere();
};

void tst_SilentSteps::whoConnectsBeforeTheStepsIsTold()
{
    EventLog log;
    Process parent;
    Process child;
    QVERIFY(parent.addChild(&child));
    parent.close();
    QCOMPARE(child.state(), State::Closing);
    log.watchAll(child, u"child"_s);
    log.watchAll(parent, u"parent"_s);
    deliver();
    QVERIFY(log.compare({ u"state Closing parent"_s, u"closing parent"_s, u"state Closing child"_s,
                          u"closing child"_s, u"state Closed child"_s, u"closed child"_s,
                          u"state Closed parent"_s, u"closed parent"_s }));
}

void tst_SilentSteps::whoConnectsBetweenTheStepsIsToldTheRest()
{
    EventLog log;
    Process other;
    Process process;
    QVERIFY(process.waitFor(&other));
    process.close();
    deliver();
    QCOMPARE(process.state(), State::Closing);
    log.watchAll(process, u"process"_s);
    deliver();
    QVERIFY(log.compare({}));
    other.close();
    deliver();
    QVERIFY(log.compare({ u"state Closed process"_s, u"closed process"_s }));
}

void tst_SilentSteps::whoConnectsAfterTheStepsSeesThem()
{
    EventLog log;
    Process process;
    process.close();
    deliver();
    QVERIFY(process.isClosed());
    log.watchAll(process, u"process"_s);
    process.close();
    deliver();
    QVERIFY(log.compare({}));
}

void tst_SilentSteps::oneSignalIsEnough_data()
{
    QTest::addColumn<QByteArray>("signal");
    QTest::addColumn<int>("times");
    QTest::newRow("closing") << QByteArray(SIGNAL(closing())) << 1;
    QTest::newRow("closed") << QByteArray(SIGNAL(closed())) << 1;
    QTest::newRow("stateChanged") << QByteArray(SIGNAL(stateChanged(GoProcess::Process::State)))
                                  << 2;
}

/// By name, as QSignalSpy connects.
void tst_SilentSteps::oneSignalIsEnough()
{
    QFETCH(const QByteArray, signal);
    QFETCH(const int, times);
    Process process;
    Secretive secretive;
    const QSignalSpy spy(&process, signal.constData());
    const QSignalSpy secretiveSpy(&secretive, signal.constData());
    process.close();
    secretive.close();
    deliver();
    QCOMPARE(spy.size(), times);
    QCOMPARE(secretiveSpy.size(), times);
}

void tst_SilentSteps::whoConnectsThenLooksMissesNothing()
{
    const int rounds = underSanitizer ? 300 : 3000;
    EventLoopThread home;
    EventLoopThread closer;
    for (int i = 0; i < rounds; ++i) {
        const ProcessPtr process = home.run([] { return ProcessPtr(new Process); });
        Counter told;
        std::atomic<bool> go = false;
        closer.post([&] {
            while (!go) { }
            process->close();
        });
        go = true;
        for (int j = i % 50; j > 0; --j)
            std::atomic_signal_fence(std::memory_order_seq_cst); // a little later each time
        const auto connection = connect(
                process.get(), &Process::closed, process.get(), [&] { told.add(); },
                Qt::DirectConnection);
        if (!process->isClosed())
            QVERIFY(told.waitFor(1));
        closer.flush();
        QVERIFY(process->waitForClosed(soon()));
        home.flush();
        disconnect(connection);
        QVERIFY(told.count() <= 1);
    }
}

void tst_SilentSteps::whoHasDisconnectedIsNotTold()
{
    Process process;
    int told = 0;
    const auto connection = connect(&process, &Process::closed, this, [&] { ++told; });
    disconnect(connection);
    process.close();
    deliver();
    QVERIFY(process.isClosed());
    QCOMPARE(told, 0);
}

void tst_SilentSteps::classesWithTheirOwnConnectNotify()
{
    EventLog log;
    Secretive process;
    log.watchAll(process, u"it"_s);
    process.close();
    deliver();
    QVERIFY(log.compare(
            { u"state Closing it"_s, u"closing it"_s, u"state Closed it"_s, u"closed it"_s }));
}

void tst_SilentSteps::classesThatListenToThemselves()
{
    EventLog log;
    SelfListening process(log);
    Process parent;
    QVERIFY(parent.addChild(&process));
    parent.close();
    deliver();
    QVERIFY(log.compare({ u"closing self"_s, u"closed self"_s }));
}

void tst_SilentSteps::teardownsThatComeLate()
{
    EventLog log;
    Process other;
    Process process;
    QVERIFY(process.waitFor(&other));
    process.close();
    deliver();
    QVERIFY(process.setTeardown(log.teardown(u"late"_s)));
    other.close();
    deliver();
    QVERIFY(process.isClosed());
    QVERIFY(log.compare({ u"teardown late"_s }));

    // The announcement is queued, and silent.
    Process queued;
    queued.close();
    QVERIFY(queued.setTeardown(log.teardown(u"queued"_s)));
    deliver();
    QVERIFY(queued.isClosed());
    QVERIFY(log.compare({ u"teardown late"_s, u"teardown queued"_s }));
}

void tst_SilentSteps::waitersAndFutures()
{
    EventLoopThread home;
    const ProcessPtr process = home.run([] { return ProcessPtr(new Process); });
    const ProcessPtr child = home.run([] { return ProcessPtr(new Process); });
    QVERIFY(process->addChild(child.get()));
    const QFuture<Error> before = child->whenClosed();
    std::vector<Thread> waiters;
    Counter woken;
    for (int i = 0; i < 4; ++i) {
        waiters.emplace_back([&, i] {
            CHECK(i % 2 ? child->waitForClosed(soon()) : child->waitForClosing(soon()));
            woken.add();
        });
    }
    process->close();
    QVERIFY(process->waitForClosed(soon()));
    QVERIFY(woken.waitFor(4));
    QTRY_VERIFY(before.isFinished());
    QVERIFY(!before.result());
    QTRY_VERIFY(child->whenClosed().isFinished());
}

void tst_SilentSteps::holdsAndEdges()
{
    Process process;
    Process waits;
    Process closes;
    QVERIFY(process.waitFor(&waits));
    QVERIFY(process.addChildNoWait(&closes));
    {
        const Hold hold = process.hold();
        process.close();
        deliver();
        QVERIFY(closes.isClosed());
        waits.close();
        deliver();
        QVERIFY(waits.isClosed());
        QCOMPARE(process.state(), State::Closing);
    }
    deliver();
    QVERIFY(process.isClosed());
}

void tst_SilentSteps::childrenThatComeLate()
{
    Process process;
    Process other;
    QVERIFY(process.waitFor(&other));
    process.close();
    deliver();
    Process child;
    QVERIFY(process.addChild(&child));
    QCOMPARE(child.state(), State::Closing);
    other.close();
    deliver();
    QVERIFY(child.isClosed());
    QVERIFY(process.isClosed());
}

void tst_SilentSteps::observedAndSilentInOrder()
{
    EventLog log;
    Process top;
    Process middle;
    Process bottom;
    QVERIFY(top.addChild(&middle));
    QVERIFY(middle.addChild(&bottom));
    log.watch(top, u"top"_s);
    log.watch(bottom, u"bottom"_s);
    connect(&top, &Process::closing, this, [&] {
        QCOMPARE(middle.state(), State::Closing);
        QCOMPARE(bottom.state(), State::Closing);
    });
    connect(&bottom, &Process::closed, this, [&] { QCOMPARE(middle.state(), State::Closing); });
    connect(&top, &Process::closed, this, [&] { QVERIFY(middle.isClosed()); });
    top.close();
    deliver();
    QVERIFY(log.compare(
            { u"closing top"_s, u"closing bottom"_s, u"closed bottom"_s, u"closed top"_s }));
}

void tst_SilentSteps::errorsPassThrough()
{
    Process top;
    top.setName(u"top"_s);
    Process middle;
    middle.setName(u"middle"_s);
    Process bottom([] { return Error(u"no room"_s); });
    bottom.setName(u"bottom"_s);
    QVERIFY(top.addChild(&middle));
    QVERIFY(middle.addChild(&bottom));
    top.close();
    deliver();
    QVERIFY(top.isClosed());
    for (const Process *process : { &top, &middle }) {
        QVERIFY(!process->error());
        QCOMPARE(process->treeErrors().size(), 1);
        QCOMPARE(process->treeErrors().constFirst().error.message(), u"no room"_s);
        QCOMPARE(process->treeErrors().constFirst().path, u"/top/middle/bottom"_s);
    }
}

void tst_SilentSteps::worksThatFail()
{
    Process process;
    const ProcessPtr fails = process.go([] { return Error(u"not found"_s); });
    const ProcessPtr works = process.go([] {});
    QVERIFY(fails->waitForClosed(soon()));
    QVERIFY(works->waitForClosed(soon()));
    QCOMPARE(fails->error().message(), u"not found"_s);
    QVERIFY(!works->error());
    process.closeAndWait();
    QCOMPARE(process.treeErrors().size(), 1);
}

void tst_SilentSteps::observedWorks()
{
    EventLog log;
    Gate gate;
    Process process;
    const ProcessPtr work = process.go([&] { gate.pass(); });
    log.watchAll(*work, u"work"_s);
    gate.open();
    QVERIFY(work->waitForClosed(soon()));
    QVERIFY(log.compare({ u"state Closing work"_s, u"closing work"_s, u"state Closed work"_s,
                          u"closed work"_s }));
}

void tst_SilentSteps::whoConnectsToAWorkThenLooksMissesNothing()
{
    const int rounds = underSanitizer ? 500 : 5000;
    Process process;
    for (int i = 0; i < rounds; ++i) {
        Counter told;
        const ProcessPtr work = process.go([] {});
        for (int j = i % 50; j > 0; --j)
            std::atomic_signal_fence(std::memory_order_seq_cst); // a little later each time
        connect(
                work.get(), &Process::closed, work.get(), [&] { told.add(); },
                Qt::DirectConnection);
        if (!work->isClosed())
            QVERIFY(told.waitFor(1));
        QVERIFY(work->waitForClosed(soon()));
        QVERIFY(told.count() <= 1);
    }
}

void tst_SilentSteps::worksAreLetGo()
{
    Process process;
    QPointer<Process> kept;
    bool isDestroyed = false;
    {
        const ProcessPtr work = process.go([] {});
        kept = work.get();
        // Of QObject: that goes by itself.
        connect(work.get(), &QObject::destroyed, this, [&] { isDestroyed = true; });
        QVERIFY(work->waitForClosed(soon()));
        QVERIFY(!isDestroyed);
    }
    QTRY_VERIFY(isDestroyed);
    QVERIFY(!kept);
}

void tst_SilentSteps::destroyedBetweenTheSteps()
{
    EventLoopThread home;
    EventLoopThread destroyer;
    const int rounds = underSanitizer ? 100 : 1000;
    for (int i = 0; i < rounds; ++i) {
        Process parent;
        auto child = home.run([] { return std::make_unique<Process>(); });
        QVERIFY(parent.addChild(child.get()));
        parent.close();
        if (i % 2)
            destroyer.run([&] { child.reset(); });
        else
            child.reset();
        QVERIFY(parent.waitForClosed(soon()));
    }
}

void tst_SilentSteps::movedBetweenTheSteps()
{
    EventLoopThread home;
    Process other;
    const auto process = std::make_unique<Process>();
    QVERIFY(process->waitFor(&other));
    process->close();
    deliver();
    process->moveToThread(&home);
    EventLog log;
    QThread *told = nullptr;
    connect(
            process.get(), &Process::closed, process.get(),
            [&] { told = QThread::currentThread(); }, Qt::DirectConnection);
    log.watch(*process, u"moved"_s);
    other.close();
    deliver();
    QVERIFY(log.waitFor(u"closed moved"_s));
    home.flush();
    QCOMPARE(told, static_cast<QThread *>(&home));
    QVERIFY(process->waitForClosed(soon()));
}

void tst_SilentSteps::movedToAndFro()
{
    EventLoopThread elsewhere;
    QThread *const here = QThread::currentThread();
    Process process;
    process.moveToThread(&elsewhere);
    elsewhere.run([&] { process.moveToThread(here); });
    Counter told;
    connect(
            &process, &Process::closed, &process,
            [&] {
                CHECK(QThread::currentThread() == here);
                told.add();
            },
            Qt::DirectConnection);
    process.close();
    QTRY_COMPARE(told.count(), 1);
    QVERIFY(process.isClosed());
}

void tst_SilentSteps::closedElsewhere()
{
    EventLoopThread home;
    constexpr int count = 1000;
    std::vector<std::unique_ptr<Process>> children;
    Process parent;
    home.run([&] {
        for (int i = 0; i < count; ++i)
            children.push_back(std::make_unique<Process>());
    });
    Counter told;
    for (int i = 0; i < count; ++i) {
        QVERIFY(parent.addChild(children[std::size_t(i)].get()));
        if (i % 10 == 0) {
            connect(
                    children[std::size_t(i)].get(), &Process::closed,
                    children[std::size_t(i)].get(),
                    [&] {
                        CHECK(QThread::currentThread() == &home);
                        told.add();
                    },
                    Qt::DirectConnection);
        }
    }
    parent.closeAndWait();
    QCOMPARE(told.count(), count / 10);
    home.run([&] { children.clear(); });
}

QTEST_GUILESS_MAIN(tst_SilentSteps)

#include "tst_silentsteps.moc"
