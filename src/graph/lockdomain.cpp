// SPDX-License-Identifier: MIT
// Components, in which processes that edges join share a lock, and how two of them become one.

#include "common/fork_p.h"
#include "graph_p.h"
#include "graphlocks_p.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace GoProcess::Private {

namespace {

bool lockBefore(const Component *a, const Component *b)
{
    if (a->nursery != b->nursery)
        return a->nursery;
    return std::less<const Component *> {}(a, b);
}

/// All components but the nurseries: for forks, which take their locks. A component enters and leaves
/// it with no order to other locks; whoever holds this one only tries to take others.
struct ComponentList
{
    Mutex mutex;
    Component *first = nullptr;
};

/// All locks of the graph, when the program forks.
class GraphForkPart final : public ForkPart
{
public:
    bool tryLock() override
    {
        if (!tryLockShortly(m_list.mutex))
            return false;
        if (m_nurseries.tryLock()) {
            if (m_labels.tryLock()) {
                if (m_edges.tryLock()) {
                    if (tryLockComponents())
                        return true;
                    m_edges.unlock();
                }
                m_labels.unlock();
            }
            m_nurseries.unlock();
        }
        m_list.mutex.unlock();
        return false;
    }
    void unlock() override
    {
        unlockComponents(nullptr);
        m_edges.unlock();
        m_labels.unlock();
        m_nurseries.unlock();
        m_list.mutex.unlock();
    }
    bool forked() override { return false; }

    explicit GraphForkPart(Nurseries &nurseries) : m_nurseries(nurseries) { }

private:
    bool tryLockComponents()
    {
        for (Component *component = m_list.first; component; component = component->next()) {
            if (!tryLockShortly(component->mutex)) {
                unlockComponents(component);
                return false;
            }
        }
        return true;
    }
    void unlockComponents(const Component *end)
    {
        for (Component *component = m_list.first; component != end; component = component->next())
            component->mutex.unlock();
    }

    Nurseries &m_nurseries;
    LabelLocks &m_labels = immortal<LabelLocks>();
    FurtherEdges &m_edges = immortal<FurtherEdges>();
    ComponentList &m_list = immortal<ComponentList>();
};

} // namespace

bool Nurseries::tryLock()
{
    for (std::size_t i = 0; i < m_components.size(); ++i) {
        if (!tryLockShortly(m_components[i]->mutex)) {
            unlock(i);
            return false;
        }
    }
    return true;
}

Nurseries::Nurseries()
{
    for (auto &component : m_components)
        component = std::make_unique<Component>(true);
    static auto *const part = new GraphForkPart(*this);
    Forks::add(*part);
}

Component::Component(bool isNursery) : nursery(isNursery)
{
    if (!nursery)
        enlist();
}

Component::~Component()
{
    if (!nursery)
        delist();
}

void Component::enlist()
{
    auto &list = immortal<ComponentList>();
    const std::lock_guard lock(list.mutex);
    m_next = std::exchange(list.first, this);
    if (m_next)
        m_next->m_previous = this;
}

void Component::delist()
{
    auto &list = immortal<ComponentList>();
    const std::lock_guard lock(list.mutex);
    (m_previous ? m_previous->m_next : list.first) = m_next;
    if (m_next)
        m_next->m_previous = m_previous;
}

/// The last reference is gone.
void Component::destroy() noexcept
{
    // A loop, as the end of one link lets go of the next.
    Component *component = this;
    do {
        Component *next = component->forward.load(std::memory_order_relaxed);
        delete component;
        component = next;
    } while (component && component->loseReference());
}

void Component::waitForLock()
{
    // Relaxed: the number orders nothing.
    m_waiting.fetch_add(1, std::memory_order_relaxed);
    mutex.lock();
    m_waiting.fetch_sub(1, std::memory_order_relaxed);
}

void Component::letOthersIn() const
{
    // It goes to sleep in the lock and needs a moment to wake up. Not for long, as there is no end to those who
    // may come, and no promise that they run.
    using Clock = std::chrono::steady_clock;
    constexpr std::chrono::milliseconds longest { 1 };

    const int waiting = m_waiting.load(std::memory_order_relaxed);
    if (waiting == 0)
        return;
    const Clock::time_point end = Clock::now() + longest;
    while (m_waiting.load(std::memory_order_relaxed) >= waiting && Clock::now() < end)
        std::this_thread::yield();
}

NodeLock::NodeLock(Node &a, Node &b)
{
    const auto moveIn = [](Node &node, Component *component) {
        component->ref();
        node.m_visit = 0; // numbers of another component mean nothing here
        node.m_component.store(component, std::memory_order_release);
    };

    if (&a == &b) {
        *this = NodeLock(a);
        return;
    }
    std::unique_ptr<Component> fresh; // made before anything is locked, as that may fail
    while (true) {
        Component *first = rootOf(a);
        Component *second = rootOf(b);
        if (lockBefore(second, first))
            std::swap(first, second);

        if (first->nursery && second->nursery && !fresh)
            fresh = std::make_unique<Component>();
        first->lock();
        if (second != first)
            second->lock();
        Component *rootA = rootOf(a);
        Component *rootB = rootOf(b);
        if (std::minmax(rootA, rootB, lockBefore) != std::minmax(first, second, lockBefore)) {
            if (second != first)
                second->mutex.unlock();
            first->mutex.unlock();
            continue;
        }

        if (rootA->nursery && rootB->nursery) {
            Component *component = fresh.release();
            component->mutex.lock(); // nobody else knows it yet
            moveIn(a, component);
            moveIn(b, component);
            component->deref(); // the nodes hold it now
            m_component = component;
        } else if (rootA->nursery || rootB->nursery) {
            m_component = rootA->nursery ? rootB : rootA;
            moveIn(rootA->nursery ? a : b, m_component);
        } else if (rootA != rootB) {
            // By rank, so that a chain of forwards is at most logarithmic in what it joins.
            m_component = rootA->rank < rootB->rank ? rootB : rootA;
            Component *other = m_component == rootA ? rootB : rootA;
            if (m_component->rank == other->rank)
                ++m_component->rank;
            m_component->visits = std::max(m_component->visits, other->visits) + 1;
            m_component->markings.splice(m_component->markings.end(), other->markings);
            m_component->looks.splice(m_component->looks.end(), other->looks);
            m_component->leaving.splice(m_component->leaving.end(), other->leaving);
            if (other->isUnderWay.load(std::memory_order_relaxed))
                m_component->isUnderWay.store(true, std::memory_order_release);
            m_component->ref();
            other->forward.store(m_component, std::memory_order_release);
        } else {
            m_component = rootA;
        }

        if (first != m_component)
            first->mutex.unlock();
        if (second != first && second != m_component)
            second->mutex.unlock();
        return;
    }
}

NodeLock::NodeLock(Component &component)
{
    while (true) {
        Component *root = component.root();
        root->lock();
        if (root->root() == root) {
            m_component = root;
            return;
        }
        root->mutex.unlock(); // it was merged meanwhile
    }
}

} // namespace GoProcess::Private
