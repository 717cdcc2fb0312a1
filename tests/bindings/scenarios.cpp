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
#include <QObject>
#include <QString>
#include <QThread>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using GoProcess::closeOnSignals;
using GoProcess::FurtherSignal;
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
    QObject::connect(&root, &Process::closed, &application, &QCoreApplication::quit,
                     Qt::QueuedConnection);
    say("ready");
    return QCoreApplication::exec();
}

/// A program whose start fails: the root is closed before there is an event loop.
int closedBeforeTheEventLoop(int argc, char **argv)
{
    QCoreApplication application(argc, argv);
    Process root;
    QObject::connect(&root, &Process::closed, &application, &QCoreApplication::quit,
                     Qt::QueuedConnection);
    root.closeAndWait();
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
        require(closeOnSignals(processes.back().get(), { SIGUSR1, SIGHUP },
                               FurtherSignal::IsIgnored),
                "bound");
    }
    std::raise(SIGHUP);
    for (const auto &process : processes)
        require(closes(*process), "closed");
    require(handlerOf(SIGUSR1) == SIG_DFL, "restored");
    require(handlerOf(SIGHUP) != SIG_DFL, "it stays handled until the program has ended");
    return 0;
}

int previousHandlerIsRestoredByTheLast()
{
    std::signal(SIGUSR1, countSignal);
    {
        Process first;
        Process second;
        require(closeOnSignals(&first, { SIGUSR1, SIGUSR2 }), "first");
        require(closeOnSignals(&second, { SIGUSR1 }), "second");
        first.closeAndWait();
        require(handlerOf(SIGUSR2) == SIG_DFL, "no process watches the second signal any more");
        require(handlerOf(SIGUSR1) != countSignal, "the first signal is still watched");
    }
    require(handlerOf(SIGUSR1) == countSignal, "the handler is restored");
    std::raise(SIGUSR1);
    require(handled == 1, "and runs");
    return 0;
}

/// Closing has begun by it: it does not end the program while that ends.
int staysHandledAfterTheClose()
{
    std::signal(SIGUSR1, countSignal);
    {
        Process root;
        require(closeOnSignals(&root, { SIGINT, SIGUSR1, SIGUSR2 }, FurtherSignal::IsIgnored),
                "bound");
        std::raise(SIGINT);
        std::raise(SIGUSR1);
        require(closes(root), "closed");
    }
    require(handlerOf(SIGUSR2) == SIG_DFL, "it has not come");
    std::raise(SIGINT);
    std::raise(SIGUSR1);
    require(handled == 0, "nor does the previous handler run");
    return 0;
}

/// A program that goes on after a close by a signal, and watches that anew.
int armedAgain()
{
    std::signal(SIGUSR1, countSignal);
    for (int i = 0; i < 3; ++i) {
        Process root;
        require(closeOnSignals(&root, { SIGUSR1 }), "bound");
        std::raise(SIGUSR1);
        require(closes(root), "closed");
    }
    {
        Process root;
        require(closeOnSignals(&root, { SIGUSR1 }), "bound");
    }
    require(handlerOf(SIGUSR1) == countSignal, "it has not come since: restored");
    return 0;
}

/// Signals come from the first to the last moment of the program.
int signalsUntilTheEnd()
{
    static Process root([] { std::this_thread::yield(); });
    require(closeOnSignals(&root, { SIGINT }, FurtherSignal::IsIgnored), "bound");
    std::thread([] {
        while (true)
            ::kill(::getpid(), SIGINT);
    }).detach();
    require(closes(root), "closed");
    return 0;
}

/// What nohup does.
int ignoredSignalsStayIgnored()
{
    std::signal(SIGHUP, SIG_IGN);
    QList<int> ignored;
    Process root;
    require(closeOnSignals(&root, { SIGTERM, SIGHUP, SIGINT }, &ignored), "bound");
    require(ignored == QList<int> { SIGHUP }, "which are ignored");
    require(handlerOf(SIGHUP) == SIG_IGN, "it stays ignored");
    std::raise(SIGHUP);
    require(handlerOf(SIGTERM) != SIG_DFL, "the others are watched");
    Process other;
    require(closeOnSignals(&other, { SIGHUP }), "none is left, which is no refusal");
    std::raise(SIGTERM);
    require(closes(root), "closed");
    require(!other.isClosing(), "nothing came");
    require(handlerOf(SIGHUP) == SIG_IGN, "still");
    require(closeOnSignals(&other, { SIGUSR1 }, &ignored) && ignored.isEmpty(), "none is");
    return 0;
}

