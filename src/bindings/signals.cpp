// SPDX-License-Identifier: MIT
// Closing processes and calling functions on signals of the operating system.

#include <GoProcess/bindings.h>

#include "common/fork_p.h"
#include "common/logging_p.h"
#include "common/mutex_p.h"
#include "common/tsan_p.h"
#include "process/processcore_p.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <list>
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
    /// The program shall not hear of it, which whoever started it may have wanted.
    static bool isIgnored(int signal);
    /// Does nothing if it is installed.
    static void install(int signal);
    static void restore(int signal);
    /// True if it has come since forgetPast(), also if nobody was told yet.
    static bool hasCome(int signal);
    static void forgetPast(int signal);
};

/// Tells the connections that functions are called by. Never destroyed.
class SignalRelay final : public QObject
{
    Q_OBJECT

Q_SIGNALS:
    // The definition is moc's, which has a name of its own for it:
    // NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name)
    void raised(int signal);
};

/// A function that is called on signals. It goes with its connection.
class FunctionWatch
{
public:
    explicit FunctionWatch(std::vector<int> watched) : signals(std::move(watched)) { }
    Q_DISABLE_COPY_MOVE(FunctionWatch)
    ~FunctionWatch();

    const std::vector<int> signals;
    bool isCounted = false; ///< Guarded by the mutex of SignalWatches.
};

/// Which processes are closed, and how many functions called, on which signal. Never destroyed.
class SignalWatches final : private Private::ForkPart
{
    using Processes = std::list<ProcessHandle>;

    struct Watched
    {
        bool isWatched() const { return functions > 0 || !processes.empty(); }

        Processes processes;
        int functions = 0;
        /// Processes have been closed on it, and none has asked for it since: it stays handled.
        bool stays = false;
    };

public:
    /// Where a process stands.
    struct Place
    {
        int signal;
        Processes::iterator position;
    };

    static SignalWatches &instance()
    {
        static auto *const watches = new SignalWatches;
        return *watches;
    }

    /// Takes the signals that are ignored out of \a signals.
    Reason select(std::vector<int> &signals, QList<int> *ignored);
    std::vector<Place> add(const std::vector<int> &signals, const ProcessHandle &process);
    void remove(const std::vector<Place> &places);
    void add(FunctionWatch &watch);
    void remove(FunctionWatch &watch);
    const SignalRelay &relay() const { return m_relay; }
    /// Closes those that watch \a signal, and calls the functions, so many \a times. In a thread, not in
    /// a handler.
    void raised(int signal, unsigned times);
#ifdef Q_OS_WIN
    /// Blocks until those that watch \a signal are Closed, but not for long.
    void waitUntilClosed(int signal)
    {
        constexpr std::chrono::seconds longest { 5 };
        std::unique_lock<std::mutex> lock(m_mutex);
        m_removed.wait_for(lock, longest, [&] { return m_watches[signal].processes.empty(); });
    }
#endif

private:
    static void release(int signal, const Watched &watched)
    {
        if (!watched.isWatched() && !watched.stays)
            Handlers::restore(signal);
    }

    SignalWatches()
    {
        Private::Forks::add(*this);
    }
    bool tryLock() override
    {
        return Private::tryLockShortly(m_mutex);
    }
    void unlock() override
    {
        m_mutex.unlock();
    }
    bool forked() override
    {
        return !m_watches.empty();
    } // there is a thread that handlers wake

    SignalRelay m_relay;

    Private::Mutex m_mutex; // guards what follows
    std::condition_variable m_removed; ///< On Windows somebody waits.
    std::map<int, Watched> m_watches;
    Handlers m_handlers;
};

FunctionWatch::~FunctionWatch()
{
    SignalWatches::instance().remove(*this);
}

Reason SignalWatches::select(std::vector<int> &signals, QList<int> *ignored)
{
    const std::lock_guard lock(m_mutex);
    for (const int signal : signals) {
        if (const Reason reason = Handlers::canInstall(signal))
            return reason;
    }
    const auto firstIgnored = std::stable_partition(signals.begin(), signals.end(), [](int signal) {
        return !Handlers::isIgnored(signal);
    });
    if (ignored)
        *ignored = QList<int>(firstIgnored, signals.end());
    signals.erase(firstIgnored, signals.end());
    return signals.empty() ? nullptr : m_handlers.prepare();
}

