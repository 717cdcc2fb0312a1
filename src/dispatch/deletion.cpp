// SPDX-License-Identifier: MIT
// Objects that are deleted in their own threads, by the dispatchers of these.

#include "dispatcher_p.h"

#include "common/mutex_p.h"

#include <QThread>

#include <mutex>
#include <utility>
#include <vector>

namespace GoProcess::Private {

/// How many objects wait for a thread that deletes none, where other threads could delete them.
constexpr std::size_t mostToDelete = 4096;

void Dispatcher::deleteLater(QObject *object, Deletion deletion, const DispatcherRef &likely)
{
    QThread *thread = object->thread();
    if (thread && thread != QThread::currentThread()) {
        // GCOVR_EXCL_BR_START: guard
        DispatcherRef dispatcher = likely && likely->isFor(thread) ? likely : known(thread);
        // GCOVR_EXCL_BR_STOP
        // If it was destroyed meanwhile the object tells so. Then the pointer is not looked into.
        if (!dispatcher && object->thread() == thread) // GCOVR_EXCL_BR_LINE: race
            dispatcher = of(thread); // GCOVR_EXCL_LINE: race
        std::unique_lock<Mutex> lock;
        if (dispatcher)
            lock = std::unique_lock(dispatcher->m_mutex);
        if (dispatcher && dispatcher->deletesLocked(deletion)) {
            dispatcher->deleteLaterLocked(object, deletion != Deletion::RunsUserCode);
            return;
        }
    }
    aboutToRunUserCode();
    delete object;
}

/// False if the thread does not delete anything any more; and, of what other threads may delete, if
/// it was not started or is blocked: it may be so for ever, and what it would have to delete grow
/// without a bound.
bool Dispatcher::deletesLocked(Deletion deletion)
{
    if (m_life == Life::Ended)
        return false; // GCOVR_EXCL_LINE: race
    return deletion != Deletion::Anywhere
            || (lifeLocked() != Life::Fresh && m_toDeleteSilently.size() < mostToDelete);
}

void Dispatcher::deleteLaterLocked(QObject *object, bool silently)
{
    (silently ? m_toDeleteSilently : m_toDelete).push_back(object);
    if (silently)
        m_hasToDeleteSilently.store(true, std::memory_order_relaxed);

    if (m_sleepers == 0)
        postWakeUpLocked();
    else if (m_toDeleteSilently.size() == enoughToDelete)
        m_wake.notify_all(); // a blocked wait deletes only these, and only many at once
}

static QObject *takeLast(std::vector<QObject *> &objects)
{
    QObject *object = objects.back();
    objects.pop_back();
    return object;
}

QObject *Dispatcher::takeToDelete()
{
    if (!m_toDeleteHere.empty()) // GCOVR_EXCL_BR_LINE: race
        return takeLast(m_toDeleteHere); // GCOVR_EXCL_LINE: race
    const std::lock_guard lock(m_mutex);
    std::vector<QObject *> &objects = m_toDelete.empty() ? m_toDeleteSilently : m_toDelete;
    return objects.empty() ? nullptr : takeLast(objects);
}

bool Dispatcher::deleteSome()
{
    // More than one, so that a caller that makes one process a call gets rid of all in time; and
    // few, as it is in a hurry and comes again, and new objects find the memory of the last ones at
    // hand.
    constexpr int few = 3;

    if (m_toDeleteHere.empty()) {
        // Relaxed: what is not seen now is seen the next time.
        if (!m_hasToDeleteSilently.load(std::memory_order_relaxed))
            return false;
        const std::lock_guard lock(m_mutex);
        m_toDeleteHere.swap(m_toDeleteSilently);
        m_hasToDeleteSilently.store(false, std::memory_order_relaxed);
    }
    const bool any = !m_toDeleteHere.empty();
    for (int i = 0; i < few && !m_toDeleteHere.empty(); ++i)
        delete takeLast(m_toDeleteHere);
    return any;
}

} // namespace GoProcess::Private
