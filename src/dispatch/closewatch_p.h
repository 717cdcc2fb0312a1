// SPDX-License-Identifier: MIT
// Watches closes that do not end, and says twice what they wait for.

#ifndef GOPROCESS_CLOSEWATCH_P_H
#define GOPROCESS_CLOSEWATCH_P_H

#include "common/fork_p.h"
#include "dispatcher_p.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <vector>

namespace GoProcess::Private {

/// Knows the closes that have not ended, each by the process that it began at.
///
/// One that ends in time costs a lock and a place in a list; each that comes looks at two others
/// and forgets those of them that have ended. There is a thread only while something closes that
/// takes longer: it sleeps until the first close is due, and ends when there is none left.
class CloseWatch final : private ForkPart
{
public:
    using Clock = std::chrono::steady_clock;

    /// Never destroyed.
    static CloseWatch &instance();

    /// The close of \a node has begun. From any thread, under no lock.
    void add(Ref<StepTarget> node);
    /// A blocking wait for \a node has said what is open just now.
    void told(const StepTarget &node);

    /// 0: says nothing.
    std::chrono::milliseconds patience() const;
    void setPatience(std::chrono::milliseconds patience);

private:
    struct Open
    {
        Ref<StepTarget> node;
        Clock::time_point begun;
        Clock::time_point due;
        int reports = 0;
        bool isPutOff = false;
    };
    struct EndOfProgram;

    CloseWatch();
    bool tryLock() override { return tryLockShortly(m_mutex); }
    void unlock() override { m_mutex.unlock(); }
    bool forked() override;
    void run();
    void startThread();
    std::vector<Open> takeFinished();
    std::vector<Open> takeDue(Clock::time_point now);
    void sleep(std::unique_lock<std::mutex> &lock);
    void takeBack(std::vector<Open> &&reported, std::vector<Open> &finished);
    void putOff(std::vector<Open> &due) const;
    static void report(const std::vector<Open> &due);
    void endOfProgram();

    // Read without the lock by add(), which needs no order: a change counts for closes that come
    // after it.
    std::atomic<std::chrono::milliseconds::rep> m_patience = 5000;
    /// The program ends, or this is a child of fork(), where no thread of ours is. Set once.
    std::atomic<bool> m_isOver = false;

    Mutex m_mutex; // guards what follows
    std::condition_variable m_wake;
    std::condition_variable m_isSilent;
    std::vector<Open> m_open;
    std::size_t m_next = 0; ///< The one that add() looks at next.
    bool m_hasThread = false;
    bool m_isReporting = false;
};

} // namespace GoProcess::Private

#endif
