// SPDX-License-Identifier: MIT
// Which teardowns have not run: the end of the program names the processes that were left open with
// one.

#include "leftopen_p.h"

#include "common/logging_p.h"
#include "common/mutex_p.h"
#include "processcore_p.h"

#include <QCoreApplication>

#include <array>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

namespace GoProcess::Private {

struct LeftOpen::Part
{
    Mutex mutex;
    Teardown *first = nullptr;
};

constexpr std::size_t partCount = 16;

LeftOpen::Part *LeftOpen::parts()
{
    // Never destroyed: threads may go on until the program is gone.
    static auto *const all = new std::array<Part, partCount>;
    return all->data();
}

LeftOpen::Part &LeftOpen::partOf(const Teardown &teardown)
{
    return parts()[std::hash<const Teardown *> {}(&teardown) / alignof(std::max_align_t)
                   % partCount];
}

void LeftOpen::add(Teardown &teardown, ProcessCore &owner) noexcept
{
    Part &part = partOf(teardown);
    const std::lock_guard lock(part.mutex);
    teardown.m_owner = &owner;
    teardown.m_next = part.first;
    if (part.first)
        part.first->m_previous = &teardown;
    part.first = &teardown;
}

void LeftOpen::remove(Teardown &teardown) noexcept
{
    Part &part = partOf(teardown);
    const std::lock_guard lock(part.mutex);
    (teardown.m_previous ? teardown.m_previous->m_next : part.first) = teardown.m_next;
    if (teardown.m_next)
        teardown.m_next->m_previous = teardown.m_previous;
}

/// The one above \a node that is open and has no open parent.
static NodeRef openRoot(NodeRef node)
{
    constexpr int levels = 1000; // closing edges may go round
    for (int i = 0; i < levels; ++i) {
        NodeRef parent = node->firstParent();
        if (!parent || parent->state() == NodeState::Closed)
            break;
        node = std::move(parent);
    }
    return node;
}

void LeftOpen::warn()
{
    constexpr std::size_t looked = 10000;
    constexpr std::size_t named = 20;

    std::vector<NodeRef> open;
    for (std::size_t i = 0; i < partCount; ++i) {
        Part &part = parts()[i];
        const std::lock_guard lock(part.mutex);
        for (Teardown *teardown = part.first; teardown && open.size() < looked;
             teardown = teardown->m_next) {
            // Its memory is there: one that is being destroyed waits for the lock in remove(). As
            // it is listed, its last reference has gone before, which tryRef() sees.
            if (NodeRef node = teardown->m_owner->tryRef())
                open.push_back(std::move(node));
        }
    }
    std::map<std::uint64_t, std::pair<NodeRef, int>>
            roots; // in the order in which they were asked for
    for (NodeRef &node : open) {
        if (node->state() == NodeState::Closed)
            continue;
        NodeRef root = openRoot(std::move(node));
        auto &entry = roots[root->id()];
        entry.first = std::move(root);
        ++entry.second;
    }
    if (roots.empty())
        return;

    QString list;
    std::size_t count = 0;
    for (const auto &[id, root] : roots) {
        if (++count > named) {
            list += QStringLiteral("\n  and %1 more").arg(roots.size() - named);
            break;
        }
        list += QStringLiteral("\n  %1: %2 teardown(s)").arg(root.first->path()).arg(root.second);
    }
    // A handler of the program may need what its static destruction has destroyed.
    qInstallMessageHandler(nullptr);
    Private::warn(
            QStringLiteral(
                    "The program ends, and these processes were neither closed nor destroyed; "
                    "teardowns at or below them have not been completed:%1")
                    .arg(list));
}

/// Made when the library is loaded, and so destroyed behind the static processes of the program,
/// which close in their destruction.
struct LeftOpen::EndOfProgram
{
    EndOfProgram() noexcept
    {
        keepLogging();
        static_cast<void>(parts());
    }
    Q_DISABLE_COPY_MOVE(EndOfProgram)
    ~EndOfProgram()
    {
        // What a forked child has of its parent's processes is the parent's to close.
        if (QCoreApplication::applicationPid() == pid)
            warn();
    }

    const qint64 pid = QCoreApplication::applicationPid();
};

// A static library is a part of the program, whose own static objects come later then.
#ifdef __GNUC__
[[gnu::init_priority(101)]]
#endif
const LeftOpen::EndOfProgram LeftOpen::s_end;

} // namespace GoProcess::Private
