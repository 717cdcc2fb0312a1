// SPDX-License-Identifier: MIT
// go: processes that the library makes, and their works (R28 to R30).

#include "processcore_p.h"

#include "dispatch/closewatch_p.h"
#include "dispatch/workpool_p.h"
#include "futures_p.h"

#include <QThread>

#include <memory>
#include <optional>
#include <utility>

namespace GoProcess::Private {

/// One that make() made: it needs its extras at once, and has them in itself.
class ProcessData::Kept final : public ProcessData
{
public:
    Kept()
    {
        m_isKept = true;
        m_extras = &m_ownExtras;
    }

private:
    Extras m_ownExtras;
};

ProcessPtr ProcessData::go(Process *parent, const QString &name, std::unique_ptr<Work> work)
{
    constexpr const char *what = "go()";
    ProcessData *upper = parent ? of(parent) : nullptr;
    if (upper)
        upper->noteClass();
    if (!work) {
        refuse(what, upper ? upper->path() : QString(), QStringLiteral("the work is null"));
        return nullptr;
    }
    ProcessPtr self = make(threadBelow(parent), name);
    return of(self.get())->start(parent, std::move(work), what) ? self : nullptr;
}

QThread *ProcessData::threadBelow(const Process *parent)
{
    QThread *thread = parent ? parent->thread() : nullptr;
    return thread ? thread : QThread::currentThread();
}

ProcessPtr ProcessData::make(QThread *thread, const QString &name)
{
    // Its own thread may have no event loop that deletes what earlier works left.
    Dispatcher::reapHere();

    ProcessData *data = new Kept;
    auto *process = new Process(*data);
    if (!name.isEmpty())
        process->setName(name);
    // Qt destroys the QThread of the main thread at the end of the program, while works that did not end in time
    // may still make others. Nothing delivers an event there any more.
    if (thread != process->thread() && !WorkPool::hasProgramEnded())
        process->moveToThread(thread);
    data->setPlaced(true);
    data->setConstructed(Class::Process);

    ProcessPtr self(process, &Process::deleteAtHome);
    data->m_extras->self = self;
    return self;
}

ProcessPtr ProcessData::makeAtHome(QThread *thread, const QString &name)
{
    ProcessPtr self = make(thread, name);
    of(self.get())->setPlaced(false); // nobody else knows it yet
    return self;
}

bool ProcessData::join(Process *parent, const char *what)
{
    if (Forks::hasLostThreads()) {
        abandon();
        refuse(what, parent ? parent->path() : path(), QString::fromLatin1(Forks::why));
        return false;
    }
    if (!parent)
        return true;
    ProcessData *upper = of(parent);
    upper->noteClass();
    m_extras->pool = upper->pool();
    m_hasPool.store(m_extras->pool, std::memory_order_relaxed);
    EdgeChange result = Graph::addChild(*upper, *this);
    if (result.refusal == Refusal::None) {
        deliver(std::move(result.change));
        return true;
    }

    result.change.unlock();
    abandon();
    refuse(what, upper->path(),
           upper->state() == NodeState::Closed ? QStringLiteral("it is Closed")
                                               : QStringLiteral("its teardown has begun"));
    return false;
}

/// Nobody knows it, and nobody will use it.
void ProcessData::abandon()
{
    Graph::abandon(*this);
    m_extras->bindings.clear();
    m_extras->work.reset(); // here, and not when the object is deleted in the thread of its parent
    m_extras->self.reset();
}

bool ProcessData::promiseWork(Process *parent, std::unique_ptr<Work> work, const char *what)
{
    m_extras->work = std::move(work);
    Graph::addWork(*this);
    if (!join(parent, what))
        return false;
    m_extras->workPool = m_extras->pool;
    return true;
}

void ProcessData::submitWork()
{
    if (QThreadPool *const pool = m_extras->workPool)
        WorkPool::submit(*this, pool);
    else
        deliver(*this, Step::Work);
}

bool ProcessData::start(Process *parent, std::unique_ptr<Work> work, const char *what)
{
    if (!promiseWork(parent, std::move(work), what))
        return false;
    submitWork();
    return true;
}

QThreadPool *ProcessData::workPool() const
{
    return m_extras ? m_extras->workPool : nullptr;
}

void ProcessData::runWork(Item *next)
{
    Error error;
    {
        const Frame frame(*this, Frame::Kind::Work);
        // Only the claimer of the work touches it, so no lock.
        std::unique_ptr<Work> work = std::move(m_extras->work);
        try {
            const FunctionOfWork running;
            error = work->run(*m_object);
        } catch (...) {
            error = Error::fromException(std::current_exception());
        }
        // What the user captured goes here, where the work ran, and before the process is Closed.
        work.reset();
    }
    if (error) {
        const NodeLock lock(*this); // what was posted may fail meanwhile
        Graph::fail(*this, error);
    }
    const bool isUnheard = !hasAudience();
    Change change = Graph::workReturned(*this);
    if (isUnheard)
        Graph::announceUnheard(*this, change);
    // Else the step tells, which it has become.
    const bool staysOpen = isUnheard && !isFinished() && Graph::beginsClose(*this);
    const Ref<Resident> open(staysOpen ? this : nullptr);
    endUnheard(std::move(change), next);
    if (open)
        CloseWatch::instance().add(open);
}

void ProcessData::workDropped()
{
    workLost(Error(QStringLiteral("The work was dropped by its thread pool before it started")));
}

void ProcessData::workLost(const Error &error)
{
    claim(Step::Work);
    m_extras->work.reset();
    Graph::fail(*this, error);
    deliver(Graph::workReturned(*this));
}

} // namespace GoProcess::Private
