// SPDX-License-Identifier: MIT
// adopt() of a QThread.

#include "adoption_p.h"
#include "quitter_p.h"

#include "common/tsan_p.h"

#include <GoProcess/adaptors.h>

#include <QCoreApplication>
#include <QDeadlineTimer>
#include <QThread>

namespace GoProcess {

namespace Private {

namespace {

/// One run of the thread, the present or the next one: it is over when QThread::wait() would
/// return, and not on finished(), after which the thread still runs its deferred deletes and its
/// QThreadStorage.
class ThreadAdoption final : public Adoption
{
public:
    explicit ThreadAdoption(QThread *thread);
    void watch();

private:
    /// How far the run is, as the thread itself has told.
    enum class Run : std::uint8_t {
        Unknown, ///< Not started, or not heard of.
        Started,
        Finishing ///< It has emitted finished(): a work waits for its end.
    };

    void stop() override;
    void started();
    void finished();
    void awaitEnd();
    void destroyed();
    void deleteQuitter();

    QThread *const m_observed; ///< For watch() only.
    GuardedPointer<QThread> m_thread;

    // What follows is guarded by the mutex: the home uses it in stop(), the adopted thread in
    // started() and finished(), and the thread that destroys the QThread in destroyed().
    Mutex m_mutex;
    std::unique_ptr<Quitter> m_quitter;
    Run m_run = Run::Unknown;
};

ThreadAdoption::ThreadAdoption(QThread *thread)
    : m_observed(thread), m_thread(thread), m_quitter(std::make_unique<Quitter>())
{
    m_quitter->moveToThread(thread);
}

void ThreadAdoption::watch()
{
    const auto self = std::static_pointer_cast<ThreadAdoption>(shared_from_this());
    handOver(this);
    // Without a context object these run where they are emitted, so no event loop is needed.
    QObject::connect(m_observed, &QThread::started, [self] { self->started(); });
    QObject::connect(m_observed, &QObject::destroyed, [self] { self->destroyed(); });
    // On finished(), so that what lives in the thread still closes there.
    Dispatcher::of(m_observed)->atEnd([self] { self->finished(); });
    if (m_observed->isFinished())
        finished();
}

/// The main thread cannot be interrupted: Qt warns of that.
bool isMainThread(const QThread &thread)
{
    const QCoreApplication *application = QCoreApplication::instance();
    return application && application->thread() == &thread;
}

void ThreadAdoption::stop()
{
    {
        const std::lock_guard lock(m_mutex);
        if (m_run == Run::Finishing)
            return; // and this thread does not wait for the one that waits for it
    }
    bool isRunning = false;
    m_thread.use([&](QThread &thread) GOPROCESS_ALSO_WHILE_DESTROYED {
        isRunning = thread.isRunning();
        if (isRunning && !isMainThread(thread)) // GCOVR_EXCL_BR_LINE: race
            thread.requestInterruption();
    });
    {
        const std::lock_guard lock(m_mutex);
        // Not running while it emits finished(), but that is to come, or has come just now.
        isRunning = isRunning || m_run != Run::Unknown; // GCOVR_EXCL_BR_LINE: race
        if (isRunning && m_quitter) // GCOVR_EXCL_BR_LINE: race
            m_quitter->post();
    }
    if (!isRunning)
        end();
}

void ThreadAdoption::started()
{
    takeOver(this);
    bool isNextRun = false;
    {
        const std::lock_guard lock(m_mutex);
        isNextRun = m_run == Run::Finishing;
        if (!isNextRun)
            m_run = Run::Started;
    }
    if (isNextRun)
        end(); // Qt starts it only when the run before is over
}

void ThreadAdoption::finished()
{
    takeOver(this);
    {
        const std::lock_guard lock(m_mutex);
        if (std::exchange(m_run, Run::Finishing) == Run::Finishing) // GCOVR_EXCL_BR_LINE: race
            return; // GCOVR_EXCL_LINE: race
    }
    deleteQuitter(); // in its own thread
    closeProcess(); // now, so that its children in the thread still close there
    const auto self = std::static_pointer_cast<ThreadAdoption>(shared_from_this());
    runBlocking(QStringLiteral("wait for a thread"), [self] { self->awaitEnd(); });
}

/// In pieces, as its destruction waits for each of them, and as it may be started anew meanwhile.
void ThreadAdoption::awaitEnd()
{
    constexpr int piece = 20; // ms
    bool isOver = false;
    const auto wait = [&](QThread &thread) GOPROCESS_ALSO_WHILE_DESTROYED {
        isOver = thread.wait(QDeadlineTimer(piece));
    };
    while (!isOver && !hasEnded() && m_thread.use(wait)) { } // GCOVR_EXCL_BR_LINE: race
    if (isOver)
        end();
}

/// A QThread that is destroyed has waited for the end of its run.
void ThreadAdoption::destroyed()
{
    m_thread.forget();
    deleteQuitter();
    bool hasRun = false;
    {
        const std::lock_guard lock(m_mutex);
        hasRun = m_run == Run::Finishing;
    }
    end(hasRun ? Error()
               : Error(QStringLiteral("The thread was destroyed before its process was closed")));
}

void ThreadAdoption::deleteQuitter()
{
    std::unique_ptr<Quitter> quitter; // goes outside of the lock
    const std::lock_guard lock(m_mutex);
    quitter = std::move(m_quitter);
}

} // namespace

} // namespace Private

Process *adopt(QThread *thread, QObject *parent)
{
    return adopt(QString(), thread, parent);
}

Process *adopt(const QString &name, QThread *thread, QObject *parent)
{
    if (!thread)
        return Private::refuseNull("thread", parent);
    if (thread == QThread::currentThread()) {
        return Private::refuseAdoption(
                QStringLiteral("a thread cannot wait for its own end: adopt it in another thread"),
                parent);
    }
    const auto adoption = std::make_shared<Private::ThreadAdoption>(thread);
    adoption->watch();
    return adoption->makeProcess(name, parent);
}

} // namespace GoProcess
