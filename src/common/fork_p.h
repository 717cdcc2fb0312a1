// SPDX-License-Identifier: MIT
// What a fork() of the program leaves of the library in the child.

#ifndef GOPROCESS_FORK_P_H
#define GOPROCESS_FORK_P_H

#include "mutex_p.h"

#include <QtGlobal>

#include <atomic>

namespace GoProcess::Private {

class StepTarget;

/// A part of the library that other threads may be using when one thread forks.
///
/// The child has a copy of the memory and of the thread that forked, and of no other. So the locks
/// of all parts are taken before, by the thread that forks: what they guard is complete in the
/// child, and no thread that is gone holds them there for ever.
class ForkPart
{
public:
    ForkPart() = default;
    Q_DISABLE_COPY_MOVE(ForkPart)

    /// Takes all its locks; false, and none, if another thread holds one.
    virtual bool tryLock() = 0;
    virtual void unlock() = 0;
    /// In the child, with the locks: forgets the threads that are gone. It touches as little as it
    /// can, as most children only start another program. True if threads of the library are among
    /// them.
    virtual bool forked() = 0;

protected:
    ~ForkPart() = default;
};

class Forks
{
public:
    /// \a part, which is never destroyed, takes part in forks from here on.
    static void add(ForkPart &part);

    // Written by the only thread of a child before fork() returns there; so relaxed order suffices
    // for all its readers, those in threads that are started later too.
    /// True in a forked child of a program that had used the library.
    static bool isChild() { return s_isChild.load(std::memory_order_relaxed); }
    /// True where the library had threads that the child has not: nothing is started here any more.
    static bool hasLostThreads() { return s_hasLostThreads.load(std::memory_order_relaxed); }
    /// Why something is refused then.
    static constexpr const char *why =
            "the program was forked, and the child has no thread for it (exec() another one there)";

    /// Ends what threads that are gone had begun for \a node and for what it waits for. Called in a
    /// child, by the threads that close it or wait for it.
    static void revive(StepTarget &node);

private:
    friend struct ForkHandlers;

    static std::atomic<bool> s_isChild;
    static std::atomic<bool> s_hasLostThreads;
};

/// Tries a few times to take \a mutex, whose owner is on its way.
bool tryLockShortly(Mutex &mutex);

} // namespace GoProcess::Private

#endif
