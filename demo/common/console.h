// SPDX-License-Identifier: MIT
// What people see while the program runs: sentences, and a line of progress below them.

#ifndef DEMO_CONSOLE_H
#define DEMO_CONSOLE_H

#include <QString>

#include <mutex>

namespace Demo {

/// Writes to standard error, from any thread.
class Console
{
public:
    Console();

    /// True if a person looks on, so that the progress line can be overwritten.
    bool isTerminal() const { return m_isTerminal; }

    void say(const QString &sentence);
    /// Shows \a line instead of the progress line before; a terminal keeps only the last one.
    void showProgress(const QString &line);
    /// Removes the progress line from a terminal.
    void clearProgress();

private:
    const bool m_isTerminal;
    std::mutex m_mutex;
    QString m_progress; // guarded by m_mutex; what the terminal's last line shows
};

} // namespace Demo

#endif
