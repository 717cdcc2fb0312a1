// SPDX-License-Identifier: MIT
// Destruction, owners and holds (R41 to R44, R46, R47). Each test is named after its rule.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "rulesupport.h"
#include "support/eventlog.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QDeadlineTimer>
#include <QFuture>
#include <QPointer>
#include <QTest>
#include <QThread>

#include <array>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

using namespace TestSupport;
using GoProcess::Error;
using GoProcess::Hold;
using GoProcess::Process;
using GoProcess::ProcessPtr;

namespace {

/// What a subclass may look like: its teardown needs its members (R47).
class Database : public Process
{
    Q_OBJECT

public:
    explicit Database(EventLog &log, QObject *parent = nullptr)
        : Process(parent),
          m_member(atDestruction([&log] { log.add(QStringLiteral("members gone")); }))
    {
        setTeardown([this, &log] {
            log.add(m_member.use_count() == 1 ? QStringLiteral("teardown")
                                              : QStringLiteral("broken"));
        });
    }

private:
    std::shared_ptr<void> m_member;
};

/// A subclass that closes itself, as R47 demands.
class ClosingDatabase : public Database
{
    Q_OBJECT

public:
    using Database::Database;
    ~ClosingDatabase() override { closeAndWait(); }
};

/// A class that has a process, as R47 demands.
class Composed
{
public:
    explicit Composed(EventLog &log)
        : m_member(atDestruction([&log] { log.add(QStringLiteral("members gone")); })),
          m_process([this, &log] {
              log.add(m_member.use_count() == 1 ? QStringLiteral("teardown")
                                                : QStringLiteral("broken"));
          })
    {
    }

private:
    std::shared_ptr<void> m_member;
    Process m_process;
};

} // namespace

class tst_Lifetime : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void r41_theDestructorClosesAndWaits();
    void r41_theDestructorDeliversNoEvents();

    void r42_processesMayBeDestroyedInAnyOrder();
    void r42_aProcessMayBeDestroyedWhileThreadsWaitForIt();
    void r42_futuresOutliveTheProcess();

    void r43_aProcessMayBeDeletedInItsClosingSlot();
    void r43_aProcessMayBeDeletedInItsClosedSlot();
    void r43_aProcessMayBeDeletedInItsStateChangedSlot_data();
    void r43_aProcessMayBeDeletedInItsStateChangedSlot();
    void r43_anotherThreadMayDeleteRightAfterItsWait();
    void r43_aChildMayBeDeletedInTheTeardownOfItsParent();

    void r44_aProcessParentMakesAChildAndOwnsIt();
    void r44_anotherParentOnlyOwns();
    void r44_aParentInAnotherThreadOwnsNothing();
    void r44_aClosingParentClosesTheNewProcessAndWaitsForIt();
    void r44_aNewProcessWhoseEdgeIsRefusedIsClosed();
    void r44_setParentMakesNoEdge();

    void r46_teardownDoesNotBeginWhileAHoldLives();
    void r46_aHoldOfAClosingProcessIsValidUntilItsTeardownBegins();
    void r46_aHoldMoves();
    void r46_aHoldIsReleasedOnceAndInAnyThread();
    void r46_aReleasedHoldDoesNotClose();

    void r47_aProcessThatIsTheLastMemberClosesBeforeTheOthersGo();
    void r47_aSubclassThatClosesInItsDestructorNeedsNoMessage();
    void r47_closingClosesBeforeTheMembersGo();
    void r47_aSubclassWithoutATeardownNeedsNoMessage();
};

// R41: the destructor

void tst_Lifetime::r41_theDestructorClosesAndWaits()
{
    EventLoopThread thread;
    EventLog log;
    Process child(log.teardown(QStringLiteral("child")));
    child.moveToThread(&thread);
    ProcessPtr work;
    {
        Process root(log.teardown(QStringLiteral("root")));
        log.watch(root, QStringLiteral("root"));
        root.addChild(&child);
        work = root.go([](Process &self) { self.waitForClosing(); });
    }
    QVERIFY(child.isClosed());
    QVERIFY(work->isClosed());
    QVERIFY(log.inOrder(QStringLiteral("closing root"), QStringLiteral("teardown root")));
    QVERIFY(log.inOrder(QStringLiteral("teardown child"), QStringLiteral("teardown root")));
    QVERIFY(log.inOrder(QStringLiteral("teardown root"), QStringLiteral("closed root")));
}

