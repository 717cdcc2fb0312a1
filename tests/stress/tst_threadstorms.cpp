// SPDX-License-Identifier: MIT
// Storms around threads: homes that change and end, pools that are cleared, and slots that wait,
// run event loops and delete. What each asserts holds in every interleaving.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "stormsupport.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QEventLoop>
#include <QTest>
#include <QThread>
#include <QThreadPool>
#include <QTimer>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

using GoProcess::Hold;
using GoProcess::Process;
using GoProcess::ProcessPtr;

using namespace TestSupport;

namespace {

/// Waits in the main thread's event loop, as an application does.
bool closesInEventLoop(Process &process)
{
    QEventLoop loop;
    QTimer::singleShot(patience, &loop, [&loop] { loop.exit(1); });
    QObject::connect(&process, &Process::closed, &loop, [&loop] { loop.exit(0); });
    return process.isClosed() || loop.exec() == 0;
}

} // namespace

class tst_ThreadStorms : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void init();
    void cleanup();

    void moveToThreadUnderClose();
    void destroyRightAfterTheMove();
    void threadFinishUnderClose();
    void poolClearUnderClose();
    void manyShortWorksThroughAClosingTree();
    void nestedEventLoopsInSlots();
    void waitsInSlots();
    void slotsThatDeleteTheSender();
    void slotsThatDeleteReceiversAndParents();
    void aThousandThreadsWaitForOne();

private:
    std::unique_ptr<Watchdog> m_watchdog;
};

void tst_ThreadStorms::initTestCase()
{
    qInstallMessageHandler(handleMessage);
    GoProcess::setCloseWarning(patience); // closes in a storm last
}

void tst_ThreadStorms::init()
{
    m_watchdog = std::make_unique<Watchdog>(QTest::currentTestFunction());
}

void tst_ThreadStorms::cleanup()
{
    m_watchdog.reset();
    TestSupport::verify();
}

namespace {

/// A process that goes to and fro between two threads, and whose steps say where they ran.
class Mover
{
public:
    Mover()
    {
        const auto check = [this] {
            CHECK(m_counted.process.thread() == QThread::currentThread());
        };
        QObject::connect(&process(), &Process::closing, &process(), check, Qt::DirectConnection);
        QObject::connect(&process(), &Process::closed, &process(), check, Qt::DirectConnection);
    }

    Process &process() { return m_counted.process; }
    bool closedOnce() const { return m_counted.closedOnce(); }

    /// Runs in \a here.
    void hop(EventLoopThread &here, EventLoopThread &there, int times, Counter &done)
    {
        process().moveToThread(&there);
        if (times == 0) {
            done.add();
            return;
        }
        there.post([this, &here, &there, times, &done] { hop(there, here, times - 1, done); });
    }

private:
    Counted m_counted;
};

} // namespace

void tst_ThreadStorms::moveToThreadUnderClose()
{
    EventLoopThread first;
    EventLoopThread second;
    play(aWhile, [&] {
        Counter done;
        std::array<Mover, 20> movers;
        Process root;
        for (Mover &mover : movers) {
            QVERIFY(root.addChild(&mover.process()));
            mover.process().moveToThread(&first);
        }
        for (Mover &mover : movers)
            first.post([&] { mover.hop(first, second, 10, done); });
        QVERIFY(done.waitFor(1));
        QVERIFY(!root.closeAndWait());
        QVERIFY(done.waitFor(int(movers.size())));
        QVERIFY(std::all_of(movers.begin(), movers.end(),
                            [](const Mover &mover) { return mover.closedOnce(); }));
        VERIFY_WARNINGS(0);
    });
}

void tst_ThreadStorms::destroyRightAfterTheMove()
{
    EventLoopThread elsewhere;
    play(aWhile, [&] {
        // What the new thread was sent because of the move may still be on its way when the process
        // is Closed, and from then on it may be destroyed.
        std::vector<std::unique_ptr<Counted>> all;
        for (int i = 0; i < 20; ++i)
            all.push_back(std::make_unique<Counted>());
        for (const auto &one : all) {
            one->process.close();
            one->process.moveToThread(&elsewhere);
        }
        for (auto &one : all) {
            QVERIFY(one->process.waitForClosed(soon()));
            QVERIFY(one->closedOnce());
            one.reset();
        }
        VERIFY_WARNINGS(0);
    });
}

