// SPDX-License-Identifier: MIT
// How long each process of a tree takes to close.

#ifndef DEMO_CLOSETIMES_H
#define DEMO_CLOSETIMES_H

#include <GoProcess/Process>

#include <QElapsedTimer>
#include <QString>

#include <deque>
#include <mutex>

namespace Demo {

/// Listens to processes in any threads.
class CloseTimes
{
public:
    CloseTimes() { m_clock.start(); }

    /// Begins to listen to \a process, which must not outlive this and is shown \a depth levels deep.
    void watch(GoProcess::Process *process, int depth);

    /// The processes in the order in which they were given, a line each.
    QString tree() const;

private:
    struct Times
    {
        QString name;
        int depth;
        qint64 closing = 0; // ns on m_clock
        qint64 closed = 0;
    };

    QElapsedTimer m_clock;
    mutable std::mutex m_mutex;
    std::deque<Times> m_times; // guarded by m_mutex, which its elements outlast growing
};

} // namespace Demo

#endif
