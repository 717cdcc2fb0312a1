// SPDX-License-Identifier: MIT
// The state core alone: no QObject of ours, no event loop, no threads but the tests' own.

#include "driver.h"
#include "graph/graph_p.h"

#include <QTest>

#include <thread>

using namespace GoProcess;
using namespace GoProcess::Private;

namespace {

QStringList errorsOf(const Owned &node)
{
    QStringList paths;
    const TreeErrors errors = Graph::treeErrors(*node);
    for (const TreeErrors::Entry &entry : errors.entries)
        paths += entry.error.path;
    return paths;
}

} // namespace

class tst_Graph : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void r01_statesGoForward();
    void r06_closingMarksChildrenAtOnce();
    void r07_teardownWaits();
    void r09_twoParentsAndRingsOfClosingEdges();
    void r10_closedProcesses();
    void r13_childrenUntilTeardownBegins();
    void r14_cyclesAreRefused();
    void r14_cyclesUnderConcurrentAdditions();
    void r16_closedChildrenLeave();
    void r18_aCloseMeetsAnother();
    void r19_parentsAnnounceFirst();
    void r20_closeAfterChildren();
    void r27_errorsBelowAreListedOnce();
    void r27_overflowIsCounted();
    void r46_holds();
    void unobservedNodesTakeOneStep();
    void edgesBetweenTheSameTwoAreOne();
    void aMillionInAChain();
    void componentsJoinWithoutDeadlock();
    void separateTreesHaveSeparateLocks();
    void pathsEnd();
};

void tst_Graph::r01_statesGoForward()
{
    Driver driver;
    const Owned node(QStringLiteral("a"));
    QCOMPARE(node->state(), NodeState::Running);
    driver.take(Graph::close(*node));
    QCOMPARE(node->state(), NodeState::Closing);
    driver.take(Graph::close(*node));
    driver.run();
    QCOMPARE(node->state(), NodeState::Closed);
    QVERIFY(node->isFinished());
    driver.take(Graph::close(*node));
    driver.take(Graph::closeAfterChildren(*node));
    driver.run();
    QCOMPARE(driver.log,
             QStringList({ QStringLiteral("a closing"), QStringLiteral("a teardown") }));
}

void tst_Graph::r06_closingMarksChildrenAtOnce()
{
    Driver driver;
    const Owned parent(QStringLiteral("parent"));
    const Owned child(QStringLiteral("child"));
    const Owned grandchild(QStringLiteral("grandchild"));
    QCOMPARE(add(&Graph::addChildNoWait, parent, child, driver), Refusal::None);
    QCOMPARE(add(&Graph::addChildNoWait, child, grandchild, driver), Refusal::None);
    driver.take(Graph::close(*parent));
    QCOMPARE(grandchild->state(), NodeState::Closing);
    driver.run();
    QVERIFY(grandchild->isFinished());
    QCOMPARE(driver.log.first(), QStringLiteral("parent closing"));
}

void tst_Graph::r07_teardownWaits()
{
    Driver driver;
    const Owned upper(QStringLiteral("upper"));
    const Owned lower(QStringLiteral("lower"));
    QCOMPARE(add(&Graph::waitFor, upper, lower, driver), Refusal::None);
    driver.take(Graph::close(*upper));
    driver.run();
    QCOMPARE(upper->state(), NodeState::Closing);
    QCOMPARE(lower->state(), NodeState::Running);
    driver.take(Graph::close(*lower));
    driver.run();
    QCOMPARE(driver.log.last(), QStringLiteral("upper teardown"));
}

