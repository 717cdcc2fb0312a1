// SPDX-License-Identifier: MIT
// What happened, in the order in which it happened, from all threads.

#ifndef GOPROCESS_TESTS_SUPPORT_EVENTLOG_H
#define GOPROCESS_TESTS_SUPPORT_EVENTLOG_H

#include <GoProcess/Process>

#include <QString>
#include <QStringList>

#include <condition_variable>
#include <mutex>

namespace TestSupport {

/// An ordered list of what happened, from any thread. It must outlive what it watches.
class EventLog
{
public:
    EventLog() = default;
    Q_DISABLE_COPY_MOVE(EventLog)

    void add(const QString &event);
    QStringList events() const;
    QStringList take();
    bool contains(const QString &event) const;
    qsizetype count(const QString &event) const;
    /// True if both happened and \a first came before \a second.
    bool inOrder(const QString &first, const QString &second) const;
    /// Blocks until \a event is there; false, and a failure, if it does not come.
    bool waitFor(const QString &event);
    /// Blocks until there are \a count events.
    bool waitForCount(qsizetype count);
    /// True if what happened is exactly \a expected, in that order. Prints both otherwise.
    bool compare(const QStringList &expected) const;

    /// Logs "closing NAME" and "closed NAME", in the thread that emits. The name is the process's
    /// own unless given.
    void watch(GoProcess::Process &process, const QString &as = QString());
    /// The same, and "state Closing NAME" and "state Closed NAME" for stateChanged().
    void watchAll(GoProcess::Process &process, const QString &as = QString());
    /// A teardown that logs "teardown NAME".
    auto teardown(const QString &name)
    {
        return [this, name] { add(QStringLiteral("teardown ") + name); };
    }

    static QString stateName(GoProcess::Process::State state);

private:
    mutable std::mutex m_mutex;
    std::condition_variable m_changed;
    QStringList m_events;
};

} // namespace TestSupport

#endif
