// SPDX-License-Identifier: MIT
// Times by the signals closing() and closed().

#include "closetimes.h"

namespace Demo {

namespace {

QString milliseconds(qint64 nanoseconds)
{
    return QString::number(double(nanoseconds) / 1'000'000, 'f', 3);
}

} // namespace

void CloseTimes::watch(GoProcess::Process *process, int depth)
{
    const std::lock_guard<std::mutex> lock(m_mutex);
    m_times.push_back({ process->name(), depth });
    Times *times = &m_times.back();
    // With the process as the context the slots run in its home, where it emits: at once.
    const auto note = [this, times](qint64 Times::*time) {
        const std::lock_guard<std::mutex> guard(m_mutex);
        times->*time = m_clock.nsecsElapsed();
    };
    QObject::connect(process, &GoProcess::Process::closing, process,
                     [note] { note(&Times::closing); });
    QObject::connect(process, &GoProcess::Process::closed, process,
                     [note] { note(&Times::closed); });
}

QString CloseTimes::tree() const
{
    const std::lock_guard<std::mutex> lock(m_mutex);
    QString text;
    for (const Times &times : m_times) {
        const QString name = QString(qsizetype(2) * times.depth, u' ') + times.name;
        text += QStringLiteral("%1 closed in %2 ms, at %3 ms\n")
                        .arg(name, -12)
                        .arg(milliseconds(times.closed - times.closing), 10)
                        .arg(milliseconds(times.closed), 12);
    }
    return text;
}

} // namespace Demo
