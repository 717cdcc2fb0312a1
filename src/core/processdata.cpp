// SPDX-License-Identifier: MIT
// The shared state of a process: what lives on when its QObject is gone, and the steps that it runs.

#include "processdata_p.h"

#include "closewatch_p.h"
#include "errorlog_p.h"
#include "futures_p.h"
#include "journal_p.h"
#include "leftopen_p.h"
#include "logging_p.h"
#include "thrown_p.h"
#include "wait_p.h"
#include "workpool_p.h"

#include <GoProcess/closing.h>

#include <QStringList>
#include <QThread>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <new>
#include <thread>

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
    if (name)
        return QString::fromUtf8(name.get());
#endif
    return QString::fromUtf8(type.name());
}

// What a process costs is a promise (400 bytes with its object and its edge): flags go where there is
// room left.
static_assert(sizeof(void *) != 8 || sizeof(ProcessData) <= 232);

ProcessData::ProcessData(Kind kind) : Resident(kind == Kind::Background) { }

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

ProcessData::~ProcessData()
{
    if (!m_isKept)
        delete m_extras;
}

void ProcessData::setObject(Process *object)
{
    m_object = object;
    if (!background)
        m_firstHome = Dispatcher::current();
}

void ProcessData::setOwner(const QObject &owner)
{
    const NodeLock lock(*this);
    extras().ownerType = &typeid(owner);
}

void ProcessData::setPlaced(bool homeless)
{
    m_homeless.store(homeless, std::memory_order_release);
    m_isPlaced = true;
    Journal::note(*this);
}

void ProcessData::refuse(const char *what, const QString &path, const QString &why)
{
    warn(QStringLiteral("%1 of process \"%2\" refused: %3").arg(QLatin1String(what), path, why));
}

void ProcessData::noteClass()
{
    // Relaxed: it stands for itself, and is found out once more at worst.
    if (m_class.load(std::memory_order_relaxed) != Class::Unknown)
        return;
    const std::type_info &type = typeid(*m_object);
    if (type == typeid(Process)) {
        m_class.store(Class::Process, std::memory_order_relaxed);
        return;
    }
    const NodeLock lock(*this);
    extras().type = &type;
    m_class.store(Class::Subclass, std::memory_order_relaxed);
}

QThread *ProcessData::thread() const
{
    return m_object ? m_object->thread() : nullptr;
}

ProcessData::Extras &ProcessData::extras()
{
    if (!m_extras)
        m_extras = new Extras;
    return *m_extras;
}

// --- Requests ------------------------------------------------------------------------------------

bool ProcessData::setTeardown(std::unique_ptr<Teardown> teardown)
{
    constexpr const char *what = "setTeardown()";
    noteClass();
    if (background || !teardown) {
        refuse(what, path(),
               background ? QStringLiteral("background() never closes")
                          : QStringLiteral("the teardown is null"));
        return false;
    }

    QString why;
    bool late = false;
    {
        const NodeLock lock(*this);
        late = state() == NodeState::Closed;
        if (m_hasTeardown) {
            why = QStringLiteral("it has a teardown already");
        } else if (!late && Graph::hasBegunTeardown(*this)) {
            why = QStringLiteral("its teardown has begun");
        } else {
            Graph::addAudienceLocked(*this);
            m_hasTeardown = true;
            m_teardown = std::move(teardown);
            letFind(LeftOpenList);
            LeftOpen::add(*m_teardown, *this);
        }
    }
    if (!why.isEmpty()) {
        refuse(what, path(), why);
        return false;
    }
    if (late) {
        Graph::setLateTeardown(*this, true);
        deliver(*this, Step::LateTeardown);
    }
    return true;
}

