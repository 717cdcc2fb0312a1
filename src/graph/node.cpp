// SPDX-License-Identifier: MIT
// A process in the graph: its names, and what keeps it.

#include "graph_p.h"

#include "changednodes_p.h"
#include "graphlocks_p.h"

#include <QStringList>

#include <mutex>
#include <unordered_set>
#include <utility>

namespace GoProcess::Private {

Node::Node(bool isBackground)
    : m_domain(immortal<LoneDomains>().pick()),
      m_closeAfterChildren(false),
      m_announced(false),
      m_hasClosingListeners(false),
      m_hasClosedListeners(false),
      m_areErrorsKept(false),
      m_beginsClose(false),
      m_hasWork(false),
      m_hasOwnWaiters(false),
      background(isBackground)
{
}

Node::~Node()
{
    // The thread that made it watched had a reference or the object, so that came before.
    if (isWatched())
        ChangedNodes::forget(*this);
    // A parent whose own QObject is gone has let go of its parent, so this goes one level at most.
    if (Node *parent = m_firstParent.load(std::memory_order_relaxed))
        parent->deref();
    m_domain.load(std::memory_order_relaxed)->deref();
}

std::uint64_t Node::id() const noexcept
{
    static std::atomic<std::uint64_t> last = 0;

    // Relaxed: the number stands for itself and orders nothing.
    std::uint64_t id = m_id.load(std::memory_order_relaxed);
    if (id == 0) {
        const std::uint64_t fresh = last.fetch_add(1, std::memory_order_relaxed) + 1;
        // GCOVR_EXCL_BR_START: race
        if (m_id.compare_exchange_strong(id, fresh, std::memory_order_relaxed))
            // GCOVR_EXCL_BR_STOP
            id = fresh;
    }
    return id;
}

NodeRef Node::tryRef() noexcept
{
    // Relaxed, as in ref(): the caller keeps the memory from going.
    int refs = m_refs.load(std::memory_order_relaxed);
    // GCOVR_EXCL_BR_START: race
    while (refs > 0 && !m_refs.compare_exchange_weak(refs, refs + 1, std::memory_order_relaxed)) { }
    // GCOVR_EXCL_BR_STOP
    if (refs == 0) // GCOVR_EXCL_BR_LINE: race
        return {}; // GCOVR_EXCL_LINE: race
    NodeRef node(this);
    m_refs.fetch_sub(1, std::memory_order_relaxed); // there are two of ours
    return node;
}

NodeRef Node::firstParent() const
{
    const std::lock_guard lock(labelLock(this));
    // Acquire: what it points to is complete.
    return NodeRef(m_firstParent.load(std::memory_order_acquire));
}

QString Node::name() const
{
    const std::lock_guard lock(labelLock(this));
    return m_name ? *m_name : QString();
}

bool Node::setName(const QString &name)
{
    auto fresh = name.isEmpty() ? nullptr : std::make_unique<const QString>(name);
    {
        const std::lock_guard lock(labelLock(this));
        if (m_name ? *m_name == name : name.isEmpty())
            return false;
        m_name = std::move(fresh);
    }
    ChangedNodes::note(*this);
    return true;
}

void Node::forgetParent()
{
    // No caller makes it a child any more, so a look without the lock is enough to see that there
    // is no parent. If there is no other reference, no thread can ask for the parent, and the
    // destructor lets go of it.
    if (!m_firstParent.load(std::memory_order_relaxed) || !isShared())
        return;
    Node *parent = nullptr;
    {
        const std::lock_guard lock(labelLock(this));
        parent = m_firstParent.exchange(nullptr, std::memory_order_relaxed);
    }
    parent->deref();
}

QString Node::path() const
{
    // Beyond this a path says nothing to a reader, and a million of them would fill the memory.
    constexpr std::size_t levels = 1000;

    QStringList names;
    std::unordered_set<const Node *> seen;
    NodeRef kept; // keeps the node that is looked at
    const Node *node = this;
    while (node && std::size_t(names.size()) < levels && seen.insert(node).second) {
        NodeRef parent;
        {
            const std::lock_guard lock(labelLock(node));
            names.append(node->m_name ? *node->m_name // GCOVR_EXCL_BR_LINE: compiler
                                      : QLatin1Char('#') + QString::number(node->id()));
            // Acquire: what it points to is complete.
            parent = NodeRef(node->m_firstParent.load(std::memory_order_acquire));
        }
        kept = std::move(parent);
        node = kept.get();
    }

    QString path;
    for (auto name = names.crbegin(); name != names.crend(); ++name)
        path += QLatin1Char('/') + *name;
    return path;
}

} // namespace GoProcess::Private
