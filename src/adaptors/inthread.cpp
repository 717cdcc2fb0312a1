// SPDX-License-Identifier: MIT
// A process whose home is a thread of its own.
//
// Two processes stand for it. The one that the user gets lives in the thread. The other one, its
// end, waits for it, has no home, and ends the thread in its teardown: a thread cannot wait for its
// own end. The library keeps the end and, by the teardown of the end, the QThread.

#include <GoProcess/inthread.h>

#include "quitter_p.h"

#include "dispatch/workpool_p.h"
#include "process/processcore_p.h"

#include <GoProcess/closing.h>

#include <QAbstractEventDispatcher>
#include <QCoreApplication>
#include <QPointer>
#include <QThread>

#include <atomic>
#include <cstdint>
#include <mutex>

namespace GoProcess {

namespace Private {

namespace {

/// Does not end before its process, even if the program quits it. Needs no moc.
/// clazy:exclude=missing-qobject-macro
class HomeThread final : public QThread
{
public:
    explicit HomeThread(const QString &name)
    {
        setObjectName(name);
        m_quitter.moveToThread(this);
    }
    Q_DISABLE_COPY_MOVE(HomeThread)
    ~HomeThread() override { end(); }

    /// Once, before the program can quit it.
    void setProcess(Process *process)
    {
        const std::lock_guard lock(m_mutex);
        m_process = process;
        m_data = Ref<ProcessCore>(ProcessCore::of(process));
    }
    /// Ends it behind what is queued for it, and returns when it has ended.
    void end();

protected:
    void run() override;

private:
    void runEventLoop();
    void runSteps();

    Quitter m_quitter; ///< Lives in the thread; destroyed when that has ended.
    /// Set under the lock of the dispatcher by end(). The thread looks at it when that has woken
    /// it, or the event loop, whose wake-up comes later.
    std::atomic<bool> m_isEnding = false;
    // Written once by setProcess(), read in run(); the mutex orders the two.
    Mutex m_mutex;
    Ref<ProcessCore> m_data;
    /// Null once destroyed: by this thread, or by another one, which then waits for the end of this
    /// one first.
    QPointer<Process> m_process;
};

void HomeThread::end()
{
    if (!isRunning())
        return;
    Dispatcher::of(this)->wake(m_isEnding);
    if (QCoreApplication::instance())
        m_quitter.post();
    else
        quit();
    wait();
    takeOver(this);
}

void HomeThread::run()
{
    if (QCoreApplication::instance())
        runEventLoop();
    else
        runSteps();
    Ref<ProcessCore> data;
    QPointer<Process> process;
    {
        const std::lock_guard lock(m_mutex);
        data = m_data;
        process = m_process;
    }
    if (data) // GCOVR_EXCL_BR_LINE: race
        data->closeBeforeDestruction(); // nothing to do, unless the program has quit the thread
    // What the process owns was made here; unless the program has moved both away.
    if (process && process->thread() == this) // GCOVR_EXCL_BR_LINE: race
        qDeleteAll(process->children());
    handOver(this);
}

void HomeThread::runEventLoop()
{
    // First: it hears what is posted also when QCoreApplication is gone (R45), before this does.
    Dispatcher::current();
    connect(eventDispatcher(), &QAbstractEventDispatcher::awake, eventDispatcher(), [this] {
        if (!QCoreApplication::instance() && m_isEnding.load(std::memory_order_acquire))
            quit();
    });
    exec();
}

/// Without QCoreApplication Qt has no event loops.
void HomeThread::runSteps()
{
    const DispatcherRef here = Dispatcher::current();
    while (!m_isEnding.load(std::memory_order_acquire)) {
        const std::uint64_t homeChanges = Dispatcher::homeChanges();
        here->drain();
        here->sleep(m_isEnding, Dispatcher::Clock::time_point::max(), homeChanges);
    }
}

class EndOfThread final : public Teardown
{
public:
    explicit EndOfThread(std::unique_ptr<HomeThread> thread) : m_thread(std::move(thread)) { }

