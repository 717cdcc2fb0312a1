// SPDX-License-Identifier: MIT
// Type-erased teardowns and works: what the templates of Process hand to the library.
// Everything here is private to the library; use Process.

#ifndef GOPROCESS_DETAIL_CALLABLE_H
#define GOPROCESS_DETAIL_CALLABLE_H

#include <GoProcess/coroutine.h>
#include <GoProcess/error.h>
#include <GoProcess/global.h>

#include <QDeadlineTimer>
#include <QFuture>

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

namespace GoProcess {

class Process;

namespace Private {

class LeftOpen;
class ProcessCore;

/// What a teardown leaves behind: its error, or a future that will tell.
using TeardownResult = std::variant<Error, QFuture<void>, QFuture<Error>>;

/// A teardown, and the function that ends its future in a blocked thread (R23).
class GOPROCESS_EXPORT Teardown
{
public:
    Teardown() = default;
    Q_DISABLE_COPY_MOVE(Teardown)
    virtual ~Teardown();
    virtual TeardownResult run() = 0;
    virtual bool canFinish() const { return false; }
    virtual void finish() { }
    /// finish(), but it blocks no longer than until \a deadline. False: there is more to do, for
    /// which it is called again, in this wait or the next one; the event loop may go on with it
    /// between them.
    virtual bool finishUntil(QDeadlineTimer /*deadline*/)
    {
        finish();
        return true;
    }

private:
    friend class LeftOpen;

    // Where it stands in a list of LeftOpen, whose lock guards them; no owner: nowhere.
    ProcessCore *m_owner = nullptr;
    Teardown *m_previous = nullptr;
    Teardown *m_next = nullptr;
};

/// A function given to `go`.
class GOPROCESS_EXPORT Work
{
public:
    Work() = default;
    Q_DISABLE_COPY_MOVE(Work)
    virtual ~Work();
    virtual Error run(Process &self) = 0;
};

template<class F, class = void>
struct TeardownTraits : std::false_type
{
};

template<class F>
struct TeardownTraits<F, std::enable_if_t<std::is_invocable_v<F &>>>
{
    using Result = std::invoke_result_t<F &>;
    static constexpr bool value =
            std::is_void_v<
                    Result> || std::is_same_v<Result, Error> || std::is_same_v<Result, QFuture<void>> || std::is_same_v<Result, QFuture<Error>> || isAwaitable<Result>;
};

/// True for callables without arguments whose result is one of R23.
template<class F>
inline constexpr bool isTeardown = TeardownTraits<std::decay_t<F>>::value;

template<class F>
inline constexpr bool takesProcess = std::is_invocable_v<std::decay_t<F> &, Process &>;

template<class F, bool = takesProcess<F>>
struct WorkResult : std::invoke_result<std::decay_t<F> &, Process &>
{
};

/// Without a type where it cannot be called without arguments either.
template<class F>
struct WorkResult<F, false> : std::invoke_result<std::decay_t<F> &>
{
};

template<class F, class = void>
struct WorkTraits : std::false_type
{
};

template<class F>
struct WorkTraits<F, std::void_t<typename WorkResult<F>::type>>
{
    using Result = typename WorkResult<F>::type;
    static constexpr bool value = std::is_void_v<Result> || std::is_same_v<Result, Error>;
};

/// True for callables that take `(Process &)` or nothing and return `void` or Error (R33).
template<class F>
inline constexpr bool isWork = WorkTraits<F>::value;

template<class F, class = void>
struct IsNullable : std::false_type
{
};

template<class F>
struct IsNullable<F, std::void_t<decltype(std::declval<const F &>() == nullptr)>> : std::true_type
{
};

/// True for an empty std::function and a null function pointer.
template<class F>
bool isNull([[maybe_unused]] const F &function)
{
    if constexpr (IsNullable<F>::value && !std::is_function_v<F>)
        return function == nullptr;
    else
        return false;
}

template<class F, class G = std::nullptr_t>
class TeardownFunction final : public Teardown
{
public:
    template<class F2, class G2 = std::nullptr_t>
    explicit TeardownFunction(F2 &&function, G2 &&finish = nullptr)
        : m_function(std::forward<F2>(function)), m_finish(std::forward<G2>(finish))
    {
    }

    TeardownResult run() override
    {
        if constexpr (std::is_void_v<std::invoke_result_t<F &>>) {
            std::invoke(m_function);
            return Error();
        } else {
            return std::invoke(m_function);
        }
    }
    bool canFinish() const override { return !std::is_null_pointer_v<G>; }
    void finish() override
    {
        if constexpr (!std::is_null_pointer_v<G>)
            std::invoke(m_finish);
    }

private:
    F m_function;
    G m_finish;
};

template<class F>
class WorkFunction final : public Work
{
public:
    template<class F2>
    explicit WorkFunction(F2 &&function) : m_function(std::forward<F2>(function))
    {
    }

    Error run([[maybe_unused]] Process &self) override
    {
        constexpr bool returnsError = !std::is_void_v<typename WorkResult<F>::type>;
        if constexpr (takesProcess<F> && returnsError) {
            return std::invoke(m_function, self);
        } else if constexpr (takesProcess<F>) {
            std::invoke(m_function, self);
            return Error();
        } else if constexpr (returnsError) {
            return std::invoke(m_function);
        } else {
            std::invoke(m_function);
            return Error();
        }
    }

private:
    F m_function;
};

// With `new`, as each std::make_unique() of one more type takes a compiler a fifth of the time that
// a file of many teardowns takes.

/// Null for an empty std::function or a null pointer, which the library refuses (R15).
template<class F, class... G>
std::unique_ptr<Teardown> makeTeardown(F &&teardown, G &&...finish)
{
    if constexpr (isTeardown<F> && (std::is_invocable_v<std::decay_t<G> &> && ...)) {
        if (isNull(teardown) || (isNull(finish) || ...))
            return nullptr;
#ifdef GOPROCESS_HAS_COROUTINES
        if constexpr (isAwaitable<std::invoke_result_t<std::decay_t<F> &>>) {
            using Function = CoroutineFunction<std::decay_t<F>>;
            return std::unique_ptr<Teardown>(new TeardownFunction<Function, std::decay_t<G>...>(
                    Function { std::forward<F>(teardown) }, std::forward<G>(finish)...));
        } else
#endif
        {
            return std::unique_ptr<Teardown>(
                    new TeardownFunction<std::decay_t<F>, std::decay_t<G>...>(
                            std::forward<F>(teardown), std::forward<G>(finish)...));
        }
    } else {
        return nullptr; // what is no teardown has met an assertion that says so
    }
}

template<class F>
std::unique_ptr<Work> makeWork(F &&work)
{
    if constexpr (isWork<F>) {
        if (!isNull(work))
            return std::unique_ptr<Work>(new WorkFunction<std::decay_t<F>>(std::forward<F>(work)));
    }
    return nullptr; // what is no work has met an assertion that says so
}

} // namespace Private
} // namespace GoProcess

#endif
