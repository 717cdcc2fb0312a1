// SPDX-License-Identifier: MIT
// The end of the QObject (R41 to R43, R47), and its moves to other threads (R36).

#include "processcore_p.h"

#include "common/logging_p.h"
#include "dispatch/thrown_p.h"
#include "dispatch/wait_p.h"
#include "graph/changednodes_p.h"
#include "graph/errorlog_p.h"

#include <GoProcess/closing.h>

#include <QThread>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <thread>
#include <typeinfo>

#if __has_include(<cxxabi.h>)
#  include <cxxabi.h>
#endif

namespace GoProcess::Private {

static QString className(const std::type_info &type)
{
#if __has_include(<cxxabi.h>)
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> name(
            abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free);
    if (name) // GCOVR_EXCL_BR_LINE: compiler
        return QString::fromUtf8(name.get());
#endif
    return QString::fromUtf8(type.name()); // GCOVR_EXCL_LINE: compiler
}

void ProcessCore::moved()
{
    if (!m_isPlaced || isFinished())
        return;
    m_leaving.store(QThread::currentThread(), std::memory_order_release);
    m_moved.store(true, std::memory_order_release);
    // A process without a home that is moved by hand gets one. A thread that claims a step of it
    // asks for that afterwards, and here it is said before the look for a step: one of the two sees
    // the other.
    m_hasNoHome.store(false, std::memory_order_seq_cst);
    m_moves.fetch_add(1, std::memory_order_seq_cst); // see moves()
    ChangedNodes::note(*this);
    if (due() == Step::None && !isPostDue())
        return;
    // A step stands in the queue here, and this thread may not run any for long: the pool takes it
    // along, and so does a wait in the new thread. An event to the object would not do: it could be
    // on its way when the object, Closed by then, is destroyed.
    deliverAfterMove(*this);
    Dispatcher::addMove();
    Dispatcher::addHomeChange();
}

/// Sends the step that is due to the home as it is now, once moveToThread() is over.
void ProcessCore::rehome()
{
    Step step = Step::None;
    bool hasPost = false;
    bool isMoving = false;
    {
        const NodeLock lock(*this); // while a step is due it keeps the object alive
        step = due();
        hasPost = isPostDue();
        if (step == Step::None && !hasPost)
            return;
        isMoving = isLeaving(thread());
    }
    if (isMoving) {
        // Until it is over the step may run in the old thread, where a wait may need it: so it is
        // not claimed. Usually that is a moment; other steps get their turn meanwhile.
        constexpr auto moment = std::chrono::microseconds(50);
        std::this_thread::sleep_for(moment);
        deliverAfterMove(*this);
        return;
    }
    if (hasPost && claim(Step::Post)) // GCOVR_EXCL_BR_LINE: race
        deliver(*this, Step::Post);
    if (step != Step::None && claim(step)) // GCOVR_EXCL_BR_LINE: race
        deliver(*this, step);
}

/// What runs for this process on the stack of the thread that destroys the object: a step of its own
/// whose slot does so, and a posted function.
ProcessCore::OwnScopes ProcessCore::ownScopes() const
{
    OwnScopes own;
    for (StepScope *scope = StepScope::innermost(); scope; scope = scope->outer) {
        if (&scope->node != this || scope->completed) // GCOVR_EXCL_BR_LINE: fatal
            continue;
        if (scope->kind == StepScope::Kind::Post)
            own.post = scope;
        else
            own.step = scope;
        // GCOVR_EXCL_START: fatal
        if (scope->kind != StepScope::Kind::Post && scope->kind != StepScope::Kind::Announce
            && scope->kind != StepScope::Kind::Finish) {
            qFatal("GoProcess: process \"%s\" is destroyed in its own teardown or work",
                   qUtf8Printable(path()));
        }
        // GCOVR_EXCL_STOP
    }
    return own;
}

/// Emits the signal that the step of \a own has not come to. What slots throw is kept in \a thrown.
void ProcessCore::emitRest(StepScope &own, Process::State state, Thrown &thrown)
{
    own.objectGone = true;
    if (!std::exchange(own.inSecondSignal, true))
        emitSignals(own, state, thrown);
}

/// Does what the announcement of \a own has not come to.
void ProcessCore::completeAnnouncement(StepScope &own)
{
    Thrown thrown(*this);
    emitRest(own, Process::State::Closing, thrown);
    std::optional<DueSteps> announced;
    while (!(announced = Graph::announced(*this)))
        tellOfClosing(thrown);
    own.completed = true;
    deliver(std::move(*announced));
    if (m_hasPosts.load(std::memory_order_acquire) && takeLatePosts()) // GCOVR_EXCL_BR_LINE: race
        deliver(*this, Step::Post); // GCOVR_EXCL_LINE: race
    thrown.log();
}

void ProcessCore::closeInDestructor()
{
    const OwnScopes own = ownScopes();
    if (own.step && own.step->kind == StepScope::Kind::Finish) {
        Thrown thrown(*this);
        emitRest(*own.step, Process::State::Closed, thrown);
        thrown.log();
        const NodeLock lock(*this);
        m_object = nullptr; // the scope delivers the futures and finishes
        return;
    }

    if (m_class.load(std::memory_order_relaxed) == Class::Subclass && m_hasTeardown) {
        warnCritical(
                QStringLiteral("Process \"%1\" was left open by its class %2: its teardown runs "
                               "when the members of this class are gone. Call closeAndWait() "
                               "first in the destructor of the class, or use Closing<%2>")
                        .arg(path(), className(*m_rare->type)));
    }
    warnOfOwner(m_object->parent());

    DueSteps steps = Graph::close(*this);
    if (!steps.isEmpty())
        Graph::forgetLoneBegin(*this);
    deliver(std::move(steps));
    if (own.step)
        completeAnnouncement(*own.step);
    if (own.post) { // it counts as returned, and the others run here
        own.post->completed = true;
        StepEnd { postReturned(false, Error(), After::Deliver), {} }.goOn();
    }
    const Node *const blocker = blockedBy(*this);
    // GCOVR_EXCL_START: fatal
    if (blocker) {
        qFatal("GoProcess: process \"%s\" is destroyed in the step or work of process \"%s\", after "
               "which alone it could close",
               qUtf8Printable(path()), qUtf8Printable(blocker->path()));
    }
    // GCOVR_EXCL_STOP
    waitInDestructor(Waiter::Goal::Closed);
}

/// A QObject destroys its children last, when its members are gone. Then it is of the class of its
/// base whose destructor runs, and the first places in the list of its children are null.
void ProcessCore::warnOfOwner(const QObject *owner) const
{
    if (!m_rare || !m_rare->ownerType || !isObserved())
        return;
    if (!owner || typeid(*owner) == *m_rare->ownerType || owner->children().isEmpty()
        || owner->children().constFirst())
        return;
    warnCritical(
            QStringLiteral(
                    "Process \"%1\" was left open by its QObject parent of class %2, which destroys "
                    "it after its own members: the teardown and the slots of the process run now. "
                    "Call closeAndWait() of the process first in the destructor of %2, or make it "
                    "the last member instead of a child")
                    .arg(path(), className(*m_rare->ownerType)));
}

/// Nothing that a slot throws in a step that this wait runs may leave the destructor.
void ProcessCore::waitInDestructor(Waiter::Goal goal) noexcept
{
    bool isOver = false;
    while (!isOver) {
        try {
            isOver = waitUntil(*this, goal, QDeadlineTimer::Forever);
        } catch (...) {
            logUncaught(path());
        }
    }
}

void ProcessCore::closeBeforeDestruction() noexcept
{
    bool isOver = false;
    while (!isOver) {
        try {
            if (close("closeAndWait()"))
                wait(Waiter::Goal::Closed, QDeadlineTimer::Forever, "closeAndWait()", nullptr);
            isOver = true;
        } catch (...) {
            logUncaught(path());
        }
    }
}

void closeBeforeDestruction(const Process &process) noexcept
{
    const Ref<ProcessCore> data(ProcessCore::of(&process));
    data->closeBeforeDestruction();
}

void ProcessCore::objectDestroyed()
{
    if (!isFinished())
        closeInDestructor();
    if (hasLateTeardown()) {
        // GCOVR_EXCL_BR_START: fatal
        for (StepScope *scope = StepScope::innermost(); scope; scope = scope->outer) {
            // GCOVR_EXCL_BR_STOP
            // GCOVR_EXCL_START: fatal
            if (&scope->node == this && scope->kind == StepScope::Kind::LateTeardown)
                // GCOVR_EXCL_STOP
                // GCOVR_EXCL_START: fatal
                qFatal("GoProcess: process \"%s\" is destroyed in its own teardown",
                       // GCOVR_EXCL_STOP
                       qUtf8Printable(path())); // GCOVR_EXCL_LINE: fatal
        }
        waitInDestructor(Waiter::Goal::LateTeardown);
    }
    ErrorLog::objectGoes(*this);
    forgetParent();
    deref();
}

} // namespace GoProcess::Private