    TeardownResult run() override
    {
        const WorkPool::BlockingScope blocking;
        m_thread->end();
        return Error();
    }

private:
    const std::unique_ptr<HomeThread> m_thread;
};

/// The process in the thread.
class InThread final : public Process // needs no moc. clazy:exclude=missing-qobject-macro
{
public:
    InThread(const QString &name, const QThread *thread, ProcessPtr end)
        : Process(name), m_thread(thread), m_end(std::move(end))
    {
    }
    Q_DISABLE_COPY_MOVE(InThread)
    ~InThread() override { closeWithThread(); }

    /// Waits for the end of the thread too, unless that is the calling one.
    void closeWithThread() const
    {
        closeBeforeDestruction(*this);
        if (QThread::currentThread() != m_thread)
            closeBeforeDestruction(*m_end);
    }
    const QThread *ownThread() const { return m_thread; }
    const ProcessPtr &end() const { return m_end; }

private:
    /// Only compared: it goes with the end. At the address of one that is gone there may be another
    /// thread, and not to wait in that one is as good: the end is Closed.
    const QThread *const m_thread;
    const ProcessPtr m_end;
};

/// Destroys the process with its parent, whose child in another thread it cannot be.
class Owner final : public QObject // needs no moc. clazy:exclude=missing-qobject-macro
{
public:
    Owner(InThread *process, QObject *parent)
        : QObject(parent),
          m_process(process),
          m_thread(process->ownThread()),
          m_end(process->end()),
          m_data(ProcessCore::of(process))
    {
    }
    Q_DISABLE_COPY_MOVE(Owner)
    ~Owner() override
    {
        if (!m_data->isFinished())
            m_data->warnOfOwner(parent());
        m_data->closeBeforeDestruction();
        // After that the thread does not destroy it in a slot any more: it is looked at only then.
        if (QThread::currentThread() != m_thread) // GCOVR_EXCL_BR_LINE: guard
            closeBeforeDestruction(*m_end);
        delete m_process;
    }

private:
    const QPointer<Process> m_process; ///< Null once it was destroyed, by the program or a slot.
    const QThread *const m_thread; ///< As in InThread.
    const ProcessPtr m_end;
    const Ref<ProcessCore> m_data;
};

Process *refuseInThread(const QString &name, const char *why)
{
    ProcessCore::refuse("inThread()", QLatin1Char('/') + name, QString::fromLatin1(why));
    return nullptr;
}

ProcessPtr makeEnd(const QString &name, std::unique_ptr<HomeThread> thread, const Process *parent)
{
    const QString ownName =
            name.isEmpty() ? QStringLiteral("thread") : QStringLiteral("%1 (thread)").arg(name);
    ProcessPtr end = ProcessCore::make(ProcessCore::threadBelow(parent), ownName);
    ProcessCore::of(end.get())->setTeardown(std::make_unique<EndOfThread>(std::move(thread)));
    return end;
}

} // namespace

} // namespace Private

Process *inThread(const QString &name, QObject *parent)
{
    auto *upper = qobject_cast<Process *>(parent);
    const bool isHere = parent && parent->thread() == QThread::currentThread();
    if (parent && !upper && !isHere)
        return Private::refuseInThread(name, "its parent lives in another thread");

    auto owned = std::make_unique<Private::HomeThread>(name);
    Private::HomeThread *const thread = owned.get();
    const ProcessPtr end = Private::makeEnd(name, std::move(owned), upper);
    Hold hold = end->hold(); // until it knows what it waits for, even if it is closed meanwhile
    if (!Private::ProcessCore::of(end.get())->join(upper, "inThread()"))
        return nullptr;
    Private::Dispatcher::of(thread); // hears it start
    thread->start();
    if (!thread->isRunning()) {
        end->close();
        return Private::refuseInThread(name, "the system starts no thread for it");
    }

    auto *const process = new Private::InThread(name, thread, end);
    process->moveToThread(thread);
    thread->setProcess(process);
    // No child of the end, which would keep its errors, and which no caller asks for them.
    Private::ProcessCore::of(end.get())->waitForNew(*Private::ProcessCore::of(process));
    end->closeAfterChildren();
    // Honoured, as the end is open, and its parent waits for that.
    if (upper)
        upper->addChild(process);
    hold.release();

    if (isHere && parent != Process::background()) {
        if (!upper)
            Private::ProcessCore::of(process)->setOwner(*parent);
        new Private::Owner(process, parent);
    }
    return process;
}

} // namespace GoProcess
