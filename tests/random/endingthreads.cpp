// SPDX-License-Identifier: MIT
// Threads that end while processes are at home in them, and others that come to be at the same
// addresses.
//
// Nothing here is built for speed: clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "endingthreads.h"

#include "intruder.h"
#include "support/readyfuture.h"

#include <algorithm>
#include <new>
#include <thread>
#include <utility>

#ifdef __SANITIZE_ADDRESS__
#  include <sanitizer/asan_interface.h>
#endif

using GoProcess::Error;
using GoProcess::Hold;
using GoProcess::Process;

namespace RandomPrograms {

namespace {

/// A thread that looks at a QThread that is gone shall not find it as it was.
template<class Memory>
void wipe(Memory &memory)
{
    memory.fill(std::byte(0xDD));
#ifdef __SANITIZE_ADDRESS__
    ASAN_POISON_MEMORY_REGION(memory.data(), memory.size());
#endif
}

template<class Memory>
void unwipe([[maybe_unused]] Memory &memory)
{
#ifdef __SANITIZE_ADDRESS__
    ASAN_UNPOISON_MEMORY_REGION(memory.data(), memory.size());
#endif
}

/// Uses the library when the thread has all but ended, and its QThread may be gone.
template<class Tally>
struct Last
{
    Last() = default;
    Q_DISABLE_COPY_MOVE(Last)
    ~Last()
    {
        hold.release();
        bool isTornDown = false;
        {
            Process process([&isTornDown] { isTornDown = true; });
        }
        if (!isTornDown)
            ++tally->unfinished;
        --tally->threads;
    }

    Hold hold;
    std::shared_ptr<Tally> tally;
};

} // namespace

class EndingThreads::Thread final : public QThread
{
public:
    Thread(Hold hold, bool isLibraryFirst, std::shared_ptr<Tally> tally)
        : m_hold(std::move(hold)), m_isLibraryFirst(isLibraryFirst), m_tally(std::move(tally))
    {
        ++m_tally->threads;
    }
    Q_DISABLE_COPY_MOVE(Thread)
    ~Thread() override
    {
        if (!m_hasRun)
            --m_tally->threads;
    }

