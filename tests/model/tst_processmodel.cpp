// SPDX-License-Identifier: MIT
// ProcessModel: rows that follow the processes.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "modelsupport.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"
#include "testedmodel.h"

#include <GoProcess/GoProcess>

#include <QStringList>
#include <QTest>

#include <array>
#include <memory>
#include <vector>

using GoProcess::Error;
using GoProcess::Process;
using GoProcess::ProcessModel;
using GoProcess::ProcessPtr;
using namespace TestSupport;

namespace {

Process::State stateOf(const QModelIndex &index)
{
    return index.data(ProcessModel::StateRole).value<Process::State>();
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

QTEST_GUILESS_MAIN(tst_ProcessModel)

#include "tst_processmodel.moc"
