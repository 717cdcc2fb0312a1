// SPDX-License-Identifier: MIT
// What ties a process to the thing that it stands for.

#include "adoption_p.h"

#include "common/logging_p.h"
#include "dispatch/workpool_p.h"

#include <GoProcess/adaptors.h>

namespace GoProcess::Private {

/// The teardown of the process.
class Adoption::Stop final : public Teardown
{
public:
    explicit Stop(std::shared_ptr<Adoption> adoption) : m_adoption(std::move(adoption)) { }

    TeardownResult run() override
    {
        if (!m_adoption->hasEnded())
            m_adoption->stop();
        return m_adoption->m_promise.future();
    }
    bool canFinish() const override { return true; }
    bool finishUntil(QDeadlineTimer deadline) override { return m_adoption->finish(deadline); }

private:
    const std::shared_ptr<Adoption> m_adoption;
};

bool Adoption::finish(QDeadlineTimer /*deadline*/)
{
    return true;
}

Process *Adoption::makeProcess(const QString &name, QObject *parent)
{
    Process *process = ProcessCore::make(std::make_unique<Stop>(shared_from_this()), parent);
    if (!name.isEmpty())
        process->setName(name);
    bool ended = false;
    {
        const std::lock_guard lock(m_mutex);
        m_process = Ref<ProcessCore>(ProcessCore::of(process));
        ended = m_ended;
    }
    if (ended)
        closeProcess();
    return process;
}

void Adoption::end(const Error &error)
{
    {
        const std::lock_guard lock(m_mutex);
        if (std::exchange(m_ended, true))
            return;
    }
    if (error)
        m_promise.addResult(error);
    m_promise.finish();
    closeProcess();
}

bool Adoption::hasEnded() const
{
    const std::lock_guard lock(m_mutex);
    return m_ended;
}

void Adoption::closeProcess()
{
    Ref<ProcessCore> process;
    {
        const std::lock_guard lock(m_mutex);
        process = m_process;
    }
    if (process)
        process->close("close()");
}

Process *refuseAdoption(const QString &why, const QObject *parent)
{
    const auto *process = qobject_cast<const Process *>(parent);
    warn(process ? QStringLiteral("adopt() with the parent \"%1\" refused: %2")
                           .arg(process->path(), why)
                 : QStringLiteral("adopt() refused: %1").arg(why));
    return nullptr;
}

Process *refuseNull(const char *type, const QObject *parent)
{
    return refuseAdoption(QStringLiteral("the %1 is null").arg(QLatin1String(type)), parent);
}

void runBlocking(const QString &name, std::function<void()> function)
{
    // In no thread, as the calling one may be about to end.
    const ProcessPtr work = ProcessCore::make(nullptr, name);
    ProcessCore::of(work.get())
            ->start(nullptr, makeWork([call = std::move(function)] {
                        const WorkPool::BlockingScope blocking;
                        call();
                    }),
                    "go()");
}

} // namespace GoProcess::Private
