// SPDX-License-Identifier: MIT
// Random operations in a graph, each of which goes on in slices of a few edges while others come
// between.
//
// This is compiled with slices of GOPROCESS_EDGES_PER_SLICE edges.

#include "driver.h"
#include "graph/graph_p.h"
#include "slices.h"

#include <QTest>

#include <algorithm>
#include <cstddef>
#include <random>
#include <set>
#include <utility>
#include <vector>

using namespace GoProcess;
using namespace GoProcess::Private;
using namespace Qt::StringLiterals;

namespace {

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

class tst_SlicedPrograms : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void randomPrograms();
};

void tst_SlicedPrograms::randomPrograms()
{
    for (unsigned seed = 1; seed <= 3000; ++seed) {
        Program program(seed);
        program.run();
        QVERIFY2(program.failure().isEmpty(),
                 qPrintable(QStringLiteral("Program %1: %2").arg(seed).arg(program.failure())));
    }
}

QTEST_GUILESS_MAIN(tst_SlicedPrograms)

#include "tst_slicedprograms.moc"
