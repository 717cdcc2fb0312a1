// SPDX-License-Identifier: MIT
// Closes and ends that are made in slices of a few edges (R16, R18, R19), and what changes the graph between them.
//
// This is compiled with slices of GOPROCESS_EDGES_PER_SLICE edges.

#include "driver.h"
#include "graph/graph_p.h"
#include "support/testallocator.h"

#include <QTest>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

using namespace GoProcess;
using namespace GoProcess::Private;
using namespace Qt::StringLiterals;

namespace {

std::vector<Owned> makeNodes(int count)
{
    std::vector<Owned> nodes;
    nodes.reserve(std::size_t(count));
    for (int i = 0; i < count; ++i)
        nodes.emplace_back(QString::number(i));
    return nodes;
}

/// A call that changes the graph, of a thread that has come somewhere between two slices.
class Call
{
public:
    Call(Driver &driver, DueSteps &&change) : m_driver(&driver), m_change(std::move(change))
    {
        m_driver->takeSlice(m_change);
    }

    /// False at the end of the call.
    bool goOn()
    {
        if (!m_change.more())
            return false;
        m_driver->takeSlice(m_change);
        return true;
    }
    void end()
    {
        while (goOn()) { }
    }

private:
    Driver *m_driver;
    DueSteps m_change;
};

bool areClosing(const std::vector<Owned> &nodes)
{
    return std::none_of(nodes.cbegin(), nodes.cend(),
                        [](const Owned &node) { return node->state() == NodeState::Running; });
}

bool areFinished(const std::vector<Owned> &nodes)
{
    return std::all_of(nodes.cbegin(), nodes.cend(),
                       [](const Owned &node) { return node->isFinished(); });
}

bool isAnyWalkLeft(const Node &node)
{
    const NodeLock lock(node);
    return lock.domain().markings.size() + lock.domain().looks.size() > 0;
}

/// What calls of several threads have made due.
class StepsOfThreads
{
public:
    void take(DueSteps &&change)
    {
        do {
            const std::lock_guard lock(m_mutex);
            while (!change.isEmpty())
                m_due.push_back(change.take());
            change.unlock();
        } while (change.more());
    }
    void giveTo(Driver &driver)
    {
        const std::lock_guard lock(m_mutex);
        driver.add(std::exchange(m_due, {}));
    }

private:
    std::mutex m_mutex;
    std::vector<DueSteps::Due> m_due;
};

/// Random operations in a graph, as of several threads that come and go between the slices of each
/// other's closes. Keeps what the rules promise in books of its own.
class Program : private Driver
{
public:
    explicit Program(unsigned seed) : m_random(seed), m_nodes(makeNodes(4 + int(pick(20))))
    {
        for (const Owned &node : m_nodes) {
            if (pick(4) == 0)
                failing += node->name();
        }
    }

    void run()
    {
        for (int i = 0; i < 300 && m_failure.isEmpty(); ++i)
            step();
        for (std::size_t i = 0; i < m_nodes.size(); ++i)
            close(i);
        do {
            for (const std::size_t held : std::exchange(m_held, {}))
                take(Graph::release(*m_nodes[held]));
            while (!m_calls.empty())
                goOn(pick(m_calls.size()));
        } while (runOne());
        for (const Owned &node : m_nodes) {
            check(node->isFinished(), node->name() + u" is open"_s);
            check(!node->isFinished() || Graph::waits(*node) == 0, node->name() + u" waits"_s);
            for (const auto *what : { " closing", " teardown" })
                check(log.count(node->name() + QLatin1String(what)) == 1,
                      node->name() + QLatin1String(what) + u" not once"_s);
        }
        checkOrder();
        checkErrors();
    }

    QString failure() const { return m_failure; }

private:
    using Pair = std::pair<std::size_t, std::size_t>;
    struct Running
    {
        Call call;
        std::vector<std::size_t> closes; ///< What it could reach when it began.
    };

