// SPDX-License-Identifier: MIT
// What threads cost: closes that cross them, trees side by side, event loops that go on.

#include "benchmark.h"

#include <GoProcess/GoProcess>

#include <QEventLoop>
#include <QMetaObject>
#include <QObject>
#include <QSemaphore>
#include <QThread>
#include <QTimer>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

using GoProcess::Process;

namespace Benchmark {

namespace {

using Clock = std::chrono::steady_clock;

/// A thread with an event loop.
class LoopThread
{
public:
    LoopThread() { m_thread.start(); }
    Q_DISABLE_COPY_MOVE(LoopThread)
    ~LoopThread()
    {
        m_thread.quit();
        m_thread.wait();
    }
    QThread *get() { return &m_thread; }

private:
    QThread m_thread;
};

/// Processes in other threads, as evenly as can be, closed from this one. What is measured is the
/// close.
double closeElsewhere(int count, int threadCount)
{
    std::vector<std::unique_ptr<LoopThread>> threads;
    for (int i = 0; i < threadCount; ++i)
        threads.push_back(std::make_unique<LoopThread>());
    std::vector<std::unique_ptr<Process>> all;
    Process root;
    for (int i = 0; i < count; ++i) {
        all.push_back(std::make_unique<Process>());
        root.addChild(all.back().get());
        all.back()->moveToThread(threads[std::size_t(i % threadCount)]->get());
    }
    return nanosecondsEach(count, [&] { root.closeAndWait(); });
}

double invokeElsewhere(int count)
{
    LoopThread thread;
    QObject receiver;
    receiver.moveToThread(thread.get());
    QSemaphore done;
    int calls = 0; // only in the other thread
    return nanosecondsEach(count, [&] {
        for (int i = 0; i < count; ++i) {
            QMetaObject::invokeMethod(
                    &receiver,
                    [&] {
                        if (++calls == count)
                            done.release();
                    },
                    Qt::QueuedConnection);
        }
        done.acquire();
    });
}

double readState(int count)
{
    Process process;
    int seen = 0;
    const double each = nanosecondsEach(count, [&] {
        for (int i = 0; i < count; ++i)
            seen += process.isClosing() ? 1 : 0;
    });
    return seen == 0 ? each : -1;
}

double readAtomic(int count)
{
    std::atomic<int> state = 0;
    int seen = 0;
    const double each = nanosecondsEach(count, [&] {
        for (int i = 0; i < count; ++i)
            seen += state.load(std::memory_order_acquire);
    });
    return seen == 0 ? each : -1;
}

/// A timer of 1 ms that remembers how late it was at most.
class Metronome
{
public:
    Metronome()
    {
        m_timer.setTimerType(Qt::PreciseTimer);
        QObject::connect(&m_timer, &QTimer::timeout, &m_timer, [this] {
            const Clock::time_point now = Clock::now();
            const std::chrono::duration<double, std::milli> since = now - m_last;
            m_worst = std::max(m_worst, since.count() - 1);
            m_last = now;
        });
        m_timer.start(std::chrono::milliseconds(1));
    }
    /// Does not count what was before.
    void restart() { m_last = Clock::now(); }
    double worst() const { return m_worst; }

private:
    QTimer m_timer;
    Clock::time_point m_last = Clock::now();
    double m_worst = 0;
};

/// How late a timer is at most while processes of its thread close, in milliseconds.
double lateness(int count)
{
    std::vector<std::unique_ptr<Process>> all;
    Process root;
    for (int i = 0; i < count; ++i) {
        all.push_back(std::make_unique<Process>());
        root.addChild(all.back().get());
    }
    QEventLoop loop;
    QObject::connect(&root, &Process::closed, &loop, &QEventLoop::quit);
    Metronome metronome;
    root.close();
    metronome.restart();
    loop.exec();
    return metronome.worst();
}

/// \a count processes below \a root, in groups, so that they are many and not flat.
std::vector<std::unique_ptr<Process>> makeGroups(Process &root, int count)
{
    constexpr int groupSize = 1000; // so many children of a process

    std::vector<std::unique_ptr<Process>> all;
    Process *group = nullptr;
    for (int i = 0; i < count; ++i) {
        Process *process = all.emplace_back(std::make_unique<Process>()).get();
        if (i % groupSize == 0)
            root.addChild(group = process);
        else
            group->addChild(process);
    }
    return all;
}

/// The same of the thread of a model while another thread makes, closes and deletes processes that
/// it shows.
double latenessOfAModel(int count)
{
    Process root;
    GoProcess::ProcessModel model;
    model.setProcess(&root);
    QEventLoop loop;
    Metronome metronome;
    std::thread builder([&] {
        std::vector<std::unique_ptr<Process>> all = makeGroups(root, count);
        for (const auto &process : all)
            process->close();
        while (!all.empty())
            all.pop_back();
        QMetaObject::invokeMethod(&loop, &QEventLoop::quit, Qt::QueuedConnection);
    });
    QObject::connect(&model, &QAbstractItemModel::rowsInserted, &loop,
                     [&](const QModelIndex &parent, int first, int last) {
                         for (int row = first; !parent.isValid() && row <= last; ++row)
                             model.fetchMore(model.index(row, 0)); // as a view that shows all
                     });
    loop.exec();
    builder.join();
    return metronome.worst();
}

/// How long a hold() of \a probe takes at most in another thread while \a function uses the graph
/// that it is part of, in milliseconds: it waits for the lock of that graph.
template<class F>
double longestHold(Process &probe, F &&function)
{
    std::atomic<bool> isOver = false;
    double worst = 0;
    std::thread prober([&] {
        while (!isOver) {
            const auto begin = Clock::now();
            const GoProcess::Hold hold = probe.hold();
            const std::chrono::duration<double, std::milli> took = Clock::now() - begin;
            worst = std::max(worst, took.count());
        }
    });
    function();
    isOver = true;
    prober.join();
    return worst;
}

/// While the tree of the probe is closed and destroyed.
double longestLock(int count)
{
    Process root;
    Process probe(&root);
    std::vector<std::unique_ptr<Process>> all = makeGroups(root, count);
    const GoProcess::Hold first =
            probe.hold(); // with it, it takes more of them while it is Closing
    return longestHold(probe, [&] {
        root.close();
        while (!all.empty())
            all.pop_back();
    });
}

/// While one closes that many wait for, the probe among them, and they with it. If it \a fails they
/// are told.
double longestLockAbove(int count, bool fails)
{
    Process last;
    if (fails)
        last.setTeardown([] { return GoProcess::Error(QStringLiteral("failed")); });
    std::vector<std::unique_ptr<Process>> all;
    for (int i = 0; i < count; ++i) {
        all.push_back(std::make_unique<Process>());
        all.back()->addChild(&last);
        all.back()->closeAfterChildren();
    }
    const GoProcess::Hold first = all.front()->hold();
    return longestHold(*all.front(), [&] { last.closeAndWait(); });
}

/// While a step waits for the tree of the probe, and the steps of others stand aside.
double longestLockOfALook(int count)
{
    Process root;
    Process probe(&root);
    const std::vector<std::unique_ptr<Process>> all = makeGroups(root, count);
    Process both;
    Process waiting(&both);
    Process aside(&both);
    waiting.setTeardown([&root] { root.waitForClosed(QDeadlineTimer(10)); });
    aside.setTeardown([] {});
    return longestHold(probe, [&] { both.closeAndWait(); });
}

/// While edges are added below which, and above which, there is much: the search for a cycle goes
/// over it.
double longestLockOfASearch(int count)
{
    Process top;
    std::vector<std::unique_ptr<Process>> chains[2];
    for (auto &chain : chains) {
        Process *above = &top;
        for (int i = 0; i < count / 2; ++i) {
            chain.push_back(std::make_unique<Process>());
            above->addChild(chain.back().get());
            above = chain.back().get();
        }
    }
    const double longest = longestHold(top, [&] {
        for (int i = 1; i <= 10; ++i)
            chains[0][std::size_t(count / 4 + i)]->addChild(chains[1][std::size_t(i)].get());
    });
    top.closeAndWait();
    return longest;
}

double buildAndClose(int count)
{
    return nanosecondsEach(count, [&] {
        std::vector<std::unique_ptr<Process>> all;
        all.reserve(std::size_t(count));
        Process root;
        for (int i = 0; i < count; ++i) {
            all.push_back(std::make_unique<Process>());
            root.addChild(all.back().get());
        }
        root.closeAndWait();
    });
}

/// The same by two threads at a time: what one process of the two trees together costs.
double inTwoThreads(int count)
{
    return nanosecondsEach(2 * count, [&] {
        std::thread first([&] { buildAndClose(count); });
        std::thread second([&] { buildAndClose(count); });
        first.join();
        second.join();
    });
}

double inOneThread(int count)
{
    return nanosecondsEach(count, [&] { std::thread([&] { buildAndClose(count); }).join(); });
}

/// QObjects by two threads, which tells what the machine and the allocator allow.
double objectsInTwoThreads(int count)
{
    const auto make = [count] {
        std::vector<std::unique_ptr<QObject>> all;
        for (int i = 0; i < count; ++i)
            all.push_back(std::make_unique<QObject>());
    };
    const double one = nanosecondsEach(count, [&] { std::thread(make).join(); });
    const double two = nanosecondsEach(2 * count, [&] {
        std::thread first(make);
        std::thread second(make);
        first.join();
        second.join();
    });
    return one / two;
}

} // namespace

void addThreadRows(std::vector<Row> &rows, Scale scale)
{
    const int count = scale.of(100'000);
    const QString ns = QStringLiteral("ns each");
    const QString invoke = QStringLiteral("queued QMetaObject::invokeMethod");
    const QString load = QStringLiteral("std::atomic<int>::load(acquire)");
    const QString one = QStringLiteral("one thread");

    rows.push_back({ QStringLiteral("close-elsewhere"),
                     QStringLiteral("%1 children in another thread, closed from here").arg(count),
                     ns,
                     { {}, [=] { return closeElsewhere(count, 1); } },
                     { { invoke, [=] { return invokeElsewhere(count); } } },
                     { { invoke, 0.5 } } });
    rows.push_back({ QStringLiteral("close-in-8-threads"),
                     QStringLiteral("%1 children in eight other threads").arg(count),
                     ns,
                     { {}, [=] { return closeElsewhere(count, 8); } },
                     { { invoke, [=] { return invokeElsewhere(count); } } },
                     {} });
    rows.push_back({ QStringLiteral("is-closing"),
                     QStringLiteral("isClosing(), a call into the library and one load"),
                     ns,
                     { {}, [=] { return readState(scale.of(20'000'000)); } },
                     { { load, [=] { return readAtomic(scale.of(20'000'000)); } } },
                     {} });
    rows.push_back(
            { QStringLiteral("timer"),
              QStringLiteral("how late a 1 ms timer is while %1 processes of its thread close")
                      .arg(count),
              QStringLiteral("ms"),
              { {}, [=] { return lateness(count); } },
              {},
              { { {}, 16 } } });
    rows.push_back({ QStringLiteral("timer-of-model"),
                     QStringLiteral("how late a 1 ms timer is while a model in its thread shows %1 "
                                    "processes that come and go in another")
                             .arg(count),
                     QStringLiteral("ms"),
                     { {}, [=] { return latenessOfAModel(count); } },
                     {},
                     { { {}, 16 } } });
    rows.push_back({ QStringLiteral("longest-lock"),
                     QStringLiteral("how long hold() takes at most while another thread closes and "
                                    "destroys the tree of %1 around it")
                             .arg(count),
                     QStringLiteral("ms"),
                     { {}, [=] { return longestLock(count); } },
                     {},
                     { { {}, 1 } } });
    rows.push_back(
            { QStringLiteral("longest-lock-above"),
              QStringLiteral("the same while the process closes that %1 wait for, and with it "
                             "those")
                      .arg(count),
              QStringLiteral("ms"),
              { {}, [=] { return longestLockAbove(count, false); } },
              {},
              { { {}, 1 } } });
    rows.push_back({ QStringLiteral("longest-lock-failed"),
                     QStringLiteral("the same if that one has failed, which those above are told"),
                     QStringLiteral("ms"),
                     { {}, [=] { return longestLockAbove(count, true); } },
                     {},
                     { { {}, 1 } } });
    rows.push_back({ QStringLiteral("longest-lock-look"),
                     QStringLiteral("the same while a step waits for that tree, and looks for what "
                                    "is due in it"),
                     QStringLiteral("ms"),
                     { {}, [=] { return longestLockOfALook(count); } },
                     {},
                     { { {}, 1 } } });
    rows.push_back(
            { QStringLiteral("longest-lock-search"),
              QStringLiteral("the same while edges across two chains of %1 together are added, "
                             "which may not close a cycle")
                      .arg(count),
              QStringLiteral("ms"),
              { {}, [=] { return longestLockOfASearch(count); } },
              {},
              { { {}, 1 } } });
    rows.push_back(
            { QStringLiteral("two-threads"),
              QStringLiteral("a tree of %1 in each of two threads: build and close").arg(count),
              ns,
              { {}, [=] { return inTwoThreads(count); } },
              { { one, [=] { return inOneThread(count); } } },
              { { one, 1 / 1.6 } } });
    rows.push_back(
            { QStringLiteral("two-threads-objects"),
              QStringLiteral("for comparison: the throughput of two threads that only make and "
                             "delete QObjects, by that of one"),
              QStringLiteral("x"),
              { {}, [=] { return objectsInTwoThreads(count); } },
              {},
              {} });
}

} // namespace Benchmark
