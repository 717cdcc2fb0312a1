// SPDX-License-Identifier: MIT
// Storms: everything that threads may do to a process at once, again and again. What each asserts
// holds in every interleaving: every closed() once, every teardown once, and nothing hangs.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/messages.h"
#include "support/sanitizers.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QDeadlineTimer>
#include <QEventLoop>
#include <QFuture>
#include <QObject>
#include <QProcess>
#include <QString>
#include <QStringList>
#include <QTest>
#include <QThread>
#include <QThreadPool>
#include <QTimer>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

using GoProcess::Error;
using GoProcess::Hold;
using GoProcess::Process;
using GoProcess::ProcessPtr;

using TestSupport::Counter;
using TestSupport::EventLoopThread;
using TestSupport::patience;
using TestSupport::soon;
using TestSupport::Thread;

namespace {

/// Aborts the program with a message if a test takes longer than a minute.
class Watchdog
{
public:
    explicit Watchdog(const char *test)
        : m_thread([this, test] {
              std::unique_lock lock(m_mutex);
              if (m_changed.wait_for(lock, std::chrono::seconds(60), [&] { return m_done; }))
                  return;
              std::fprintf(stderr, "%s hangs\n", test);
              std::abort();
          })
    {
    }
    Q_DISABLE_COPY_MOVE(Watchdog)
    ~Watchdog()
    {
        const std::lock_guard lock(m_mutex);
        m_done = true;
        m_changed.notify_all();
    }

private:
    std::mutex m_mutex;
    std::condition_variable m_changed;
    bool m_done = false;
    Thread m_thread; // the last member: joined first, after the destructor has let it go
};

/// How many warnings the library gave: one for each refusal (R15). Others fail the test.
std::atomic<int> warnings = 0;
struct LastWarning
{
    std::mutex mutex;
    QString text;
};
LastWarning &lastWarning()
{
    static LastWarning last;
    return last;
}

/// For those who expected none, or another number.
QString describeWarnings()
{
    const std::lock_guard lock(lastWarning().mutex);
    return QStringLiteral("%1 warnings; the last one: %2")
            .arg(warnings.load())
            .arg(lastWarning().text);
}

/// Fails the test unless the library gave as many warnings as that.
#define VERIFY_WARNINGS(count) QVERIFY2(warnings == (count), qPrintable(describeWarnings()))

void handleMessage(QtMsgType type, const QMessageLogContext &context, const QString &text)
{
    // What says that a wait takes too long (R37) is no refusal, and a sanitizer makes it take long.
    const bool isLong = text.contains(QStringLiteral("event loop"));
    if (type == QtWarningMsg && std::strcmp(context.category, "goprocess") == 0 && !isLong) {
        ++warnings;
        const std::lock_guard lock(lastWarning().mutex);
        lastWarning().text = text;
        return;
    }
    std::fprintf(stderr, "%s\n", qPrintable(qFormatLogMessage(type, context, text)));
    if ((type == QtWarningMsg && !(isLong && TestSupport::underSanitizer)) || type == QtCriticalMsg)
        TestSupport::fail(QStringLiteral("Unexpected warning: ") + text);
}

/// A process that counts its steps.
class Counted
{
public:
    Counted()
    {
        QObject::connect(
                &process, &Process::closing, &process, [this] { ++m_closing; },
                Qt::DirectConnection);
        QObject::connect(
                &process, &Process::closed, &process, [this] { ++m_closed; }, Qt::DirectConnection);
        process.setTeardown([this] { ++m_teardown; });
    }
    Q_DISABLE_COPY_MOVE(Counted)

