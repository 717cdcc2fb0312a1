// SPDX-License-Identifier: MIT
// How costs grow with size: each shape at n, 2n and 4n. What a program has many of must cost each
// of them the same, however many there are.

#include "grow.h"

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QEvent>
#include <QPromise>
#include <QThread>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <thread>
#include <vector>

using GoProcess::Error;
using GoProcess::Process;

namespace Benchmark {

namespace {

using Processes = std::vector<std::unique_ptr<Process>>;

/// Of the processor, in all threads: what other programs do meanwhile does not count.
class Clock
{
public:
    void start() { m_start = std::clock(); }
    void stop() { m_milliseconds += double(std::clock() - m_start) * 1000 / CLOCKS_PER_SEC; }
    double milliseconds() const { return m_milliseconds; }

private:
    std::clock_t m_start = 0;
    double m_milliseconds = 0;
};

Processes make(int count)
{
    Processes all;
    all.reserve(std::size_t(count));
    for (int i = 0; i < count; ++i)
        all.push_back(std::make_unique<Process>());
    return all;
}

Process &at(const Processes &all, int i)
{
    return *all[std::size_t(i)];
}

template<class F>
void timed(Clock &clock, F &&function)
{
    clock.start();
    function();
    clock.stop();
}

/// Adds each to the one that \a parentOf says, and closes the first.
template<class ParentOf>
void tree(int n, Clock &clock, ParentOf &&parentOf)
{
    const Processes all = make(n);
    timed(clock, [&] {
        for (int i = 1; i < n; ++i)
            at(all, parentOf(i)).addChild(&at(all, i));
        at(all, 0).closeAndWait();
    });
}

void wide(int n, Clock &clock)
{
    tree(n, clock, [](int) { return 0; });
}

void deep(int n, Clock &clock)
{
    tree(n, clock, [](int i) { return i - 1; });
}

void tenEach(int n, Clock &clock)
{
    tree(n, clock, [](int i) { return (i - 1) / 10; });
}

void randomDag(int n, Clock &clock)
{
    const Processes all = make(n);
    std::minstd_rand random(1);
    timed(clock, [&] {
        for (int i = 1; i < n; ++i) {
            for (int parents = 0; parents < 3; ++parents)
                at(all, int(random() % unsigned(i))).addChild(&at(all, i));
        }
        at(all, 0).closeAndWait();
    });
}

void works(int n, Clock &clock)
{
    Process root;
    timed(clock, [&] {
        for (int i = 0; i < n; ++i)
            root.go([] {});
        root.closeAfterChildren();
        root.waitForClosed();
    });
}

/// As many edges as \a n, each from one of those above to one of those below.
void bipartite(int n, Clock &clock)
{
    const int side = int(std::lround(std::sqrt(n)));
    const Processes upper = make(side);
    const Processes lower = make(side);
    timed(clock, [&] {
        for (const auto &parent : upper) {
            for (const auto &child : lower)
                parent->addChild(child.get());
        }
        for (const auto &parent : upper)
            parent->close();
        for (const auto &parent : upper)
            parent->waitForClosed();
    });
}

void noWaitParents(int n, Clock &clock)
{
    const Processes sessions = make(n);
    const Processes leaves = make(n);
    Process shared;
    for (const auto &session : sessions)
        session->addChildNoWait(&shared);
    timed(clock, [&] {
        for (const auto &leaf : leaves)
            shared.addChild(leaf.get());
        shared.closeAndWait();
    });
}

void skipEdges(int n, Clock &clock)
{
    const Processes all = make(n);
    for (int i = 0; i + 1 < n; ++i)
        at(all, i).addChild(&at(all, i + 1));
    timed(clock, [&] {
        for (int i = 0; i + 2 < n; ++i)
            at(all, i).waitFor(&at(all, i + 2));
        at(all, 0).closeAndWait();
    });
}

/// Each ends one after another while a thread waits for all.
void openFutures(int n, Clock &clock)
{
    std::vector<QPromise<void>> promises(static_cast<std::size_t>(n));
    std::atomic<int> begun = 0;
    const Processes all = make(n);
    Process root;
    for (int i = 0; i < n; ++i) {
        QPromise<void> &promise = promises[std::size_t(i)];
        promise.start();
        at(all, i).setTeardown([&begun, &promise] {
            ++begun;
            return promise.future();
        });
        root.addChild(&at(all, i));
    }
    std::thread finisher([&] {
        while (begun < n)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        for (auto promise = promises.rbegin(); promise != promises.rend(); ++promise)
            promise->finish();
    });
    timed(clock, [&] { root.closeAndWait(); });
    finisher.join();
}

void burstOfFutures(int n, Clock &clock)
{
    std::vector<QPromise<void>> promises(static_cast<std::size_t>(n));
    const Processes all = make(n);
    Process root;
    for (int i = 0; i < n; ++i) {
        promises[std::size_t(i)].start();
        root.addChild(&at(all, i));
        GoProcess::closeOn(&at(all, i), promises[std::size_t(i)].future());
    }
    timed(clock, [&] {
        for (QPromise<void> &promise : promises)
            promise.finish();
        root.closeAfterChildren();
        root.waitForClosed();
    });
}

void neverStarted(int n, Clock &clock)
{
    QThread thread;
    Process root;
    const Processes all = make(n);
    for (int i = 0; i + 1 < n; ++i)
        at(all, i).addChild(&at(all, i + 1));
    root.addChild(&at(all, 0));
    for (const auto &process : all)
        process->moveToThread(&thread);
    timed(clock, [&] { root.closeAndWait(); });
}

void bindings(int n, Clock &clock)
{
    std::vector<QPromise<void>> promises(static_cast<std::size_t>(n));
    Process process;
    for (QPromise<void> &promise : promises)
        promise.start();
    timed(clock, [&] {
        for (QPromise<void> &promise : promises) {
            GoProcess::closeOn(&process, promise.future());
            GoProcess::stopToken(&process);
        }
        process.closeAndWait();
    });
    for (QPromise<void> &promise : promises)
        promise.finish();
}

/// They come to this thread, where events are queued. The move itself is Qt's, and looks at each of
/// those of the thread that it leaves.
void movedWithEvents(int n, Clock &clock)
{
    QObject other;
    Processes all;
    Process root;
    QThread *const here = QThread::currentThread();
    std::thread([&] {
        all = make(n);
        for (const auto &process : all) {
            root.addChild(process.get());
            process->moveToThread(here);
        }
    }).join();
    for (int i = 0; i < n; ++i)
        QCoreApplication::postEvent(&other, new QEvent(QEvent::User));
    timed(clock, [&] { root.closeAndWait(); });
}

void failingChain(int n, Clock &clock)
{
    const Processes all = make(n);
    for (const auto &process : all)
        process->setTeardown([] { return Error(QStringLiteral("failed")); });
    for (int i = 0; i + 1 < n; ++i)
        at(all, i).addChild(&at(all, i + 1));
    timed(clock, [&] {
        at(all, 0).closeAndWait();
        at(all, 0).treeErrors();
    });
}

void onSignals(int n, Clock &clock)
{
    const Processes all = make(n);
    timed(clock, [&] {
        for (const auto &process : all)
            GoProcess::closeOnSignals(process.get(), { SIGUSR1 });
        for (const auto &process : all)
            process->closeAndWait();
    });
}

struct Shape
{
    const char *name;
    int n;
    std::function<void(int, Clock &)> run;
};

const std::vector<Shape> &shapes()
{
    static const std::vector<Shape> all {
        { "wide", 50'000, wide },
        { "deep", 50'000, deep },
        { "10-ary", 50'000, tenEach },
        { "random-dag", 10'000, randomDag },
        { "works", 50'000, works },
        { "bipartite-edges", 40'000, bipartite },
        { "no-wait-parents", 20'000, noWaitParents },
        { "skip-edges", 20'000, skipEdges },
        { "open-futures", 4'000, openFutures },
        { "burst-of-futures", 10'000, burstOfFutures },
        { "never-started-chain", 4'000, neverStarted },
        { "bindings", 10'000, bindings },
        { "moved-with-events", 5'000, movedWithEvents },
        { "failing-chain", 2'000, failingChain },
        { "on-signals", 5'000, onSignals },
    };
    return all;
}

double millisecondsOf(const Shape &shape, int n)
{
    // The least of a few: what else the machine does only adds.
    constexpr int repeats = 3;
    double least = std::numeric_limits<double>::max();
    for (int i = 0; i < repeats; ++i) {
        Clock clock;
        shape.run(n, clock);
        least = std::min(least, clock.milliseconds());
    }
    return least;
}

} // namespace

bool grow(const QStringList &wanted, double scale)
{
    constexpr double most = 1.5; // of the cost of each, between n and 4n
    // What is refused or fails on purpose is not what is measured.
    const QtMessageHandler previous =
            qInstallMessageHandler([](QtMsgType, const QMessageLogContext &, const QString &) {});
    QStringList steep;
    std::printf("shape,n,milliseconds,ns_per_unit\n");
    for (const Shape &shape : shapes()) {
        if (!wanted.isEmpty() && !wanted.contains(QLatin1String(shape.name)))
            continue;
        const int smallest = std::max(16, int(shape.n * scale));
        std::array<double, 3> each {};
        for (std::size_t i = 0; i < each.size(); ++i) {
            const int n = smallest << i;
            const double milliseconds = millisecondsOf(shape, n);
            each[i] = milliseconds * 1e6 / n;
            std::printf("%s,%d,%.2f,%.0f\n", shape.name, n, milliseconds, each[i]);
            std::fflush(stdout);
        }
        if (each.back() > most * each.front()) {
            steep += QStringLiteral("%1 (%2 times)")
                             .arg(QLatin1String(shape.name))
                             .arg(each.back() / each.front(), 0, 'f', 1);
        }
    }
    qInstallMessageHandler(previous);
    if (!steep.isEmpty()) {
        std::fprintf(stderr, "Each costs more where there are four times as many: %s\n",
                     qPrintable(steep.join(QLatin1String(", "))));
    }
    return steep.isEmpty();
}

} // namespace Benchmark