bool ProcessData::addEdge(EdgeChange (*add)(Node &, Node &), const char *what, Process *other)
{
    noteClass();
    if (!other) {
        refuse(what, path(), QStringLiteral("the other process is null"));
        return false;
    }
    ProcessData *lower = of(other);
    lower->noteClass();

    EdgeChange result;
    try {
        result = add(*this, *lower);
    } catch (const std::bad_alloc &) {
        result.refusal = Refusal::NoMemory;
    }
    if (result.refusal == Refusal::None) {
        deliver(std::move(result.change));
        return true;
    }

    result.change.unlock();
    QString why;
    switch (result.refusal) {
    case Refusal::None:
        break;
    case Refusal::Background:
        why = QStringLiteral("background() never closes");
        break;
    case Refusal::NotRunning:
        why = QStringLiteral("it is %1")
                      .arg(state() == NodeState::Closed ? QStringLiteral("Closed")
                                                        : QStringLiteral("Closing"));
        break;
    case Refusal::TeardownBegun:
        why = state() == NodeState::Closed ? QStringLiteral("it is Closed")
                                           : QStringLiteral("its teardown has begun");
        break;
    case Refusal::NoMemory:
        why = QStringLiteral("there is no memory for it");
        break;
    case Refusal::Cycle: {
        QStringList paths;
        for (const NodeRef &node : *result.cycle)
            paths += node ? node->path() : QStringLiteral("...");
        why = QStringLiteral("it would wait for itself: %1").arg(paths.join(QLatin1String(" -> ")));
        break;
    }
    }
    refuse(what, path(),
           QStringLiteral("%1 (the other process is \"%2\")").arg(why, lower->path()));
    return false;
}

bool ProcessData::close(const char *what)
{
    if (background) {
        refuse(what, path(), QStringLiteral("background() never closes"));
        return false;
    }
    if (Forks::isChild())
        Forks::revive(*this);
    deliver(Graph::close(*this));
    return true;
}

bool ProcessData::wait(Waiter::Goal goal, QDeadlineTimer deadline, const char *what, Error *refusal)
{
    // Another thread may wait as well and destroy the object before this one has returned.
    const Ref<ProcessData> keep(this);
    if (background) {
        if (!deadline.isForever())
            waitInVain(deadline);
        return false;
    }
    if (goal == Waiter::Goal::Closing)
        return state() != NodeState::Running || waitUntil(*this, goal, deadline);

    if (isFinished())
        return true;
    const Frame *own = Frame::find(*this);
    if (own && own->kind == Frame::Kind::Finish)
        return true; // inside of the emission of closed() (R3)
    if (const Node *blocker = blockedBy(*this)) {
        const QString why =
                QStringLiteral(
                        "it could only end after the step or work of process \"%1\" that runs "
                        "in the calling thread")
                        .arg(blocker->path());
        refuse(what, path(), why);
        if (refusal)
            *refusal = Error(QStringLiteral("The wait was refused: %1").arg(why));
        return false;
    }
    return waitUntil(*this, goal, deadline);
}

QFuture<void> ProcessData::whenClosing()
{
    const NodeLock lock(*this);
    if (state() != NodeState::Running)
        return readyFuture();
    QPromise<void> promise;
    promise.start();
    QFuture<void> future = promise.future();
    extras().closingPromises.push_back(std::move(promise));
    Graph::setHasClosingListeners(*this, true);
    return future;
}

QFuture<Error> ProcessData::whenClosed()
{
    const NodeLock lock(*this);
    if (isFinished()) {
        ErrorLog::hear(error());
        return readyFuture(error());
    }
    QPromise<Error> promise;
    promise.start();
    QFuture<Error> future = promise.future();
    extras().closedPromises.push_back(std::move(promise));
    Graph::setHasClosedListeners(*this, true);
    return future;
}

bool ProcessData::bind(std::shared_ptr<Binding> binding, NodeState latest)
{
    Bindings over; // let go of outside of the lock
    const NodeLock lock(*this);
    if (background || state() > latest)
        return false;
    addBinding(std::move(binding), over);
    return true;
}

std::shared_ptr<Binding> ProcessData::bindOnce(const std::shared_ptr<Binding> &binding)
{
    Bindings over;
    const NodeLock lock(*this);
    if (background || state() != NodeState::Running)
        return nullptr;
    const Binding &fresh = *binding;
    Bindings &all = extras().bindings;
    const auto firstOther = all.begin() + m_extras->onceBindings;
    const auto found = std::find_if(all.begin(), firstOther, [&](const auto &bound) {
        const Binding &other = *bound;
        return typeid(other) == typeid(fresh);
    });
    if (found != firstOther)
        return *found;
    addBinding(binding, over);
    std::swap(all[std::size_t(m_extras->onceBindings++)], all.back());
    return binding;
}

