// SPDX-License-Identifier: MIT
// Files, bytes per second, and what remains.

#include "progress.h"

#include "common/console.h"
#include "counts.h"

#include <QLocale>

#include <chrono>

namespace Demo {

using namespace std::chrono_literals;

Progress::Progress(const Counts &counts, Console &console) : m_counts(counts), m_console(console)
{
    m_timer.setInterval(console.isTerminal() ? 200ms : 2s);
    connect(&m_timer, &QTimer::timeout, this, &Progress::show);
}

void Progress::start()
{
    m_sinceShown.start();
    m_timer.start();
}

void Progress::stop()
{
    m_timer.stop();
    m_console.clearProgress();
}

void Progress::show()
{
    const QLocale locale = QLocale::c();
    const qint64 done = m_counts.reportedFiles.value();
    const qint64 found = m_counts.foundFiles.value();
    const qint64 bytesLeft =
            m_counts.foundBytes.value() - m_counts.readBytes.value() - m_counts.passedBytes.value();
    const bool walked = m_counts.wholeWalks.value() > 0;
    m_console.showProgress(
            QStringLiteral("%1 files, %2/s, %3 files and %4 left%5")
                    .arg(locale.toString(done), locale.formattedDataSize(qint64(bytesPerSecond())),
                         locale.toString(qMax(found - done - m_counts.failures.value(), 0)),
                         locale.formattedDataSize(qMax(bytesLeft, 0)),
                         walked ? QString() : QStringLiteral(" of what is found so far")));
}

double Progress::bytesPerSecond()
{
    const qint64 bytes = m_counts.readBytes.value();
    const double seconds = double(m_sinceShown.nsecsElapsed()) / 1e9;
    m_sinceShown.start();
    const double current = seconds > 0 ? double(bytes - m_shownBytes) / seconds : 0;
    m_shownBytes = bytes;
    // Smoothed over about a second where it is shown often.
    const double weight = qMin(seconds, 1.0);
    m_bytesPerSecond += weight * (current - m_bytesPerSecond);
    return m_bytesPerSecond;
}

} // namespace Demo
