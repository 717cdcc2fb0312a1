// SPDX-License-Identifier: MIT
// TeardownCall: the call of a teardown that is a JavaScript function.

#ifndef GOPROCESS_TEARDOWNCALL_P_H
#define GOPROCESS_TEARDOWNCALL_P_H

#include <GoProcess/error.h>

#include <QFuture>
#include <QJSValue>
#include <QObject>
#include <QPromise>

#include <atomic>
#include <memory>

QT_BEGIN_NAMESPACE
class QThread;
QT_END_NAMESPACE

namespace GoProcess {

class Process;

namespace Private {

/// How the teardown ended; the first call of settle() decides.
class TeardownEnd
{
public:
    TeardownEnd() { m_promise.start(); }

    QFuture<Error> future() const { return m_promise.future(); }
    /// Acquire: what the first one has done comes before.
    bool isSettled() const { return m_isSettled.load(std::memory_order_acquire); }
    void settle(const Error &error);

private:
    QPromise<Error> m_promise;
    /// JavaScript settles in the thread of its engine, TeardownCall in the home of the process: the
    /// first one that exchanges it alone uses the promise.
    std::atomic<bool> m_isSettled = false;
};

/// What JavaScript calls with the end of a teardown. It belongs to the engine and lives as long as
/// the thenable can settle, whatever has become of the process.
class TeardownListener final : public QObject
{
    Q_OBJECT

public:
    TeardownListener(Process *process, std::shared_ptr<TeardownEnd> end);
    /// With the engine, or taken by the garbage collector: no script can settle the thenable any
    /// more.
    ~TeardownListener() override;

    /// The function, or its thenable, has returned \a value.
    Q_INVOKABLE void follow(const QJSValue &value);
    /// The thenable was rejected.
    Q_INVOKABLE void fail(const QJSValue &reason);

private:
    bool followThen(const QJSValue &value);

    Process *const m_process; ///< It is there until the end, and maybe no longer.
    const std::shared_ptr<TeardownEnd> m_end;
};

/// Calls the function once and follows the thenable that it may return.
///
/// It lives until the process is destroyed, which is Closed by then, so that the steps of the
/// process use it without a reference. JavaScript is touched in the thread of its engine only.
class TeardownCall
{
public:
    /// Called by JavaScript.
    TeardownCall(Process *process, QJSValue function);

    QJSValue function() const { return m_function; }

    /// The teardown of the process.
    QFuture<Error> run();
    /// The thread of the process is blocked in a wait: what is open now stays so.
    void giveUp();

private:
    void call();
    bool seesItself() const;

    Process *const m_process;
    const QJSValue m_function;
    const QThread *const m_engineThread; ///< Only compared.
    const std::shared_ptr<TeardownEnd> m_end = std::make_shared<TeardownEnd>();
};

} // namespace Private
} // namespace GoProcess

#endif
