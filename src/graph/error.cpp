// SPDX-License-Identifier: MIT
// Error: an immutable, shared text, code and exception.

#include <GoProcess/error.h>

#include "common/mutex_p.h"
#include "errorlog_p.h"

#include <QCoreApplication>
#include <QDebug>
#include <QException>

#include <atomic>
#include <memory>
#include <mutex>

namespace GoProcess {

struct Error::Data
{
    QString message;
    std::error_code code;
    /// Guarded by exceptionLock(), as it may be forgotten while other threads ask for it.
    mutable std::exception_ptr exception;
    // Copies count up relaxed: a thread that copies holds a reference already. The last one down
    // must see what other threads did with the data, hence acquire and release there.
    mutable std::atomic<int> refs = 1;
    /// See ErrorLog. Relaxed: it only decides whether a message is printed, and is set for ever.
    mutable std::atomic<bool> isHeard = false;
};

void Private::ErrorLog::hear(const Error &error)
{
    if (error.m_data)
        error.m_data->isHeard.store(true, std::memory_order_relaxed);
}

bool Private::ErrorLog::isHeard(const Error &error)
{
    return !error.m_data || error.m_data->isHeard.load(std::memory_order_relaxed);
}

/// One for all errors: it is held for a copy of a pointer, and rarely needed. Never destroyed.
static Private::Mutex &exceptionLock()
{
    static auto *const mutex = new Private::Mutex;
    return *mutex;
}

static QString tr(const char *text)
{
    return QCoreApplication::translate("GoProcess::Error", text);
}

Error::Error(const QString &message)
    // GCOVR_EXCL_BR_START: compiler
    : m_data(new Data { message.isEmpty() ? tr("Unknown error") : message, {}, nullptr })
// GCOVR_EXCL_BR_STOP
{
}

Error::Error(std::error_code code)
{
    if (code)
        m_data = new Data { QString::fromStdString(code.message()), code, nullptr };
}

Error::Error(const Error &other) noexcept : m_data(other.m_data)
{
    if (m_data)
        m_data->refs.fetch_add(1, std::memory_order_relaxed);
}

Error &Error::operator=(const Error &other) noexcept
{
    Error copy(other);
    std::swap(m_data, copy.m_data);
    return *this;
}

Error::~Error()
{
    if (m_data && m_data->refs.fetch_sub(1, std::memory_order_acq_rel) == 1)
        delete m_data;
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): the signature is public and fixed
Error Error::fromException(std::exception_ptr exception)
{
    if (!exception)
        return {};

    auto data = std::make_unique<Data>();
    data->exception = exception;
    try {
        std::rethrow_exception(exception);
    } catch (const Error &error) {
        data->message = error.message();
        data->code = error.code();
    } catch (const QUnhandledException &unhandled) {
        // Qt wraps what it does not know when it takes an exception across threads.
        if (unhandled.exception()) // GCOVR_EXCL_BR_LINE: compiler
            return fromException(unhandled.exception());
    } catch (const std::system_error &error) {
        data->message = QString::fromUtf8(error.what());
        data->code = error.code();
    } catch (const std::exception &error) {
        data->message = QString::fromUtf8(error.what());
    } catch (const QString &text) {
        data->message = text;
    } catch (...) {
        data->message = tr("Unknown exception");
    }
    if (data->message.isEmpty())
        data->message = tr("Unknown exception");

    Error error;
    error.m_data = data.release();
    return error;
}

QString Error::message() const
{
    return m_data ? m_data->message : QString();
}

std::error_code Error::code() const
{
    return m_data ? m_data->code : std::error_code();
}

std::exception_ptr Error::exception() const
{
    if (!m_data)
        return nullptr;
    const std::lock_guard lock(exceptionLock());
    return m_data->exception;
}

void Error::forgetException() const
{
    if (!m_data)
        return;
    std::exception_ptr forgotten; // its destructor is the user's: outside of the lock
    const std::lock_guard lock(exceptionLock());
    forgotten.swap(m_data->exception);
}

bool Error::equals(const Error &other) const
{
    if (m_data == other.m_data)
        return true;
    return m_data && other.m_data && m_data->message == other.m_data->message
            && m_data->code == other.m_data->code && exception() == other.exception();
}

QDebug operator<<(QDebug debug, const Error &error)
{
    const QDebugStateSaver saver(debug);
    debug.nospace() << "GoProcess::Error(";
    if (error)
        debug << error.message();
    return debug << ')';
}

QDebug operator<<(QDebug debug, const ProcessError &error)
{
    const QDebugStateSaver saver(debug);
    return debug.nospace() << "GoProcess::ProcessError(" << error.path << ", "
                           << error.error.message() << ')';
}

} // namespace GoProcess
