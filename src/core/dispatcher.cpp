// SPDX-License-Identifier: MIT
// The dispatcher: brings steps to the thread that is their home and runs them there.

#include "dispatcher_p.h"

#include "closewatch_p.h"
#include "focus_p.h"
#include "fork_p.h"
#include "frame_p.h"
#include "logging_p.h"
#include "mutex_p.h"
#include "pin_p.h"
#include "threadreport_p.h"
#include "thrown_p.h"
#include "tsan_p.h"
#include "workpool_p.h"

#include <QAbstractEventDispatcher>
#include <QCoreApplication>
#include <QMetaMethod>
#include <QStringList>
#include <QThread>

#include <algorithm>
#include <iterator>
#include <unordered_map>

namespace GoProcess::Private {

namespace {

/// The dispatchers by thread. Never destroyed, as processes may be closed in static destruction.
struct Registry final : public ForkPart
{
    Registry() { Forks::add(*this); }
    bool tryLock() override;
    void unlock() override { unlockFirst(dispatchers.size()); }
    bool forked() override;
    void unlockFirst(std::size_t count);

    Mutex mutex;
    std::unordered_map<const QThread *, DispatcherRef> dispatchers;
};

Registry &registry()
{
    static auto *const instance = [] {
        keepLoaded();
        return new Registry;
    }();
    return *instance;
}

// Of this thread. Plain data, so that they can be asked at any moment of a thread's end, when other
// thread_local objects use the library in their destructors.
//
// The pointer needs no count of its own: ThreadsOwn holds a reference for it, and resets it when that is
// destroyed. From then on the number tells which dispatcher it was.
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

/// How many objects make it worth to wake a thread for their deletion.
constexpr std::size_t enoughToReap = 64;
/// How many wait for a thread that does not come by, where others could delete them.
constexpr std::size_t mostToReap = 4096;

// Count only; those who look at them lock what they look for.
std::atomic<std::uint64_t> irregularityCount = 0;
std::atomic<std::uint64_t> moveCount = 0;

/// Library threads, and user's threads in a work, are nobody's home.
bool isHomelessPlace()
{
    return ThreadContext::current().isLibraryThread || Frame::isInWork();
}

} // namespace

/// Collects steps by where they go. It runs under the graph's lock, so it neither wakes anybody nor
/// warns before finish().
class Delivery
{
public:
    /// \a isTail: it is the last thing that a step does, so that whoever runs it in this thread looks
    /// for more by itself.
    explicit Delivery(bool isTail = false) : m_isTail(isTail) { }

    /// Of a change, under the lock: a close may begin with it.
    void add(Resident &node, Step step, Item *next);
    void send(Resident &node, Step step, Item *next);
    void finish();

private:
    void addToPool(Resident &node, Step step, bool noHome)
    {
        m_pool.push_back({ Ref<Resident>(&node), step, true, noHome });
        node.setDueElsewhere(step);
    }
    void addStray(Resident &node, Step step, Dispatcher *home);
    void addUnknown();
    bool push(Dispatcher &dispatcher, Item item);
    void touch(Dispatcher &dispatcher);