void ProcessData::addBinding(std::shared_ptr<Binding> binding, Bindings &over)
{
    Bindings &all = extras().bindings;
    if (all.size() == all.capacity()) {
        // Before it grows: a long-lived process may be bound to many things that are short-lived.
        const auto firstOver = std::partition(all.begin() + m_extras->onceBindings, all.end(),
                                              [](const auto &other) { return !other->isOver(); });
        std::move(firstOver, all.end(), std::back_inserter(over));
        all.erase(firstOver, all.end());
        // At least as many again before the next look.
        all.reserve(2 * all.size() + 1);
    }
    all.push_back(std::move(binding));
    if (state() == NodeState::Running)
        Graph::setHasClosingListeners(*this, true);
    Graph::setHasClosedListeners(*this, true);
    m_isBound.store(true, std::memory_order_release);
}

QThreadPool *ProcessData::pool() const
{
    // Relaxed: a pool that is being set counts for works that come after that.
    if (!m_hasPool.load(std::memory_order_relaxed))
        return nullptr;
    const NodeLock lock(*this);
    return m_extras ? m_extras->pool : nullptr;
}

void ProcessData::setPool(QThreadPool *pool)
{
    noteClass();
    if (background) {
        refuse("setThreadPool()", path(), QStringLiteral("background() has no works of its own"));
        return;
    }
    const NodeLock lock(*this);
    if (pool || m_extras)
        extras().pool = pool;
    m_hasPool.store(pool, std::memory_order_relaxed);
}

// --- go ------------------------------------------------------------------------------------------

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

// --- Steps ---------------------------------------------------------------------------------------

void ProcessData::run(Step step, Item *next)
{
    switch (step) {
    case Step::None:
        break;
    case Step::Announce:
        announce(next);
        break;
    case Step::Teardown:
        tearDown(next);
        break;
    case Step::Finish:
        finish(next);
        break;
    case Step::LateTeardown:
        tearDownLate();
        break;
    case Step::Work:
        runWork(next);
        break;
    case Step::Post:
        runPost(next, After::Deliver);
        break;
    case Step::Rehome:
        rehome();
        break;
    }
}

/// False if no step of the process would run anything or tell anybody.
bool ProcessData::hasAudience() const
{
    if (Graph::hasAudience(*this))
        return true;
    // A subclass may have a connectNotify() of its own that does not call the one of Process, as it should:
    // this sees all but a connection that is being made at this moment.
    return m_class.load(std::memory_order_relaxed) != Class::Process && !m_object->isUnconnected();
}

bool ProcessData::runUnheard(Step step, Item *next)
{
    const bool announces = step == Step::Announce;
    if (!(announces || step == Step::Teardown) || hasAudience())
        return false;
    std::optional<Change> change =
            announces ? Graph::announceUnheard(*this) : Graph::finishUnheard(*this);
    if (!change)
        return false;
    endUnheard(std::move(*change), next);
    return true;
}

/// The end of a step that may have been the last one, as nobody was to be told.
void ProcessData::endUnheard(Change &&change, Item *next)
{
    // This goes last: the object may go with it.
    const ProcessPtr self = isFinished() ? releaseSelf() : nullptr;
    deliverAtEndOfStep(std::move(change), next);
}

/// Emits the two signals of \a state, unless a slot destroys the object. One that throws does not keep
/// the second signal from coming, nor the step from going on.
void ProcessData::emitSignals(Frame &frame, Process::State state, Thrown &thrown)
{
    Process *object = m_object;
    if (!frame.inSecondSignal) {
        thrown.run([&] { Q_EMIT object->stateChanged(state, Process::QPrivateSignal()); });
        if (frame.objectGone)
            return;
        frame.inSecondSignal = true;
    }
    thrown.run([&] {
        if (state == Process::State::Closing)
            Q_EMIT object->closing(Process::QPrivateSignal());
        else
            Q_EMIT object->closed(Process::QPrivateSignal());
    });
}

