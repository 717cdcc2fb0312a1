// SPDX-License-Identifier: MIT
// The shared state of a process, which outlives its QObject: what the QObject asks for.

#include "processcore_p.h"

#include "common/logging_p.h"
#include "dispatch/wait_p.h"
#include "dispatch/workpool_p.h"
#include "futures_p.h"
#include "graph/changednodes_p.h"
#include "graph/errorlog_p.h"
#include "leftopen_p.h"

#include <QStringList>
#include <QThread>

#include <algorithm>
#include <iterator>
#include <new>
#include <utility>

namespace GoProcess::Private {

// What a process costs is a promise (400 bytes with its object and its edge): flags go where there
// is room left.
static_assert(sizeof(void *) != 8 || sizeof(ProcessCore) <= 232);

ProcessCore::ProcessCore(Kind kind) : StepTarget(kind == Kind::Background) { }

ProcessCore::~ProcessCore()
{
    if (!m_isLibraryOwned)
        delete m_rare;
}

void ProcessCore::setObject(Process *object)
{
    m_object = object;
    if (!background)
        m_firstHome = Dispatcher::current();
}

void ProcessCore::setOwner(const QObject &owner)
{
    const NodeLock lock(*this);
    rareData().ownerType = &typeid(owner);
}

void ProcessCore::setPlaced(bool hasNoHome)
{
    m_hasNoHome.store(hasNoHome, std::memory_order_release);
    m_isPlaced = true;
    ChangedNodes::note(*this);
}

void ProcessCore::refuse(const char *what, const QString &path, const QString &why)
{
    warn(QStringLiteral("%1 of process \"%2\" refused: %3").arg(QLatin1String(what), path, why));
}

void ProcessCore::noteClass()
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
    rareData().type = &type;
    m_class.store(Class::Subclass, std::memory_order_relaxed);
}

QThread *ProcessCore::thread() const
{
    return m_object ? m_object->thread() : nullptr; // GCOVR_EXCL_BR_LINE: guard
}

ProcessCore::RareData &ProcessCore::rareData()
{
    if (!m_rare)
        m_rare = new RareData;
    return *m_rare;
}