    const bool m_isTail;
    bool m_irregular = false;
    bool m_strays = false;
    QThread *m_lastThread = nullptr;
    DispatcherRef m_last; ///< Of m_lastThread.
    Dispatcher *m_open = nullptr; ///< Whose lock is m_lock.
    std::unique_lock<Mutex> m_lock;
    QVarLengthArray<DispatcherRef, 4> m_touched; ///< Each once.
    Dispatcher *m_lastTouched = nullptr; ///< One of them.
    std::vector<Item> m_pool;
    std::vector<Ref<Resident>> m_begun; ///< Closes that begin.
    /// Moved while a step of theirs was sent to where they were.
    std::vector<Ref<Resident>> m_moved;
    /// Those of threads without a dispatcher, and those that go anywhere, from a thread without one; not due yet,
    /// which keeps the processes open.
    std::vector<Item> m_unknown;
    Warnings m_warnings;
};

void Delivery::add(Resident &node, Step step, Item *next)
{
    // Once the step is due somebody else may run it, and the rest of the close, and the object may be
    // gone: so that comes last, when it is known where the step goes.
    if (step == Step::Announce && Graph::beginsClose(node))
        m_begun.emplace_back(&node);
    send(node, step, next);
}

void Delivery::send(Resident &node, Step step, Item *next)
{
    if (node.isHomeless()) {
        if (next && !next->node) {
            *next = { Ref<Resident>(&node), step, true, true };
            node.setDueElsewhere(step);
        } else {
            addToPool(node, step, true);
        }
        return;
    }

    const std::uint16_t moves = node.moves(); // before the thread is asked for
    QThread *thread = node.thread();
    if (!thread) {
        addStray(node, step, nullptr);
        return;
    }
    Dispatcher *own = Dispatcher::currentIfAny();
    if (own && own->isFor(thread) && own->takesHere()) {
        node.setDue(step);
        own->m_batch.push_back({ Ref<Resident>(&node), step, false });
        if (!m_isTail && own != m_lastTouched)
            touch(*own);
        return;
    }
    if (thread != m_lastThread) {
        m_lock = {};
        m_lastThread = thread;
        m_last = node.m_firstHome && node.m_firstHome->isStillFor(thread)
                ? node.m_firstHome
                : Dispatcher::known(thread);
    }
    if (!m_last) {
        m_unknown.push_back({ Ref<Resident>(&node), step, false });
        return;
    }
    if (!push(*m_last, { Ref<Resident>(&node), step, false }))
        addStray(node, step, m_last.get());
    else if (Resident &due =
                     *m_last->m_incoming.back().node; // which keeps it, as the queue is locked
             due.moves() != moves || due.isLeaving(thread))
        m_moved.emplace_back(&due);
}

void Delivery::touch(Dispatcher &dispatcher)
{
    m_lastTouched = &dispatcher;
    const bool known = std::any_of(m_touched.cbegin(), m_touched.cend(),
                                   [&](const auto &other) { return other.get() == &dispatcher; });
    if (!known)
        m_touched.push_back(DispatcherRef(&dispatcher));
}

bool Delivery::push(Dispatcher &dispatcher, Item item)
{
    if (!m_lock || m_open != &dispatcher) {
        m_lock = {};
        m_open = &dispatcher;
        touch(dispatcher);
        m_lock = std::unique_lock(dispatcher.m_mutex);
    }
    const Dispatcher::Life life = dispatcher.lifeLocked();
    // The end of this thread may still run code: slots of finished(), deferred deletes, destructors of
    // thread_local objects. A wait there runs its steps, as it did before; what no wait runs goes on when the
    // thread leaves. No other thread could tell whether such a wait is to come.
    if (life == Dispatcher::Life::Ended && &dispatcher != currentDispatcher)
        return false;
    m_irregular = m_irregular || life == Dispatcher::Life::Fresh;
    item.node->setDueElsewhere(item.step); // under the lock, so that it is due when it is found
    dispatcher.m_incoming.push_back(std::move(item));
    dispatcher.m_hasIncoming.store(true, std::memory_order_relaxed);
    return true;
}

void Delivery::addStray(Resident &node, Step step, Dispatcher *home)
{
    const bool goesToPool = isHomelessPlace();
    if (!goesToPool && !Dispatcher::currentIfAny() && !Dispatcher::isInDepartedThread()) {
        m_unknown.push_back({ Ref<Resident>(&node), step, true });
        return;
    }
    if (home ? home->takeWarning() : !node.m_warned.exchange(true, std::memory_order_relaxed)) {
        m_warnings.add(
                QStringLiteral("The thread of process \"%1\" does not run its steps any more (%2): "
                               "they run in the threads that close it, complete what it waits for, "
                               "or wait for it")
                        .arg(node.path(),
                             home ? QStringLiteral("it has finished")
                                  : QStringLiteral("it has none")));
    }
    m_irregular = true;
    m_strays = true; // it will stand in the queue of a thread that may not run any for long
    m_lock = {};
    m_lastThread = nullptr;
    if (goesToPool || !push(*Dispatcher::current(), { Ref<Resident>(&node), step, true }))
        addToPool(node, step, false);
}

/// No lock is held any more, so a dispatcher can be made; the first steps that ever go to a thread take
/// this way.
void Delivery::addUnknown()
{
    const std::vector<Item> unknown = std::move(m_unknown);
    m_unknown.clear();
    for (const Item &item : unknown) {
        // It is not due yet, which keeps the object alive.
        QThread *thread = item.node->thread();
        m_lock = {};
        m_lastThread = nullptr;
        if (thread == QThread::currentThread() && Dispatcher::isInDepartedThread()) {
            addStray(*item.node, item.step, nullptr);
            continue;
        }
        if (item.anywhere || thread == QThread::currentThread())
            Dispatcher::current();
        else if (thread)
            Dispatcher::of(thread);
        send(*item.node, item.step, nullptr);
    }
}

void Delivery::finish()
{
    while (!m_unknown.empty())
        addUnknown();
    m_lock = {};
    for (const DispatcherRef &dispatcher : m_touched)
        dispatcher->flush();
    if (!m_pool.empty())
        WorkPool::instance().submit(std::move(m_pool));
    for (const Ref<Resident> &node : m_moved)
        deliverAfterMove(*node);
    // Not before they are due: who looks for them meanwhile would not look again.
    if (m_strays || !m_moved.empty())
        Dispatcher::addMove();
    if (m_irregular || !m_moved.empty())
        Dispatcher::addIrregularity();
    for (Ref<Resident> &node : m_begun)
        CloseWatch::instance().add(std::move(node));
    m_warnings.give();
}

static void deliver(Change &&change, Item *next, bool isTail)
{
    do {
        if (change.isEmpty()) {
            change.unlock();
            continue;
        }
        Delivery delivery(isTail);
        while (!change.isEmpty()) {
            const Change::Due due = change.take();
            delivery.add(static_cast<Resident &>(*due.node), due.step, next);
        }
        change.unlock();
        delivery.finish();
    } while (change.more());
}

void deliver(Change &&change)
{
    deliver(std::move(change), nullptr, false);
}

void deliverAtEndOfStep(Change &&change, Item *next)
{
    deliver(std::move(change), next, true);
}

void deliver(Resident &node, Step step, Item *next)
{
    if (step == Step::Work) {
        Item item { Ref<Resident>(&node), step, true };
        node.setDue(step);
        WorkPool::instance().submit(std::move(item));
        return;
    }
    Delivery delivery;
    delivery.send(node, step, next);
    delivery.finish();
}

void deliverAfterMove(Resident &node)
{
    WorkPool::instance().submit({ Ref<Resident>(&node), Step::Rehome, true });
}

void runItem(Item item)
{
    while (item.node && item.node->claim(item.step)) {
        if (item.noHome && !item.node->isHomeless()) {
            // It was moved by hand meanwhile, which has given it a home (R36).
            item.node->setDueElsewhere(item.step);
            deliverAfterMove(*item.node);
            return;
        }
        Item next;
        try {
            if (!item.node->runUnheard(item.step, &next))
                item.node->run(item.step, &next);
        } catch (...) {
            logUncaught(item.node->path());
        }
        item = std::move(next);
    }
}

// --- Dispatchers and threads ---------------------------------------------------------------------

/// The reference that a thread holds of its dispatcher. The QThread may be destroyed by others while the
/// thread still destroys its thread_local objects: QThread::wait() returns before that.
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

static DispatcherRef adopt(Dispatcher *dispatcher)
{
    DispatcherRef reference(dispatcher);
    dispatcher->deref(); // that of its creation
    return reference;
}

DispatcherRef Dispatcher::makeCurrent()
{
    if (departedFrom != 0)
        return ofDepartedThread();
    QThread *thread = QThread::currentThread();
    DispatcherRef dispatcher = thread ? of(thread) : adopt(new Dispatcher(nullptr));
    dispatcher->enter();
    return dispatcher;
}

/// The same again if the QThread still is, as that of the main thread does; it may be at the same
/// address as another one that is.
DispatcherRef Dispatcher::ofDepartedThread()
{
    {
        Registry &all = registry();
        const std::lock_guard lock(all.mutex);
        const auto found = all.dispatchers.find(QThread::currentThread());
        if (found != all.dispatchers.end() && found->second->m_number == departedFrom) {
            const std::lock_guard inner(found->second->m_mutex);
            // Not if the QThread was started again meanwhile.
            if (found->second->m_owner == markOfThisThread())
                return found->second;
        }
    }
    return adopt(new Dispatcher(nullptr));
}

void Dispatcher::enter()
{
    if (currentDispatcher == this || departedFrom != 0)
        return;
    {
        const std::lock_guard lock(m_mutex);
        m_owner = markOfThisThread();
        if (!m_thread.load(std::memory_order_relaxed))
            setLifeLocked(
                    Life::Ended); // its QThread is gone: it takes steps from this thread alone
    }
    ThreadsOwn::set(DispatcherRef(this));
    ThreadReport::current(); // whoever looks for a home that does not run steps finds its number
    listen();
}

/// Hears of each turn of the event loop of this thread.
void Dispatcher::listen()
{
    const QThread *const thread = m_thread.load(std::memory_order_relaxed);
    QAbstractEventDispatcher *const loop = thread ? thread->eventDispatcher() : nullptr;
    if (!loop)
        return;
    const QCoreApplication *const application = QCoreApplication::instance();
    const bool goesWithApplication = application && application->thread() == thread;
    const DispatcherRef self(this);
    const auto turn = [self, loop, goesWithApplication] {
        if (QCoreApplication::instance())
            self->seeToTheBell(*loop);
        else if (!goesWithApplication)
            self->runWithoutApplication();
    };
    QObject::connect(loop, &QAbstractEventDispatcher::awake, loop, turn);
    QObject::connect(loop, &QAbstractEventDispatcher::aboutToBlock, loop, turn);
}

/// An event loop delivers nothing once QCoreApplication is gone, and still wakes up for what is posted (R45).
void Dispatcher::runWithoutApplication()
{
    drain();
    ringAgain(); // the call of before is lost
}

/// An event loop inside of an event, with GLib, does not look at what was posted before it began and stands behind
/// that event, and goes to sleep with it (R40). If the call is there it looks, as if something new was posted. The
/// limit is for a call that an event filter has eaten.
void Dispatcher::seeToTheBell(QAbstractEventDispatcher &loop)
{
    constexpr int most = 16;
    {
        const std::lock_guard lock(m_mutex);
        if (!m_rung || m_looks == most)
            return;
        ++m_looks;
    }
    loop.wakeUp();
}

/// The same, unless this was made in vain, or is about to be.
void Dispatcher::enterIfKnown()
{
    if (known(m_thread.load(std::memory_order_relaxed)).get() == this)
        enter();
}

void Dispatcher::leave()
{
    std::deque<Item> left;
    {
        const std::lock_guard lock(m_mutex);
        // Where the QThread has not said that it ended, it does so later (an adopted thread), or it is
        // the main one; and if it was started again the steps are for the thread that it is now.
        // Who waited for the thread may be destroying the QThread by now: it is not asked.
        const Life life = m_finished ? m_life : lookAtThreadLocked();
        if (m_owner != markOfThisThread() || life != Life::Ended)
            return;
        left.swap(m_incoming);
        m_hasIncoming.store(false, std::memory_order_relaxed);
        left.insert(left.begin(), std::make_move_iterator(m_batch.begin()),
                    std::make_move_iterator(m_batch.end()));
        m_batch.clear();
    }
    for (const Item &item : left) {
        if (item.node->claim(item.step))
            deliver(*item.node, item.step);
    }
}

void Dispatcher::reapHere()
{
    if (currentDispatcher)
        currentDispatcher->reap();
}

DispatcherRef Dispatcher::of(QThread *thread)
{
    if (DispatcherRef dispatcher = known(thread))
        return dispatcher;

    // Made outside of the lock, see the declaration; if another thread is faster, in vain.
    DispatcherRef fresh = adopt(new Dispatcher(thread));
    fresh->attach();
    DispatcherRef stale;
    DispatcherRef first;
    {
        Registry &all = registry();
        const std::lock_guard lock(all.mutex);
        DispatcherRef &place = all.dispatchers[thread];
        if (place && place->isStillFor(thread))
            first = place;
        else
            stale = std::exchange(place, fresh);
    }
    if (stale)
        stale->threadDestroyed(); // which it was, and nobody told
    if (!first)
        return fresh;
    fresh->detach();
    return first;
}

DispatcherRef Dispatcher::known(const QThread *thread)
{
    Registry &all = registry();
    const std::lock_guard lock(all.mutex);
    const auto found = all.dispatchers.find(thread);
    return found != all.dispatchers.end() && found->second->isStillFor(thread) ? found->second
                                                                               : DispatcherRef();
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
    m_bell = makeBell();
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
    m_isGone = Forks::isChild() && thread != QThread::currentThread() && m_isLate;
    if (m_isGone)
        m_warned.store(true, std::memory_order_relaxed);
    // It may have ended between the connections, or be about to and past telling: whatever it has said
    // before, that counts.
    if (thread->isFinished() || m_isGone)
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
    delete m_bell;
}

bool Registry::tryLock()
{
    if (!tryLockShortly(mutex))
        return false;
    std::size_t locked = 0;
    for (const auto &[thread, dispatcher] : dispatchers) {
        if (!dispatcher->tryLock()) {
            unlockFirst(locked);
            return false;
        }
        ++locked;
    }
    return true;
}

/// The first \a count of them, in the order in which they were locked, and the registry.
void Registry::unlockFirst(std::size_t count)
{
    for (const auto &[thread, dispatcher] : dispatchers) {
        if (count-- == 0)
            break;
        dispatcher->unlock();
    }
    mutex.unlock();
}

bool Registry::forked()
{
    for (const auto &[thread, dispatcher] : dispatchers) {
        if (dispatcher.get() != currentDispatcher)
            dispatcher->forgetThread();
    }
    return false; // these were the program's
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
    // A thread that was told to start is a home at once, before it gets to say so. While it is destroyed its
    // last signal waits for the lock, if nobody has cut that connection.
    const QThread *const thread = m_alive.data();
    if (m_life != Life::Live && thread && !m_isGone && thread->isRunning())
        setLifeLocked(Life::Live);
    return isDeafLocked() ? Life::Fresh : m_life;
}

/// It was started before it was known here, has not been here since, and no call reaches it while there is no
/// QCoreApplication: as if it were not started.
bool Dispatcher::isDeafLocked() const
{
    return m_isLate && !m_owner && m_life == Life::Live && !QCoreApplication::instance();
}

void Dispatcher::forgetThread()
{
    // Not notified any more: the wait of a thread that is gone is in its books for ever.
    new (&m_wake) std::condition_variable;
    m_sleepers = 0;
    m_isGone = true;
    setLifeLocked(Life::Ended);
    m_warned.store(true, std::memory_order_relaxed); // whoever forks knows
}

/// Somebody has cut the connection that would tell of the end of the thread, so it is asked.
Dispatcher::Life Dispatcher::lookAtThreadLocked()
{
    const QThread *thread = m_alive.data();
    if (!thread || m_isGone || thread->isFinished())
        setLifeLocked(Life::Ended);
    else if (thread->isRunning())
        setLifeLocked(Life::Live);
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
    if (isExitOfMainThread())
        return;
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
        // Nothing is left that a wait elsewhere could run; what comes from here on is told of by itself.
        if (m_incoming.empty() && m_retired.empty() && m_silentlyRetired.empty()) {
            setLifeLocked(Life::Ended);
            break;
        }
    }
    if (isLastVisit) {
        currentDispatcher = nullptr;
        departedFrom = m_number;
        leave();
    }
}

