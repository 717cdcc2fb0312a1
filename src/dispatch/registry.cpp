// SPDX-License-Identifier: MIT
// The dispatchers of all threads, and what all of them are told.

#include "registry_p.h"

#include "common/pin_p.h"

#include <QThread>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

namespace GoProcess::Private {

namespace {

// Count only; a thread that looks at them locks what it looks for.
std::atomic<std::uint64_t> homeChangeCount = 0;
std::atomic<std::uint64_t> moveCount = 0;

} // namespace

Registry &registry()
{
    static auto *const instance = [] {
        keepLoaded();
        return new Registry;
    }();
    return *instance;
}

DispatcherRef Dispatcher::of(QThread *thread)
{
    if (DispatcherRef dispatcher = known(thread))
        return dispatcher;

    // Made outside of the lock, see the declaration; if another thread is faster, in vain.
    DispatcherRef fresh = make(thread);
    fresh->attach();
    DispatcherRef stale;
    DispatcherRef first;
    {
        Registry &all = registry();
        const std::lock_guard lock(all.mutex);
        DispatcherRef &place = all.dispatchers[thread];
        if (place && place->isStillFor(thread))
            first = place;
        else
            stale = std::exchange(place, fresh);
    }
    if (stale)
        stale->threadDestroyed(); // as it was, while the program had cut its connections
    if (!first)
        return fresh;
    fresh->detach();
    return first;
}
DispatcherRef Dispatcher::known(const QThread *thread)
{
    Registry &all = registry();
    const std::lock_guard lock(all.mutex);
    const auto found = all.dispatchers.find(thread);
    return found != all.dispatchers.end() && found->second->isStillFor(thread) ? found->second
                                                                               : DispatcherRef();
}

bool Registry::tryLock()
{
    if (!tryLockShortly(mutex)) // GCOVR_EXCL_BR_LINE: race
        return false; // GCOVR_EXCL_LINE: race
    std::size_t locked = 0;
    for (const auto &[thread, dispatcher] : dispatchers) {
        if (!dispatcher->tryLock()) { // GCOVR_EXCL_BR_LINE: race
            unlockFirst(locked); // GCOVR_EXCL_LINE: race
            return false; // GCOVR_EXCL_LINE: race
        }
        ++locked;
    }
    return true;
}

/// The first \a count of them, in the order in which they were locked, and the registry.
void Registry::unlockFirst(std::size_t count)
{
    for (const auto &[thread, dispatcher] : dispatchers) {
        if (count-- == 0) // GCOVR_EXCL_BR_LINE: race
            break; // GCOVR_EXCL_LINE: race
        dispatcher->unlock();
    }
    mutex.unlock();
}

bool Registry::forked()
{
    for (const auto &[thread, dispatcher] : dispatchers) {
        if (dispatcher.get() != Dispatcher::currentIfAny())
            dispatcher->forgetThread();
    }
    return false; // these were the program's
}

std::uint64_t Dispatcher::homeChanges()
{
    return homeChangeCount.load(std::memory_order_acquire);
}

void Dispatcher::addHomeChange()
{
    homeChangeCount.fetch_add(1, std::memory_order_release);
    Registry &all = registry();
    const std::lock_guard lock(all.mutex);
    for (const auto &[thread, dispatcher] : all.dispatchers) {
        const std::lock_guard inner(dispatcher->m_mutex);
        if (dispatcher->m_sleepers > 0)
            dispatcher->m_wake.notify_all();
    }
}

std::uint64_t Dispatcher::moves()
{
    return moveCount.load(std::memory_order_acquire);
}

void Dispatcher::addMove()
{
    moveCount.fetch_add(1, std::memory_order_release);
}

/// Steps that other threads have claimed are of no use any more: they go to \a dropped, which the
/// caller lets go of outside of the lock.
void Dispatcher::dropClaimedLocked(std::vector<DueStep> &dropped)
{
    const auto isClaimed = [](const DueStep &due) {
        return due.step == Step::Post ? !due.node->isPostDue() : due.node->due() != due.step;
    };
    const auto first = std::stable_partition(m_incoming.begin(), m_incoming.end(),
                                             [&](const DueStep &due) { return !isClaimed(due); });
    std::move(first, m_incoming.end(), std::back_inserter(dropped));
    m_incoming.erase(first, m_incoming.end());
    m_hasIncoming.store(!m_incoming.empty(), std::memory_order_relaxed);
}

std::vector<std::pair<DispatcherRef, DueStep>> Dispatcher::stoppedItems()
{
    std::vector<DueStep> dropped;
    std::vector<std::pair<DispatcherRef, DueStep>> found;
    Registry &all = registry();
    const std::lock_guard lock(all.mutex);
    for (const auto &[thread, dispatcher] : all.dispatchers) {
        const std::lock_guard inner(dispatcher->m_mutex);
        if (dispatcher->m_incoming.empty() || dispatcher->lifeLocked() == Life::Live)
            continue;
        dispatcher->dropClaimedLocked(dropped);
        for (const DueStep &due : dispatcher->m_incoming)
            found.emplace_back(dispatcher, due);
    }
    return found;
}

void Dispatcher::flushAll()
{
    std::vector<DispatcherRef> dispatchers;
    {
        Registry &all = registry();
        const std::lock_guard lock(all.mutex);
        for (const auto &[thread, dispatcher] : all.dispatchers)
            dispatchers.push_back(dispatcher);
    }
    for (const DispatcherRef &dispatcher : dispatchers) {
        {
            const std::lock_guard lock(dispatcher->m_mutex);
            if (!dispatcher->m_owner)
                dispatcher->m_isWakeUpPosted =
                        false; // the call may be lost; one too many finds nothing to do
        }
        dispatcher->flush();
    }
}

} // namespace GoProcess::Private
