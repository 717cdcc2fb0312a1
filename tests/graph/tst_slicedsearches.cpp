// SPDX-License-Identifier: MIT
// Searches and looks that are made in slices of a few edges (R14, R19, R27), and what changes the
// graph between them.
//
// This is compiled with slices of GOPROCESS_EDGES_PER_SLICE edges.

#include "driver.h"
#include "graph/graph_p.h"
#include "slices.h"

#include <QTest>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

using namespace GoProcess;
using namespace GoProcess::Private;
using namespace Qt::StringLiterals;

namespace {

bool isAnyWalkLeft(const Node &node)
{
    const NodeLock lock(node);
    return lock.domain().markings.size() + lock.domain().looks.size() > 0;
}

} // namespace

class tst_SlicedSearches : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void r14_longWays();
    void r14_edgesOfThreads();
    void r14_longCyclesAreNamedInPart();
    void r27_manyAboveAreTold();
    void looksWhileItChanges();
    void looksWhileComponentsAreJoined();
    void r19_closingAboveWhileItChanges();
};

void tst_SlicedSearches::r14_longWays()
{
    // Two long chains below one node: an edge back is a cycle, however far; one across is none.
    Driver driver;
    const Owned top(QStringLiteral("top"));
    const auto first = makeNodes(200);
    const auto second = makeNodes(200);
    for (const auto *chain : { &first, &second }) {
        add(&Graph::addChild, top, chain->front(), driver);
        for (std::size_t i = 1; i < chain->size(); ++i)
            add(&Graph::waitFor, (*chain)[i - 1], (*chain)[i], driver);
    }
    const auto refusal = [&](auto *operation, const Owned &upper, const Owned &lower) {
        return add(operation, upper, lower, driver);
    };
    for (auto *const operation : { &Graph::addChild, &Graph::waitFor }) {
        QCOMPARE(refusal(operation, first[199], first[0]), Refusal::Cycle);
        QCOMPARE(refusal(operation, first[150], first[50]), Refusal::Cycle);
        QCOMPARE(refusal(operation, first[50], first[150]), Refusal::None);
    }
    QCOMPARE(refusal(&Graph::addChild, first[100], second[100]), Refusal::None);
    QCOMPARE(refusal(&Graph::addChild, second[199], first[0]), Refusal::Cycle);
    QVERIFY(Graph::waitsFor(*first[0], *second[199]));
    QVERIFY(!Graph::waitsFor(*second[0], *first[199]));
    EdgeChange refused = Graph::addChild(*second[150], *first[90]);
    refused.steps.unlock();
    QCOMPARE(refused.refusal, Refusal::Cycle);
    QCOMPARE(int(refused.cycle->size()), 1 + 11 + 51); // 90 to 100, 100 to 150, and back
    driver.take(Graph::close(*top));
    driver.run();
    for (const auto *chain : { &first, &second }) {
        for (const Owned &node : *chain)
            driver.take(Graph::close(*node));
    }
    driver.run();
    QVERIFY(top->isFinished());
}

void tst_SlicedSearches::r14_edgesOfThreads()
{
    // Threads add edges at random, each in the middle of the searches of the others, while
    // processes close: what was accepted has no cycle, so all that was closed closes.
    for (unsigned round = 0; round < 200; ++round) {
        const auto nodes = makeNodes(60);
        StepsOfThreads due;
        std::mutex mutex; // guards what was accepted
        std::vector<std::pair<std::size_t, std::size_t>> accepted;
        const auto take = [&](DueSteps &&change) { due.take(std::move(change)); };
        std::vector<std::thread> threads;
        for (unsigned part = 0; part < 3; ++part) {
            threads.emplace_back([&, part] {
                std::mt19937 random(3 * round + part);
                for (int i = 0; i < 100; ++i) {
                    const std::size_t upper = random() % nodes.size();
                    const std::size_t lower = random() % nodes.size();
                    EdgeChange result = Graph::addChild(*nodes[upper], *nodes[lower]);
                    const bool isAdded = result.refusal == Refusal::None;
                    take(std::move(result.steps));
                    if (isAdded && nodes[lower]->state() == NodeState::Running) {
                        const std::lock_guard lock(mutex);
                        accepted.emplace_back(upper, lower);
                    }
                    if (i == 90 && part == 0)
                        take(Graph::close(*nodes[random() % nodes.size()]));
                }
            });
        }
        for (std::thread &thread : threads)
            thread.join();
        // Without those that have no edge down, until none is left.
        for (std::size_t before = accepted.size() + 1; accepted.size() < before;) {
            before = accepted.size();
            std::set<std::size_t> uppers;
            for (const auto &edge : accepted)
                uppers.insert(edge.first);
            accepted.erase(std::remove_if(accepted.begin(), accepted.end(),
                                          [&](const auto &edge) {
                                              return uppers.count(edge.second) == 0;
                                          }),
                           accepted.end());
        }
        QVERIFY(accepted.empty());
        for (const Owned &node : nodes)
            take(Graph::close(*node));
        Driver driver;
        due.giveTo(driver);
        driver.run();
        QVERIFY(areFinished(nodes));
    }
}