/// A thread that Qt adopted has no event dispatcher, unless it ran a loop, and emits finished() when its
/// thread_local objects are gone: one that came to be now would never be destroyed. So it is entered
/// without any, and left again by threadFinished(). False: it is not such a thread, or was here before.
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
        if (found != all.dispatchers.end() && found->second.get() == this)
            all.dispatchers.erase(found);
    }
    if (currentDispatcher == this)
        currentDispatcher = nullptr;

    std::deque<Item> left;
    std::vector<QObject *> retired;
    Bell *bell = nullptr;
    {
        const std::lock_guard lock(m_mutex);
        setLifeLocked(Life::Ended);
        left.swap(m_incoming);
        retired.swap(m_retired);
        for (std::vector<QObject *> *others : { &m_silentlyRetired, &m_reaped }) {
            retired.insert(retired.end(), others->begin(), others->end());
            others->clear();
        }
        bell = std::exchange(m_bell, nullptr);
    }
    delete bell;
    // A thread that was never started has steps left: on to where they can run.
    for (const Item &item : left) {
        if (item.node->claim(item.step))
            deliver(*item.node, item.step);
    }
    qDeleteAll(retired);
}

void Dispatcher::runHere(Item *begin, Item *end)
{
    const DispatcherRef here = current();
    {
        const std::lock_guard lock(here->m_mutex);
        for (Item *item = begin; item != end; ++item)
            here->m_incoming.push_back(std::move(*item));
        here->m_hasIncoming.store(true, std::memory_order_relaxed);
    }
    here->flush();
}