void tst_Lifetime::r41_theDestructorDeliversNoEvents()
{
    Bystander bystander;
    {
        Process root;
        root.go([](Process &self) { self.waitForClosing(); });
        bystander.expectAll();
    }
    QCOMPARE(bystander.all(), 0);
    QTRY_VERIFY(bystander.timers > 0 && bystander.posted > 0 && bystander.calls > 0);
}

// R42: edges never dangle

void tst_Lifetime::r42_processesMayBeDestroyedInAnyOrder()
{
    std::array<std::size_t, 4> order { 0, 1, 2, 3 };
    do {
        std::array<int, 4> teardowns {};
        std::array<std::unique_ptr<Process>, 4> processes;
        for (std::size_t i = 0; i < 4; ++i)
            processes[i] = std::make_unique<Process>([&teardowns, i] { ++teardowns[i]; });
        // A diamond, and a closing edge back to its top.
        QVERIFY(processes[0]->addChild(processes[1].get()));
        QVERIFY(processes[0]->addChild(processes[2].get()));
        QVERIFY(processes[1]->addChild(processes[3].get()));
        QVERIFY(processes[2]->addChild(processes[3].get()));
        QVERIFY(processes[3]->addChildNoWait(processes[0].get()));
        for (const std::size_t i : order)
            processes[i].reset();
        QCOMPARE(teardowns, (std::array { 1, 1, 1, 1 }));
    } while (std::next_permutation(order.begin(), order.end()));
}

void tst_Lifetime::r42_aProcessMayBeDestroyedWhileThreadsWaitForIt()
{
    Counter waiting;
    auto process = std::make_unique<Process>();
    std::vector<Thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&waiting, target = process.get()] {
            // A step of this thread runs only in a wait, so it tells that the wait has begun.
            Process marker;
            QObject::connect(&marker, &Process::closing, &marker, [&] { waiting.add(); });
            marker.close();
            CHECK(target->waitForClosed(soon()));
        });
    }
    QVERIFY(waiting.waitFor(8));
    process.reset();
}

void tst_Lifetime::r42_futuresOutliveTheProcess()
{
    QFuture<void> closing;
    QFuture<Error> closed;
    {
        const Process process([] { return Error(QStringLiteral("failed")); });
        closing = process.whenClosing();
        closed = process.whenClosed();
        QVERIFY(!closing.isFinished());
        QVERIFY(!closed.isFinished());
    }
    QVERIFY(closing.isFinished());
    QVERIFY(closed.isFinished());
    QCOMPARE(closed.result().message(), QStringLiteral("failed"));
}

// R43: deletion in slots

void tst_Lifetime::r43_aProcessMayBeDeletedInItsClosingSlot()
{
    EventLog log;
    Process root;
    auto *const process = new Process(log.teardown(QStringLiteral("process")));
    root.addChild(process);
    QObject::connect(process, &Process::closing, &root, [&log, process] {
        log.add(QStringLiteral("first slot"));
        delete process;
        log.add(QStringLiteral("deleted"));
    });
    QObject::connect(process, &Process::closing, &root,
                     [&log] { log.add(QStringLiteral("second slot")); });
    QObject::connect(process, &Process::closed, &root,
                     [&log] { log.add(QStringLiteral("closed")); });
    QVERIFY(!root.closeAndWait());
    QVERIFY(log.compare({ QStringLiteral("first slot"), QStringLiteral("teardown process"),
                          QStringLiteral("closed"), QStringLiteral("deleted") }));
}

void tst_Lifetime::r43_aProcessMayBeDeletedInItsClosedSlot()
{
    EventLog log;
    Process root;
    auto *const process = new Process(log.teardown(QStringLiteral("process")));
    root.addChild(process);
    const QFuture<Error> future = process->whenClosed();
    QObject::connect(process, &Process::closed, &root, [&log, process] {
        log.add(QStringLiteral("closed"));
        delete process;
        log.add(QStringLiteral("deleted"));
    });
    QVERIFY(!root.closeAndWait());
    QVERIFY(log.compare({ QStringLiteral("teardown process"), QStringLiteral("closed"),
                          QStringLiteral("deleted") }));
    QVERIFY(future.isFinished());
}

void tst_Lifetime::r43_aProcessMayBeDeletedInItsStateChangedSlot_data()
{
    QTest::addColumn<Process::State>("state");
    QTest::newRow("closing") << Process::State::Closing;
    QTest::newRow("closed") << Process::State::Closed;
}

