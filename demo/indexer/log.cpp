// SPDX-License-Identifier: MIT
// Lines of the log.

#include "log.h"

#include "common/console.h"
#include "common/names.h"

#include <fcntl.h>
#include <unistd.h>

namespace Demo {

Log::Log(Console &console) : m_console(console)
{
    m_process.setName(QStringLiteral("log"));
    m_process.setTeardown([this] { return complete(); });
}

GoProcess::Error Log::open(const QByteArray &name)
{
    if (name.isEmpty())
        return {};
    m_name = name;
    m_file = FileDescriptor(
            ::open(name.constData(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    return m_file.isValid() ? GoProcess::Error() : cannot("write", name);
}

void Log::say(const QString &sentence)
{
    m_console.say(sentence);
    write("said " + escaped(sentence.toUtf8()) + '\n');
    {
        const std::lock_guard<std::mutex> lock(m_mutex);
        m_lastSentence = sentence;
    }
    Q_EMIT said();
}

GoProcess::Error Log::indexed(const QList<Record> &records)
{
    QByteArray lines;
    for (const Record &record : records)
        lines += "indexed " + record.hash + ' ' + escaped(record.path) + '\n';
    return write(lines);
}

GoProcess::Error Log::removed(const QList<QByteArray> &paths)
{
    QByteArray lines;
    for (const QByteArray &path : paths)
        lines += "removed " + escaped(path) + '\n';
    return write(lines);
}

QString Log::lastSentence() const
{
    const std::lock_guard<std::mutex> lock(m_mutex);
    return m_lastSentence;
}

GoProcess::Error Log::write(const QByteArray &lines)
{
    const std::lock_guard<std::mutex> lock(m_mutex);
    if (!m_file.isValid() || writeAll(m_file.get(), lines))
        return {};
    return cannot("write", m_name);
}

GoProcess::Error Log::complete()
{
    const std::lock_guard<std::mutex> lock(m_mutex);
    // A pipe and a device have nothing that could be made safe.
    if (m_file.isValid() && ::fsync(m_file.get()) != 0 && errno != EINVAL && errno != EROFS)
        return cannot("write", m_name);
    m_file = FileDescriptor();
    return {};
}

} // namespace Demo
