// SPDX-License-Identifier: MIT
// ProcessModel: rows that follow the processes.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"
#include "testedmodel.h"
#include "threadtime.h"

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QDeadlineTimer>
#include <QElapsedTimer>
#include <QPointer>
#include <QStringList>
#include <QTest>
#include <QTimer>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

using GoProcess::CloseMonitor;
using GoProcess::Error;
using GoProcess::Process;
using GoProcess::ProcessModel;
using GoProcess::ProcessPtr;
using namespace TestSupport;
using namespace std::chrono_literals;

namespace {

/// The rows below \a parent as text, fetched: `name(below)`.
QString textOf(ProcessModel &model, const QModelIndex &parent = QModelIndex(), int depth = 0)
{
    model.fetchMore(parent);
    QStringList rows;
    for (int row = 0; row < model.rowCount(parent); ++row) {
        const QModelIndex index = model.index(row, 0, parent);
        const QString below = depth < 8 ? textOf(model, index, depth + 1) : QStringLiteral("...");
        rows << index.data().toString() + (below.isEmpty() ? QString() : u'(' + below + u')');
    }
    return rows.join(u' ');
}

QString textOf(const QModelIndex &index, int role)
{
    return index.data(role).toString();
}

Process::State stateOf(const QModelIndex &index)
{
    return index.data(ProcessModel::StateRole).value<Process::State>();
}

std::unique_ptr<Process> makeProcess(const char *name, QObject *parent = nullptr)
{
    auto process = std::make_unique<Process>(parent);
    process->setName(QString::fromLatin1(name));
    return process;
}

} // namespace

class tst_ProcessModel : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void showsWhatIsThere();
    void showsWhatComesLater();
    void showsRoles();
    void showsTheState();
    void showsAnotherName();
    void showsTheThread();
    void showsWhatAProcessWaitsFor();
    void showsTheFirstOfManyThatItWaitsFor();
    void showsWhatAFailedProcessLeft();
    void closedRowsGo();
    void closedRowsAreFew();
    void severalParentsShareOneSubtree();
    void theSubtreeIsUnderTheFirstParent();
    void theSubtreeMovesWhenItsParentGoes();
    void edgesMayGoRound();
    void edgesMayGoRoundFromOutside();
    void showsColumns();
    void onlyTheFirstThousandHaveRows();
    void roomIsFilled();
    void childrenAreFetchedWhenAskedFor();
    void edgesThatBecomeChildrenAreShown();
    void showsAllRoots();
    void showsNewRoots();
    void rootsBecomeChildren();
    void theProcessMayBeDestroyed();
    void anotherProcessMayBeSet();
    void theProcessMayLiveInAnotherThread();
    void updatesAreFew();
    void manyProcessesDoNotStallTheThread();
    void nothingPilesUpWhileTheThreadIsBlocked();
    void deepTreesAreDestroyed();
    void treesChangeInFourThreads();
};

void tst_ProcessModel::showsWhatIsThere()
{
    Process app;
    const auto network = makeProcess("network", &app);
    const auto socket = makeProcess("socket", network.get());
    const auto storage = makeProcess("storage", &app);
    TestedModel model(&app);
    QCOMPARE(model.process(), &app);
    QTRY_COMPARE(textOf(model), QStringLiteral("network(socket) storage"));
}

void tst_ProcessModel::showsWhatComesLater()
{
    Process app;
    TestedModel model(&app);
    const auto network = makeProcess("network", &app);
    QTRY_COMPARE(textOf(model), QStringLiteral("network"));
    const auto socket = makeProcess("socket", network.get());
    const auto storage = makeProcess("storage", &app);
    QTRY_COMPARE(textOf(model), QStringLiteral("network(socket) storage"));
}

