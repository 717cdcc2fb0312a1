// SPDX-License-Identifier: MIT
// Writing the report.

#include "report.h"

#include <fcntl.h>

namespace Demo {

GoProcess::Error Report::open(const QByteArray &name)
{
    if (name.isEmpty())
        return {};
    m_name = name;
    m_file = FileDescriptor(
            ::open(name.constData(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    const QByteArray folder = name.left(name.lastIndexOf('/') + 1);
    struct stat status;
    if (!m_file.isValid() || ::stat(folder.constData(), &status) != 0)
        return cannot("write", name);
    m_folderId = idOf(status);
    return {};
}

GoProcess::Error Report::append(const QList<Record> &records)
{
    if (!m_file.isValid())
        return {};
    QByteArray lines;
    for (const Record &record : records)
        lines += manifestLine(record);
    return writeAll(m_file.get(), lines) ? GoProcess::Error() : cannot("write", m_name);
}

QList<QByteArray> Report::fileNames() const
{
    return m_file.isValid() ? QList<QByteArray> { m_name.mid(m_name.lastIndexOf('/') + 1) }
                            : QList<QByteArray>();
}

} // namespace Demo
