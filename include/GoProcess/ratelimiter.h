// SPDX-License-Identifier: MIT
// RateLimiter: a process that runs only so many works at once.

#ifndef GOPROCESS_RATELIMITER_H
#define GOPROCESS_RATELIMITER_H

#include <GoProcess/callable.h>
#include <GoProcess/global.h>
#include <GoProcess/process.h>

#include <QDeadlineTimer>
#include <QObject>

#include <memory>
#include <utility>

namespace GoProcess {

namespace Private {
class Places;
}

/// A process under which only limit() works run at once (upstream: `ratelimit.RateLimiter`).
///
/// Each work that limitedGo() starts occupies a place until its process is Closed, its own children
/// included, so that works which start further works cannot exceed the limit by it. go() and
/// addChild() stay as they are and occupy no places.
///
/// Like every subclass with a destructor of its own this one closes and waits first (R47). In a slot
/// of its own closing() it may be destroyed (R43) unless works still call limitedGo().
class GOPROCESS_EXPORT RateLimiter : public Process
{
    Q_OBJECT
    Q_PROPERTY(int limit READ limit CONSTANT FINAL)

public:
    /// A limiter of \a limit works (upstream: `NewRateLimiter`). A limit below 1 is refused: with a
    /// warning the limit is 1. For \a parent see Process::Process().
    explicit RateLimiter(int limit, QObject *parent = nullptr);
    /// Closes the process and waits until it is Closed.
    ~RateLimiter() override;

    /// How many works run at once; at least 1. May be called from any thread.
    int limit() const;

    /// Waits for a place and runs \a work there, as go() does (upstream: `LimitedGo`).
    ///
    /// May be called from any thread. Blocks while all places are occupied: runs the steps whose home
    /// is the calling thread meanwhile, and nothing else, warns after 5 s (R37), and lends out the
    /// place in its pool of the work that calls (R32). First come, first served: whoever calls later
    /// never gets a place earlier. A blocked call keeps neither the limiter nor its parents from
    /// closing.
    ///
    /// Returns an empty pointer, and \a work does not run,
    /// - without a warning, if there was no place until \a deadline; one that has passed already asks
    ///   for a place without blocking;
    /// - refused (R15), once the teardown of this has begun, which also ends the blocked calls; before
    ///   that works are taken on a closing limiter, too, and find themselves Closing (R13);
    /// - refused, if the call could only end after itself (R39): where every place is occupied by a work
    ///   that runs below the caller in the same thread, or waits for such a one; and in a step that runs
    ///   in a limitedGo() of this in the same thread, if it would have to wait behind that.
    template<class F>
    ProcessPtr limitedGo(F &&work, QDeadlineTimer deadline = QDeadlineTimer::Forever)
    {
        static_assert(Private::isWork<F>,
                      "A work takes GoProcess::Process& or nothing and returns void or "
                      "GoProcess::Error");
        return limitedGoImpl(Private::makeWork(std::forward<F>(work)), deadline);
    }

private:
    ProcessPtr limitedGoImpl(std::unique_ptr<Private::Work> work, QDeadlineTimer deadline);

    // Shared with the works, and with those who wait when the limiter is destroyed.
    const std::shared_ptr<Private::Places> m_places;
};

} // namespace GoProcess

#endif
