// SPDX-License-Identifier: MIT
// adopt() of a QThreadPool.

#include "adoption_p.h"
#include "bindings/clearedpools_p.h"

#include "bindings/futurewatch_p.h"

#include <GoProcess/adaptors.h>

#include <QFutureInterface>
#include <QThreadPool>

#include <algorithm>
#include <atomic>
#include <unordered_map>
#include <vector>

namespace GoProcess {

namespace Private {

namespace {

/// Clearing the pool deletes the functions of QtConcurrent::run() that have not started, and leaves
/// their futures unfinished for ever: a thread that waits for one is not told. So the pool's
/// futures that the library watches are finished, as cancelled, when the pool is done: one of them
/// that was there before has either finished by then, or its function was thrown away. (Or a thread
/// of the user's has taken it out of the queue by QFuture::waitForFinished(), and runs it: such a
/// future finishes early.)
class PoolAdoption final : public Adoption
{
public:
    explicit PoolAdoption(QThreadPool *pool) : m_pool(pool) { }
    void watch(QThreadPool *pool);
    /// Its function may have been thrown away.
    void add(const QFuture<void> &future);

private:
    using Futures = std::vector<QFuture<void>>;

    void stop() override;
    void startWaiting();
    void waitForDone();
    bool waitFor(const Futures &futures);
    void destroyed(const QThreadPool *address);

    GuardedPointer<QThreadPool> m_pool;

    // What follows is guarded by the mutex: a thread that begins to watch a future adds it, and the
    // work that waits for the pool takes all that there are.
    Mutex m_mutex;
    Futures m_futures; ///< Without their results.
    bool m_isWaiting = false; ///< There is such a work.
};

/// The adoptions that have cleared their pools, until these are destroyed. Never destroyed.
class ClearedPools
{
public:
    static ClearedPools &instance()
    {
        static auto *const pools = new ClearedPools;
        return *pools;
    }

    void add(const QThreadPool *pool, const std::shared_ptr<PoolAdoption> &adoption)
    {
        const std::lock_guard lock(m_mutex);
        m_adoptions[pool] = adoption;
        m_any.store(true, std::memory_order_relaxed);
    }
    void remove(const QThreadPool *pool)
    {
        const std::lock_guard lock(m_mutex);
        m_adoptions.erase(pool);
    }
    std::shared_ptr<PoolAdoption> find(const QThreadPool *pool)
    {
        // Relaxed: a future that is watched before its pool is cleared is found by stop().
        if (!m_any.load(std::memory_order_relaxed))
            return nullptr;
        const std::lock_guard lock(m_mutex);
        const auto found = m_adoptions.find(pool);
        return found == m_adoptions.end() ? nullptr : found->second.lock();
    }

private:
    std::atomic<bool> m_any = false; ///< There was one ever.
    Mutex m_mutex; // guards what follows
    std::unordered_map<const QThreadPool *, std::weak_ptr<PoolAdoption>> m_adoptions;
};

/// Does what the function of \a future would have done at last.
void finishDropped(const QFuture<void> &future)
{
    if (future.isFinished())
        return;
    QFutureInterface<void> dropped(QFutureInterfaceBase::get(future));
    dropped.reportCanceled();
    dropped.reportFinished(); // and runs what continues it
}

void PoolAdoption::watch(QThreadPool *pool)
{
    const auto self = std::static_pointer_cast<PoolAdoption>(shared_from_this());
    // Without a context object: in whatever thread destroys it.
    QObject::connect(pool, &QObject::destroyed, [self, pool] { self->destroyed(pool); });
}

void PoolAdoption::stop()
{
    const auto self = std::static_pointer_cast<PoolAdoption>(shared_from_this());
    Futures futures;
    m_pool.use([&](QThreadPool &pool) GOPROCESS_ALSO_WHILE_DESTROYED {
        // In this order: a future that comes meanwhile is found in either way.
        ClearedPools::instance().add(&pool, self);
        pool.clear();
        futures = watchedFuturesOf(&pool);
    });
    {
        const std::lock_guard lock(m_mutex);
        m_futures.insert(m_futures.end(), futures.begin(), futures.end());
    }
    startWaiting();
}

void PoolAdoption::add(const QFuture<void> &future)
{
    {
        const std::lock_guard lock(m_mutex);
        m_futures.push_back(future);
    }
    startWaiting();
}

void PoolAdoption::startWaiting()
{
    {
        const std::lock_guard lock(m_mutex);
        if (std::exchange(m_isWaiting, true))
            return;
    }
    const auto self = std::static_pointer_cast<PoolAdoption>(shared_from_this());
    runBlocking(QStringLiteral("wait for a thread pool"), [self] { self->waitForDone(); });
}

void PoolAdoption::waitForDone()
{
    while (true) {
        Futures futures;
        {
            const std::lock_guard lock(m_mutex);
            if (m_futures.empty() && hasEnded()) {
                m_isWaiting = false;
                return;
            }
            futures.swap(m_futures);
        }
        if (waitFor(futures)) // GCOVR_EXCL_BR_LINE: race
            std::for_each(futures.begin(), futures.end(), finishDropped);
    }
}

/// A pool has no signal for its end, so a work waits for it; in pieces, as its destruction, if that
/// comes now, waits for each of them. False: the futures have finished by themselves.
bool PoolAdoption::waitFor(const Futures &futures)
{
    constexpr int piece = 20; // ms
    // GCOVR_EXCL_START: race
    const auto isFinished = [](const QFuture<void> &future) { return future.isFinished(); };
    // GCOVR_EXCL_STOP
    bool isDone = false;
    const auto wait = [&](QThreadPool &pool)
                              GOPROCESS_ALSO_WHILE_DESTROYED { isDone = pool.waitForDone(piece); };
    while (m_pool.use(wait)) { // GCOVR_EXCL_BR_LINE: race
        if (isDone) {
            end();
            return true;
        }
        // GCOVR_EXCL_BR_START: race
        if (hasEnded() && std::all_of(futures.begin(), futures.end(), isFinished))
            // GCOVR_EXCL_BR_STOP
            return false; // GCOVR_EXCL_LINE: race
    }
    return true; // a pool that is destroyed has waited, and has ended this. GCOVR_EXCL_LINE: race
}

void PoolAdoption::destroyed(const QThreadPool *address)
{
    ClearedPools::instance().remove(address);
    m_pool.forget();
    end(Error(QStringLiteral("The thread pool was destroyed before its process was closed")));
}

} // namespace

void noteWatchedFuture(QThreadPool *pool, const QFuture<void> &future)
{
    if (const auto adoption = ClearedPools::instance().find(pool))
        adoption->add(future);
}

} // namespace Private

Process *adopt(QThreadPool *pool, QObject *parent)
{
    return adopt(QString(), pool, parent);
}

Process *adopt(const QString &name, QThreadPool *pool, QObject *parent)
{
    if (!pool)
        return Private::refuseNull("thread pool", parent);
    const auto adoption = std::make_shared<Private::PoolAdoption>(pool);
    adoption->watch(pool);
    return adoption->makeProcess(name, parent);
}

} // namespace GoProcess