    bool closedOnce() const
    {
        return process.isClosed() && m_closing == 1 && m_teardown == 1 && m_closed == 1;
    }
    bool isUntouched() const
    {
        return !process.isClosing() && m_closing == 0 && m_teardown == 0 && m_closed == 0;
    }

private:
    std::atomic<int> m_closing = 0;
    std::atomic<int> m_teardown = 0;
    std::atomic<int> m_closed = 0;

public:
    Process process; ///< The last member, as R47 demands.
};

/// Plays \a round again and again for about that long, until something failed.
template<class Round>
void play(std::chrono::milliseconds duration, Round &&round)
{
    const QDeadlineTimer end(duration);
    do {
        warnings = 0;
        round();
    } while (!end.hasExpired() && !QTest::currentTestFailed());
}

constexpr std::chrono::milliseconds aWhile { 600 };

/// Waits in the main thread's event loop, as an application does.
bool closesInEventLoop(Process &process)
{
    QEventLoop loop;
    QTimer::singleShot(patience, &loop, [&loop] { loop.exit(1); });
    QObject::connect(&process, &Process::closed, &loop, [&loop] { loop.exit(0); });
    return process.isClosed() || loop.exec() == 0;
}

template<class Container>
bool allClosedOnce(const Container &all)
{
    return std::all_of(all.begin(), all.end(), [](const Counted &one) { return one.closedOnce(); });
}

} // namespace

class Storms : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void init();
    void cleanup();

    void closeAgainstAdd();
    void closeAgainstAddWithoutWaiting();
    void closeAgainstDestroy();
    void closeAgainstClose();
    void closeAgainstGo();
    void closeAgainstHold();
    void closeAfterChildrenAgainstAdd();
    void edgesAgainstEdges();
    void waitAgainstEverything();
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
    void aProgramFromItsBeginningToItsEnd();

private:
    std::unique_ptr<Watchdog> m_watchdog;
};

void Storms::initTestCase()
{
    qInstallMessageHandler(handleMessage);
    GoProcess::setCloseWarning(TestSupport::patience); // closes in a storm last
}

void Storms::init()
{
    m_watchdog = std::make_unique<Watchdog>(QTest::currentTestFunction());
}

void Storms::cleanup()
{
    m_watchdog.reset();
    TestSupport::verify();
}

void Storms::closeAgainstAdd()
{
    play(aWhile, [] {
        std::array<Counted, 64> children;
        std::array<std::atomic<bool>, 64> accepted {};
        Process root;
        {
            std::vector<Thread> threads;
            for (std::size_t part = 0; part < 2; ++part) {
                threads.emplace_back([&, part] {
                    for (std::size_t i = part; i < children.size(); i += 2)
                        accepted[i] = root.addChild(&children[i].process);
                });
            }
            threads.emplace_back([&] { root.close(); });
            QVERIFY(root.waitForClosed(soon()));
        }
        int refused = 0;
        for (std::size_t i = 0; i < children.size(); ++i) {
            QVERIFY(accepted[i] ? children[i].closedOnce() : children[i].isUntouched());
            refused += accepted[i] ? 0 : 1;
        }
        VERIFY_WARNINGS(refused);
    });
}

void Storms::closeAgainstAddWithoutWaiting()
{
    play(aWhile, [] {
        std::array<Counted, 64> children;
        Process root;
        {
            const Thread adder([&] {
                for (Counted &child : children)
                    CHECK(root.addChildNoWait(&child.process));
            });
            const Thread closer([&] { root.close(); });
            QVERIFY(root.waitForClosed(soon()));
        }
        for (Counted &child : children) {
            QVERIFY(child.process.isClosing());
            QVERIFY(child.process.waitForClosed(soon()));
        }
        QVERIFY(allClosedOnce(children));
        VERIFY_WARNINGS(0);
    });
}

void Storms::closeAgainstDestroy()
{
    play(aWhile, [] {
        Counter made;
        std::atomic<int> refused = 0;
        Process root;
        {
            std::vector<Thread> threads;
            for (int i = 0; i < 3; ++i) {
                threads.emplace_back([&] {
                    while (!root.isClosed()) {
                        Counted child;
                        refused += root.addChild(&child.process) ? 0 : 1;
                        made.add();
                        if (made.count() % 2)
                            CHECK(!child.process.closeAndWait());
                        // Destroyed while the root may close it, in the thread that is its home.
                    }
                });
            }
            QVERIFY(made.waitFor(50));
            QVERIFY(!root.closeAndWait());
        }
        VERIFY_WARNINGS(refused.load());
    });
}

