// SPDX-License-Identifier: MIT
// TeardownCall: the call of a teardown that is a JavaScript function.
//
// The one connection with a lambda ends in the function that makes it:
// clazy:excludeall=lambda-in-connect

#include "teardowncall_p.h"

#include <GoProcess/process.h>

#include <QQmlContext>
#include <QQmlEngine>
#include <QQmlError>
#include <QQmlExpression>
#include <QThread>
#include <QtQml/qqmlinfo.h>

#include <utility>

namespace GoProcess::Private {

static QString located(const QString &file, int line, const QString &text)
{
    return QStringLiteral("%1:%2: %3").arg(file).arg(line).arg(text);
}

/// \a text with the place of \a process, which Qt tells in warnings only: it is one to those who
/// listen to the warnings of the engine, but is not printed.
static QString locatedAt(const QObject *process, const QString &text)
{
    QQmlEngine *engine = qmlEngine(process);
    if (!engine)
        return text;
    QString result = text;
    const auto connection = QObject::connect(
            engine, &QQmlEngine::warnings, engine, [&](const QList<QQmlError> &warnings) {
                const QQmlError &warning = warnings.constFirst();
                result = located(warning.url().toString(), warning.line(), text);
            });
    const bool prints = engine->outputWarningsToStandardError();
    engine->setOutputWarningsToStandardError(false);
    qmlWarning(process) << text;
    engine->setOutputWarningsToStandardError(prints);
    QObject::disconnect(connection);
    return result;
}

void TeardownEnd::settle(const Error &error)
{
    // Acquire and release: those that come later leave the promise alone.
    if (m_isSettled.exchange(true, std::memory_order_acq_rel))
        return;
    m_promise.addResult(error);
    m_promise.finish();
}

// --- TeardownListener ----------------------------------------------------------------------------

TeardownListener::TeardownListener(Process *process, std::shared_ptr<TeardownEnd> end)
    : m_process(process), m_end(std::move(end))
{
}

TeardownListener::~TeardownListener()
{
    // Even in the garbage collector: this makes a step due and runs nothing.
    m_end->settle(
            Error(QStringLiteral("The promise of the teardown was dropped before it settled")));
}

void TeardownListener::follow(const QJSValue &value)
{
    const QJSValue then = value.isObject() ? value.property(QStringLiteral("then")) : QJSValue();
    if (!then.isCallable()) {
        const QString text = value.isString() ? value.toString() : QString();
        m_end->settle(text.isEmpty() ? Error() : Error(text));
        return;
    }

    // Functions that keep this object: methods of it would not, and Qt 6.4 crashes when it calls one
    // of an object that is gone.
    QJSEngine *engine = qjsEngine(this);
    const QJSValue makeCallbacks = engine->evaluate(QStringLiteral(
            "(listener => [value => listener.follow(value), reason => listener.fail(reason)])"));
    const QJSValue callbacks = makeCallbacks.call({ engine->newQObject(this) });
    const QJSValue result =
            then.callWithInstance(value, { callbacks.property(0), callbacks.property(1) });
    if (result.isError())
        fail(result);
}

void TeardownListener::fail(const QJSValue &reason)
{
    QString text = reason.isUndefined() || reason.isNull() ? QString() : reason.toString();
    if (text.isEmpty())
        text = QStringLiteral("The promise of the teardown was rejected");
    if (reason.isError()) {
        text = located(reason.property(QStringLiteral("fileName")).toString(),
                       reason.property(QStringLiteral("lineNumber")).toInt(), text);
    } else if (!m_end->isSettled() && m_process->thread() == thread()) { // so the process is there
        text = locatedAt(m_process, text);
    }
    m_end->settle(Error(text));
}

// --- TeardownCall --------------------------------------------------------------------------------

TeardownCall::TeardownCall(Process *process, QJSValue function)
    : m_process(process), m_function(std::move(function)), m_engineThread(QThread::currentThread())
{
}

QFuture<Error> TeardownCall::run()
{
    if (QThread::currentThread() == m_engineThread) {
        call();
    } else {
        m_end->settle(
                Error(QStringLiteral("The teardown is JavaScript, which cannot run outside of "
                                     "the thread of its engine")));
    }
    return m_end->future();
}

void TeardownCall::call()
{
    const QQmlContext *context = qmlContext(m_process);
    QQmlEngine *engine = context && context->isValid() ? context->engine() : nullptr;
    if (!engine) {
        m_end->settle(Error(
                QStringLiteral("The QML context of the process was gone before its teardown")));
        return;
    }

    // An expression, since it tells the place of whatever is thrown.
    QQmlContext scope(engine->rootContext());
    scope.setContextProperty(QStringLiteral("teardown"), QVariant::fromValue(m_function));
    scope.setContextProperty(
            QStringLiteral("listener"),
            QVariant::fromValue(engine->newQObject(new TeardownListener(m_process, m_end))));
    QQmlExpression expression(&scope, nullptr, QStringLiteral("listener.follow(teardown())"));
    expression.evaluate();
    if (expression.hasError()) {
        const QQmlError error = expression.error();
        m_end->settle(Error(located(error.url().toString(), error.line(), error.description())));
    }
}

void TeardownCall::giveUp()
{
    m_end->settle(Error(QStringLiteral("The promise of the teardown was still open when its thread "
                                       "had to wait for the close")));
}

} // namespace GoProcess::Private