void tst_ProcessModel::showsRoles()
{
    Process app;
    app.setName(QStringLiteral("app"));
    const auto network = makeProcess("network", &app);
    const Process unnamed(network.get());
    const QDateTime before = QDateTime::currentDateTime();
    TestedModel model(&app);
    QTRY_COMPARE(model.rowCount(), 1);
    const QModelIndex index = model.index(0, 0);
    QCOMPARE(textOf(index, ProcessModel::NameRole), QStringLiteral("network"));
    QCOMPARE(textOf(index, ProcessModel::PathRole), QStringLiteral("/app/network"));
    QCOMPARE(stateOf(index), Process::State::Running);
    QVERIFY(index.data(ProcessModel::SinceRole).toDateTime() >= before);
    QVERIFY(index.data(ProcessModel::SinceRole).toDateTime() <= QDateTime::currentDateTime());
    QCOMPARE(textOf(index, ProcessModel::ThreadRole), QStringLiteral("main"));
    QCOMPARE(index.data(ProcessModel::ErrorRole), QVariant(QString()));
    QCOMPARE(index.data(ProcessModel::WaitsForRole), QVariant(QStringList()));
    QCOMPARE(index.data(ProcessModel::MoreRole), QVariant(0));
    QCOMPARE(textOf(index.siblingAtColumn(ProcessModel::StateColumn), Qt::DisplayRole),
             QStringLiteral("Running"));

    model.fetchMore(index);
    const QString name = textOf(model.index(0, 0, index), ProcessModel::NameRole);
    QCOMPARE(unnamed.path(), QStringLiteral("/app/network/") + name);
    const QHash<int, QByteArray> names = model.roleNames();
    const QList<QByteArray> expected { "name",   "path",  "state",    "since",
                                       "thread", "error", "waitsFor", "more" };
    for (int role = ProcessModel::NameRole; role <= ProcessModel::MoreRole; ++role)
        QCOMPARE(names.value(role), expected.at(role - ProcessModel::NameRole));
}

void tst_ProcessModel::showsTheState()
{
    Process app;
    const auto network = makeProcess("network", &app);
    GoProcess::Hold hold = network->hold();
    TestedModel model(&app);
    QTRY_COMPARE(model.rowCount(), 1);
    const QModelIndex index = model.index(0, 0);
    const QDateTime since = index.data(ProcessModel::SinceRole).toDateTime();
    network->close();
    QTRY_COMPARE(stateOf(index), Process::State::Closing);
    const QDateTime closing = index.data(ProcessModel::SinceRole).toDateTime();
    QVERIFY(closing >= since);
    hold.release();
    QTRY_COMPARE(stateOf(index), Process::State::Closed);
    QCOMPARE(textOf(index.siblingAtColumn(ProcessModel::StateColumn), Qt::DisplayRole),
             QStringLiteral("Closed"));
}

void tst_ProcessModel::showsAnotherName()
{
    Process app;
    const auto network = makeProcess("network", &app);
    TestedModel model(&app);
    QTRY_COMPARE(textOf(model), QStringLiteral("network"));
    network->setName(QStringLiteral("wire"));
    QTRY_COMPARE(textOf(model), QStringLiteral("wire"));
}

void tst_ProcessModel::showsTheThread()
{
    EventLoopThread thread;
    Process app;
    Gate gate;
    const ProcessPtr work = app.go([&gate] { gate.pass(); });
    Process elsewhere;
    app.addChild(&elsewhere);
    TestedModel model(&app);
    QTRY_COMPARE(model.rowCount(), 2);
    QCOMPARE(textOf(model.index(0, 0), ProcessModel::ThreadRole), QStringLiteral("pool"));
    QCOMPARE(textOf(model.index(1, 0), ProcessModel::ThreadRole), QStringLiteral("main"));

    elsewhere.moveToThread(&thread);
    const QString address = QStringLiteral("0x%1").arg(quintptr(&thread), 0, 16);
    QTRY_COMPARE(textOf(model.index(1, 0), ProcessModel::ThreadRole), address);
    gate.open();
    app.closeAndWait();
    thread.stop();
}

void tst_ProcessModel::showsWhatAProcessWaitsFor()
{
    Process app;
    app.setName(QStringLiteral("app"));
    const auto network = makeProcess("network", &app);
    const auto storage = makeProcess("storage", &app);
    const auto child = makeProcess("child", storage.get());
    storage->waitFor(network.get());
    TestedModel model(&app);
    QTRY_COMPARE(textOf(model), QStringLiteral("network storage(child)"));
    const QModelIndex index = model.index(1, 0);
    QCOMPARE(index.data(ProcessModel::WaitsForRole).toStringList(),
             QStringList { QStringLiteral("/app/network") });
    network->closeAndWait();
    QTRY_COMPARE(index.data(ProcessModel::WaitsForRole).toStringList(), QStringList());
}

