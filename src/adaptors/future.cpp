// SPDX-License-Identifier: MIT
// adopt() of a QFuture.

#include "adoption_p.h"

#include "bindings/futurewatch_p.h"

#include <GoProcess/adaptors.h>

namespace GoProcess::Private {

namespace {

/// A QFuture has room for one continuation, which is the user's.
class FutureAdoption final : public Adoption
{
public:
    FutureAdoption(const QFuture<void> &future, std::function<Error()> result)
        : m_future(future), m_result(std::move(result))
    {
    }

    void endIfFinished();
    void watch();

private:
    void stop() override;
    bool finish(QDeadlineTimer deadline) override;

    QFuture<void> m_future;
    const std::function<Error()> m_result;
};

void FutureAdoption::endIfFinished()
{
    if (m_future.isFinished())
        end(m_result());
}

void FutureAdoption::watch()
{
    const auto self = std::static_pointer_cast<FutureAdoption>(shared_from_this());
    whenFutureFinished(m_future, [self] { self->end(self->m_result()); });
}

void FutureAdoption::stop()
{
    m_future.cancel();
    endIfFinished();
}

/// Its pool may be busy with what ends only after this wait. Waiting for the future takes its function
/// out of the queue, which finds that it is cancelled.
bool FutureAdoption::finish(QDeadlineTimer /*deadline*/)
{
    if (poolOf(m_future)) {
        const auto self = std::static_pointer_cast<FutureAdoption>(shared_from_this());
        runBlocking(QStringLiteral("wait for a future"), [self] { self->end(self->m_result()); });
    }
    return true;
}

} // namespace

Process *adoptFuture(const QString &name, const QFuture<void> &future,
                     std::function<Error()> result, QObject *parent)
{
    const auto adoption = std::make_shared<FutureAdoption>(future, std::move(result));
    adoption->endIfFinished();
    Process *process = adoption->makeProcess(name, parent);
    if (!adoption->hasEnded())
        adoption->watch();
    return process;
}

} // namespace GoProcess::Private