void ProcessData::announce(Item *next)
{
    if (m_hasPosts.load(std::memory_order_acquire) && !runPostsBeforeAnnouncement())
        return;
    Frame frame(*this, Frame::Kind::Announce);
    Thrown thrown(*this);
    emitSignals(frame, Process::State::Closing, thrown);
    std::optional<Change> change;
    // This may destroy the object, and then the destructor has completed the announcement.
    while (!frame.completed && !(change = Graph::announced(*this)))
        tellOfClosing(thrown);
    if (change) {
        deliverAtEndOfStep(std::move(*change), next);
        if (m_hasPosts.load(std::memory_order_acquire))
            runLatePosts(next);
    }
    thrown.rethrow();
}

/// Delivers the futures, and tells the bindings.
void ProcessData::tellOfClosing(Thrown &thrown)
{
    std::vector<QPromise<void>> promises;
    Bindings bindings; // a copy: user code may destroy the object, which releases them
    {
        const NodeLock lock(*this);
        promises.swap(m_extras->closingPromises);
        bindings = m_extras->bindings;
        Graph::setHasClosingListeners(*this, false);
    }
    for (QPromise<void> &promise : promises)
        thrown.run([&] { promise.finish(); });
    for (const auto &binding : bindings)
        thrown.run([&] { binding->closing(); });
}

void ProcessData::tearDown(Item *next)
{
    // Nobody sets a teardown any more, and whoever did was ordered before by the lock.
    if (!m_teardown) {
        finish(next);
        return;
    }
    const QThread *here = thread();
    if (const std::optional<Error> error = runTeardown(Frame::Kind::Teardown)) {
        Graph::fail(*this, *error);
        goOn(here, next);
    }
}

/// Finishes here, or where the home is now if the teardown has moved it.
void ProcessData::goOn(const QThread *here, Item *next)
{
    if (isHomeless() || thread() == here)
        finish(next);
    else
        deliver(*this, Step::Finish, next);
}

