// SPDX-License-Identifier: MIT
// What the tests of several groups of rules use.

#ifndef GOPROCESS_TESTS_CONFORMANCE_RULESUPPORT_H
#define GOPROCESS_TESTS_CONFORMANCE_RULESUPPORT_H

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QDeadlineTimer>
#include <QEvent>
#include <QObject>
#include <QPromise>
#include <QThread>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace TestSupport {

/// Lets threads start on something at the same moment.
class StartLine
{
public:
    explicit StartLine(int runners) : m_missing(runners) { }
    void arrive()
    {
        --m_missing;
        while (m_missing > 0)
            std::this_thread::yield();
    }

private:
    std::atomic<int> m_missing;
};

/// A deadline that has passed.
inline QDeadlineTimer now()
{
    return QDeadlineTimer(0);
}

/// A promise that has started, to be shared with a teardown.
template<class T>
std::shared_ptr<QPromise<T>> startedPromise()
{
    auto promise = std::make_shared<QPromise<T>>();
    promise->start();
    return promise;
}

/// What a process with many short-lived children may grow by for all of them together: far less
/// than one pointer for each.
constexpr qint64 flat = 65'536;

/// A capture that calls \a function when the last copy of it is destroyed.
inline std::shared_ptr<void> atDestruction(std::function<void()> function)
{
    return { nullptr, [call = std::move(function)](void *) { call(); } };
}

/// In which threads the steps of processes ran.
class StepThreads
{
public:
    void note()
    {
        const std::lock_guard lock(m_mutex);
        m_threads.push_back(QThread::currentThread());
    }
    /// Notes closing(), the teardown and closed() of \a process.
    void watch(GoProcess::Process &process)
    {
        QObject::connect(
                &process, &GoProcess::Process::closing, &process, [this] { note(); },
                Qt::DirectConnection);
        QObject::connect(
                &process, &GoProcess::Process::closed, &process, [this] { note(); },
                Qt::DirectConnection);
        process.setTeardown([this] { note(); });
    }
    std::vector<QThread *> threads() const
    {
        const std::lock_guard lock(m_mutex);
        return m_threads;
    }
    bool isEmpty() const { return threads().empty(); }
    /// True if there were \a count steps, all in \a thread.
    bool are(std::size_t count, const QThread *thread) const
    {
        const std::vector<QThread *> all = threads();
        return all.size() == count && std::all_of(all.begin(), all.end(), [thread](QThread *other) {
                   return other == thread;
               });
    }
    /// True if there were \a count steps, none of them in \a thread.
    bool areNot(std::size_t count, const QThread *thread) const
    {
        const std::vector<QThread *> all = threads();
        return all.size() == count
                && std::none_of(all.begin(), all.end(),
                                [thread](QThread *other) { return other == thread; });
    }

private:
    mutable std::mutex m_mutex;
    std::vector<QThread *> m_threads;
};

/// An object in an event loop that counts what is delivered to it.
class Bystander : public QObject
{
public:
    int timers = 0;
    int posted = 0;
    int calls = 0;

    int all() const { return timers + posted + calls; }

    /// Leaves one thing of each kind to be delivered.
    void expectAll()
    {
        startTimer(0);
        QCoreApplication::postEvent(this, new QEvent(QEvent::User));
        QMetaObject::invokeMethod(
                this, [this] { ++calls; }, Qt::QueuedConnection);
    }

    bool event(QEvent *event) override
    {
        if (event->type() == QEvent::Timer)
            ++timers;
        else if (event->type() == QEvent::User)
            ++posted;
        return QObject::event(event);
    }
};

} // namespace TestSupport

#endif