std::uint64_t Dispatcher::irregularities()
{
    return irregularityCount.load(std::memory_order_acquire);
}

void Dispatcher::addIrregularity()
{
    irregularityCount.fetch_add(1, std::memory_order_release);
    Registry &all = registry();
    const std::lock_guard lock(all.mutex);
    for (const auto &[thread, dispatcher] : all.dispatchers) {
        const std::lock_guard inner(dispatcher->m_mutex);
        if (dispatcher->m_sleepers > 0)
            dispatcher->m_wake.notify_all();
    }
}

std::uint64_t Dispatcher::moves()
{
    return moveCount.load(std::memory_order_acquire);
}

void Dispatcher::addMove()
{
    moveCount.fetch_add(1, std::memory_order_release);
}

/// What somebody has claimed elsewhere is of no use any more. It goes to \a dropped, to be let go of outside of
/// the lock.
void Dispatcher::dropClaimedLocked(std::vector<Item> &dropped)
{
    const auto isClaimed = [](const Item &item) {
        return item.step == Step::Post ? !item.node->isPostDue() : item.node->due() != item.step;
    };
    const auto first = std::stable_partition(m_incoming.begin(), m_incoming.end(),
                                             [&](const Item &item) { return !isClaimed(item); });
    std::move(first, m_incoming.end(), std::back_inserter(dropped));
    m_incoming.erase(first, m_incoming.end());
    m_hasIncoming.store(!m_incoming.empty(), std::memory_order_relaxed);
}

