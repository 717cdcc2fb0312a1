// SPDX-License-Identifier: MIT
// Descriptors, errors and complete writes.

#include "posix.h"

#include "names.h"

#include <system_error>

#include <unistd.h>

namespace Demo {

FileDescriptor::~FileDescriptor()
{
    if (isValid())
        ::close(m_descriptor);
}

FileId idOf(const struct stat &status)
{
    return { status.st_dev, status.st_ino };
}

GoProcess::Error cannot(const char *what, const QByteArray &name, int code)
{
    const std::string reason = std::generic_category().message(code);
    return QStringLiteral("cannot %1 %2: %3")
            .arg(QLatin1String(what), shown(name), QString::fromStdString(reason));
}

bool writeAll(int descriptor, const QByteArray &bytes)
{
    qsizetype written = 0;
    while (written < bytes.size()) {
        const ssize_t count =
                ::write(descriptor, bytes.constData() + written, size_t(bytes.size() - written));
        if (count < 0 && errno != EINTR)
            return false;
        if (count > 0)
            written += count;
    }
    return true;
}

bool syncFolder(int descriptor)
{
    return ::fsync(descriptor) == 0 || errno == EINVAL;
}

} // namespace Demo
