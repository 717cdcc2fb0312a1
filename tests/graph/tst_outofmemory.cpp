// SPDX-License-Identifier: MIT
// The state core without memory: each allocation of each operation fails in turn. The operation is
// then refused and has changed nothing, or has finished all the same; the graph closes as ever.

#include "driver.h"
#include "graph/changednodes_p.h"
#include "graph/graph_p.h"
#include "support/testallocator.h"

#include <QTest>

#include <functional>
#include <new>
#include <optional>

using namespace GoProcess;
using namespace GoProcess::Private;

namespace {

/// Some processes with edges between them, made anew for each allocation that fails.
struct Fixture
{
    Fixture()
    {
        add(&Graph::addChild, parent, child, driver);
        add(&Graph::waitFor, child, grandchild, driver);
    }

    std::vector<NodeState> states() const
    {
        return { parent->state(), child->state(), grandchild->state(), lone->state(),
                 otherLone->state() };
    }

    /// Closes all, and is true if each closed, once and after what it waits for.
    bool closesWhole()
    {
        for (const Owned *node : { &parent, &child, &grandchild, &lone, &otherLone })
            driver.take(Graph::close(**node));
        driver.run();
        const QStringList &log = driver.log;
        bool whole = true;
        for (const Owned *node : { &parent, &child, &grandchild, &lone, &otherLone }) {
            whole = whole && (*node)->isFinished()
                    && log.count((*node)->name() + QStringLiteral(" closing")) == 1
                    && log.count((*node)->name() + QStringLiteral(" teardown")) == 1;
        }
        return whole
                && log.indexOf(QStringLiteral("grandchild teardown"))
                < log.indexOf(QStringLiteral("child teardown"))
                && log.indexOf(QStringLiteral("child teardown"))
                < log.indexOf(QStringLiteral("parent teardown"));
    }

    Driver driver;
    Owned parent { QStringLiteral("parent") };
    Owned child { QStringLiteral("child") };
    Owned grandchild { QStringLiteral("grandchild") };
    Owned lone { QStringLiteral("lone") };
    Owned otherLone { QStringLiteral("otherLone") };
};

/// Reads the changed nodes, and needs memory to be told.
class Reader final : public ChangeListener
{
public:
    Reader() { ChangedNodes::open(*this, true); }
    Q_DISABLE_COPY_MOVE(Reader)
    ~Reader() override { ChangedNodes::close(*this); }

    /// How many have changed since the last time.
    std::size_t take()
    {
        std::vector<NodeRef> changed;
        ChangedNodes::take(*this, 1000, changed);
        return changed.size();
    }

    int told = 0;

private:
    void noted() override { m_memory = std::make_unique<int>(++told); }

    std::unique_ptr<int> m_memory;
};

using Operation = std::function<void(Fixture &)>;

/// Runs \a call while the allocation after \a left others fails. True if it threw.
template<class Call>
bool throwsAfter(int left, Call &&call)
{
    hasFailed = false;
    allocationsAllowed = left;
    bool threw = false;
    try {
        call();
    } catch (const std::bad_alloc &) {
        threw = true;
    }
    allocationsAllowed = -1;
    return threw;
}

/// Adds an edge; what it makes due is taken when memory is there again.
Operation addEdge(EdgeChange (*operation)(Node &, Node &), Owned Fixture::*upper,
                  Owned Fixture::*lower)
{
    return [=](Fixture &fixture) {
        EdgeChange result = operation(*(fixture.*upper), *(fixture.*lower));
        const int left = std::exchange(allocationsAllowed, -1);
        fixture.driver.take(std::move(result.steps));
        allocationsAllowed = left;
    };
}

Operation change(DueSteps (*operation)(Node &), Owned Fixture::*node)
{
    return [=](Fixture &fixture) {
        DueSteps result = operation(*(fixture.*node));
        const int left = std::exchange(allocationsAllowed, -1);
        fixture.driver.take(std::move(result));
        allocationsAllowed = left;
    };
}

} // namespace