std::vector<std::pair<DispatcherRef, Item>> Dispatcher::stoppedItems()
{
    std::vector<Item> dropped;
    std::vector<std::pair<DispatcherRef, Item>> found;
    Registry &all = registry();
    const std::lock_guard lock(all.mutex);
    for (const auto &[thread, dispatcher] : all.dispatchers) {
        const std::lock_guard inner(dispatcher->m_mutex);
        if (dispatcher->m_incoming.empty() || dispatcher->lifeLocked() == Life::Live)
            continue;
        dispatcher->dropClaimedLocked(dropped);
        for (const Item &item : dispatcher->m_incoming)
            found.emplace_back(dispatcher, item);
    }
    return found;
}

// --- Running steps -------------------------------------------------------------------------------

bool Dispatcher::take(Item &item)
{
    if (m_batch.empty()) {
        const std::lock_guard lock(m_mutex);
        if (m_life == Life::Ended && !m_incoming.empty()) {
            // One by one: the others stay where leave() and a thread that is started again find them.
            item = std::move(m_incoming.front());
            m_incoming.pop_front();
            m_hasIncoming.store(!m_incoming.empty(), std::memory_order_relaxed);
            return true;
        }
        m_batch.swap(m_incoming);
        m_hasIncoming.store(false, std::memory_order_relaxed);
        if (m_batch.empty())
            return false;
    }
    item = std::move(m_batch.front());
    m_batch.pop_front();
    return true;
}

