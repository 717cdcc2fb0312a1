// SPDX-License-Identifier: MIT
// Watches closes that do not end, and says twice what they wait for.

#include "closewatch_p.h"

#include "blockers_p.h"
#include "common/logging_p.h"
#include "common/pin_p.h"
#include "graph/graph_p.h"

#include <GoProcess/process.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <system_error>
#include <thread>

#ifdef Q_OS_UNIX
#  include <pthread.h>
#endif

namespace GoProcess {

namespace Private {

using namespace std::chrono_literals;

namespace {

/// What has ended is kept until then, so few.
constexpr std::size_t fewest = 32;
/// The second report comes this many times as late as the first: after 30 s.
constexpr int second = 6;
/// How many closes that are due at once are looked at, and how many of them are named.
constexpr std::size_t closesLookedAt = 100;
constexpr std::size_t closesNamed = 20;

} // namespace

struct CloseWatch::EndOfProgram
{
    Q_DISABLE_COPY_MOVE(EndOfProgram)
    EndOfProgram() = default;
    ~EndOfProgram() { instance().endOfProgram(); }
};

CloseWatch &CloseWatch::instance()
{
    static auto *const watch = new CloseWatch;
    // Before what the thread needs to log is gone.
    static const EndOfProgram end;
    return *watch;
}

CloseWatch::CloseWatch()
{
    keepLoaded();
    keepLogging(); // beyond the end of the program above
    Forks::add(*this);
}

/// The child has no thread that would warn. False: nothing is refused there for want of it.
bool CloseWatch::forked()
{
    m_isOver.store(true, std::memory_order_relaxed);
    m_isReporting = false;
    return false;
}

std::chrono::milliseconds CloseWatch::patience() const
{
    return std::chrono::milliseconds(m_patience.load(std::memory_order_relaxed));
}

void CloseWatch::setPatience(std::chrono::milliseconds patience)
{
    std::vector<Open> forgotten; // let go of outside of the lock
    const std::lock_guard lock(m_mutex);
    m_patience.store(patience.count(), std::memory_order_relaxed);
    if (patience == 0ms)
        forgotten.swap(m_open);
    for (Open &open : m_open)
        open.due = open.begun + (open.reports == 0 ? 1 : second) * patience;
    m_wake.notify_all();
}

void CloseWatch::add(Ref<StepTarget> node)
{
    const auto limit = patience();
    if (node->isFinished() || limit == 0ms || m_isOver.load(std::memory_order_relaxed))
        return;
    const Clock::time_point now = Clock::now();
    std::array<Ref<StepTarget>, 2> finished; // let go of outside of the lock
    const std::lock_guard lock(m_mutex);
    // For each that comes two are looked at, so that those that have ended do not pile up.
    for (Ref<StepTarget> &ended : finished) {
        if (m_open.empty())
            break;
        m_next = m_next < m_open.size() ? m_next : 0;
        Open &open = m_open[m_next];
        if (!open.node->isFinished()) {
            ++m_next;
            continue;
        }
        ended = std::move(open.node);
        if (m_next + 1 < m_open.size())
            open = std::move(m_open.back());
        m_open.pop_back();
    }
    m_open.push_back({ std::move(node), now, now + limit });
    if (!m_hasThread)
        startThread();
}

void CloseWatch::told(const StepTarget &node)
{
    if (m_isOver.load(std::memory_order_relaxed)) // GCOVR_EXCL_BR_LINE: race
        return; // GCOVR_EXCL_LINE: race
    const std::lock_guard lock(m_mutex);
    for (Open &open : m_open) {
        if (open.node.get() == &node && open.reports == 0) {
            open.reports = 1;
            open.due = open.begun + second * patience();
        }
    }
}

/// The caller holds the lock.
std::vector<CloseWatch::Open> CloseWatch::takeFinished()
{
    const auto first = std::partition(m_open.begin(), m_open.end(),
                                      [](const Open &open) { return !open.node->isFinished(); });
    std::vector<Open> finished(std::make_move_iterator(first),
                               std::make_move_iterator(m_open.end()));
    m_open.erase(first, m_open.end());
    const std::size_t enough = std::max(fewest, 2 * m_open.size());
    if (m_open.capacity() > 4 * enough) {
        std::vector<Open> fitting;
        fitting.reserve(enough);
        std::move(m_open.begin(), m_open.end(), std::back_inserter(fitting));
        m_open.swap(fitting);
    }
    return finished;
}

/// The caller holds the lock.
std::vector<CloseWatch::Open> CloseWatch::takeDue(Clock::time_point now)
{
    const auto first = std::partition(m_open.begin(), m_open.end(),
                                      [now](const Open &open) { return open.due > now; });
    std::vector<Open> due(std::make_move_iterator(first), std::make_move_iterator(m_open.end()));
    m_open.erase(first, m_open.end());
    return due;
}

/// The caller holds the lock.
void CloseWatch::startThread()
{
    try {
        std::thread([this] { run(); }).detach();
        m_hasThread = true;
    } catch (const std::system_error &) { // GCOVR_EXCL_BR_LINE: compiler
        // The next close tries again: what cannot be told now is not worth a message of its own.
    }
}

void CloseWatch::run()
{
#ifdef Q_OS_LINUX
    pthread_setname_np(pthread_self(), "GoProcess watch");
#endif
    std::vector<Open> finished; // let go of outside of the lock
    std::unique_lock<std::mutex> lock(m_mutex);
    while (true) {
        finished = takeFinished();
        if (m_open.empty() || m_isOver.load(std::memory_order_relaxed))
            break;
        std::vector<Open> due = takeDue(Clock::now());
        if (due.empty()) {
            sleep(lock);
            continue;
        }
        m_isReporting = true;
        lock.unlock();
        finished.clear();
        putOff(due);
        report(due);
        lock.lock();
        m_isReporting = false;
        m_isSilent.notify_all();
        takeBack(std::move(due), finished);
    }
    m_hasThread = false;
    lock.unlock();
}

/// Until a little after the next close is due, so that those which are due one shortly after
/// another are looked at together: what is part of another close is not told of twice.
void CloseWatch::sleep(std::unique_lock<std::mutex> &lock)
{
    const auto next = std::min_element(m_open.cbegin(), m_open.cend(),
                                       [](const Open &a, const Open &b) { return a.due < b.due; });
    // A copy: the wait lets go of the lock, and other threads add to the list meanwhile.
    const Clock::time_point until =
            next->due + std::min<std::chrono::milliseconds>(patience() / 10, 100ms);
    m_wake.wait_until(lock, until);
}

/// What has been reported twice is forgotten. The caller holds the lock.
void CloseWatch::takeBack(std::vector<Open> &&reported, std::vector<Open> &finished)
{
    const auto limit = patience();
    for (Open &open : reported) {
        if (open.isPutOff && open.reports == 0 && open.due > Clock::now()) {
            m_open.push_back(std::move(open));
            continue;
        }
        ++open.reports;
        open.due = open.begun + second * limit;
        (open.reports > 1 || limit == 0ms ? finished : m_open).push_back(std::move(open));
    }
}

/// A thread that is blocked in a wait for a process tells of it by itself, unless it is blocked in
/// a step, too: it gets a moment to do so.
void CloseWatch::putOff(std::vector<Open> &due) const
{
    for (Open &open : due) {
        if (open.reports == 0 && !open.isPutOff && Graph::hasWaiters(*open.node)) {
            open.isPutOff = true;
            open.due = Clock::now() + std::max<std::chrono::milliseconds>(patience() / 10, 1ms);
        }
    }
}

/// Warns of each close that is not part of another one which is due as well.
void CloseWatch::report(const std::vector<Open> &due)
{
    struct Found
    {
        const Open &open;
        Blockers blockers;
    };
    std::vector<Found> all;
    std::size_t more = 0;
    const Clock::time_point now = Clock::now();
    for (const Open &open : due) {
        if (open.due > now || open.node->isFinished())
            continue;
        if (all.size() < closesLookedAt)
            all.push_back({ open, Blockers(*open.node, open.begun) });
        else
            ++more;
    }

    std::size_t count = 0;
    for (const Found &found : all) {
        const auto includes = [&](const Found &other) {
            return &other != &found && other.blockers.hasFound(*found.open.node);
        };
        if (found.open.node->isFinished() || std::any_of(all.cbegin(), all.cend(), includes))
            continue;
        if (++count > closesNamed) {
            ++more;
            continue;
        }
        const std::chrono::duration<double> elapsed = Clock::now() - found.open.begun;
        warn(QStringLiteral("Process \"%1\" has been closing for %2 s. %3 blocker(s):%4")
                     .arg(found.open.node->path(), QString::number(elapsed.count(), 'f', 1),
                          QString::number(found.blockers.count()), found.blockers.toString()));
    }
    if (more > 0) {
        warn(QStringLiteral("%1 more closes have not ended in time either").arg(more));
    }
}

/// What is being logged gets a moment to end: then the logging itself goes.
void CloseWatch::endOfProgram()
{
    std::unique_lock<std::mutex> lock(m_mutex);
    m_isOver.store(true, std::memory_order_relaxed);
    m_wake.notify_all();
    m_isSilent.wait_for(lock, 1s, [this] { return !m_isReporting; });
}

} // namespace Private

void setCloseWarning(std::chrono::milliseconds patience)
{
    Private::CloseWatch::instance().setPatience(std::max(patience, std::chrono::milliseconds(0)));
}

std::chrono::milliseconds closeWarning()
{
    return Private::CloseWatch::instance().patience();
}

} // namespace GoProcess
