// SPDX-License-Identifier: MIT
// Periodic: processes that run a work again and again, on a beat or on a signal.

#ifndef GOPROCESS_PERIODIC_H
#define GOPROCESS_PERIODIC_H

#include <GoProcess/detail/binding.h>
#include <GoProcess/detail/callable.h>
#include <GoProcess/global.h>
#include <GoProcess/process.h>

#include <QObject>
#include <QString>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace GoProcess {

/// What becomes of runs that are due when their process closes.
enum class AtClose : std::uint8_t {
    Finish, ///< They run before the process is Closed.
    Drop ///< None of them begins any more.
};

namespace Private {

enum class ScheduleKind : std::uint8_t {
    Every, ///< The interval begins when a run has closed.
    EveryGo, ///< The interval begins when a run was started.
    Tick, ///< On the beat; those during a run are dropped.
    TickGo, ///< On the beat, whatever still runs.
    OnSignal, ///< One after another.
    OnSignalGo ///< At once.
};

/// Where the runs are, and what the process is called.
struct Place
{
    QString name;
    const QObject *context = nullptr; ///< In its thread; without one on the pool.
    bool hasContext = false; ///< One was asked for.
};

/// Fires the runs of a process that runs on a signal. When it is destroyed it cannot fire any more,
/// and the process closes after what it was fired for.
class GOPROCESS_EXPORT Trigger
{
public:
    Trigger() = default;
    Q_DISABLE_COPY_MOVE(Trigger)
    virtual ~Trigger();
    virtual void fire() = 0;
};

/// An \a interval that is not positive is refused, and so are a null \a work and a null context.
GOPROCESS_EXPORT ProcessPtr startSchedule(ScheduleKind kind, const char *what, const Place &place,
                                          std::chrono::nanoseconds interval,
                                          std::unique_ptr<Work> work, Process *parent);
GOPROCESS_EXPORT ProcessPtr startTriggered(ScheduleKind kind, const char *what, const Place &place,
                                           std::unique_ptr<Work> work, Process *parent,
                                           AtClose atClose, std::shared_ptr<Trigger> *trigger);
/// Says why, with the path of the \a parent, which may be null.
GOPROCESS_EXPORT void refusePeriodic(const char *what, const char *why, const Process *parent);

/// In nanoseconds, within what a clock can count; zero for what is not positive, or no number.
template<class Rep, class Period>
std::chrono::nanoseconds toInterval(std::chrono::duration<Rep, Period> interval)
{
    using Seconds = std::chrono::duration<double>;
    constexpr std::chrono::nanoseconds longest = std::chrono::hours(24 * 365 * 10);
    constexpr std::chrono::nanoseconds shortest { 1 };
    if (!(interval > interval.zero()))
        return std::chrono::nanoseconds::zero();
    if (std::chrono::duration_cast<Seconds>(interval) >= Seconds(longest))
        return longest;
    return std::max(shortest, std::chrono::duration_cast<std::chrono::nanoseconds>(interval));
}

template<class Rep, class Period, class F>
ProcessPtr startSchedule(ScheduleKind kind, const char *what, const Place &place,
                         std::chrono::duration<Rep, Period> interval, F &&work, Process *parent)
{
    static_assert(isWork<F>,
                  "A work takes GoProcess::Process& or nothing and returns void or "
                  "GoProcess::Error");
    return startSchedule(kind, what, place, toInterval(interval), makeWork(std::forward<F>(work)),
                         parent);
}

template<class Sender, class Signal, class F>
ProcessPtr startOnSignal(ScheduleKind kind, const char *what, const Place &place,
                         const Sender *sender, Signal signal, F &&work, Process *parent,
                         AtClose atClose)
{
    static_assert(isWork<F>,
                  "A work takes GoProcess::Process& or nothing and returns void or "
                  "GoProcess::Error");
    if (!sender) {
        refusePeriodic(what, "the sender is null", parent);
        return nullptr;
    }
    std::shared_ptr<Trigger> trigger;
    ProcessPtr process = startTriggered(kind, what, place, makeWork(std::forward<F>(work)), parent,
                                        atClose, &trigger);
    if (!process)
        return nullptr;
    const QMetaObject::Connection connection =
            QObject::connect(sender, signal, [trigger = std::move(trigger)] { trigger->fire(); });
    if (!connection) {
        refusePeriodic(what, "the signal cannot be connected", parent);
        return nullptr;
    }
    ProcessHandle(*process).bindConnection(connection);
    return process;
}

/// For overloads that take a context: what else stands in its place is none.
template<class Context>
using IfContext = std::enable_if_t<std::is_base_of_v<QObject, Context>, int>;

/// The function itself, or a member function of \a context that is called there.
template<class Context, class F>
decltype(auto) workOf([[maybe_unused]] Context *context, F &&work)
{
    using Function = std::decay_t<F>;
    if constexpr (!std::is_member_function_pointer_v<Function>)
        return std::forward<F>(work);
    else if constexpr (std::is_invocable_v<Function, Context *, Process &>)
        return [context, work](Process &self) { return std::invoke(work, context, self); };
    else
        return [context, work] { return std::invoke(work, context); };
}

template<class Rep, class Period, class Context, class F>
ProcessPtr startScheduleIn(ScheduleKind kind, const char *what, const QString &name,
                           std::chrono::duration<Rep, Period> interval, Context *context, F &&work,
                           Process *parent)
{
    return startSchedule(kind, what, Place { name, context, true }, interval,
                         workOf(context, std::forward<F>(work)), parent);
}

} // namespace Private

