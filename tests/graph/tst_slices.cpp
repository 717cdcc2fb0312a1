// SPDX-License-Identifier: MIT
// Closes and ends that are made in slices of a few edges (R16, R18, R19), and what changes the
// graph between them.
//
// This is compiled with slices of GOPROCESS_EDGES_PER_SLICE edges.

#include "driver.h"
#include "graph/graph_p.h"
#include "slices.h"
#include "support/testallocator.h"

#include <QTest>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

using namespace GoProcess;
using namespace GoProcess::Private;

namespace {

bool areClosing(const std::vector<Owned> &nodes)
{
    return std::none_of(nodes.cbegin(), nodes.cend(),
                        [](const Owned &node) { return node->state() == NodeState::Running; });
}

} // namespace

class tst_Slices : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void r17_othersGetTheLockBetweenSlices();
    void r18_allIsClosingAtTheEnd();
    void r18_aCloseMeetsAnother();
    void r18_aCloseOfAClosedProcess();
    void r18_helpForWhoWaits();
    void r19_parentsAnnounceFirst();
    void r13_teardownWaitsForTheSearch();
    void theNextEdgeLeaves();
    void theNextEdgeMovesToTheChildren();
    void componentsAreJoinedUnderWay();
    void r16_oneBelowManyLeaves();
    void r20_oneBelowManyClosesThem();
    void withoutMemory();
    void leavingWithoutMemory();
    void r18_threads();
};

void tst_Slices::r17_othersGetTheLockBetweenSlices()
{
    Driver driver;
    const auto nodes = makeNodes(100);
    for (std::size_t i = 1; i < nodes.size(); ++i)
        add(&Graph::addChild, nodes[0], nodes[i], driver);
    Call call(driver, Graph::close(*nodes[0]));
    int slices = 1;
    do {
        QVERIFY(Graph::hold(*nodes[0])); // which needs the lock
        Call(driver, Graph::release(*nodes[0]));
        ++slices;
    } while (call.goOn());
    QVERIFY(slices >= 99 / GOPROCESS_EDGES_PER_SLICE);
    driver.run();
    QVERIFY(areFinished(nodes));
}

void tst_Slices::r18_allIsClosingAtTheEnd()
{
    // A wide one, a deep one, and one that is both.
    for (const std::size_t fanOut : { std::size_t(1), std::size_t(3), std::size_t(1000) }) {
        Driver driver;
        const auto nodes = makeNodes(500);
        for (std::size_t i = 1; i < nodes.size(); ++i)
            add(&Graph::addChild, nodes[(i - 1) / fanOut], nodes[i], driver);
        Call call(driver, Graph::close(*nodes[0]));
        QVERIFY(!areClosing(nodes));
        call.end();
        QVERIFY(areClosing(nodes));
        driver.run();
        QVERIFY(areFinished(nodes));
    }
}

void tst_Slices::r18_aCloseMeetsAnother()
{
    Driver driver;
    const auto nodes = makeNodes(50);
    for (std::size_t i = 1; i < nodes.size(); ++i)
        add(&Graph::addChild, nodes[(i - 1) / 2], nodes[i], driver);
    Call first(driver, Graph::close(*nodes[0]));
    QVERIFY(!areClosing(nodes));
    Call(driver, Graph::close(*nodes[0])).end();
    QVERIFY(areClosing(nodes));
    QVERIFY(!first.goOn());
    driver.run();
    QVERIFY(areFinished(nodes));
}

void tst_Slices::r18_aCloseOfAClosedProcess()
{
    // It is Closed while what it only closes is still searched; a late close brings that to its
    // end.
    Driver driver;
    const Owned top;
    const auto nodes = makeNodes(50);
    add(&Graph::addChildNoWait, top, nodes[0], driver);
    for (std::size_t i = 1; i < nodes.size(); ++i)
        add(&Graph::addChild, nodes[0], nodes[i], driver);
    Call first(driver, Graph::close(*top));
    while (!top->isFinished() && first.goOn())
        driver.run();
    QVERIFY(top->isFinished());
    QVERIFY(!areClosing(nodes));
    Call(driver, Graph::close(*top)).end();
    QVERIFY(areClosing(nodes));
    first.end();
    driver.run();
    QVERIFY(areFinished(nodes));
}

void tst_Slices::r18_helpForWhoWaits()
{
    Driver driver;
    const auto nodes = makeNodes(50);
    for (std::size_t i = 1; i < nodes.size(); ++i)
        add(&Graph::addChild, nodes[0], nodes[i], driver);
    QVERIFY(!Graph::help(*nodes[0]));
    Call first(driver, Graph::close(*nodes[0]));
    std::optional<DueSteps> help = Graph::help(*nodes[1]);
    QVERIFY(help);
    Call(driver, std::move(*help)).end();
    QVERIFY(areClosing(nodes));
    first.end();
    QVERIFY(!Graph::help(*nodes[0]));
    driver.run();
}