std::vector<SignalWatches::Place> SignalWatches::add(const std::vector<int> &signals,
                                                     const ProcessHandle &process)
{
    std::vector<Place> places;
    places.reserve(signals.size());
    const std::lock_guard lock(m_mutex);
    for (const int signal : signals) {
        Watched &watched = m_watches[signal];
        if (!watched.isWatched())
            Handlers::install(signal);
        if (watched.processes.empty()) {
            watched.stays = false;
            Handlers::forgetPast(signal);
        }
        places.push_back({ signal, watched.processes.insert(watched.processes.end(), process) });
    }
    return places;
}

void SignalWatches::remove(const std::vector<Place> &places)
{
    Processes removed; // let go of outside of the lock
    const std::lock_guard lock(m_mutex);
    for (const auto &[signal, position] : places) {
        Watched &watched = m_watches[signal];
        removed.splice(removed.end(), watched.processes, position);
        // The thread that closes on it may be on its way.
        watched.stays = watched.stays || Handlers::hasCome(signal);
        release(signal, watched);
    }
    m_removed.notify_all();
}

void SignalWatches::add(FunctionWatch &watch)
{
    const std::lock_guard lock(m_mutex);
    watch.isCounted = true;
    for (const int signal : watch.signals) {
        Watched &watched = m_watches[signal];
        if (!watched.isWatched())
            Handlers::install(signal);
        ++watched.functions;
    }
}

void SignalWatches::remove(FunctionWatch &watch)
{
    const std::lock_guard lock(m_mutex);
    if (!watch.isCounted)
        return;
    for (const int signal : watch.signals) {
        Watched &watched = m_watches[signal];
        --watched.functions;
        release(signal, watched);
    }
}

void SignalWatches::raised(int signal, unsigned times)
{
    std::vector<ProcessHandle> processes;
    bool calls = false;
    {
        const std::lock_guard lock(m_mutex);
        Watched &watched = m_watches[signal];
        processes.assign(watched.processes.begin(), watched.processes.end());
        watched.stays = watched.stays || !processes.empty();
        calls = watched.functions > 0;
    }
    for (const ProcessHandle &process : processes)
        process.close();
    for (; calls && times > 0; --times)
        Q_EMIT m_relay.raised(signal);
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
    SignalWatches::instance().raised(signal, 1);
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

bool Handlers::isIgnored(int)
{
    return false; // which cannot be known
}

bool Handlers::hasCome(int)
{
    return false; // it is told of at once
}

void Handlers::forgetPast(int) { }

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
    /// Counted up by the handler, taken by the thread that reads the pipe.
    std::atomic<unsigned> raised = 0;
    /// Set by the handler, cleared by forgetPast(). Relaxed: who removes a watch while the signal comes
    /// may see either.
    std::atomic<bool> hasCome = false;
    struct sigaction previous = {};
};

static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free
                      && std::atomic<unsigned>::is_always_lock_free,
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
        caught.hasCome.store(true, std::memory_order_relaxed);
        caught.raised.fetch_add(1, std::memory_order_release);
        // A full pipe is as good: the reader has not looked yet.
        [[maybe_unused]] const ssize_t written =
                ::write(pipeEnd.load(std::memory_order_relaxed), "", 1);
    }
    errno = error;
}

/// While processes are closed and functions called the program does not end: static objects go then, those of Qt
/// too that telling somebody needs. No lock is held meanwhile, as a close may warn.
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
    /// Returns when nobody is told any more, unless the caller is who tells: a message handler may end the
    /// program.
    void stop()
    {
        std::unique_lock<std::mutex> lock(m_mutex);
        m_isOver = true;
        m_hasTold.wait(lock, [this] {
            return m_teller == std::thread::id() || m_teller == std::this_thread::get_id();
        });
    }

