// SPDX-License-Identifier: MIT
// What each thread runs on behalf of processes, to be read from other threads.

#include "threadreport_p.h"

#include "common/mutex_p.h"

#include <QFile>
#include <QThread>

#include <deque>
#include <mutex>
#include <new>

#ifdef Q_OS_LINUX
#  include <ctime>
#  include <sys/syscall.h>
#  include <unistd.h>
#endif

namespace GoProcess::Private {

/// Never destroyed: threads may run works until the program is gone.
struct ThreadReport::All
{
    Mutex mutex;
    std::deque<ThreadReport> reports;
};

ThreadReport::All &ThreadReport::all()
{
    static auto *const reports = new All;
    return *reports;
}

// Without destructors, so that both work at any moment of a thread's end.
static thread_local ThreadReport *own = nullptr;
static thread_local bool hasEnded = false;

struct ThreadReport::EndOfThread
{
    Q_DISABLE_COPY_MOVE(EndOfThread)
    EndOfThread() = default;
    ~EndOfThread()
    {
        hasEnded = true;
        const std::lock_guard lock(all().mutex);
        own->m_thread = nullptr;
        own->m_isTaken = false;
        own = nullptr;
    }
};

ThreadReport *ThreadReport::current() noexcept
{
    return own || hasEnded ? own : take();
}

void ThreadReport::forgo() noexcept
{
    hasEnded = true;
}

ThreadReport *ThreadReport::take()
try {
    const QThread *const thread = QThread::currentThread();
    {
        const std::lock_guard lock(all().mutex);
        for (ThreadReport &report : all().reports) {
            if (!report.m_isTaken) {
                own = &report;
                break;
            }
        }
        if (!own)
            own = &all().reports.emplace_back();
        own->m_isTaken = true;
        own->m_thread = thread;
#ifdef Q_OS_LINUX
        own->m_threadId = syscall(SYS_gettid);
#endif
    }
    static thread_local const EndOfThread end;
    return own;
} catch (const std::bad_alloc &) { // GCOVR_EXCL_LINE: system
    // Other threads read nothing of this one.
    return nullptr; // GCOVR_EXCL_LINE: system
}

static ThreadReport::Clock::rep coarseNow() noexcept
{
#ifdef Q_OS_LINUX
    // The same clock, up to 4 ms late, and three times as fast.
    timespec now {};
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return std::chrono::duration_cast<ThreadReport::Clock::duration>(
                   std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec))
            .count();
#else
    return ThreadReport::Clock::now().time_since_epoch().count();
#endif
}

void ThreadReport::begin(const Node &node, StepScope::Kind kind) noexcept
{
    if (m_depth < m_entries.size()) {
        Entry &entry = m_entries[m_depth];
        entry.kind.store(kind, std::memory_order_relaxed);
        entry.since.store(coarseNow(), std::memory_order_relaxed);
        entry.node.store(&node, std::memory_order_release);
    }
    ++m_depth;
}

void ThreadReport::end() noexcept
{
    if (--m_depth < m_entries.size())
        m_entries[m_depth].node.store(nullptr, std::memory_order_relaxed);
}

std::vector<ThreadReport::Running> ThreadReport::running(const Node &node)
{
    std::vector<Running> found;
    const std::lock_guard lock(all().mutex);
    for (const ThreadReport &report : all().reports) {
        for (const Entry &entry : report.m_entries) {
            if (entry.node.load(std::memory_order_acquire) == &node) {
                found.push_back({ entry.kind.load(std::memory_order_relaxed),
                                  Clock::time_point(Clock::duration( // GCOVR_EXCL_LINE: compiler
                                          entry.since.load(std::memory_order_relaxed))),
                                  report.m_threadId });
            }
        }
    }
    return found;
}

qint64 ThreadReport::idOf(const QThread *thread)
{
    const std::lock_guard lock(all().mutex);
    for (const ThreadReport &report : all().reports) { // GCOVR_EXCL_BR_LINE: race
        if (thread && report.m_thread == thread) // GCOVR_EXCL_BR_LINE: race
            return report.m_threadId;
    }
    return 0; // GCOVR_EXCL_LINE: race
}

QString ThreadReport::nameOf(qint64 threadId)
{
    QFile file(QStringLiteral("/proc/self/task/%1/comm").arg(threadId));
    if (threadId == 0 || !file.open(QIODevice::ReadOnly)) // GCOVR_EXCL_BR_LINE: system
        return {}; // GCOVR_EXCL_LINE: system
    return QString::fromLocal8Bit(file.readAll()).trimmed();
}

} // namespace GoProcess::Private
