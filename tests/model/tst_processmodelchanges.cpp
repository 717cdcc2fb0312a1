// SPDX-License-Identifier: MIT
// ProcessModel while what it shows comes, goes and changes: roots, threads, and many processes at
// once.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "modelsupport.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"
#include "testedmodel.h"
#include "threadtime.h"

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QDeadlineTimer>
#include <QElapsedTimer>
#include <QTest>

#include <atomic>
#include <cstddef>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

using GoProcess::CloseMonitor;
using GoProcess::Process;
using GoProcess::ProcessModel;
using namespace TestSupport;

class tst_ProcessModelChanges : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

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

void tst_ProcessModelChanges::showsAllRoots()
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

void tst_ProcessModelChanges::showsNewRoots()
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

void tst_ProcessModelChanges::rootsBecomeChildren()
{
    TestedModel model;
    const auto a = makeProcess("a");
    const auto b = makeProcess("b");
    QTRY_COMPARE(model.rowCount(), 2);
    a->addChild(b.get());
    QTRY_COMPARE(textOf(model), QStringLiteral("a(b)"));
}

void tst_ProcessModelChanges::theProcessMayBeDestroyed()
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

void tst_ProcessModelChanges::anotherProcessMayBeSet()
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

void tst_ProcessModelChanges::theProcessMayLiveInAnotherThread()
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

void tst_ProcessModelChanges::updatesAreFew()
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

void tst_ProcessModelChanges::manyProcessesDoNotStallTheThread()
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

void tst_ProcessModelChanges::nothingPilesUpWhileTheThreadIsBlocked()
{
    // The test runs no event loop: the model holds nothing of what has come and gone.
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

void tst_ProcessModelChanges::deepTreesAreDestroyed()
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

void tst_ProcessModelChanges::treesChangeInFourThreads()
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

QTEST_GUILESS_MAIN(tst_ProcessModelChanges)

#include "tst_processmodelchanges.moc"
