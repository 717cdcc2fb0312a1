// SPDX-License-Identifier: MIT
// adopt() of a QFuture.

#include "adoption_p.h"

#include <GoProcess/adaptors.h>

#include <QFutureWatcher>

namespace GoProcess::Private {

namespace {

/// A QFuture has room for one continuation, which is the user's. A watcher costs nothing, but needs an
/// event loop; where there is none, or none that runs, a thread waits.
class FutureAdoption final : public Adoption
{
public:
    FutureAdoption(const QFuture<void> &future, std::function<Error()> result)
        : m_future(future), m_result(std::move(result))
    {
    }

    void endIfFinished();
    void watchFrom(Process *process);
    void waitInThread();

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

void FutureAdoption::watchFrom(Process *process)
{
    const auto self = std::static_pointer_cast<FutureAdoption>(shared_from_this());
    auto *watcher = new QFutureWatcher<void>(process); // it moves with the process
    QObject::connect(watcher, &QFutureWatcherBase::finished, process,
                     [self] { self->end(self->m_result()); });
    watcher->setFuture(m_future);
}

void FutureAdoption::waitInThread()
{
    const auto self = std::static_pointer_cast<FutureAdoption>(shared_from_this());
    runBlocking(QStringLiteral("wait for a future"), [self] { self->end(self->m_result()); });
}

bool FutureAdoption::finish(QDeadlineTimer /*deadline*/)
{
    waitInThread();
    return true;
}

void FutureAdoption::stop()
{
    m_future.cancel();
    endIfFinished();
}

} // namespace

Process *adoptFuture(const QString &name, const QFuture<void> &future,
                     std::function<Error()> result, QObject *parent)
{
    const auto adoption = std::make_shared<FutureAdoption>(future, std::move(result));
    adoption->endIfFinished();
    Process *process = adoption->makeProcess(name, parent);
    if (adoption->hasEnded())
        return process;
    if (isHomelessHere())
        adoption->waitInThread();
    else
        adoption->watchFrom(process);
    return process;
}

} // namespace GoProcess::Private
