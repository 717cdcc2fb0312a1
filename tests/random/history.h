// SPDX-License-Identifier: MIT
// What the processes of a program did, in the order in which it happened, from all threads.

#ifndef GOPROCESS_TESTS_RANDOM_HISTORY_H
#define GOPROCESS_TESTS_RANDOM_HISTORY_H

#include <QString>
#include <QStringList>

#include <algorithm>
#include <mutex>
#include <vector>

namespace RandomPrograms {

enum class What { IsClosing, Closing, TearDown, IsClosed, Closed, Release };

class History
{
public:
    void add(int process, What what)
    {
        const std::lock_guard lock(m_mutex);
        m_events.push_back({ process, what });
    }

    bool has(int process, What what) const
    {
        const std::lock_guard lock(m_mutex);
        return find(process, what) != m_events.end();
    }

    /// True if the first of both happened, in that order.
    bool inOrder(int process, What what, int laterProcess, What later) const
    {
        const std::lock_guard lock(m_mutex);
        const auto first = find(process, what);
        const auto second = find(laterProcess, later);
        return second != m_events.end() && first < second;
    }

    /// R1, R2, R3, R19, R22: each signal once, and the teardown, in this order.
    bool isLife(int process, bool hasTeardown) const
    {
        std::vector<What> life { What::IsClosing, What::Closing };
        if (hasTeardown)
            life.push_back(What::TearDown);
        life.push_back(What::IsClosed);
        life.push_back(What::Closed);

        const std::lock_guard lock(m_mutex);
        std::vector<What> actual;
        for (const Event &event : m_events) {
            if (event.process == process && event.what != What::Release)
                actual.push_back(event.what);
        }
        return actual == life;
    }

    QString describe() const
    {
        static constexpr const char *names[] { "is Closing", "closing()", "teardown",
                                               "is Closed",  "closed()",  "release" };
        const std::lock_guard lock(m_mutex);
        QStringList lines;
        for (const Event &event : m_events)
            lines += QStringLiteral("%1 %2")
                             .arg(event.process)
                             .arg(QLatin1String(names[int(event.what)]));
        return lines.join(QStringLiteral(", "));
    }

private:
    struct Event
    {
        int process;
        What what;
    };

    std::vector<Event>::const_iterator find(int process, What what) const
    {
        return std::find_if(m_events.begin(), m_events.end(), [&](const Event &event) {
            return event.process == process && event.what == what;
        });
    }

    mutable std::mutex m_mutex;
    std::vector<Event> m_events;
};

} // namespace RandomPrograms

#endif