void tst_Slices::r19_parentsAnnounceFirst()
{
    // Breadth first, as without slices: 1 to 20 below 0, and 21 below 20, which is below 1 as well.
    Driver driver;
    const auto nodes = makeNodes(22);
    for (std::size_t i = 1; i <= 20; ++i)
        add(&Graph::addChild, nodes[0], nodes[i], driver);
    add(&Graph::addChild, nodes[1], nodes[21], driver);
    add(&Graph::addChild, nodes[20], nodes[21], driver);
    driver.take(Graph::close(*nodes[0]));
    driver.run();
    for (int i = 0; i < 22; ++i)
        QCOMPARE(driver.log.at(i), QString::number(i) + QStringLiteral(" closing"));
    QVERIFY(areFinished(nodes));
}

void tst_Slices::r13_teardownWaitsForTheSearch()
{
    // It waits for none of its children, and has announced; yet it takes children until all are
    // searched.
    Driver driver;
    const auto nodes = makeNodes(20);
    for (std::size_t i = 1; i < nodes.size(); ++i)
        add(&Graph::addChildNoWait, nodes[0], nodes[i], driver);
    Call call(driver, Graph::close(*nodes[0]));
    driver.run();
    QCOMPARE(nodes[0]->state(), NodeState::Closing);
    const Owned late(QStringLiteral("late"));
    QCOMPARE(add(&Graph::addChild, nodes[0], late, driver), Refusal::None);
    QCOMPARE(late->state(), NodeState::Closing);
    call.end();
    driver.run();
    QVERIFY(areFinished(nodes));
    QVERIFY(driver.log.indexOf(QStringLiteral("late teardown"))
            < driver.log.indexOf(QStringLiteral("0 teardown")));
}

void tst_Slices::theNextEdgeLeaves()
{
    // Each child in turn closes by itself and leaves the books between two slices, the next one
    // among them, from either end, also until none is left.
    for (const bool fromTheEnd : { false, true }) {
        for (std::size_t leaving = 0; leaving < 20; ++leaving) {
            Driver driver;
            const auto nodes = makeNodes(20);
            for (std::size_t i = 1; i < nodes.size(); ++i)
                add(&Graph::addChild, nodes[0], nodes[i], driver);
            Call call(driver, Graph::close(*nodes[0]));
            for (std::size_t i = 0; i < leaving; ++i) {
                const std::size_t index = fromTheEnd ? nodes.size() - 1 - i : 1 + i;
                Driver own;
                Call closing(own, Graph::close(*nodes[index]));
                driver.run();
                own.run();
            }
            call.end();
            QVERIFY(areClosing(nodes));
            driver.run();
            QVERIFY(areFinished(nodes));
        }
    }
}

void tst_Slices::theNextEdgeMovesToTheChildren()
{
    // What it only waits for comes first in its books; as a child it moves to their end.
    Driver driver;
    const auto nodes = makeNodes(20);
    for (std::size_t i = 1; i < nodes.size(); ++i)
        add(&Graph::waitFor, nodes[0], nodes[i], driver);
    Call call(driver, Graph::close(*nodes[0]));
    for (std::size_t i = 1; i < nodes.size(); ++i) {
        QCOMPARE(nodes[i]->state(), NodeState::Running);
        QCOMPARE(add(&Graph::addChild, nodes[0], nodes[i], driver), Refusal::None);
        QCOMPARE(nodes[i]->state(), NodeState::Closing);
    }
    call.end();
    driver.run();
    QVERIFY(areFinished(nodes));
}

void tst_Slices::componentsAreJoinedUnderWay()
{
    // Two closes that are under way in two trees, which become one; each brings both to their ends.
    for (const bool firstGoesOn : { false, true }) {
        Driver driver;
        const auto first = makeNodes(30);
        const auto second = makeNodes(60);
        for (std::size_t i = 1; i < first.size(); ++i)
            add(&Graph::addChild, first[(i - 1) / 2], first[i], driver);
        for (std::size_t i = 1; i < second.size(); ++i)
            add(&Graph::addChild, second[0], second[i], driver);
        Call closesFirst(driver, Graph::close(*first[0]));
        Call closesSecond(driver, Graph::close(*second[0]));
        EdgeChange joined = Graph::addChild(*first[0], *second[0]);
        QCOMPARE(joined.refusal, Refusal::None);
        Call joins(driver, std::move(joined.steps));
        QVERIFY(!areClosing(first) && !areClosing(second));
        (firstGoesOn ? closesFirst : joins).end();
        QVERIFY(areClosing(first) && areClosing(second));
        closesFirst.end();
        closesSecond.end();
        joins.end();
        driver.run();
        QVERIFY(areFinished(first) && areFinished(second));
    }
}