/// \name Periodic processes
///
/// What all of these have in common. Without a context their runs are on the thread pool, not in
/// the thread of the caller, as with Process::go(). With one, as in
/// `every(5s, this, [this] { save(); }, &root)`, they are in the thread of that QObject, as with
/// QTimer::singleShot(): see below.
///
/// \code
/// GoProcess::every(std::chrono::seconds(5), [] { poll(); }, &root);
/// GoProcess::tick(std::chrono::milliseconds(40), &window, [&] { window.step(); }, &root);
/// GoProcess::onSignal(&document, &Document::changed, [] { save(); }, &root);
/// \endcode
///
/// They return a process that stays open until the program closes it or something above it, and
/// that the library keeps alive until it is Closed; dropping the pointer neither closes nor waits.
/// Each run of the work is a child of it, made as by Process::go(): on the library's thread pool or
/// that of the parent or of the process, with the run as argument (`Process &`) or none, returning
/// void or Error (R33). The errors of runs are in Process::treeErrors() of the process (R27). A
/// name is that of the process, as go() has it.
///
/// Closing it stops the beat at once: no work begins after close() has returned, except for runs
/// that are due on signals, unless they are to be dropped (AtClose). It waits for runs in flight,
/// as for any child, and destroys the work before it is Closed. Between runs it holds no thread,
/// and it needs no event loop: like a process that go() made it has no home (R34), and its thread()
/// is its parent's, or the caller's. A run has no thread(): queued connections to its slots do not
/// arrive.
///
/// The work is one object that all runs share. Where runs may overlap (the Go forms), several
/// threads call it at once. Elsewhere the runs come one after another, and each sees what the one
/// before did.
///
/// With a \a parent the process is its child (R8). Refused, with an empty pointer and a warning
/// (R15), are a parent whose teardown has begun, a null work, a null sender, a null context or one
/// that has no thread, and an interval of zero or less. May be called in any thread.
///
/// With a \a context, each run is one step at home in the thread that the context lives in when
/// this is called, which is the home of the process, too. So runs come from the event loop of that
/// thread, between its other events, and a blocking wait there may run them as well (R37). The
/// argument, if the work takes one, is the process that was returned. The work may be a member
/// function of the context, as with connect(). When the context is destroyed the process closes,
/// and no run begins any more; the context must not move to another thread meanwhile. A run that
/// takes long keeps its thread from all else: what takes long belongs on the pool.
/// @{

/// Runs \a work every time that \a interval has passed since the previous run has Closed, its own
/// children included; first when \a interval has passed from now (upstream: `periodic.Every`).
template<class Rep, class Period, class F>
ProcessPtr every(std::chrono::duration<Rep, Period> interval, F &&work, Process *parent = nullptr)
{
    return Private::startSchedule(Private::ScheduleKind::Every, "every()", {}, interval,
                                  std::forward<F>(work), parent);
}