void tst_ProcessModel::showsTheFirstOfManyThatItWaitsFor()
{
    Process app;
    const auto storage = makeProcess("storage", &app);
    std::array<Process, 30> others;
    for (Process &other : others)
        QVERIFY(storage->waitFor(&other));
    TestedModel model(&app);
    QTRY_COMPARE(model.rowCount(), 1);
    QCOMPARE(model.index(0, 0).data(ProcessModel::WaitsForRole).toStringList().size(), 20);
    app.close();
    for (Process &other : others)
        other.close();
    QVERIFY(!app.closeAndWait());
}

void tst_ProcessModel::showsWhatAFailedProcessLeft()
{
    Process app;
    Process storage([] { return Error(QStringLiteral("disk full")); }, &app);
    TestedModel model(&app);
    QTRY_COMPARE(model.rowCount(), 1);
    storage.close();
    const QModelIndex index = model.index(0, 0);
    QTRY_COMPARE(textOf(index, ProcessModel::ErrorRole), QStringLiteral("disk full"));
    QVERIFY(textOf(index.siblingAtColumn(ProcessModel::StateColumn), Qt::DisplayRole)
                    .contains(QLatin1String("disk full")));
}

void tst_ProcessModel::closedRowsGo()
{
    Process app;
    TestedModel model(&app);
    {
        const Process network(&app);
        QTRY_COMPARE(model.rowCount(), 1);
    }
    QTRY_COMPARE(model.rowCount(), 0);
}

void tst_ProcessModel::closedRowsAreFew()
{
    Process app;
    TestedModel model(&app);
    std::vector<std::unique_ptr<Process>> children(500);
    for (auto &child : children)
        child = std::make_unique<Process>(&app);
    QTRY_COMPARE(model.rowCount(), 500);
    children.clear();
    QTRY_VERIFY(model.rowCount() <= 100);
}

void tst_ProcessModel::severalParentsShareOneSubtree()
{
    Process app;
    const auto a = makeProcess("a", &app);
    const auto b = makeProcess("b", &app);
    const auto shared = makeProcess("shared", a.get());
    const auto below = makeProcess("below", shared.get());
    b->addChild(shared.get());
    TestedModel model(&app);
    QTRY_COMPARE(textOf(model), QStringLiteral("a(shared(below)) b(shared)"));
    const QModelIndex leaf = model.index(0, 0, model.index(1, 0));
    QVERIFY(!model.hasChildren(leaf));
    QVERIFY(!model.canFetchMore(leaf));
}

void tst_ProcessModel::theSubtreeIsUnderTheFirstParent()
{
    Process app;
    const auto a = makeProcess("a", &app);
    const auto b = makeProcess("b", &app);
    const auto shared = makeProcess("shared", b.get());
    const auto below = makeProcess("below", shared.get());
    a->addChild(shared.get());
    TestedModel model(&app);
    QTRY_COMPARE(textOf(model), QStringLiteral("a(shared) b(shared(below))"));
}

void tst_ProcessModel::theSubtreeMovesWhenItsParentGoes()
{
    Process app;
    auto a = makeProcess("a", &app);
    const auto b = makeProcess("b", &app);
    const auto shared = makeProcess("shared");
    const auto below = makeProcess("below", shared.get());
    a->addChildNoWait(shared.get());
    b->addChild(shared.get());
    GoProcess::Hold hold = below->hold();
    TestedModel model(&app);
    QTRY_COMPARE(textOf(model), QStringLiteral("a(shared(below)) b(shared)"));
    a.reset(); // closes, but does not wait for what is below
    QTRY_COMPARE(textOf(model), QStringLiteral("b(shared(below))"));
    hold.release();
}

void tst_ProcessModel::edgesMayGoRound()
{
    Process app;
    const auto a = makeProcess("a");
    app.addChildNoWait(a.get());
    const auto b = makeProcess("b");
    a->addChildNoWait(b.get());
    b->addChildNoWait(a.get());
    b->addChildNoWait(&app);
    TestedModel model(&app);
    QTRY_VERIFY(textOf(model).startsWith(QLatin1String("a(b(a ")));
    QVERIFY(textOf(model).endsWith(QLatin1String("))")));
    QCOMPARE(textOf(model).count(u'('), 2);
}

void tst_ProcessModel::edgesMayGoRoundFromOutside()
{
    const auto a = makeProcess("a");
    const auto b = makeProcess("b");
    b->addChildNoWait(a.get());
    a->addChildNoWait(b.get());
    Process app;
    app.addChildNoWait(a.get());
    TestedModel model(&app);
    QTRY_COMPARE(textOf(model), QStringLiteral("a(b(a))"));
}

