// SPDX-License-Identifier: MIT
// Storms: everything that threads may do to a process at once, again and again. What each asserts
// holds in every interleaving: every closed() once, every teardown once, and nothing hangs.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "stormsupport.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QDeadlineTimer>
#include <QFuture>
#include <QProcess>
#include <QString>
#include <QStringList>
#include <QTest>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

using GoProcess::Error;
using GoProcess::Hold;
using GoProcess::Process;

using namespace TestSupport;

class tst_Storms : public QObject
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
    void aProgramFromItsBeginningToItsEnd();

private:
    std::unique_ptr<Watchdog> m_watchdog;
};

void tst_Storms::initTestCase()
{
    qInstallMessageHandler(handleMessage);
    GoProcess::setCloseWarning(patience); // closes in a storm last
}

void tst_Storms::init()
{
    m_watchdog = std::make_unique<Watchdog>(QTest::currentTestFunction());
}

void tst_Storms::cleanup()
{
    m_watchdog.reset();
    TestSupport::verify();
}

void tst_Storms::closeAgainstAdd()
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

void tst_Storms::closeAgainstAddWithoutWaiting()
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

void tst_Storms::closeAgainstDestroy()
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

void tst_Storms::closeAgainstClose()
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

void tst_Storms::closeAgainstGo()
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

void tst_Storms::closeAgainstHold()
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

void tst_Storms::closeAfterChildrenAgainstAdd()
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

void tst_Storms::edgesAgainstEdges()
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

void tst_Storms::waitAgainstEverything()
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

void tst_Storms::aProgramFromItsBeginningToItsEnd()
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

QTEST_GUILESS_MAIN(tst_Storms)

#include "tst_storms.moc"
