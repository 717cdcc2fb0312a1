// SPDX-License-Identifier: MIT
// What a finished QFuture of a teardown says.

#ifndef GOPROCESS_FUTURES_P_H
#define GOPROCESS_FUTURES_P_H

#include "common/tsan_p.h"

#include <GoProcess/error.h>

#include <QCoreApplication>
#include <QFuture>
#include <QFutureInterface>
#include <QPromise>

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace GoProcess::Private {

/// A future that has finished. What Qt has for that was renamed in 6.6, and is deprecated by its
/// old name.
inline QFuture<void> readyFuture()
{
    QPromise<void> promise;
    promise.start();
    promise.finish();
    return promise.future();
}

template<class T>
QFuture<T> readyFuture(const T &result)
{
    QPromise<T> promise;
    promise.start();
    promise.addResult(result);
    promise.finish();
    return promise.future();
}

#if QT_VERSION >= QT_VERSION_CHECK(6, 10, 0)

/// Makes \a token a part of the continuation of \a future. Qt moves out of the function that it
/// runs, and this one can only be copied: the token stays with the continuation until that goes.
template<class T>
void keepWithContinuation(QFuture<T> future, const std::shared_ptr<char> &token)
{
    struct Keeper
    {
        explicit Keeper(std::shared_ptr<char> kept) : token(std::move(kept)) { }
        Keeper(const Keeper &) = default;
        Keeper &operator=(const Keeper &) = delete;
        ~Keeper() = default;
        void operator()(const QFuture<T> &) const { }

        const std::shared_ptr<char> token;
    };
    future.then(Keeper(token));
}

/// Calls \a function with the future when that has finished, whether it was cancelled or not: in
/// the thread that finishes it, or here at once. It has to bear a second call.
template<class T, class F>
void whenFinished(QFuture<T> future, F &&function)
{
    struct Call
    {
        std::decay_t<F> function;
        void operator()(const QFuture<T> &finished)
        {
            takeOver(this);
            function(finished);
        }
    };

    const auto call = std::make_shared<Call>(Call { std::forward<F>(function) });
    handOver(call.get());
    // The second one keeps the future itself, whose continuation it belongs to. Qt drops it with
    // the promise of then(): after a run, and when the promise of the future goes.
    future.then([call](const QFuture<T> &finished) {
              (*call)(finished);
          }).onCanceled([call, future] { (*call)(future); });
}

#else

// Not by QFuture::then(): when the future finishes just now in another thread, Qt before 6.10 runs
// the continuation in both, one after the other, and what then() makes of it crashes in the second.
// Nor does then() run what takes a future when that was cancelled, and its onCanceled() is such a
// continuation as well. Qt lets classes set one that derive from QFutureInterface.
template<class T>
struct Continued : QFutureInterfaceBase
{
    explicit Continued(const QFuture<T> &future) : QFutureInterfaceBase(get(future)) { }
    using QFutureInterfaceBase::setContinuation;
};

/// A continuation that Qt keeps for the thread that calls or drops it, which is told to the thread
/// sanitizer.
template<class F>
class HandedOver
{
public:
    explicit HandedOver(F function) : m_function(std::move(function)) { }
    HandedOver(const HandedOver &) = default; // GCOVR_EXCL_LINE: compiler
    HandedOver(HandedOver &&) noexcept(std::is_nothrow_move_constructible_v<F>) = default;
    HandedOver &operator=(const HandedOver &) = delete;
    HandedOver &operator=(HandedOver &&) = delete;
    ~HandedOver() { takeOver(this); }

    void operator()(const QFutureInterfaceBase &finished)
    {
        takeOver(this);
        m_function(finished);
    }

private:
    F m_function;
};

template<class T, class F>
void setContinuation(const QFuture<T> &future, F &&function)
{
    using Function = HandedOver<std::decay_t<F>>;
    std::function<void(const QFutureInterfaceBase &)> continuation(
            Function(std::forward<F>(function)));
    handOver(continuation.template target<Function>()); // it stays where it is when this is moved
    Continued<T>(future).setContinuation(std::move(continuation));
}

template<class T>
void keepWithContinuation(const QFuture<T> &future, const std::shared_ptr<char> &token)
{
    setContinuation(future, [token](const QFutureInterfaceBase &) {});
}

/// Calls \a function with the future when that has finished, whether it was cancelled or not: in
/// the thread that finishes it, or here at once. It has to bear a second call.
template<class T, class F>
void whenFinished(const QFuture<T> &future, F &&function)
{
    setContinuation(future,
                    [function = std::forward<F>(function)](const QFutureInterfaceBase &finished) {
                        function(QFutureInterface<T>(finished).future());
                    });
}

#endif

/// True if \a future, which looks cancelled, is a default-constructed one: Qt gives both the same
/// state. \a future is the only handle that the caller has, and is used up.
///
/// What tells them apart: a future whose promise is gone keeps no continuation, and a continuation
/// that is kept dies with the last handle.
template<class T>
bool isDefaultConstructed(QFuture<T> &&future)
{
    const auto token = std::make_shared<char>();
    keepWithContinuation(future, token);
    const bool hadPromise = token.use_count() == 1;
    future = QFuture<T>();
    const bool isShared = token.use_count() > 1;
    return !hadPromise && !isShared;
}

/// The error that a finished \a future stands for (R23); uses up the handle. \a wasUnfinished: it
/// is known to be no default-constructed one.
template<class T>
Error errorOf(QFuture<T> &&future, bool wasUnfinished = false)
{
    try {
        future.waitForFinished(); // it is finished: this only throws what it holds
        if constexpr (!std::is_void_v<T>) {
            if (future.isResultReadyAt(0))
                return future.resultAt(0);
        }
    } catch (...) {
        return Error::fromException(std::current_exception());
    }
    if (future.isCanceled() && (wasUnfinished || !isDefaultConstructed(std::move(future)))) {
        return Error(QCoreApplication::translate("GoProcess::Error",
                                                 "The future of the teardown was cancelled"));
    }
    return {};
}

} // namespace GoProcess::Private

#endif
