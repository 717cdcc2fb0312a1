// SPDX-License-Identifier: MIT
// CloseMonitor: how far the close of a process has come.
//
// Locals outlive the event loops here: clazy:excludeall=lambda-in-connect

#include "support/messages.h"
#include "support/waits.h"
#include "threadtime.h"

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QDeadlineTimer>
#include <QElapsedTimer>
#include <QStringList>
#include <QTest>

#include <chrono>
#include <memory>
#include <vector>

using GoProcess::CloseMonitor;
using GoProcess::Hold;
using GoProcess::Process;
using namespace TestSupport;
using namespace std::chrono_literals;

class tst_CloseMonitor : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void countsNothingWhileRunning();
    void countsWhatCloses();
    void countsWhatIsWaitedFor();
    void countsAChildOfManyParentsOnce();
    void doesNotCountWhatIsNotWaitedFor();
    void countsWhatComesLate();
    void namesWhatOthersWaitFor();
    void namesAtMostTwenty();
    void measuresTheTime();
    void followsAProcessThatCloses();
    void knowsAClosedProcess();
    void theProcessMayBeDestroyed();
    void anotherProcessMayBeSet();
    void thereMayBeNoProcess();
    void updatesAreFew();
    void countsManyWithoutAStall();
};

void tst_CloseMonitor::countsNothingWhileRunning()
{
    Process app;
    const Process child(&app);
    CloseMonitor monitor;
    monitor.setProcess(&app);
    QCOMPARE(monitor.process(), &app);
    QCOMPARE(monitor.total(), 0);
    QCOMPARE(monitor.closed(), 0);
    QCOMPARE(monitor.progress(), 0.0);
    QCOMPARE(monitor.remaining(), QStringList());
    QCOMPARE(monitor.elapsed(), 0);
}

void tst_CloseMonitor::countsWhatCloses()
{
    Process app;
    app.setName(QStringLiteral("app"));
    Process a(&app);
    a.setName(QStringLiteral("a"));
    const Process b(&app);
    const Process below(&a);
    Hold hold = a.hold();
    CloseMonitor monitor;
    monitor.setProcess(&app);
    app.close();
    QTRY_COMPARE(monitor.closed(), 2);
    QCOMPARE(monitor.total(), 4);
    QCOMPARE(monitor.progress(), 0.5);
    QCOMPARE(monitor.remaining().constFirst(), QStringLiteral("/app/a"));
    hold.release();
    QTRY_COMPARE(monitor.progress(), 1.0);
    QCOMPARE(monitor.closed(), 4);
    QCOMPARE(monitor.total(), 4);
    QCOMPARE(monitor.remaining(), QStringList());
}

void tst_CloseMonitor::countsWhatIsWaitedFor()
{
    Process app;
    Process other;
    other.setName(QStringLiteral("other"));
    app.waitFor(&other);
    CloseMonitor monitor;
    monitor.setProcess(&app);
    app.close();
    QTRY_COMPARE(monitor.total(), 2);
    QCOMPARE(monitor.remaining().constFirst(), QStringLiteral("/other"));
    other.close();
    QTRY_COMPARE(monitor.progress(), 1.0);
}

void tst_CloseMonitor::countsAChildOfManyParentsOnce()
{
    Process app;
    Process a(&app);
    Process b(&app);
    Process shared(&a);
    b.addChild(&shared);
    Hold hold = shared.hold();
    CloseMonitor monitor;
    monitor.setProcess(&app);
    app.close();
    QTRY_COMPARE(monitor.total(), 4);
    QCOMPARE(monitor.closed(), 0);
    hold.release();
    QTRY_COMPARE(monitor.progress(), 1.0);
    QCOMPARE(monitor.total(), 4);
}

void tst_CloseMonitor::doesNotCountWhatIsNotWaitedFor()
{
    Process app;
    Process loose;
    app.addChildNoWait(&loose);
    Process running;
    app.waitFor(&running);
    Process looseToo;
    running.addChildNoWait(&looseToo);
    CloseMonitor monitor;
    monitor.setProcess(&app);
    app.close();
    QTRY_COMPARE(monitor.total(), 2);
    running.close();
    QTRY_COMPARE(monitor.progress(), 1.0);
    QCOMPARE(monitor.total(), 2);
}

void tst_CloseMonitor::countsWhatComesLate()
{
    Process app;
    Hold hold = app.hold();
    CloseMonitor monitor;
    monitor.setProcess(&app);
    app.close();
    QTRY_COMPARE(monitor.total(), 1);
    Process late;
    Hold lateHold = late.hold();
    app.addChild(&late);
    QTRY_COMPARE(monitor.total(), 2);
    lateHold.release();
    QTRY_COMPARE(monitor.closed(), 1);
    hold.release();
    QTRY_COMPARE(monitor.progress(), 1.0);
    QCOMPARE(monitor.total(), 2);
}

void tst_CloseMonitor::namesWhatOthersWaitFor()
{
    Process app;
    app.setName(QStringLiteral("app"));
    Process upper(&app);
    upper.setName(QStringLiteral("upper"));
    Process lower(&upper);
    lower.setName(QStringLiteral("lower"));
    Hold hold = lower.hold();
    CloseMonitor monitor;
    monitor.setProcess(&app);
    app.close();
    const QStringList expected { QStringLiteral("/app/upper/lower"), QStringLiteral("/app/upper"),
                                 QStringLiteral("/app") };
    QTRY_COMPARE(monitor.remaining(), expected);
    hold.release();
    QTRY_COMPARE(monitor.remaining(), QStringList());
}

