// SPDX-License-Identifier: MIT
// In a forked child: ends what threads that are gone had begun.

#include "common/fork_p.h"
#include "processcore_p.h"

#include <QThread>

#include <optional>
#include <utility>
#include <vector>

namespace GoProcess::Private {

namespace {

/// What a process waits for that no thread will do.
enum class Lost { Nothing, Work, Announcement, Teardown, Finish };

/// A step or work that no thread has claimed is not lost, and one on the stack of this thread goes
/// on. The caller holds the lock.
Lost findLost(ProcessCore &node)
{
    if (StepScope::find(node)) // GCOVR_EXCL_BR_LINE: rare
        return Lost::Nothing; // GCOVR_EXCL_LINE: rare
    if (Graph::hasWork(node))
        return Lost::Work;
    if (node.due() != Step::None)
        return Lost::Nothing;
    switch (node.state()) { // GCOVR_EXCL_BR_LINE: compiler
    case NodeState::Running:
        return Lost::Nothing;
    case NodeState::Closing:
        break;
    case NodeState::Closed:
        return Lost::Finish;
    }
    if (!Graph::isAnnounced(node))
        return node.waitsForPosts() ? Lost::Nothing : Lost::Announcement;
    return Graph::hasBegunTeardown(node) && !node.hasFutureHere() ? Lost::Teardown : Lost::Nothing;
}

/// False for those whose steps this thread runs anyway, or another one that the child has started
/// itself.
bool isStranded(const ProcessCore &node)
{
    if (node.hasNoHome())
        return Forks::hasLostThreads();
    QThread *thread = node.thread();
    return thread && thread != QThread::currentThread()
            && Dispatcher::of(thread)->life() != Dispatcher::Life::Live;
}

} // namespace

void Forks::revive(StepTarget &node)
{
    struct Found
    {
        Ref<ProcessCore> node;
        Lost lost;
    };
    if (std::optional<DueSteps> help = Graph::help(node))
        deliver(std::move(*help)); // the thread that was marking is gone
    std::vector<Found> all;
    Graph::visitOpen(node, [&](Node &open) {
        auto &data = static_cast<ProcessCore &>(open);
        if (isStranded(data))
            all.push_back({ Ref<ProcessCore>(&data), findLost(data) });
    });
    for (const Found &found : all) {
        // It stands in the queue of a thread that is gone.
        if (const Step step = found.node->due(); step != Step::None && found.node->claim(step))
            deliver(*found.node, step);
        if (found.node->isPostDue() && found.node->claim(Step::Post))
            deliver(*found.node, Step::Post);
        else
            found.node->postsLost();
        switch (found.lost) {
        case Lost::Nothing:
            break;
        case Lost::Work:
            found.node->workLost(Error(QStringLiteral(
                    "The program was forked, and the thread of the work is not in the child")));
            break;
        case Lost::Announcement:
            deliver(*found.node, Step::Announce);
            break;
        case Lost::Teardown:
            found.node->settle(Error(QStringLiteral(
                    "The program was forked, and the thread of the teardown is not in the child")));
            break;
        case Lost::Finish:
            deliver(*found.node, Step::Finish);
            break;
        }
    }
}

} // namespace GoProcess::Private
