// SPDX-License-Identifier: MIT
// The handlers for signals of Unix, and the thread that they wake.

#include "signalhandlers_p.h"

#include "common/mutex_p.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace GoProcess::Private {

namespace {

/// All that a handler touches. Lock-free atomics, which a handler may use; the rest is written
/// before the handler that reads it is installed.
struct Caught
{
    /// Counted up by the handler, taken by the thread that reads the pipe.
    std::atomic<unsigned> raised = 0;
    /// Set by the handler, cleared by forgetPast(). Relaxed: a thread that removes a watch while
    /// the signal comes may see either.
    std::atomic<bool> hasCome = false;
    /// The time from which on the signal ends the program, by now(); 0: it does not. Written under
    /// the lock of SignalWatches, read by the handler. Relaxed, as the time is all that the handler
    /// needs: it reads nothing else that the writing thread has written. A handler that runs
    /// meanwhile may see either value. When endProgramOn() writes, the time is half a second ahead,
    /// so that both do the same. When spareProgram() writes, the signal came before it was watched
    /// anew, or at the same time.
    std::atomic<qint64> endsFrom = 0;
    struct sigaction previous = {};
};

static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free
                      && std::atomic<unsigned>::is_always_lock_free
                      && std::atomic<qint64>::is_always_lock_free,
              "a signal handler must not lock");

std::array<Caught, NSIG> caughtSignals;
// Written once, before the first handler is installed; relaxed, as installing it orders them.
std::atomic<int> pipeEnd { -1 };
std::atomic<pid_t> owner { 0 };

/// Nanoseconds of a clock that only runs forward. Async-signal-safe, which std::chrono does not
/// promise.
qint64 now()
{
    struct timespec time = {};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return qint64(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

/// True if \a caught has come as a further signal, which ends the program.
bool endsProgram(const Caught &caught)
{
    const qint64 from = caught.endsFrom.load(std::memory_order_relaxed);
    return from != 0 && now() >= from;
}

/// Async-signal-safe.
void onSignal(int signal)
{
    const int error = errno; // of whatever was interrupted
    Caught &caught = caughtSignals[std::size_t(signal)];
    if (::getpid() != owner.load(std::memory_order_relaxed)) { // GCOVR_EXCL_BR_LINE: fatal
        // A forked child: what was there before gets it, when this handler has returned.
        ::sigaction(signal, &caught.previous, nullptr); // GCOVR_EXCL_LINE: fatal
        ::raise(signal); // GCOVR_EXCL_LINE: fatal
    } else if (endsProgram(caught)) { // GCOVR_EXCL_BR_LINE: fatal
        // As shells report a program that a signal has ended. Nothing else runs: the close that
        // hangs may have locked what exit() needs.
        ::_exit(128 + signal); // GCOVR_EXCL_LINE: fatal
    } else {
        // Release: the reader that finds it has read the byte that follows, or will.
        caught.hasCome.store(true, std::memory_order_relaxed);
        caught.raised.fetch_add(1, std::memory_order_release);
        // A full pipe is as good: the reader has not looked yet.
        [[maybe_unused]] const ssize_t written =
                ::write(pipeEnd.load(std::memory_order_relaxed), "", 1);
    }
    errno = error;
}

/// While processes are closed and functions called the program does not end: static objects go
/// then, those of Qt too that a call of a function needs. No lock is held meanwhile, as a close may
/// warn.
class Telling
{
public:
    /// Never destroyed, as the thread that tells is left behind.
    static Telling &instance()
    {
        static auto *const telling = new Telling;
        return *telling;
    }

    /// False once the program ends.
    bool begin()
    {
        const std::lock_guard lock(m_mutex);
        if (!m_isOver)
            m_teller = std::this_thread::get_id();
        return !m_isOver;
    }
    void end()
    {
        const std::lock_guard lock(m_mutex);
        m_teller = {};
        m_hasTold.notify_all();
    }
    /// Returns when no thread tells any more, unless the caller is the thread that tells: a message
    /// handler may end the program.
    void stop()
    {
        std::unique_lock<std::mutex> lock(m_mutex);
        m_isOver = true;
        m_hasTold.wait(lock, [this] {
            return m_teller == std::thread::id() || m_teller == std::this_thread::get_id();
        });
    }

private:
    Mutex m_mutex; // guards what follows
    std::condition_variable m_hasTold;
    std::thread::id m_teller; ///< None, as a rule.
    bool m_isOver = false;
};

void stopTelling()
{
    // A forked child has no thread that tells, and it may have gone while it held the mutex.
    if (::getpid() == owner.load(std::memory_order_relaxed))
        Telling::instance().stop();
}

/// The thread that handlers wake. It never ends, and is left asleep at the end of the program.
void readPipe(int readEnd)
{
    std::array<char, 64> bytes {};
    bool isFirst = true;
    while (true) {
        if (::read(readEnd, bytes.data(), bytes.size()) <= 0) // GCOVR_EXCL_BR_LINE: system
            continue; // interrupted. GCOVR_EXCL_LINE: system
        if (!Telling::instance().begin())
            continue;
        for (std::size_t signal = 1; signal < caughtSignals.size(); ++signal) {
            if (const unsigned times =
                        caughtSignals[signal].raised.exchange(0, std::memory_order_acq_rel))
                signalRaised(int(signal), times);
        }
        // Once more, as static objects that were made since the last time go before that.
        if (std::exchange(isFirst, false))
            std::atexit(stopTelling);
        Telling::instance().end();
    }
}

bool setFlags(int file, int flags)
{
    // GCOVR_EXCL_BR_START: system
    return ::fcntl(file, F_SETFD, FD_CLOEXEC) == 0 && ::fcntl(file, F_SETFL, flags) == 0;
    // GCOVR_EXCL_BR_STOP
}

bool isOurs(const struct sigaction &action)
{
    return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == onSignal;
}

} // namespace

Reason SignalHandlers::prepare()
{
    if (pipeEnd.load(std::memory_order_relaxed) >= 0)
        return nullptr;
    std::array<int, 2> ends { -1, -1 };
    if (::pipe(ends.data()) != 0) // GCOVR_EXCL_BR_LINE: system
        return "there is no pipe for them"; // GCOVR_EXCL_LINE: system
    // A handler must not block; the thread shall.
    // GCOVR_EXCL_BR_START: system
    bool ready = setFlags(ends[0], 0) && setFlags(ends[1], O_NONBLOCK);
    // GCOVR_EXCL_BR_STOP
    try {
        if (ready) // GCOVR_EXCL_BR_LINE: system
            std::thread(readPipe, ends[0]).detach();
    } catch (const std::system_error &) { // GCOVR_EXCL_LINE: system
        ready = false; // GCOVR_EXCL_LINE: system
    }
    if (!ready) { // GCOVR_EXCL_BR_LINE: system
        ::close(ends[0]); // GCOVR_EXCL_LINE: system
        ::close(ends[1]); // GCOVR_EXCL_LINE: system
        return "there is no thread for them"; // GCOVR_EXCL_LINE: system
    }
    owner.store(::getpid(), std::memory_order_relaxed);
    std::atexit(stopTelling);
    pipeEnd.store(ends[1], std::memory_order_relaxed);
    return nullptr;
}

Reason SignalHandlers::canInstall(int signal)
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
    // GCOVR_EXCL_BR_START: system
    if (signal <= 0 || signal >= NSIG || ::sigaction(signal, nullptr, &current) != 0)
        // GCOVR_EXCL_BR_STOP
        return "there is no such signal";
    return nullptr;
}

