// SPDX-License-Identifier: MIT
// What keeps a process from being Closed: the leaf causes at or below it.

#include "blockers_p.h"

#include "graph/graph_p.h"
#include <QStringList>
#include <QThread>

#include <algorithm>

namespace GoProcess::Private {

namespace {

constexpr std::size_t mostNamed = 20;
/// A look at more says nothing new to a reader, and takes its time.
constexpr std::size_t mostLookedAt = 100000;
constexpr std::size_t atOnce = 1000;

QString duration(ThreadReport::Clock::time_point since)
{
    const std::chrono::duration<double> elapsed = ThreadReport::Clock::now() - since;
    return QStringLiteral(" for %1 s").arg(std::max(0.0, elapsed.count()), 0, 'f', 1);
}

QString place(qint64 threadId)
{
    const QString name = ThreadReport::nameOf(threadId);
    if (threadId == 0) // GCOVR_EXCL_BR_LINE: rare
        return QStringLiteral(" in a thread that has run no step yet"); // GCOVR_EXCL_LINE: rare
    return name.isEmpty() ? QStringLiteral(" in thread %1").arg(threadId)
                          : QStringLiteral(" in thread %1 (%2)").arg(threadId).arg(name);
}

} // namespace

Blockers::Blockers(StepTarget &root, std::optional<Clock::time_point> begun) : m_begun(begun)
{
    m_found.emplace_back(&root);
    m_cameFrom.emplace(&root, 0);
    for (std::size_t i = 0; i < m_found.size(); ++i)
        look(i);
}

void Blockers::block(const Blocker &blocker)
{
    if (m_blockers.size() < mostNamed)
        m_blockers.push_back(blocker);
    else
        ++m_more;
}

void Blockers::look(std::size_t index)
{
    StepTarget &node = *m_found[index];
    const std::vector<ThreadReport::Running> scopes = ThreadReport::running(node);
    bool hasWork = node.isWorkDue();
    std::size_t runningPosts = 0;
    for (const ThreadReport::Running &scope : scopes) {
        const bool isSlot =
                scope.kind == StepScope::Kind::Announce || scope.kind == StepScope::Kind::Finish;
        const bool isWork = scope.kind == StepScope::Kind::Work;
        hasWork = hasWork || isWork;
        const bool isPost = scope.kind == StepScope::Kind::Post;
        runningPosts += isPost ? 1 : 0;
        block({ isWork           ? Blocker::Kind::Work
                        : isSlot ? Blocker::Kind::Slot
                        : isPost ? Blocker::Kind::Post
                                 : Blocker::Kind::Teardown,
                index, 1, scope.since, scope.threadId });
    }
    if (node.isWorkDue())
        block({ Blocker::Kind::QueuedWork, index, 1, m_begun, 0 });
    if (node.state() == NodeState::Closed) {
        if (scopes.empty())
            lookAtSteps(node, index, node.hasLateTeardown());
        return;
    }

    std::size_t holds = 0;
    std::size_t posts = 0;
    bool waits = false;
    bool isLeft = false; // the processes that it waits for decide when it closes
    bool hasBegunTeardown = false;
    {
        const NodeLock lock(node);
        waits = Graph::waits(node) > 0;
        isLeft = waits && Graph::closesAfterChildren(node);
        hasBegunTeardown = Graph::hasBegunTeardown(node);
        posts = node.openPosts();
        holds = hasBegunTeardown ? 0 : Graph::holds(node) - posts;
    }
    if (node.state() == NodeState::Running && !isLeft) {
        // A wait for a process that is not closing may be one for works below it, as for a place of
        // a rate limiter. Others below it are no causes.
        const bool isBelowRunning =
                index > 0 && m_found[m_cameFrom.at(&node)]->state() == NodeState::Running;
        if (!hasWork && !isBelowRunning)
            block({ Blocker::Kind::NotClosing, index, 1, m_begun, 0 });
        if (waits && (index == 0 || isBelowRunning))
            findBelow(index);
        return;
    }
    if (holds > (hasWork ? 1U : 0U))
        block({ Blocker::Kind::Hold, index, holds - (hasWork ? 1 : 0), m_begun, 0 });
    if (posts > runningPosts)
        block({ Blocker::Kind::OpenPosts, index, posts - runningPosts, m_begun, 0 });
    if (scopes.empty())
        lookAtSteps(node, index, hasBegunTeardown);
    if (waits)
        findBelow(index);
}

/// A step that is due and that no thread runs, or one that will come from a future.
void Blockers::lookAtSteps(StepTarget &node, std::size_t index, bool isOpenFuture)
{
    if (node.due() == Step::None && !node.isPostDue()) {
        if (isOpenFuture)
            block({ Blocker::Kind::Future, index, 1, m_begun, 0 });
        return;
    }
    const QThread *thread = nullptr; // only compared: it may be gone as soon as the lock is
    if (!node.hasNoHome()) {
        const NodeLock lock(node);
        thread = node.thread();
    }
    const auto [known, isNew] = m_threads.emplace(thread, m_blockers.size());
    if (isNew)
        block({ Blocker::Kind::Thread, index, 1, m_begun, ThreadReport::idOf(thread) });
    else if (known->second < m_blockers.size())
        ++m_blockers[known->second].count;
}

void Blockers::findBelow(std::size_t index)
{
    const Ref<StepTarget> node = m_found[index];
    std::vector<NodeRef> nodes;
    Graph::waitedFor(*node, mostLookedAt, nodes);
    if (!add(index, nodes)) // GCOVR_EXCL_BR_LINE: rare
        return; // GCOVR_EXCL_LINE: rare
    NodeRef last;
    while (true) {
        nodes.clear();
        // GCOVR_EXCL_BR_START: race
        if (!Graph::waitedForChildren(*node, last.get(), atOnce, nodes)) {
            // GCOVR_EXCL_BR_STOP
            // The last one has closed meanwhile, and what is behind it is not known.
            m_isComplete = false; // GCOVR_EXCL_LINE: race
            return; // GCOVR_EXCL_LINE: race
        }
        if (nodes.empty() || !add(index, nodes))
            return;
        last = nodes.back();
    }
}

/// False if there is no room for more.
bool Blockers::add(std::size_t from, const std::vector<NodeRef> &nodes)
{
    const std::size_t room = mostLookedAt - std::min(mostLookedAt, m_found.size());
    std::size_t added = 0;
    for (auto node = nodes.cbegin(); node != nodes.cend() && added < room; ++node) {
        if (m_cameFrom.emplace(node->get(), from).second) {
            m_found.emplace_back(static_cast<StepTarget *>(node->get()));
            ++added;
        }
    }
    m_isComplete = m_isComplete && added < room;
    return added < room;
}

QString Blockers::describe(const Blocker &blocker) const
{
    const Node &node = *m_found[blocker.index];
    const QString since = blocker.since ? duration(*blocker.since) : QString();
    const QString path = node.path();
    QString text = path + QLatin1String(": ");
    switch (blocker.kind) {
    case Blocker::Kind::Work:
        text += QStringLiteral("work runs") + since + place(blocker.threadId);
        break;
    case Blocker::Kind::QueuedWork:
        text += QStringLiteral("work has not started") + since;
        break;
    case Blocker::Kind::Hold:
        text += QStringLiteral("%1 hold(s) not released").arg(blocker.count) + since;
        break;
    case Blocker::Kind::Teardown:
        text += QStringLiteral("teardown runs") + since + place(blocker.threadId);
        break;
    case Blocker::Kind::Future:
        text += QStringLiteral("future of its teardown unfinished") + since;
        break;
    case Blocker::Kind::Slot:
        text += QStringLiteral("slot of its signals runs") + since + place(blocker.threadId);
        break;
    case Blocker::Kind::Post:
        text += QStringLiteral("posted function runs") + since + place(blocker.threadId);
        break;
    case Blocker::Kind::OpenPosts:
        text += QStringLiteral("%1 posted function(s) not run, or with unfinished futures")
                        .arg(blocker.count)
                + since;
        break;
    case Blocker::Kind::Thread:
        text += QStringLiteral("thread does not run its steps") + since
                + (m_found[blocker.index]->hasNoHome() ? QStringLiteral(" on the pool")
                                                       : place(blocker.threadId));
        if (blocker.count > 1)
            text += QStringLiteral(", nor those of %1 more").arg(blocker.count - 1);
        break;
    case Blocker::Kind::NotClosing:
        text += QStringLiteral("not closing, nobody has closed it") + since;
        break;
    }
    // The path tells which process waits for it, unless that is not its first parent.
    const Node &above = *m_found[m_cameFrom.at(&node)];
    const QString abovePath = above.path();
    if (blocker.index > 0 && !path.startsWith(abovePath + QLatin1Char('/')))
        text += QStringLiteral(" <- ") + abovePath;
    return text;
}

QString Blockers::toString() const
{
    QString text;
    for (const Blocker &blocker : m_blockers)
        text += QStringLiteral("\n  ") + describe(blocker);
    if (m_blockers.empty() && m_isComplete) // GCOVR_EXCL_BR_LINE: race
        text += QStringLiteral("\n  none just now: its steps go on"); // GCOVR_EXCL_LINE: race
    if (m_more > 0)
        text += QStringLiteral("\n  and %1 more").arg(m_more);
    if (!m_isComplete)
        text += QStringLiteral("\n  and what was not looked at, as there is too much of it");
    return text;
}

} // namespace GoProcess::Private
