// SPDX-License-Identifier: MIT
// Locals outlive the event loops here: clazy:excludeall=lambda-in-connect

#include "eventlog.h"

#include "messages.h"
#include "waits.h"

#include <cstdio>
#include <utility>

namespace TestSupport {

void EventLog::add(const QString &event)
{
    const std::lock_guard lock(m_mutex);
    m_events << event;
    m_changed.notify_all();
}

QStringList EventLog::events() const
{
    const std::lock_guard lock(m_mutex);
    return m_events;
}

QStringList EventLog::take()
{
    const std::lock_guard lock(m_mutex);
    return std::exchange(m_events, {});
}

bool EventLog::contains(const QString &event) const
{
    const std::lock_guard lock(m_mutex);
    return m_events.contains(event);
}

qsizetype EventLog::count(const QString &event) const
{
    const std::lock_guard lock(m_mutex);
    return m_events.count(event);
}

bool EventLog::inOrder(const QString &first, const QString &second) const
{
    const std::lock_guard lock(m_mutex);
    const qsizetype before = m_events.indexOf(first);
    return before >= 0 && before < m_events.indexOf(second);
}

bool EventLog::waitFor(const QString &event)
{
    std::unique_lock lock(m_mutex);
    if (m_changed.wait_for(lock, patience, [&] { return m_events.contains(event); }))
        return true;
    fail(QStringLiteral("'%1' did not happen; what did: %2")
                 .arg(event, m_events.join(QStringLiteral(", "))));
    return false;
}

bool EventLog::waitForCount(qsizetype count)
{
    std::unique_lock lock(m_mutex);
    if (m_changed.wait_for(lock, patience, [&] { return m_events.size() >= count; }))
        return true;
    fail(QStringLiteral("%1 of %2 events happened: %3")
                 .arg(m_events.size())
                 .arg(count)
                 .arg(m_events.join(QStringLiteral(", "))));
    return false;
}

bool EventLog::compare(const QStringList &expected) const
{
    const QStringList actual = events();
    if (actual == expected)
        return true;
    std::fprintf(stderr, "expected: %s\nactual:   %s\n",
                 qPrintable(expected.join(QStringLiteral(", "))),
                 qPrintable(actual.join(QStringLiteral(", "))));
    return false;
}

void EventLog::watch(GoProcess::Process &process, const QString &as)
{
    const QString name = as.isEmpty() ? process.name() : as;
    QObject::connect(
            &process, &GoProcess::Process::closing, &process,
            [this, name] { add(QStringLiteral("closing ") + name); }, Qt::DirectConnection);
    QObject::connect(
            &process, &GoProcess::Process::closed, &process,
            [this, name] { add(QStringLiteral("closed ") + name); }, Qt::DirectConnection);
}

void EventLog::watchAll(GoProcess::Process &process, const QString &as)
{
    const QString name = as.isEmpty() ? process.name() : as;
    QObject::connect(
            &process, &GoProcess::Process::stateChanged, &process,
            [this, name](GoProcess::Process::State state) {
                add(QStringLiteral("state %1 %2").arg(stateName(state), name));
            },
            Qt::DirectConnection);
    watch(process, name);
}

QString EventLog::stateName(GoProcess::Process::State state)
{
    switch (state) {
    case GoProcess::Process::State::Running:
        return QStringLiteral("Running");
    case GoProcess::Process::State::Closing:
        return QStringLiteral("Closing");
    case GoProcess::Process::State::Closed:
        return QStringLiteral("Closed");
    }
    return QStringLiteral("?");
}

} // namespace TestSupport