void tst_SlicedSearches::r14_longCyclesAreNamedInPart()
{
    Driver driver;
    const auto chain = makeNodes(300);
    for (std::size_t i = 1; i < chain.size(); ++i)
        add(&Graph::waitFor, chain[i - 1], chain[i], driver);
    EdgeChange refused = Graph::waitFor(*chain[299], *chain[0]);
    refused.steps.unlock();
    QCOMPARE(refused.refusal, Refusal::Cycle);
    QStringList names;
    for (const NodeRef &node : *refused.cycle)
        names += node ? node->name() : QStringLiteral("...");
    QCOMPARE(names.size(), qsizetype(1 + 50 + 1 + 50));
    QCOMPARE(names.first(), u"299"_s);
    for (int i = 0; i < 50; ++i) {
        QCOMPARE(names.at(1 + i), QString::number(i));
        QCOMPARE(names.at(52 + i), QString::number(250 + i));
    }
    QCOMPARE(names.at(51), u"..."_s);
}

void tst_SlicedSearches::r27_manyAboveAreTold()
{
    Driver driver;
    const Owned leaf(QStringLiteral("leaf"));
    const auto above = makeNodes(50);
    const auto late = makeNodes(50);
    for (std::size_t i = 0; i < above.size(); ++i) {
        // Every third one becomes a parent that is told only while the others are told.
        add(i % 3 == 0 ? &Graph::waitFor : &Graph::addChild, above[i], leaf, driver);
    }
    driver.take(Graph::close(*leaf));
    Graph::fail(*leaf, Error(QStringLiteral("failed")));
    const auto told = [&](const auto &nodes) {
        return std::count_if(nodes.cbegin(), nodes.cend(), [](const Owned &node) {
            return Graph::treeErrors(*node).entries.size() == 1;
        });
    };
    Edge *at = nullptr;
    std::size_t slices = 0;
    for (; !Graph::tellOfErrors(*leaf, at); ++slices) {
        const auto before = told(above);
        QVERIFY(before < 50);
        add(&Graph::addChild, late[slices], leaf, driver);
        QCOMPARE(told(late), std::ptrdiff_t(slices + 1));
        add(&Graph::addChild, above[3 * (slices % 16)], leaf, driver);
        QVERIFY(told(above) <= before + 1);
    }
    QVERIFY(slices >= 50 / GOPROCESS_EDGES_PER_SLICE);
    for (std::size_t i = 0; i < above.size(); i += 3)
        add(&Graph::addChild, above[i], leaf, driver);
    QCOMPARE(told(above), std::ptrdiff_t(50));
    Graph::setClosed(*leaf);
    driver.take(std::move(*Graph::finish(*leaf)));
    for (const auto *nodes : { &above, &late }) {
        for (const Owned &node : *nodes)
            QCOMPARE(Graph::treeErrors(*node).uncounted, qsizetype(0));
    }
}

/// Has others come and go in another thread, where \a connect joins them to a graph, while
/// \a function runs, again and again.
template<class Connect, class F>
static void whileOthersChange(Connect &&connect, F &&function)
{
    std::atomic<bool> isOver = false;
    std::atomic<int> changes = 0;
    std::thread changer([&] {
        std::mt19937 random(1);
        Driver driver;
        driver.keepsLog = false;
        std::vector<std::unique_ptr<Owned>> others;
        while (!isOver) {
            if (others.size() < 30) {
                others.push_back(std::make_unique<Owned>());
                connect(*others.back(), random, driver);
            } else {
                std::unique_ptr<Owned> &other = others[random() % others.size()];
                driver.take(Graph::close(**other));
                driver.run();
                other = std::make_unique<Owned>();
                connect(*other, random, driver);
            }
            ++changes;
        }
        for (const auto &other : others) {
            driver.take(Graph::close(**other));
            driver.run();
        }
    });
    for (int i = 0; i < 300; ++i) {
        const int before = changes;
        while (changes == before)
            std::this_thread::yield();
        function();
    }
    isOver = true;
    changer.join();
}

