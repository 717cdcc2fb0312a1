// SPDX-License-Identifier: MIT
// Programs that get signals: the tests of signals run them as child processes.
//
// Usage: goprocess_signal_scenarios NAME. Prints one line for each thing that happened on the
// standard output, and messages of the library on the standard error. Exits with 0 if all was well.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QDeadlineTimer>
#include <QString>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using GoProcess::closeOnSignals;
using GoProcess::Process;
using GoProcess::ProcessPtr;

namespace {

constexpr std::chrono::seconds patience { 30 };

void say(const char *line)
{
    std::fprintf(stdout, "%s\n", line);
    std::fflush(stdout);
}

/// Ends the program if \a condition does not hold.
void require(bool condition, const char *what)
{
    if (condition)
        return;
    std::fprintf(stderr, "failed: %s\n", what);
    std::fflush(stderr);
    std::_Exit(3);
}

bool closes(Process &process)
{
    return process.waitForClosed(QDeadlineTimer(patience));
}

void (*handlerOf(int signal))(int)
{
    struct sigaction action = {};
    ::sigaction(signal, nullptr, &action);
    return action.sa_handler;
}

std::atomic<int> handled = 0;

void countSignal(int)
{
    handled.fetch_add(1, std::memory_order_relaxed);
}

/// The main thread is blocked in a wait, and there is no application.
int blockedWithoutApplication()
{
    Process root([] { say("teardown"); });
    require(closeOnSignals(&root, { SIGINT, SIGTERM }), "bound");
    say("ready");
    require(closes(root), "closed");
    return 0;
}

int eventLoop(int argc, char **argv)
{
    QCoreApplication application(argc, argv);
    Process root([] { say("teardown"); });
    require(closeOnSignals(&root, { SIGTERM }), "bound");
    QObject::connect(&root, &Process::closed, &application, &QCoreApplication::quit);
    say("ready");
    return QCoreApplication::exec();
}

int withoutAHome()
{
    const ProcessPtr work = GoProcess::go([](Process &self) { self.waitForClosing(); });
    require(closeOnSignals(work.get(), { SIGUSR1 }), "bound");
    std::raise(SIGUSR1);
    require(closes(*work), "closed");
    return 0;
}

int setsOfSignals()
{
    Process first;
    Process second;
    Process both;
    require(closeOnSignals(&first, { SIGUSR1 }), "first");
    require(closeOnSignals(&second, { SIGUSR2, SIGUSR2 }), "second");
    require(closeOnSignals(&both, { SIGUSR1, SIGUSR2 }), "both");
    std::raise(SIGUSR1);
    require(closes(first) && closes(both), "those that watch the first signal close");
    require(!second.isClosing(), "the other one does not");
    std::raise(SIGUSR2);
    require(closes(second), "it closes on its own signal");
    return 0;
}

/// A thousand processes that watch the same signals.
int manyProcesses()
{
    std::vector<std::unique_ptr<Process>> processes;
    for (int i = 0; i < 1000; ++i) {
        processes.push_back(std::make_unique<Process>());
        require(closeOnSignals(processes.back().get(), { SIGUSR1, SIGHUP }), "bound");
    }
    std::raise(SIGHUP);
    for (const auto &process : processes)
        require(closes(*process), "closed");
    require(handlerOf(SIGUSR1) == SIG_DFL && handlerOf(SIGHUP) == SIG_DFL, "restored");
    return 0;
}

int previousHandlerIsRestoredByTheLast()
{
    std::signal(SIGUSR1, countSignal);
    std::signal(SIGUSR2, SIG_IGN);
    {
        Process first;
        Process second;
        require(closeOnSignals(&first, { SIGUSR1, SIGUSR2 }), "first");
        require(closeOnSignals(&second, { SIGUSR1 }), "second");
        first.closeAndWait();
        require(handlerOf(SIGUSR2) == SIG_IGN, "nobody watches the second signal any more");
        require(handlerOf(SIGUSR1) != countSignal, "the first signal is still watched");
        std::raise(SIGUSR1);
        require(handled == 0, "the previous handler does not run meanwhile");
        require(closes(second), "closed");
    }
    require(handlerOf(SIGUSR1) == countSignal, "the handler is restored");
    std::raise(SIGUSR1);
    require(handled == 1, "and runs");

    Process again;
    require(closeOnSignals(&again, { SIGUSR1 }), "again");
    std::raise(SIGUSR1);
    require(closes(again) && handled == 1, "watched once more");
    return 0;
}

int laterHandlerIsLeftAlone()
{
    Process process;
    require(closeOnSignals(&process, { SIGUSR1 }), "bound");
    std::signal(SIGUSR1, countSignal);
    process.closeAndWait();
    require(handlerOf(SIGUSR1) == countSignal, "what somebody has installed since stays");
    return 0;
}

/// A second signal while the process is closing does not end the program.
int secondSignalWhileClosing()
{
    Process root;
    GoProcess::Hold hold = root.hold();
    require(closeOnSignals(&root, { SIGINT }), "bound");
    std::raise(SIGINT);
    require(root.waitForClosing(QDeadlineTimer(patience)), "closing");
    std::raise(SIGINT);
    hold.release();
    require(closes(root), "closed");
    return 0;
}

int closedProcessIsNotBound()
{
    Process closed;
    closed.closeAndWait();
    require(closeOnSignals(&closed, { SIGUSR1 }), "nothing to do is no refusal");
    require(handlerOf(SIGUSR1) == SIG_DFL, "nothing is installed");
    return 0;
}

int destroyedProcessRestores()
{
    {
        Process process;
        require(closeOnSignals(&process, { SIGUSR1 }), "bound");
    }
    require(handlerOf(SIGUSR1) == SIG_DFL, "restored");
    return 0;
}

/// Prints a warning for each that is refused.
int refused()
{
    Process process;
    process.setName(QStringLiteral("root"));
    require(!closeOnSignals(&process, { SIGUSR1, SIGKILL }), "SIGKILL");
    require(!closeOnSignals(&process, { SIGSTOP }), "SIGSTOP");
    require(!closeOnSignals(&process, { 0 }), "0");
    require(!closeOnSignals(&process, { -1 }), "-1");
    require(!closeOnSignals(&process, { 4711 }), "4711");
    require(!closeOnSignals(&process, { SIGSEGV }), "SIGSEGV");
    require(!closeOnSignals(nullptr, { SIGUSR1 }), "null");
    require(!closeOnSignals(Process::background(), { SIGUSR1 }), "background");
    require(handlerOf(SIGUSR1) == SIG_DFL, "all or nothing");
    return 0;
}

/// A forked child takes a signal as if the library was not there, and does not close the parent's.
int forkedChild()
{
    Process root;
    require(closeOnSignals(&root, { SIGTERM }), "bound");
    const pid_t child = ::fork();
    if (child == 0) {
        while (true)
            ::pause();
    }
    ::kill(child, SIGTERM);
    int status = 0;
    require(::waitpid(child, &status, 0) == child, "waited");
    require(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "the child ends of the signal");
    // What would have come through the pipe is there before this one.
    Process other;
    require(closeOnSignals(&other, { SIGUSR1 }), "other");
    std::raise(SIGUSR1);
    require(closes(other), "closed");
    require(!root.isClosing(), "the parent's process is open");
    return 0;
}

int errnoIsPreserved()
{
    Process root;
    require(closeOnSignals(&root, { SIGUSR1 }), "bound");
    errno = ERANGE;
    std::raise(SIGUSR1);
    require(errno == ERANGE, "errno");
    require(closes(root), "closed");
    return 0;
}

/// More signals than any pipe takes, and none lost for the process that comes next.
int stormOfSignals()
{
    Process root;
    GoProcess::Hold hold = root.hold();
    Process other;
    require(closeOnSignals(&root, { SIGUSR1 }), "bound");
    require(closeOnSignals(&other, { SIGUSR2 }), "bound");
    for (int i = 0; i < 80'000; ++i)
        std::raise(SIGUSR1);
    std::raise(SIGUSR2);
    require(closes(other), "closed");
    hold.release();
    require(closes(root), "closed");
    return 0;
}

/// Processes that open and close while signals come. SIGUSR1 is always watched by one of them.
int signalsMeetTheClose()
{
    Process keeper;
    GoProcess::Hold hold = keeper.hold();
    require(closeOnSignals(&keeper, { SIGUSR1 }), "bound");
    std::atomic<bool> stop = false;
    std::thread sender([&] {
        while (!stop)
            ::kill(::getpid(), SIGUSR1);
    });
    for (int i = 0; i < 500; ++i) {
        Process process;
        require(closeOnSignals(&process, { SIGUSR1 }), "bound");
        if (i % 2)
            process.close();
        require(closes(process), "closed");
    }
    stop = true;
    sender.join();
    hold.release();
    require(closes(keeper), "closed");
    return 0;
}

/// A static process that still watches when the program ends.
int watchedAtTheEnd()
{
    static Process root;
    require(closeOnSignals(&root, { SIGTERM }), "bound");
    return 0;
}

} // namespace

int main(int argc, char **argv)
{
    struct Scenario
    {
        const char *name;
        int (*run)();
    };
    const std::array scenarios {
        Scenario { "blockedWithoutApplication", blockedWithoutApplication },
        Scenario { "withoutAHome", withoutAHome },
        Scenario { "setsOfSignals", setsOfSignals },
        Scenario { "manyProcesses", manyProcesses },
        Scenario { "previousHandlerIsRestoredByTheLast", previousHandlerIsRestoredByTheLast },
        Scenario { "laterHandlerIsLeftAlone", laterHandlerIsLeftAlone },
        Scenario { "secondSignalWhileClosing", secondSignalWhileClosing },
        Scenario { "closedProcessIsNotBound", closedProcessIsNotBound },
        Scenario { "destroyedProcessRestores", destroyedProcessRestores },
        Scenario { "refused", refused },
        Scenario { "forkedChild", forkedChild },
        Scenario { "errnoIsPreserved", errnoIsPreserved },
        Scenario { "stormOfSignals", stormOfSignals },
        Scenario { "signalsMeetTheClose", signalsMeetTheClose },
        Scenario { "watchedAtTheEnd", watchedAtTheEnd },
    };
    const char *name = argc > 1 ? argv[1] : "";
    if (std::strcmp(name, "eventLoop") == 0)
        return eventLoop(argc, argv);
    for (const Scenario &scenario : scenarios) {
        if (std::strcmp(name, scenario.name) == 0)
            return scenario.run();
    }
    std::fprintf(stderr, "no such scenario: %s\n", name);
    return 2;
}