void tst_Graph::r09_twoParentsAndRingsOfClosingEdges()
{
    Driver driver;
    const Owned a(QStringLiteral("a"));
    const Owned b(QStringLiteral("b"));
    const Owned shared(QStringLiteral("shared"));
    add(&Graph::addChild, a, shared, driver);
    add(&Graph::addChild, b, shared, driver);
    add(&Graph::addChildNoWait, a, b, driver);
    QCOMPARE(add(&Graph::addChildNoWait, b, a, driver),
             Refusal::None); // closing edges may go round
    driver.take(Graph::close(*b));
    QCOMPARE(a->state(), NodeState::Closing);
    driver.run();
    QVERIFY(a->isFinished() && b->isFinished() && shared->isFinished());
    QVERIFY(driver.log.indexOf(QStringLiteral("shared teardown"))
            < driver.log.indexOf(QStringLiteral("a teardown")));
    QCOMPARE(driver.log.size(), 6);
}

void tst_Graph::r10_closedProcesses()
{
    Driver driver;
    const Owned closed(QStringLiteral("closed"));
    driver.take(Graph::close(*closed));
    driver.run();

    const Owned parent(QStringLiteral("parent"));
    QCOMPARE(add(&Graph::addChild, parent, closed, driver), Refusal::None);
    QCOMPARE(parent->state(), NodeState::Running);
    QCOMPARE(add(&Graph::waitFor, parent, closed, driver), Refusal::None);
    QCOMPARE(parent->state(), NodeState::Closing);
    QCOMPARE(add(&Graph::waitFor, parent, closed, driver), Refusal::NotRunning);
    driver.run();
    QVERIFY(parent->isFinished());
}

void tst_Graph::r13_childrenUntilTeardownBegins()
{
    Driver driver;
    const Owned parent(QStringLiteral("parent"));
    const Owned child(QStringLiteral("child"));
    const Owned late(QStringLiteral("late"));
    driver.take(Graph::close(*parent));
    QCOMPARE(add(&Graph::addChild, parent, child, driver), Refusal::None);
    QCOMPARE(child->state(), NodeState::Closing);

    QVERIFY(driver.runOne()); // parent announces
    QVERIFY(driver.runOne()); // child announces
    QVERIFY(driver.runOne()); // child is torn down, which begins parent's teardown
    QVERIFY(child->isFinished());
    QCOMPARE(add(&Graph::addChild, parent, late, driver), Refusal::TeardownBegun);
    QCOMPARE(late->state(), NodeState::Running);
    QVERIFY(!Graph::hold(*parent));
    driver.run();
    QCOMPARE(driver.log.last(), QStringLiteral("parent teardown"));
}

void tst_Graph::r14_cyclesAreRefused()
{
    Driver driver;
    std::vector<Owned> chain;
    for (int i = 0; i < 100; ++i) {
        chain.emplace_back(QString::number(i));
        if (i > 0)
            QCOMPARE(add(i % 2 ? &Graph::addChild : &Graph::waitFor, chain[std::size_t(i) - 1],
                         chain.back(), driver),
                     Refusal::None);
    }
    QCOMPARE(add(&Graph::addChild, chain[5], chain[5], driver), Refusal::Cycle);
    QCOMPARE(add(&Graph::waitFor, chain[99], chain[3], driver), Refusal::Cycle);
    QCOMPARE(chain[3]->state(), NodeState::Running);

    EdgeChange result = Graph::addChild(*chain[6], *chain[3]);
    QCOMPARE(result.refusal, Refusal::Cycle);
    QStringList names;
    for (const NodeRef &node : *result.cycle)
        names += node->name();
    QCOMPARE(names.join(QLatin1Char(' ')), QStringLiteral("6 3 4 5 6"));
}

void tst_Graph::r14_cyclesUnderConcurrentAdditions()
{
    // Two threads add the two halves of a cycle: in every round one of them is refused.
    for (int round = 0; round < 500; ++round) {
        const Owned a;
        const Owned b;
        const Owned c;
        std::atomic<int> ready = 0;
        Refusal first = Refusal::None;
        Refusal second = Refusal::None;
        const auto together = [&] {
            ++ready;
            while (ready < 2)
                std::this_thread::yield();
        };
        std::thread other([&] {
            together();
            first = Graph::waitFor(*a, *b).refusal;
        });
        together();
        const Refusal middle = Graph::waitFor(*b, *c).refusal;
        second = Graph::waitFor(*c, *a).refusal;
        other.join();
        QCOMPARE(middle, Refusal::None);
        QVERIFY((first == Refusal::Cycle) != (second == Refusal::Cycle));

        Driver driver;
        driver.take(Graph::close(*a));
        driver.take(Graph::close(*b));
        driver.take(Graph::close(*c));
        driver.run();
        QVERIFY(a->isFinished() && b->isFinished() && c->isFinished());
    }
}