bool Dispatcher::takeAny(Item &item)
{
    return (m_focus && Focus::takeAside(m_focus, item)) || take(item);
}

bool Dispatcher::isToAnnounce(const Resident &node) const
{
    const NodeLock lock(node); // while the step is due it keeps the object alive
    return node.due() == Step::Announce && !node.isHomeless() && isFor(node.thread());
}

bool Dispatcher::runOne()
{
    Item item;
    if (!take(item))
        return false;
    runItem(item);
    return true;
}

void Dispatcher::runItem(Item &item)
{
    Resident &node = *item.node;
    if (!node.claim(item.step))
        return;
    // Relaxed: whoever has moved it has delivered this step after that.
    if (!node.m_moved.load(std::memory_order_relaxed) && node.runUnheard(item.step, nullptr))
        return;
    if (!item.anywhere && !isFor(node.thread())) {
        deliver(node, item.step); // it has moved away
        return;
    }
    runClaimed(node, item.step);
}

/// Gets the lock of the event queue of this thread, and lets it go.
void Dispatcher::awaitEventQueue()
{
    {
        const std::lock_guard lock(m_mutex);
        if (!m_bell)
            return;
    }
    // Nothing was ever posted to this one: else Qt would go through all that is queued in the thread.
    QObject fresh;
    QCoreApplication::removePostedEvents(&fresh, QEvent::User);
}

void Dispatcher::runClaimed(Resident &node, Step step)
{
    // Not while it is about to leave from here: then it has not come anywhere yet.
    if (node.m_moved.load(std::memory_order_relaxed)
        && !node.isLeaving(m_thread.load(std::memory_order_relaxed))
        && node.m_moved.exchange(false, std::memory_order_acquire)) {
        // It has just come. moveToThread() holds the locks of the event queues of both threads until
        // the object has arrived: whoever gets the one of this thread finds it complete.
        awaitEventQueue();
    }
    // User code may run a nested event loop: it goes on with the rest, in a wait as well (R40).
    if (!m_batch.empty() || m_focus || m_hasIncoming.load(std::memory_order_relaxed))
        flush();
    node.run(step, nullptr);
}

/// Whatever ends a slice, what is left goes on: an exception of a slot may be caught behind the loop.
class Dispatcher::Slice
{
public:
    explicit Slice(Dispatcher &dispatcher) : m_dispatcher(dispatcher) { ++m_dispatcher.m_slices; }
    Q_DISABLE_COPY_MOVE(Slice)
    ~Slice()
    {
        --m_dispatcher.m_slices;
        {
            const std::lock_guard lock(m_dispatcher.m_mutex);
            m_dispatcher.m_calledEarly = m_dispatcher.m_rung;
        }
        m_dispatcher.flush();
    }

private:
    Dispatcher &m_dispatcher;
};

