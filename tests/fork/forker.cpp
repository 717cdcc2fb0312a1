// SPDX-License-Identifier: MIT
// Programs that fork and go on in the child without exec().
//
// Usage: forker NAME. Both processes print what happened; exits with the status of the child.

#include <GoProcess/Bindings>
#include <GoProcess/GoProcess>
#include <GoProcess/Periodic>

#include <QCoreApplication>
#include <QDeadlineTimer>
#include <QPromise>
#include <QThread>
#include <QThreadPool>

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using GoProcess::Process;
using GoProcess::ProcessPtr;
using namespace std::chrono_literals;

namespace {

void say(const char *line)
{
    std::fprintf(stdout, "%s\n", line);
    std::fflush(stdout);
}

bool check(bool condition, const char *what)
{
    if (!condition)
        std::fprintf(stderr, "false: %s\n", what);
    return condition;
}
#define EXPECT(condition) ok = check(bool(condition), #condition) && ok

/// Runs \a child in a child, which ends by exit(); 9 if it hangs.
int inChild(const std::function<int()> &child)
{
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::alarm(20);
        std::exit(child());
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 9;
}

void useThePool()
{
    GoProcess::go([] {})->waitForClosed();
}

int refusesWhatNeedsAThread()
{
    useThePool();
    return inChild([] {
        bool ok = true;
        Process process([] { say("torn down"); });
        process.setName(QStringLiteral("p"));
        EXPECT(!GoProcess::go(QStringLiteral("work"), [] { say("a work runs"); }));
        EXPECT(!process.go([] { say("a work runs"); }));
        EXPECT(!GoProcess::every(
                1ms, [] { say("a work runs"); }, &process));
        EXPECT(!GoProcess::closeAt(&process, QDeadlineTimer(1h)));
        EXPECT(!GoProcess::closeOnSignals(&process, { SIGUSR1 }));
        EXPECT(!process.isClosing());
        EXPECT(!process.closeAndWait());
        return ok ? 0 : 1;
    });
}

int worksWhereTheParentHasNotUsedIt()
{
    return inChild([] {
        const ProcessPtr work = GoProcess::go([] { say("a work runs"); });
        return work && work->waitForClosed(10s) ? 0 : 1;
    });
}

int worksWhereTheParentHadNoThreads()
{
    Process process([] { say("torn down"); });
    return inChild([&] {
        process.go([] { say("a work runs"); });
        return process.closeAndWait() ? 1 : 0;
    });
}

int exitsAtOnce()
{
    useThePool();
    const ProcessPtr work = GoProcess::go([](Process &self) { self.waitForClosing(); });
    const ProcessPtr beat = GoProcess::every(1ms, [] {});
    const int status = inChild([] { return 0; });
    beat->closeAndWait();
    work->closeAndWait();
    return status;
}

/// What a program has: works that run, wait and queue, a home of its own, a beat, a time.
struct Program
{
    Program()
    {
        root.setName(QStringLiteral("root"));
        pool.setMaxThreadCount(4);
        root.setThreadPool(&pool);
        for (int i = 0; i < 4; ++i) {
            works.push_back(root.go(QStringLiteral("work"), [this](Process &self) {
                ++running;
                while (!self.isClosing()) // a wait of the library would lend its place out
                    std::this_thread::sleep_for(1ms);
            }));
            new Process(works.back().get());
        }
        while (running < 4)
            std::this_thread::yield();
        works.push_back(root.go(QStringLiteral("queued"), [] {}));
        GoProcess::closeAt(&root, QDeadlineTimer(1h));
        GoProcess::closeOnSignals(&root, { SIGUSR1 });
        thread.start();
        elsewhere.setTeardown([] { say("elsewhere: torn down"); });
        elsewhere.moveToThread(&thread);
        root.addChild(&elsewhere);
    }
    Q_DISABLE_COPY_MOVE(Program)
    ~Program()
    {
        root.closeAndWait();
        thread.quit();
        thread.wait();
    }

    bool hasLostWorks() const
    {
        bool ok = true;
        EXPECT(root.treeErrorCount() == qsizetype(works.size()));
        for (const ProcessPtr &work : works) {
            EXPECT(work->isClosed());
            EXPECT(work->error().message().contains(QLatin1String("forked")));
        }
        return ok;
    }