void tst_SlicedSearches::looksWhileItChanges()
{
    // What is below it all the time is found, and once.
    Driver driver;
    driver.keepsLog = false;
    const auto nodes = makeNodes(100);
    for (std::size_t i = 1; i < nodes.size(); ++i) {
        add(&Graph::addChild, nodes[(i - 1) / 7], nodes[i], driver);
        if (i % 5 == 0)
            add(&Graph::waitFor, nodes[i / 9], nodes[i], driver);
    }
    bool areAll = true;
    const auto connect = [&](const Owned &leaf, std::mt19937 &random, Driver &to) {
        add(random() % 2 == 0 ? &Graph::addChild : &Graph::waitFor, nodes[random() % nodes.size()],
            leaf, to);
    };
    whileOthersChange(connect, [&] {
        std::map<const Node *, int> seen;
        Graph::visitOpen(*nodes[0], [&](Node &node) { ++seen[&node]; });
        for (const Owned &node : nodes)
            areAll = areAll && seen[node.get()] == 1;
    });
    QVERIFY(areAll);
    QVERIFY(!isAnyWalkLeft(*nodes[0]));
}

void tst_SlicedSearches::looksWhileComponentsAreJoined()
{
    // It goes on in the other domain when that one takes in its own.
    for (int round = 0; round < 100; ++round) {
        Driver driver;
        driver.keepsLog = false;
        const auto nodes = makeNodes(30);
        for (std::size_t i = 1; i < nodes.size(); ++i)
            add(&Graph::addChild, nodes[0], nodes[i], driver);
        const auto others = makeNodes(8); // of the higher rank
        for (const std::size_t step : { std::size_t(1), std::size_t(2), std::size_t(4) }) {
            for (std::size_t i = 0; i + step < others.size(); i += 2 * step)
                add(&Graph::addChild, others[i], others[i + step], driver);
        }
        std::atomic<bool> hasBegun = false;
        std::thread joiner([&] {
            while (!hasBegun)
                std::this_thread::yield();
            Driver own;
            add(&Graph::addChild, others[0], nodes[0], own);
            own.take(Graph::close(*nodes[std::size_t(1 + round % 29)]));
            own.run();
        });
        std::set<const Node *> seen;
        Graph::visitOpen(*nodes[0], [&](Node &node) {
            if (!hasBegun.exchange(true)) // the other thread is to come before the next slice
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            seen.insert(&node);
        });
        joiner.join();
        QVERIFY(seen.size() + 1 >= nodes.size());
        QVERIFY(!isAnyWalkLeft(*nodes[0]));
    }
}

void tst_SlicedSearches::r19_closingAboveWhileItChanges()
{
    // All of the ladder that closes is above its end, with parents before their children.
    Driver driver;
    driver.keepsLog = false;
    const auto nodes = makeNodes(60);
    for (std::size_t i = 1; i < nodes.size(); ++i) {
        add(&Graph::addChild, nodes[i - 1], nodes[i], driver);
        if (i >= 2)
            add(&Graph::addChildNoWait, nodes[i - 2], nodes[i], driver);
    }
    driver.take(Graph::close(*nodes[0]));
    bool areAll = true;
    const auto connect = [&](const Owned &above, std::mt19937 &random, Driver &to) {
        add(&Graph::addChildNoWait, above, nodes[random() % nodes.size()], to);
    };
    whileOthersChange(connect, [&] {
        std::vector<NodeRef> found;
        Graph::unannouncedAbove(*nodes.back(), found);
        std::size_t next = 0;
        for (const NodeRef &node : found)
            next += node.get() == nodes[next].get() ? 1 : 0;
        areAll = areAll && next + 1 == nodes.size();
    });
    QVERIFY(areAll);
    driver.run();
    QVERIFY(areFinished(nodes));
}

QTEST_GUILESS_MAIN(tst_SlicedSearches)

#include "tst_slicedsearches.moc"
