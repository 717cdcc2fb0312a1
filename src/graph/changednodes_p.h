// SPDX-License-Identifier: MIT
// Which processes have changed, for models and monitors.

#ifndef GOPROCESS_CHANGEDNODES_P_H
#define GOPROCESS_CHANGEDNODES_P_H

#include "graph_p.h"

#include <atomic>
#include <cstddef>
#include <unordered_set>
#include <vector>

namespace GoProcess::Private {

/// Takes the changed nodes, in a thread of its own choice.
class ChangeListener
{
public:
    ChangeListener() = default;
    Q_DISABLE_COPY_MOVE(ChangeListener)
    virtual ~ChangeListener();

private:
    friend class ChangedNodes;

    /// There is something to read, for the first time since all was taken. Called under locks of
    /// the graph, in any thread.
    virtual void noted() = 0;

    // Guarded by the lock of ChangedNodes.
    bool m_readsAll = false;
    std::unordered_set<Node *> m_changed; ///< Each leaves it before it is destroyed.
};

/// Tells readers which processes have changed, from whatever thread, each once until it is taken.
///
/// A reader looks for itself what has changed, under the lock of the node. A note costs a relaxed
/// load while there are no readers. With readers the watched nodes are noted, and for a reader of
/// all the others, too. No note keeps a node alive, so that the memory is bound by what exists,
/// however late a reader comes.
///
/// Nothing is missed: a reader is there first, watches a node second and looks at it third, under
/// the lock that guards what it looks at. A change before the look is seen by it. A change after it
/// is ordered after the other two by that lock, and so is the note that follows the change. Hence
/// relaxed order suffices for the count of readers and for the flag of the node.
class ChangedNodes
{
public:
    /// \a node has changed. Called under its lock or by a thread that keeps it alive.
    static void note(Node &node)
    {
        if (s_readers.load(std::memory_order_relaxed) > 0)
            write(node);
    }
    /// A watched node is being destroyed.
    static void forget(Node &node);

    /// \a all: also new processes, and others that are not watched.
    static void open(ChangeListener &reader, bool all);
    static void close(ChangeListener &reader);
    /// Appends up to \a limit nodes that have changed; false if there are more.
    static bool take(ChangeListener &reader, std::size_t limit, std::vector<NodeRef> &changed);

private:
    static void write(Node &node);

    // Written under the lock of ChangedNodes; see above for how they are read.
    static std::atomic<int> s_readers;
    static std::atomic<int> s_readersOfAll;
};

} // namespace GoProcess::Private

#endif