    std::size_t pick(std::size_t count)
    {
        return std::uniform_int_distribution<std::size_t>(0, count - 1)(m_random);
    }
    void check(bool isTrue, const QString &failure)
    {
        if (!isTrue && m_failure.isEmpty())
            m_failure = failure;
    }
    /// The rest of the call comes later.
    void take(DueSteps &&change) override
    {
        m_calls.push_back({ Call(*this, std::move(change)), {} });
    }
    /// Between the slices come calls of others, some of which add parents.
    void setClosed(Node &node) override
    {
        Edge *told = nullptr;
        while (Graph::hasErrors(node) && !Graph::tellOfErrors(node, told)) {
            const auto isIt = [&](const Owned &other) { return other.get() == &node; };
            const auto lower = std::find_if(m_nodes.cbegin(), m_nodes.cend(), isIt);
            if (pick(2) == 0)
                addChild({ pick(m_nodes.size()), std::size_t(lower - m_nodes.cbegin()) });
            else
                step();
        }
        checkTold(node);
        Graph::setClosed(node);
    }

    void close(std::size_t index)
    {
        std::vector<std::size_t> below = reachable(index);
        m_calls.push_back({ Call(*this, Graph::close(*m_nodes[index])), std::move(below) });
        m_closed.insert(index);
    }

    void goOn(std::size_t index)
    {
        if (m_calls[index].call.goOn())
            return;
        for (const std::size_t closed : m_calls[index].closes) { // R18
            check(m_nodes[closed]->state() != NodeState::Running,
                  QStringLiteral("%1 is running").arg(closed));
        }
        m_calls.erase(m_calls.begin() + std::ptrdiff_t(index));
    }

    std::vector<std::size_t> reachable(std::size_t start) const
    {
        std::vector<std::size_t> found { start };
        for (std::size_t i = 0; i < found.size(); ++i) {
            for (const auto &[upper, lower] : m_closing) {
                if (upper == found[i] && std::count(found.cbegin(), found.cend(), lower) == 0)
                    found.push_back(lower);
            }
        }
        return found;
    }

    Pair pickTwo() { return { pick(m_nodes.size()), pick(m_nodes.size()) }; }
    void addChild(Pair pair)
    {
        if (addEdge(pair, &Graph::addChild, true, true))
            m_telling.insert(pair);
    }
    /// False if there is none.
    bool addEdge(Pair pair, EdgeChange (*operation)(Node &, Node &), bool closes, bool waits)
    {
        const Owned &upper = m_nodes[pair.first];
        const Owned &lower = m_nodes[pair.second];
        const bool isOpen = lower->state() != NodeState::Closed;
        EdgeChange result = operation(*upper, *lower);
        const bool isAdded = isOpen && result.refusal == Refusal::None;
        if (result.refusal == Refusal::None && !isOpen && !closes)
            m_closed.insert(pair.first); // R10
        if (isAdded && closes)
            m_closing.insert(pair);
        if (isAdded && waits)
            m_waiting.insert(pair);
        take(std::move(result.steps));
        return isAdded;
    }

    void step()
    {
        switch (pick(12)) {
        case 0:
            if (pick(4) == 0)
                close(pick(m_nodes.size()));
            break;
        case 1:
        case 2:
            addChild(pickTwo());
            break;
        case 3:
            addEdge(pickTwo(), &Graph::addChildNoWait, true, false);
            break;
        case 4:
            addEdge(pickTwo(), &Graph::waitFor, false, true);
            break;
        case 5: {
            const std::size_t index = pick(m_nodes.size());
            if (Graph::hold(*m_nodes[index]))
                m_held.push_back(index);
            break;
        }
        case 6:
            if (!m_held.empty()) {
                take(Graph::release(*m_nodes[m_held.back()]));
                m_held.pop_back();
            }
            break;
        case 7:
            if (pick(8) == 0) {
                const std::size_t index = pick(m_nodes.size());
                take(Graph::closeAfterChildren(*m_nodes[index]));
                m_closed.insert(index);
            }
            break;
        case 8:
        case 9:
            runOne();
            break;
        default:
            if (!m_calls.empty())
                goOn(pick(m_calls.size()));
        }
    }

