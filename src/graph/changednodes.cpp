// SPDX-License-Identifier: MIT
// Which processes have changed, for the models that show them.

#include "changednodes_p.h"

#include "common/fork_p.h"

#include <algorithm>
#include <new>

namespace GoProcess::Private {

namespace {

struct Readers final : public ForkPart
{
    Readers() { Forks::add(*this); }
    bool tryLock() override { return tryLockShortly(mutex); }
    void unlock() override { mutex.unlock(); }
    bool forked() override { return false; } // GCOVR_EXCL_LINE: rare

    Mutex mutex;
    std::vector<ChangeListener *> all;
};

// Never destroyed: processes may change in static destruction.
Readers &readers()
{
    static auto *const object = new Readers;
    return *object;
}

} // namespace

std::atomic<int> ChangedNodes::s_readers = 0;
std::atomic<int> ChangedNodes::s_readersOfAll = 0;

ChangeListener::~ChangeListener() = default;

void ChangedNodes::open(ChangeListener &reader, bool all)
{
    const std::lock_guard lock(readers().mutex);
    readers().all.push_back(&reader);
    reader.m_readsAll = all;
    s_readers.fetch_add(1, std::memory_order_relaxed);
    s_readersOfAll.fetch_add(all ? 1 : 0, std::memory_order_relaxed);
}

void ChangedNodes::close(ChangeListener &reader)
{
    std::unordered_set<Node *> unread; // may be large: destroyed when the lock is free again
    const std::lock_guard lock(readers().mutex);
    std::vector<ChangeListener *> &all = readers().all;
    all.erase(std::remove(all.begin(), all.end(), &reader), all.end());
    s_readers.fetch_sub(1, std::memory_order_relaxed);
    s_readersOfAll.fetch_sub(reader.m_readsAll ? 1 : 0, std::memory_order_relaxed);
    unread.swap(reader.m_changed);
}

void ChangedNodes::write(Node &node)
{
    if (!node.isWatched()) {
        if (s_readersOfAll.load(std::memory_order_relaxed) == 0)
            return;
        // So that it is forgotten when it is destroyed.
        node.letFind(Node::Watcher);
    }
    const std::lock_guard lock(readers().mutex);
    for (ChangeListener *reader : readers().all) { // GCOVR_EXCL_BR_LINE: compiler
        try {
            // GCOVR_EXCL_BR_START: compiler
            if (reader->m_changed.insert(&node).second && reader->m_changed.size() == 1)
                // GCOVR_EXCL_BR_STOP
                reader->noted();
        } catch (const std::bad_alloc &) { // GCOVR_EXCL_BR_LINE: compiler
            // What has changed goes on, shown or not. The next note tells the reader again.
            reader->m_changed.erase(&node);
        }
    }
}

void ChangedNodes::forget(Node &node)
{
    const std::lock_guard lock(readers().mutex);
    for (ChangeListener *reader : readers().all) // GCOVR_EXCL_BR_LINE: compiler
        reader->m_changed.erase(&node);
}

bool ChangedNodes::take(ChangeListener &reader, std::size_t limit, std::vector<NodeRef> &changed)
{
    const std::lock_guard lock(readers().mutex);
    std::unordered_set<Node *> &all = reader.m_changed;
    for (; limit > 0 && !all.empty(); --limit) {
        // Its memory is there: a node that is being destroyed waits in forget() for this lock.
        NodeRef node = (*all.begin())->tryRef();
        all.erase(all.begin());
        if (node)
            changed.push_back(std::move(node));
    }
    return all.empty();
}

} // namespace GoProcess::Private
