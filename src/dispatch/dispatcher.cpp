// SPDX-License-Identifier: MIT
// The dispatchers of threads: how they begin, end and are found.

#include "dispatcher_p.h"

#include "common/fork_p.h"
#include "common/mutex_p.h"
#include "common/pin_p.h"
#include "common/tsan_p.h"
#include "delivery_p.h"
#include "registry_p.h"
#include "threadreport_p.h"

#include <QAbstractEventDispatcher>
#include <QCoreApplication>
#include <QThread>

#include <algorithm>
#include <iterator>
#include <unordered_map>

namespace GoProcess::Private {

namespace {

// Of this thread. Plain data, so that they can be asked at any moment of a thread's end, when other
// thread_local objects use the library in their destructors.
//
// The pointer needs no count of its own: ThreadsOwn holds a reference for it, and resets it when
// that is destroyed. From then on the number tells which dispatcher it was.
thread_local Dispatcher *currentDispatcher = nullptr;
thread_local std::uint64_t departedFrom = 0;

/// Something of each thread that no other thread has the address of while it lives.
const void *markOfThisThread()
{
    thread_local const char mark = 0;
    return &mark;
}

std::uint64_t nextNumber()
{
    // Relaxed: the numbers only differ.
    static std::atomic<std::uint64_t> last = 0;
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

} // namespace

/// The reference that a thread holds of its dispatcher. Another thread may destroy the QThread
/// while this one still destroys its thread_local objects: QThread::wait() returns before that.
class Dispatcher::ThreadsOwn
{
public:
    ThreadsOwn() = default;
    Q_DISABLE_COPY_MOVE(ThreadsOwn)
    ~ThreadsOwn()
    {
        currentDispatcher = nullptr;
        departedFrom = m_dispatcher->m_number;
        m_dispatcher->leave();
    }