void tst_CloseMonitor::namesAtMostTwenty()
{
    Process app;
    std::vector<std::unique_ptr<Process>> children(30);
    std::vector<Hold> holds;
    for (auto &child : children) {
        child = std::make_unique<Process>(&app);
        holds.push_back(child->hold());
    }
    CloseMonitor monitor;
    monitor.setProcess(&app);
    app.close();
    QTRY_COMPARE(monitor.total(), 31);
    QCOMPARE(monitor.remaining().size(), 20);
    holds.clear();
    QTRY_COMPARE(monitor.progress(), 1.0);
}

void tst_CloseMonitor::measuresTheTime()
{
    Process app;
    Hold hold = app.hold();
    CloseMonitor monitor;
    monitor.setProcess(&app);
    QElapsedTimer time;
    time.start();
    app.close();
    QTRY_VERIFY(monitor.elapsed() >= 50);
    QVERIFY(monitor.elapsed() <= time.elapsed());
    hold.release();
    QTRY_COMPARE(monitor.progress(), 1.0);
    QVERIFY(monitor.elapsed() <= time.elapsed());
}

void tst_CloseMonitor::followsAProcessThatCloses()
{
    Process app;
    const Process child(&app);
    Hold hold = app.hold();
    app.close();
    CloseMonitor monitor;
    monitor.setProcess(&app);
    QTRY_VERIFY(monitor.total() > 0);
    hold.release();
    QTRY_COMPARE(monitor.progress(), 1.0);
}

void tst_CloseMonitor::knowsAClosedProcess()
{
    Process app;
    app.closeAndWait();
    CloseMonitor monitor;
    monitor.setProcess(&app);
    QTRY_COMPARE(monitor.progress(), 1.0);
    QCOMPARE(monitor.total(), 1);
    QCOMPARE(monitor.closed(), 1);
}

void tst_CloseMonitor::theProcessMayBeDestroyed()
{
    auto app = std::make_unique<Process>();
    CloseMonitor monitor;
    monitor.setProcess(app.get());
    Counter changes;
    connect(&monitor, &CloseMonitor::processChanged, &monitor, [&changes] { changes.add(); });
    app.reset();
    QCOMPARE(monitor.process(), nullptr);
    QCOMPARE(changes.count(), 1);
    QTRY_COMPARE(monitor.progress(), 1.0);
}

void tst_CloseMonitor::anotherProcessMayBeSet()
{
    Process app;
    Hold hold = app.hold();
    app.close();
    Process other;
    CloseMonitor monitor;
    monitor.setProcess(&app);
    QTRY_COMPARE(monitor.remaining().size(), 1);
    monitor.setProcess(&other);
    QCOMPARE(monitor.total(), 0);
    QCOMPARE(monitor.remaining(), QStringList());
    QCOMPARE(monitor.elapsed(), 0);
    other.close();
    QTRY_COMPARE(monitor.progress(), 1.0);
}

void tst_CloseMonitor::thereMayBeNoProcess()
{
    CloseMonitor monitor;
    monitor.setProcess(Process::background());
    QCOMPARE(monitor.total(), 0);
    monitor.setProcess(nullptr);
    QCOMPARE(monitor.process(), nullptr);
    QCOMPARE(monitor.progress(), 0.0);
}

void tst_CloseMonitor::updatesAreFew()
{
    Process app;
    Hold hold = app.hold();
    CloseMonitor monitor;
    monitor.setProcess(&app);
    int updates = 0;
    connect(&monitor, &CloseMonitor::changed, &monitor, [&updates] { ++updates; });
    QElapsedTimer time;
    time.start();
    app.close();
    while (!time.hasExpired(500)) {
        Process late(&app);
        QCoreApplication::processEvents();
    }
    QVERIFY(updates > 0);
    QVERIFY2(updates <= int(time.elapsed() * 30 / 1000) + 1, qPrintable(QString::number(updates)));
}

void tst_CloseMonitor::countsManyWithoutAStall()
{
    constexpr int count = 100000;
    Process app;
    std::vector<std::unique_ptr<Process>> children(count);
    for (auto &child : children)
        child = std::make_unique<Process>(&app);
    Hold hold = children.front()->hold();
    CloseMonitor monitor;
    monitor.setProcess(&app);
    app.close();

    Turns turns;
    const QDeadlineTimer deadline = soon();
    // All but the process and the one that is held.
    while ((monitor.total() < 2 || monitor.total() - monitor.closed() > 2)
           && !deadline.hasExpired())
        turns.turn();
    QCOMPARE(monitor.total(), count + 1);
    qInfo("The longest turn took %d ms", turns.longestMs());
    hold.release();
    QTRY_COMPARE(monitor.progress(), 1.0);
    QVERIFY(turns.longestMs() <= longestTurnMs);
}

QTEST_GUILESS_MAIN(tst_CloseMonitor)

#include "tst_closemonitor.moc"
