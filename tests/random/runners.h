// SPDX-License-Identifier: MIT
// What both ways to run a program of the model's tests share.

#ifndef GOPROCESS_TESTS_RANDOM_RUNNERS_H
#define GOPROCESS_TESTS_RANDOM_RUNNERS_H

#include "operations.h"

#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QFuture>
#include <QPromise>
#include <QString>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>

namespace RandomPrograms {

/// How many warnings there were in the category of the library, counted by tst_randomprograms.cpp.
extern std::atomic<int> warnings;
/// Those that are no refusals: of threads that do not run their steps, and of waits that take long.
extern std::atomic<int> remarks;
/// What the message handler closes when it is warned of a wait of its thread.
extern thread_local GoProcess::Process *closedByHandler;
/// False for most calls: it takes 5 s until the library warns of a wait.
bool mayWaitLong();

/// Threads that programs use one after another.
struct Threads
{
    /// Waits, so that the thread of the test runs no steps. Nothing that takes long runs there.
    TestSupport::EventLoopThread helper;
    TestSupport::EventLoopThread first; ///< A home.
    TestSupport::EventLoopThread second;
};
extern std::unique_ptr<Threads> threads;

/// How long something may take that has to happen. Longer than any machine needs, but once a
/// program has failed so do many that are tried to shrink it.
inline std::atomic<std::chrono::milliseconds> patience { std::chrono::seconds(20) };

/// Collects what went wrong, from all threads; the first of it is what counts.
class Verdict
{
public:
    bool check(bool condition, const QString &what)
    {
        if (!condition) {
            const std::lock_guard lock(m_mutex);
            if (m_failure.isEmpty())
                m_failure = what;
        }
        return condition;
    }
    QString failure() const
    {
        const std::lock_guard lock(m_mutex);
        return m_failure;
    }
    bool hasFailed() const { return !failure().isEmpty(); }

private:
    mutable std::mutex m_mutex;
    QString m_failure;
};

inline bool fails(Outcome outcome)
{
    return outcome == Outcome::Fails || outcome == Outcome::Throws;
}

/// What a teardown or a work returns that ends at once.
inline GoProcess::Error conclude(Outcome outcome)
{
    if (outcome == Outcome::Throws)
        throw std::runtime_error("thrown");
    return outcome == Outcome::Fails ? GoProcess::Error(QStringLiteral("failed"))
                                     : GoProcess::Error();
}

/// A future that a teardown returns, finished once from any thread.
class OpenFuture
{
public:
    OpenFuture() { m_promise.start(); }
    QFuture<GoProcess::Error> future() const { return m_promise.future(); }
    void finish(Outcome outcome)
    {
        if (m_finished.exchange(true))
            return;
        switch (outcome) {
        case Outcome::Fails:
            m_promise.addResult(GoProcess::Error(QStringLiteral("failed")));
            break;
        case Outcome::Throws:
            m_promise.setException(std::make_exception_ptr(std::runtime_error("thrown")));
            break;
        case Outcome::None:
            m_promise.future().cancel();
            break;
        default:
            m_promise.addResult(GoProcess::Error());
            break;
        }
        m_promise.finish();
    }

private:
    QPromise<GoProcess::Error> m_promise;
    std::atomic<bool> m_finished = false;
};

/// Runs \a program in one thread and compares each step with the rules; empty if all was right.
QString runInOneThread(const Program &program);

/// Runs \a program in up to four threads at once, and checks what holds in every interleaving.
QString runInThreads(const Program &program);

} // namespace RandomPrograms

#endif
