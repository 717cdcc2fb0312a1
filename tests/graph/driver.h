// SPDX-License-Identifier: MIT
// Nodes and a driver for tests of the state core alone.

#ifndef GOPROCESS_TESTS_GRAPH_DRIVER_H
#define GOPROCESS_TESTS_GRAPH_DRIVER_H

#include "graph/graph_p.h"

#include <QString>
#include <QStringList>

#include <deque>
#include <utility>
#include <vector>

namespace GoProcess::Private {

class TestNode final : public Node
{
public:
    explicit TestNode(const QString &name = {}) : Node(false)
    {
        if (!name.isEmpty())
            setName(name);
    }
    ~TestNode() override = default;
};

/// A node that lives as long as its scope and what refers to it.
class Owned
{
public:
    explicit Owned(const QString &name = {}) : m_node(new TestNode(name)) { }
    Q_DISABLE_COPY(Owned)
    Owned(Owned &&other) noexcept : m_node(std::exchange(other.m_node, nullptr)) { }
    ~Owned()
    {
        if (m_node) {
            m_node->forgetParent();
            m_node->deref();
        }
    }
    Node &operator*() const { return *m_node; }
    Node *operator->() const { return m_node; }
    Node *get() const { return m_node; }

private:
    Node *m_node;
};

/// Runs steps as a dispatcher would, one after another, and keeps the log.
class Driver
{
public:
    Driver() = default;
    Q_DISABLE_COPY_MOVE(Driver)
    virtual ~Driver() = default;

    virtual void take(DueSteps &&change)
    {
        do {
            takeSlice(change);
        } while (change.more());
    }
    virtual void setClosed(Node &node) { Graph::setClosed(node); }
    void takeSlice(DueSteps &change)
    {
        while (!change.isEmpty())
            m_queue.push_back(change.take());
        change.unlock();
    }

    void add(const std::vector<DueSteps::Due> &due)
    {
        m_queue.insert(m_queue.end(), due.cbegin(), due.cend());
    }

    bool runOne()
    {
        if (m_queue.empty())
            return false;
        const DueSteps::Due due = m_queue.front();
        m_queue.pop_front();
        Node &node = *due.node;
        switch (due.step) {
        case Step::Announce:
            write(node, "closing");
            take(std::move(*Graph::announced(node)));
            break;
        case Step::Teardown:
            write(node, "teardown");
            if (failing.contains(node.name()))
                Graph::fail(node, Error(node.name()));
            setClosed(node);
            take(std::move(*Graph::finish(node)));
            break;
        default:
            break;
        }
        return true;
    }

    void run()
    {
        while (runOne()) { }
    }

    QStringList log;
    QStringList failing;
    bool keepsLog = true;

private:
    void write(const Node &node, const char *what)
    {
        if (keepsLog)
            log += node.name() + QLatin1Char(' ') + QLatin1String(what);
    }

    std::deque<DueSteps::Due> m_queue;
};

inline Refusal add(EdgeChange (*operation)(Node &, Node &), const Owned &upper, const Owned &lower,
                   Driver &driver)
{
    EdgeChange result = operation(*upper, *lower);
    driver.take(std::move(result.steps));
    return result.refusal;
}

} // namespace GoProcess::Private

#endif