std::optional<Error> ProcessData::runTeardown(Frame::Kind kind)
{
    const Frame frame(*this, kind);
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
std::optional<Error> ProcessData::follow(QFuture<T> future)
{
    if (future.isFinished())
        return errorOf(std::move(future));

    if (!isHomeless()) {
        const DispatcherRef home = Dispatcher::current();
        {
            const NodeLock lock(*this);
            extras().futureHome = home;
        }
        home->addOpenFuture(*this);
    }
    // In whatever thread it finishes: there it only makes the next step due. From here on that may
    // have happened.
    const Ref<ProcessData> self(this);
    whenFinished(future, [self](QFuture<T> finished) {
        if (!self->m_settled.load(std::memory_order_acquire))
            self->settle(errorOf(std::move(finished), true));
    });
    return std::nullopt;
}

void ProcessData::settle(const Error &error)
{
    // Acquire and release: the first one hands its error on, the second only leaves.
    if (m_settled.exchange(true, std::memory_order_acq_rel))
        return;
    DispatcherRef home;
    {
        const NodeLock lock(*this);
        if (m_extras)
            home = std::move(m_extras->futureHome);
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

bool ProcessData::hasFutureHere() const
{
    return m_extras && m_extras->futureHome
            && m_extras->futureHome.get() == Dispatcher::currentIfAny();
}

/// Takes the teardown whose future is open, if that is so and the home is here.
///
/// The process may be moved away and finish elsewhere at any moment, which lets go of the teardown. That
/// step becomes due by settle(), which sets m_settled before it takes the lock, and makes the step due after
/// that: who finds it not set under the lock has the teardown for itself until the lock is let go.
std::unique_ptr<Teardown> ProcessData::takeOpenTeardown()
{
    const NodeLock lock(*this); // while the future is open it keeps the object alive
    if (m_settled.load(std::memory_order_acquire) || thread() != QThread::currentThread())
        return nullptr;
    return std::move(m_teardown);
}

/// Gives it back for the step that lets go of it. False if that may have come already, or has nothing left
/// to do.
bool ProcessData::giveBack(std::unique_ptr<Teardown> &teardown)
{
    const NodeLock lock(*this);
    if (m_settled.load(std::memory_order_acquire))
        return false;
    m_teardown = std::move(teardown);
    return true;
}

bool ProcessData::endFuture(QDeadlineTimer deadline)
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
    const Frame frame(*this, Frame::Kind::EndFuture);
    bool isDone = true;
    try {
        isDone = teardown->finishUntil(deadline);
    } catch (...) {
        settle(Error::fromException(std::current_exception()));
    }
    // If it has not helped, what it captured may be what the future needs.
    if (!giveBack(teardown))
        return true;
    if (!isDone)
        m_futureEnded.store(false, std::memory_order_relaxed);
    return isDone;
}

void ProcessData::tearDownLate()
{
    if (const std::optional<Error> error = runTeardown(Frame::Kind::LateTeardown))
        lateTeardownDone(*error);
}

void ProcessData::lateTeardownDone(const Error &error)
{
    if (error) {
        warn(QStringLiteral("The teardown that was set on the Closed process \"%1\" failed: %2")
                     .arg(path(), error.message()));
    }
    Graph::setLateTeardown(*this, false);
}

void ProcessData::finish(Item *next)
{
    ProcessPtr self; // goes last: the object may go with it
    Thrown thrown(*this);
    {
        Frame frame(*this, Frame::Kind::Finish);
        m_teardown.reset();
        // Acquire: see its declaration; most processes have none.
        const Bindings bindings =
                m_isBound.load(std::memory_order_acquire) ? releaseBindings() : Bindings();
        Graph::setClosed(*this);
        for (const auto &binding : bindings)
            thrown.run([&] { binding->closed(); });
        emitSignals(frame, Process::State::Closed, thrown);

        self = releaseSelf();
        std::optional<Change> change;
        while (!(change = Graph::finish(*this)))
            tellOfClosed(thrown);
        deliverAtEndOfStep(std::move(*change), next);
    }
    thrown.rethrow();
}

/// What has kept a process that make() made; its last step takes it.
ProcessPtr ProcessData::releaseSelf()
{
    return m_isKept ? std::move(m_extras->self) : nullptr;
}

/// Makes the bindings that there are let go, and takes them.
ProcessData::Bindings ProcessData::releaseBindings()
{
    Bindings taken;
    {
        const NodeLock lock(*this);
        m_isBound.store(false, std::memory_order_release);
        taken.swap(m_extras->bindings);
        m_extras->onceBindings = 0;
    }
    for (const auto &binding : taken)
        binding->finishing();
    return taken;
}

/// Delivers the futures, and releases the bindings that came while the process was finishing.
void ProcessData::tellOfClosed(Thrown &thrown)
{
    std::vector<QPromise<Error>> promises;
    {
        const NodeLock lock(*this);
        promises.swap(m_extras->closedPromises);
        Graph::setHasClosedListeners(*this, false);
    }
    for (const auto &binding : releaseBindings())
        thrown.run([&] { binding->closed(); });
    for (QPromise<Error> &promise : promises) {
        ErrorLog::hear(error());
        promise.addResult(error());
        thrown.run([&] { promise.finish(); });
    }
}

// --- The object ----------------------------------------------------------------------------------

void ProcessData::moved()
{
    if (!m_isPlaced || isFinished())
        return;
    m_leaving.store(QThread::currentThread(), std::memory_order_release);
    m_moved.store(true, std::memory_order_release);
    // A process without a home that is moved by hand gets one. Whoever claims a step of it asks for that
    // afterwards, and here it is said before the look for a step: one of the two sees the other.
    m_homeless.store(false, std::memory_order_seq_cst);
    m_moves.fetch_add(1, std::memory_order_seq_cst); // see moves()
    Journal::note(*this);
    if (due() == Step::None && !isPostDue())
        return;
    // A step stands in the queue here, and this thread may not run any for long: the pool takes it
    // along, and so does a wait in the new thread. An event to the object would not do: it could be on
    // its way when the object, Closed by then, is destroyed.
    deliverAfterMove(*this);
    Dispatcher::addMove();
    Dispatcher::addIrregularity();
}

/// Sends the step that is due to the home as it is now, once moveToThread() is over.
void ProcessData::rehome()
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
        // Until it is over the step may run in the old thread, where a wait may need it: so it is not
        // claimed. Usually that is a moment; other items get their turn meanwhile.
        constexpr auto moment = std::chrono::microseconds(50);
        std::this_thread::sleep_for(moment);
        deliverAfterMove(*this);
        return;
    }
    if (hasPost && claim(Step::Post))
        deliver(*this, Step::Post);
    if (step != Step::None && claim(step))
        deliver(*this, step);
}