bool ProcessCore::setTeardown(std::unique_ptr<Teardown> teardown)
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
        } else if (!late && Graph::hasBegunTeardown(*this)) { // GCOVR_EXCL_BR_LINE: race
            why = QStringLiteral("its teardown has begun"); // GCOVR_EXCL_LINE: race
        } else {
            Graph::setObservedLocked(*this);
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

bool ProcessCore::addEdge(EdgeChange (*add)(Node &, Node &), const char *what, Process *other)
{
    noteClass();
    if (!other) {
        refuse(what, path(), QStringLiteral("the other process is null"));
        return false;
    }
    ProcessCore *lower = of(other);
    lower->noteClass();

    EdgeChange result;
    try {
        result = add(*this, *lower);
    } catch (const std::bad_alloc &) { // GCOVR_EXCL_BR_LINE: compiler
        result.refusal = Refusal::NoMemory;
    }
    if (result.refusal == Refusal::None) {
        deliver(std::move(result.steps));
        return true;
    }

    result.steps.unlock();
    QString why;
    switch (result.refusal) { // GCOVR_EXCL_BR_LINE: compiler
    case Refusal::None: // GCOVR_EXCL_LINE: compiler
        break; // GCOVR_EXCL_LINE: compiler
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

bool ProcessCore::close(const char *what)
{
    if (background) {
        refuse(what, path(), QStringLiteral("background() never closes"));
        return false;
    }
    if (Forks::isChild())
        Forks::revive(*this);
    close();
    return true;
}

bool ProcessCore::wait(Waiter::Goal goal, QDeadlineTimer deadline, const char *what, Error *refusal)
{
    // Another thread may wait as well and destroy the object before this one has returned.
    const Ref<ProcessCore> keep(this);
    if (background) {
        if (!deadline.isForever())
            waitInVain(deadline);
        return false;
    }
    if (goal == Waiter::Goal::Closing)
        return state() != NodeState::Running || waitUntil(*this, goal, deadline);

    if (isFinished())
        return true;
    const StepScope *own = StepScope::find(*this);
    if (own && own->kind == StepScope::Kind::Finish)
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

void ProcessCore::close()
{
    deliver(Graph::close(*this));
}

void ProcessCore::closeAfterChildren()
{
    deliver(Graph::closeAfterChildren(*this));
}

bool ProcessCore::hold()
{
    return Graph::hold(*this);
}

void ProcessCore::release()
{
    deliver(Graph::release(*this));
}

bool ProcessCore::isAnnouncingHere() const
{
    const StepScope *own = StepScope::find(*this);
    return own && own->kind == StepScope::Kind::Announce;
}

QFuture<void> ProcessCore::whenClosing()
{
    const NodeLock lock(*this);
    if (state() != NodeState::Running)
        return readyFuture();
    QPromise<void> promise;
    promise.start();
    QFuture<void> future = promise.future();
    rareData().closingPromises.push_back(std::move(promise));
    Graph::setHasClosingListeners(*this, true);
    return future;
}

QFuture<Error> ProcessCore::whenClosed()
{
    const NodeLock lock(*this);
    if (isFinished()) {
        ErrorLog::hear(error());
        return readyFuture(error());
    }
    QPromise<Error> promise;
    promise.start();
    QFuture<Error> future = promise.future();
    rareData().closedPromises.push_back(std::move(promise));
    Graph::setHasClosedListeners(*this, true);
    return future;
}

bool ProcessCore::bind(std::shared_ptr<Binding> binding, NodeState latest)
{
    Bindings over; // let go of outside of the lock
    const NodeLock lock(*this);
    if (background || state() > latest) // GCOVR_EXCL_BR_LINE: guard
        return false;
    addBinding(std::move(binding), over);
    return true;
}

std::shared_ptr<Binding> ProcessCore::bindOnce(const std::shared_ptr<Binding> &binding)
{
    Bindings over;
    const NodeLock lock(*this);
    if (background || state() != NodeState::Running) // GCOVR_EXCL_BR_LINE: guard
        return nullptr;
    const Binding &fresh = *binding;
    Bindings &all = rareData().bindings;
    const auto firstOther = all.begin() + m_rare->onceBindings;
    const auto found = std::find_if(all.begin(), firstOther, [&](const auto &bound) {
        const Binding &other = *bound;
        return typeid(other) == typeid(fresh);
    });
    if (found != firstOther)
        return *found;
    addBinding(binding, over);
    std::swap(all[std::size_t(m_rare->onceBindings++)], all.back());
    return binding;
}

void ProcessCore::addBinding(std::shared_ptr<Binding> binding, Bindings &over)
{
    Bindings &all = rareData().bindings;
    if (all.size() == all.capacity()) {
        // Before it grows: a long-lived process may be bound to many things that are short-lived.
        const auto firstOver = std::partition(all.begin() + m_rare->onceBindings, all.end(),
                                              [](const auto &other) { return !other->isOver(); });
        std::move(firstOver, all.end(), std::back_inserter(over));
        all.erase(firstOver, all.end());
        // At least as many again before the next look.
        all.reserve(2 * all.size() + 1);
    }
    all.push_back(std::move(binding));
    if (state() == NodeState::Running) // GCOVR_EXCL_BR_LINE: race
        Graph::setHasClosingListeners(*this, true);
    Graph::setHasClosedListeners(*this, true);
    m_isBound.store(true, std::memory_order_release);
}

QThreadPool *ProcessCore::pool() const
{
    // Relaxed: a pool that is being set counts for works that come after that.
    if (!m_hasPool.load(std::memory_order_relaxed))
        return nullptr;
    const NodeLock lock(*this);
    return m_rare ? m_rare->pool : nullptr; // GCOVR_EXCL_BR_LINE: guard
}

void ProcessCore::setPool(QThreadPool *pool)
{
    noteClass();
    if (background) {
        refuse("setThreadPool()", path(), QStringLiteral("background() has no works of its own"));
        return;
    }
    const NodeLock lock(*this);
    if (pool || m_rare)
        rareData().pool = pool;
    m_hasPool.store(pool, std::memory_order_relaxed);
}

} // namespace GoProcess::Private
