// SPDX-License-Identifier: MIT
// Sentences and progress on standard error.

#include "console.h"

#include <cstdio>

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

Console::Console() : m_isTerminal(::isatty(STDERR_FILENO) == 1) { }

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
    if (m_isTerminal) {
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
