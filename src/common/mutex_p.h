// SPDX-License-Identifier: MIT
// The mutexes of the library, and the proof that none is held where user code runs.

#ifndef GOPROCESS_MUTEX_P_H
#define GOPROCESS_MUTEX_P_H

#include <QtGlobal>

#include <mutex>

namespace GoProcess::Private {

#ifdef QT_NO_DEBUG

using Mutex = std::mutex;

/// Called before user code runs, a message handler too: in a debug build it stops the program if
/// the calling thread holds a mutex of the library, which that code may need.
inline void aboutToRunUserCode() noexcept { }

#else

/// Counts how many of them each thread holds. Not those that a condition variable is waited for
/// with, as it needs the std::mutex itself: std::unique_lock<std::mutex>.
class Mutex : public std::mutex
{
public:
    void lock()
    {
        std::mutex::lock();
        ++held();
    }
    bool try_lock()
    {
        const bool isLocked = std::mutex::try_lock();
        held() += isLocked ? 1 : 0;
        return isLocked;
    }
    void unlock()
    {
        --held();
        std::mutex::unlock();
    }
    static bool isAnyHeld() noexcept { return held() != 0; }

private:
    static int &held() noexcept;
};

inline void aboutToRunUserCode() noexcept
{
    Q_ASSERT_X(!Mutex::isAnyHeld(), "GoProcess", "User code runs under a lock of the library");
}

#endif

} // namespace GoProcess::Private

#endif
