// SPDX-License-Identifier: MIT
// Programs that start or end with periodic or bound processes: the tests run them as child
// processes.
//
// Usage: goprocess_periodic_scenarios NAME. Exits with 0, without a message, if all was well.

#include <GoProcess/GoProcess>

#include <QByteArray>
#include <QDeadlineTimer>
#include <QFile>
#include <QPromise>
#include <QString>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>

using GoProcess::Process;

using namespace std::chrono_literals;

namespace {

/// Threads of this program; zero where it cannot be told.
int threadCount()
{
#ifdef Q_OS_LINUX
    QFile status(QStringLiteral("/proc/self/status"));
    if (status.open(QFile::ReadOnly)) {
        for (const QByteArray &line : status.readAll().split('\n')) {
            if (line.startsWith("Threads:"))
                return line.mid(8).trimmed().toInt();
        }
    }
#endif
    return 0;
}

/// Between beats there is the thread of the clock, and one that sanitizers may start; nothing else.
int tenThousandHoldNoThread()
{
    const int threadsBefore = threadCount();
    Process root;
    for (int i = 0; i < 10'000; ++i)
        GoProcess::every(
                24h, [] {}, &root);
    const int threadsMeanwhile = threadCount();
    root.closeAndWait();
    return threadsMeanwhile <= threadsBefore + 2 ? 0 : 1;
}

/// Beats go on while the program ends; runs in flight are asked to close, and none begins after.
int beatsAtTheEnd()
{
    static std::atomic<int> runs = 0;
    for (int i = 0; i < 100; ++i) {
        GoProcess::every(1ms, [] { ++runs; });
        GoProcess::tickGo(1ms, [](Process &self) {
            ++runs;
            self.waitForClosing(10ms);
        });
    }
    while (runs < 1000)
        std::this_thread::yield();
    return 0;
}

/// A static process closes in static destruction, after a future that has finished only by then.
int waitingAtTheEnd()
{
    static QPromise<void> promise;
    promise.start();
    static Process root;
    static std::thread finisher;
    struct Join
    {
        ~Join() { finisher.join(); }
    };
    static Join join; // destroyed first
    GoProcess::waitFor(&root, promise.future());
    GoProcess::closeAt(&root, 1h);
    finisher = std::thread([] {
        root.waitForClosing(QDeadlineTimer(1));
        promise.finish();
    });
    return 0;
}

/// In static destruction a process waits for another, which only its deadline closes.
int deadlineAtTheEnd()
{
    static Process root;
    static Process waiting;
    waiting.waitFor(&root);
    GoProcess::closeAt(&root, 20ms);
    return 0;
}

} // namespace

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (std::strcmp(name, "tenThousandHoldNoThread") == 0)
        return tenThousandHoldNoThread();
    if (std::strcmp(name, "beatsAtTheEnd") == 0)
        return beatsAtTheEnd();
    if (std::strcmp(name, "waitingAtTheEnd") == 0)
        return waitingAtTheEnd();
    if (std::strcmp(name, "deadlineAtTheEnd") == 0)
        return deadlineAtTheEnd();
    std::fprintf(stderr, "no such scenario: %s\n", name);
    return 2;
}
