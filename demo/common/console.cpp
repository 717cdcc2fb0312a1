// SPDX-License-Identifier: MIT
// Sentences and progress on standard error.

#include "console.h"

#include <QByteArray>

#include <cstdio>
#include <limits>

#include <sys/ioctl.h>
#include <unistd.h>

namespace Demo {

namespace {

void print(const QString &text)
{
    const QByteArray bytes = text.toLocal8Bit();
    std::fwrite(bytes.constData(), 1, size_t(bytes.size()), stderr);
    std::fflush(stderr);
}

constexpr QLatin1String clearLine("\r\033[K");

} // namespace

Console::Console()
    : m_canOverwrite(::isatty(STDERR_FILENO) == 1 && qgetenv("TERM") != QByteArrayLiteral("dumb"))
{
}

int Console::width() const
{
    struct winsize size = {};
    if (!m_canOverwrite || ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return std::numeric_limits<int>::max();
    return size.ws_col - 1; // a full line moves the cursor into the next one
}

void Console::say(const QString &sentence)
{
    const std::lock_guard<std::mutex> lock(m_mutex);
    if (m_progress.isEmpty())
        print(sentence + u'\n');
    else
        print(clearLine + sentence + u'\n' + m_progress);
}

void Console::showProgress(const QString &line)
{
    const std::lock_guard<std::mutex> lock(m_mutex);
    if (m_canOverwrite) {
        m_progress = line;
        print(clearLine + line);
    } else {
        print(line + u'\n');
    }
}

void Console::clearProgress()
{
    const std::lock_guard<std::mutex> lock(m_mutex);
    if (!m_progress.isEmpty())
        print(clearLine);
    m_progress.clear();
}

} // namespace Demo
