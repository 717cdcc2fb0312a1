// SPDX-License-Identifier: MIT
// TeardownCall: the call of a teardown that is a JavaScript function.

#include "teardowncall_p.h"

#include <GoProcess/process.h>

#include <QQmlContext>
#include <QQmlEngine>
#include <QQmlError>
#include <QQmlExpression>
#include <QThread>
#include <QUrl>

#include <utility>

namespace GoProcess::Private {

static QString located(const QString &file, int line, const QString &text)
{
    return QStringLiteral("%1:%2: %3").arg(file).arg(line).arg(text);
}

/// \a text with the file of \a process: Qt tells the line in warnings only, and this is none.
static QString locatedAt(const QObject *process, const QString &text)
{
    const QQmlContext *context = qmlContext(process);
    // GCOVR_EXCL_BR_START: rare
    const QString file = context ? context->baseUrl().toString() : QString();
    // GCOVR_EXCL_BR_STOP
    return file.isEmpty() ? text : QStringLiteral("%1: %2").arg(file, text);
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
    if (value.isObject() && followThen(value))
        return;
    const QString text = value.isString() ? value.toString() : QString();
    m_end->settle(text.isEmpty() ? Error() : Error(text));
}

/// False if \a value is no thenable. Whatever its `then` throws is the end of the teardown, even
/// where the property itself throws.
bool TeardownListener::followThen(const QJSValue &value)
{
    // In JavaScript, since QJSValue::property() and call() lose what is thrown unless it is an
    // Error. The functions keep the listener: methods of it would not, and Qt 6.4 crashes when it
    // calls one of an object that is gone.
    QJSEngine *engine = qjsEngine(this);
    const QJSValue follow = engine->evaluate(QStringLiteral(R"((function(listener, value) {
        try {
            const then = value.then;
            if (typeof then !== "function")
                return false;
            then.call(value, value => listener.follow(value), reason => listener.fail(reason));
        } catch (reason) {
            listener.fail(reason);
        }
        return true;
    }))"));
    const QJSValue isFollowed =
            follow.isCallable() ? follow.call({ engine->newQObject(this), value }) : follow;
    if (!isFollowed.isBool()) // the engine itself has failed, as when its stack is full
        fail(isFollowed);
    return !isFollowed.isBool() || isFollowed.toBool();
}

void TeardownListener::fail(const QJSValue &reason)
{
    // GCOVR_EXCL_BR_START: rare
    QString text = reason.isUndefined() || reason.isNull() ? QString() : reason.toString();
    // GCOVR_EXCL_BR_STOP
    if (text.isEmpty())
        text = QStringLiteral("The promise of the teardown was rejected");
    if (reason.isError()) {
        text = located(reason.property(QStringLiteral("fileName")).toString(),
                       reason.property(QStringLiteral("lineNumber")).toInt(), text);
        // GCOVR_EXCL_BR_START: rare
    } else if (!m_end->isSettled() && m_process->thread() == thread()) { // so the process is there
        // GCOVR_EXCL_BR_STOP
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
    // GCOVR_EXCL_BR_START: rare
    QQmlEngine *engine = context && context->isValid() ? context->engine() : nullptr;
    // GCOVR_EXCL_BR_STOP
    if (!engine) { // GCOVR_EXCL_BR_LINE: rare
        m_end->settle(Error( // GCOVR_EXCL_LINE: rare
                // GCOVR_EXCL_START: rare
                QStringLiteral("The QML context of the process was gone before its teardown")));
        // GCOVR_EXCL_STOP
        return; // GCOVR_EXCL_LINE: rare
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
        QString text = located(error.url().toString(), error.line(), error.description());
        if (!seesItself())
            text += QStringLiteral(
                    " (the garbage collector took the process, which hides its own "
                    "properties from its teardown: keep it in a property, or give it "
                    "a parent)");
        m_end->settle(Error(text));
    }
}

/// False if the process was taken by the garbage collector: its own names are undefined from there
/// on.
bool TeardownCall::seesItself() const
{
    QQmlExpression name(qmlContext(m_process), m_process, QStringLiteral("name"));
    name.evaluate();
    return !name.hasError();
}

void TeardownCall::giveUp()
{
    m_end->settle(Error(QStringLiteral("The promise of the teardown was still open when its thread "
                                       "had to wait for the close")));
}

} // namespace GoProcess::Private