bool SignalHandlers::isIgnored(int signal)
{
    struct sigaction current = {};
    ::sigaction(signal, nullptr, &current);
    return (current.sa_flags & SA_SIGINFO) == 0 && current.sa_handler == SIG_IGN;
}

void SignalHandlers::install(int signal)
{
    struct sigaction current = {};
    ::sigaction(signal, nullptr, &current);
    if (isOurs(current))
        return; // it has stayed
    Caught &caught = caughtSignals[std::size_t(signal)];
    caught.previous = current;
    caught.raised.store(0, std::memory_order_relaxed); // of an earlier watch
    struct sigaction action = {};
    action.sa_handler = onSignal;
    action.sa_flags = SA_RESTART | SA_ONSTACK;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(signal, &action, nullptr);
}

void SignalHandlers::restore(int signal)
{
    struct sigaction current = {};
    ::sigaction(signal, nullptr, &current);
    // Not if the program has installed another one since.
    if (isOurs(current))
        ::sigaction(signal, &caughtSignals[std::size_t(signal)].previous, nullptr);
}

bool SignalHandlers::hasCome(int signal)
{
    return caughtSignals[std::size_t(signal)].hasCome.load(std::memory_order_relaxed);
}

void SignalHandlers::endProgramOn(int signal)
{
    std::atomic<qint64> &endsFrom = caughtSignals[std::size_t(signal)].endsFrom;
    // It counts from the first of them. No other thread writes meanwhile.
    if (endsFrom.load(std::memory_order_relaxed) == 0)
        endsFrom.store(now() + std::chrono::nanoseconds(oneRequest).count(),
                       std::memory_order_relaxed);
}

void SignalHandlers::spareProgram(int signal)
{
    caughtSignals[std::size_t(signal)].endsFrom.store(0, std::memory_order_relaxed);
}

void SignalHandlers::forgetPast(int signal)
{
    caughtSignals[std::size_t(signal)].hasCome.store(false, std::memory_order_relaxed);
}

} // namespace GoProcess::Private
