// SPDX-License-Identifier: MIT
// What works cost: bursts, one after another, blocked ones.

#include "benchmark.h"

#include <GoProcess/GoProcess>

#include <QSemaphore>
#include <QThread>
#include <QThreadPool>
#include <QtConcurrentRun>

#include <atomic>
#include <condition_variable>
#include <latch>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

using GoProcess::Process;

namespace Benchmark {

namespace {

double goBurst(int count)
{
    Process root;
    return nanosecondsEach(count, [&] {
        for (int i = 0; i < count; ++i)
            root.go([] {});
        root.closeAndWait();
    });
}

double startBurst(int count)
{
    QThreadPool pool;
    return nanosecondsEach(count, [&] {
        for (int i = 0; i < count; ++i)
            pool.start([] {});
        pool.waitForDone();
    });
}

double concurrentBurst(int count)
{
    QThreadPool pool;
    return nanosecondsEach(count, [&] {
        for (int i = 0; i < count; ++i)
            static_cast<void>(QtConcurrent::run(&pool, [] {}));
        pool.waitForDone();
    });
}

double goAndWait(Process &parent, int count)
{
    return nanosecondsEach(count, [&] {
        for (int i = 0; i < count; ++i)
            parent.go([] {})->waitForClosed();
    });
}

double goAndWaitInMain(int count)
{
    Process root;
    return goAndWait(root, count);
}

double goAndWaitInWork(int count)
{
    double each = 0;
    Process root;
    root.go([&](Process &self) { each = goAndWait(self, count); })->waitForClosed();
    return each;
}

double startAndWait(int count)
{
    QThreadPool pool;
    QSemaphore done;
    return nanosecondsEach(count, [&] {
        for (int i = 0; i < count; ++i) {
            pool.start([&] { done.release(); });
            done.acquire();
        }
    });
}

/// Blocks all who come until it is opened, and tells how many have come.
class Gate
{
public:
    void pass()
    {
        std::unique_lock lock(m_mutex);
        ++m_arrived;
        m_changed.notify_all();
        m_changed.wait(lock, [&] { return m_open; });
    }
    void waitFor(int count)
    {
        std::unique_lock lock(m_mutex);
        m_changed.wait(lock, [&] { return m_arrived >= count; });
    }
    void open()
    {
        const std::lock_guard lock(m_mutex);
        m_open = true;
        m_changed.notify_all();
    }

private:
    std::mutex m_mutex;
    std::condition_variable m_changed;
    int m_arrived = 0;
    bool m_open = false;
};

constexpr double toMilliseconds = 1e-6;

double blockedWorks(int count)
{
    Gate gate;
    Process root;
    const double took = nanosecondsEach(1, [&] {
        for (int i = 0; i < count; ++i)
            root.go([&] { gate.pass(); });
        gate.waitFor(count);
    });
    gate.open();
    root.closeAndWait();
    return took * toMilliseconds;
}

double threadsByHand(int count)
{
    Gate gate;
    std::vector<std::unique_ptr<QThread>> threads;
    const double took = nanosecondsEach(1, [&] {
        for (int i = 0; i < count; ++i) {
            threads.emplace_back(QThread::create([&] { gate.pass(); }));
            threads.back()->start();
        }
        gate.waitFor(count);
    });
    gate.open();
    for (const auto &thread : threads)
        thread->wait();
    return took * toMilliseconds;
}

/// Workers that live until they are asked to stop: from the first start to the last end.
double workers(int count)
{
    return nanosecondsEach(count, [&] {
        std::latch running(count);
        Process root;
        for (int i = 0; i < count; ++i) {
            root.go([&](Process &self) {
                running.count_down();
                self.waitForClosing();
            });
        }
        running.wait();
        root.closeAndWait();
    });
}

double standardThreads(int count)
{
    return nanosecondsEach(count, [&] {
        std::latch running(count);
        std::vector<std::jthread> threads;
        for (int i = 0; i < count; ++i) {
            threads.emplace_back([&](const std::stop_token &stop) {
                std::mutex mutex;
                std::condition_variable_any never;
                std::unique_lock lock(mutex);
                running.count_down();
                never.wait(lock, stop, [] { return false; });
            });
        }
        running.wait();
        for (std::jthread &thread : threads)
            thread.request_stop();
    });
}

double threadsOfABurst(int count)
{
    static std::atomic<int> bursts = 0;
    const int burst = ++bursts;
    std::atomic<int> threads = 0;
    Process root;
    for (int i = 0; i < count; ++i) {
        root.go([&threads, burst] {
            thread_local int counted = 0;
            if (std::exchange(counted, burst) != burst)
                ++threads;
        });
    }
    root.closeAndWait();
    return threads;
}

} // namespace

void addWorkRows(std::vector<Row> &rows, Scale scale)
{
    const int burst = scale.of(1'000'000);
    const int turns = scale.of(20'000);
    const QString ns = QStringLiteral("ns each");
    const QString start = QStringLiteral("QThreadPool::start");
    const QString concurrent = QStringLiteral("QtConcurrent::run");
    const QString semaphore = QStringLiteral("QThreadPool::start, QSemaphore");
    const QString byHand = QStringLiteral("QThreads by hand");

    rows.push_back({ QStringLiteral("burst-threads"),
                     QStringLiteral("threads that %1 short works make").arg(burst / 10 + 1),
                     QStringLiteral("threads"),
                     { {}, [=] { return threadsOfABurst(burst / 10 + 1); } },
                     {},
                     { { {}, 2.0 * QThread::idealThreadCount() } } });
    rows.push_back({ QStringLiteral("go-burst"),
                     QStringLiteral("%1 empty works at once, until all are closed").arg(burst),
                     ns,
                     { {}, [=] { return goBurst(burst); } },
                     { { start, [=] { return startBurst(burst); } },
                       { concurrent, [=] { return concurrentBurst(burst); } } },
                     { { start, 3 }, { concurrent, 0.5 } } });
    rows.push_back({ QStringLiteral("go-and-wait"),
                     QStringLiteral("%1 works, each waited for by the main thread").arg(turns),
                     ns,
                     { {}, [=] { return goAndWaitInMain(turns); } },
                     { { semaphore, [=] { return startAndWait(turns); } } },
                     { { semaphore, 1.2 } } });
    rows.push_back({ QStringLiteral("go-and-wait-in-work"),
                     QStringLiteral("the same from inside a work"),
                     ns,
                     { {}, [=] { return goAndWaitInWork(turns); } },
                     { { semaphore, [=] { return startAndWait(turns); } } },
                     { { semaphore, 0.5 } } });
    rows.push_back({ QStringLiteral("blocked-works"),
                     QStringLiteral("256 works that block, until all run"),
                     QStringLiteral("ms"),
                     { {}, [=] { return blockedWorks(256); } },
                     { { byHand, [=] { return threadsByHand(256); } } },
                     { { byHand, 2 } } });
    rows.push_back(
            { QStringLiteral("workers"),
              QStringLiteral("256 workers that live until they are asked to stop, start to end"),
              ns,
              { {}, [=] { return workers(256); } },
              { { QStringLiteral("std::jthread"), [=] { return standardThreads(256); } } },
              {} });
}

} // namespace Benchmark
