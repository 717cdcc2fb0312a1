// SPDX-License-Identifier: MIT
// What a fork() of the program leaves of the library in the child.

#include "fork_p.h"

#include <chrono>
#include <thread>
#include <vector>

#ifdef Q_OS_UNIX
#  include <pthread.h>
#endif

namespace GoProcess::Private {

std::atomic<bool> Forks::s_isChild = false;
std::atomic<bool> Forks::s_hasLostThreads = false;

bool tryLockShortly(Mutex &mutex)
{
    constexpr int attempts = 20;
    for (int i = 0; i < attempts; ++i) {
        if (mutex.try_lock())
            return true;
        std::this_thread::yield();
    }
    return false; // GCOVR_EXCL_LINE: race
}

#ifdef Q_OS_UNIX

namespace {

/// All parts. Never destroyed, as the program may fork while it ends.
struct Parts
{
    Mutex mutex; // guards what follows, and is held while the program forks
    std::vector<ForkPart *> all;
    bool areLocked = false;

    static Parts &instance()
    {
        static auto *const parts = new Parts;
        return *parts;
    }
    bool tryLock()
    {
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (!all[i]->tryLock()) { // GCOVR_EXCL_BR_LINE: race
                unlock(i); // GCOVR_EXCL_LINE: race
                return false; // GCOVR_EXCL_LINE: race
            }
        }
        return true;
    }
    void unlock(std::size_t count)
    {
        while (count > 0)
            all[--count]->unlock();
    }
};

} // namespace

/// Called by fork() in the thread that forks: before it, and behind it in both processes.
struct ForkHandlers
{
    static void prepare()
    {
        // The locks are tried, not waited for: so their order does not matter, nor what their
        // owners wait for. A thread that forks while it holds one of them itself gets a child all
        // the same, in which the program must not use the library.
        constexpr std::chrono::seconds longest { 1 };
        Parts &parts = Parts::instance();
        parts.mutex.lock();
        const auto end = std::chrono::steady_clock::now() + longest;
        // GCOVR_EXCL_BR_START: race
        while (!(parts.areLocked = parts.tryLock()) && std::chrono::steady_clock::now() < end)
            // GCOVR_EXCL_BR_STOP
            std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    static void inParent()
    {
        Parts &parts = Parts::instance();
        if (parts.areLocked) // GCOVR_EXCL_BR_LINE: race
            parts.unlock(parts.all.size());
        parts.mutex.unlock();
    }
    static void inChild()
    {
        Parts &parts = Parts::instance();
        bool lost = false;
        for (ForkPart *part : parts.all)
            lost = part->forked() || lost;
        Forks::s_isChild.store(true, std::memory_order_relaxed);
        if (lost)
            Forks::s_hasLostThreads.store(true, std::memory_order_relaxed);
        inParent();
    }
};

void Forks::add(ForkPart &part)
{
    Parts &parts = Parts::instance();
    const std::lock_guard lock(parts.mutex);
    if (parts.all.empty())
        pthread_atfork(&ForkHandlers::prepare, &ForkHandlers::inParent, &ForkHandlers::inChild);
    parts.all.push_back(&part);
}

#else

void Forks::add(ForkPart &) { }

#endif

} // namespace GoProcess::Private