void tst_Graph::r16_closedChildrenLeave()
{
    Driver driver;
    const Owned parent(QStringLiteral("parent"));
    for (int i = 0; i < 1000; ++i) {
        const Owned child;
        add(&Graph::addChild, parent, child, driver);
        driver.take(Graph::close(*child));
        driver.run();
        std::size_t open = 0;
        Graph::visitOpen(*parent, [&](Node &) { ++open; });
        QCOMPARE(open, std::size_t(1)); // itself
    }
}

void tst_Graph::r18_aCloseMeetsAnother()
{
    // While one thread marks a wide tree, the other closes it, too: on return all is Closing.
    for (int round = 0; round < 50; ++round) {
        Driver driver;
        const Owned root;
        std::vector<Owned> children;
        for (int i = 0; i < 2000; ++i) {
            children.emplace_back();
            add(&Graph::addChild, root, children.back(), driver);
        }
        std::atomic<bool> allClosing = true;
        const auto close = [&](Driver &own) {
            own.take(Graph::close(*root));
            for (const Owned &child : children) {
                if (child->state() == NodeState::Running)
                    allClosing = false;
            }
        };
        Driver otherDriver;
        std::thread other([&] { close(otherDriver); });
        close(driver);
        other.join();
        QVERIFY(allClosing);
        driver.run();
        otherDriver.run();
        driver.run();
        QVERIFY(root->isFinished());
    }
}

void tst_Graph::r19_parentsAnnounceFirst()
{
    Driver driver;
    const Owned root(QStringLiteral("root"));
    const Owned left(QStringLiteral("left"));
    const Owned right(QStringLiteral("right"));
    const Owned leaf(QStringLiteral("leaf"));
    add(&Graph::addChild, root, left, driver);
    add(&Graph::addChild, root, right, driver);
    add(&Graph::addChild, left, leaf, driver);
    driver.take(Graph::close(*root));
    driver.run();
    QCOMPARE(driver.log.join(QStringLiteral(", ")),
             QStringLiteral("root closing, left closing, right closing, leaf closing, "
                            "right teardown, leaf teardown, left teardown, root teardown"));
}

void tst_Graph::r20_closeAfterChildren()
{
    Driver driver;
    const Owned parent(QStringLiteral("parent"));
    const Owned first(QStringLiteral("first"));
    const Owned second(QStringLiteral("second"));
    add(&Graph::addChild, parent, first, driver);
    driver.take(Graph::closeAfterChildren(*parent));
    add(&Graph::addChild, parent, second, driver);
    driver.run();
    QCOMPARE(first->state(), NodeState::Running);

    driver.take(Graph::close(*first));
    driver.run();
    QCOMPARE(parent->state(), NodeState::Running);
    driver.take(Graph::close(*second));
    while (parent->state() == NodeState::Running)
        QVERIFY(driver.runOne());
    QCOMPARE(parent->state(), NodeState::Closing);
    const Owned third(QStringLiteral("third"));
    QCOMPARE(add(&Graph::addChild, parent, third, driver), Refusal::None);
    QCOMPARE(third->state(), NodeState::Closing);
    driver.run();
    QVERIFY(parent->isFinished());
    QCOMPARE(driver.log.last(), QStringLiteral("parent teardown"));
}

