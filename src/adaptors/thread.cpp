// SPDX-License-Identifier: MIT
// adopt() of a QThread.

#include "adoption_p.h"

#include "core/tsan_p.h"

#include <GoProcess/adaptors.h>

#include <QCoreApplication>
#include <QEvent>
#include <QThread>

namespace GoProcess {

namespace Private {

namespace {

/// Lives in the thread, and quits it when an event comes: that loses nothing that was queued before.
class Quitter : public QObject // needs no moc. clazy:exclude=missing-qobject-macro
{
public:
    void post()
    {
        handOver(this);
        QCoreApplication::postEvent(this, new QEvent(QEvent::User));
    }

    bool event(QEvent *event) override
    {
        takeOver(this);
        if (event->type() != QEvent::User)
            return QObject::event(event);
        thread()->quit();
        return true;
    }
};

class ThreadAdoption final : public Adoption
{
public:
    explicit ThreadAdoption(QThread *thread);
    void watch();

private:
    void stop() override;
    void started();
    void finished();
    void destroyed();
    void deleteQuitter();

    QThread *const m_observed; ///< For watch() only.
    Shaky<QThread> m_thread;

    // What follows is guarded by the mutex: the home uses it in stop(), the thread itself in
    // started() and finished(), and who destroys the thread in destroyed().
    std::mutex m_mutex;
    std::unique_ptr<Quitter> m_quitter;
    bool m_started = false;
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

void ThreadAdoption::stop()
{
    bool isRunning = false;
    m_thread.use([&](const QThread &thread) { isRunning = thread.isRunning(); });
    {
        const std::lock_guard lock(m_mutex);
        isRunning = isRunning || m_started; // not while it emits finished(), but that is to come
        if (isRunning && m_quitter)
            m_quitter->post();
    }
    if (!isRunning)
        end();
}

void ThreadAdoption::started()
{
    takeOver(this);
    const std::lock_guard lock(m_mutex);
    m_started = true;
}

void ThreadAdoption::finished()
{
    takeOver(this);
    deleteQuitter(); // in its own thread
    end();
}

void ThreadAdoption::destroyed()
{
    m_thread.forget();
    deleteQuitter();
    end(Error(QStringLiteral("The thread was destroyed before its process was closed")));
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
    if (!thread)
        return Private::refuseNull("thread", parent);
    if (thread == QThread::currentThread()) {
        return Private::refuseAdoption(
                QStringLiteral("a thread cannot wait for its own end: adopt it in another thread"),
                parent);
    }
    const auto adoption = std::make_shared<Private::ThreadAdoption>(thread);
    adoption->watch();
    return adoption->makeProcess(parent);
}

} // namespace GoProcess
