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
    void finished();
    void waitForFinished();

    QFuture<void> m_future;
    const std::function<Error()> m_result;
    Mutex m_mutex; // guards what follows
    /// How many wait for the future, and so may use its pool. While there are some the process is
    /// not Closed, as the user may destroy the pool when it is: the last of them ends it.
    int m_waiting = 0;
    bool m_isOver = false;
};

void FutureAdoption::endIfFinished()
{
    if (m_future.isFinished())
        finished();
}

void FutureAdoption::watch()
{
    const auto self = std::static_pointer_cast<FutureAdoption>(shared_from_this());
    whenFutureFinished(m_future, [self] { self->finished(); });
}

void FutureAdoption::finished()
{
    {
        const std::lock_guard lock(m_mutex);
        if (m_waiting > 0)
            return;
        m_isOver = true;
    }
    end(m_result());
}

void FutureAdoption::waitForFinished()
{
    {
        const std::lock_guard lock(m_mutex);
        if (m_isOver)
            return;
        ++m_waiting;
    }
    const Error error = m_result();
    {
        const std::lock_guard lock(m_mutex);
        if (--m_waiting > 0) // GCOVR_EXCL_BR_LINE: race
            return; // GCOVR_EXCL_LINE: race
        m_isOver = true;
    }
    end(error);
}

void FutureAdoption::stop()
{
    m_future.cancel();
    endIfFinished();
}

/// Its pool may be busy with what ends only after this wait. Waiting for the future takes its
/// function out of the queue, which finds that it is cancelled.
bool FutureAdoption::finish(QDeadlineTimer /*deadline*/)
{
    if (poolOf(m_future)) {
        const auto self = std::static_pointer_cast<FutureAdoption>(shared_from_this());
        runBlocking(QStringLiteral("wait for a future"), [self] { self->waitForFinished(); });
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
