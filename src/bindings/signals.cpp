// SPDX-License-Identifier: MIT
// Closing processes on signals of the operating system.

#include <GoProcess/bindings.h>

#include "core/logging_p.h"
#include "core/processdata_p.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#ifdef Q_OS_WIN
#  include <windows.h>
#else
#  include <cerrno>
#  include <fcntl.h>
#  include <unistd.h>
#endif

namespace GoProcess {

using Private::Binding;
using Private::ProcessHandle;

namespace {

/// Why \a process cannot be closed on a signal; null for no reason.
using Reason = const char *;

/// What the operating system knows: a handler for each watched signal. Called under the lock of
/// SignalWatches.
class Handlers
{
public:
    /// Gets ready for install(), once.
    Reason prepare();
    static Reason canInstall(int signal);
    static void install(int signal);
    static void restore(int signal);
};

/// Which processes are closed on which signal. Never destroyed.
class SignalWatches
{
public:
    static SignalWatches &instance()
    {
        static auto *const watches = new SignalWatches;
        return *watches;
    }

    Reason add(const std::vector<int> &signals, const ProcessHandle &process);
    void remove(const std::vector<int> &signals, const ProcessHandle &process);
    /// Closes those that watch \a signal. In a thread, not in a handler.
    void raised(int signal);
#ifdef Q_OS_WIN
    /// Blocks until those that watch \a signal are Closed, but not for long.
    void waitUntilClosed(int signal)
    {
        constexpr std::chrono::seconds longest { 5 };
        std::unique_lock lock(m_mutex);
        m_removed.wait_for(lock, longest, [&] { return m_watches[signal].empty(); });
    }
#endif

private:
    std::mutex m_mutex; // guards what follows
    std::condition_variable m_removed; ///< On Windows somebody waits.
    std::map<int, std::vector<ProcessHandle>> m_watches;
    Handlers m_handlers;
};

Reason SignalWatches::add(const std::vector<int> &signals, const ProcessHandle &process)
{
    const std::lock_guard lock(m_mutex);
    for (const int signal : signals) {
        if (const Reason reason = Handlers::canInstall(signal))
            return reason;
    }
    if (const Reason reason = m_handlers.prepare())
        return reason;
    for (const int signal : signals) {
        std::vector<ProcessHandle> &processes = m_watches[signal];
        if (processes.empty())
            Handlers::install(signal);
        processes.push_back(process);
    }
    return nullptr;
}

void SignalWatches::remove(const std::vector<int> &signals, const ProcessHandle &process)
{
    const std::lock_guard lock(m_mutex);
    for (const int signal : signals) {
        std::vector<ProcessHandle> &processes = m_watches[signal];
        const auto place =
                std::find_if(processes.begin(), processes.end(), [&](const ProcessHandle &other) {
                    return other.data() == process.data();
                });
        std::swap(*place, processes.back());
        processes.pop_back();
        if (processes.empty())
            Handlers::restore(signal);
    }
    m_removed.notify_all();
}

void SignalWatches::raised(int signal)
{
    std::vector<ProcessHandle> processes;
    {
        const std::lock_guard lock(m_mutex);
        processes = m_watches[signal];
    }
    for (const ProcessHandle &process : processes)
        process.close();
}

#ifdef Q_OS_WIN

constexpr std::array caught { SIGINT, SIGBREAK, SIGTERM };

/// Which of them a handler is installed for. Written under the lock of SignalWatches, read by the
/// handler in its own thread; relaxed, as each stands alone.
std::array<std::atomic<bool>, caught.size()> isCaught {};

std::size_t indexOf(int signal)
{
    return std::size_t(std::find(caught.begin(), caught.end(), signal) - caught.begin());
}

BOOL WINAPI onConsoleEvent(DWORD event)
{
    const int signal = event == CTRL_C_EVENT ? SIGINT
            : event == CTRL_BREAK_EVENT      ? SIGBREAK
                                             : SIGTERM;
    if (!isCaught[indexOf(signal)].load(std::memory_order_relaxed))
        return FALSE; // to the previous handler
    SignalWatches::instance().raised(signal);
    // When this returns from one of the others, the system ends the program.
    if (signal == SIGTERM)
        SignalWatches::instance().waitUntilClosed(signal);
    return TRUE;
}

Reason Handlers::prepare()
{
    return nullptr;
}

Reason Handlers::canInstall(int signal)
{
    return indexOf(signal) < caught.size() ? nullptr
                                           : "only SIGINT, SIGBREAK and SIGTERM can be caught";
}

bool isAnyCaught()
{
    return std::any_of(isCaught.begin(), isCaught.end(),
                       [](const auto &one) { return one.load(std::memory_order_relaxed); });
}

void Handlers::install(int signal)
{
    if (!isAnyCaught())
        SetConsoleCtrlHandler(onConsoleEvent, TRUE);
    isCaught[indexOf(signal)].store(true, std::memory_order_relaxed);
}

void Handlers::restore(int signal)
{
    isCaught[indexOf(signal)].store(false, std::memory_order_relaxed);
    if (!isAnyCaught())
        SetConsoleCtrlHandler(onConsoleEvent, FALSE);
}

#else

/// All that a handler touches. Lock-free atomics, which a handler may use; the rest is written before
/// the handler that reads it is installed.
struct Caught
{
    std::atomic<bool> raised =
            false; ///< Set by the handler, taken by the thread that reads the pipe.
    struct sigaction previous = {};
};

static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free,
              "a signal handler must not lock");

std::array<Caught, NSIG> caughtSignals;
// Written once, before the first handler is installed; relaxed, as installing it orders them.
std::atomic<int> pipeEnd { -1 };
std::atomic<pid_t> owner { 0 };

/// Async-signal-safe.
void onSignal(int signal)
{
    const int error = errno; // of whatever was interrupted
    Caught &caught = caughtSignals[std::size_t(signal)];
    if (::getpid() != owner.load(std::memory_order_relaxed)) {
        // A forked child: what was there before gets it, when this handler has returned.
        ::sigaction(signal, &caught.previous, nullptr);
        ::raise(signal);
    } else {
        // Release: the reader that finds it has read the byte that follows, or will.
        caught.raised.store(true, std::memory_order_release);
        // A full pipe is as good: the reader has not looked yet.
        [[maybe_unused]] const ssize_t written =
                ::write(pipeEnd.load(std::memory_order_relaxed), "", 1);
    }
    errno = error;
}

/// The thread that handlers wake. It never ends, and is left asleep at the end of the program.
void readPipe(int readEnd)
{
    std::array<char, 64> bytes {};
    while (true) {
        if (::read(readEnd, bytes.data(), bytes.size()) <= 0)
            continue; // interrupted
        for (std::size_t signal = 1; signal < caughtSignals.size(); ++signal) {
            if (caughtSignals[signal].raised.exchange(false, std::memory_order_acq_rel))
                SignalWatches::instance().raised(int(signal));
        }
    }
}

bool setFlags(int file, int flags)
{
    return ::fcntl(file, F_SETFD, FD_CLOEXEC) == 0 && ::fcntl(file, F_SETFL, flags) == 0;
}

Reason Handlers::prepare()
{
    if (pipeEnd.load(std::memory_order_relaxed) >= 0)
        return nullptr;
    std::array<int, 2> ends { -1, -1 };
    if (::pipe(ends.data()) != 0)
        return "there is no pipe for them";
    // A handler must not block; the thread shall.
    bool ready = setFlags(ends[0], 0) && setFlags(ends[1], O_NONBLOCK);
    try {
        if (ready)
            std::thread(readPipe, ends[0]).detach();
    } catch (const std::system_error &) {
        ready = false;
    }
    if (!ready) {
        ::close(ends[0]);
        ::close(ends[1]);
        return "there is no thread for them";
    }
    owner.store(::getpid(), std::memory_order_relaxed);
    pipeEnd.store(ends[1], std::memory_order_relaxed);
    return nullptr;
}

Reason Handlers::canInstall(int signal)
{
    switch (signal) {
    case SIGKILL:
    case SIGSTOP:
        return "SIGKILL and SIGSTOP cannot be caught";
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
        return "after a fault the program cannot go on";
    default:
        break;
    }
    struct sigaction current = {};
    if (signal <= 0 || signal >= NSIG || ::sigaction(signal, nullptr, &current) != 0)
        return "there is no such signal";
    return nullptr;
}

void Handlers::install(int signal)
{
    Caught &caught = caughtSignals[std::size_t(signal)];
    ::sigaction(signal, nullptr, &caught.previous);
    caught.raised.store(false, std::memory_order_relaxed); // of an earlier watch
    struct sigaction action = {};
    action.sa_handler = onSignal;
    action.sa_flags = SA_RESTART | SA_ONSTACK;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(signal, &action, nullptr);
}

void Handlers::restore(int signal)
{
    struct sigaction current = {};
    ::sigaction(signal, nullptr, &current);
    // Not if somebody has installed another one since.
    if ((current.sa_flags & SA_SIGINFO) == 0 && current.sa_handler == onSignal)
        ::sigaction(signal, &caughtSignals[std::size_t(signal)].previous, nullptr);
}

#endif

/// Ends the watch of a process.
class CloseOnSignals final : public Binding
{
public:
    CloseOnSignals(std::vector<int> signals, ProcessHandle process)
        : m_signals(std::move(signals)), m_process(std::move(process))
    {
    }
    void finishing() override { SignalWatches::instance().remove(m_signals, m_process); }

private:
    const std::vector<int> m_signals;
    const ProcessHandle m_process;
};

} // namespace

bool closeOnSignals(Process *process, std::initializer_list<int> unixSignals)
{
    constexpr const char *what = "closeOnSignals()";
    const auto handle = ProcessHandle::toClose(process, what);
    if (!handle)
        return false;
    std::vector<int> signals(unixSignals);
    std::sort(signals.begin(), signals.end());
    signals.erase(std::unique(signals.begin(), signals.end()), signals.end());

    if (const Reason reason = SignalWatches::instance().add(signals, handle))
        return handle.refuse(what, reason);
    const auto binding = std::make_shared<CloseOnSignals>(std::move(signals), handle);
    if (!handle.bindUntilClosed(binding))
        binding->finishing();
    return true;
}

} // namespace GoProcess
