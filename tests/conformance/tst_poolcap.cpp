// SPDX-License-Identifier: MIT
// The library's pool when all the places for works are taken (R31, R32, R34): steps run all the
// same, works below those that wait do too, and nothing is busy.

#include "support/messages.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QTest>
#include <QThread>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <memory>
#include <vector>

using GoProcess::go;
using GoProcess::Process;
using GoProcess::ProcessPtr;

using namespace TestSupport;

namespace {

/// Another limit while it lives.
class Cap
{
public:
    explicit Cap(int count) : m_before(GoProcess::maxWorkThreadCount())
    {
        GoProcess::setMaxWorkThreadCount(count);
    }
    Q_DISABLE_COPY_MOVE(Cap)
    ~Cap() { GoProcess::setMaxWorkThreadCount(m_before); }

private:
    const int m_before;
};

QString allAreBlocked()
{
    return QStringLiteral("All \\d+ threads for works are blocked");
}

/// What the processors have spent on this program, in seconds.
double processorTime()
{
    return double(std::clock()) / CLOCKS_PER_SEC;
}

} // namespace

class TestPoolCap : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void workMayWaitForAProcessOfItsOwn()
    {
        const Cap cap(1);
        const ProcessPtr work = go([] {
            Process own([] {});
            CHECK(!own.closeAndWait());
        });
        QVERIFY(work->waitForClosed(soon()));
    }

    // Each ends when its own closing() says so, and that is a step.
    void closingReachesWorksThatTakeAllPlaces_data()
    {
        QTest::addColumn<int>("places");
        QTest::newRow("one") << 1;
        QTest::newRow("eight") << 8;
        QTest::newRow("hundred") << 100;
    }
    void closingReachesWorksThatTakeAllPlaces()
    {
        QFETCH(int, places);
        const Cap cap(places);
        const ExpectWarning warning(allAreBlocked(), 0, 1);
        Process root;
        Gate ready;
        for (int i = 0; i < places; ++i) {
            QVERIFY(root.go([&](Process &self) {
                Gate stop;
                QObject::connect(
                        &self, &Process::closing, &self, [&] { stop.open(); },
                        Qt::DirectConnection);
                ready.pass();
                stop.pass();
            }));
        }
        QVERIFY(ready.waitForArrivals(places));
        ready.open();
        root.close();
        QVERIFY(root.waitForClosed(soon()));
    }

    void worksMayWaitForWorksBelowThem_data()
    {
        QTest::addColumn<int>("places");
        QTest::newRow("one") << 1;
        QTest::newRow("four") << 4;
        QTest::newRow("forty") << 40;
    }
    void worksMayWaitForWorksBelowThem()
    {
        QFETCH(int, places);
        const Cap cap(places);
        const ExpectWarning warning(allAreBlocked(), 0, 1);
        Gate ready;
        std::atomic<int> ran = 0;
        std::vector<ProcessPtr> works;
        for (int i = 0; i < places; ++i) {
            works.push_back(go([&] {
                ready.pass();
                Process own;
                CHECK(own.go([&] { ++ran; }));
                CHECK(!own.closeAndWait());
            }));
        }
        QVERIFY(ready.waitForArrivals(places));
        ready.open();
        for (const ProcessPtr &work : works)
            QVERIFY(work->waitForClosed(soon()));
        QCOMPARE(ran, places);
    }

    // Steps that block do not keep other steps from running.
    void stepsMayBlockEachOther()
    {
        constexpr int n = 20;

        const Cap cap(1);
        const ExpectWarning warning(allAreBlocked(), 0, 1);
        Gate busy;
        Gate last;
        const ProcessPtr work = go([&] { busy.pass(); });
        QVERIFY(busy.waitForArrivals());
        std::vector<std::unique_ptr<Process>> all;
        // Without a home, as it is made in a work; here by one in a pool of its own.
        QThreadPool pool;
        Process maker;
        maker.setThreadPool(&pool);
        const ProcessPtr making = maker.go([&] {
            for (int i = 0; i < n; ++i) {
                all.push_back(std::make_unique<Process>([&, i] {
                    if (i + 1 < n)
                        last.pass();
                    else
                        last.open();
                }));
            }
        });
        QVERIFY(making->waitForClosed(soon()));
        for (const auto &process : all)
            process->close();
        for (const auto &process : all)
            QVERIFY(process->waitForClosed(soon()));
        busy.open();
        QVERIFY(work->waitForClosed(soon()));
    }

    void workBeyondTheLimitWaitsUntilThereIsAPlace()
    {
        constexpr int places = 3;

        const Cap cap(places);
        const ExpectWarning warning(allAreBlocked(), 0, 1);
        Process root;
        Gate gate;
        std::atomic<int> now = 0;
        std::atomic<int> most = 0;
        for (int i = 0; i < 10 * places; ++i) {
            QVERIFY(root.go([&] {
                const int count = ++now;
                int known = most;
                while (known < count && !most.compare_exchange_weak(known, count)) { }
                gate.pass();
                --now;
            }));
        }
        QVERIFY(gate.waitForArrivals(places));
        gate.open();
        QVERIFY(!root.closeAndWait());
        QVERIFY2(most <= places, qPrintable(QString::number(most)));
    }

    void moreStartOnceMoreAreAllowed()
    {
        const Cap cap(2);
        const ExpectWarning warning(allAreBlocked(), 1, 2);
        Process root;
        Gate gate;
        for (int i = 0; i < 6; ++i)
            QVERIFY(root.go([&] { gate.pass(); }));
        QVERIFY(gate.waitForArrivals(2));
        QTRY_COMPARE_WITH_TIMEOUT(warning.count(), 1, 30000); // from here on the pool does not look
        GoProcess::setMaxWorkThreadCount(6);
        QVERIFY(gate.waitForArrivals(6));
        gate.open();
        QVERIFY(!root.closeAndWait());
    }

    // The pool does not ask hundreds of threads a thousand times a second whether they are blocked.
    void nothingIsBusyWhileAllPlacesAreTaken()
    {
        constexpr int places = 200;
        constexpr std::chrono::milliseconds look { 500 };

        const Cap cap(places);
        const ExpectWarning warning(allAreBlocked(), 1);
        Process root;
        Gate gate;
        for (int i = 0; i < places + 1; ++i)
            QVERIFY(root.go([&] { gate.pass(); }));
        QVERIFY(gate.waitForArrivals(places));
        QTRY_COMPARE_WITH_TIMEOUT(warning.count(), 1, 30000);
        const double before = processorTime();
        QThread::msleep(look.count());
        const double spent = processorTime() - before;
        QVERIFY2(spent < 0.1 * std::chrono::duration<double>(look).count(),
                 qPrintable(QString::number(spent)));
        gate.open();
        QVERIFY(!root.closeAndWait());
    }
};

QTEST_GUILESS_MAIN(TestPoolCap)
#include "tst_poolcap.moc"
