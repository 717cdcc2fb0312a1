// SPDX-License-Identifier: MIT
// Waits inside the steps of others (R37, R39): what they run, in which order, and how deep they
// stand on the stack. Locals outlive the event loops here: clazy:excludeall=lambda-in-connect

#include "support/eventlog.h"
#include "support/family.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QDeadlineTimer>
#include <QEventLoop>
#include <QStringList>
#include <QTest>
#include <QThread>
#include <QTimer>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <vector>

using GoProcess::Error;
using GoProcess::Process;
using GoProcess::ProcessPtr;

using namespace TestSupport;

namespace {

/// How many scopes of it are open, and how many there were at once at most.
class Depth
{
public:
    class Scope
    {
    public:
        explicit Scope(Depth &depth) : m_depth(depth)
        {
            m_depth.m_deepest = std::max(m_depth.m_deepest, ++m_depth.m_now);
        }
        Q_DISABLE_COPY_MOVE(Scope)
        ~Scope() { --m_depth.m_now; }

    private:
        Depth &m_depth;
    };

    int deepest() const { return m_deepest; }

private:
    int m_now = 0;
    int m_deepest = 0;
};

} // namespace

class TestNestedWaits : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    // As many siblings as would overflow the stack if their waits stood above each other.
    void siblingsThatWaitInTheirTeardownsDoNotPileUp()
    {
        constexpr int n = 20000;

        Depth depth;
        Process root;
        std::vector<std::unique_ptr<Process>> all;
        for (int i = 0; i < n; ++i) {
            all.push_back(std::make_unique<Process>([&] {
                const Depth::Scope scope(depth);
                Process helper([] {});
                CHECK(!helper.closeAndWait());
            }));
            QVERIFY(root.addChild(all.back().get()));
        }
        QVERIFY(!root.closeAndWait());
        QCOMPARE(depth.deepest(), 1);
    }

    void siblingsThatWaitInTheirSlotsDoNotPileUp()
    {
        constexpr int n = 20000;

        Depth depth;
        Process root;
        std::vector<std::unique_ptr<Process>> all;
        for (int i = 0; i < n; ++i) {
            all.push_back(std::make_unique<Process>());
            Process *process = all.back().get();
            connect(process, &Process::closing, process, [&] {
                const Depth::Scope scope(depth);
                const Process helper([] {});
            });
            QVERIFY(root.addChild(process));
        }
        root.close();
        QTRY_VERIFY_WITH_TIMEOUT(root.isClosed(), 60000); // in the event loop
        QCOMPARE(depth.deepest(), 1);
    }

    // What they wait for takes a thread of its own, and a while.
    void siblingsThatWaitForOtherThreadsDoNotPileUp()
    {
        constexpr int n = 300;
        // One more each time that the thread has been blocked twice as long, from 20 ms on: a
        // minute at most.
        constexpr int enough = 12;

        EventLoopThread thread;
        Depth depth;
        Process root;
        std::vector<std::unique_ptr<Process>> all;
        for (int i = 0; i < n; ++i) {
            all.push_back(std::make_unique<Process>([&] {
                const Depth::Scope scope(depth);
                Process helper;
                helper.moveToThread(&thread);
                const ProcessPtr work = helper.go([] { QThread::usleep(500); });
                CHECK(work);
                CHECK(!helper.closeAndWait());
            }));
            QVERIFY(root.addChild(all.back().get()));
        }
        QVERIFY(!root.closeAndWait());
        QVERIFY2(depth.deepest() <= enough, qPrintable(QString::number(depth.deepest())));
    }

    // Without that the sibling would stand on the stack above the one that it waits for.
    void siblingMayWaitForTheOneThatWaitedBefore()
    {
        EventLog log;
        Process root;
        Process helper(log.teardown(QStringLiteral("helper")));
        Process first([&] {
            CHECK(!helper.closeAndWait());
            log.add(QStringLiteral("teardown first"));
        });
        Process second([&] {
            CHECK(!first.closeAndWait());
            log.add(QStringLiteral("teardown second"));
        });
        QVERIFY(root.addChild(&first));
        QVERIFY(root.addChild(&second));
        QVERIFY(!root.closeAndWait());
        QVERIFY(log.compare({ QStringLiteral("teardown helper"), QStringLiteral("teardown first"),
                              QStringLiteral("teardown second") }));
    }

    void siblingMayDestroyTheOneThatWaitedBefore()
    {
        Process root;
        auto helper = std::make_unique<Process>([] {});
        std::unique_ptr<Process> first = std::make_unique<Process>([&] { helper.reset(); });
        Process second([&] { first.reset(); });
        QVERIFY(root.addChild(first.get()));
        QVERIFY(root.addChild(&second));
        QVERIFY(!root.closeAndWait());
        QVERIFY(!first);
    }

    // What it waits for may be due already, among many others.
    void waitForASiblingRunsItAtOnce()
    {
        EventLog log;
        Family family;
        Process &root = family.add(QStringLiteral("root"));
        for (const QString &name : { QStringLiteral("a"), QStringLiteral("b"), QStringLiteral("c"),
                                     QStringLiteral("d") }) {
            Process &child = family.add(name, log.teardown(name));
            log.watch(child);
            QVERIFY(root.addChild(&child));
            if (name == QLatin1String("d")) {
                connect(&root, &Process::closing, &child, [&child, &log] {
                    CHECK(child.waitForClosed(soon()));
                    log.add(QStringLiteral("waited"));
                });
            }
        }
        QVERIFY(!root.closeAndWait());
        QVERIFY(log.compare({ QStringLiteral("closing d"), QStringLiteral("teardown d"),
                              QStringLiteral("closed d"), QStringLiteral("waited"),
                              QStringLiteral("closing a"), QStringLiteral("closing b"),
                              QStringLiteral("closing c"), QStringLiteral("teardown a"),
                              QStringLiteral("closed a"), QStringLiteral("teardown b"),
                              QStringLiteral("closed b"), QStringLiteral("teardown c"),
                              QStringLiteral("closed c") }));
    }

    // R19: closing() of those through which the close came is first, all the way down.
    void announcementsOfParentsComeFirst_data()
    {
        QTest::addColumn<bool>("waits");
        QTest::newRow("addChild") << true;
        QTest::newRow("addChildNoWait") << false;
    }
    void announcementsOfParentsComeFirst()
    {
        QFETCH(bool, waits);
        EventLog log;
        Family family;
        Process &root = family.add(QStringLiteral("root"));
        Process &first = family.add(QStringLiteral("first"));
        Process &second = family.add(QStringLiteral("second"));
        Process &third = family.add(QStringLiteral("third"));
        Process &leaf = family.add(QStringLiteral("leaf"));
        for (Process *process : { &first, &second, &third, &leaf })
            log.watch(*process);
        QVERIFY(root.addChild(&first));
        QVERIFY(root.addChild(&second));
        QVERIFY(waits ? second.addChild(&third) : second.addChildNoWait(&third));
        QVERIFY(waits ? third.addChild(&leaf) : third.addChildNoWait(&leaf));
        connect(&first, &Process::closing, &first, [&] {
            CHECK(leaf.waitForClosed(soon()));
            log.add(QStringLiteral("waited"));
        });
        QVERIFY(!root.closeAndWait());
        QVERIFY(third.waitForClosed(soon()));
        QCOMPARE(log.events().mid(0, 6),
                 QStringList({ QStringLiteral("closing first"), QStringLiteral("closing second"),
                               QStringLiteral("closing third"), QStringLiteral("closing leaf"),
                               QStringLiteral("closed leaf"), QStringLiteral("waited") }));
    }

    // R37: another thread may wait for what stands aside, and this one for that thread.
    void whatOthersWaitForRunsAtLast()
    {
        Process root;
        Process wanted([] {});
        Gate waiting;
        Process first([&] {
            Process helper;
            const ProcessPtr work = helper.go([&] { CHECK(wanted.waitForClosed(soon())); });
            CHECK(work);
            CHECK(!helper.closeAndWait());
        });
        QVERIFY(root.addChild(&first));
        QVERIFY(root.addChild(&wanted));
        QVERIFY(!root.closeAndWait());
        QVERIFY(wanted.isClosed());
    }

    // The same where many need it in turn.
    void whatOthersWaitForRunsInDeepWaits()
    {
        constexpr int n = 5;
        Process root;
        std::vector<std::unique_ptr<Process>> all;
        for (int i = 0; i < n; ++i) {
            all.push_back(std::make_unique<Process>([&, i] {
                if (i + 1 == n)
                    return;
                Process helper;
                CHECK(helper.go([&, i] { CHECK(all[std::size_t(i) + 1]->waitForClosed(soon())); }));
                CHECK(!helper.closeAndWait());
            }));
            QVERIFY(root.addChild(all.back().get()));
        }
        QVERIFY(!root.closeAndWait());
    }

    void whatComesDuringTheWaitIsNeededOrStandsAside()
    {
        EventLog log;
        Process root;
        Process other(log.teardown(QStringLiteral("other")));
        Process first([&] {
            Process helper(log.teardown(QStringLiteral("helper")));
            CHECK(helper.go([&](Process &self) {
                other.close(); // comes from another thread, and no wait here needs it
                CHECK(self.waitForClosing(soon()));
            }));
            CHECK(!helper.closeAndWait());
            log.add(QStringLiteral("teardown first"));
        });
        QVERIFY(root.addChild(&first));
        QVERIFY(!root.closeAndWait());
        QVERIFY(other.waitForClosed(soon()));
        // If the work takes long it may run first.
        QVERIFY(log.inOrder(QStringLiteral("teardown helper"), QStringLiteral("teardown first")));
        QVERIFY(log.contains(QStringLiteral("teardown other")));
    }

    // R40: a nested event loop in what the wait runs delivers what stands aside.
    void nestedEventLoopRunsWhatStandsAside()
    {
        Process root;
        bool inLoop = false;
        Process last([&] { CHECK(inLoop); });
        Process first([&] {
            Process helper([&] {
                QEventLoop loop;
                connect(&last, &Process::closed, &loop, &QEventLoop::quit);
                inLoop = true;
                loop.exec();
                inLoop = false;
                CHECK(last.isClosed());
            });
            CHECK(!helper.closeAndWait());
        });
        QVERIFY(root.addChild(&first));
        QVERIFY(root.addChild(&last));
        QVERIFY(!root.closeAndWait());
    }

    // A wait for the process that never closes needs nothing, and lets what there is run at last.
    void waitInVainInAStep()
    {
        Process root;
        bool ran = false;
        Process other([&] { ran = true; });
        Process first([&] {
            CHECK(!Process::background()->waitForClosed(QDeadlineTimer(1)));
            CHECK(!ran || other.isClosing());
        });
        QVERIFY(root.addChild(&first));
        QVERIFY(root.addChild(&other));
        QVERIFY(!root.closeAndWait());
        QVERIFY(ran);
    }

    // What a wait set aside comes back, however the wait ends.
    void exceptionLeavesTheRest()
    {
        constexpr int n = 10;
        EventLog log;
        Process root;
        std::vector<std::unique_ptr<Process>> all;
        for (int i = 0; i < n; ++i) {
            all.push_back(std::make_unique<Process>([&] {
                Process helper;
                connect(&helper, &Process::closing, &helper,
                        [] { throw std::runtime_error("a slot of the helper"); });
                try {
                    helper.closeAndWait();
                } catch (const std::runtime_error &) {
                    log.add(QStringLiteral("caught"));
                }
                CHECK(helper.waitForClosed(soon()));
            }));
            QVERIFY(root.addChild(all.back().get()));
        }
        QVERIFY(!root.closeAndWait());
        QCOMPARE(log.count(QStringLiteral("caught")), n);
    }

    // A deep tree below a wait is neither a stack nor a search for each step.
    void deepTreeInAStep()
    {
        constexpr int n = 10000;
        Process root([&] {
            std::vector<std::unique_ptr<Process>> all;
            for (int i = 0; i < n; ++i) {
                all.push_back(std::make_unique<Process>([] {}));
                if (i > 0)
                    CHECK(all[std::size_t(i) - 1]->addChild(all.back().get()));
            }
            CHECK(!all.front()->closeAndWait());
        });
        QVERIFY(!root.closeAndWait());
    }
};

QTEST_GUILESS_MAIN(TestNestedWaits)
#include "tst_nestedwaits.moc"