void tst_ThreadStorms::threadFinishUnderClose()
{
    // How many warnings there are (R38) depends on which thread is first.
    play(aWhile, [] {
        QThread thread;
        std::array<Counted, 20> children;
        Process root;
        for (Counted &child : children) {
            child.process.moveToThread(&thread);
            QVERIFY(root.addChild(&child.process));
        }
        thread.start();
        {
            // Not from inside, so that what the thread was sent may stay undelivered.
            const Thread quitter([&] { thread.quit(); });
            QVERIFY(!root.closeAndWait());
        }
        QVERIFY(thread.wait(soon()));
        QVERIFY(allClosedOnce(children));
    });
}

void tst_ThreadStorms::poolClearUnderClose()
{
    play(aWhile, [] {
        QThreadPool pool;
        pool.setMaxThreadCount(2);
        std::atomic<bool> over = false;
        std::atomic<int> ran = 0;
        std::vector<ProcessPtr> works;
        Process root;
        root.setThreadPool(&pool);
        {
            const Thread clearer([&] {
                while (!over)
                    pool.clear();
            });
            for (int i = 0; i < 100; ++i)
                works.push_back(root.go([&] { ++ran; }));
            QVERIFY(!root.closeAndWait());
            over = true;
        }
        int dropped = 0;
        for (const ProcessPtr &work : works) {
            QVERIFY(work->isClosed());
            dropped += work->error() ? 1 : 0;
        }
        QCOMPARE(ran + dropped, int(works.size()));
        QCOMPARE(root.treeErrorCount(), dropped);
        VERIFY_WARNINGS(0);
    });
}

void tst_ThreadStorms::manyShortWorksThroughAClosingTree()
{
    // As many as take a second, unless the environment wants more: tests/README.md.
    const int count = qEnvironmentVariableIsSet("GOPROCESS_STORM_WORKS")
            ? qEnvironmentVariableIntValue("GOPROCESS_STORM_WORKS")
            : 100'000;
    std::atomic<int> ran = 0;
    std::atomic<int> sawClosing = 0;
    warnings = 0;
    std::array<Counted, 10> branches;
    Process root;
    std::vector<Hold> holds;
    for (Counted &branch : branches) {
        QVERIFY(root.addChild(&branch.process));
        holds.push_back(branch.process.hold());
    }
    const auto fill = [&](std::size_t part) {
        for (int i = 0; i < count / 2; ++i) {
            CHECK(branches[(part + std::size_t(i)) % branches.size()].process.go(
                    [&](Process &self) {
                        ++ran;
                        sawClosing += self.isClosing() ? 1 : 0;
                    }));
        }
    };
    // One half while the tree begins to close, the other after that.
    {
        const Thread filler([&] { fill(0); });
        root.close();
    }
    fill(1);
    holds.clear();
    QVERIFY(root.waitForClosed(soon()));
    QCOMPARE(ran, count);
    QVERIFY(sawClosing >= count / 2);
    QVERIFY(allClosedOnce(branches));
    VERIFY_WARNINGS(0);
}

void tst_ThreadStorms::nestedEventLoopsInSlots()
{
    play(aWhile, [] {
        std::array<Counted, 50> children;
        Counted root;
        for (Counted &child : children) {
            QVERIFY(root.process.addChild(&child.process));
            const auto nest = [] {
                QEventLoop loop;
                QMetaObject::invokeMethod(&loop, &QEventLoop::quit, Qt::QueuedConnection);
                loop.exec();
            };
            QObject::connect(&child.process, &Process::closing, &child.process, nest);
            QObject::connect(&child.process, &Process::closed, &child.process, nest);
        }
        Thread([&] { root.process.close(); }).join();
        QVERIFY(closesInEventLoop(root.process));
        // The loop may have ended inside a slot of another process.
        QVERIFY(root.process.waitForClosed(soon()));
        QVERIFY(root.closedOnce());
        QVERIFY(allClosedOnce(children));
        VERIFY_WARNINGS(0);
    });
}

void tst_ThreadStorms::waitsInSlots()
{
    EventLoopThread elsewhere;
    play(aWhile, [&] {
        // Each closes another one, and waits for it, in its slot.
        std::array<Counted, 30> inner;
        std::array<Counted, 30> outer;
        Process root;
        for (std::size_t i = 0; i < outer.size(); ++i) {
            Process &target = inner[i].process;
            if (i % 2)
                target.moveToThread(&elsewhere);
            QObject::connect(&outer[i].process, &Process::closing, &outer[i].process,
                             [&target] { CHECK(!target.closeAndWait()); });
            QVERIFY(root.addChild(&outer[i].process));
        }
        QVERIFY(!root.closeAndWait());
        QVERIFY(allClosedOnce(inner));
        QVERIFY(allClosedOnce(outer));
        VERIFY_WARNINGS(0);
    });
}