void ProcessData::closeInDestructor()
{
    Frame *own = nullptr;
    Frame *post = nullptr;
    for (Frame *frame = Frame::innermost(); frame; frame = frame->outer) {
        if (&frame->node != this || frame->completed)
            continue;
        if (frame->kind == Frame::Kind::Post) {
            post = frame;
            continue;
        }
        if (frame->kind != Frame::Kind::Announce && frame->kind != Frame::Kind::Finish)
            qFatal("GoProcess: process \"%s\" is destroyed in its own teardown or work",
                   qUtf8Printable(path()));
        own = frame;
    }

    if (own && own->kind == Frame::Kind::Finish) {
        own->objectGone = true;
        if (!own->inSecondSignal) {
            own->inSecondSignal = true;
            Thrown thrown(*this);
            emitSignals(*own, Process::State::Closed, thrown);
            thrown.log();
        }
        const NodeLock lock(*this);
        m_object = nullptr; // the frame delivers the futures and finishes
        return;
    }

    if (m_class.load(std::memory_order_relaxed) == Class::Subclass && m_hasTeardown) {
        warnCritical(
                QStringLiteral("Process \"%1\" was left open by its class %2: its teardown runs "
                               "when the members of this class are gone. Call closeAndWait() "
                               "first in the destructor of the class, or use Closing<%2>")
                        .arg(path(), className(*m_extras->type)));
    }

    warnOfOwner(m_object->parent());

    Change change = Graph::close(*this);
    if (!change.isEmpty())
        Graph::forgetLoneBegin(*this);
    deliver(std::move(change));
    if (own) { // announcing: whoever was told was told, and the rest follows here
        own->objectGone = true;
        Thrown thrown(*this);
        if (!own->inSecondSignal) {
            own->inSecondSignal = true;
            emitSignals(*own, Process::State::Closing, thrown);
        }
        std::optional<Change> announced;
        while (!(announced = Graph::announced(*this)))
            tellOfClosing(thrown);
        own->completed = true;
        deliver(std::move(*announced));
        if (m_hasPosts.load(std::memory_order_acquire))
            runLatePosts(nullptr);
        thrown.log();
    }
    if (post) { // it counts as returned, and the others run here
        post->completed = true;
        postReturned(false, Error(), nullptr, After::Deliver);
    }
    if (const Node *blocker = blockedBy(*this)) {
        qFatal("GoProcess: process \"%s\" is destroyed in the step or work of process \"%s\", after "
               "which alone it could close",
               qUtf8Printable(path()), qUtf8Printable(blocker->path()));
    }
    waitInDestructor(Waiter::Goal::Closed);
}

/// A QObject destroys its children last, when its members are gone. Then it is of the class of its base whose
/// destructor runs, and the first places in the list of its children are null.
void ProcessData::warnOfOwner(const QObject *owner) const
{
    if (!m_extras || !m_extras->ownerType || !hasAudience())
        return;
    if (!owner || typeid(*owner) == *m_extras->ownerType || owner->children().isEmpty()
        || owner->children().constFirst())
        return;
    warnCritical(
            QStringLiteral(
                    "Process \"%1\" was left open by its QObject parent of class %2, which destroys "
                    "it after its own members: the teardown and the slots of the process run now. "
                    "Call closeAndWait() of the process first in the destructor of %2, or make it "
                    "the last member instead of a child")
                    .arg(path(), className(*m_extras->ownerType)));
}

/// Nothing that a slot throws in a step that this wait runs may leave the destructor.
void ProcessData::waitInDestructor(Waiter::Goal goal) noexcept
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

void ProcessData::closeBeforeDestruction() noexcept
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
    const Ref<ProcessData> data(ProcessData::of(&process));
    data->closeBeforeDestruction();
}

void ProcessData::objectDestroyed()
{
    if (!isFinished())
        closeInDestructor();
    if (hasLateTeardown()) {
        for (Frame *frame = Frame::innermost(); frame; frame = frame->outer) {
            if (&frame->node == this && frame->kind == Frame::Kind::LateTeardown)
                qFatal("GoProcess: process \"%s\" is destroyed in its own teardown",
                       qUtf8Printable(path()));
        }
        waitInDestructor(Waiter::Goal::LateTeardown);
    }
    ErrorLog::objectGoes(*this);
    forgetParent();
    deref();
}

} // namespace GoProcess::Private