/// The same with a name.
template<class Rep, class Period, class F>
ProcessPtr every(const QString &name, std::chrono::duration<Rep, Period> interval, F &&work,
                 Process *parent = nullptr)
{
    return Private::startSchedule(Private::ScheduleKind::Every, "every()", { name }, interval,
                                  std::forward<F>(work), parent);
}

/// The same in the thread of \a context, when \a interval has passed since the previous run
/// returned.
template<class Rep, class Period, class Context, class F, Private::IfContext<Context> = 0>
ProcessPtr every(std::chrono::duration<Rep, Period> interval, Context *context, F &&work,
                 Process *parent = nullptr)
{
    return Private::startScheduleIn(Private::ScheduleKind::Every, "every()", QString(), interval,
                                    context, std::forward<F>(work), parent);
}

/// The same with a name.
template<class Rep, class Period, class Context, class F, Private::IfContext<Context> = 0>
ProcessPtr every(const QString &name, std::chrono::duration<Rep, Period> interval, Context *context,
                 F &&work, Process *parent = nullptr)
{
    return Private::startScheduleIn(Private::ScheduleKind::Every, "every()", name, interval,
                                    context, std::forward<F>(work), parent);
}

/// Runs \a work every time that \a interval has passed since the previous run was started, whether
/// that has closed or not (upstream: `periodic.EveryGo`).
template<class Rep, class Period, class F>
ProcessPtr everyGo(std::chrono::duration<Rep, Period> interval, F &&work, Process *parent = nullptr)
{
    return Private::startSchedule(Private::ScheduleKind::EveryGo, "everyGo()", {}, interval,
                                  std::forward<F>(work), parent);
}

/// The same with a name.
template<class Rep, class Period, class F>
ProcessPtr everyGo(const QString &name, std::chrono::duration<Rep, Period> interval, F &&work,
                   Process *parent = nullptr)
{
    return Private::startSchedule(Private::ScheduleKind::EveryGo, "everyGo()", { name }, interval,
                                  std::forward<F>(work), parent);
}

/// Runs \a work on a steady beat: at multiples of \a interval from now. Beats that come while a run
/// is in flight are dropped, not made up for (upstream: `periodic.Tick`).
template<class Rep, class Period, class F>
ProcessPtr tick(std::chrono::duration<Rep, Period> interval, F &&work, Process *parent = nullptr)
{
    return Private::startSchedule(Private::ScheduleKind::Tick, "tick()", {}, interval,
                                  std::forward<F>(work), parent);
}

/// The same with a name.
template<class Rep, class Period, class F>
ProcessPtr tick(const QString &name, std::chrono::duration<Rep, Period> interval, F &&work,
                Process *parent = nullptr)
{
    return Private::startSchedule(Private::ScheduleKind::Tick, "tick()", { name }, interval,
                                  std::forward<F>(work), parent);
}

/// The same in the thread of \a context; beats that come while that is busy are dropped as well.
template<class Rep, class Period, class Context, class F, Private::IfContext<Context> = 0>
ProcessPtr tick(std::chrono::duration<Rep, Period> interval, Context *context, F &&work,
                Process *parent = nullptr)
{
    return Private::startScheduleIn(Private::ScheduleKind::Tick, "tick()", QString(), interval,
                                    context, std::forward<F>(work), parent);
}

/// The same with a name.
template<class Rep, class Period, class Context, class F, Private::IfContext<Context> = 0>
ProcessPtr tick(const QString &name, std::chrono::duration<Rep, Period> interval, Context *context,
                F &&work, Process *parent = nullptr)
{
    return Private::startScheduleIn(Private::ScheduleKind::Tick, "tick()", name, interval, context,
                                    std::forward<F>(work), parent);
}