void Storms::closeAgainstClose()
{
    play(aWhile, [] {
        std::array<Counted, 40> processes; // each the child of the one before, and of the first
        for (std::size_t i = 1; i < processes.size(); ++i) {
            QVERIFY(processes[i - 1].process.addChild(&processes[i].process));
            QVERIFY(processes[0].process.addChild(&processes[i].process));
        }
        {
            std::vector<Thread> threads;
            for (std::size_t part = 0; part < 4; ++part) {
                threads.emplace_back([&, part] {
                    for (std::size_t i = processes.size(); i-- > 0;) {
                        Process &process = processes[(i + 10 * part) % processes.size()].process;
                        process.close();
                        CHECK(process.isClosing());
                    }
                });
            }
            QVERIFY(processes[0].process.waitForClosed(soon()));
        }
        QVERIFY(allClosedOnce(processes));
        VERIFY_WARNINGS(0);
    });
}

void Storms::closeAgainstGo()
{
    play(aWhile, [] {
        Counter accepted;
        std::atomic<int> ran = 0;
        std::atomic<int> refused = 0;
        Process root;
        {
            std::vector<Thread> threads;
            for (int i = 0; i < 3; ++i) {
                threads.emplace_back([&] {
                    // Bounded, as a process that gets works faster than it does them never ends.
                    for (int work = 0; work < 500; ++work) {
                        if (!root.go([&] { ++ran; })) {
                            ++refused;
                            return;
                        }
                        accepted.add();
                    }
                });
            }
            QVERIFY(accepted.waitFor(50));
            QVERIFY(!root.closeAndWait());
        }
        QCOMPARE(ran, accepted.count());
        VERIFY_WARNINGS(refused.load());
    });
}

void Storms::closeAgainstHold()
{
    play(aWhile, [] {
        Counter held;
        std::atomic<int> alive = 0;
        std::atomic<int> refused = 0;
        Process root([&] { CHECK(alive == 0); });
        {
            std::vector<Thread> threads;
            for (int i = 0; i < 3; ++i) {
                threads.emplace_back([&] {
                    for (int n = 0; n < 2000; ++n) {
                        Hold hold = root.hold();
                        if (!hold) {
                            ++refused;
                            return;
                        }
                        ++alive;
                        held.add();
                        --alive;
                        hold.release();
                    }
                });
            }
            QVERIFY(held.waitFor(50));
            QVERIFY(!root.closeAndWait());
        }
        VERIFY_WARNINGS(refused.load());
    });
}

void Storms::closeAfterChildrenAgainstAdd()
{
    play(aWhile, [] {
        std::array<Counted, 32> children;
        std::array<std::atomic<bool>, 32> accepted {};
        Counted root;
        {
            const Thread adder([&] {
                for (std::size_t i = 0; i < children.size(); ++i) {
                    accepted[i] = root.process.addChild(&children[i].process);
                    children[i].process.close();
                }
            });
            const Thread closer([&] { root.process.closeAfterChildren(); });
            QVERIFY(root.process.waitForClosed(soon()));
        }
        int refused = 0;
        for (std::size_t i = 0; i < children.size(); ++i) {
            QVERIFY(!accepted[i] || children[i].closedOnce());
            QVERIFY(children[i].process.waitForClosed(soon()));
            refused += accepted[i] ? 0 : 1;
        }
        QVERIFY(allClosedOnce(children));
        QVERIFY(root.closedOnce());
        VERIFY_WARNINGS(refused);
    });
}