void tst_Slices::withoutMemory()
{
    // Each allocation of the close fails in turn, and all that follow: it goes on in one piece.
    bool failed = true;
    for (int allowed = 0; failed; ++allowed) {
        Driver driver;
        const auto nodes = makeNodes(1000);
        for (std::size_t i = 1; i < nodes.size(); ++i)
            add(&Graph::addChild, nodes[(i - 1) / 2], nodes[i], driver);
        std::vector<DueSteps::Due> all(nodes.size());
        hasFailed = false;
        allocationsAllowed = allowed;
        DueSteps change = Graph::close(*nodes[0]);
        int due = 0;
        do {
            for (; !change.isEmpty(); ++due)
                all.at(std::size_t(due)) = change.take();
            change.unlock();
            if (hasFailed)
                allocationsAllowed = 0;
        } while (change.more());
        failed = hasFailed;
        allocationsAllowed = -1;
        QCOMPARE(due, int(nodes.size()));
        QVERIFY(areClosing(nodes));
        for (const DueSteps::Due &announce : all)
            driver.take(std::move(*Graph::announced(*announce.node)));
        driver.run();
        QVERIFY(areFinished(nodes));
        QVERIFY(allowed < 1000);
    }
}

void tst_Slices::r16_oneBelowManyLeaves()
{
    Driver driver;
    const Owned leaf(QStringLiteral("leaf"));
    const auto above = makeNodes(50);
    for (const Owned &node : above)
        add(&Graph::addChild, node, leaf, driver);
    driver.take(Graph::close(*leaf));
    Graph::setClosed(*leaf); // as its teardown has ended; nothing has run its step
    Call call(driver, std::move(*Graph::finish(*leaf)));
    QVERIFY(leaf->isFinished());
    const auto waits = [&] {
        return std::count_if(above.cbegin(), above.cend(),
                             [](const Owned &node) { return Graph::waits(*node) > 0; });
    };
    for (auto before = waits(); before > 0; before = waits()) {
        QVERIFY(Graph::hold(*above.back())); // which needs the lock
        Call(driver, Graph::release(*above.back()));
        QVERIFY(Graph::help(*above.back())); // for a call that waits for one of them
        QVERIFY(call.goOn());
        QVERIFY(waits() < before);
        QVERIFY(waits() >= before - GOPROCESS_EDGES_PER_SLICE);
    }
    QVERIFY(!call.goOn());
    QVERIFY(!Graph::help(*above.back()));
}

void tst_Slices::r20_oneBelowManyClosesThem()
{
    // Those above close when it leaves their books, each with what is below it.
    Driver driver;
    const Owned leaf(QStringLiteral("leaf"));
    const auto above = makeNodes(50);
    const auto below = makeNodes(500);
    for (std::size_t i = 0; i < above.size(); ++i) {
        add(&Graph::addChild, above[i], leaf, driver);
        for (std::size_t j = 0; j < 10; ++j)
            add(&Graph::addChildNoWait, above[i], below[10 * i + j], driver);
        driver.take(Graph::closeAfterChildren(*above[i]));
    }
    driver.take(Graph::close(*leaf));
    driver.run();
    QVERIFY(areFinished(above) && areFinished(below));
}

void tst_Slices::leavingWithoutMemory()
{
    Driver driver;
    const Owned leaf(QStringLiteral("leaf"));
    const auto above = makeNodes(50);
    for (const Owned &node : above)
        add(&Graph::addChild, node, leaf, driver);
    driver.take(Graph::close(*leaf));
    Graph::setClosed(*leaf);
    hasFailed = false;
    allocationsAllowed = 0;
    DueSteps change = std::move(*Graph::finish(*leaf));
    allocationsAllowed = -1;
    QVERIFY(hasFailed);
    change.unlock();
    QVERIFY(!change.more());
    for (const Owned &node : above)
        QCOMPARE(Graph::waits(*node), 0U);
}

void tst_Slices::r18_threads()
{
    // Two threads close, one the whole and one a part, while a third takes and releases holds and a
    // fourth runs the steps, by which processes leave the books.
    for (unsigned round = 0; round < 100; ++round) {
        std::mt19937 random(round);
        const auto nodes = makeNodes(300);
        StepsOfThreads due;
        const auto take = [&](DueSteps &&change) { due.take(std::move(change)); };
        for (std::size_t i = 1; i < nodes.size(); ++i) {
            take(std::move(Graph::addChild(*nodes[random() % i], *nodes[i]).steps));
            take(std::move(Graph::addChildNoWait(*nodes[random() % i], *nodes[i]).steps));
        }
        std::atomic<bool> allClosing = true;
        std::atomic<bool> isOver = false;
        std::thread closer([&] {
            take(Graph::close(*nodes[0]));
            if (!areClosing(nodes))
                allClosing = false;
        });
        std::thread other([&, at = random() % nodes.size()] {
            take(Graph::close(*nodes[at]));
            if (nodes[at]->state() == NodeState::Running)
                allClosing = false;
        });
        std::thread holder([&] {
            for (std::size_t i = 0; !isOver; i = (i + 1) % nodes.size()) {
                if (Graph::hold(*nodes[i]))
                    take(Graph::release(*nodes[i]));
            }
        });
        Driver driver;
        while (!areFinished(nodes)) {
            due.giveTo(driver);
            driver.run();
        }
        isOver = true;
        closer.join();
        other.join();
        holder.join();
        QVERIFY(allClosing);
    }
}

QTEST_GUILESS_MAIN(tst_Slices)

#include "tst_slices.moc"
