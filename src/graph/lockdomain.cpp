// SPDX-License-Identifier: MIT
// Domains, in which processes that edges join share a lock, and how two of them become one.

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

bool lockBefore(const LockDomain *a, const LockDomain *b)
{
    if (a->isLone != b->isLone)
        return a->isLone;
    return std::less<const LockDomain *> {}(a, b);
}

/// All domains but the lone domains: for forks, which take their locks. A domain enters and leaves
/// it with no order to other locks; a thread that holds this one only tries to take others.
struct DomainList
{
    Mutex mutex;
    LockDomain *first = nullptr;
};

/// All locks of the graph, when the program forks.
class GraphForkPart final : public ForkPart
{
public:
    bool tryLock() override
    {
        if (!tryLockShortly(m_list.mutex)) // GCOVR_EXCL_BR_LINE: race
            return false; // GCOVR_EXCL_LINE: race
        if (m_loneDomains.tryLock()) { // GCOVR_EXCL_BR_LINE: race
            if (m_labels.tryLock()) { // GCOVR_EXCL_BR_LINE: race
                if (m_edges.tryLock()) { // GCOVR_EXCL_BR_LINE: race
                    if (tryLockDomains()) // GCOVR_EXCL_BR_LINE: race
                        return true;
                    // GCOVR_EXCL_START: race
                    m_edges.unlock();
                }
                m_labels.unlock();
            }
            m_loneDomains.unlock();
        }
        m_list.mutex.unlock();
        return false;
        // GCOVR_EXCL_STOP
    }
    void unlock() override
    {
        unlockDomains(nullptr);
        m_edges.unlock();
        m_labels.unlock();
        m_loneDomains.unlock();
        m_list.mutex.unlock();
    }
    bool forked() override { return false; }

    explicit GraphForkPart(LoneDomains &loneDomains) : m_loneDomains(loneDomains) { }

private:
    bool tryLockDomains()
    {
        for (LockDomain *domain = m_list.first; domain; domain = domain->next()) {
            if (!tryLockShortly(domain->mutex)) { // GCOVR_EXCL_BR_LINE: race
                unlockDomains(domain); // GCOVR_EXCL_LINE: race
                return false; // GCOVR_EXCL_LINE: race
            }
        }
        return true;
    }
    void unlockDomains(const LockDomain *end)
    {
        for (LockDomain *domain = m_list.first; domain != end; domain = domain->next())
            domain->mutex.unlock();
    }

    LoneDomains &m_loneDomains;
    LabelLocks &m_labels = immortal<LabelLocks>();
    FurtherEdges &m_edges = immortal<FurtherEdges>();
    DomainList &m_list = immortal<DomainList>();
};

} // namespace

bool LoneDomains::tryLock()
{
    for (std::size_t i = 0; i < m_domains.size(); ++i) {
        if (!tryLockShortly(m_domains[i]->mutex)) { // GCOVR_EXCL_BR_LINE: race
            unlock(i); // GCOVR_EXCL_LINE: race
            return false; // GCOVR_EXCL_LINE: race
        }
    }
    return true;
}

LoneDomains::LoneDomains()
{
    for (auto &domain : m_domains)
        domain = std::make_unique<LockDomain>(true);
    static auto *const part = new GraphForkPart(*this);
    Forks::add(*part);
}

LockDomain::LockDomain(bool isLone) : isLone(isLone)
{
    if (!isLone)
        enlist();
}

LockDomain::~LockDomain()
{
    if (!isLone)
        delist();
}

void LockDomain::enlist()
{
    auto &list = immortal<DomainList>();
    const std::lock_guard lock(list.mutex);
    m_next = std::exchange(list.first, this);
    if (m_next)
        m_next->m_previous = this;
}

void LockDomain::delist()
{
    auto &list = immortal<DomainList>();
    const std::lock_guard lock(list.mutex);
    (m_previous ? m_previous->m_next : list.first) = m_next;
    if (m_next)
        m_next->m_previous = m_previous;
}

/// The last reference is gone.
void LockDomain::destroy() noexcept
{
    // A loop, as the end of one link lets go of the next.
    LockDomain *domain = this;
    do {
        LockDomain *next = domain->forward.load(std::memory_order_relaxed);
        delete domain;
        domain = next;
    } while (domain && domain->loseReference());
}

void LockDomain::waitForLock()
{
    // Relaxed: the number orders nothing.
    m_waiting.fetch_add(1, std::memory_order_relaxed);
    mutex.lock();
    m_waiting.fetch_sub(1, std::memory_order_relaxed);
}

void LockDomain::letOthersIn() const
{
    // A thread that waits sleeps in the lock and needs a moment to wake up. Not for long: further
    // threads may come without end, and the system need not run them.
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
    const auto moveIn = [](Node &node, LockDomain *domain) {
        domain->ref();
        node.m_visit = 0; // numbers of another domain mean nothing here
        node.m_domain.store(domain, std::memory_order_release);
    };

    if (&a == &b) {
        *this = NodeLock(a);
        return;
    }
    std::unique_ptr<LockDomain> fresh; // made before anything is locked, as that may fail
    while (true) {
        LockDomain *first = rootOf(a);
        LockDomain *second = rootOf(b);
        if (lockBefore(second, first))
            std::swap(first, second);

        if (first->isLone && second->isLone && !fresh) // GCOVR_EXCL_BR_LINE: race
            fresh = std::make_unique<LockDomain>();
        first->lock();
        if (second != first)
            second->lock();
        LockDomain *rootA = rootOf(a);
        LockDomain *rootB = rootOf(b);
        if (std::minmax(rootA, rootB, lockBefore) != std::minmax(first, second, lockBefore)) {
            if (second != first)
                second->mutex.unlock();
            first->mutex.unlock();
            continue;
        }

        if (rootA->isLone && rootB->isLone) {
            LockDomain *domain = fresh.release();
            domain->mutex.lock(); // no other thread knows it yet
            moveIn(a, domain);
            moveIn(b, domain);
            domain->deref(); // the nodes hold it now
            m_domain = domain;
        } else if (rootA->isLone || rootB->isLone) {
            m_domain = rootA->isLone ? rootB : rootA;
            moveIn(rootA->isLone ? a : b, m_domain);
        } else if (rootA != rootB) {
            // By rank, so that a chain of forwards is at most logarithmic in what it joins.
            m_domain = rootA->rank < rootB->rank ? rootB : rootA;
            LockDomain *other = m_domain == rootA ? rootB : rootA;
            if (m_domain->rank == other->rank)
                ++m_domain->rank;
            m_domain->visits = std::max(m_domain->visits, other->visits) + 1;
            m_domain->markings.splice(m_domain->markings.end(), other->markings);
            m_domain->looks.splice(m_domain->looks.end(), other->looks);
            m_domain->leaving.splice(m_domain->leaving.end(), other->leaving);
            if (other->isUnderWay.load(std::memory_order_relaxed))
                m_domain->isUnderWay.store(true, std::memory_order_release);
            m_domain->ref();
            other->forward.store(m_domain, std::memory_order_release);
        } else {
            m_domain = rootA;
        }

        if (first != m_domain)
            first->mutex.unlock();
        if (second != first && second != m_domain)
            second->mutex.unlock();
        return;
    }
}

NodeLock::NodeLock(LockDomain &domain)
{
    while (true) {
        LockDomain *root = domain.root();
        root->lock();
        if (root->root() == root) { // GCOVR_EXCL_BR_LINE: race
            m_domain = root;
            return;
        }
        root->mutex.unlock(); // it was merged meanwhile. GCOVR_EXCL_LINE: race
    }
}

} // namespace GoProcess::Private
