// SPDX-License-Identifier: MIT
// Closing processes and calling functions on signals of the operating system.

#include <GoProcess/bindings.h>

#include "signalhandlers_p.h"

#include "common/fork_p.h"
#include "common/logging_p.h"
#include "common/mutex_p.h"
#include "common/tsan_p.h"
#include "process/processcore_p.h"

#include <algorithm>
#include <bitset>
#include <chrono>
#include <condition_variable>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace GoProcess {

using Private::Binding;
using Private::ProcessHandle;
using Private::Reason;
using Handlers = Private::SignalHandlers;

namespace {

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

/// The numbers of the signals that are in it.
using SignalSet = std::bitset<NSIG>;

/// Which processes are closed, and how many functions called, on which signal. Never destroyed.
class SignalWatches final : private Private::ForkPart
{
    /// A process that is closed on signals.
    struct Watcher
    {
        ProcessHandle process;
        SignalSet signals;
        FurtherSignal further;
        bool isTold = false; ///< One of them has closed it.
    };
    using Watchers = std::list<std::shared_ptr<Watcher>>;

    struct Watched
    {
        bool isWatched() const { return functions > 0 || !watchers.empty(); }

        Watchers watchers;
        int untold = 0; ///< How many of the watchers are not told.
        int functions = 0;
        /// Processes have been closed on it, or on another signal of theirs after which it ends the
        /// program, and no process has asked for it since: it stays handled.
        bool stays = false;
    };

public:
    /// Where a process stands.
    struct Place
    {
        int signal;
        Watchers::iterator position;
    };

    static SignalWatches &instance()
    {
        static auto *const watches = new SignalWatches;
        return *watches;
    }

    /// Takes the signals that are ignored out of \a signals.
    Reason select(std::vector<int> &signals, QList<int> *ignored);
    std::vector<Place> add(const std::vector<int> &signals, const ProcessHandle &process,
                           FurtherSignal further);
    void remove(const std::vector<Place> &places);
    void add(FunctionWatch &watch);
    void remove(FunctionWatch &watch);
    const SignalRelay &relay() const { return m_relay; }
    void raised(int signal, unsigned times);
#ifdef Q_OS_WIN
    void waitUntilClosed(int signal)
    {
        constexpr std::chrono::seconds longest { 5 };
        std::unique_lock<std::mutex> lock(m_mutex);
        m_removed.wait_for(lock, longest, [&] { return m_watches[signal].watchers.empty(); });
    }
#endif

private:
    static void release(int signal, const Watched &watched)
    {
        if (!watched.isWatched() && !watched.stays)
            Handlers::restore(signal);
    }
    // The lock is held.
    void countUntold(const Watcher &watcher, int change);
    void endProgramOn(const SignalSet &signals);

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
    std::condition_variable m_removed; ///< On Windows a handler waits.
    std::map<int, Watched> m_watches;
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
    return signals.empty() ? nullptr : Handlers::prepare();
}

std::vector<SignalWatches::Place> SignalWatches::add(const std::vector<int> &signals,
                                                     const ProcessHandle &process,
                                                     FurtherSignal further)
{
    const auto watcher = std::make_shared<Watcher>(Watcher { process, {}, further });
    std::vector<Place> places;
    places.reserve(signals.size());
    const std::lock_guard lock(m_mutex);
    for (const int signal : signals) {
        Watched &watched = m_watches[signal];
        if (!watched.isWatched())
            Handlers::install(signal);
        if (watched.watchers.empty()) {
            watched.stays = false;
            Handlers::forgetPast(signal);
        }
        Handlers::spareProgram(signal); // it closes this process first
        places.push_back({ signal, watched.watchers.insert(watched.watchers.end(), watcher) });
        watcher->signals.set(std::size_t(signal));
    }
    countUntold(*watcher, 1);
    return places;
}

void SignalWatches::remove(const std::vector<Place> &places)
{
    Watchers removed; // let go of outside of the lock
    const std::lock_guard lock(m_mutex);
    if (places.empty())
        return;
    const std::shared_ptr<Watcher> watcher = *places.front().position;
    if (!watcher->isTold)
        countUntold(*watcher, -1);
    for (const auto &[signal, position] : places) {
        Watched &watched = m_watches[signal];
        removed.splice(removed.end(), watched.watchers, position);
        // The thread that closes on it may be on its way.
        if (Handlers::hasCome(signal)) {
            watched.stays = true;
            watcher->isTold = true;
        }
    }
    if (watcher->isTold && watcher->further == FurtherSignal::EndsProgram)
        endProgramOn(watcher->signals);
    for (const auto &[signal, position] : places)
        release(signal, m_watches[signal]);
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
    if (!watch.isCounted) // GCOVR_EXCL_BR_LINE: race
        return; // GCOVR_EXCL_LINE: race
    for (const int signal : watch.signals) {
        Watched &watched = m_watches[signal];
        --watched.functions;
        release(signal, watched);
    }
}

void SignalWatches::countUntold(const Watcher &watcher, int change)
{
    for (auto &[signal, watched] : m_watches) {
        if (watcher.signals.test(std::size_t(signal)))
            watched.untold += change;
    }
}

void SignalWatches::endProgramOn(const SignalSet &signals)
{
    for (auto &[signal, watched] : m_watches) {
        // Others are closed first by those that they watch.
        if (!signals.test(std::size_t(signal)) || watched.untold > 0)
            continue;
        Handlers::endProgramOn(signal);
        watched.stays = true;
    }
}

void SignalWatches::raised(int signal, unsigned times)
{
    std::vector<ProcessHandle> processes;
    bool calls = false;
    {
        const std::lock_guard lock(m_mutex);
        Watched &watched = m_watches[signal];
        SignalSet ending;
        for (const auto &watcher : watched.watchers) {
            processes.push_back(watcher->process);
            if (!std::exchange(watcher->isTold, true))
                countUntold(*watcher, -1);
            if (watcher->further == FurtherSignal::EndsProgram)
                ending |= watcher->signals;
        }
        watched.stays = watched.stays || !processes.empty();
        calls = watched.functions > 0;
        // Before the first close, which may hang: in a message handler of the program, for one.
        endProgramOn(ending);
    }
    for (const ProcessHandle &process : processes)
        process.close();
    for (; calls && times > 0; --times)
        Q_EMIT m_relay.raised(signal);
}

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

void Private::signalRaised(int signal, unsigned times)
{
    SignalWatches::instance().raised(signal, times);
}

#ifdef Q_OS_WIN
void Private::waitUntilClosedOnSignal(int signal)
{
    SignalWatches::instance().waitUntilClosed(signal);
}
#endif

bool closeOnSignals(Process *process, std::initializer_list<int> unixSignals, FurtherSignal further,
                    QList<int> *ignored)
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
    const auto binding = std::make_shared<CloseOnSignals>(
            SignalWatches::instance().add(signals, handle, further));
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
    // Connected first, so that no signal is taken that the function does not hear of. The
    // connection owns the watch, and goes with the context, or when it is disconnected.
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
