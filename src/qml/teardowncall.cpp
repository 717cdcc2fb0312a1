// SPDX-License-Identifier: MIT
// TeardownCall: the call of a teardown that is a JavaScript function.

#include "teardowncall_p.h"

#include <GoProcess/process.h>

#include <QQmlContext>
#include <QQmlEngine>
#include <QQmlError>
#include <QQmlExpression>
#include <QThread>

namespace GoProcess::Private {

static QString located(const QString &file, int line, const QString &text)
{
    return QStringLiteral("%1:%2: %3").arg(file).arg(line).arg(text);
}

TeardownCall::TeardownCall(Process *process, const QJSValue &function, QObject *parent)
    : QObject(parent),
      m_process(process),
      m_function(function),
      m_engineThread(QThread::currentThread())
{
    m_promise.start();
}

QFuture<Error> TeardownCall::run()
{
    if (QThread::currentThread() == m_engineThread)
        call();
    else
        settle(Error(QStringLiteral(
                "The teardown is JavaScript, which cannot run outside of the thread of its engine")));
    return m_promise.future();
}

void TeardownCall::call()
{
    const QQmlContext *context = qmlContext(m_process);
    QQmlEngine *engine = context && context->isValid() ? context->engine() : nullptr;
    if (!engine) {
        settle(Error(QStringLiteral("The QML context of the process was gone before its teardown")));
        return;
    }

    // An expression, since it tells the place of whatever is thrown.
    QQmlContext scope(engine->rootContext());
    QQmlExpression expression(&scope, this, QStringLiteral("follow(teardown())"));
    expression.evaluate();
    if (expression.hasError()) {
        const QQmlError error = expression.error();
        settle(Error(located(error.url().toString(), error.line(), error.description())));
    }
}

void TeardownCall::follow(const QJSValue &value)
{
    const QJSValue then = value.isObject() ? value.property(QStringLiteral("then")) : QJSValue();
    if (!then.isCallable()) {
        settle(value.isString() && !value.toString().isEmpty() ? Error(value.toString()) : Error());
        return;
    }
    QJSEngine *engine = qjsEngine(this);
    const QJSValue self = engine->newQObject(this);
    const QJSValue result =
            then.callWithInstance(value,
                                  { self.property(QStringLiteral("fulfilled")),
                                    self.property(QStringLiteral("rejected")) });
    if (result.isError())
        rejected(result);
}

void TeardownCall::fulfilled(const QJSValue &value)
{
    follow(value);
}

void TeardownCall::rejected(const QJSValue &reason)
{
    QString text = reason.isUndefined() || reason.isNull() ? QString() : reason.toString();
    if (text.isEmpty())
        text = QStringLiteral("The promise of the teardown was rejected");
    if (reason.isError()) {
        text = located(reason.property(QStringLiteral("fileName")).toString(),
                       reason.property(QStringLiteral("lineNumber")).toInt(), text);
    } 
    settle(Error(text));
}

void TeardownCall::giveUp()
{
    settle(Error(QStringLiteral(
            "The promise of the teardown was still open when its thread had to wait for the close")));
}

void TeardownCall::settle(const Error &error)
{
    // Acquire and release: what the first one has done to the promise is not seen by the others,
    // which leave it alone.
    if (m_isSettled.exchange(true, std::memory_order_acq_rel))
        return;
    m_promise.addResult(error);
    m_promise.finish();
}

} // namespace GoProcess::Private
