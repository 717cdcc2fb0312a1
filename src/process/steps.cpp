// SPDX-License-Identifier: MIT
// The steps of a close: what they run and tell, and which step comes next (R19).

#include "processcore_p.h"

#include "common/logging_p.h"
#include "dispatch/thrown_p.h"
#include "futures_p.h"
#include "graph/errorlog_p.h"

#include <QThread>

#include <exception>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

namespace GoProcess::Private {

StepEnd ProcessCore::run(Step step)
{
    switch (step) { // GCOVR_EXCL_BR_LINE: compiler
    case Step::None: // GCOVR_EXCL_LINE: compiler
        break; // GCOVR_EXCL_LINE: compiler
    case Step::Announce:
        return announce();
    case Step::Teardown:
        return tearDown();
    case Step::Finish:
        return finish();
    case Step::LateTeardown:
        tearDownLate();
        break;
    case Step::Work:
        return { runWork(), {} };
    case Step::Post:
        return { runPost(After::Deliver), {} };
    case Step::Rehome:
        rehome();
        break;
    }
    return {};
}

/// False if no step of the process has user code to run or a connected signal to emit.
bool ProcessCore::isObserved() const
{
    if (Graph::isObserved(*this))
        return true;
    // A subclass may have a connectNotify() of its own that does not call the one of Process, as it
    // should: this sees all but a connection that is being made at this moment.
    return m_class.load(std::memory_order_relaxed) != Class::Process && !m_object->isUnconnected();
}

std::optional<DueStep> ProcessCore::advance(Step step)
{
    if (!(step == Step::Announce || step == Step::Teardown) || isObserved())
        return std::nullopt;
    std::optional<DueSteps> steps = Graph::advance(*this);
    if (!steps)
        return std::nullopt;
    return endSilently(std::move(*steps));
}

/// The end of a step that was not observed, and may have been the last one.
DueStep ProcessCore::endSilently(DueSteps &&steps)
{
    // This goes last: the object may go with it.
    const ProcessPtr self = isFinished() ? releaseSelf() : nullptr;
    return deliverAtEndOfStep(*this, std::move(steps));
}

/// Emits the two signals of \a state, unless a slot destroys the object. One that throws does not
/// keep the second signal from coming, nor the step from going on.
void ProcessCore::emitSignals(StepScope &scope, Process::State state, Thrown &thrown)
{
    Process *object = m_object;
    if (!scope.inSecondSignal) {
        thrown.run([&] { Q_EMIT object->stateChanged(state, Process::QPrivateSignal()); });
        if (scope.objectGone)
            return;
        scope.inSecondSignal = true;
    }
    thrown.run([&] {
        if (state == Process::State::Closing)
            Q_EMIT object->closing(Process::QPrivateSignal());
        else
            Q_EMIT object->closed(Process::QPrivateSignal());
    });
}

StepEnd ProcessCore::announce()
{
    if (m_hasPosts.load(std::memory_order_acquire) && !runPostsBeforeAnnouncement())
        return {};
    StepScope scope(*this, StepScope::Kind::Announce);
    Thrown thrown(*this);
    emitSignals(scope, Process::State::Closing, thrown);
    std::optional<DueSteps> steps;
    // This may destroy the object, and then the destructor has completed the announcement.
    while (!scope.completed && !(steps = Graph::announced(*this))) // GCOVR_EXCL_BR_LINE: compiler
        tellOfClosing(thrown);
    DueStep next;
    if (steps) {
        next = deliverAtEndOfStep(*this, std::move(*steps));
        if (m_hasPosts.load(std::memory_order_acquire) && takeLatePosts()) {
            if (next.node) // GCOVR_EXCL_BR_LINE: race
                deliver(*this, Step::Post); // GCOVR_EXCL_LINE: race
            else
                next = deliverAtEndOfStep(*this, Step::Post);
        }
    }
    return { std::move(next), thrown.first() };
}

/// Delivers the futures, and tells the bindings.
void ProcessCore::tellOfClosing(Thrown &thrown)
{
    std::vector<QPromise<void>> promises;
    Bindings bindings; // a copy: user code may destroy the object, which releases them
    {
        const NodeLock lock(*this);
        promises.swap(m_rare->closingPromises);
        bindings = m_rare->bindings;
        Graph::setHasClosingListeners(*this, false);
    }
    for (QPromise<void> &promise : promises)
        thrown.run([&] { promise.finish(); });
    for (const auto &binding : bindings)
        thrown.run([&] { binding->closing(); });
}

StepEnd ProcessCore::tearDown()
{
    // No thread sets a teardown any more; the lock has ordered those that did before this.
    if (!m_teardown)
        return finish();
    const QThread *here = thread();
    const std::optional<Error> error = runTeardown(StepScope::Kind::Teardown);
    if (!error)
        return {}; // settle() goes on
    Graph::fail(*this, *error);
    if (hasNoHome() || thread() == here)
        return finish();
    deliver(*this, Step::Finish); // the teardown has moved it
    return {};
}

std::optional<Error> ProcessCore::runTeardown(StepScope::Kind kind)
{
    const StepScope scope(*this, kind);
    try {
        TeardownResult result = m_teardown->run();
        if (auto *error = std::get_if<Error>(&result))
            return std::move(*error);
        if (auto *future = std::get_if<QFuture<void>>(&result))
            return follow(std::move(*future));
        return follow(std::move(std::get<QFuture<Error>>(result)));
    } catch (...) {
        return Error::fromException(std::current_exception());
    }
}

/// The error of a finished future; nothing if settle() will be called with it.
template<class T>
std::optional<Error> ProcessCore::follow(QFuture<T> future)
{
    if (future.isFinished())
        return errorOf(std::move(future));

    if (!hasNoHome()) {
        const DispatcherRef home = Dispatcher::current();
        {
            const NodeLock lock(*this);
            rareData().futureHome = home;
        }
        home->addOpenFuture(*this);
    }
    // In whatever thread it finishes: there it only makes the next step due. From here on that may
    // have happened.
    const Ref<ProcessCore> self(this);
    whenFinished(future, [self](QFuture<T> finished) {
        if (!self->m_settled.load(std::memory_order_acquire)) // GCOVR_EXCL_BR_LINE: race
            self->settle(errorOf(std::move(finished), true));
    });
    return std::nullopt;
}

void ProcessCore::settle(const Error &error)
{
    // Acquire and release: the first one hands its error on, the second only leaves.
    if (m_settled.exchange(true, std::memory_order_acq_rel)) // GCOVR_EXCL_BR_LINE: race
        return; // GCOVR_EXCL_LINE: race
    DispatcherRef home;
    {
        const NodeLock lock(*this);
        if (m_rare)
            home = std::move(m_rare->futureHome);
    }
    if (home)
        home->removeOpenFuture(*this);
    if (hasLateTeardown()) {
        lateTeardownDone(error);
    } else {
        Graph::fail(*this, error);
        deliver(*this, Step::Finish);
    }
}

bool ProcessCore::hasFutureHere() const
{
    return m_rare && m_rare->futureHome && m_rare->futureHome.get() == Dispatcher::currentIfAny();
}

/// Takes the teardown whose future is open, if that is so and the home is here.
///
/// The process may be moved away and finish elsewhere at any moment, which lets go of the teardown.
/// That step becomes due by settle(), which sets m_settled before it takes the lock, and makes the
/// step due after that: a thread that finds it not set under the lock has the teardown for itself
/// until it lets go of the lock.
std::unique_ptr<Teardown> ProcessCore::takeOpenTeardown()
{
    const NodeLock lock(*this); // while the future is open it keeps the object alive
    if (m_settled.load(std::memory_order_acquire) || thread() != QThread::currentThread())
        return nullptr;
    return std::move(m_teardown);
}

/// Gives it back, to be let go of by a later step. False if the future has finished meanwhile: then
/// the caller lets go of it.
bool ProcessCore::giveBack(std::unique_ptr<Teardown> &teardown)
{
    const NodeLock lock(*this);
    if (m_settled.load(std::memory_order_acquire))
        return false;
    m_teardown = std::move(teardown);
    return true;
}

bool ProcessCore::endFuture(QDeadlineTimer deadline)
{
    std::unique_ptr<Teardown> teardown = takeOpenTeardown();
    if (!teardown)
        return true;
    if (!teardown->canFinish()) {
        giveBack(teardown);
        warn(QStringLiteral("The thread of process \"%1\" is blocked in a wait while the "
                            "future of its teardown is unfinished: the event loop of this "
                            "thread may be what the future needs (setTeardown() with a "
                            "second function ends it without)")
                     .arg(path()));
        return true;
    }
    const StepScope scope(*this, StepScope::Kind::EndFuture);
    bool isDone = true;
    try {
        isDone = teardown->finishUntil(deadline);
    } catch (...) {
        settle(Error::fromException(std::current_exception()));
    }
    // If the future is still open, what the teardown has captured may be what it needs.
    if (!giveBack(teardown))
        return true;
    if (!isDone)
        m_futureEnded.store(false, std::memory_order_relaxed);
    return isDone;
}

void ProcessCore::tearDownLate()
{
    if (const std::optional<Error> error = runTeardown(StepScope::Kind::LateTeardown))
        lateTeardownDone(*error);
}

void ProcessCore::lateTeardownDone(const Error &error)
{
    if (error) {
        warn(QStringLiteral("The teardown that was set on the Closed process \"%1\" failed: %2")
                     .arg(path(), error.message()));
    }
    Graph::setLateTeardown(*this, false);
}

StepEnd ProcessCore::finish()
{
    ProcessPtr self; // goes last: the object may go with it
    Thrown thrown(*this);
    StepScope scope(*this, StepScope::Kind::Finish);
    m_teardown.reset();
    // Acquire: see its declaration; most processes have none.
    const Bindings bindings =
            m_isBound.load(std::memory_order_acquire) ? releaseBindings() : Bindings();
    Graph::setClosed(*this);
    for (const auto &binding : bindings)
        thrown.run([&] { binding->closed(); });
    emitSignals(scope, Process::State::Closed, thrown);

    self = releaseSelf();
    std::optional<DueSteps> steps;
    while (!(steps = Graph::finish(*this)))
        tellOfClosed(thrown);
    return { deliverAtEndOfStep(*this, std::move(*steps)), thrown.first() };
}

/// What has kept a process that make() made; its last step takes it.
ProcessPtr ProcessCore::releaseSelf()
{
    return m_isLibraryOwned ? std::move(m_rare->self) : nullptr;
}

/// Makes the bindings that there are let go, and takes them.
ProcessCore::Bindings ProcessCore::releaseBindings()
{
    Bindings taken;
    {
        const NodeLock lock(*this);
        m_isBound.store(false, std::memory_order_release);
        taken.swap(m_rare->bindings);
        m_rare->onceBindings = 0;
    }
    for (const auto &binding : taken)
        binding->finishing();
    return taken;
}

/// Delivers the futures, and releases the bindings that came while the process was finishing.
void ProcessCore::tellOfClosed(Thrown &thrown)
{
    std::vector<QPromise<Error>> promises;
    {
        const NodeLock lock(*this);
        promises.swap(m_rare->closedPromises);
        Graph::setHasClosedListeners(*this, false);
    }
    for (const auto &binding : releaseBindings()) // GCOVR_EXCL_BR_LINE: compiler
        thrown.run([&] { binding->closed(); });
    for (QPromise<Error> &promise : promises) {
        ErrorLog::hear(error());
        promise.addResult(error());
        thrown.run([&] { promise.finish(); });
    }
}

} // namespace GoProcess::Private
