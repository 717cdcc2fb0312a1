// SPDX-License-Identifier: MIT

#include "messages.h"

#include "waits.h"

#include <GoProcess/GoProcess>

#include <QTest>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace TestSupport {

bool isUnreadError(const QString &text)
{
    return text.contains(QLatin1String("goes, and nobody has asked what failed"));
}

Messages &Messages::instance()
{
    // Never deleted: threads may still warn while the program ends.
    static auto *const messages = new Messages;
    return *messages;
}

void Messages::install()
{
    const std::lock_guard lock(m_mutex);
    if (!m_installed)
        m_previous = qInstallMessageHandler(&Messages::handle);
    m_installed = true;
}

void Messages::expect(Expectation *expectation)
{
    const std::lock_guard lock(m_mutex);
    m_expectations.push_back(expectation);
}

void Messages::forget(Expectation *expectation)
{
    const std::lock_guard lock(m_mutex);
    for (auto it = m_expectations.begin(); it != m_expectations.end(); ++it) {
        if (*it == expectation) {
            m_expectations.erase(it);
            break;
        }
    }
    if (expectation->seen.size() < expectation->atLeast) {
        m_failures << QStringLiteral("Expected %1 warning(s) that match '%2', saw %3")
                              .arg(expectation->atLeast)
                              .arg(expectation->pattern.pattern())
                              .arg(expectation->seen.size());
    }
}

QStringList Messages::seen(const Expectation *expectation) const
{
    const std::lock_guard lock(m_mutex);
    return expectation->seen;
}

void Messages::fail(const QString &failure)
{
    const std::lock_guard lock(m_mutex);
    std::fprintf(stderr, "FAILURE: %s\n", qPrintable(failure));
    m_failures << failure;
}

QStringList Messages::takeFailures()
{
    const std::lock_guard lock(m_mutex);
    return std::exchange(m_failures, {});
}

void Messages::handle(QtMsgType type, const QMessageLogContext &context, const QString &text)
{
    Messages &self = instance();
    if (type == QtFatalMsg) {
        if (self.m_previous)
            self.m_previous(type, context, text);
        return;
    }
    const std::lock_guard lock(self.m_mutex);
    if (type == QtWarningMsg || type == QtCriticalMsg) {
        if (self.isExpected(context, text))
            return;
        if (isUnreadError(text))
            return;
        self.m_failures << QStringLiteral("Unexpected warning in category '%1': %2")
                                   .arg(QString::fromUtf8(context.category), text);
    }
    std::fprintf(stderr, "%s\n", qPrintable(qFormatLogMessage(type, context, text)));
}

bool Messages::isExpected(const QMessageLogContext &context, const QString &text)
{
    const auto match = std::find_if(m_expectations.begin(), m_expectations.end(),
                                    [&](const Expectation *expectation) {
                                        return expectation->seen.size() < expectation->atMost
                                                && expectation->category == context.category
                                                && expectation->pattern.match(text).hasMatch();
                                    });
    if (match == m_expectations.end())
        return false;
    (*match)->seen << text;
    return true;
}

ExpectWarning::ExpectWarning(const QString &pattern, int count, const QByteArray &category)
    : ExpectWarning(pattern, count, count, category)
{
}

ExpectWarning::ExpectWarning(const QString &pattern, int atLeast, int atMost,
                             const QByteArray &category)
{
    m_expectation.pattern.setPattern(pattern);
    m_expectation.pattern.setPatternOptions(QRegularExpression::DotMatchesEverythingOption
                                            | QRegularExpression::CaseInsensitiveOption);
    m_expectation.category = category;
    m_expectation.atLeast = atLeast;
    m_expectation.atMost = atMost;
    Messages::instance().expect(&m_expectation);
}

ExpectWarning::~ExpectWarning()
{
    Messages::instance().forget(&m_expectation);
}

QStringList ExpectWarning::messages() const
{
    return Messages::instance().seen(&m_expectation);
}

int ExpectWarning::count() const
{
    return int(messages().size());
}

QString naming(const QStringList &paths)
{
    QString pattern = QStringLiteral("^");
    for (const QString &path : paths) {
        pattern += QStringLiteral("(?=.*(?<![\\w/#])%1(?![\\w/#]))")
                           .arg(QRegularExpression::escape(path));
    }
    return pattern;
}

QString naming(std::initializer_list<const GoProcess::Process *> processes)
{
    QStringList paths;
    for (const GoProcess::Process *const process : processes)
        paths << process->path();
    return naming(paths);
}

void fail(const QString &failure)
{
    Messages::instance().fail(failure);
}

void begin()
{
    Messages::instance().install();
    GoProcess::setCloseWarning(patience);
}

void verify()
{
    const QStringList failures = Messages::instance().takeFailures();
    if (!failures.isEmpty())
        QFAIL(qPrintable(failures.join(QLatin1Char('\n'))));
}

bool check(bool condition, const char *text, const char *file, int line)
{
    if (!condition) {
        fail(QStringLiteral("%1:%2: '%3' is false")
                     .arg(QString::fromUtf8(file))
                     .arg(line)
                     .arg(QString::fromUtf8(text)));
    }
    return condition;
}

bool disconnectAll(QObject &object)
{
    const ExpectWarning warning(QStringLiteral("wildcard call disconnects from destroyed signal"),
                                0, 1, QByteArrayLiteral("default"));
    return object.disconnect();
}

} // namespace TestSupport
