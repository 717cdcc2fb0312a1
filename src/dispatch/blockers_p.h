// SPDX-License-Identifier: MIT
// What keeps a process from being Closed: the leaf causes at or below it.

#ifndef GOPROCESS_BLOCKERS_P_H
#define GOPROCESS_BLOCKERS_P_H

#include "dispatcher_p.h"
#include "threadreport_p.h"

#include <optional>
#include <unordered_map>
#include <vector>

namespace GoProcess::Private {

/// A leaf cause: what keeps a process open and is not another process that closes.
struct Blocker
{
    enum class Kind : std::uint8_t {
        Work, ///< It runs.
        QueuedWork, ///< It has not started.
        Hold,
        Teardown, ///< It runs.
        Future, ///< The one that the teardown has returned is unfinished.
        Slot, ///< A slot of a signal of the process runs.
        Post, ///< A posted function runs.
        OpenPosts, ///< Such functions have not run, or futures that they returned are unfinished.
        Thread, ///< A step is due, and the home does not run it.
        NotClosing ///< No caller has closed it.
    };

    Kind kind;
    std::size_t index; ///< Of the process among those that were found.
    std::size_t count =
            1; ///< Holds, posted functions, or processes whose steps one thread does not run.
    std::optional<ThreadReport::Clock::time_point> since;
    qint64 threadId = 0; ///< The kernel's; 0: not known, or none.
};

/// Looks for the blockers of a process once. From any thread; holds the lock of a process for one
/// process at a time, or for a thousand of its children.
class Blockers
{
public:
    using Clock = ThreadReport::Clock;

    /// Of \a root, whose close began at \a begun, if that is known.
    explicit Blockers(StepTarget &root, std::optional<Clock::time_point> begun = {});

    /// Whether \a node is among what the root waits for.
    bool hasFound(const Node &node) const { return m_cameFrom.count(&node) > 0; }
    std::size_t count() const { return m_blockers.size() + m_more; }
    /// Two spaces and a line for each, which begins with its path; the first 20.
    QString toString() const;

private:
    void look(std::size_t index);
    void lookAtSteps(StepTarget &node, std::size_t index, bool isOpenFuture);
    void findBelow(std::size_t index);
    bool add(std::size_t from, const std::vector<NodeRef> &nodes);
    void block(const Blocker &blocker);
    QString describe(const Blocker &blocker) const;

    const std::optional<Clock::time_point> m_begun;
    std::vector<Ref<StepTarget>> m_found; ///< The root first, then breadth first.
    std::unordered_map<const Node *, std::size_t> m_cameFrom; ///< Index of what waits for it.
    std::unordered_map<const QThread *, std::size_t> m_threads; ///< Index of the blocker.
    std::vector<Blocker> m_blockers;
    std::size_t m_more = 0; ///< Blockers that there was no room for.
    bool m_isComplete = true;
};

} // namespace GoProcess::Private

#endif
