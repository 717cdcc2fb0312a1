// SPDX-License-Identifier: MIT
// TeardownCall: the call of a teardown that is a JavaScript function.

#ifndef GOPROCESS_TEARDOWNCALL_P_H
#define GOPROCESS_TEARDOWNCALL_P_H

#include <GoProcess/error.h>

#include <QJSValue>
#include <QObject>
#include <QPromise>

#include <atomic>

QT_BEGIN_NAMESPACE
class QJSEngine;
class QThread;
QT_END_NAMESPACE

namespace GoProcess {

class Process;

namespace Private {

/// Calls the function once and follows the thenable that it may return.
///
/// It is destroyed with the process, which is Closed by then, so that the steps of the process may
/// use it without a reference. JavaScript is touched in the thread of its engine only.
class TeardownCall final : public QObject
{
    Q_OBJECT
    /// For the expression that calls it.
    Q_PROPERTY(QJSValue teardown READ function CONSTANT FINAL)

public:
    TeardownCall(Process *process, const QJSValue &function, QObject *parent);

    QJSValue function() const { return m_function; }

    /// The teardown of the process.
    QFuture<Error> run();
    /// The thread of the process is blocked, or its context goes: what is open stays so.
    void giveUp();

    /// The thenable has settled. Called by JavaScript.
    Q_INVOKABLE void fulfilled(const QJSValue &value);
    Q_INVOKABLE void rejected(const QJSValue &reason);
    /// What the function returned.
    Q_INVOKABLE void follow(const QJSValue &value);

private:
    void call();
    void settle(const Error &error);

    Process *const m_process;
    const QJSValue m_function;
    QThread *const m_engineThread; ///< Only compared.
    QPromise<Error> m_promise;
    /// JavaScript settles in the thread of the engine, giveUp() in the home of the process: the
    /// first one that exchanges it alone uses the promise.
    std::atomic<bool> m_isSettled = false;
};

} // namespace Private
} // namespace GoProcess

#endif
