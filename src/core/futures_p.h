// SPDX-License-Identifier: MIT
// What a finished QFuture of a teardown says.

#ifndef GOPROCESS_FUTURES_P_H
#define GOPROCESS_FUTURES_P_H

#include "tsan_p.h"

#include <GoProcess/error.h>

#include <QCoreApplication>
#include <QFuture>
#include <QFutureInterface>

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace GoProcess::Private {

/// True if \a future, which looks cancelled, is a default-constructed one: Qt gives both the same
/// state. \a future is the only handle that the caller has, and is used up.
///
/// What tells them apart: a future whose promise is gone keeps no continuation, and a continuation
/// that is kept dies with the last handle. Qt lets classes set one that derive from QFutureInterface.
template<class T>
bool isDefaultConstructed(QFuture<T> &&future)
{
    struct Probe : QFutureInterfaceBase
    {
        explicit Probe(const QFuture<T> &other) : QFutureInterfaceBase(get(other)) { }
        using QFutureInterfaceBase::setContinuation;
    };

    const auto token = std::make_shared<char>();
    Probe(future).setContinuation([token](const QFutureInterfaceBase &) {});
    const bool hadPromise = token.use_count() == 1;
    future = QFuture<T>();
    const bool isShared = token.use_count() > 1;
    return !hadPromise && !isShared;
}

/// Calls \a function with the future when that has finished: in the thread that finishes it, or here
/// at once. It has to bear a second call.
///
/// Not by QFuture::then(): when the future finishes just now in another thread, Qt 6.4 runs the
/// continuation in both, one after the other, and what then() makes of it crashes in the second.
template<class T, class F>
void whenFinished(const QFuture<T> &future, F &&function)
{
    struct Continued : QFutureInterfaceBase
    {
        explicit Continued(const QFuture<T> &other) : QFutureInterfaceBase(get(other)) { }
        using QFutureInterfaceBase::setContinuation;
    };

    struct Call
    {
        std::decay_t<F> function;
        void operator()(const QFutureInterfaceBase &finished)
        {
            takeOver(this);
            function(QFutureInterface<T>(finished).future());
        }
    };

    std::function<void(const QFutureInterfaceBase &)> continuation(
            Call { std::forward<F>(function) });
    handOver(continuation.template target<Call>()); // it stays where it is when this is moved
    Continued(future).setContinuation(std::move(continuation));
}

/// The error that a finished \a future stands for (R23); uses up the handle. \a wasUnfinished: it is
/// known to be no default-constructed one.
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