void tst_Lifetime::r43_aProcessMayBeDeletedInItsStateChangedSlot()
{
    QFETCH(const Process::State, state);
    EventLog log;
    Process root;
    auto *const process = new Process(log.teardown(QStringLiteral("process")));
    root.addChild(process);
    const QFuture<Error> future = process->whenClosed();
    QObject::connect(process, &Process::stateChanged, &root,
                     [&log, process, state](Process::State now) {
                         if (now != state)
                             return;
                         delete process;
                         log.add(QStringLiteral("deleted"));
                     });
    QVERIFY(!root.closeAndWait());
    QVERIFY(log.compare({ QStringLiteral("teardown process"), QStringLiteral("deleted") }));
    QVERIFY(future.isFinished());
}

void tst_Lifetime::r43_anotherThreadMayDeleteRightAfterItsWait()
{
    for (int i = 0; i < 100; ++i) {
        Process root;
        auto *const process = new Process;
        root.addChild(process);
        const Thread deleter([process] {
            CHECK(process->waitForClosed(soon()));
            delete process;
        });
        QVERIFY(!root.closeAndWait());
    }
}

void tst_Lifetime::r43_aChildMayBeDeletedInTheTeardownOfItsParent()
{
    EventLog log;
    Process root;
    auto *const child = new Process(log.teardown(QStringLiteral("child")));
    root.addChild(child);
    root.setTeardown([&, child] {
        delete child;
        log.add(QStringLiteral("deleted"));
    });
    QVERIFY(!root.closeAndWait());
    QVERIFY(log.compare({ QStringLiteral("teardown child"), QStringLiteral("deleted") }));
}

// R44: QObject parents

void tst_Lifetime::r44_aProcessParentMakesAChildAndOwnsIt()
{
    EventLog log;
    QPointer<Process> child;
    {
        Process root(log.teardown(QStringLiteral("root")));
        root.setName(QStringLiteral("root"));
        child = new Process(log.teardown(QStringLiteral("child")), &root);
        child->setName(QStringLiteral("child"));
        QCOMPARE(child->parent(), &root);
        QCOMPARE(child->path(), QStringLiteral("/root/child"));
        root.close();
        QVERIFY(child->isClosing());
        QVERIFY(root.waitForClosed(soon()));
        QVERIFY(child->isClosed());
        QVERIFY(log.compare({ QStringLiteral("teardown child"), QStringLiteral("teardown root") }));
    }
    QVERIFY(!child);
}

void tst_Lifetime::r44_anotherParentOnlyOwns()
{
    EventLog log;
    Process root;
    QPointer<Process> process;
    {
        QObject owner(&root);
        process = new Process(log.teardown(QStringLiteral("process")), &owner);
        QCOMPARE(process->parent(), &owner);
        QVERIFY(!root.closeAndWait());
        QVERIFY(!process->isClosing()); // there is no edge, not even by way of the owner
    }
    QVERIFY(!process);
    QVERIFY(log.compare({ QStringLiteral("teardown process") }));
}

void tst_Lifetime::r44_aParentInAnotherThreadOwnsNothing()
{
    EventLoopThread thread;
    StepThreads steps;
    Process root;
    root.moveToThread(&thread);
    Process child(&root);
    steps.watch(child);
    QVERIFY(!child.parent());
    QCOMPARE(child.thread(), QThread::currentThread());
    root.close();
    QVERIFY(child.isClosing());
    QVERIFY(root.waitForClosed(soon()));
    QVERIFY(child.isClosed());
    QVERIFY(steps.are(3, QThread::currentThread()));
}

void tst_Lifetime::r44_aClosingParentClosesTheNewProcessAndWaitsForIt()
{
    Process root;
    Hold hold = root.hold();
    root.close();
    const Process child(&root);
    QVERIFY(child.isClosing());
    hold.release();
    QVERIFY(root.waitForClosed(soon()));
    QVERIFY(child.isClosed());
}

void tst_Lifetime::r44_aNewProcessWhoseEdgeIsRefusedIsClosed()
{
    Process root;
    root.setName(QStringLiteral("root"));
    QVERIFY(!root.closeAndWait());
    const ExpectWarning warning(naming({ &root }));
    Process child(&root);
    QVERIFY(child.isClosing());
    QVERIFY(child.waitForClosed(soon()));
}

void tst_Lifetime::r44_setParentMakesNoEdge()
{
    Process root;
    Process child;
    child.setParent(&root);
    QVERIFY(!root.closeAndWait()); // so there is nothing to wait for either
    QVERIFY(!child.isClosing());
    child.setParent(nullptr);
}

