// SPDX-License-Identifier: MIT
// What a ProcessModel does with many rows, and a CloseMonitor with many processes, they do in
// slices: no turn of their thread is long.
//
// Locals outlive the event loops here: clazy:excludeall=lambda-in-connect

#include "support/messages.h"
#include "support/waits.h"
#include "threadtime.h"

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QDeadlineTimer>
#include <QTest>
#include <QThread>

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

using GoProcess::CloseMonitor;
using GoProcess::Process;
using GoProcess::ProcessModel;
using namespace TestSupport;

namespace {

constexpr int groups = 100;
constexpr int inGroup = 1000;

/// 100,000 processes in groups below one.
class ManyProcesses
{
public:
    ManyProcesses()
    {
        for (int i = 0; i < groups; ++i) {
            Process *group = m_all.emplace_back(std::make_unique<Process>()).get();
            for (int j = 0; j < inGroup; ++j)
                group->addChild(m_all.emplace_back(std::make_unique<Process>()).get());
            root->addChild(group);
        }
    }
    ~ManyProcesses()
    {
        root->closeAndWait();
        while (!m_all.empty())
            m_all.pop_back();
    }
    Q_DISABLE_COPY_MOVE(ManyProcesses)

    /// None of them closes while they live.
    std::vector<GoProcess::Hold> holdAll() const
    {
        std::vector<GoProcess::Hold> holds;
        for (const std::unique_ptr<Process> &process : m_all)
            holds.push_back(process->hold());
        return holds;
    }

    const std::unique_ptr<Process> root = std::make_unique<Process>();

private:
    std::vector<std::unique_ptr<Process>> m_all;
};

int rowsOf(const ProcessModel &model)
{
    int rows = model.rowCount();
    for (int i = 0; i < model.rowCount(); ++i)
        rows += model.rowCount(model.index(i, 0));
    return rows;
}

/// Turns until there is nothing more to do.
void turnUntilIdle(Turns &turns)
{
    const QDeadlineTimer deadline(4 * patience);
    for (int idle = 0; idle < 20 && !deadline.hasExpired(); ++idle) {
        Turns one;
        turns.turn([&one] { one.turn(); });
        if (one.longestMs() > 0)
            idle = 0;
        QThread::msleep(5);
    }
}

/// Shows all of them, and asks for what is below each row as soon as it is there.
void showAll(ProcessModel &model, Turns &turns)
{
    const QDeadlineTimer deadline(4 * patience);
    int fetched = 0;
    while (rowsOf(model) < groups * (inGroup + 1) && !deadline.hasExpired()) {
        turns.turn();
        for (; fetched < model.rowCount(); ++fetched) {
            turns.turn([&] { model.fetchMore(model.index(fetched, 0)); });
            turns.turn();
        }
    }
    QCOMPARE(rowsOf(model), groups * (inGroup + 1));
}

} // namespace

class tst_ProcessModelSlices : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase()
    {
        begin();
        GoProcess::setCloseWarning(
                std::chrono::seconds(0)); // closes of 100,000 take long where the machine is busy
    }
    void cleanup() { verify(); }

    void rowsComeInSlices();
    void anotherProcessIsSetInSlices();
    void rowsBelowAClosedOneGoInSlices();
    void whatIsDestroyedInSlicesGoesWithTheModelToo();
    void aMonitorGivesUpInSlices();
};

void tst_ProcessModelSlices::rowsComeInSlices()
{
    const ManyProcesses many;
    ProcessModel model;
    model.setProcess(many.root.get());
    Turns turns;
    showAll(model, turns);
    qInfo("The longest turn took %d ms", turns.longestMs());
    QVERIFY(turns.longestMs() <= longestTurnMs);
}

void tst_ProcessModelSlices::anotherProcessIsSetInSlices()
{
    const ManyProcesses many;
    Process other;
    const Process child(&other);
    ProcessModel model;
    model.setProcess(many.root.get());
    Turns before;
    showAll(model, before);

    Turns turns;
    turns.turn([&] { model.setProcess(&other); });
    const QDeadlineTimer deadline = soon();
    while (model.rowCount() < 1 && !deadline.hasExpired())
        turns.turn();
    QCOMPARE(model.rowCount(), 1);
    turnUntilIdle(turns); // what was shown is destroyed meanwhile
    qInfo("The longest turn took %d ms", turns.longestMs());
    QVERIFY(turns.longestMs() <= longestTurnMs);
}

/// A process that does not wait for its children goes while they are still there.
void tst_ProcessModelSlices::rowsBelowAClosedOneGoInSlices()
{
    ManyProcesses many;
    Process app;
    auto first = std::make_unique<Process>(&app);
    first->addChildNoWait(many.root.get());
    const GoProcess::Hold hold = many.root->hold();
    ProcessModel model;
    model.setProcess(&app);
    const QDeadlineTimer deadline(4 * patience);
    const auto rootRow = [&model] { return model.index(0, 0, model.index(0, 0)); };
    while (!rootRow().isValid() && !deadline.hasExpired()) {
        model.fetchMore(model.index(0, 0));
        QCoreApplication::processEvents();
    }
    int rows = 0;
    while (rows < groups * inGroup && !deadline.hasExpired()) {
        model.fetchMore(rootRow());
        rows = 0;
        for (int i = 0; i < model.rowCount(rootRow()); ++i) {
            model.fetchMore(model.index(i, 0, rootRow()));
            rows += model.rowCount(model.index(i, 0, rootRow()));
        }
        QCoreApplication::processEvents();
    }
    QCOMPARE(rows, groups * inGroup);

    first.reset();
    Turns turns;
    while (model.rowCount() > 0 && !deadline.hasExpired())
        turns.turn();
    QCOMPARE(model.rowCount(), 0);
    qInfo("The longest turn took %d ms", turns.longestMs());
    QVERIFY(turns.longestMs() <= longestTurnMs);
}

void tst_ProcessModelSlices::whatIsDestroyedInSlicesGoesWithTheModelToo()
{
    std::weak_ptr<int> last;
    {
        Process app;
        ProcessModel model;
        model.setProcess(&app);
        auto token = std::make_shared<int>(1);
        last = token;
        const Process child([token] {}, &app);
        QTRY_COMPARE(model.rowCount(), 1);
        model.setProcess(nullptr);
    }
    QVERIFY(last.expired());
}

void tst_ProcessModelSlices::aMonitorGivesUpInSlices()
{
    const ManyProcesses many;
    const std::vector<GoProcess::Hold> holds = many.holdAll();
    CloseMonitor monitor;
    monitor.setProcess(many.root.get());
    many.root->close();
    const QDeadlineTimer deadline(4 * patience);
    while (monitor.total() <= groups * (inGroup + 1) && !deadline.hasExpired())
        QCoreApplication::processEvents();
    QCOMPARE(monitor.total(), groups * (inGroup + 1) + 1);

    Turns turns;
    turns.turn([&] { monitor.setProcess(nullptr); });
    turnUntilIdle(turns);
    qInfo("The longest turn took %d ms", turns.longestMs());
    QVERIFY(turns.longestMs() <= longestTurnMs);
}

QTEST_GUILESS_MAIN(tst_ProcessModelSlices)

#include "tst_processmodelslices.moc"