/// Runs \a work on a steady beat, at multiples of \a interval from now, whether the previous runs
/// have closed or not (upstream: `periodic.TickGo`).
template<class Rep, class Period, class F>
ProcessPtr tickGo(std::chrono::duration<Rep, Period> interval, F &&work, Process *parent = nullptr)
{
    return Private::startSchedule(Private::ScheduleKind::TickGo, "tickGo()", {}, interval,
                                  std::forward<F>(work), parent);
}

/// The same with a name.
template<class Rep, class Period, class F>
ProcessPtr tickGo(const QString &name, std::chrono::duration<Rep, Period> interval, F &&work,
                  Process *parent = nullptr)
{
    return Private::startSchedule(Private::ScheduleKind::TickGo, "tickGo()", { name }, interval,
                                  std::forward<F>(work), parent);
}

/// Runs \a work once for each time that \a sender emits \a signal, one run after another (upstream:
/// `periodic.OnSignal`, and `periodic.Ticker` with QTimer::timeout).
///
/// Signals that come during a run are counted, each gets its run when the one before has Closed.
/// Those that came before the close still get theirs before the process is Closed, and such a run
/// finds itself Closing; with AtClose::Drop they are dropped. Signals that come later are ignored.
/// The arguments of the signal do not matter, nor does the thread that emits it, which does not
/// wait. When \a sender is destroyed, or its signal is disconnected from all, the process closes,
/// after the runs that are due.
template<class Sender, class Signal, class F>
ProcessPtr onSignal(const Sender *sender, Signal signal, F &&work, Process *parent = nullptr,
                    AtClose atClose = AtClose::Finish)
{
    return Private::startOnSignal(Private::ScheduleKind::OnSignal, "onSignal()", {}, sender, signal,
                                  std::forward<F>(work), parent, atClose);
}

/// The same with a name.
template<class Sender, class Signal, class F>
ProcessPtr onSignal(const QString &name, const Sender *sender, Signal signal, F &&work,
                    Process *parent = nullptr, AtClose atClose = AtClose::Finish)
{
    return Private::startOnSignal(Private::ScheduleKind::OnSignal, "onSignal()", { name }, sender,
                                  signal, std::forward<F>(work), parent, atClose);
}

/// The same in the thread of \a context.
template<class Sender, class Signal, class Context, class F, Private::IfContext<Context> = 0>
ProcessPtr onSignal(const Sender *sender, Signal signal, Context *context, F &&work,
                    Process *parent = nullptr, AtClose atClose = AtClose::Finish)
{
    return Private::startOnSignal(Private::ScheduleKind::OnSignal, "onSignal()",
                                  { QString(), context, true }, sender, signal,
                                  Private::workOf(context, std::forward<F>(work)), parent, atClose);
}

/// The same with a name.
template<class Sender, class Signal, class Context, class F, Private::IfContext<Context> = 0>
ProcessPtr onSignal(const QString &name, const Sender *sender, Signal signal, Context *context,
                    F &&work, Process *parent = nullptr, AtClose atClose = AtClose::Finish)
{
    return Private::startOnSignal(Private::ScheduleKind::OnSignal, "onSignal()",
                                  { name, context, true }, sender, signal,
                                  Private::workOf(context, std::forward<F>(work)), parent, atClose);
}

/// As onSignal() does on the pool, but each run starts at once: runs may overlap (upstream:
/// `periodic.OnSignalGo`, and `periodic.TickerGo`).
template<class Sender, class Signal, class F>
ProcessPtr onSignalGo(const Sender *sender, Signal signal, F &&work, Process *parent = nullptr,
                      AtClose atClose = AtClose::Finish)
{
    return Private::startOnSignal(Private::ScheduleKind::OnSignalGo, "onSignalGo()", {}, sender,
                                  signal, std::forward<F>(work), parent, atClose);
}

/// The same with a name.
template<class Sender, class Signal, class F>
ProcessPtr onSignalGo(const QString &name, const Sender *sender, Signal signal, F &&work,
                      Process *parent = nullptr, AtClose atClose = AtClose::Finish)
{
    return Private::startOnSignal(Private::ScheduleKind::OnSignalGo, "onSignalGo()", { name },
                                  sender, signal, std::forward<F>(work), parent, atClose);
}

/// @}

} // namespace GoProcess

#endif
