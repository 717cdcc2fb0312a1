// SPDX-License-Identifier: MIT
// The progress line.

#ifndef DEMO_PROGRESS_H
#define DEMO_PROGRESS_H

#include <QElapsedTimer>
#include <QObject>
#include <QTimer>

#include <functional>
#include <optional>

namespace Demo {

class Console;

/// Shows every now and then how many files are done, how fast they are read, what remains and, once it
/// is known what there is, for how long.
class Progress : public QObject
{
    Q_OBJECT

public:
    /// What there is to show.
    struct Numbers
    {
        qint64 doneFiles;
        qint64 leftFiles;
        qint64 readBytes;
        qint64 leftBytes;
        qint64 handledFiles; ///< Of those found: done, or given up.
        bool allFound; ///< The whole folder has been seen, once.
        bool isLooking; ///< More may be found.

        bool isIdle() const { return allFound && leftFiles <= 0; }
    };

    /// \a console must outlive it, and whatever \a numbers, which it asks in its own thread, needs.
    Progress(std::function<Numbers()> numbers, Console &console);

    void start();
    void stop();

private:
    void show();
    void measure(const Numbers &numbers);
    QString line(const Numbers &numbers) const;
    QString estimate(const Numbers &numbers) const;

    const std::function<Numbers()> m_numbers;
    Console &m_console;
    QTimer m_timer;

    // What was seen last, unless there was nothing to do, and how fast it went before.
    QElapsedTimer m_sinceMeasured;
    std::optional<Numbers> m_measured;
    double m_bytesPerSecond = 0;
    double m_filesPerSecond = 0;

    QString m_line; // as it was shown last
};

} // namespace Demo

#endif