void tst_ProcessModel::showsColumns()
{
    Process app;
    const auto a = makeProcess("a", &app);
    const auto b = makeProcess("b", a.get());
    TestedModel model(&app);
    QTRY_COMPARE(textOf(model), QStringLiteral("a(b)"));
    QCOMPARE(model.columnCount(), 3);
    for (int column = 0; column < model.columnCount(); ++column) {
        QVERIFY(!model.headerData(column, Qt::Horizontal).toString().isEmpty());
        QVERIFY(model.index(0, column).data().isValid());
    }
    QVERIFY(!model.headerData(3, Qt::Horizontal).isValid());
    QVERIFY(!model.headerData(0, Qt::Horizontal, Qt::DecorationRole).isValid());
    QCOMPARE(model.headerData(0, Qt::Vertical).toInt(), 1);
    QCOMPARE(model.index(0, ProcessModel::SinceColumn).data().userType(), qMetaTypeId<QTime>());
    QVERIFY(!model.index(0, 0).data(Qt::DecorationRole).isValid());
    // The rows below are those of the first column.
    const QModelIndex state = model.index(0, ProcessModel::StateColumn);
    QCOMPARE(model.rowCount(state), 0);
    QCOMPARE(model.columnCount(state), 0);
    QVERIFY(!model.hasChildren(state));
    QVERIFY(!model.canFetchMore(state));
    a->close();
    QTRY_COMPARE(model.index(0, ProcessModel::StateColumn).data().toString(),
                 QStringLiteral("Closed"));
}

void tst_ProcessModel::onlyTheFirstThousandHaveRows()
{
    Process app;
    std::vector<std::unique_ptr<Process>> children(1500);
    for (auto &child : children)
        child = std::make_unique<Process>(&app);
    TestedModel model(&app);
    QTRY_COMPARE(model.rowCount(), 1001);
    QTRY_COMPARE(model.index(1000, 0).data(ProcessModel::MoreRole).toInt(), 500);
    QVERIFY(textOf(model.index(1000, 0), Qt::DisplayRole).contains(QLatin1String("500")));
    for (const int column : { ProcessModel::StateColumn, ProcessModel::SinceColumn })
        QVERIFY(!model.index(1000, column).data().isValid());
    QVERIFY(!model.index(1000, 0).data(ProcessModel::PathRole).isValid());
    const Process another(&app);
    QTRY_COMPARE(model.index(1000, 0).data(ProcessModel::MoreRole).toInt(), 501);
}

void tst_ProcessModel::roomIsFilled()
{
    Process app;
    std::vector<std::unique_ptr<Process>> children(2500);
    for (auto &child : children)
        child = std::make_unique<Process>(&app);
    TestedModel model(&app);
    QTRY_COMPARE(model.rowCount(), 1001);
    // Not the first ones, so that the rows do not follow from the last one that had a row.
    children.erase(children.begin() + 500, children.begin() + 2000);
    QTRY_COMPARE(model.rowCount(), 1000);
    QTRY_VERIFY(model.index(999, 0).data(ProcessModel::NameRole).toString()
                == children.back()->path().mid(app.path().size() + 1));
}

void tst_ProcessModel::childrenAreFetchedWhenAskedFor()
{
    Process app;
    const auto a = makeProcess("a", &app);
    const auto b = makeProcess("b", a.get());
    ProcessModel model;
    model.setProcess(&app);
    QTRY_COMPARE(model.rowCount(), 1);
    const QModelIndex index = model.index(0, 0);
    QVERIFY(model.hasChildren(index));
    QVERIFY(model.canFetchMore(index));
    QCOMPARE(model.rowCount(index), 0);
    model.fetchMore(index);
    QCOMPARE(model.rowCount(index), 1);
    QVERIFY(!model.canFetchMore(index));
}

void tst_ProcessModel::edgesThatBecomeChildrenAreShown()
{
    Process app;
    const auto a = makeProcess("a");
    app.waitFor(a.get());
    const auto b = makeProcess("b", &app);
    TestedModel model(&app);
    QTRY_COMPARE(textOf(model), QStringLiteral("b"));
    app.addChild(a.get());
    QTRY_COMPARE(textOf(model), QStringLiteral("b a"));
}