/// The shell that started the program had SIGHUP ignored.
int startedWithAnIgnoredSignal()
{
    require(handlerOf(SIGHUP) == SIG_IGN, "it is ignored");
    Process root;
    require(closeOnSignals(&root, { SIGTERM, SIGHUP }), "bound");
    std::raise(SIGHUP);
    require(handlerOf(SIGHUP) == SIG_IGN && !root.isClosing(), "it stays ignored");
    std::raise(SIGTERM);
    require(closes(root), "closed");
    return 0;
}

/// The program asks first, and closes when it is told to.
int asksFirst(int argc, char **argv)
{
    QCoreApplication application(argc, argv);
    Process root([] { say("teardown"); });
    QObject window;
    int asked = 0;
    const auto connection = GoProcess::onSignals(&window, { SIGINT, SIGTERM }, [&](int signal) {
        require(QThread::currentThread() == window.thread(), "in the thread of the context");
        require(signal == (asked == 1 ? SIGTERM : SIGINT), "which one");
        ++asked;
        if (asked < 3)
            std::raise(asked == 1 ? SIGTERM : SIGINT);
        else
            root.close();
    });
    require(connection, "bound");
    QObject::connect(&root, &Process::closed, &application, &QCoreApplication::quit,
                     Qt::QueuedConnection);
    std::raise(SIGINT);
    const int status = QCoreApplication::exec();
    require(asked == 3, "each time");
    return status;
}

