// SPDX-License-Identifier: MIT
// RateLimiter: a process that runs only so many works at once.

#ifndef GOPROCESS_RATELIMITER_H
#define GOPROCESS_RATELIMITER_H

#include <GoProcess/detail/callable.h>
#include <GoProcess/global.h>
#include <GoProcess/process.h>

#include <QDeadlineTimer>
#include <QObject>
#include <QString>

#include <memory>
#include <utility>

namespace GoProcess {

namespace Private {
class Places;
}

/// A process under which only limit() works run at once (upstream: `ratelimit.RateLimiter`).
///
/// limitedGo() blocks until there is a place; queueGo() never does, and is the one for a thread
/// with a window. Each work that they start occupies a place until its process is Closed, its own
/// children included, so that works which start further works cannot exceed the limit by it. go()
/// and addChild() stay as they are and occupy no places.
///
/// \code
/// RateLimiter downloads(3);
/// for (const QUrl &url : urls) // never more than three at once
///     downloads.queueGo([url] { fetch(url); });
/// downloads.closeAfterChildren();
/// \endcode
///
/// Like every subclass with a destructor of its own this one closes and waits first (R47). In a
/// slot of its own closing() it may be destroyed (R43) unless works still call limitedGo().
class GOPROCESS_EXPORT RateLimiter : public Process
{
    Q_OBJECT
    Q_PROPERTY(int limit READ limit CONSTANT FINAL)

public:
    /// A limiter of \a limit works (upstream: `NewRateLimiter`). A limit below 1 is refused: with a
    /// warning the limit is 1. For \a parent see Process::Process().
    explicit RateLimiter(int limit, QObject *parent = nullptr);
    /// The same with a name.
    RateLimiter(const QString &name, int limit, QObject *parent = nullptr);
    /// Closes the process and waits until it is Closed.
    ~RateLimiter() override;

    /// How many works run at once; at least 1. May be called from any thread.
    int limit() const;

    /// Waits for a place and runs \a work there, as go() does (upstream: `LimitedGo`).
    ///
    /// May be called from any thread. Blocks while all places are occupied: runs the steps whose
    /// home is the calling thread meanwhile, and nothing else, warns after 5 s (R37), and lends out
    /// the place in its pool of the work that calls (R32). First come, first served: a later call
    /// never gets a place earlier, be it of this function or of queueGo(). A blocked call keeps
    /// neither the limiter nor its parents from closing.
    ///
    /// Returns an empty pointer, and \a work does not run,
    /// - without a warning, if there was no place until \a deadline; a deadline that has passed
    ///   already asks for a place without blocking;
    /// - refused (R15), once the teardown of this has begun, which also ends the blocked calls;
    ///   before that works are taken on a closing limiter, too, and find themselves Closing (R13);
    /// - refused, if the call would deadlock (R39): (a) every place is held by a work on this
    ///   thread's stack, or by one that waits for such a work; (b) the caller is a step that runs
    ///   while this thread is already blocked in limitedGo() of this limiter, and would wait behind
    ///   that call.
    template<class F>
    ProcessPtr limitedGo(F &&work, QDeadlineTimer deadline = QDeadlineTimer::Forever)
    {
        return limitedGo(QString(), std::forward<F>(work), deadline);
    }
    /// The same with a name.
    template<class F>
    ProcessPtr limitedGo(const QString &name, F &&work,
                         QDeadlineTimer deadline = QDeadlineTimer::Forever)
    {
        static_assert(Private::isWork<F>,
                      "A work takes GoProcess::Process& or nothing and returns void or "
                      "GoProcess::Error");
        return limitedGoImpl(name, Private::makeWork(std::forward<F>(work)), deadline);
    }

    /// Takes \a work at once and starts it, as go() does, when there is a place. Never blocks.
    ///
    /// May be called from any thread. First come, first served, together with limitedGo(). Returns
    /// the child at once: a child of this (R8) that is Running though its work has not started yet.
    ///
    /// Closing drops what has not started, be it this that closes, something above it, or that
    /// child alone: such a child closes with an Error that says so, and which treeErrors() of this
    /// has. Its work does not run, and is destroyed before the child is Closed. A work that has
    /// started goes on, and sees isClosing(). On a limiter that is Closing already, but has not
    /// begun its teardown, a work starts if there is a place just now (R13), and is dropped
    /// otherwise.
    ///
    /// Nothing here waits, so nothing is refused for waiting for itself; but a work of this limiter
    /// that waits for a queued one keeps its place meanwhile. If all do, none ends.
    ///
    /// Refused (R15), with an empty pointer, for a null work and once the teardown of this has
    /// begun.
    template<class F>
    ProcessPtr queueGo(F &&work)
    {
        return queueGo(QString(), std::forward<F>(work));
    }
    /// The same with a name.
    template<class F>
    ProcessPtr queueGo(const QString &name, F &&work)
    {
        static_assert(Private::isWork<F>,
                      "A work takes GoProcess::Process& or nothing and returns void or "
                      "GoProcess::Error");
        return queueGoImpl(name, Private::makeWork(std::forward<F>(work)));
    }

private:
    ProcessPtr limitedGoImpl(const QString &name, std::unique_ptr<Private::Work> work,
                             QDeadlineTimer deadline);
    ProcessPtr queueGoImpl(const QString &name, std::unique_ptr<Private::Work> work);

    // Shared with the works, and with calls that are blocked when the limiter is destroyed.
    const std::shared_ptr<Private::Places> m_places;
};

} // namespace GoProcess

#endif