void tst_ProcessModel::showsAllRoots()
{
    TestedModel model;
    QCOMPARE(model.process(), nullptr);
    const auto a = makeProcess("a");
    const auto below = makeProcess("below", a.get());
    QTRY_COMPARE(textOf(model), QStringLiteral("a(below)"));
    Process waits;
    waits.setName(QStringLiteral("waits"));
    QVERIFY(waits.waitFor(a.get())); // which stays a root
    QTRY_COMPARE(model.rowCount(), 2);
    QVERIFY(textOf(model).contains(QLatin1String("a(below)")));
    a->closeAndWait();
    waits.closeAndWait();
    QTRY_COMPARE(textOf(model), QString());
}

void tst_ProcessModel::showsNewRoots()
{
    TestedModel model;
    const auto a = makeProcess("a");
    const auto below = makeProcess("below", a.get());
    QTRY_COMPARE(textOf(model), QStringLiteral("a(below)"));
    model.setProcess(Process::background());
    QCOMPARE(model.process(), nullptr);
    auto b = makeProcess("b");
    QTRY_VERIFY(textOf(model) == QLatin1String("a(below) b")
                || textOf(model) == QLatin1String("b a(below)"));
    b.reset();
    QTRY_COMPARE(textOf(model), QStringLiteral("a(below)"));
}

void tst_ProcessModel::rootsBecomeChildren()
{
    TestedModel model;
    const auto a = makeProcess("a");
    const auto b = makeProcess("b");
    QTRY_COMPARE(model.rowCount(), 2);
    a->addChild(b.get());
    QTRY_COMPARE(textOf(model), QStringLiteral("a(b)"));
}

void tst_ProcessModel::theProcessMayBeDestroyed()
{
    auto app = std::make_unique<Process>();
    const auto a = makeProcess("a");
    app->addChild(a.get());
    TestedModel model(app.get());
    QTRY_COMPARE(model.rowCount(), 1);
    int changes = 0;
    connect(&model, &ProcessModel::processChanged, &model, [&changes] { ++changes; });
    app.reset();
    QTRY_COMPARE(changes, 1);
    QCOMPARE(model.process(), nullptr);
    QTRY_COMPARE(model.rowCount(), 0);
    const Process other;
    QTRY_COMPARE(model.rowCount(), 0); // it has not become a model of all roots
}

void tst_ProcessModel::anotherProcessMayBeSet()
{
    Process app;
    const auto a = makeProcess("a", &app);
    Process other;
    const auto b = makeProcess("b", &other);
    TestedModel model(&app);
    QTRY_COMPARE(textOf(model), QStringLiteral("a"));
    model.setProcess(&other);
    QCOMPARE(model.process(), &other);
    QTRY_COMPARE(textOf(model), QStringLiteral("b"));
    int changes = 0;
    connect(&model, &ProcessModel::processChanged, &model, [&changes] { ++changes; });
    model.setProcess(&other); // the same again
    QCOMPARE(changes, 0);
}

void tst_ProcessModel::theProcessMayLiveInAnotherThread()
{
    EventLoopThread thread;
    std::unique_ptr<Process> app;
    thread.run([&app] {
        app = std::make_unique<Process>();
        makeProcess("a", app.get()).release();
    });
    TestedModel model(app.get());
    QTRY_COMPARE(textOf(model), QStringLiteral("a"));
    thread.run([&app] { app.reset(); });
    QTRY_COMPARE(model.rowCount(), 0);
    thread.stop();
}

void tst_ProcessModel::updatesAreFew()
{
    Process app;
    TestedModel model(&app);
    const auto a = makeProcess("a", &app);
    QTRY_COMPARE(model.rowCount(), 1);
    int updates = 0;
    connect(&model, &ProcessModel::dataChanged, &model, [&updates] { ++updates; });
    QElapsedTimer time;
    time.start();
    for (int i = 0; !time.hasExpired(500); ++i) { // for as long as it takes to see many
        a->setName(QString::number(i));
        QCoreApplication::processEvents();
    }
    QVERIFY(updates > 0);
    QVERIFY2(updates <= int(time.elapsed() * 30 / 1000) + 1, qPrintable(QString::number(updates)));
}

