// SPDX-License-Identifier: MIT
// Coroutines as teardowns (C++20): what a callable returns that can be awaited becomes a
// QFuture<Error>. Everything here is private to the library; use Process.

#ifndef GOPROCESS_COROUTINE_H
#define GOPROCESS_COROUTINE_H

#include <GoProcess/error.h>
#include <GoProcess/global.h>

#include <type_traits>

#if defined(__cpp_impl_coroutine) && __has_include(<coroutine>)
#  include <coroutine>
#endif

// The compiler and the library both have them. No compiler without takes part: Clang before 17 has
// coroutines, and does not say so, since the ones that it has are not complete.
#if defined(__cpp_impl_coroutine) && defined(__cpp_lib_coroutine)
#  define GOPROCESS_HAS_COROUTINES

#  include <QFuture>
#  include <QPromise>

#  include <exception>
#  include <functional>
#  include <utility>
#endif

namespace GoProcess::Private {

#ifdef GOPROCESS_HAS_COROUTINES

template<class T, class = void>
struct HasMemberCoAwait : std::false_type
{
};

template<class T>
struct HasMemberCoAwait<T, std::void_t<decltype(std::declval<T>().operator co_await())>>
    : std::true_type
{
};

template<class T, class = void>
struct HasFreeCoAwait : std::false_type
{
};

template<class T>
struct HasFreeCoAwait<T, std::void_t<decltype(operator co_await(std::declval<T>()))>>
    : std::true_type
{
};

/// What `co_await` makes of a T, where no promise transforms it.
template<class T>
decltype(auto) awaiterOf(T &&awaitable)
{
    if constexpr (HasMemberCoAwait<T>::value)
        return std::forward<T>(awaitable).operator co_await();
    else if constexpr (HasFreeCoAwait<T>::value)
        return operator co_await(std::forward<T>(awaitable));
    else
        return std::forward<T>(awaitable);
}

template<class T, class = void>
struct AwaitTraits : std::false_type
{
};

template<class T>
struct AwaitTraits<
        T,
        std::enable_if_t<
                std::is_class_v<T> && std::is_move_constructible_v<T>,
                std::void_t<decltype(static_cast<bool>(awaiterOf(std::declval<T>()).await_ready())),
                            decltype(awaiterOf(std::declval<T>())
                                             .await_suspend(
                                                     std::declval<std::coroutine_handle<>>())),
                            decltype(awaiterOf(std::declval<T>()).await_resume())>>>
{
    using Result = decltype(awaiterOf(std::declval<T>()).await_resume());
    static constexpr bool value =
            std::is_void_v<Result> || std::is_same_v<std::decay_t<Result>, Error>;
};

/// True for what a coroutine returns that stands for nothing or for an Error: a class that can be
/// moved, and be given to `co_await` in any coroutine, as `QCoro::Task<>` and `QCoro::Task<Error>`.
/// By that shape alone: of what such classes have in common (`then()`, `toFuture()`) only
/// `co_await` is defined by the language, tells of an exception, and works for tasks that begin at
/// once as for those that begin when they are awaited.
template<class T>
inline constexpr bool isAwaitable = AwaitTraits<T>::value;

/// A coroutine without a caller that waits: it begins at once, and goes when it has ended.
struct Detached
{
    struct promise_type
    {
        Detached get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept { }
        /// Lack of memory where it tells: its QPromise, which goes unfinished, counts as cancelled.
        void unhandled_exception() const noexcept { }
    };
};

/// Awaits \a task and tells by \a promise, in the thread that resumes it. If the code that was to
/// resume it destroys it instead, the promise goes unfinished, which counts as cancelled. The task,
/// and with it all that the coroutine had, is gone when the promise is finished.
template<class Task>
Detached awaitTask(Task task, QPromise<Error> promise)
{
    try {
        Task own(std::move(task));
        if constexpr (std::is_void_v<typename AwaitTraits<Task>::Result>) {
            co_await std::move(own);
        } else {
            Error error = co_await std::move(own);
            promise.addResult(std::move(error));
        }
    } catch (...) {
        promise.setException(std::current_exception());
    }
    promise.finish();
}

/// A teardown that is a coroutine. It is kept until its future has finished, as a coroutine that is
/// a lambda uses what that has captured.
template<class F>
struct CoroutineFunction
{
    QFuture<Error> operator()()
    {
        QPromise<Error> promise;
        promise.start();
        QFuture<Error> future = promise.future();
        awaitTask(std::invoke(function), std::move(promise));
        return future;
    }

    F function;
};

#else

template<class T>
inline constexpr bool isAwaitable = false;

#endif

} // namespace GoProcess::Private

#endif
