// SPDX-License-Identifier: MIT
// Files, bytes per second, and what remains.

#include "progress.h"

#include "common/console.h"

#include <QLocale>

#include <chrono>
#include <utility>

namespace Demo {

using namespace std::chrono_literals;

Progress::Progress(std::function<Numbers()> numbers, Console &console)
    : m_numbers(std::move(numbers)), m_console(console)
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
    const Numbers numbers = m_numbers();
    const auto speed = qint64(bytesPerSecond(numbers.readBytes));
    const QString line =
            QStringLiteral("%1 files, %2/s, %3 files and %4 left%5")
                    .arg(locale.toString(numbers.doneFiles), locale.formattedDataSize(speed),
                         locale.toString(qMax(numbers.leftFiles, 0)),
                         locale.formattedDataSize(qMax(numbers.leftBytes, 0)),
                         numbers.allFound ? QString() : QStringLiteral(" of what is found so far"));
    // A log is not filled by a program that has nothing to do.
    if (m_console.isTerminal() || line != m_line)
        m_console.showProgress(line);
    m_line = line;
}

double Progress::bytesPerSecond(qint64 readBytes)
{
    const double seconds = double(m_sinceShown.nsecsElapsed()) / 1e9;
    m_sinceShown.start();
    const double current = seconds > 0 ? double(readBytes - m_shownBytes) / seconds : 0;
    m_shownBytes = readBytes;
    // Smoothed over about a second where it is shown often.
    const double weight = qMin(seconds, 1.0);
    m_bytesPerSecond += weight * (current - m_bytesPerSecond);
    return m_bytesPerSecond;
}

} // namespace Demo
