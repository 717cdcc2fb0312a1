// SPDX-License-Identifier: MIT
// What the library logs.

#include "logging_p.h"

#include "mutex_p.h"

#include <QLoggingCategory>

#include <utility>

namespace GoProcess::Private {

#ifndef QT_NO_DEBUG
int &Mutex::held() noexcept
{
    static thread_local int count = 0;
    return count;
}
#endif

namespace {

// In this file alone, so that all goes through it.
Q_LOGGING_CATEGORY(lcProcess, "goprocess")

} // namespace

void warn(const QString &text)
{
    aboutToRunUserCode();
    qCWarning(lcProcess).noquote() << text;
}

void warnCritical(const QString &text)
{
    aboutToRunUserCode();
    qCCritical(lcProcess).noquote() << text;
}

void keepLogging()
{
    static_cast<void>(lcProcess());
}

void Warnings::giveAll()
{
    const QStringList texts = std::exchange(m_texts, {}); // a handler may make others come up
    for (const QString &text : texts)
        warn(text);
}

} // namespace GoProcess::Private
