// SPDX-License-Identifier: MIT
// What a program can do only once: scenarios that end or abort it, that need an application to be
// absent, or a pool that is still unused. The conformance tests run them as child processes.
//
// Usage: scenarios NAME. Prints one line for each thing that happened on the standard output, and
// the messages of the program, "TYPE CATEGORY: TEXT", on the standard error. Exits with 0 unless
// the scenario says otherwise.

#include "support/sanitizers.h"

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QDeadlineTimer>
#include <QLoggingCategory>
#include <QString>
#include <QThread>
#include <QTimer>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#ifdef Q_OS_UNIX
#  include <sys/resource.h>
#endif

using GoProcess::Hold;
using GoProcess::Process;
using GoProcess::ProcessPtr;

namespace {

constexpr std::chrono::seconds patience { 30 };

/// Prints a line at once. Works until the very end of the program.
void say(const char *line)
{
    std::fprintf(stdout, "%s\n", line);
    std::fflush(stdout);
}

[[noreturn]] void giveUp(const char *reason)
{
    std::fprintf(stderr, "gave up: %s\n", reason);
    std::fflush(stderr);
    std::_Exit(3);
}

/// Something that threads wait for.
class Count
{
public:
    void add()
    {
        const std::lock_guard lock(m_mutex);
        ++m_count;
        m_changed.notify_all();
    }
    void waitFor(int count)
    {
        std::unique_lock lock(m_mutex);
        if (!m_changed.wait_for(lock, patience, [&] { return m_count >= count; }))
            giveUp("something did not happen");
    }
    int count() const
    {
        const std::lock_guard lock(m_mutex);
        return m_count;
    }

private:
    mutable std::mutex m_mutex;
    std::condition_variable m_changed;
    int m_count = 0;
};

/// Prints closing() and closed() of \a process with its name.
void watch(Process &process)
{
    QObject::connect(
            &process, &Process::closing, &process,
            [&process] { say(qPrintable(QStringLiteral("closing ") + process.name())); },
            Qt::DirectConnection);
    QObject::connect(
            &process, &Process::closed, &process,
            [&process] { say(qPrintable(QStringLiteral("closed ") + process.name())); },
            Qt::DirectConnection);
}

/// A tree with a work in it, from its construction to its end.
void closeATree(const char *name)
{
    Process root([] { say("teardown root"); });
    root.setName(QString::fromLatin1(name));
    watch(root);
    Process child([] { say("teardown child"); });
    child.setName(QStringLiteral("child"));
    watch(child);
    root.addChild(&child);
    Count ran;
    const ProcessPtr work = root.go(QStringLiteral("work"), [&] { ran.add(); });
    ran.waitFor(1);
    if (!work->waitForClosed(QDeadlineTimer(patience)))
        giveUp("the work did not close");
    if (root.closeAndWait())
        giveUp("closing failed");
}

// What is fatal (R43). These abort.

int deleteInTeardown(int, char **)
{
    auto *const process = new Process;
    process->setName(QStringLiteral("doomed"));
    process->setTeardown([process] { delete process; });
    process->closeAndWait();
    say("survived");
    return 0;
}

int deleteInWork(int, char **)
{
    Process root;
    root.setName(QStringLiteral("root"));
    const ProcessPtr work = root.go(QStringLiteral("doomed"), [](Process &self) { delete &self; });
    work->waitForClosed(QDeadlineTimer(patience));
    say("survived");
    return 0;
}

int deleteParentInTeardown(int, char **)
{
    auto *const parent = new Process;
    parent->setName(QStringLiteral("doomed"));
    auto *const child = new Process([parent] { delete parent; });
    parent->addChild(child);
    parent->closeAndWait();
    say("survived");
    return 0;
}

int deleteParentInWork(int, char **)
{
    auto *const parent = new Process;
    parent->setName(QStringLiteral("doomed"));
    const ProcessPtr work = parent->go([parent] { delete parent; });
    work->waitForClosed(QDeadlineTimer(patience));
    say("survived");
    return 0;
}

// Without an application (R45).

int withoutApplication(int, char **)
{
    closeATree("root");
    return 0;
}

int beforeAndAfterApplication(int argc, char **argv)
{
    closeATree("before");
    {
        const QCoreApplication application(argc, argv);
        closeATree("during");
    }
    closeATree("after");
    return 0;
}

int acrossApplication(int argc, char **argv)
{
    Process root([] { say("teardown"); });
    root.setName(QStringLiteral("root"));
    watch(root);
    Count started;
    Count stop;
    {
        const QCoreApplication application(argc, argv);
        QTimer::singleShot(0, &application, &QCoreApplication::quit);
        QCoreApplication::exec();
        // A work that outlives the application.
        root.go(QStringLiteral("work"), [&] {
            started.add();
            stop.waitFor(1);
        });
        started.waitFor(1);
    }
    say("application gone");
    stop.add();
    return root.closeAndWait() ? 1 : 0;
}

/// Runs the event loop of a new application until \a process is Closed.
int closeInAnApplication(int argc, char **argv, Process &process)
{
    const QCoreApplication application(argc, argv);
    QObject::connect(&process, &Process::closed, &application, &QCoreApplication::quit);
    QTimer::singleShot(patience, &application, [] { giveUp("steps were lost"); });
    return QCoreApplication::exec();
}

int closedBeforeApplication(int argc, char **argv)
{
    Process root;
    root.setName(QStringLiteral("root"));
    watch(root);
    root.close();
    say("no application yet");
    return closeInAnApplication(argc, argv, root);
}

int closedBetweenApplications(int argc, char **argv)
{
    Process root;
    root.setName(QStringLiteral("root"));
    watch(root);
    {
        const QCoreApplication application(argc, argv);
        root.close(); // its steps are queued in an event loop that never runs
    }
    say("application gone");
    return closeInAnApplication(argc, argv, root);
}

int threadWithoutApplication(int, char **)
{
    // Qt runs no event loops without an application; a wait needs none.
    Process root;
    Count ready;
    std::thread thread([&] {
        const std::thread::id home = std::this_thread::get_id();
        Process process([home] {
            say(std::this_thread::get_id() == home ? "teardown at home" : "teardown elsewhere");
        });
        root.addChild(&process);
        ready.add();
        if (!root.waitForClosed(QDeadlineTimer(patience)))
            giveUp("a wait ran no steps");
    });
    ready.waitFor(1);
    const bool failed = root.closeAndWait().isError();
    thread.join();
    return failed ? 1 : 0;
}

int movedWithoutApplication(int, char **)
{
    // Qt sends no QEvent::ThreadChange without an application.
    std::thread::id home;
    Process process([&home] {
        say(std::this_thread::get_id() == home ? "teardown at home" : "teardown elsewhere");
    });
    Count ready;
    const std::unique_ptr<QThread> thread(QThread::create([&] {
        home = std::this_thread::get_id();
        ready.add();
        if (!process.waitForClosed(QDeadlineTimer(patience)))
            giveUp("a wait ran no steps");
    }));
    process.moveToThread(thread.get());
    thread->start();
    ready.waitFor(1);
    std::this_thread::sleep_for(std::chrono::milliseconds(20)); // most likely the wait sleeps then
    process.close();
    thread->wait();
    return 0;
}

// The library's own pool from its beginning (R31).

/// Runs \a count short works and returns how many threads they ran in.
int threadsOfABurst(int count)
{
    // Each thread counts itself once for each burst, so that no work ever waits for another.
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

/// Blocks \a count works at once, then lets them go.
void blockWorks(int count)
{
    Process root;
    Count started;
    Count stop;
    for (int i = 0; i < count; ++i) {
        root.go([&] {
            started.add();
            stop.waitFor(1);
        });
    }
    started.waitFor(count);
    stop.add();
    root.closeAndWait();
}

bool isModest(int threads)
{
    // Where a sanitizer slows them the pool takes more of them for blocked ones.
    constexpr int some = TestSupport::underSanitizer ? 4 : 2;
    return threads <= some * std::max(1, QThread::idealThreadCount());
}

int burst(int, char **)
{
    const int threads = threadsOfABurst(100000);
    std::fprintf(stderr, "%d threads\n", threads);
    say(isModest(threads) ? "modest" : "too many threads");
    return 0;
}

int burstAfterBlockedWorks(int, char **)
{
    blockWorks(64);
    const QDeadlineTimer deadline(patience);
    while (!isModest(threadsOfABurst(1000))) {
        if (deadline.hasExpired())
            giveUp("the pool did not shrink");
    }
    say("modest");
    return 0;
}

Count &capWarnings()
{
    static auto *const count = new Count;
    return *count;
}

int cap(int, char **)
{
    qInstallMessageHandler(
            [](QtMsgType type, const QMessageLogContext &context, const QString &text) {
                std::fprintf(stderr, "%s\n", qPrintable(qFormatLogMessage(type, context, text)));
                if (type == QtWarningMsg && std::strcmp(context.category, "goprocess") == 0)
                    capWarnings().add();
            });
    GoProcess::setMaxWorkThreadCount(2);
    Process root;
    root.setName(QStringLiteral("root"));
    Count started;
    Count stop;
    std::vector<ProcessPtr> works;
    for (int i = 0; i < 4; ++i) {
        works.push_back(root.go([&] {
            started.add();
            stop.waitFor(1);
        }));
    }
    started.waitFor(2);
    capWarnings().waitFor(1);
    say(started.count() == 2 ? "queued" : "started beyond the cap");
    stop.add();
    started.waitFor(4);
    say("all ran");
    return root.closeAndWait() ? 1 : 0;
}

// A subclass that was left open (R47).

class LeftOpenCache : public Process
{
    Q_OBJECT

public:
    LeftOpenCache()
    {
        setTeardown([] { say("teardown"); });
    }
};

int leftOpenSubclass(int, char **)
{
    {
        LeftOpenCache cache;
        cache.setName(QStringLiteral("cache"));
    }
    say("gone");
    return 0;
}

// The end of the program (R48).

int worksThatObeyAtTheEnd(int, char **)
{
    // Lives as long as the works, which outlive this function.
    static Count started;
    for (int i = 0; i < 8; ++i) {
        GoProcess::go([](Process &self) {
            started.add();
            self.waitForClosing();
            say("asked to close");
        });
    }
    started.waitFor(8);
    say("end of main");
    return 7;
}

/// Says so if the stack that it lives on is unwound.
class Unwound
{
public:
    Unwound() = default;
    Q_DISABLE_COPY_MOVE(Unwound)
    ~Unwound() { say("terminated"); }
};

int workThatNeverEnds(int, char **)
{
    static Count started;
    // Never deleted, since a thread is left at it.
    static auto *const never = new std::condition_variable;
    static auto *const mutex = new std::mutex;
    GoProcess::go(QStringLiteral("stubborn"), [] {
        const Unwound unwound;
        started.add();
        std::unique_lock lock(*mutex);
        for (;;)
            never->wait(lock);
    });
    started.waitFor(1);
    say("end of main");
    return 7;
}

int staticProcess(int, char **)
{
    // Made before the pool was used, so that a pool which goes with the other statics goes first.
    static Process process([] { say("teardown"); });
    process.setName(QStringLiteral("static"));
    watch(process);
    static Count started;
    QObject::connect(
            &process, &Process::closing, &process,
            [] {
                process.go(QStringLiteral("late"), [](Process &self) {
                    say(self.isClosing() ? "late work" : "late work of an open process");
                });
            },
            Qt::DirectConnection);
    process.go(QStringLiteral("work"), [](Process &self) {
        started.add();
        self.waitForClosing();
    });
    started.waitFor(1);
    say("end of main");
    return 7;
}

int staticProcessAfterApplication(int argc, char **argv)
{
    const QCoreApplication application(argc, argv);
    return staticProcess(argc, argv);
}

struct Scenario
{
    const char *name;
    int (*run)(int argc, char **argv);
};

constexpr std::array scenarios {
    Scenario { "deleteInTeardown", deleteInTeardown },
    Scenario { "deleteInWork", deleteInWork },
    Scenario { "deleteParentInTeardown", deleteParentInTeardown },
    Scenario { "deleteParentInWork", deleteParentInWork },
    Scenario { "withoutApplication", withoutApplication },
    Scenario { "beforeAndAfterApplication", beforeAndAfterApplication },
    Scenario { "acrossApplication", acrossApplication },
    Scenario { "closedBeforeApplication", closedBeforeApplication },
    Scenario { "closedBetweenApplications", closedBetweenApplications },
    Scenario { "threadWithoutApplication", threadWithoutApplication },
    Scenario { "movedWithoutApplication", movedWithoutApplication },
    Scenario { "burst", burst },
    Scenario { "burstAfterBlockedWorks", burstAfterBlockedWorks },
    Scenario { "cap", cap },
    Scenario { "leftOpenSubclass", leftOpenSubclass },
    Scenario { "worksThatObeyAtTheEnd", worksThatObeyAtTheEnd },
    Scenario { "workThatNeverEnds", workThatNeverEnds },
    Scenario { "staticProcess", staticProcess },
    Scenario { "staticProcessAfterApplication", staticProcessAfterApplication },
};

} // namespace

int main(int argc, char **argv)
{
#ifdef Q_OS_UNIX
    // Those that abort shall leave no core files behind.
    const rlimit noCore {};
    setrlimit(RLIMIT_CORE, &noCore);
#endif
    qSetMessagePattern(QStringLiteral("%{type} %{category}: %{message}"));
    for (const Scenario &scenario : scenarios) {
        if (argc == 2 && std::strcmp(argv[1], scenario.name) == 0)
            return scenario.run(argc, argv);
    }
    std::fprintf(stderr, "Usage: %s NAME, one of\n", argv[0]);
    for (const Scenario &scenario : scenarios)
        std::fprintf(stderr, "    %s\n", scenario.name);
    return 2;
}

#include "scenarios.moc"
