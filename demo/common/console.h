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

    /// True if standard error is a terminal on which the progress line can be overwritten.
    bool canOverwrite() const { return m_canOverwrite; }
    /// How many characters a progress line may have, so that it stays one; those of a file are of any
    /// length. The user may change it at any time.
    int width() const;

    void say(const QString &sentence);
    /// Shows \a line instead of the progress line before. Where that cannot be overwritten, it is one
    /// more line.
    void showProgress(const QString &line);
    /// Removes the progress line from a terminal.
    void clearProgress();

private:
    const bool m_canOverwrite;
    std::mutex m_mutex;
    QString m_progress; // guarded by m_mutex; what the terminal's last line shows
};

} // namespace Demo

#endif
