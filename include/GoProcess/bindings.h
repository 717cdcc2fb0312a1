// SPDX-License-Identifier: MIT
// Bindings: what closes a process, and what ends with it.

#ifndef GOPROCESS_BINDINGS_H
#define GOPROCESS_BINDINGS_H

#include <GoProcess/detail/binding.h>
#include <GoProcess/detail/callable.h>
#include <GoProcess/global.h>
#include <GoProcess/process.h>

#include <QDeadlineTimer>
#include <QFuture>
#include <QList>
#include <QObject>

#include <csignal>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#if __has_include(<version>)
#  include <version>
#endif
#ifdef __cpp_lib_jthread
#  include <stop_token>
#endif

namespace GoProcess {

namespace Private {
GOPROCESS_EXPORT bool closeOnFuture(Process *process, const QFuture<void> &future);
GOPROCESS_EXPORT bool waitForFuture(Process *process, const QFuture<void> &future);
GOPROCESS_EXPORT bool cancelFutureOnClosing(Process *process, const QFuture<void> &future);
GOPROCESS_EXPORT QMetaObject::Connection callOnSignals(const QObject *context,
                                                       std::initializer_list<int> unixSignals,
                                                       std::function<void(int)> function,
                                                       QList<int> *ignored);
} // namespace Private

// What all bindings have in common: they cost no thread, keep neither the process nor what it is
// bound to alive, and are gone when the process is Closed. They may be made in any thread, for any
// process that lives. Bound to something that has happened already, they act at once; on a process
// that is Closing or Closed already there is nothing left to do, which is no refusal. None of them
// needs an event loop. Null, and the process that never closes, are refused: false and a warning
// (R15).

/// Closes \a process when \a sender emits \a signal, whatever its arguments are
/// (upstream: `CloseAfterContext`, and `WithContext` on a new process).
///
/// The process is Closing before the emission returns, in whatever thread that happens. A \a sender
/// that is destroyed has emitted nothing: bind to its `destroyed()` as well where that matters. A
/// `sender->disconnect()` of the caller takes this connection away, too.
template<class Sender, class Signal>
bool closeOn(Process *process, const Sender *sender, Signal signal)
{
    constexpr const char *what = "closeOn()";
    const auto handle = Private::ProcessHandle::toClose(process, what);
    if (!handle)
        return false;
    if (!sender)
        return handle.refuse(what, "the sender is null");
    if (handle.isClosing())
        return true;
    const QMetaObject::Connection connection =
            QObject::connect(sender, signal, Private::CloseProcess { handle });
    if (!connection)
        return handle.refuse(what, "the signal cannot be connected");
    handle.bindConnection(connection);
    return true;
}

/// Closes \a process when \a future has finished or was cancelled, also with an exception. A
/// default-constructed future counts as cancelled.
///
/// It takes nothing from others: continuations and watchers of the future, made before or after,
/// work as if this binding was not there, and it does not keep the future's results.
template<class T>
bool closeOn(Process *process, const QFuture<T> &future)
{
    return Private::closeOnFuture(process, QFuture<void>(future));
}

/// Closes \a process when \a deadline passes: `closeAt(&process, 5s)`. With an expired one at once,
/// with Forever never.
GOPROCESS_EXPORT bool closeAt(Process *process, QDeadlineTimer deadline);

/// What a signal does that comes after closeOnSignals() has closed a process on a signal.
enum class FurtherSignal {
    /// It ends the program at once: no teardown and no destructor of a static object runs any more.
    EndsProgram,
    /// It does nothing: the close takes the time that it takes.
    IsIgnored,
};

/// Closes \a process when the program gets one of \a unixSignals, such as SIGINT and SIGTERM
/// (upstream: `WithSignals`).
///
/// For any number of processes and sets of signals. While a process that is not Closed watches a
/// signal, the library's handler is installed for it, and the previous handler or action does not
/// run. The handler only notes the signal; a thread of the library, which is started with the first
/// call, closes the processes, also while the main thread is blocked. A forked child takes signals
/// as if this library was not there.
///
/// Once one of \a unixSignals has closed \a process, \a further says what the next ones do. They
/// end the program by default, as a user wants it who presses Ctrl-C again because a close hangs:
/// at once, with the status 128 + signal (130 after SIGINT), whatever its threads are doing and
/// whatever they have locked, also when all is Closed and the program has not ended yet. Only
/// signals that come 500 ms or more after the first one do so. Earlier ones belong to the same
/// request: `timeout`, systemd, a terminal that is closed, and a parent that passes Ctrl-C on send
/// two within milliseconds. A signal that a process watches which no signal has closed yet closes
/// that process first. Where several processes were closed by a signal, it is enough that one of
/// them asks for the end of the program.
///
/// A signal that has closed a process stays handled until the program ends, also when all is
/// Closed, so that it does not cut the end of the program short; with FurtherSignal::EndsProgram
/// all signals of that process do. They start again as first ones when a process watches them anew.
/// The others get the previous handler or action back when the last process that watches them is
/// Closed, unless the program has installed another one since.
///
/// A signal that is ignored when this is called stays ignored: `nohup` does so with SIGHUP, and a
/// shell with SIGINT for what it starts in the background, so that the program goes on. That is no
/// failure: the others are watched, and \a ignored, if it is given, tells which these are.
///
/// May be called in any thread. Refused, with false and a warning (R15), for numbers that are no
/// signals or cannot be caught, and for those that tell of a fault (SIGSEGV, SIGBUS, SIGFPE,
/// SIGILL), after which the program cannot go on.
///
/// On Windows: SIGINT is Ctrl-C, SIGBREAK is Ctrl-Break, and SIGTERM is the end of the console, of
/// the session or of the system, which then gets the processes up to 5 s to close. That part is
/// written from the documentation of Windows and was not tested.
GOPROCESS_EXPORT bool closeOnSignals(Process *process, std::initializer_list<int> unixSignals,
                                     FurtherSignal further = FurtherSignal::EndsProgram,
                                     QList<int> *ignored = nullptr);

/// The same with FurtherSignal::EndsProgram.
inline bool closeOnSignals(Process *process, std::initializer_list<int> unixSignals,
                           QList<int> *ignored)
{
    return closeOnSignals(process, unixSignals, FurtherSignal::EndsProgram, ignored);
}

/// Calls \a function each time that the program gets one of \a unixSignals, in the thread of
/// \a context, by its event loop: so a program can ask first, about unsaved changes perhaps, and
/// close or not. \a function takes the number of the signal, or nothing.
///
/// Until \a context is destroyed, or the connection that this returns is disconnected; then the
/// handler or action that was there before is restored, also if the signal has come. What
/// closeOnSignals() says of handlers, of ignored signals and of Windows holds here as well. Both
/// may watch one signal: then the processes are closed, and the functions called; with
/// FurtherSignal::EndsProgram a further one ends the program instead. Of signals that come faster
/// than the system delivers them some are one.
///
/// Refused, with an invalid connection, for null and for what closeOnSignals() refuses. May be
/// called in any thread.
template<class F>
QMetaObject::Connection onSignals(const QObject *context, std::initializer_list<int> unixSignals,
                                  F &&function, QList<int> *ignored = nullptr)
{
    using Function = std::decay_t<F>;
    constexpr bool takesSignal = std::is_invocable_v<Function &, int>;
    static_assert(takesSignal || std::is_invocable_v<Function &>,
                  "The function takes the number of a signal or nothing");
    if (Private::isNull(function))
        return Private::callOnSignals(context, unixSignals, {}, ignored);
    // Shared, so that it need not be copyable.
    const auto shared = std::make_shared<Function>(std::forward<F>(function));
    return Private::callOnSignals(
            context, unixSignals,
            [shared]([[maybe_unused]] int signal) {
                if constexpr (takesSignal)
                    std::invoke(*shared, signal);
                else
                    std::invoke(*shared);
            },
            ignored);
}

/// Makes the teardown of \a process begin only after \a future has finished, also cancelled or with
/// an exception (upstream: `WaitForContext`).
///
/// A hold (R46), so a future that never finishes keeps the process from closing. Refused also once
/// the teardown has begun.
template<class T>
bool waitFor(Process *process, const QFuture<T> &future)
{
    return Private::waitForFuture(process, QFuture<void>(future));
}

/// Cancels \a future when \a process is closing: after it has emitted closing(), or at once if it
/// is Closing already (upstream: `WithProcessClosing`, the context that a process cancels).
///
/// background() never does.
template<class T>
bool cancelOnClosing(Process *process, QFuture<T> future)
{
    return Private::cancelFutureOnClosing(process, QFuture<void>(future));
}

#ifdef __cpp_lib_jthread

namespace Private {

/// Closes a process when stop is requested.
class CloseOnStop final : public Binding
{
public:
    CloseOnStop(std::stop_token token, const ProcessHandle &process)
        : m_callback(std::in_place, std::move(token), CloseProcess { process })
    {
    }
    void finishing() override { m_callback.reset(); }

private:
    // Made before others know the binding, and ended once, by a step of the process.
    std::optional<std::stop_callback<CloseProcess>> m_callback;
};

/// Requests stop when a process is closing.
class StopOnClosing final : public Binding
{
public:
    std::stop_token token() const { return m_source.get_token(); }
    void stop() { m_source.request_stop(); }
    void closing() override { stop(); }

private:
    std::stop_source m_source;
};

} // namespace Private

/// Closes \a process when stop is requested of \a token (C++20). A token that is not associated
/// with a stop state, or of which no source can request it any more, never does.
inline bool closeOn(Process *process, std::stop_token token)
{
    const auto handle = Private::ProcessHandle::toClose(process, "closeOn()");
    if (!handle)
        return false;
    if (token.stop_requested())
        handle.close();
    if (token.stop_possible() && !handle.isClosing()) {
        const auto binding = std::make_shared<Private::CloseOnStop>(std::move(token), handle);
        handle.bind(binding);
    }
    return true;
}

/// A token of which stop is requested when \a process is closing: after it has emitted closing(),
/// or at once if it is Closing already (C++20; upstream: `WithProcessClosing`).
///
/// Stop callbacks run as the steps of the process do, never inside of close(). For null, which is
/// refused, and for background() the token is one that is never stopped.
inline std::stop_token stopToken(Process *process)
{
    const auto handle = Private::ProcessHandle::of(process, "stopToken()");
    if (!handle || handle.isBackground())
        return {};
    // All tokens of a process are of one source, so that any number of them costs nothing.
    const auto fresh = std::make_shared<Private::StopOnClosing>();
    if (const auto bound = handle.bindOnce(fresh))
        return std::static_pointer_cast<Private::StopOnClosing>(bound)->token();
    fresh->stop();
    return fresh->token();
}

#endif // __cpp_lib_jthread

} // namespace GoProcess

#endif
