// SPDX-License-Identifier: MIT
// The places of a rate limiter, and the threads and works that wait for one.

#include "places_p.h"

#include "dispatch/wait_p.h"

#include <utility>
#include <vector>

namespace GoProcess::Private {

/// A thread that waits for a place. Turns of one thread form a stack, as a step that runs in the
/// wait may wait as well.
class Places::Turn
{
public:
    explicit Turn(Places &awaited) : places(awaited), outer(innermost) { innermost = this; }
    Q_DISABLE_COPY_MOVE(Turn)
    ~Turn() { innermost = outer; }

    Places &places;
    Turn *const outer;
    WakeUp wakeUp;
    // Guarded by the mutex of the places:
    bool granted = false;
    Queue::iterator position;

    static thread_local Turn *innermost;
};

thread_local Places::Turn *Places::Turn::innermost = nullptr;

void Places::Place::giveBack()
{
    if (const std::shared_ptr<Places> places = std::move(m_places))
        places->giveBack(m_holder);
}

void Places::Place::occupy(StepTarget &process)
{
    const std::lock_guard lock(m_places->m_mutex);
    m_holder = m_places->m_holders.insert(m_places->m_holders.end(), &process);
}

/// Gives a place away, which \a holder has occupied.
void Places::giveBack(std::optional<Holders::iterator> holder)
{
    while (true) {
        QueuedWork *next = nullptr;
        Ref<ProcessCore> child; // keeps it alive when it has left the queue
        bool isLate = false;
        {
            const std::lock_guard lock(m_mutex);
            if (holder)
                m_holders.erase(*std::exchange(holder, std::nullopt));
            if (m_queue.empty()) {
                ++m_free;
                return;
            }
            const Waiting first = m_queue.front();
            m_queue.pop_front();
            if (first.thread) {
                first.thread->granted = true;
                // The thread cannot let go of its turn before it got the mutex.
                first.thread->wakeUp.set();
                return;
            }
            next = first.work;
            child = next->m_child;
            isLate = child->state() != NodeState::Running;
            next->m_state = isLate ? QueuedWork::State::Dropped : QueuedWork::State::Started;
            if (!isLate)
                next->m_holder = m_holders.insert(m_holders.end(), child.get());
        }
        // The process cannot be Closed before one of these has been done, and so its bindings live.
        if (!isLate) {
            next->start();
            return;
        }
        next->drop();
    }
}

// --- Works ---------------------------------------------------------------------------------------

void Places::QueuedWork::drop()
{
    // A copy: this goes with the process.
    const Ref<ProcessCore> child = m_child;
    child->workLost(Error(
            QStringLiteral("The work was dropped, as it was closed before it got a place of its "
                           "rate limiter")));
}

void Places::QueuedWork::closed()
{
    if (m_state == State::Started) // which it was before its work was
        m_places->giveBack(m_holder);
}

void Places::enqueue(QueuedWork &work)
{
    {
        const std::lock_guard lock(m_mutex);
        if (m_free > 0) {
            --m_free;
            work.m_state = QueuedWork::State::Started;
            work.m_holder = m_holders.insert(m_holders.end(), work.m_child.get());
        } else if (work.m_isClosing) { // GCOVR_EXCL_BR_LINE: race
            work.m_state = QueuedWork::State::Dropped; // GCOVR_EXCL_LINE: race
        } else {
            work.m_position = m_queue.insert(m_queue.end(), Waiting { nullptr, &work });
            work.m_state = QueuedWork::State::Waiting;
            return;
        }
    }
    if (work.m_state == QueuedWork::State::Started) // GCOVR_EXCL_BR_LINE: race
        work.start();
    else
        work.drop(); // GCOVR_EXCL_LINE: race
}

/// It is closing: without a place it does not start any more.
void Places::leave(QueuedWork &work)
{
    {
        const std::lock_guard lock(m_mutex);
        work.m_isClosing = true;
        if (work.m_state != QueuedWork::State::Waiting)
            return;
        m_queue.erase(work.m_position);
        work.m_state = QueuedWork::State::Dropped;
    }
    work.drop();
}

// --- Threads -------------------------------------------------------------------------------------

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
        if (&turn->places == this) { // GCOVR_EXCL_BR_LINE: race
            return QStringLiteral(
                    "it would wait behind a limitedGo() of the same thread, which runs "
                    "the step that calls");
        }
    }

    if (!StepScope::innermost())
        return {}; // nothing ends after what does not run
    std::vector<Ref<StepTarget>> holders;
    {
        const std::lock_guard lock(m_mutex);
        if (m_holders.size() < std::size_t(m_limit))
            return {};
        holders.reserve(m_holders.size());
        for (StepTarget *holder : m_holders)
            holders.emplace_back(holder);
    }
    const Node *blocker = nullptr;
    for (const Ref<StepTarget> &holder : holders) {
        blocker = blockedBy(*holder);
        if (!blocker)
            return {};
    }
    return QStringLiteral("all places are occupied by works that can only end after the step or "
                          "work of process \"%1\", which runs in the calling thread")
            .arg(blocker->path());
}

std::shared_ptr<Places::Place> Places::take(StepTarget &limiter, QDeadlineTimer deadline,
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
        turn.position = m_queue.insert(m_queue.end(), Waiting { &turn, nullptr });
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
    m_queue.erase(turn.position);
    return nullptr;
}

} // namespace GoProcess::Private