/// QEventLoop::WaitForMoreEvents waits for one more, also when some have been there.
void processEvents()
{
    QCoreApplication::processEvents();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

/// Functions go with their context, and by their connection.
int functionsGo(int argc, char **argv)
{
    QCoreApplication application(argc, argv);
    auto context = std::make_unique<QObject>();
    auto captured = std::make_unique<int>(0); // functions need not be copyable
    int called = 0;
    require(GoProcess::onSignals(context.get(), { SIGUSR1 },
                                 [&called, held = std::move(captured)] { ++called; }),
            "first");
    const auto second = GoProcess::onSignals(context.get(), { SIGUSR1 }, [&] { ++called; });
    context->disconnect(); // of its own signals
    std::raise(SIGUSR1);
    while (called < 2)
        processEvents();
    QObject::disconnect(second);
    std::raise(SIGUSR1);
    while (called < 3)
        processEvents();
    require(handlerOf(SIGUSR1) != SIG_DFL, "one is left");
    context.reset();
    require(handlerOf(SIGUSR1) == SIG_DFL, "restored");
    require(called == 3, "no call has come since");
    return 0;
}

/// A process and a function on one signal, in another thread.
int closesAndCalls(int argc, char **argv)
{
    const QCoreApplication application(argc, argv);
    QThread thread;
    QObject context;
    context.moveToThread(&thread);
    thread.start();
    std::atomic<int> called = 0;
    Process root;
    require(GoProcess::onSignals(&context, { SIGUSR1 }, [&] { ++called; }), "function");
    require(closeOnSignals(&root, { SIGUSR1 }), "process");
    std::raise(SIGUSR1);
    require(closes(root), "closed");
    while (called < 1)
        std::this_thread::yield();
    thread.quit();
    thread.wait();
    return 0;
}

int laterHandlerIsLeftAlone()
{
    Process process;
    require(closeOnSignals(&process, { SIGUSR1 }), "bound");
    std::signal(SIGUSR1, countSignal);
    process.closeAndWait();
    require(handlerOf(SIGUSR1) == countSignal, "what the program has installed since stays");
    return 0;
}

/// Raises \a signal, and returns when it has closed \a process and the next one is a further one.
void closeBy(int signal, Process &process)
{
    std::raise(signal);
    require(process.waitForClosing(QDeadlineTimer(patience)), "closing");
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
}

/// Further signals do not end a program that does not want it.
int furtherSignalsAreIgnored()
{
    Process root;
    GoProcess::Hold hold = root.hold();
    require(closeOnSignals(&root, { SIGINT, SIGTERM }, FurtherSignal::IsIgnored), "bound");
    closeBy(SIGINT, root);
    std::raise(SIGINT);
    std::raise(SIGTERM);
    hold.release();
    require(closes(root), "closed");
    std::raise(SIGINT);
    return 0;
}

/// The main thread waits for a process that does not become Closed.
int endsWhileBlocked()
{
    Process root;
    const GoProcess::Hold hold = root.hold();
    require(closeOnSignals(&root, { SIGINT, SIGTERM }), "bound");
    std::thread([&root] {
        closeBy(SIGINT, root);
        std::raise(SIGINT);
    }).detach();
    closes(root);
    return 1;
}

/// A teardown hangs, and has locked what the end of a program by exit() would wait for.
int endsWhileATeardownHangs()
{
    static std::timed_mutex locked;
    static Process root([] {
        const std::lock_guard lock(locked);
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
        std::thread([] { std::raise(SIGINT); }).detach();
        std::this_thread::sleep_for(patience);
    });
    std::atexit([] {
        if (!locked.try_lock_for(patience))
            std::_Exit(1);
    });
    require(closeOnSignals(&root, { SIGINT }), "bound");
    std::raise(SIGINT);
    closes(root);
    return 1;
}

/// All is Closed, main() has returned, and a destructor of a static object hangs.
int endsAfterAllIsClosed()
{
    struct Hangs
    {
        ~Hangs()
        {
            std::raise(SIGINT);
            std::_Exit(1);
        }
    };
    static Hangs hangs;
    Process root;
    require(closeOnSignals(&root, { SIGINT }), "bound");
    closeBy(SIGINT, root);
    require(closes(root), "closed");
    return 0;
}

/// The second one is another signal of the same process.
int endsByAnotherSignal()
{
    Process root;
    const GoProcess::Hold hold = root.hold();
    require(closeOnSignals(&root, { SIGTERM, SIGUSR1 }), "bound");
    closeBy(SIGTERM, root);
    std::raise(SIGUSR1);
    return 1;
}

/// The second one is a signal of another process, which it closes.
int signalsOfOthersDoNotEndIt()
{
    Process first;
    Process second;
    GoProcess::Hold hold = first.hold();
    require(closeOnSignals(&first, { SIGUSR1 }), "first");
    require(closeOnSignals(&second, { SIGUSR2 }), "second");
    closeBy(SIGUSR1, first);
    std::raise(SIGUSR2);
    require(closes(second), "it closes the other one");
    hold.release();
    require(closes(first), "closed");
    return 0;
}

/// A session that one signal closes is opened again, and a signal that closes it and the whole
/// program comes for the first time: it closes both.
int signalOfAnOpenProcessClosesIt()
{
    Process root;
    require(closeOnSignals(&root, { SIGTERM, SIGINT }), "root");
    auto session = std::make_unique<Process>();
    require(closeOnSignals(session.get(), { SIGHUP, SIGTERM }), "session");
    closeBy(SIGHUP, *session);
    Process second;
    require(closeOnSignals(&second, { SIGHUP, SIGTERM }), "second session");
    session.reset();
    std::raise(SIGHUP);
    require(closes(second), "by its own signal");
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    std::raise(SIGTERM);
    require(closes(root), "closed");
    return 0;
}

/// Signals that come almost at once. All are of one request, until the program is out of the CPU
/// for long.
int signalsAtOnce()
{
    Process root;
    GoProcess::Hold hold = root.hold();
    require(closeOnSignals(&root, { SIGINT, SIGTERM, SIGHUP }), "bound");
    std::raise(SIGTERM);
    require(root.waitForClosing(QDeadlineTimer(patience)), "closing");
    std::raise(SIGHUP);
    std::raise(SIGTERM);
    hold.release();
    require(closes(root), "closed");
    std::raise(SIGTERM);
    std::raise(SIGINT);
    return 0;
}

/// One that has not come would end the program by its default action, and that at once.
int theOthersStayHandledToo()
{
    {
        Process root;
        require(closeOnSignals(&root, { SIGUSR1, SIGUSR2 }), "bound");
        std::raise(SIGUSR1);
        require(closes(root), "closed");
        Process other;
        require(closeOnSignals(&other, { SIGHUP }), "other");
    }
    require(handlerOf(SIGUSR1) != SIG_DFL, "it has come");
    require(handlerOf(SIGUSR2) != SIG_DFL, "another one of the same process");
    require(handlerOf(SIGHUP) == SIG_DFL, "one of a process that no signal has closed");
    return 0;
}

/// A program that goes on, and closes the next process by the next signal.
int startsAgain()
{
    {
        Process root;
        require(closeOnSignals(&root, { SIGUSR1, SIGUSR2 }), "bound");
        closeBy(SIGUSR1, root);
        require(closes(root), "closed");
    }
    Process next;
    const GoProcess::Hold hold = next.hold();
    require(closeOnSignals(&next, { SIGUSR1, SIGUSR2 }), "bound again");
    closeBy(SIGUSR1, next);
    say("closed again");
    std::raise(SIGUSR2);
    return 1;
}

/// One of two that are closed by a signal ignores further ones, and the other one does not.
int oneOfTwoIgnores()
{
    Process ending;
    Process ignoring;
    GoProcess::Hold hold = ending.hold();
    GoProcess::Hold other = ignoring.hold();
    require(closeOnSignals(&ending, { SIGINT }), "ending");
    require(closeOnSignals(&ignoring, { SIGINT, SIGTERM }, FurtherSignal::IsIgnored), "ignoring");
    closeBy(SIGINT, ending);
    require(ignoring.waitForClosing(QDeadlineTimer(patience)), "both");
    std::raise(SIGTERM);
    say("ignored");
    std::raise(SIGINT);
    return 1;
}

/// One process has a signal that ends the program, and one that does not.
int oneIgnoresSome()
{
    Process root;
    const GoProcess::Hold hold = root.hold();
    require(closeOnSignals(&root, { SIGINT }), "ending");
    require(closeOnSignals(&root, { SIGTERM }, FurtherSignal::IsIgnored), "ignoring");
    closeBy(SIGTERM, root);
    std::raise(SIGTERM);
    std::raise(SIGINT);
    say("ignored");
    for (const QDeadlineTimer deadline(patience); !deadline.hasExpired();) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        std::raise(SIGTERM);
        std::raise(SIGINT);
    }
    return 1;
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
    QObject context;
    const auto function = [] {};
    require(!GoProcess::onSignals(&context, { SIGUSR1, SIGKILL }, function), "function, SIGKILL");
    require(!GoProcess::onSignals(nullptr, { SIGUSR1 }, function), "null context");
    require(!GoProcess::onSignals(&context, { SIGUSR1 }, std::function<void()>()), "null function");
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

/// Nor does a further signal end the child by the parent's handler.
int forkedChildOfAClosingProgram()
{
    Process root;
    GoProcess::Hold hold = root.hold();
    require(closeOnSignals(&root, { SIGTERM }), "bound");
    closeBy(SIGTERM, root);
    const pid_t child = ::fork();
    if (child == 0) {
        std::raise(SIGTERM);
        while (true)
            ::pause();
    }
    int status = 0;
    require(::waitpid(child, &status, 0) == child, "waited");
    require(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "the child ends of the signal");
    hold.release();
    require(closes(root), "closed");
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
    require(closeOnSignals(&root, { SIGUSR1 }, FurtherSignal::IsIgnored), "bound");
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
    require(closeOnSignals(&keeper, { SIGUSR1 }, FurtherSignal::IsIgnored), "bound");
    std::atomic<bool> stop = false;
    std::thread sender([&] {
        while (!stop)
            ::kill(::getpid(), SIGUSR1);
    });
    for (int i = 0; i < 500; ++i) {
        Process process;
        require(closeOnSignals(&process, { SIGUSR1 }, FurtherSignal::IsIgnored), "bound");
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

/// A process that is at home in a thread that has finished. A warning says so when it is closed.
Process *processThatWarns()
{
    auto *process = new Process;
    // Of a QThread that runs an event loop without an application Qt itself warns.
    static QThread *const thread = QThread::create([] {});
    process->moveToThread(thread);
    thread->start();
    thread->wait();
    return process;
}

/// A close warns in the thread that hears of signals, and the handler of that ends the program
/// there. No lock is held, for which the end of the program would wait.
int messageHandlerEndsTheProgram()
{
    Process first;
    require(closeOnSignals(&first, { SIGUSR1 }), "watching SIGUSR1");
    std::raise(SIGUSR1);
    require(closes(first), "closing by the first signal");

    Process *second = processThatWarns();
    qInstallMessageHandler([](QtMsgType, const QMessageLogContext &, const QString &text) {
        require(text.contains(QLatin1String("it has finished")), qPrintable(text));
        std::exit(0);
    });
    require(closeOnSignals(second, { SIGUSR2 }), "watching SIGUSR2");
    std::raise(SIGUSR2);
    std::this_thread::sleep_for(patience);
    return 1;
}

std::atomic<bool> hasWarned = false;

/// Keeps the thread that hears of signals in a message handler of the program, for ever.
void hangInAWarning()
{
    qInstallMessageHandler([](QtMsgType, const QMessageLogContext &, const QString &) {
        hasWarned = true;
        std::this_thread::sleep_for(patience);
    });
    std::raise(SIGUSR1);
    while (!hasWarned)
        std::this_thread::yield();
}

/// A close by a signal hangs in the thread that hears of signals.
int endsWhileTheCloseHangs()
{
    require(closeOnSignals(processThatWarns(), { SIGUSR1, SIGINT }), "bound");
    hangInAWarning();
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    std::raise(SIGINT);
    return 1;
}

/// The program closes the process by itself, just after a signal has come that no thread has heard
/// of yet.
int endsThoughTheSignalCameLate()
{
    require(closeOnSignals(processThatWarns(), { SIGUSR1 }), "busy");
    hangInAWarning();
    Process root;
    require(closeOnSignals(&root, { SIGINT, SIGTERM }), "bound");
    std::raise(SIGINT);
    root.closeAndWait();
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    std::raise(SIGTERM);
    return 1;
}

} // namespace

int main(int argc, char **argv)
{
    GoProcess::setCloseWarning(std::chrono::seconds(0)); // sanitizers make a close last
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
        Scenario { "staysHandledAfterTheClose", staysHandledAfterTheClose },
        Scenario { "armedAgain", armedAgain },
        Scenario { "signalsUntilTheEnd", signalsUntilTheEnd },
        Scenario { "ignoredSignalsStayIgnored", ignoredSignalsStayIgnored },
        Scenario { "startedWithAnIgnoredSignal", startedWithAnIgnoredSignal },
        Scenario { "laterHandlerIsLeftAlone", laterHandlerIsLeftAlone },
        Scenario { "furtherSignalsAreIgnored", furtherSignalsAreIgnored },
        Scenario { "endsWhileBlocked", endsWhileBlocked },
        Scenario { "endsWhileATeardownHangs", endsWhileATeardownHangs },
        Scenario { "endsAfterAllIsClosed", endsAfterAllIsClosed },
        Scenario { "endsByAnotherSignal", endsByAnotherSignal },
        Scenario { "endsWhileTheCloseHangs", endsWhileTheCloseHangs },
        Scenario { "endsThoughTheSignalCameLate", endsThoughTheSignalCameLate },
        Scenario { "signalsOfOthersDoNotEndIt", signalsOfOthersDoNotEndIt },
        Scenario { "signalOfAnOpenProcessClosesIt", signalOfAnOpenProcessClosesIt },
        Scenario { "signalsAtOnce", signalsAtOnce },
        Scenario { "theOthersStayHandledToo", theOthersStayHandledToo },
        Scenario { "startsAgain", startsAgain },
        Scenario { "oneOfTwoIgnores", oneOfTwoIgnores },
        Scenario { "oneIgnoresSome", oneIgnoresSome },
        Scenario { "forkedChildOfAClosingProgram", forkedChildOfAClosingProgram },
        Scenario { "closedProcessIsNotBound", closedProcessIsNotBound },
        Scenario { "destroyedProcessRestores", destroyedProcessRestores },
        Scenario { "refused", refused },
        Scenario { "forkedChild", forkedChild },
        Scenario { "errnoIsPreserved", errnoIsPreserved },
        Scenario { "stormOfSignals", stormOfSignals },
        Scenario { "signalsMeetTheClose", signalsMeetTheClose },
        Scenario { "watchedAtTheEnd", watchedAtTheEnd },
        Scenario { "messageHandlerEndsTheProgram", messageHandlerEndsTheProgram },
    };
    const char *name = argc > 1 ? argv[1] : "";
    if (std::strcmp(name, "eventLoop") == 0)
        return eventLoop(argc, argv);
    if (std::strcmp(name, "closedBeforeTheEventLoop") == 0)
        return closedBeforeTheEventLoop(argc, argv);
    if (std::strcmp(name, "asksFirst") == 0)
        return asksFirst(argc, argv);
    if (std::strcmp(name, "closesAndCalls") == 0)
        return closesAndCalls(argc, argv);
    if (std::strcmp(name, "functionsGo") == 0)
        return functionsGo(argc, argv);
    for (const Scenario &scenario : scenarios) {
        if (std::strcmp(name, scenario.name) == 0)
            return scenario.run();
    }
    std::fprintf(stderr, "no such scenario: %s\n", name);
    return 2;
}
