// SPDX-License-Identifier: MIT
// Large closes beside an event loop (R40). Each test is named after its rule.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "rulesupport.h"
#include "support/eventlog.h"
#include "support/messages.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QEventLoop>
#include <QObject>
#include <QSet>
#include <QString>
#include <QTest>
#include <QTimer>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>

using namespace TestSupport;
using GoProcess::Process;

namespace {

/// Uses the processor for that long, as a slow slot does.
void burn(std::chrono::microseconds duration)
{
    const auto end = std::chrono::steady_clock::now() + duration;
    while (std::chrono::steady_clock::now() < end) { }
}

/// Waits for \a process to be Closed in the main thread's event loop, as an application does.
bool closesInEventLoop(Process &process)
{
    QEventLoop loop;
    QTimer::singleShot(patience, &loop, [&loop] { loop.exit(1); });
    QObject::connect(&process, &Process::closed, &loop, [&loop] { loop.exit(0); });
    return process.isClosed() || loop.exec() == 0;
}

} // namespace

class tst_LargeCloses : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void r40_closeRunsNoUserCode();
    void r40_otherEventsAreDeliveredBetweenSlices();
    void r40_timersFireBetweenSlices();
    void r40_aNestedEventLoopInAStepKeepsDelivering();
};

// R40: large closes

void tst_LargeCloses::r40_closeRunsNoUserCode()
{
    StepThreads steps;
    Process root;
    std::array<Process, 1000> children;
    for (Process &child : children) {
        steps.watch(child);
        root.addChild(&child);
    }
    root.close();
    QVERIFY(std::all_of(children.begin(), children.end(),
                        [](const Process &child) { return child.isClosing(); }));
    QVERIFY(steps.isEmpty());
    QVERIFY(root.waitForClosed(soon()));
}

void tst_LargeCloses::r40_otherEventsAreDeliveredBetweenSlices()
{
    // 100 ms of steps, so 12 slices of at most 8 ms.
    constexpr std::size_t count = 100;
    std::size_t closed = 0;
    std::size_t closedAtCall = count;
    QObject receiver;
    Process root;
    std::array<Process, count> children;
    for (Process &child : children) {
        child.setTeardown([&] {
            burn(std::chrono::milliseconds(1));
            if (closed++ == 0) {
                QMetaObject::invokeMethod(
                        &receiver, [&] { closedAtCall = closed; }, Qt::QueuedConnection);
            }
        });
        root.addChild(&child);
    }
    root.close();
    QVERIFY(closesInEventLoop(root));
    QCOMPARE(closed, count);
    // Behind one slice at most, whose last step may be begun just before its end.
    QVERIFY2(closedAtCall <= 10, qPrintable(QString::number(closedAtCall)));
}

void tst_LargeCloses::r40_timersFireBetweenSlices()
{
    constexpr std::size_t count = 100;
    std::size_t closed = 0;
    QSet<std::size_t> closedAtTicks;
    QTimer timer;
    timer.setTimerType(Qt::PreciseTimer);
    QObject::connect(&timer, &QTimer::timeout, &timer, [&] { closedAtTicks << closed; });
    Process root;
    std::array<Process, count> children;
    for (Process &child : children) {
        child.setTeardown([&] {
            burn(std::chrono::milliseconds(1));
            ++closed;
        });
        root.addChild(&child);
    }
    timer.start(std::chrono::milliseconds(1));
    root.close();
    QVERIFY(closesInEventLoop(root));
    QCOMPARE(closed, count);
    // 12 slices give at least 11 breaks; half of them may be the system's business.
    QVERIFY2(closedAtTicks.size() >= 5, qPrintable(QString::number(closedAtTicks.size())));
}

void tst_LargeCloses::r40_aNestedEventLoopInAStepKeepsDelivering()
{
    EventLog log;
    Process root;
    Process first;
    first.setName(QStringLiteral("first"));
    Process second;
    second.setName(QStringLiteral("second"));
    root.addChild(&first);
    root.addChild(&second);
    QObject::connect(&first, &Process::closing, &first, [&] {
        // The steps of the other are in the same queue as this one.
        log.add(QStringLiteral("begin"));
        CHECK(closesInEventLoop(second));
        log.add(QStringLiteral("end"));
    });
    log.watch(second);
    root.close();
    QVERIFY(closesInEventLoop(root));
    QVERIFY(log.inOrder(QStringLiteral("begin"), QStringLiteral("end")));
    QVERIFY(log.inOrder(QStringLiteral("closed second"), QStringLiteral("end")));
}

QTEST_GUILESS_MAIN(tst_LargeCloses)

#include "tst_largecloses.moc"
