// SPDX-License-Identifier: MIT
// A process as what steps are sent to: where they run, and which of them are due.

#ifndef GOPROCESS_STEPTARGET_P_H
#define GOPROCESS_STEPTARGET_P_H

#include "graph/node_p.h"

#include <QDeadlineTimer>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>

QT_BEGIN_NAMESPACE
class QThread;
class QThreadPool;
QT_END_NAMESPACE

namespace GoProcess::Private {

class Dispatcher;
class StepTarget;

using DispatcherRef = Ref<Dispatcher>;

/// A step of a process on its way.
struct DueStep
{
    Ref<StepTarget> node;
    Step step = Step::None;
    bool anywhere = false; ///< The home does not run steps, or there is none: any thread may (R38).
    bool noHome = false; ///< There is none, or there was none when the step became due.
};

/// How a step has ended.
struct [[nodiscard]] StepEnd
{
    /// Sees to what is next, and throws in the calling thread what a slot has thrown.
    void goOn() &&;

    /// What a thread of the pool runs right behind it, and any other caller gives to the pool. Only
    /// where the process whose step has ended has no home, empty otherwise.
    DueStep next;
    /// What a slot has thrown.
    std::exception_ptr thrown;
};

/// A node whose steps run somewhere: in the thread that is its home, or on the library's pool.
class StepTarget : public Node
{
public:
    /// QObject::thread(); null where there is none. The caller holds the node's lock or has claimed
    /// a step of it: either keeps the QObject alive.
    virtual QThread *thread() const = 0;
    /// Takes the close on from a claimed step in any thread, as far as there is no user code to run
    /// and no signal to emit, and returns what can run right behind it. nullopt: nothing was done,
    /// run() is to do it at home.
    virtual std::optional<DueStep> advance(Step step) = 0;
    /// Runs a claimed step in the calling thread.
    virtual StepEnd run(Step step) = 0;
    /// The user's pool has thrown the work away; the work was claimed before.
    virtual void workDropped() = 0;
    /// A blocking wait in the home found the future of the teardown unfinished (R23). False: it has
    /// more to do than \a deadline allows, and may be called again.
    virtual bool endFuture(QDeadlineTimer deadline) = 0;
    /// True for the first caller: endFuture() is called once, and again after it has returned
    /// false.
    bool takeFutureEnd() { return !m_futureEnded.exchange(true, std::memory_order_relaxed); }
    /// The user's pool that its work was given to; null for the library's own.
    virtual QThreadPool *workPool() const = 0;
    /// How many posted functions have not returned, or have returned a future that is unfinished.
    /// The caller holds the lock.
    virtual std::size_t openPosts() const = 0;

    /// Announces that \a step may run, once. Release: the claimer sees all that led here.
    void setDue(Step step)
    {
        if (step == Step::Work)
            m_workDue.store(true, std::memory_order_release);
        else if (step == Step::Post)
            m_postDue.store(true, std::memory_order_release);
        else
            m_due.store(step, std::memory_order_release);
    }
    Step due() const { return m_due.load(std::memory_order_seq_cst); }
    /// setDue() of a step that goes to another thread: see moves().
    void setDueElsewhere(Step step)
    {
        if (step == Step::Post)
            m_postDue.store(true, std::memory_order_seq_cst);
        else
            m_due.store(step, std::memory_order_seq_cst);
    }
    /// Sequentially consistent as due().
    bool isPostDue() const { return m_postDue.load(std::memory_order_seq_cst); }
    bool isWorkDue() const { return m_workDue.load(std::memory_order_acquire); }
    /// True for the caller that may run \a step: each step is claimed once, whatever copies of it
    /// stand in queues.
    bool claim(Step step)
    {
        if (step == Step::Work)
            return m_workDue.exchange(false, std::memory_order_acq_rel);
        if (step == Step::Post)
            return m_postDue.exchange(false, std::memory_order_seq_cst);
        if (step == Step::Rehome)
            return true; // claims the step itself
        return m_due.compare_exchange_strong(step, Step::None, std::memory_order_seq_cst);
    }

    /// Sequentially consistent, as a thread that has claimed a step asks once more: see moved() of
    /// ProcessCore.
    bool hasNoHome() const { return m_hasNoHome.load(std::memory_order_seq_cst); }

    /// How often it was moved, and by the last time from where. A step goes to the thread that was
    /// asked for under these; they are looked at before that, and once more when the step is due.
    ///
    /// The thread that moves it counts first and then looks for a step that is due; a thread that
    /// makes a step due does so first and then looks at the count. All four are sequentially
    /// consistent, so that one of the two sees the other and takes the step along: else it would
    /// stay in the queue of a thread that may not run any for long.
    std::uint16_t moves() const { return m_moves.load(std::memory_order_seq_cst); }
    /// True while moveToThread() takes it away from \a thread, which is its home until that is
    /// over.
    bool isLeaving(const QThread *thread) const
    {
        return m_leaving.load(std::memory_order_acquire) == thread;
    }

protected:
    explicit StepTarget(bool isBackground);
    ~StepTarget() override;

    // Set before other threads know the node; cleared in its thread by moveToThread().
    std::atomic<bool> m_hasNoHome = false;
    // Set in the old thread by moveToThread(), taken by the thread that runs the next step.
    std::atomic<bool> m_moved = false;
    // Only in the home thread; atomic as the home may move.
    std::atomic<bool> m_futureEnded = false;
    /// The warning that it has no thread was given. A step and what was posted may be sent at once
    /// by two threads.
    std::atomic<bool> m_warned = false;

private:
    /// Like m_workDue; here there is room for it.
    std::atomic<bool> m_postDue = false;

protected:
    // Like m_leaving it is written in the old thread by moveToThread(), after that: see moves().
    std::atomic<std::uint16_t> m_moves = 0;

private:
    friend class Dispatcher;
    friend class Delivery;

    // At most one step of a node is due at a time; its work is apart, as closing() may come while
    // it waits, and so is what was posted, as a close may come. Written by the thread that makes it
    // due, taken by the one that claims it.
    std::atomic<Step> m_due = Step::None;
    std::atomic<bool> m_workDue = false;

protected:
    std::atomic<QThread *> m_leaving = nullptr; ///< The thread that the last move left.
    DispatcherRef m_firstHome; ///< Of the thread that made it; saves the search for it.
};

} // namespace GoProcess::Private

#endif
