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
class ProcessCore::LibraryOwned final : public ProcessCore
{
public:
    LibraryOwned()
    {
        m_isLibraryOwned = true;
        m_rare = &m_ownExtras;
    }

private:
    RareData m_ownExtras;
};

ProcessPtr ProcessCore::go(Process *parent, const QString &name, std::unique_ptr<Work> work)
{
    constexpr const char *what = "go()";
    ProcessCore *upper = parent ? of(parent) : nullptr;
    if (upper)
        upper->noteClass();
    if (!work) {
        refuse(what, upper ? upper->path() : QString(), QStringLiteral("the work is null"));
        return nullptr;
    }
    ProcessPtr self = make(threadBelow(parent), name);
    return of(self.get())->start(parent, std::move(work), what) ? self : nullptr;
}

QThread *ProcessCore::threadBelow(const Process *parent)
{
    QThread *thread = parent ? parent->thread() : nullptr;
    return thread ? thread : QThread::currentThread();
}

ProcessPtr ProcessCore::make(QThread *thread, const QString &name)
{
    // Its own thread may have no event loop that deletes what earlier works left.
    Dispatcher::deleteSomeHere();

    ProcessCore *data = new LibraryOwned;
    auto *process = new Process(*data);
    if (!name.isEmpty())
        process->setName(name);
    // Qt destroys the QThread of the main thread at the end of the program, while works that did
    // not end in time may still make others. Nothing delivers an event there any more.
    if (thread != process->thread() && !WorkPool::hasProgramEnded())
        process->moveToThread(thread);
    data->setPlaced(true);
    data->setConstructed(Class::Process);

    ProcessPtr self(process, &Process::deleteAtHome);
    data->m_rare->self = self;
    return self;
}

ProcessPtr ProcessCore::makeAtHome(QThread *thread, const QString &name)
{
    ProcessPtr self = make(thread, name);
    of(self.get())->setPlaced(false); // no other thread knows it yet
    return self;
}

bool ProcessCore::join(Process *parent, const char *what)
{
    if (Forks::hasLostThreads()) {
        abandon();
        refuse(what, parent ? parent->path() : path(), QString::fromLatin1(Forks::why));
        return false;
    }
    if (!parent)
        return true;
    ProcessCore *upper = of(parent);
    upper->noteClass();
    m_rare->pool = upper->pool();
    m_hasPool.store(m_rare->pool, std::memory_order_relaxed);
    EdgeChange result = Graph::addChild(*upper, *this);
    if (result.refusal == Refusal::None) {
        deliver(std::move(result.steps));
        return true;
    }

    result.steps.unlock();
    abandon();
    refuse(what, upper->path(),
           upper->state() == NodeState::Closed ? QStringLiteral("it is Closed")
                                               : QStringLiteral("its teardown has begun"));
    return false;
}

/// No other thread knows it, and none will use it.
void ProcessCore::abandon()
{
    Graph::abandon(*this);
    m_rare->bindings.clear();
    m_rare->work.reset(); // here, and not when the object is deleted in the thread of its parent
    m_rare->self.reset();
}

bool ProcessCore::promiseWork(Process *parent, std::unique_ptr<Work> work, const char *what)
{
    m_rare->work = std::move(work);
    Graph::addWork(*this);
    if (!join(parent, what))
        return false;
    m_rare->workPool = m_rare->pool;
    return true;
}

void ProcessCore::submitWork()
{
    if (QThreadPool *const pool = m_rare->workPool)
        WorkPool::submit(*this, pool);
    else
        deliver(*this, Step::Work);
}

bool ProcessCore::start(Process *parent, std::unique_ptr<Work> work, const char *what)
{
    if (!promiseWork(parent, std::move(work), what))
        return false;
    submitWork();
    return true;
}

QThreadPool *ProcessCore::workPool() const
{
    return m_rare ? m_rare->workPool : nullptr; // GCOVR_EXCL_BR_LINE: guard
}

DueStep ProcessCore::runWork()
{
    Error error;
    {
        const StepScope scope(*this, StepScope::Kind::Work);
        // Only the claimer of the work touches it, so no lock.
        std::unique_ptr<Work> work = std::move(m_rare->work);
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
    const bool isSilent = !isObserved();
    DueSteps steps = Graph::workReturned(*this);
    if (isSilent)
        Graph::advance(*this, steps);
    // Else the step tells, which it has become.
    const bool staysOpen = isSilent && !isFinished() && Graph::beginsClose(*this);
    const Ref<StepTarget> open(staysOpen ? this : nullptr);
    DueStep next = endSilently(std::move(steps));
    if (open)
        CloseWatch::instance().add(open);
    return next;
}

void ProcessCore::workDropped()
{
    workLost(Error(QStringLiteral("The work was dropped by its thread pool before it started")));
}

void ProcessCore::workLost(const Error &error)
{
    claim(Step::Work);
    m_rare->work.reset();
    {
        const NodeLock lock(*this); // what was posted may fail meanwhile
        Graph::fail(*this, error);
    }
    deliver(Graph::workReturned(*this));
}

} // namespace GoProcess::Private
