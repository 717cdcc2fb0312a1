// SPDX-License-Identifier: MIT
// What large graphs and many processes cost: the time grows as their number does.
//
// It is measured in the time that the processors spend on this program, which other programs do not
// add to; the best of some tries counts.

#include "support/messages.h"
#include "support/sanitizers.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QEvent>
#include <QObject>
#include <QPromise>
#include <QTest>
#include <QThread>

#include <algorithm>
#include <cstddef>
#include <ctime>
#include <limits>
#include <memory>
#include <vector>

using GoProcess::Error;
using GoProcess::Process;

using namespace TestSupport;

namespace {

using Processes = std::vector<std::unique_ptr<Process>>;
using Shape = void (*)(int);

Processes make(int n)
{
    Processes processes;
    for (int i = 0; i < n; ++i)
        processes.push_back(std::make_unique<Process>());
    return processes;
}

void link(Processes &chain)
{
    for (std::size_t i = 0; i + 1 < chain.size(); ++i)
        QVERIFY(chain[i]->addChild(chain[i + 1].get()));
}

void closeAll(Processes &processes)
{
    for (const auto &process : processes)
        process->close();
    for (const auto &process : processes)
        QVERIFY(process->waitForClosed(soon()));
}

void everyoneAChildOfEveryone(int n)
{
    Processes upper = make(n);
    Processes lower = make(n);
    for (const auto &parent : upper) {
        for (const auto &child : lower)
            QVERIFY(parent->addChild(child.get()));
    }
    closeAll(upper);
}

void leavesBelowManyWhoDoNotWait(int n)
{
    Processes parents = make(n);
    Processes leaves = make(n);
    Process shared;
    for (const auto &parent : parents)
        QVERIFY(parent->addChildNoWait(&shared));
    for (const auto &leaf : leaves)
        QVERIFY(shared.addChild(leaf.get()));
    QVERIFY(!shared.closeAndWait());
}

void shortcutsInAChain(int n)
{
    Processes chain = make(n);
    link(chain);
    for (std::size_t i = 0; i + 2 < chain.size(); ++i)
        QVERIFY(chain[i]->waitFor(chain[i + 2].get()));
    QVERIFY(!chain.front()->closeAndWait());
}

void chainThatFails(int n)
{
    Processes chain = make(n);
    for (const auto &process : chain)
        QVERIFY(process->setTeardown([] { return Error(QStringLiteral("failed")); }));
    link(chain);
    QVERIFY(chain.front()->closeAndWait());
    QCOMPARE(chain.front()->treeErrorCount(), n);
}

void chainInAThreadThatWasNotStarted(int n)
{
    const ExpectWarning warning(QStringLiteral("was not started"), 1);
    QThread thread;
    Processes chain = make(n);
    for (const auto &process : chain) {
        QVERIFY(process->setTeardown([] {}));
        process->moveToThread(&thread);
    }
    link(chain);
    QVERIFY(!chain.front()->closeAndWait());
}

// One after another, while a wait runs what follows.
void openFutures(int n)
{
    std::vector<QPromise<void>> promises(static_cast<std::size_t>(n));
    Process root;
    Processes children = make(n);
    Gate begun;
    for (std::size_t i = 0; i < children.size(); ++i) {
        QPromise<void> &promise = promises[i];
        promise.start();
        QVERIFY(children[i]->setTeardown(
                [&, i] {
                    if (i == 0)
                        begun.open();
                    return promise.future();
                },
                [] {}));
        QVERIFY(root.addChild(children[i].get()));
    }
    const Thread finisher([&] {
        begun.pass();
        for (QPromise<void> &promise : promises)
            promise.finish();
    });
    QVERIFY(!root.closeAndWait());
}

// Each looks for the lock of the event queue once.
void movedWhereEventsAreQueued(int n)
{
    QObject receiver;
    Process root;
    Processes moved;
    QThread *const here = QThread::currentThread();
    Thread([&] {
        moved = make(n);
        for (const auto &process : moved)
            process->moveToThread(here);
    }).join();
    for (const auto &process : moved) {
        QVERIFY(process->setTeardown([] {}));
        QVERIFY(root.addChild(process.get()));
        QCoreApplication::postEvent(&receiver, new QEvent(QEvent::User));
    }
    QVERIFY(!root.closeAndWait());
}

/// In seconds.
double timeOf(Shape shape, int n)
{
    const std::clock_t begin = std::clock();
    shape(n);
    return double(std::clock() - begin) / CLOCKS_PER_SEC;
}

} // namespace

class Growth : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void timeGrowsAsTheirNumber_data();
    void timeGrowsAsTheirNumber();
};

void Growth::timeGrowsAsTheirNumber_data()
{
    QTest::addColumn<Shape>("shape");
    QTest::addColumn<int>("n");
    QTest::addColumn<double>("limit");
    // For 4 times as many: 4 where the time grows as their number does, 16 where as its square.
    constexpr double linear = 8;
    // For 16 times as many edges 16, and what the caches add; where each looks at others hundreds.
    constexpr double square = 100;

    QTest::newRow("n parents of n children") << Shape(everyoneAChildOfEveryone) << 120 << square;
    QTest::newRow("leaves below n that do not wait")
            << Shape(leavesBelowManyWhoDoNotWait) << 4000 << linear;
    QTest::newRow("shortcuts in a chain") << Shape(shortcutsInAChain) << 2500 << linear;
    QTest::newRow("chain that fails") << Shape(chainThatFails) << 2000 << linear;
    QTest::newRow("chain in a thread that was not started")
            << Shape(chainInAThreadThatWasNotStarted) << 2000 << linear;
    QTest::newRow("open futures") << Shape(openFutures) << 1000 << linear;
    QTest::newRow("moved where events are queued")
            << Shape(movedWhereEventsAreQueued) << 2500 << linear;
}

void Growth::timeGrowsAsTheirNumber()
{
    if (TestSupport::underSanitizer || TestSupport::underCoverage)
        QSKIP("It measures");
    QFETCH(Shape, shape);
    QFETCH(int, n);
    QFETCH(double, limit);
    double best = std::numeric_limits<double>::max();
    double few = 0;
    for (int i = 0; i < 5 && best >= limit; ++i) {
        few = timeOf(shape, n);
        best = std::min(best, timeOf(shape, 4 * n) / few);
    }
    QVERIFY2(best < limit, qPrintable(QStringLiteral("4 times as many cost %1 times").arg(best)));
}

QTEST_GUILESS_MAIN(Growth)

#include "tst_growth.moc"
