// SPDX-License-Identifier: MIT
// Process: the QObject face of a process.

#include <GoProcess/process.h>

#include "dispatch/thrown_p.h"
#include "dispatch/workpool_p.h"
#include "graph/errorlog_p.h"
#include "leftopen_p.h"
#include "processcore_p.h"

#include <QEvent>
#include <QMetaMethod>
#include <QThread>

#include <algorithm>
#include <array>

namespace GoProcess {

using Private::DispatcherRef;
using Private::Graph;
using Private::ProcessCore;
using Private::StepScope;
using Private::ThreadContext;
using Private::Waiter;

namespace Private {
Teardown::~Teardown()
{
    if (m_owner)
        LeftOpen::remove(*this);
}
Work::~Work() = default;
} // namespace Private

/// What becomes the QObject parent: not a Process in another thread, and not the background (R44).
static QObject *ownerFor(QObject *parent)
{
    const auto *process = qobject_cast<Process *>(parent);
    const bool owns = !process
            || (process != Process::background() && process->thread() == QThread::currentThread());
    return owns ? parent : nullptr;
}

Process::Process(QObject *parent) : QObject(ownerFor(parent)), d(new ProcessCore)
{
    d->setObject(this);
    join(parent);
}

Process::Process(std::unique_ptr<Private::Teardown> teardown, QObject *parent)
    : QObject(ownerFor(parent)), d(new ProcessCore)
{
    d->setObject(this);
    // First: a parent that is closing may close this in another thread before join() has returned.
    d->setTeardown(std::move(teardown));
    join(parent);
}

Process::Process(const QString &name, QObject *parent)
    : QObject(ownerFor(parent)), d(new ProcessCore)
{
    d->setObject(this);
    setFirstName(name);
    join(parent);
}

Process::Process(const QString &name, std::unique_ptr<Private::Teardown> teardown, QObject *parent)
    : QObject(ownerFor(parent)), d(new ProcessCore)
{
    d->setObject(this);
    setFirstName(name);
    d->setTeardown(std::move(teardown));
    join(parent);
}

/// In the constructor, where nothing can be connected to nameChanged() yet.
void Process::setFirstName(const QString &name)
{
    if (d->setName(name))
        setObjectName(name);
}

/// Finds the home, and becomes the child of \a parent if that is a Process.
void Process::join(QObject *parent)
{
    auto *upper = qobject_cast<Process *>(parent);
    if (parent && !upper)
        d->setOwner(*parent);
    const bool hasNoHome = Private::isThreadWithoutHomes();
    // GCOVR_EXCL_BR_START: rare
    if (hasNoHome && upper && upper->thread()
        && upper->thread() != thread()
        // GCOVR_EXCL_BR_STOP
        && !Private::WorkPool::hasProgramEnded())
        moveToThread(upper->thread());
    d->setPlaced(hasNoHome);
    if (upper && !upper->addChild(this))
        close();
    d->setConstructed(ProcessCore::Class::Unknown);
}

Process::Process(ProcessCore &data) : d(&data)
{
    d->setObject(this);
}

Process::~Process()
{
    d->objectDestroyed();
}

Process *Process::background()
{
    // Never destroyed: processes may be made in static destruction.
    static auto *const process = [] {
        auto *created = new Process(*new ProcessCore(ProcessCore::Kind::Background));
        created->setName(QStringLiteral("background"));
        created->moveToThread(nullptr); // it runs no steps
        return created;
    }();
    return process;
}

QString Process::name() const
{
    return d->name();
}

void Process::setName(const QString &name)
{
    d->noteClass();
    if (!d->setName(name))
        return;
    Private::Thrown thrown(*d);
    if (QThread::currentThread() == thread())
        thrown.run([&] { setObjectName(name); });
    thrown.run([&] { Q_EMIT nameChanged(name); });
    if (thrown.first())
        std::rethrow_exception(thrown.first());
}

QString Process::path() const
{
    return d->path();
}

Process::State Process::state() const noexcept
{
    return static_cast<State>(d->state());
}

bool Process::isClosing() const noexcept
{
    return d->state() != Private::NodeState::Running;
}

bool Process::isClosed() const noexcept
{
    return d->state() == Private::NodeState::Closed;
}

Error Process::error() const
{
    Error error = isClosed() ? d->error() : Error();
    Private::ErrorLog::hear(error);
    return error;
}

QList<ProcessError> Process::treeErrors() const
{
    const Private::TreeErrors errors = Graph::treeErrors(*d);
    Private::ErrorLog::hear(errors);
    QList<ProcessError> list;
    list.reserve(errors.entries.size());
    for (const auto &entry : errors.entries)
        list.append(entry.error);
    return list;
}

qsizetype Process::treeErrorCount() const
{
    const Private::TreeErrors errors = Graph::treeErrors(*d);
    Private::ErrorLog::hear(errors);
    return errors.entries.size() + errors.uncounted;
}

void Process::forgetExceptions()
{
    error().forgetException();
    const Private::TreeErrors errors = Graph::treeErrors(*d);
    for (const auto &entry : errors.entries)
        entry.error.error.forgetException();
}

bool Process::setTeardownImpl(std::unique_ptr<Private::Teardown> teardown)
{
    return d->setTeardown(std::move(teardown));
}

bool Process::postImpl(std::unique_ptr<Private::Teardown> function)
{
    return d->post(std::move(function));
}

bool Process::addChild(Process *child)
{
    return d->addEdge(&Graph::addChild, "addChild()", child);
}

bool Process::addChildNoWait(Process *child)
{
    return d->addEdge(&Graph::addChildNoWait, "addChildNoWait()", child);
}

bool Process::waitFor(Process *other)
{
    return d->addEdge(&Graph::waitFor, "waitFor()", other);
}

ProcessPtr Process::goImpl(Process *parent, const QString &name,
                           std::unique_ptr<Private::Work> work)
{
    return ProcessCore::go(parent, name, std::move(work));
}

QThreadPool *Process::threadPool() const
{
    return d->pool();
}

void Process::setThreadPool(QThreadPool *pool)
{
    d->setPool(pool);
}

#if QT_VERSION >= QT_VERSION_CHECK(6, 7, 0)
bool Process::moveToThread(QThread *thread)
#else
void Process::moveToThread(QThread *thread)
#endif
{
    if (thread && thread != this->thread())
        Private::Dispatcher::of(thread);
    return QObject::moveToThread(thread);
}

Hold Process::hold()
{
    d->noteClass();
    if (d->background || !d->hold()) {
        ProcessCore::refuse("hold()", path(),
                            d->background ? QStringLiteral("background() never closes")
                                          : QStringLiteral("its teardown has begun"));
        return {};
    }
    d->ref();
    return Hold(d);
}

void Hold::release()
{
    if (ProcessCore *process = std::exchange(m_process, nullptr)) {
        process->release();
        process->deref();
    }
}

bool Process::waitForClosing(QDeadlineTimer deadline) const
{
    return d->wait(Waiter::Goal::Closing, deadline, "waitForClosing()", nullptr);
}

bool Process::waitForClosed(QDeadlineTimer deadline) const
{
    return d->wait(Waiter::Goal::Closed, deadline, "waitForClosed()", nullptr);
}

Error Process::closeAndWait()
{
    constexpr const char *what = "closeAndWait()";
    if (!d->close(what))
        return Error(QStringLiteral("The background process never closes"));
    // Once it is Closed another thread may destroy this object.
    const Private::Ref<ProcessCore> data(d);
    Error refusal;
    const bool closed = data->wait(Waiter::Goal::Closed, QDeadlineTimer::Forever, what, &refusal);
    if (!closed)
        return refusal;
    Private::ErrorLog::hear(data->error());
    return data->error();
}

QFuture<void> Process::whenClosing() const
{
    return d->whenClosing();
}

QFuture<Error> Process::whenClosed() const
{
    return d->whenClosed();
}

void Process::close()
{
    d->close("close()");
}

void Process::closeAfterChildren()
{
    if (d->background)
        d->close("closeAfterChildren()"); // which refuses it
    else
        d->closeAfterChildren();
}

bool Process::event(QEvent *event)
{
    if (event->type() == QEvent::ThreadChange)
        d->moved();
    return QObject::event(event);
}

void Process::connectNotify(const QMetaMethod &signal)
{
    Graph::setObserved(*d);
    QObject::connectNotify(signal);
}

/// True if nothing is connected to the signals that its steps emit.
bool Process::isUnconnected() const
{
    static const std::array all { QMetaMethod::fromSignal(&Process::closing),
                                  QMetaMethod::fromSignal(&Process::closed),
                                  QMetaMethod::fromSignal(&Process::stateChanged) };
    return std::none_of(all.begin(), all.end(),
                        [this](const QMetaMethod &signal) { return isSignalConnected(signal); });
}

void Process::deleteAtHome(Process *process)
{
    // If nothing is connected and it has no children, deleting it runs no user code. No thread can
    // be connecting at this moment, as that takes a reference.
    const auto isHeard = [process] {
        return process->isSignalConnected(QMetaMethod::fromSignal(&QObject::destroyed));
    };
    const bool isObserved = Graph::isObserved(*process->d);
    using Deletion = Private::Dispatcher::Deletion;
    auto deletion = Deletion::Anywhere;
    if (!process->children().isEmpty() || (isObserved && isHeard()))
        deletion = Deletion::RunsUserCode;
    else if (isObserved || process->parent() || process->d->isWatched())
        deletion = Deletion::Silent;
    // Here and not when the object is destroyed, which may be long after.
    Private::ErrorLog::objectGoes(*process->d);
    Private::Dispatcher::deleteLater(process, deletion, process->d->likelyHome());
}

int maxWorkThreadCount()
{
    return Private::WorkPool::instance().maxThreadCount();
}

void setMaxWorkThreadCount(int count)
{
    Private::WorkPool::instance().setMaxThreadCount(count);
}

} // namespace GoProcess