private:
    Private::Mutex m_mutex; // guards what follows
    std::condition_variable m_hasTold;
    std::thread::id m_teller; ///< Nobody, as a rule.
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
        if (::read(readEnd, bytes.data(), bytes.size()) <= 0)
            continue; // interrupted
        if (!Telling::instance().begin())
            continue;
        for (std::size_t signal = 1; signal < caughtSignals.size(); ++signal) {
            if (const unsigned times =
                        caughtSignals[signal].raised.exchange(0, std::memory_order_acq_rel))
                SignalWatches::instance().raised(int(signal), times);
        }
        // Once more, as static objects that were made since the last time go before that.
        if (std::exchange(isFirst, false))
            std::atexit(stopTelling);
        Telling::instance().end();
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
    std::atexit(stopTelling);
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

bool isOurs(const struct sigaction &action)
{
    return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == onSignal;
}

bool Handlers::isIgnored(int signal)
{
    struct sigaction current = {};
    ::sigaction(signal, nullptr, &current);
    return (current.sa_flags & SA_SIGINFO) == 0 && current.sa_handler == SIG_IGN;
}

void Handlers::install(int signal)
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

void Handlers::restore(int signal)
{
    struct sigaction current = {};
    ::sigaction(signal, nullptr, &current);
    // Not if somebody has installed another one since.
    if (isOurs(current))
        ::sigaction(signal, &caughtSignals[std::size_t(signal)].previous, nullptr);
}

bool Handlers::hasCome(int signal)
{
    return caughtSignals[std::size_t(signal)].hasCome.load(std::memory_order_relaxed);
}

void Handlers::forgetPast(int signal)
{
    caughtSignals[std::size_t(signal)].hasCome.store(false, std::memory_order_relaxed);
}

#endif

/// Ends the watch of a process.
class CloseOnSignals final : public Binding
{
public:
    explicit CloseOnSignals(std::vector<SignalWatches::Place> places) : m_places(std::move(places))
    {
    }
    void finishing() override { SignalWatches::instance().remove(m_places); }

private:
    const std::vector<SignalWatches::Place> m_places;
};

std::vector<int> eachOnce(std::initializer_list<int> unixSignals)
{
    std::vector<int> signals(unixSignals);
    std::sort(signals.begin(), signals.end());
    signals.erase(std::unique(signals.begin(), signals.end()), signals.end());
    return signals;
}

} // namespace

bool closeOnSignals(Process *process, std::initializer_list<int> unixSignals, QList<int> *ignored)
{
    constexpr const char *what = "closeOnSignals()";
    const auto handle = ProcessHandle::toClose(process, what);
    if (!handle)
        return false;
    if (Private::Forks::hasLostThreads())
        return handle.refuse(what, Private::Forks::why);
    std::vector<int> signals = eachOnce(unixSignals);
    if (const Reason reason = SignalWatches::instance().select(signals, ignored))
        return handle.refuse(what, reason);
    const auto binding =
            std::make_shared<CloseOnSignals>(SignalWatches::instance().add(signals, handle));
    if (!handle.bindUntilClosed(binding))
        binding->finishing();
    return true;
}

QMetaObject::Connection Private::callOnSignals(const QObject *context,
                                               std::initializer_list<int> unixSignals,
                                               std::function<void(int)> function,
                                               QList<int> *ignored)
{
    constexpr const char *what = "onSignals()";
    std::vector<int> signals = eachOnce(unixSignals);
    SignalWatches &watches = SignalWatches::instance();
    const Reason reason = !context             ? "the context is null"
            : !function                        ? "the function is null"
            : Private::Forks::hasLostThreads() ? Private::Forks::why
                                               : watches.select(signals, ignored);
    if (reason) {
        Private::ProcessCore::refuse(what, QString(), QLatin1String(reason));
        return {};
    }
    // Connected first, so that no signal is taken that nobody hears of. The connection owns the watch,
    // and goes with the context, or when it is disconnected.
    const auto watch = std::make_shared<FunctionWatch>(std::move(signals));
    Private::handOver(watch.get());
    QMetaObject::Connection connection = QObject::connect(
            &watches.relay(), &SignalRelay::raised, context,
            [watch, call = std::move(function)](int signal) {
                Private::takeOver(watch.get());
                if (std::binary_search(watch->signals.begin(), watch->signals.end(), signal))
                    call(signal);
            },
            Qt::QueuedConnection);
    if (connection)
        watches.add(*watch);
    return connection;
}

} // namespace GoProcess

#include "signals.moc"