class tst_OutOfMemory : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void refusedOrFinished_data();
    void refusedOrFinished();
    void closingNeedsNoMemory();
    void errorsMayBeLostButNotTheClose();
    void aReaderDoesNotKeepTheGraphFromChanging();
};

void tst_OutOfMemory::refusedOrFinished_data()
{
    QTest::addColumn<Operation>("prepare");
    QTest::addColumn<Operation>("operation");
    QTest::addColumn<bool>("allocates");

    const Operation nothing = [](Fixture &) {};
    const auto joinLone = addEdge(&Graph::addChild, &Fixture::lone, &Fixture::otherLone);
    const auto closeLone = change(&Graph::close, &Fixture::lone);
    const auto holdLone = [](Fixture &fixture) { Graph::hold(*fixture.lone); };

    QTest::newRow("addChild() joins two lone ones")
            << nothing << addEdge(&Graph::addChild, &Fixture::lone, &Fixture::otherLone) << true;
    QTest::newRow("addChild() of a second parent")
            << joinLone << addEdge(&Graph::addChild, &Fixture::lone, &Fixture::child) << true;
    QTest::newRow("addChild() to one that is Closing")
            << closeLone << addEdge(&Graph::addChild, &Fixture::lone, &Fixture::parent) << false;
    QTest::newRow("addChild() of a second parent to one that is Closing")
            << closeLone << addEdge(&Graph::addChild, &Fixture::lone, &Fixture::child) << true;
    QTest::newRow("addChildNoWait() joins two lone ones")
            << nothing << addEdge(&Graph::addChildNoWait, &Fixture::lone, &Fixture::otherLone)
            << true;
    QTest::newRow("addChildNoWait() of a second parent")
            << nothing << addEdge(&Graph::addChildNoWait, &Fixture::lone, &Fixture::child) << true;
    QTest::newRow("waitFor() joins two lone ones")
            << nothing << addEdge(&Graph::waitFor, &Fixture::lone, &Fixture::otherLone) << true;
    QTest::newRow("waitFor() of what another node waits for")
            << nothing << addEdge(&Graph::waitFor, &Fixture::lone, &Fixture::child) << true;
    QTest::newRow("a search for a cycle that is none")
            << addEdge(&Graph::waitFor, &Fixture::lone, &Fixture::parent)
            << addEdge(&Graph::waitFor, &Fixture::parent, &Fixture::grandchild) << true;
    QTest::newRow("a cycle") << nothing
                             << addEdge(&Graph::waitFor, &Fixture::grandchild, &Fixture::parent)
                             << true;
    QTest::newRow("close()") << nothing << change(&Graph::close, &Fixture::parent) << false;
    QTest::newRow("closeAfterChildren()")
            << nothing << change(&Graph::closeAfterChildren, &Fixture::grandchild) << false;
    QTest::newRow("hold()") << nothing << Operation([](Fixture &fixture) {
        if (Graph::hold(*fixture.lone))
            fixture.driver.take(Graph::release(*fixture.lone));
    }) << false;
    QTest::newRow("release()") << Operation(holdLone) << change(&Graph::release, &Fixture::lone)
                               << false;
    QTest::newRow("setName()") << nothing << Operation([](Fixture &fixture) {
        const QString name = fixture.lone->name();
        fixture.lone->setName(QStringLiteral("another"));
        fixture.lone->setName(name);
    }) << true;
    QTest::newRow("path()") << nothing << Operation([](Fixture &fixture) { fixture.child->path(); })
                            << true;
    QTest::newRow("waitsFor()") << nothing << Operation([](Fixture &fixture) {
        Graph::waitsFor(*fixture.parent, *fixture.grandchild);
    }) << true;
    QTest::newRow("visitOpen()") << nothing << Operation([](Fixture &fixture) {
        Graph::visitOpen(*fixture.parent, [](Node &) {});
    }) << true;
    QTest::newRow("a process") << nothing << Operation([](Fixture &) { const Owned node; }) << true;
}

