// SPDX-License-Identifier: MIT
// What failed at or below a process (R27).

#include "graph_p.h"

#include <algorithm>
#include <memory>
#include <new>

namespace GoProcess::Private {

void Graph::setClosed(Node &node)
{
    // Release: a thread that sees Closed sees the error.
    const auto close = [&node] {
        node.m_state.store(NodeState::Closed, std::memory_order_release);
    };

    // What failed below is in m_treeErrors by now. Without any failure only the atomic state
    // changes, so no lock is needed.
    if (!node.m_error && !node.m_treeErrors) {
        close();
        return;
    }
    NodeLock lock(node);
    Edge *told = nullptr;
    while (!tellOfErrors(node, told)) {
        lock.letOthersIn();
        lock = NodeLock(node);
    }
    close();
}

/// Enters what failed into the books of the node and of its parents (R27), in a slice from behind
/// \a told on, which it moves on. True at the end.
///
/// Between two slices the edges to those that were told stay, as the node leaves these books later
/// and in this thread; and a call that adds an edge tells of the errors there.
bool Graph::tellOfErrors(Node &node, Edge *&told)
{
    if (!told && node.m_error) {
        try {
            if (!node.m_treeErrors)
                node.m_treeErrors = std::make_unique<TreeErrors>();
            // A path may be long, and is for those that are kept.
            const QString path = node.m_treeErrors->isFull() ? QString() : node.path();
            node.m_treeErrors->add({ node.id(), { path, node.m_error } });
        } catch (const std::bad_alloc &) { // GCOVR_EXCL_BR_LINE: compiler
            // Without memory the books are not complete; the close is.
        }
        if (!node.m_treeErrors)
            return true;
    }
    std::size_t left = GOPROCESS_EDGES_PER_SLICE;
    for (Edge *edge = told ? told->nextUp : node.m_firstUp; edge; edge = edge->nextUp) {
        const std::size_t cost = tellOfErrors(*edge);
        if (edge->isTold)
            told = edge;
        left -= std::min(left, cost);
        if (left == 0 && told == edge)
            return false;
    }
    return true;
}

/// Enters what failed at or below lower into the books of upper, once, if upper waits for that as
/// its child. Returns what it costs, in edges that a search looks at.
std::size_t Graph::tellOfErrors(Edge &edge)
{
    constexpr std::size_t comparisons = 64; // in the time that a search needs for an edge

    if (!edge.closes || !edge.waits || edge.isTold)
        return 1;
    edge.isTold = true;
    std::unique_ptr<TreeErrors> &errors = edge.upper->m_treeErrors;
    const TreeErrors &below = *edge.lower->m_treeErrors;
    std::size_t cost = 4;
    try {
        if (!errors)
            errors = std::make_unique<TreeErrors>();
        cost += std::size_t(errors->entries.size() * below.entries.size()) / comparisons;
        errors->add(below);
        edge.lower->m_areErrorsKept = true;
    } catch (const std::bad_alloc &) { // GCOVR_EXCL_BR_LINE: compiler
        // as above
    }
    return cost;
}

TreeErrors Graph::treeErrors(const Node &node)
{
    const NodeLock lock(node);
    return node.m_treeErrors ? *node.m_treeErrors : TreeErrors();
}

void TreeErrors::add(const Entry &entry)
{
    const bool known = std::any_of(entries.cbegin(), entries.cend(),
                                   [&](const Entry &other) { return other.id == entry.id; });
    if (known)
        return;
    if (entries.size() < kept)
        entries.append(entry);
    else
        ++uncounted;
}

void TreeErrors::add(const TreeErrors &other)
{
    if (entries.isEmpty()) {
        entries = other.entries; // shares them: a chain keeps them once
        uncounted += other.uncounted;
        return;
    }
    for (const Entry &entry : other.entries)
        add(entry);
    uncounted += other.uncounted;
}

} // namespace GoProcess::Private
