// SPDX-License-Identifier: MIT
// How long a thread works without a break.

#ifndef GOPROCESS_TESTS_MODEL_THREADTIME_H
#define GOPROCESS_TESTS_MODEL_THREADTIME_H

#include "support/sanitizers.h"

#include <QCoreApplication>

#include <algorithm>
#include <chrono>

#ifdef Q_OS_UNIX
#  include <ctime>
#endif

namespace TestSupport {

/// The time that the calling thread has used the processor. What other programs take of it does not
/// count, so that a test may set a limit.
inline std::chrono::nanoseconds threadTime()
{
#ifdef Q_OS_UNIX
    timespec time {};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
#else
    return std::chrono::steady_clock::now().time_since_epoch();
#endif
}

/// Delivers events, and remembers the longest time that it took.
class Turns
{
public:
    void turn()
    {
        turn([] { QCoreApplication::processEvents(); });
    }
    /// The same of something else that the thread does in one go.
    template<class F>
    void turn(F &&function)
    {
        const std::chrono::nanoseconds start = threadTime();
        function();
        m_longest = std::max(m_longest, threadTime() - start);
    }

    int longestMs() const { return int(m_longest / std::chrono::milliseconds(1)); }

private:
    std::chrono::nanoseconds m_longest {};
};

/// What a turn may take at most.
inline constexpr int longestTurnMs = underSanitizer || underCoverage ? 200 : 16;

} // namespace TestSupport

#endif