void Storms::edgesAgainstEdges()
{
    play(aWhile, [] {
        // Each thread adds a part of a ring: exactly one edge has to be refused.
        std::array<Process, 60> ring;
        std::atomic<int> accepted = 0;
        {
            std::vector<Thread> threads;
            for (std::size_t part = 0; part < 3; ++part) {
                threads.emplace_back([&, part] {
                    for (std::size_t i = part; i < ring.size(); i += 3)
                        accepted += ring[i].addChild(&ring[(i + 1) % ring.size()]) ? 1 : 0;
                });
            }
        }
        QCOMPARE(accepted, int(ring.size()) - 1);
        VERIFY_WARNINGS(1);
        for (Process &process : ring)
            process.close();
        for (Process &process : ring)
            QVERIFY(process.waitForClosed(soon()));
    });
}

void Storms::waitAgainstEverything()
{
    EventLoopThread elsewhere;
    play(aWhile, [&] {
        std::array<Counted, 20> children;
        Counted root;
        const QFuture<Error> early = root.process.whenClosed();
        {
            std::vector<Thread> threads;
            for (int i = 0; i < 24; ++i) {
                threads.emplace_back([&, i] {
                    Process &process = i % 3 ? root.process
                                             : children[std::size_t(i) % children.size()].process;
                    if (i % 4 == 0) {
                        QFuture<Error> future = process.whenClosed();
                        CHECK(!future.result());
                    } else if (i % 4 == 1) {
                        // By short waits, most of which pass in vain.
                        while (!process.waitForClosed(QDeadlineTimer(1))) { }
                    } else {
                        CHECK(process.waitForClosing(soon()));
                        CHECK(process.waitForClosed(soon()));
                    }
                    CHECK(process.isClosed());
                });
            }
            for (std::size_t i = 0; i < children.size(); ++i) {
                if (i % 2)
                    children[i].process.moveToThread(&elsewhere);
                QVERIFY(root.process.addChild(&children[i].process));
                root.process.go([](Process &self) { self.waitForClosing(); });
            }
            threads.emplace_back([&] { CHECK(!root.process.closeAndWait()); });
            QVERIFY(root.process.waitForClosed(soon()));
        }
        QVERIFY(early.isFinished());
        QVERIFY(root.closedOnce());
        QVERIFY(allClosedOnce(children));
        VERIFY_WARNINGS(0);
    });
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

void Storms::moveToThreadUnderClose()
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

void Storms::destroyRightAfterTheMove()
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

void Storms::threadFinishUnderClose()
{
    // How many warnings there are (R38) depends on who is first.
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

void Storms::poolClearUnderClose()
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

void Storms::manyShortWorksThroughAClosingTree()
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

void Storms::nestedEventLoopsInSlots()
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

void Storms::waitsInSlots()
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

void Storms::slotsThatDeleteTheSender()
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

void Storms::slotsThatDeleteReceiversAndParents()
{
    play(aWhile, [] {
        constexpr std::size_t count = 40;
        std::array<std::atomic<int>, count> teardowns {};
        Process root;
        for (std::size_t i = 0; i < count; ++i) {
            // A process whose slots delete whoever else listens to it, and the QObject that owns it.
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

void Storms::aThousandThreadsWaitForOne()
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

void Storms::aProgramFromItsBeginningToItsEnd()
{
    // Static processes, and applications that come and go: see lifetimes.cpp.
    QProcess program;
    program.start(QStringLiteral(GOPROCESS_LIFETIMES), QStringList());
    QVERIFY(program.waitForFinished(int(std::chrono::milliseconds(patience).count())));
    const QByteArray errors = program.readAllStandardError();
    QVERIFY2(program.exitStatus() == QProcess::NormalExit && program.exitCode() == 0,
             errors.constData());
    QCOMPARE(errors, QByteArray());
    QCOMPARE(program.readAllStandardOutput(), QByteArray("end of main\nall closed\n"));
}

QTEST_GUILESS_MAIN(Storms)
#include "tst_storms.moc"
