// SPDX-License-Identifier: MIT
// Files, bytes per second, and what remains.

#include "progress.h"

#include "common/console.h"

#include <QLocale>
#include <QStringList>
#include <QtMath>

#include <chrono>
#include <cmath>
#include <utility>

namespace Demo {

namespace {

using namespace std::chrono_literals;

constexpr double smoothing = 2; // seconds over which speeds are averaged

QString shownSize(qint64 bytes)
{
    return QLocale::c().formattedDataSize(qMax(bytes, 0), bytes < 1024 ? 0 : 1);
}

/// Rough, as it is a guess.
QString shownTime(double seconds)
{
    if (seconds < 10)
        return QStringLiteral("a few seconds");
    if (seconds < 60)
        return QStringLiteral("about %1 s").arg(5 * qCeil(seconds / 5));
    if (seconds < 90 * 60)
        return QStringLiteral("about %1 min").arg(qCeil(seconds / 60));
    return QStringLiteral("about %1 h").arg(qCeil(seconds / 3600));
}

} // namespace

Progress::Progress(std::function<Numbers()> numbers, Console &console)
    : m_numbers(std::move(numbers)), m_console(console)
{
    // Lines that stay, as in a log, are few.
    m_timer.setInterval(console.canOverwrite() ? 200ms : 5s);
    connect(&m_timer, &QTimer::timeout, this, &Progress::show);
}

void Progress::start()
{
    m_timer.start();
}

void Progress::stop()
{
    m_timer.stop();
    m_console.clearProgress();
}

void Progress::show()
{
    const Numbers numbers = m_numbers();
    measure(numbers);
    const QString text = line(numbers);
    // A line that stays says something new; and who has nothing to do leaves even a terminal alone.
    if (text != m_line || (m_console.canOverwrite() && !numbers.isIdle()))
        m_console.showProgress(text);
    m_line = text;
}

void Progress::measure(const Numbers &numbers)
{
    if (numbers.isIdle()) { // what comes later has nothing to do with what was before
        m_measured.reset();
        m_bytesPerSecond = m_filesPerSecond = 0;
        return;
    }
    if (m_measured && m_sinceMeasured.elapsed() > 0) {
        const double seconds = double(m_sinceMeasured.nsecsElapsed()) / 1e9;
        const double weight = 1 - std::exp(-seconds / smoothing);
        const auto follow = [&](double *speed, qint64 amount) {
            const double current = double(amount) / seconds;
            *speed = *speed > 0 ? *speed + weight * (current - *speed) : current;
        };
        follow(&m_bytesPerSecond, numbers.readBytes - m_measured->readBytes);
        follow(&m_filesPerSecond, numbers.handledFiles - m_measured->handledFiles);
    }
    m_sinceMeasured.start();
    m_measured = numbers;
}

/// As much as the terminal has room for: what matters most comes first.
QString Progress::line(const Numbers &numbers) const
{
    const QLocale locale = QLocale::c();
    QStringList parts { QStringLiteral("%1 files").arg(locale.toString(numbers.doneFiles)) };
    if (!numbers.isIdle()) {
        parts += QStringLiteral("%1/s").arg(shownSize(qint64(m_bytesPerSecond)));
        parts += QStringLiteral("%1 files and %2 left")
                         .arg(locale.toString(qMax(numbers.leftFiles, 0)),
                              shownSize(numbers.leftBytes));
        if (const QString time = estimate(numbers); !time.isEmpty())
            parts += time;
    }
    const int width = m_console.width();
    const auto text = [&parts] { return parts.join(QStringLiteral(", ")); };
    if (text().size() > width && parts.size() > 2)
        parts.removeAt(1); // the speed is what can be missed first
    while (text().size() > width && parts.size() > 1)
        parts.removeLast();
    return text().left(width);
}

QString Progress::estimate(const Numbers &numbers) const
{
    if (!numbers.allFound || numbers.isLooking)
        return QStringLiteral("still looking for more");
    if (numbers.leftBytes > 0 && m_bytesPerSecond >= 1)
        return shownTime(double(numbers.leftBytes) / m_bytesPerSecond);
    if (numbers.leftBytes <= 0 && m_filesPerSecond >= 0.1)
        return shownTime(double(numbers.leftFiles) / m_filesPerSecond);
    return {}; // it does not move
}

} // namespace Demo