void tst_Graph::r27_errorsBelowAreListedOnce()
{
    Driver driver;
    driver.failing = QStringList({ QStringLiteral("bottom"), QStringLiteral("left") });
    const Owned top(QStringLiteral("top"));
    const Owned left(QStringLiteral("left"));
    const Owned right(QStringLiteral("right"));
    const Owned bottom(QStringLiteral("bottom"));
    const Owned beside(QStringLiteral("beside"));
    add(&Graph::addChild, top, left, driver);
    add(&Graph::addChild, top, right, driver);
    add(&Graph::addChild, left, bottom, driver);
    add(&Graph::addChild, right, bottom, driver);
    add(&Graph::waitFor, beside, left, driver); // not a child: its errors stay with its parents
    driver.take(Graph::close(*top));
    driver.run();
    QCOMPARE(errorsOf(top),
             QStringList({ QStringLiteral("/top/left/bottom"), QStringLiteral("/top/left") }));
    QCOMPARE(errorsOf(right), QStringList(QStringLiteral("/top/left/bottom")));
    QCOMPARE(errorsOf(beside), QStringList());
}

void tst_Graph::r27_overflowIsCounted()
{
    Driver driver;
    driver.failing = QStringList(QStringLiteral("bad"));
    const Owned top(QStringLiteral("top"));
    const Owned middle(QStringLiteral("middle"));
    add(&Graph::addChild, top, middle, driver);
    for (int i = 0; i < 250; ++i) {
        const Owned child(QStringLiteral("bad"));
        add(&Graph::addChild, middle, child, driver);
        driver.take(Graph::close(*child));
        driver.run();
    }
    driver.take(Graph::close(*top));
    driver.run();
    const TreeErrors errors = Graph::treeErrors(*top);
    QCOMPARE(errors.entries.size(), TreeErrors::kept);
    QCOMPARE(errors.uncounted, 150);
}

void tst_Graph::r46_holds()
{
    Driver driver;
    const Owned node(QStringLiteral("a"));
    QVERIFY(Graph::hold(*node));
    driver.take(Graph::close(*node));
    QVERIFY(Graph::hold(*node)); // teardown has not begun
    driver.run();
    driver.take(Graph::release(*node));
    driver.run();
    QCOMPARE(node->state(), NodeState::Closing);
    driver.take(Graph::release(*node));
    driver.run();
    QVERIFY(node->isFinished());
    QVERIFY(!Graph::hold(*node));
}

void tst_Graph::unobservedNodesTakeOneStep()
{
    const auto close = [](const Owned &node) {
        DueSteps change = Graph::close(*node);
        while (!change.isEmpty())
            change.take();
    };

    Driver driver;
    const Owned upper(QStringLiteral("upper"));
    const Owned lower(QStringLiteral("lower"));
    add(&Graph::waitFor, upper, lower, driver);
    close(upper);
    {
        const auto change = Graph::advance(*upper);
        QVERIFY(change && change->isEmpty());
    }
    QCOMPARE(upper->state(), NodeState::Closing);

    close(lower);
    {
        auto change = Graph::advance(*lower);
        QVERIFY(change && lower->isFinished());
        const DueSteps::Due due = change->take();
        QVERIFY(due.node == &*upper && due.step == Step::Teardown);
        QVERIFY(change->isEmpty());
    }
    Graph::setObserved(*upper); // a connection came late
    QVERIFY(!Graph::advance(*upper));
    Graph::setClosed(*upper);
    QVERIFY(Graph::finish(*upper));
    QVERIFY(upper->isFinished());

    const Owned observed(QStringLiteral("observed"));
    Graph::setObserved(*observed);
    close(observed);
    QVERIFY(!Graph::advance(*observed));
    QCOMPARE(observed->state(), NodeState::Closing);
    driver.take(std::move(*Graph::announced(*observed)));
    driver.run();
    QVERIFY(observed->isFinished());

    // Parents are to be told of an error.
    const Owned fails(QStringLiteral("fails"));
    close(fails);
    Graph::fail(*fails, Error(QStringLiteral("no room")));
    {
        auto change = Graph::advance(*fails);
        QVERIFY(change && !fails->isFinished());
        QVERIFY(change->take().step == Step::Teardown);
    }
    QVERIFY(!Graph::advance(*fails));
    QCOMPARE(fails->state(), NodeState::Closing);
    Graph::setClosed(*fails);
    QVERIFY(Graph::finish(*fails));
}