    std::atomic<int> running = 0;
    QThreadPool pool;
    QThread thread;
    Process elsewhere;
    std::vector<ProcessPtr> works;
    Process root { [] { say("root: torn down"); } };
};

int closesWhatTheParentHad()
{
    int argc = 0;
    const QCoreApplication app(argc, nullptr);
    Program program;
    const int status = inChild([&] {
        bool ok = true;
        EXPECT(!program.root.closeAndWait());
        EXPECT(program.hasLostWorks());
        return ok ? 0 : 1;
    });
    say("the parent goes on");
    return status;
}

int closesInTheEventLoop()
{
    int argc = 0;
    const QCoreApplication app(argc, nullptr);
    Program program;
    const int status = inChild([&] {
        bool ok = true;
        program.root.close();
        const QDeadlineTimer deadline(10s);
        while (!program.root.isClosed() && !deadline.hasExpired())
            QCoreApplication::processEvents();
        EXPECT(program.root.isClosed());
        EXPECT(program.hasLostWorks());
        return ok ? 0 : 1;
    });
    say("the parent goes on");
    return status;
}

/// One of a lost thread has returned a future, one runs, and one waits for its turn.
int closesWithPosts()
{
    int argc = 0;
    const QCoreApplication app(argc, nullptr);
    std::atomic<bool> runs = false;
    std::atomic<bool> stop = false;
    QPromise<void> promise;
    promise.start();
    QThread thread;
    Process process(QStringLiteral("p"), [] { say("torn down"); });
    process.moveToThread(&thread);
    thread.start();
    process.post([&] { return promise.future(); });
    process.post([&] {
        runs = true;
        while (!stop)
            std::this_thread::sleep_for(1ms);
    });
    process.post([] { say("the next one runs"); });
    while (!runs)
        std::this_thread::yield();
    const int status = inChild([&] {
        bool ok = true;
        EXPECT(process.closeAndWait().message().contains(QLatin1String("forked")));
        return ok ? 0 : 1;
    });
    stop = true;
    promise.finish();
    const bool failed = bool(process.closeAndWait());
    thread.quit();
    thread.wait();
    return failed ? 1 : status;
}

int destroysWhatTheParentHad()
{
    auto *const root = new Process;
    std::atomic<bool> runs = false;
    root->setName(QStringLiteral("root"));
    root->go([&runs](Process &self) {
        runs = true;
        self.waitForClosing();
    });
    while (!runs)
        std::this_thread::yield();
    const int status = inChild([&] {
        delete root;
        return 0;
    });
    delete root;
    return status;
}

int forksInAWork()
{
    int status = 1;
    const ProcessPtr work = GoProcess::go([&status](Process &self) {
        const ProcessPtr sibling = self.go([](Process &inner) { inner.waitForClosing(); });
        status = inChild([&] {
            bool ok = true;
            EXPECT(!self.go([] {}));
            sibling->close();
            EXPECT(sibling->waitForClosed(10s));
            return ok ? 0 : 1;
        });
        sibling->close();
    });
    work->waitForClosed();
    return status;
}

/// Forks while other threads hold locks of the library. They make no objects: what Qt has locked
/// for them is beyond the library.
int forksWhileOthersHoldLocks()
{
    std::atomic<bool> stop = false;
    Process root;
    std::vector<std::unique_ptr<Process>> children;
    for (int i = 0; i < 3; ++i)
        children.push_back(std::make_unique<Process>(&root));
    std::vector<std::thread> threads;
    for (const auto &child : children) {
        threads.emplace_back([&root, &stop, process = child.get()] {
            while (!stop) {
                const GoProcess::Hold hold = process->hold();
                const GoProcess::Hold above = root.hold();
                root.addChildNoWait(process);
                static_cast<void>(process->path());
            }
        });
    }
    int status = 0;
    for (int i = 0; i < 50 && status == 0; ++i) {
        status = inChild([&] {
            bool ok = true;
            Process parent([] {});
            const Process child(&parent);
            EXPECT(!parent.closeAndWait());
            root.close();
            EXPECT(children.front()->isClosing());
            EXPECT(root.treeErrors().isEmpty());
            return ok ? 0 : 1;
        });
    }
    stop = true;
    for (std::thread &thread : threads)
        thread.join();
    return status;
}

std::atomic<bool> isStopped = false;
std::atomic<bool> goesOn = false;

/// Forks while another thread, which a message handler has stopped, closes a large tree, and part
/// of it is not even Closing.
int forksInALargeClose()
{
    Process root([] { say("torn down"); });
    std::vector<std::unique_ptr<Process>> children;
    for (int i = 0; i < 10000; ++i) {
        children.push_back(std::make_unique<Process>());
        root.addChild(children.back().get());
    }
    children.front()->moveToThread(nullptr); // of which a warning tells
    qInstallMessageHandler([](QtMsgType, const QMessageLogContext &, const QString &) {
        isStopped = true;
        while (!goesOn)
            std::this_thread::sleep_for(1ms);
    });
    std::thread closer([&] { root.close(); });
    while (!isStopped)
        std::this_thread::yield();
    const int status = inChild([&] {
        bool ok = true;
        goesOn = true;
        EXPECT(root.isClosing());
        EXPECT(!children.back()->isClosing());
        EXPECT(!root.closeAndWait());
        EXPECT(children.front()->isClosed() && children.back()->isClosed());
        return ok ? 0 : 1;
    });
    goesOn = true;
    closer.join();
    return root.closeAndWait() ? 1 : status;
}

/// Forks while other threads are in a slot of closing(), in a teardown and in a slot of closed().
int forksInTheSteps()
{
    int argc = 0;
    const QCoreApplication app(argc, nullptr);
    std::atomic<int> inside = 0;
    std::atomic<bool> mayGo = false;
    const auto stay = [&] {
        ++inside;
        while (!mayGo)
            std::this_thread::sleep_for(1ms);
    };
    std::array<QThread, 3> threads;
    std::array<Process, 3> processes;
    QObject::connect(&processes[0], &Process::closing, &processes[0], stay, Qt::DirectConnection);
    processes[1].setTeardown(stay);
    QObject::connect(&processes[2], &Process::closed, &processes[2], stay, Qt::DirectConnection);
    for (std::size_t i = 0; i < threads.size(); ++i) {
        processes[i].moveToThread(&threads[i]);
        threads[i].start();
        processes[i].close();
    }
    while (inside < 3)
        std::this_thread::yield();
    const int status = inChild([&] {
        bool ok = true;
        mayGo = true;
        EXPECT(!processes[0].closeAndWait());
        EXPECT(processes[1].closeAndWait().message().contains(QLatin1String("forked")));
        EXPECT(!processes[2].closeAndWait());
        return ok ? 0 : 1;
    });
    mayGo = true;
    bool failed = false;
    for (std::size_t i = 0; i < threads.size(); ++i) {
        failed = processes[i].closeAndWait() || failed;
        threads[i].quit();
        threads[i].wait();
    }
    return failed ? 1 : status;
}

/// In a slot that a wait runs; that wait ends in the child as well, while another thread of the
/// parent waits too.
int forksInAWait()
{
    useThePool();
    pid_t pid = -1;
    Process root([] { say("torn down"); });
    Process child(&root);
    std::thread other([&root] { root.waitForClosed(); });
    QObject::connect(&child, &Process::closing, &child, [&pid] {
        pid = ::fork();
        if (pid == 0)
            ::alarm(20);
    });
    const bool failed = bool(root.closeAndWait());
    if (pid == 0)
        std::exit(failed ? 1 : 0);
    other.join();
    int status = 0;
    ::waitpid(pid, &status, 0);
    return !failed && WIFEXITED(status) ? WEXITSTATUS(status) : 9;
}

} // namespace

int main(int argc, char **argv)
{
    struct Named
    {
        const char *name;
        int (*function)();
    };
    constexpr std::array all {
        Named { "refuses", &refusesWhatNeedsAThread },
        Named { "unused", &worksWhereTheParentHasNotUsedIt },
        Named { "nothreads", &worksWhereTheParentHadNoThreads },
        Named { "exits", &exitsAtOnce },
        Named { "closes", &closesWhatTheParentHad },
        Named { "eventloop", &closesInTheEventLoop },
        Named { "posts", &closesWithPosts },
        Named { "destroys", &destroysWhatTheParentHad },
        Named { "inwork", &forksInAWork },
        Named { "locks", &forksWhileOthersHoldLocks },
        Named { "largeclose", &forksInALargeClose },
        Named { "insteps", &forksInTheSteps },
        Named { "inwait", &forksInAWait },
    };
    for (const Named &named : all) {
        if (argc == 2 && std::strcmp(argv[1], named.name) == 0)
            return named.function();
    }
    return 2;
}