void tst_ThreadStorms::slotsThatDeleteTheSender()
{
    play(aWhile, [] {
        constexpr std::size_t count = 120;
        std::array<std::atomic<int>, count> teardowns {};
        int destroyed = 0;
        QObject receiver;
        Process root;
        for (std::size_t i = 0; i < count; ++i) {
            auto *const process = new Process([&teardowns, i] { ++teardowns[i]; });
            QObject::connect(process, &QObject::destroyed, &receiver, [&] { ++destroyed; });
            QVERIFY(root.addChild(process));
            const auto remove = [process] { delete process; };
            switch (i % 4) {
            case 0:
                QObject::connect(process, &Process::closing, &receiver, remove);
                break;
            case 1:
                QObject::connect(process, &Process::closed, &receiver, remove);
                break;
            case 2:
                QObject::connect(process, &Process::stateChanged, &receiver,
                                 [process](Process::State state) {
                                     if (state == Process::State::Closed)
                                         delete process;
                                 });
                break;
            default:
                QObject::connect(process, &Process::closed, process, &QObject::deleteLater);
                break;
            }
        }
        Thread([&] { root.close(); }).join();
        QVERIFY(closesInEventLoop(root));
        QTRY_COMPARE(destroyed, int(count));
        QVERIFY(std::all_of(teardowns.begin(), teardowns.end(),
                            [](const std::atomic<int> &teardown) { return teardown == 1; }));
        VERIFY_WARNINGS(0);
    });
}

void tst_ThreadStorms::slotsThatDeleteReceiversAndParents()
{
    play(aWhile, [] {
        constexpr std::size_t count = 40;
        std::array<std::atomic<int>, count> teardowns {};
        Process root;
        for (std::size_t i = 0; i < count; ++i) {
            // A process whose slots delete what else listens to it, and the QObject that owns it.
            auto *const owner = new QObject;
            auto *const receiver = new QObject;
            auto *const process = new Process([&teardowns, i] { ++teardowns[i]; }, owner);
            QVERIFY(root.addChild(process));
            QObject::connect(process, &Process::closing, process, [receiver] { delete receiver; });
            QObject::connect(process, &Process::closing, receiver, [] {
                TestSupport::fail(QStringLiteral("A slot of a receiver that is gone ran"));
            });
            const auto remove = [owner] { delete owner; };
            if (i % 2)
                QObject::connect(process, &Process::closing, owner, remove);
            else
                QObject::connect(process, &Process::closed, owner, remove);
        }
        Thread([&] { root.close(); }).join();
        QVERIFY(closesInEventLoop(root));
        QVERIFY(std::all_of(teardowns.begin(), teardowns.end(),
                            [](const std::atomic<int> &teardown) { return teardown == 1; }));
        VERIFY_WARNINGS(0);
    });
}

void tst_ThreadStorms::aThousandThreadsWaitForOne()
{
    constexpr int count = 1000;
    warnings = 0;
    Counter waiting;
    std::atomic<int> closing = 0;
    std::atomic<int> closed = 0;
    Counted root;
    Counted child;
    QVERIFY(root.process.addChild(&child.process));
    {
        std::vector<Thread> threads;
        threads.reserve(count);
        for (int i = 0; i < count; ++i) {
            threads.emplace_back([&, i] {
                waiting.add();
                if (i % 2)
                    closing += root.process.waitForClosing(soon()) ? 1 : 0;
                closed += root.process.waitForClosed(soon()) ? 1 : 0;
            });
        }
        QVERIFY(waiting.waitFor(count / 2)); // while others are still coming
        root.process.close();
        QVERIFY(root.process.waitForClosed(soon()));
    }
    QCOMPARE(closing, count / 2);
    QCOMPARE(closed, count);
    QVERIFY(root.closedOnce());
    QVERIFY(child.closedOnce());
    VERIFY_WARNINGS(0);
}

QTEST_GUILESS_MAIN(tst_ThreadStorms)

#include "tst_threadstorms.moc"