void Dispatcher::runSlice()
{
    // One step is never split, but between two of them other events get their turn (R40).
    constexpr auto longest = std::chrono::milliseconds(8);

    const DispatcherRef self(this);
    enter(); // another thread may have made it
    {
        const std::lock_guard lock(m_mutex);
        m_rung = false;
    }
    if (m_slices == 0 && std::exchange(m_calledEarly, false)) {
        flush(); // once more, behind the events that came during the last slice
        return;
    }

    const auto end = Clock::now() + longest;
    const Slice slice(*this);
    do {
        Item item;
        if (takeAny(item)) {
            runItem(item);
        } else if (QObject *object = takeRetired()) {
            flush();
            delete object;
        } else {
            break;
        }
    } while (Clock::now() < end);
}

void Dispatcher::drain()
{
    const DispatcherRef self(this);
    while (true) {
        Item item;
        while (takeAny(item)) {
            try {
                runItem(item);
            } catch (...) {
                logUncaught(item.node->path());
            }
        }
        QObject *object = takeRetired();
        if (!object)
            return;
        delete object;
    }
}

void Dispatcher::flush()
{
    const bool isOwner = isOwn();
    const std::lock_guard lock(m_mutex);
    if (m_incoming.empty() && m_retired.empty() && m_silentlyRetired.empty()
        && (!isOwner || (m_batch.empty() && m_reaped.empty() && !Focus::hasAside(m_focus))))
        return;
    if (m_sleepers > 0)
        m_wake.notify_all();
    else
        ringLocked();
}

void Dispatcher::ringLocked()
{
    QThread *thread = m_thread.load(std::memory_order_relaxed);
    if (m_rung || !thread || !m_bell || m_life == Life::Ended || isDeafLocked())
        return;
    handOver(m_bell);
    // By its meta method: this posts one event that carries nothing.
    static const QMetaMethod ring =
            Bell::staticMetaObject.method(Bell::staticMetaObject.indexOfMethod("ring()"));
    m_rung = ring.invoke(m_bell, Qt::QueuedConnection);
    m_looks = 0;
}

/// Not under a lock: the move sends an event, which passes QCoreApplication::notify().
Bell *Dispatcher::makeBell()
{
    aboutToRunUserCode();
    QThread *thread = m_thread.load(std::memory_order_relaxed);
    auto *bell = new Bell(*this);
    if (bell->thread() != thread)
        bell->moveToThread(thread);
    return bell;
}

void Dispatcher::ringAgain()
{
    Bell *old = makeBell();
    {
        const std::lock_guard lock(m_mutex);
        std::swap(old, m_bell);
        m_rung = false;
    }
    delete old; // and a call that is still on its way, so that there are not two
    flush();
}

void Dispatcher::flushAll()
{
    std::vector<DispatcherRef> dispatchers;
    {
        Registry &all = registry();
        const std::lock_guard lock(all.mutex);
        for (const auto &[thread, dispatcher] : all.dispatchers)
            dispatchers.push_back(dispatcher);
    }
    for (const DispatcherRef &dispatcher : dispatchers) {
        {
            const std::lock_guard lock(dispatcher->m_mutex);
            if (!dispatcher->m_owner)
                dispatcher->m_rung =
                        false; // the call may be lost; one too many finds nothing to do
        }
        dispatcher->flush();
    }
}

/// ~QCoreApplication throws away what is queued in its thread. The next one finds it again, and reaches the threads
/// that were not called without it.
static void applicationStarted()
{
    if (Dispatcher *dispatcher = Dispatcher::currentIfAny()) {
        dispatcher->listen();
        dispatcher->ringAgain();
    }
    Dispatcher::flushAll();
}
Q_COREAPP_STARTUP_FUNCTION(applicationStarted)

void Bell::ring()
{
    m_dispatcher->runSlice();
}

bool Bell::event(QEvent *event)
{
    takeOver(this);
    return QObject::event(event);
}

// --- Blocking waits ------------------------------------------------------------------------------

void Dispatcher::sleep(const std::atomic<bool> &reached, Clock::time_point until,
                       std::uint64_t irregularities)
{
    if (!m_batch.empty())
        return; // a step became due in this thread itself
    std::unique_lock<std::mutex> lock(m_mutex);
    ++m_sleepers;
    const auto awake = [&] {
        return reached.load(std::memory_order_relaxed) || !m_incoming.empty()
                || m_silentlyRetired.size() >= enoughToReap
                || Dispatcher::irregularities() != irregularities;
    };
    // Nobody knows this one any more who would tell it of irregularities: it looks by itself.
    if (!m_thread.load(std::memory_order_relaxed))
        until = std::min(until, Clock::now() + std::chrono::milliseconds(100));
    if (until == Clock::time_point::max())
        m_wake.wait(lock, awake);
    else
        m_wake.wait_until(lock, until, awake);
    --m_sleepers;
}

