// SPDX-License-Identifier: MIT
// The places of a rate limiter, and the threads that wait for one.

#include "places_p.h"

#include "core/wait_p.h"

#include <algorithm>

namespace GoProcess::Private {

/// A thread that waits for a place. Turns of one thread form a stack, as a step that runs in the wait
/// may wait as well.
class Places::Turn
{
public:
    explicit Turn(Places &awaited) : places(awaited), outer(innermost) { innermost = this; }
    Q_DISABLE_COPY_MOVE(Turn)
    ~Turn() { innermost = outer; }

    Places &places;
    Turn *const outer;
    WakeUp wakeUp;
    bool granted = false; ///< Guarded by the mutex of the places.

    static thread_local Turn *innermost;
};

thread_local Places::Turn *Places::Turn::innermost = nullptr;

void Places::Place::giveBack()
{
    if (const std::shared_ptr<Places> places = std::move(m_places))
        places->giveBack(m_holder);
}

void Places::Place::occupy(Resident &process)
{
    const std::lock_guard lock(m_places->m_mutex);
    m_holder = &process;
    m_places->m_holders.push_back(&process);
}

void Places::giveBack(const Resident *holder)
{
    const std::lock_guard lock(m_mutex);
    const auto held = std::find(m_holders.begin(), m_holders.end(), holder);
    if (held != m_holders.end())
        m_holders.erase(held);

    if (m_queue.empty()) {
        ++m_free;
        return;
    }
    Turn *next = m_queue.front();
    m_queue.pop_front();
    next->granted = true;
    // The thread cannot let go of its turn before it got the mutex.
    next->wakeUp.set();
}

std::shared_ptr<Places::Place> Places::tryTake()
{
    const std::lock_guard lock(m_mutex);
    if (m_free == 0)
        return nullptr;
    --m_free;
    return std::make_shared<Place>(shared_from_this());
}

/// Why the calling thread would wait for itself (R39); empty if it would not.
QString Places::refusalOfWait() const
{
    for (const Turn *turn = Turn::innermost; turn; turn = turn->outer) {
        if (&turn->places == this) {
            return QStringLiteral(
                    "it would wait behind a limitedGo() of the same thread, which runs "
                    "the step that calls");
        }
    }

    std::vector<Ref<Resident>> holders;
    {
        const std::lock_guard lock(m_mutex);
        if (m_holders.size() < std::size_t(m_limit))
            return {};
        holders.reserve(m_holders.size());
        for (Resident *holder : m_holders)
            holders.emplace_back(holder);
    }
    const Node *blocker = nullptr;
    for (const Ref<Resident> &holder : holders) {
        blocker = blockedBy(*holder);
        if (!blocker)
            return {};
    }
    return QStringLiteral("all places are occupied by works that can only end after the step or "
                          "work of process \"%1\", which runs in the calling thread")
            .arg(blocker->path());
}

std::shared_ptr<Places::Place> Places::take(Resident &limiter, QDeadlineTimer deadline,
                                            QString *refusal)
{
    if (std::shared_ptr<Place> place = tryTake())
        return place;
    if (deadline.hasExpired())
        return nullptr;
    *refusal = refusalOfWait();
    if (!refusal->isEmpty())
        return nullptr;

    Turn turn(*this);
    {
        const std::lock_guard lock(m_mutex);
        if (m_free > 0) {
            --m_free;
            return std::make_shared<Place>(shared_from_this());
        }
        m_queue.push_back(&turn);
    }
    try {
        const GoalWaiter waiter(limiter, Waiter::Goal::TeardownBegun, turn.wakeUp);
        waitUntil(turn.wakeUp, limiter, true, deadline);
    } catch (...) { // of a slot in a step that the wait ran
        static_cast<void>(leave(turn)); // a place that was granted meanwhile is free again
        throw;
    }
    return leave(turn);
}

/// Leaves the queue, with the place that was granted if there was one.
std::shared_ptr<Places::Place> Places::leave(Turn &turn)
{
    const std::lock_guard lock(m_mutex);
    if (turn.granted)
        return std::make_shared<Place>(shared_from_this());
    m_queue.erase(std::find(m_queue.begin(), m_queue.end(), &turn));
    return nullptr;
}

} // namespace GoProcess::Private