// R46: holds

void tst_Lifetime::r46_teardownDoesNotBeginWhileAHoldLives()
{
    EventLog log;
    Process process(log.teardown(QStringLiteral("process")));
    log.watch(process, QStringLiteral("process"));
    Hold first = process.hold();
    Hold second = process.hold();
    QVERIFY(first && first.isValid());
    process.close();
    QVERIFY(!process.waitForClosed(QDeadlineTimer(10)));
    first.release();
    QVERIFY(!process.waitForClosed(QDeadlineTimer(10)));
    QVERIFY(log.compare({ QStringLiteral("closing process") }));
    second.release();
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(log.compare({ QStringLiteral("closing process"), QStringLiteral("teardown process"),
                          QStringLiteral("closed process") }));
}

void tst_Lifetime::r46_aHoldOfAClosingProcessIsValidUntilItsTeardownBegins()
{
    Process process;
    process.setName(QStringLiteral("process"));
    QObject::connect(&process, &Process::closing, &process,
                     [&] { CHECK(process.hold().isValid()); });
    process.setTeardown([&] { CHECK(!process.hold().isValid()); });
    const ExpectWarning warning(naming({ &process }), 2);
    QVERIFY(!process.closeAndWait());
    const Hold late = process.hold();
    QVERIFY(!late && !late.isValid());
}

void tst_Lifetime::r46_aHoldMoves()
{
    static_assert(!std::is_copy_constructible_v<Hold> && !std::is_copy_assignable_v<Hold>);
    static_assert(
            std::is_nothrow_move_constructible_v<Hold> && std::is_nothrow_move_assignable_v<Hold>);
    static_assert(std::is_nothrow_default_constructible_v<Hold>);

    Process process;
    Process other;
    Hold target = other.hold();
    {
        Hold source = process.hold();
        target = std::move(source);
        QVERIFY(!source.isValid()); // NOLINT(bugprone-use-after-move): invalid is what it is now
    }
    QVERIFY(target.isValid());
    QVERIFY(!other.closeAndWait()); // what the target held before is released
    process.close();
    QVERIFY(!process.waitForClosed(QDeadlineTimer(10)));
    target = Hold();
    QVERIFY(process.waitForClosed(soon()));
}

void tst_Lifetime::r46_aHoldIsReleasedOnceAndInAnyThread()
{
    Process process;
    Hold hold = process.hold();
    Hold remaining = process.hold();
    Thread([&] {
        hold.release();
        hold.release();
    }).join();
    QVERIFY(!hold.isValid());
    process.close();
    QVERIFY(!process.waitForClosed(QDeadlineTimer(10)));
    const Thread releaser(
            [last = std::make_shared<GoProcess::Hold>(std::move(remaining))] { last->release(); });
    QVERIFY(process.waitForClosed(soon()));
}

void tst_Lifetime::r46_aReleasedHoldDoesNotClose()
{
    Process process;
    process.hold().release();
    QVERIFY(!process.waitForClosing(QDeadlineTimer(10)));
}

// R47: composition and inheritance

void tst_Lifetime::r47_aProcessThatIsTheLastMemberClosesBeforeTheOthersGo()
{
    EventLog log;
    {
        const Composed composed(log);
    }
    QVERIFY(log.compare({ QStringLiteral("teardown"), QStringLiteral("members gone") }));
}

void tst_Lifetime::r47_aSubclassThatClosesInItsDestructorNeedsNoMessage()
{
    EventLog log;
    {
        const ClosingDatabase database(log);
    }
    QVERIFY(log.compare({ QStringLiteral("teardown"), QStringLiteral("members gone") }));
}

void tst_Lifetime::r47_closingClosesBeforeTheMembersGo()
{
    static_assert(std::is_final_v<GoProcess::Closing<Database>>);
    EventLog log;
    {
        const GoProcess::Closing<Database> database(log);
    }
    QVERIFY(log.compare({ QStringLiteral("teardown"), QStringLiteral("members gone") }));
    log.take();
    {
        Process root;
        new GoProcess::Closing<Database>(log, &root);
    }
    QVERIFY(log.compare({ QStringLiteral("teardown"), QStringLiteral("members gone") }));
}

void tst_Lifetime::r47_aSubclassWithoutATeardownNeedsNoMessage()
{
    class Plain : public Process
    {
    };
    const Plain plain;
    QVERIFY(!plain.isClosing());
}

QTEST_GUILESS_MAIN(tst_Lifetime)

#include "tst_lifetime.moc"
