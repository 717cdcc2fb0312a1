// SPDX-License-Identifier: MIT
// Error: what a teardown or a work reports when it failed.

#ifndef GOPROCESS_ERROR_H
#define GOPROCESS_ERROR_H

#include <GoProcess/global.h>

#include <QList>
#include <QMetaType>
#include <QString>

#include <exception>
#include <system_error>
#include <type_traits>
#include <utility>

QT_BEGIN_NAMESPACE
class QDebug;
QT_END_NAMESPACE

namespace GoProcess {

namespace Private {
class ErrorLog;
}

/// What went wrong while a process worked or was torn down; the counterpart of Go's `error`.
///
/// A value, cheap to copy (implicitly shared) and safe to hand to other threads. A
/// default-constructed Error means "no error"; as a bool an Error is true when something *failed*.
class GOPROCESS_EXPORT Error
{
    Q_GADGET
    Q_PROPERTY(QString message READ message CONSTANT FINAL)

public:
    /// No error.
    Error() noexcept = default;
    /// An error with \a message; with a default text where it is empty.
    // NOLINTNEXTLINE(google-explicit-constructor): `return message;` is meant
    Error(const QString &message);
    /// An error with a text in UTF-8, so that `return "text";` is one; with the default text where
    /// it is empty or null.
    template<class Text,
             std::enable_if_t<
                     std::is_same_v<std::decay_t<Text>,
                                    const char *> || std::is_same_v<std::decay_t<Text>, char *>,
                     int> = 0>
    // NOLINTNEXTLINE(google-explicit-constructor): that is meant
    Error(Text &&text) : Error(QString::fromUtf8(static_cast<const char *>(text)))
    {
    }
    /// An error with the text of \a code; no error for `std::error_code{}`.
    Error(std::error_code code); // NOLINT(google-explicit-constructor): `return code;` is meant

    /// Copies share what they have.
    Error(const Error &other) noexcept;
    /// Leaves \a other without an error.
    Error(Error &&other) noexcept : m_data(std::exchange(other.m_data, nullptr)) { }
    /// Copies share what they have.
    Error &operator=(const Error &other) noexcept;
    /// Leaves to \a other what this had.
    Error &operator=(Error &&other) noexcept
    {
        std::swap(m_data, other.m_data);
        return *this;
    }
    ~Error();

    /// The error for \a exception, which it keeps: with the text of a `std::exception`, and the
    /// code of a `std::system_error`. A thrown Error or QString gives its own text. No error for a
    /// null pointer.
    static Error fromException(std::exception_ptr exception);

    /// True if this is an error.
    bool isError() const noexcept { return m_data != nullptr; }
    /// True if this is an error, so `if (Error error = process.closeAndWait())` handles a failure.
    explicit operator bool() const noexcept { return isError(); }

    /// The text for the user; empty if there is no error, and only then.
    QString message() const;
    /// The code that the error was made from; else `std::error_code{}`.
    std::error_code code() const;
    /// The exception that the error was made from; else null, also once it was forgotten.
    std::exception_ptr exception() const;
    /// Lets go of the exception, in this error and in all copies of it; text and code stay. From
    /// any thread. The exception is destroyed here, unless the program holds it elsewhere: before
    /// the code of its class goes, as that of a plugin does. See Process::forgetExceptions().
    void forgetException() const;

    /// True if both have the same text, code and exception.
    friend bool operator==(const Error &a, const Error &b) { return a.equals(b); }
    /// True if they differ in one of these.
    friend bool operator!=(const Error &a, const Error &b) { return !a.equals(b); }

private:
    friend class Private::ErrorLog;
    struct Data;
    bool equals(const Error &other) const;

    const Data *m_data = nullptr;
};

/// An error and where it happened: one entry of Process::treeErrors().
struct GOPROCESS_EXPORT ProcessError
{
    Q_GADGET
    Q_PROPERTY(QString path MEMBER path FINAL)
    Q_PROPERTY(GoProcess::Error error MEMBER error FINAL)

public:
    QString path; ///< Process::path() of the failed process when it closed.
    Error error; ///< Its Process::error().

    /// True if both have the same path and error.
    friend bool operator==(const ProcessError &a, const ProcessError &b)
    {
        return a.path == b.path && a.error == b.error;
    }
    /// True if they differ in one of these.
    friend bool operator!=(const ProcessError &a, const ProcessError &b) { return !(a == b); }
};

/// Prints the error for a log.
GOPROCESS_EXPORT QDebug operator<<(QDebug debug, const Error &error);
/// Prints the path and the error for a log.
GOPROCESS_EXPORT QDebug operator<<(QDebug debug, const ProcessError &error);

} // namespace GoProcess

Q_DECLARE_METATYPE(GoProcess::Error)
Q_DECLARE_METATYPE(GoProcess::ProcessError)

#endif