    static void set(DispatcherRef dispatcher)
    {
        thread_local ThreadsOwn own;
        currentDispatcher = dispatcher.get();
        own.m_dispatcher = std::move(dispatcher);
    }

private:
    DispatcherRef m_dispatcher;
};

StepTarget::StepTarget(bool isBackground) : Node(isBackground) { }

StepTarget::~StepTarget() = default;

Dispatcher::Dispatcher(QThread *thread) : m_number(nextNumber()), m_thread(thread) { }

DispatcherRef Dispatcher::current()
{
    return currentDispatcher ? DispatcherRef(currentDispatcher) : makeCurrent();
}

Dispatcher *Dispatcher::currentIfAny()
{
    return currentDispatcher;
}

bool Dispatcher::isOwn() const
{
    return currentDispatcher == this || departedFrom == m_number;
}

DispatcherRef Dispatcher::make(QThread *thread)
{
    auto *const made = new Dispatcher(thread);
    DispatcherRef reference(made);
    made->deref(); // that of its creation
    return reference;
}

DispatcherRef Dispatcher::makeCurrent()
{
    if (departedFrom != 0)
        return ofDepartedThread();
    QThread *thread = QThread::currentThread();
    DispatcherRef dispatcher = thread ? of(thread) : make(nullptr);
    dispatcher->enter();
    return dispatcher;
}

/// The dispatcher that the thread had, if its QThread is still there, as that of the main thread
/// is; the number tells it from that of another one at the same address.
DispatcherRef Dispatcher::ofDepartedThread()
{
    {
        Registry &all = registry();
        const std::lock_guard lock(all.mutex);
        const auto found = all.dispatchers.find(QThread::currentThread());
        // GCOVR_EXCL_BR_START: race
        if (found != all.dispatchers.end() && found->second->m_number == departedFrom) {
            // GCOVR_EXCL_BR_STOP
            const std::lock_guard inner(found->second->m_mutex);
            // Not if the QThread was started again meanwhile.
            if (found->second->m_owner == markOfThisThread()) // GCOVR_EXCL_BR_LINE: race
                return found->second;
        }
    }
    return make(nullptr);
}

void Dispatcher::enter()
{
    if (currentDispatcher == this || departedFrom != 0)
        return;
    {
        const std::lock_guard lock(m_mutex);
        m_owner = markOfThisThread();
        if (!m_thread.load(std::memory_order_relaxed)) // GCOVR_EXCL_BR_LINE: race
            setLifeLocked( // GCOVR_EXCL_LINE: race
                    Life::Ended); // its QThread is gone: it takes steps from this thread alone
    }
    ThreadsOwn::set(DispatcherRef(this));
    ThreadReport::current(); // a warning that this home does not run steps finds its number
    listen();
}

/// Hears of each turn of the event loop of this thread.
void Dispatcher::listen()
{
    const QThread *const thread = m_thread.load(std::memory_order_relaxed);
    // GCOVR_EXCL_BR_START: race
    QAbstractEventDispatcher *const loop = thread ? thread->eventDispatcher() : nullptr;
    // GCOVR_EXCL_BR_STOP
    if (!loop)
        return;
    const QCoreApplication *const application = QCoreApplication::instance();
    const bool goesWithApplication = application && application->thread() == thread;
    const DispatcherRef self(this);
    const auto turn = [self, loop, goesWithApplication] {
        if (QCoreApplication::instance())
            self->wakeUpAgain(*loop);
        else if (!goesWithApplication)
            self->runWithoutApplication();
    };
    QObject::connect(loop, &QAbstractEventDispatcher::awake, loop, turn);
    QObject::connect(loop, &QAbstractEventDispatcher::aboutToBlock, loop, turn);
}

/// An event loop delivers nothing once QCoreApplication is gone, and still wakes up for what is
/// posted (R45).
void Dispatcher::runWithoutApplication()
{
    drain();
    postWakeUpAgain(); // the call of before is lost
}

/// An event loop inside of an event, with GLib, does not look at what was posted before it began
/// and stands behind that event, and goes to sleep with it (R40). If the call is there it looks, as
/// if something new was posted. The limit is for a call that an event filter has eaten.
void Dispatcher::wakeUpAgain(QAbstractEventDispatcher &loop)
{
    constexpr int most = 16;
    {
        const std::lock_guard lock(m_mutex);
        if (!m_isWakeUpPosted || m_looks == most)
            return;
        ++m_looks;
    }
    loop.wakeUp();
}

/// enter(), unless this dispatcher was made in vain, or is about to be.
void Dispatcher::enterIfKnown()
{
    if (known(m_thread.load(std::memory_order_relaxed)).get() == this)
        enter();
}

void Dispatcher::leave()
{
    std::deque<DueStep> left;
    {
        const std::lock_guard lock(m_mutex);
        // Where the QThread has not said that it ended, it does so later (an adopted thread), or it
        // is the main one; and if it was started again the steps are for the thread that it is now.
        // A thread that waited for this one may be destroying the QThread by now: it is not asked.
        const Life life = m_finished ? m_life : lookAtThreadLocked();
        if (m_owner != markOfThisThread() || life != Life::Ended) // GCOVR_EXCL_BR_LINE: race
            return;
        left.swap(m_incoming);
        m_hasIncoming.store(false, std::memory_order_relaxed);
        left.insert(left.begin(), std::make_move_iterator(m_batch.begin()),
                    std::make_move_iterator(m_batch.end()));
        m_batch.clear();
    }
    for (const DueStep &due : left) {
        if (due.node->claim(due.step)) // GCOVR_EXCL_BR_LINE: race
            deliver(*due.node, due.step); // GCOVR_EXCL_LINE: race
    }
}

void Dispatcher::deleteSomeHere()
{
    if (currentDispatcher)
        currentDispatcher->deleteSome();
}

bool Dispatcher::isInDepartedThread()
{
    return departedFrom != 0;
}

void Dispatcher::attach()
{
    QThread *thread = m_thread.load(std::memory_order_relaxed);
    const DispatcherRef self(this);
    m_alive = thread;
    m_receiver = makeReceiver();
    handOver(this);
    // Without a context object these run where they are emitted: in the thread itself, and the last
    // one in the thread that destroys it.
    m_started = QObject::connect(thread, &QThread::started, [self] { self->threadStarted(); });
    m_finished = QObject::connect(thread, &QThread::finished, [self] { self->threadFinished(); });
    m_destroyed =
            QObject::connect(thread, &QObject::destroyed, [self] { self->threadDestroyed(); });

    const std::lock_guard lock(m_mutex);
    // Of the threads of a forked child only those are there that have been here themselves.
    m_isLate = thread->isRunning();
    // GCOVR_EXCL_BR_START: rare
    m_isGone = Forks::isChild() && thread != QThread::currentThread() && m_isLate;
    // GCOVR_EXCL_BR_STOP
    if (m_isGone) // GCOVR_EXCL_BR_LINE: rare
        m_warned.store(true, std::memory_order_relaxed); // GCOVR_EXCL_LINE: rare
    // It may have emitted finished() before that was connected: isFinished() tells, whatever the
    // slots have set by now.
    if (thread->isFinished() || m_isGone) // GCOVR_EXCL_BR_LINE: race
        setLifeLocked(Life::Ended);
    else if (thread == QThread::currentThread())
        setLifeLocked(Life::Live);
}

/// It was made in vain: lets go of the references that its connections hold.
void Dispatcher::detach()
{
    m_thread.store(nullptr, std::memory_order_release);
    for (const QMetaObject::Connection &connection : { m_started, m_finished, m_destroyed })
        QObject::disconnect(connection);
}

Dispatcher::~Dispatcher()
{
    delete m_receiver;
}

Dispatcher::Life Dispatcher::life()
{
    const std::lock_guard lock(m_mutex);
    return lifeLocked();
}

Dispatcher::Life Dispatcher::lifeLocked()
{
    if (!m_finished)
        return lookAtThreadLocked();
    // A thread that was told to start is a home at once, before it gets to say so. While it is
    // destroyed its last signal waits for the lock, if the program has not cut that connection.
    const QThread *const thread = m_alive.data();
    if (m_life != Life::Live && thread && !m_isGone && thread->isRunning())
        setLifeLocked(Life::Live);
    return isDeafLocked() ? Life::Fresh : m_life;
}

/// It was started before it was known here, has not been here since, and no call reaches it while
/// there is no QCoreApplication: as if it were not started.
bool Dispatcher::isDeafLocked() const
{
    return m_isLate && !m_owner && m_life == Life::Live && !QCoreApplication::instance();
}

void Dispatcher::forgetThread()
{
    // A new one: the old one counts the wait of a thread that is gone for ever.
    new (&m_wake) std::condition_variable;
    m_sleepers = 0;
    m_isGone = true;
    setLifeLocked(Life::Ended);
    m_warned.store(true, std::memory_order_relaxed); // a program that forks knows
}

/// For a thread whose connections are cut, so that its end is not told: it is asked.
Dispatcher::Life Dispatcher::lookAtThreadLocked()
{
    const QThread *thread = m_alive.data();
    if (!thread || m_isGone || thread->isFinished()) // GCOVR_EXCL_BR_LINE: race
        setLifeLocked(Life::Ended);
    else if (thread->isRunning()) // GCOVR_EXCL_LINE: race
        setLifeLocked(Life::Live); // GCOVR_EXCL_LINE: race
    return m_life;
}

void Dispatcher::setLifeLocked(Life life)
{
    m_life = life;
    // Relaxed: only the thread itself acts on it, which alone makes it end.
    m_isLive.store(life == Life::Live, std::memory_order_relaxed);
}

void Dispatcher::threadStarted()
{
    takeOver(this);
    enterIfKnown();
    {
        const std::lock_guard lock(m_mutex);
        setLifeLocked(Life::Live);
    }
    flush(); // what the last end of the thread may have left
}

void Dispatcher::atEnd(std::function<void()> function)
{
    const std::lock_guard lock(m_mutex);
    m_atEnd.push_back(std::move(function));
}

/// Qt lets the main thread finish when the program exits, which then destroys static objects in it,
/// processes among them: it is their home to the end. Older Qt does so after them.
static bool isExitOfMainThread()
{
#if QT_VERSION >= QT_VERSION_CHECK(6, 8, 0)
    return QThread::isMainThread();
#else
    return false;
#endif
}

void Dispatcher::threadFinished()
{
    if (isExitOfMainThread()) // GCOVR_EXCL_BR_LINE: rare
        return; // GCOVR_EXCL_LINE: rare
    takeOver(this);
    const DispatcherRef self(this);
    const bool isLastVisit = visitAtTheEnd();
    if (!isLastVisit)
        enterIfKnown(); // what runs in the thread from here on is known to run there
    std::vector<std::function<void()>> atEnd;
    {
        const std::lock_guard lock(m_mutex);
        atEnd.swap(m_atEnd);
    }
    for (const std::function<void()> &function : atEnd)
        function();
    while (true) {
        drain();
        const std::lock_guard lock(m_mutex);
        // Nothing is left that a wait elsewhere could run; a step that comes from here on is
        // delivered as one whose home has ended, which wakes the waits.
        // GCOVR_EXCL_BR_START: race
        if (m_incoming.empty() && m_toDelete.empty() && m_toDeleteSilently.empty()) {
            // GCOVR_EXCL_BR_STOP
            setLifeLocked(Life::Ended);
            break; // GCOVR_EXCL_LINE: race
        }
    }
    if (isLastVisit) {
        currentDispatcher = nullptr;
        departedFrom = m_number;
        leave();
    }
}

/// A thread that Qt adopted has no event dispatcher, unless it ran a loop, and emits finished()
/// when its thread_local objects are gone: one that came to be now would never be destroyed. So it
/// is entered without any, and left again by threadFinished(). False: it is not such a thread, or
/// was here before.
bool Dispatcher::visitAtTheEnd()
{
    const QThread *const thread = m_thread.load(std::memory_order_relaxed);
    if (currentDispatcher == this || departedFrom != 0 || thread->eventDispatcher()
        || known(thread).get() != this) {
        return false;
    }
    {
        const std::lock_guard lock(m_mutex);
        m_owner = markOfThisThread();
    }
    currentDispatcher = this; // the caller holds a reference
    ThreadReport::forgo();
    return true;
}

void Dispatcher::threadDestroyed()
{
    takeOver(this);
    const DispatcherRef self(this);
    {
        Registry &all = registry();
        const std::lock_guard lock(all.mutex);
        // Release: see isFor().
        const auto found =
                all.dispatchers.find(m_thread.exchange(nullptr, std::memory_order_release));
        // GCOVR_EXCL_BR_START: race
        if (found != all.dispatchers.end() && found->second.get() == this)
            // GCOVR_EXCL_BR_STOP
            all.dispatchers.erase(found);
    }
    if (currentDispatcher == this) // GCOVR_EXCL_BR_LINE: rare
        currentDispatcher = nullptr; // GCOVR_EXCL_LINE: rare

    std::deque<DueStep> left;
    std::vector<QObject *> objects;
    WakeUpReceiver *receiver = nullptr;
    {
        const std::lock_guard lock(m_mutex);
        setLifeLocked(Life::Ended);
        left.swap(m_incoming);
        objects.swap(m_toDelete);
        for (std::vector<QObject *> *others : { &m_toDeleteSilently, &m_toDeleteHere }) {
            objects.insert(objects.end(), others->begin(), others->end());
            others->clear();
        }
        receiver = std::exchange(m_receiver, nullptr);
    }
    delete receiver;
    // A thread that was never started has steps left: on to where they can run.
    for (const DueStep &due : left) {
        if (due.node->claim(due.step))
            deliver(*due.node, due.step);
    }
    qDeleteAll(objects);
}

void Dispatcher::runHere(DueStep *begin, DueStep *end)
{
    const DispatcherRef here = current();
    {
        const std::lock_guard lock(here->m_mutex);
        for (DueStep *due = begin; due != end; ++due)
            here->m_incoming.push_back(std::move(*due));
        here->m_hasIncoming.store(true, std::memory_order_relaxed);
    }
    here->flush();
}

/// ~QCoreApplication throws away what is queued in its thread. The next one finds it again, and
/// reaches the threads that were not called without it.
static void applicationStarted()
{
    if (Dispatcher *dispatcher = Dispatcher::currentIfAny()) {
        dispatcher->listen();
        dispatcher->postWakeUpAgain();
    }
    Dispatcher::flushAll();
}
Q_COREAPP_STARTUP_FUNCTION(applicationStarted)

} // namespace GoProcess::Private
