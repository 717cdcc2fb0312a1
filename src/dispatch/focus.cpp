// SPDX-License-Identifier: MIT
// What a blocking wait inside a step runs, and in which order.

#include "focus_p.h"

#include "delivery_p.h"
#include "stepscope_p.h"

#include <algorithm>
#include <iterator>

namespace GoProcess::Private {

/// How long a wait does without what it does not seem to need, with \a outer such waits further
/// down.
static Dispatcher::Clock::duration patience(int outer)
{
    constexpr std::chrono::milliseconds shortest(20);
    constexpr int mostDoublings = 8; // to about 5 s: a thread that has been blocked so long says so
    return shortest * (1 << std::min(outer, mostDoublings));
}

/// A function that ends the future of a teardown is no step. A wait calls only those that it needs
/// itself, so they do not pile up; and such a function may have what it has ended Closed by another
/// wait.
static bool isInStep()
{
    const StepScope *scope = StepScope::innermost();
    return scope && scope->kind != StepScope::Kind::EndFuture;
}

// A thread that has ended takes its steps one by one, as other threads may run them, too: so these
// stay in its queue, and none are set aside.
Focus::Focus(Dispatcher &here, StepTarget *node, Clock::time_point end)
    : m_here(here),
      m_node(node),
      m_isNested((here.m_focus || isInStep()) && here.m_isLive.load(std::memory_order_relaxed))
{
    if (!m_isNested)
        return;
    m_outer = std::exchange(m_here.m_focus, this);
    int outer = 0;
    for (const Focus *focus = m_outer; focus; focus = focus->m_outer)
        ++outer;
    const Clock::time_point now = Clock::now();
    m_patientUntil = now + patience(outer);
    if (end != Clock::time_point::max())
        m_patientUntil = std::min(m_patientUntil, now + (end - now) / 2);
    m_aside.swap(m_here.m_batch);
    if (m_node && hasAside(this))
        findDue();
}

Focus::~Focus()
{
    if (!m_isNested)
        return;
    m_here.m_focus = m_outer;
    std::deque<DueStep> &batch = m_here.m_batch;
    m_aside.insert(m_aside.end(), std::make_move_iterator(batch.begin()),
                   std::make_move_iterator(batch.end()));
    batch.swap(m_aside);
}

/// What is due already may stand anywhere among what is aside: it is found from the side of the
/// graph, and the thread finds it claimed when it comes by its place in a queue later.
void Focus::findDue()
{
    // The lock keeps the objects alive whose thread is asked for.
    Graph::visitOpen(*m_node, [&](Node &below) {
        auto &open = static_cast<StepTarget &>(below);
        const Step step = open.due();
        const bool isPostDue = open.isPostDue();
        if ((step == Step::None && !isPostDue) || open.hasNoHome() || !m_here.isFor(open.thread()))
            return;
        if (isPostDue)
            m_due.push_back({ Ref<StepTarget>(&open), Step::Post });
        if (step != Step::None)
            m_due.push_back({ Ref<StepTarget>(&open), step });
    });
}

bool Focus::isNeeded(const DueStep &due) const
{
    return m_node && Graph::mayWaitFor(*m_node, *due.node);
}

/// Runs it behind closing() of those whose close has reached it, which may stand aside (R19).
void Focus::runNeeded(DueStep &due)
{
    if (due.step == Step::Announce && hasAside(this)) {
        std::vector<NodeRef> above;
        Graph::unannouncedAbove(*due.node, above);
        for (const NodeRef &node : above) {
            Ref<StepTarget> resident(static_cast<StepTarget *>(node.get()));
            if (m_here.isToAnnounce(*resident)) {
                DueStep announcement { std::move(resident), Step::Announce };
                m_here.runItem(announcement);
            }
        }
    }
    m_here.runItem(due);
}

bool Focus::runNested()
{
    DueStep due;
    if (!m_due.empty()) {
        due = std::move(m_due.front());
        m_due.pop_front();
        runNeeded(due);
        return true;
    }
    while (m_here.take(due)) {
        if (isNeeded(due)) {
            runNeeded(due);
            return true;
        }
        m_aside.push_back(std::move(due));
    }
    if (!hasAside(this) || Clock::now() < m_patientUntil || !takeAside(this, due))
        return false;
    m_here.runItem(due);
    return true;
}

Focus::Clock::time_point Focus::nextLook() const
{
    return m_isNested && hasAside(this) ? m_patientUntil : Clock::time_point::max();
}

bool Focus::takeAside(Focus *innermost, DueStep &due)
{
    Focus *oldest = nullptr;
    for (Focus *focus = innermost; focus; focus = focus->m_outer) {
        if (!focus->m_aside.empty())
            oldest = focus;
    }
    if (!oldest)
        return false;
    due = std::move(oldest->m_aside.front());
    oldest->m_aside.pop_front();
    return true;
}

bool Focus::hasAside(const Focus *innermost)
{
    for (const Focus *focus = innermost; focus; focus = focus->m_outer) {
        if (!focus->m_aside.empty())
            return true;
    }
    return false;
}

} // namespace GoProcess::Private