void tst_Graph::edgesBetweenTheSameTwoAreOne()
{
    Driver driver;
    const Owned upper(QStringLiteral("upper"));
    const Owned lower(QStringLiteral("lower"));
    add(&Graph::addChildNoWait, upper, lower, driver);
    add(&Graph::waitFor, upper, lower, driver);
    add(&Graph::addChild, upper, lower, driver);
    add(&Graph::addChild, upper, lower, driver);
    driver.failing = QStringList(QStringLiteral("lower"));
    driver.take(Graph::close(*upper));
    driver.run();
    QVERIFY(upper->isFinished());
    QCOMPARE(errorsOf(upper).size(), 1);
}

void tst_Graph::aMillionInAChain()
{
    constexpr int count = 1'000'000;
    Driver driver;
    std::vector<Owned> chain;
    chain.reserve(count);
    for (int i = 0; i < count; ++i) {
        chain.emplace_back();
        if (i > 0)
            add(&Graph::addChild, chain[std::size_t(i) - 1], chain.back(), driver);
    }
    driver.take(Graph::close(*chain.front()));
    QCOMPARE(chain.back()->state(), NodeState::Closing);
    QVERIFY(chain.back()->path().size() > 1000); // of bounded length
    driver.keepsLog = false;
    driver.run();
    QVERIFY(chain.front()->isFinished());
}

void tst_Graph::componentsJoinWithoutDeadlock()
{
    // Threads join random nodes in random order while others lock them.
    constexpr std::size_t count = 200;
    std::vector<Owned> nodes;
    for (std::size_t i = 0; i < count; ++i)
        nodes.emplace_back();
    std::vector<std::thread> threads;
    for (unsigned seed = 1; seed <= 4; ++seed) {
        threads.emplace_back([&, seed]() mutable {
            unsigned random = seed;
            for (int i = 0; i < 5000; ++i) {
                random = random * 1664525U + 1013904223U;
                const std::size_t a = (random >> 8U) % count;
                const std::size_t b = (random >> 16U) % count;
                if (i % 3 == 0)
                    Graph::waitFor(*nodes[std::min(a, b)], *nodes[std::max(a, b)]);
                else if (Graph::hold(*nodes[a]))
                    Driver().take(Graph::release(*nodes[a]));
            }
        });
    }
    for (std::thread &thread : threads)
        thread.join();
    Driver driver;
    for (const Owned &node : nodes)
        driver.take(Graph::close(*node));
    driver.run();
    for (const Owned &node : nodes)
        QVERIFY(node->isFinished());
}

void tst_Graph::separateTreesHaveSeparateLocks()
{
    Driver driver;
    const Owned a;
    const Owned b;
    const Owned c;
    const Owned d;
    add(&Graph::addChild, a, b, driver);
    add(&Graph::addChild, c, d, driver);
    const NodeLock held(*a);
    std::thread other([&] { driver.take(Graph::close(*c)); }); // would not return with one lock
    other.join();
    driver.run();
    QVERIFY(c->isFinished() && d->isFinished());
}

void tst_Graph::pathsEnd()
{
    Driver driver;
    const Owned a(QStringLiteral("a"));
    const Owned b(QStringLiteral("b"));
    const Owned unnamed;
    add(&Graph::addChildNoWait, a, b, driver);
    add(&Graph::addChildNoWait, b, a, driver);
    add(&Graph::addChildNoWait, b, unnamed, driver);
    QCOMPARE(b->path(), QStringLiteral("/a/b"));
    QCOMPARE(a->path(), QStringLiteral("/b/a"));
    QCOMPARE(unnamed->path(), QStringLiteral("/a/b/#%1").arg(unnamed->id()));
    driver.take(Graph::close(*a));
    driver.run();
    QCOMPARE(b->path(), QStringLiteral("/a/b")); // closed, it still tells where it was
}

QTEST_APPLESS_MAIN(tst_Graph)
#include "tst_graph.moc"
