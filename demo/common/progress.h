// SPDX-License-Identifier: MIT
// The progress line.

#ifndef DEMO_PROGRESS_H
#define DEMO_PROGRESS_H

#include <QElapsedTimer>
#include <QObject>
#include <QTimer>

#include <functional>

namespace Demo {

class Console;

/// Shows every now and then how many files are done, how fast they are read, and what remains.
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
        bool allFound; ///< Else more may be left.
    };

    /// \a console must outlive it, and whatever \a numbers, which it asks in its own thread, needs.
    Progress(std::function<Numbers()> numbers, Console &console);

    void start();
    void stop();

private:
    void show();
    double bytesPerSecond(qint64 readBytes);

    const std::function<Numbers()> m_numbers;
    Console &m_console;
    QTimer m_timer;
    QElapsedTimer m_sinceShown;
    qint64 m_shownBytes = 0;
    double m_bytesPerSecond = 0;
    QString m_line; // as it was shown last
};

} // namespace Demo

#endif