    int workers = 0;
    std::atomic<int> workersDone = 0;

protected:
    void run() override
    {
        // A thread that uses the library for the first time when it has all but ended could not
        // know whether its QThread still is. The object goes before what the library has there, or
        // after that.
        if (m_isLibraryFirst)
            Process();
        static thread_local Last<Tally> last;
        last.hold = std::move(m_hold);
        last.tally = std::move(m_tally);
        m_hasRun = true;
        Process();
        exec();
    }
    // Virtual functions that the library calls without wanting to.
    void connectNotify(const QMetaMethod & /*signal*/) override { Intruder::call(); }

private:
    Hold m_hold;
    const bool m_isLibraryFirst;
    std::shared_ptr<Tally> m_tally;
    /// Orders what run() took before the end of the object: what wait() does about that no
    /// sanitizer sees.
    std::atomic<bool> m_hasRun = false;
};

// --- Their use -----------------------------------------------------------------------------------

EndingThreads::~EndingThreads()
{
    for (Place &place : m_places)
        unwipe(place.memory);
}

EndingThreads::Use::~Use()
{
    if (!m_owner)
        return;
    const std::lock_guard lock(m_owner->m_mutex);
    --m_owner->m_places[std::size_t(m_place)].users;
}

QThread *EndingThreads::Use::thread() const
{
    return m_owner ? m_owner->m_places[std::size_t(m_place)].thread : nullptr;
}

EndingThreads::Use EndingThreads::use(int place)
{
    const std::lock_guard lock(m_mutex);
    Place &self = m_places[std::size_t(place)];
    if (self.state != State::Alive && self.state != State::Ending)
        return {};
    ++self.users;
    return { *this, place };
}

void EndingThreads::make(int place, EndingThreadPlan plan)
{
    static_assert(sizeof(Thread) <= sizeof(Place::memory));
    Place &self = m_places[std::size_t(place)];
    {
        const std::lock_guard lock(m_mutex);
        if (m_isEnding || self.state != State::Free)
            return;
        self.state = State::Busy;
    }
    unwipe(self.memory);
    auto *const thread =
            new (self.memory.data()) Thread(std::move(plan.hold), plan.isLibraryFirst, m_tally);
    if (plan.isStarted) {
        if (!plan.isDisconnected)
            addWorkers(*thread, plan.workers);
        thread->start();
    }
    const std::lock_guard lock(m_mutex);
    self.thread = thread;
    self.isDisconnected = plan.isDisconnected;
    self.wasDisconnected = false;
    self.state = State::Alive;
    if (m_isEnding)
        endLocked(place);
}

/// R37: a wait runs the steps whose home is the waiting thread, also when that thread is about to
/// end.
void EndingThreads::addWorkers(Thread &thread, int count)
{
    thread.workers = count;
    for (int i = 0; i < count; ++i) {
        auto *const worker = new Process;
        auto future = std::make_shared<OpenFuture>();
        const auto tearDown = [this, &thread, future, isFuture = i % 2 == 1]() -> QFuture<Error> {
            m_verdict.check(
                    QThread::currentThread() == &thread,
                    QStringLiteral("A teardown ran elsewhere than in its home, which waits"));
            ++thread.workersDone;
            return isFuture ? future->future() : TestSupport::readyFuture(Error());
        };
        worker->setTeardown(tearDown, [future] { future->finish(Outcome::Succeeds); });
        worker->moveToThread(&thread);
        QObject::connect(&thread, &QThread::finished, worker, &QObject::deleteLater);
    }
}

void EndingThreads::end(int place)
{
    const std::lock_guard lock(m_mutex);
    endLocked(place);
}

void EndingThreads::endLocked(int place)
{
    Place &self = m_places[std::size_t(place)];
    if (self.state == State::Alive)
        self.state = State::Ending;
}

void EndingThreads::endAll()
{
    const std::lock_guard lock(m_mutex);
    m_isEnding = true;
    for (int place = 0; place < places; ++place)
        endLocked(place);
}

void EndingThreads::setQuiet()
{
    const std::lock_guard lock(m_mutex);
    m_isQuiet = true;
}

bool EndingThreads::hasAny() const
{
    m_verdict.check(m_tally->unfinished == 0,
                    QStringLiteral("A process that a thread_local object made was not torn down"));
    const std::lock_guard lock(m_mutex);
    return m_tally->threads > 0
            || std::any_of(m_places.begin(), m_places.end(),
                           [](const Place &place) { return place.state != State::Free; });
}

// --- Their end -----------------------------------------------------------------------------------

void EndingThreads::reap(const std::atomic<bool> &isOver)
{
    while (!isOver && !m_verdict.hasFailed()) {
        for (int place = 0; place < places; ++place)
            reapOne(place);
        // What was at home in a thread that is gone, and had not run there, goes on here in waits
        // (R38).
        Process::background()->waitForClosed(QDeadlineTimer(std::chrono::microseconds(200)));
    }
}

bool EndingThreads::reapOne(int place)
{
    Place &self = m_places[std::size_t(place)];
    {
        const std::lock_guard lock(m_mutex);
        if (self.state != State::Ending)
            return false;
    }
    if (self.isDisconnected && !self.wasDisconnected) {
        self.thread->disconnect();
        self.wasDisconnected = true;
    }
    self.thread
            ->quit(); // once more each time, as it forgets one that comes before its event loop runs
    if (!self.thread->wait(QDeadlineTimer(1))) // isRunning() may be false before
        return false;
    {
        const std::lock_guard lock(m_mutex);
        if (self.users > 0 || (self.isDisconnected && !m_isQuiet))
            return false;
        self.state = State::Busy;
    }
    m_verdict.check(self.thread->workersDone == self.thread->workers,
                    QStringLiteral("A process was not torn down by deleteLater() on finished()"));
    std::exchange(self.thread, nullptr)->~Thread();
    wipe(self.memory);
    const std::lock_guard lock(m_mutex);
    self.state = State::Free;
    return true;
}

} // namespace RandomPrograms
