// SPDX-License-Identifier: MIT
// The progress line.

#ifndef MANIFEST_PROGRESS_H
#define MANIFEST_PROGRESS_H

#include <QElapsedTimer>
#include <QObject>
#include <QTimer>

namespace Demo {

class Console;
struct Counts;

/// Shows every now and then how many files are done, how fast they are read, and what remains.
class Progress : public QObject
{
    Q_OBJECT

public:
    /// Both must outlive it.
    Progress(const Counts &counts, Console &console);

    void start();
    void stop();

private:
    void show();
    double bytesPerSecond();

    const Counts &m_counts;
    Console &m_console;
    QTimer m_timer;
    QElapsedTimer m_sinceShown;
    qint64 m_shownBytes = 0;
    double m_bytesPerSecond = 0;
};

} // namespace Demo

#endif
