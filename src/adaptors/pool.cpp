// SPDX-License-Identifier: MIT
// adopt() of a QThreadPool.

#include "adoption_p.h"

#include <GoProcess/adaptors.h>

#include <QThreadPool>

namespace GoProcess {

namespace Private {

namespace {

class PoolAdoption final : public Adoption
{
public:
    explicit PoolAdoption(QThreadPool *pool) : m_pool(pool) { }
    void watch(QThreadPool *pool);

private:
    void stop() override;
    void waitForDone();
    void destroyed();

    Shaky<QThreadPool> m_pool;
};

void PoolAdoption::watch(QThreadPool *pool)
{
    const auto self = std::static_pointer_cast<PoolAdoption>(shared_from_this());
    // Without a context object: in whatever thread destroys it.
    QObject::connect(pool, &QObject::destroyed, [self] { self->destroyed(); });
}

void PoolAdoption::stop()
{
    m_pool.use([](QThreadPool &pool) { pool.clear(); });
    const auto self = std::static_pointer_cast<PoolAdoption>(shared_from_this());
    runBlocking(QStringLiteral("wait for a thread pool"), [self] { self->waitForDone(); });
}

/// A pool tells nobody that it is done, so somebody has to wait; in pieces, as its destruction, if
/// that comes now, waits for each of them.
void PoolAdoption::waitForDone()
{
    constexpr int piece = 20; // ms
    bool done = false;
    while (!done && m_pool.use([&](QThreadPool &pool) { done = pool.waitForDone(piece); })) { }
    if (done)
        end();
}

void PoolAdoption::destroyed()
{
    m_pool.forget();
    end(Error(QStringLiteral("The thread pool was destroyed before its process was closed")));
}

} // namespace

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
