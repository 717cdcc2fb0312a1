// SPDX-License-Identifier: MIT
// Graphs whose closes and searches go on in slices, and the calls of several threads that meet in
// them.

#ifndef GOPROCESS_TESTS_GRAPH_SLICES_H
#define GOPROCESS_TESTS_GRAPH_SLICES_H

#include "driver.h"
#include "graph/graph_p.h"

#include <QString>

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

namespace GoProcess::Private {

inline std::vector<Owned> makeNodes(int count)
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

inline bool areFinished(const std::vector<Owned> &nodes)
{
    return std::all_of(nodes.cbegin(), nodes.cend(),
                       [](const Owned &node) { return node->isFinished(); });
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

} // namespace GoProcess::Private

#endif