void Dispatcher::wake(std::atomic<bool> &flag)
{
    const std::lock_guard lock(m_mutex);
    flag.store(true, std::memory_order_release);
    m_wake.notify_all();
}

std::vector<Ref<Resident>> Dispatcher::openFutures() const
{
    const std::lock_guard lock(m_mutex);
    return { m_openFutures.begin(), m_openFutures.end() };
}

void Dispatcher::addOpenFuture(Resident &node)
{
    const std::lock_guard lock(m_mutex);
    m_openFutures.emplace_back(&node);
    m_futurePlaces[&node] = std::prev(m_openFutures.end());
    m_futuresSeen.store(futuresSeen() + 1, std::memory_order_relaxed);
}

void Dispatcher::removeOpenFuture(const Resident &node)
{
    Ref<Resident> removed; // let go of outside of the lock
    const std::lock_guard lock(m_mutex);
    const auto place = m_futurePlaces.find(&node);
    if (place == m_futurePlaces.end())
        return;
    removed = std::move(*place->second);
    m_openFutures.erase(place->second);
    m_futurePlaces.erase(place);
}

// --- Objects to delete ---------------------------------------------------------------------------

void Dispatcher::retire(QObject *object, Deletion deletion, const DispatcherRef &likely)
{
    QThread *thread = object->thread();
    if (thread && thread != QThread::currentThread()) {
        DispatcherRef dispatcher = likely && likely->isFor(thread) ? likely : known(thread);
        // If it was destroyed meanwhile the object tells so. Then the pointer is not looked into.
        if (!dispatcher && object->thread() == thread)
            dispatcher = of(thread);
        std::unique_lock<Mutex> lock;
        if (dispatcher)
            lock = std::unique_lock(dispatcher->m_mutex);
        if (dispatcher && dispatcher->deletesLocked(deletion)) {
            dispatcher->retireLocked(object, deletion != Deletion::RunsUserCode);
            return;
        }
    }
    aboutToRunUserCode();
    delete object;
}

/// False if the thread does not delete anything any more; and, of what others may delete, if it was not started
/// or is blocked: it may be so for ever, and what it would have to delete grow without a bound.
bool Dispatcher::deletesLocked(Deletion deletion)
{
    if (m_life == Life::Ended)
        return false;
    return deletion != Deletion::Anywhere
            || (lifeLocked() != Life::Fresh && m_silentlyRetired.size() < mostToReap);
}

void Dispatcher::retireLocked(QObject *object, bool silently)
{
    (silently ? m_silentlyRetired : m_retired).push_back(object);
    if (silently)
        m_hasSilentlyRetired.store(true, std::memory_order_relaxed);

    if (m_sleepers == 0)
        ringLocked();
    else if (m_silentlyRetired.size() == enoughToReap)
        m_wake.notify_all(); // a wait deletes no others, and not each by itself
}

static QObject *takeLast(std::vector<QObject *> &objects)
{
    QObject *object = objects.back();
    objects.pop_back();
    return object;
}

QObject *Dispatcher::takeRetired()
{
    if (!m_reaped.empty())
        return takeLast(m_reaped);
    const std::lock_guard lock(m_mutex);
    std::vector<QObject *> &retired = m_retired.empty() ? m_silentlyRetired : m_retired;
    return retired.empty() ? nullptr : takeLast(retired);
}

bool Dispatcher::reap()
{
    // More than one, so that whoever makes one each time gets rid of them; and not many, as the caller is
    // in a hurry and comes again, and new objects find the memory of the last ones at hand.
    constexpr int few = 3;

    if (m_reaped.empty()) {
        // Relaxed: what is not seen now is seen the next time.
        if (!m_hasSilentlyRetired.load(std::memory_order_relaxed))
            return false;
        const std::lock_guard lock(m_mutex);
        m_reaped.swap(m_silentlyRetired);
        m_hasSilentlyRetired.store(false, std::memory_order_relaxed);
    }
    const bool any = !m_reaped.empty();
    for (int i = 0; i < few && !m_reaped.empty(); ++i)
        delete takeLast(m_reaped);
    return any;
}

} // namespace GoProcess::Private