void tst_ProcessModel::manyProcessesDoNotStallTheThread()
{
    // The tester would need most of the time.
    ProcessModel model;
    Process app;
    model.setProcess(&app);
    constexpr int groups = 100;
    std::atomic<bool> isOver = false;
    Gate mayClose;
    std::thread builder([&] {
        {
            std::vector<std::unique_ptr<Process>> all;
            for (int i = 0; i < groups; ++i) {
                Process *group = all.emplace_back(std::make_unique<Process>()).get();
                for (int j = 0; j < 999; ++j)
                    group->addChild(all.emplace_back(std::make_unique<Process>()).get());
                app.addChild(group);
            }
            mayClose.pass();
            all.front()->close();
            while (!all.empty())
                all.pop_back();
        }
        isOver = true;
    });

    Turns turns;
    const QDeadlineTimer deadline(4 * patience);
    while (model.rowCount() < groups && !deadline.hasExpired())
        turns.turn();
    for (int i = 0; i < groups; ++i) {
        model.fetchMore(model.index(i, 0));
        turns.turn();
    }
    mayClose.open();
    while ((!isOver || model.rowCount() > 0) && !deadline.hasExpired())
        turns.turn();
    builder.join();
    QCOMPARE(model.rowCount(), 0);
    qInfo("The longest turn took %d ms", turns.longestMs());
    QVERIFY(turns.longestMs() <= longestTurnMs);
}

void tst_ProcessModel::nothingPilesUpWhileTheThreadIsBlocked()
{
    // Nobody runs the event loop: the model holds nothing of what has come and gone.
    Process app;
    TestedModel model(&app);
    std::weak_ptr<int> last;
    for (int i = 0; i < 1000; ++i) {
        auto token = std::make_shared<int>(i);
        last = token;
        Process child([token] {}, &app);
        token.reset();
    }
    QVERIFY(last.expired());
    QTRY_COMPARE(model.rowCount(), 0);
}

void tst_ProcessModel::deepTreesAreDestroyed()
{
    std::vector<std::unique_ptr<Process>> chain;
    chain.push_back(std::make_unique<Process>());
    ProcessModel model;
    model.setProcess(chain.front().get());
    for (int i = 0; i < 50000; ++i)
        chain.push_back(std::make_unique<Process>(chain.back().get()));
    QModelIndex index;
    const QDeadlineTimer deadline = soon();
    int depth = 0;
    while (depth < 50000 && !deadline.hasExpired()) {
        model.fetchMore(index);
        if (model.rowCount(index) == 0) {
            QCoreApplication::processEvents();
            continue;
        }
        index = model.index(0, 0, index);
        ++depth;
    }
    QCOMPARE(depth, 50000);
    model.setProcess(nullptr);
    while (!chain.empty())
        chain.pop_back();
}

void tst_ProcessModel::treesChangeInFourThreads()
{
    Process app;
    app.setName(QStringLiteral("app"));
    TestedModel model(&app);
    TestedModel roots;
    CloseMonitor monitor;
    monitor.setProcess(&app);

    std::atomic<int> running = 4;
    std::vector<std::thread> threads;
    for (unsigned seed = 1; seed <= 4; ++seed) {
        threads.emplace_back([&app, &running, random = seed]() mutable {
            const auto next = [&random](std::size_t below) {
                random = random * 1664525U + 1013904223U;
                return std::size_t(random >> 8U) % below;
            };
            for (int round = 0; round < 40; ++round) {
                std::vector<std::unique_ptr<Process>> all;
                all.push_back(std::make_unique<Process>());
                app.addChild(all.front().get());
                for (int i = 0; i < 60; ++i) {
                    auto process = std::make_unique<Process>();
                    all[next(all.size())]->addChild(process.get());
                    all[next(all.size())]->addChildNoWait(process.get());
                    process->addChildNoWait(all[next(all.size())].get());
                    if (next(3) == 0)
                        process->setName(QString::number(i));
                    if (next(10) == 0)
                        all[next(all.size())]->close();
                    all.push_back(std::move(process));
                    if (next(4) == 0)
                        std::this_thread::yield();
                }
                while (!all.empty()) {
                    std::swap(all.back(), all[next(all.size())]);
                    all.pop_back();
                }
            }
            --running;
        });
    }
    const QDeadlineTimer deadline(4 * patience);
    while (running > 0 && !deadline.hasExpired())
        QCoreApplication::processEvents(QEventLoop::AllEvents, 10);
    for (std::thread &thread : threads)
        thread.join();
    app.closeAndWait();
    QTRY_COMPARE(model.rowCount(), 0);
    QTRY_COMPARE(monitor.progress(), 1.0);
    QTRY_COMPARE(roots.rowCount(), 0);
}

QTEST_GUILESS_MAIN(tst_ProcessModel)

#include "tst_processmodel.moc"