    void checkOrder()
    {
        const auto at = [&](std::size_t index, const char *what) {
            return log.indexOf(m_nodes[index]->name() + QLatin1String(what));
        };
        for (const auto &[upper, lower] : m_waiting) {
            check(at(lower, " teardown") < at(upper, " teardown"),
                  QStringLiteral("%1 is torn down before %2").arg(upper).arg(lower));
        }
        for (std::size_t i = 0; i < m_nodes.size(); ++i) {
            const bool isReached =
                    std::any_of(m_closing.cbegin(), m_closing.cend(), [&, i = i](const Pair &pair) {
                        return pair.second == i && at(pair.first, " closing") < at(i, " closing");
                    });
            check(isReached || m_closed.count(i) > 0,
                  QStringLiteral("%1 announces before all its parents").arg(i));
        }
    }

    std::set<QString> failed(std::size_t index) const
    {
        std::set<QString> names;
        for (const TreeErrors::Entry &entry : Graph::treeErrors(*m_nodes[index]).entries)
            names.insert(entry.error.error.message());
        return names;
    }
    void checkTold(const Node &node) // R27
    {
        for (const auto &[upper, lower] : m_telling) {
            if (m_nodes[lower].get() != &node)
                continue;
            const std::set<QString> above = failed(upper);
            const std::set<QString> below = failed(lower);
            check(std::includes(above.cbegin(), above.cend(), below.cbegin(), below.cend()),
                  QStringLiteral("%1 does not know what failed in %2").arg(upper).arg(lower));
        }
    }
    void checkErrors()
    {
        for (std::size_t i = 0; i < m_nodes.size(); ++i) {
            const QString name = m_nodes[i]->name();
            check(!failing.contains(name) || failed(i).count(name) == 1,
                  name + u" has not failed"_s);
        }
        for (const Owned &node : m_nodes)
            checkTold(*node);
    }

    std::mt19937 m_random;
    std::vector<Owned> m_nodes;
    std::vector<Running> m_calls;
    std::vector<std::size_t> m_held;
    std::set<Pair> m_closing; ///< Edges, as numbers of nodes.
    std::set<Pair> m_waiting;
    std::set<Pair> m_telling; ///< Added as children that are waited for.
    std::set<std::size_t> m_closed; ///< Those that are closed for themselves.
    QString m_failure;
};

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
    void r14_longWays();
    void r14_edgesOfThreads();
    void r14_longCyclesAreNamedInPart();
    void r27_manyAboveAreTold();
    void looksWhileItChanges();
    void looksWhileComponentsAreJoined();
    void r19_closingAboveWhileItChanges();
    void r16_oneBelowManyLeaves();
    void r20_oneBelowManyClosesThem();
    void withoutMemory();
    void leavingWithoutMemory();
    void randomPrograms();
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

void tst_Slices::r14_longWays()
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

void tst_Slices::r14_edgesOfThreads()
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

void tst_Slices::r14_longCyclesAreNamedInPart()
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

void tst_Slices::r27_manyAboveAreTold()
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

void tst_Slices::looksWhileItChanges()
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

void tst_Slices::looksWhileComponentsAreJoined()
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

void tst_Slices::r19_closingAboveWhileItChanges()
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
        QVERIFY(Graph::help(*above.back())); // for who waits for one of them
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

void tst_Slices::randomPrograms()
{
    for (unsigned seed = 1; seed <= 3000; ++seed) {
        Program program(seed);
        program.run();
        QVERIFY2(program.failure().isEmpty(),
                 qPrintable(QStringLiteral("Program %1: %2").arg(seed).arg(program.failure())));
    }
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