void tst_OutOfMemory::refusedOrFinished()
{
    QFETCH(Operation, prepare);
    QFETCH(Operation, operation);
    QFETCH(bool, allocates);

    constexpr int most = 1000;
    int failed = 0;
    do {
        Fixture fixture;
        prepare(fixture);
        const auto before = fixture.states();
        if (throwsAfter(failed, [&] { operation(fixture); })) {
            QCOMPARE(fixture.states(), before);
            operation(fixture); // with memory, and without a lock that was left behind
        }
        fixture.lone->setName(QStringLiteral("lone"));
        QVERIFY(fixture.closesWhole());
        failed += hasFailed ? 1 : 0;
    } while (hasFailed && failed < most);
    QCOMPARE(failed > 0, allocates);
    QVERIFY(failed < most);
}

void tst_OutOfMemory::closingNeedsNoMemory()
{
    // A close that is half done could not be taken back: so it must not fail.
    constexpr int count = 1000;
    Driver driver;
    const Owned root(QStringLiteral("root"));
    std::vector<Owned> nodes;
    for (int i = 0; i < count; ++i) {
        nodes.emplace_back(QString::number(i));
        add(&Graph::addChild, root, nodes.back(), driver);
        add(&Graph::addChildNoWait, nodes.front(), nodes.back(), driver);
    }
    const auto letGo = [](DueSteps change) { change.unlock(); };
    const auto finish = [&](Node &node) {
        Graph::setClosed(node);
        letGo(std::move(*Graph::finish(node)));
    };
    QVERIFY(!throwsAfter(0, [&] {
        DueSteps closing = Graph::close(*root);
        int due = 0;
        for (; !closing.isEmpty(); ++due)
            closing.take();
        letGo(std::move(closing));
        QCOMPARE(due, count + 1);
        letGo(std::move(*Graph::announced(*root)));
        for (const Owned &node : nodes) {
            letGo(std::move(*Graph::announced(*node)));
            finish(*node);
        }
        finish(*root);
    }));
    QVERIFY(!hasFailed);
    QVERIFY(root->isFinished());
}

void tst_OutOfMemory::errorsMayBeLostButNotTheClose()
{
    int failed = 0;
    do {
        Fixture fixture;
        Node &child = *fixture.child;
        fixture.driver.take(Graph::close(*fixture.parent));
        fixture.driver.take(Graph::close(*fixture.grandchild));
        for (int i = 0; i < 4; ++i) // two announcements each; then grandchild, with its teardown
            fixture.driver.runOne();
        Graph::fail(child, Error(QStringLiteral("failed")));
        QVERIFY(!throwsAfter(failed, [&] { Graph::setClosed(child); }));
        QCOMPARE(child.state(), NodeState::Closed);
        QVERIFY(child.error());
        failed += hasFailed ? 1 : 0;
        fixture.driver.take(std::move(*Graph::finish(child)));
        while (fixture.driver.runOne()) { }
    } while (hasFailed);
    QVERIFY(failed > 0);
}

void tst_OutOfMemory::aReaderDoesNotKeepTheGraphFromChanging()
{
    int failed = 0;
    do {
        Fixture fixture;
        Reader reader;
        DueSteps closing;
        QVERIFY(!throwsAfter(failed, [&] { closing = Graph::close(*fixture.parent); }));
        failed += hasFailed ? 1 : 0;
        fixture.driver.take(std::move(closing));
        QCOMPARE(fixture.parent->state(), NodeState::Closing);
        QCOMPARE(fixture.child->state(), NodeState::Closing);

        // With memory it is told of the next change, as of any.
        reader.take();
        const int toldBefore = reader.told;
        fixture.lone->setName(QStringLiteral("another"));
        QCOMPARE(reader.told, toldBefore + 1);
        QCOMPARE(reader.take(), std::size_t(1));
        fixture.lone->setName(QStringLiteral("lone"));
        QVERIFY(fixture.closesWhole());
    } while (hasFailed);
    QVERIFY(failed > 1); // both the note and the telling
}

QTEST_APPLESS_MAIN(tst_OutOfMemory)
#include "tst_outofmemory.moc"
