// SPDX-License-Identifier: MIT
// Locking by flock, which a program that is killed cannot leave behind.

#include "lockfile.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace Demo {

GoProcess::Error LockFile::lock(const QByteArray &path, bool *isTaken)
{
    for (;;) {
        FileDescriptor file(::open(path.constData(),
                                   O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666));
        struct stat opened;
        if (!file.isValid() || ::fstat(file.get(), &opened) != 0)
            return cannot("write", path);
        if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
            *isTaken = errno == EWOULDBLOCK;
            return *isTaken ? GoProcess::Error() : cannot("lock", path);
        }
        // The program that had the lock may have removed the file meanwhile: then it locks nothing.
        struct stat current;
        if (::lstat(path.constData(), &current) == 0 && idOf(current) == idOf(opened)) {
            m_path = path;
            m_file = std::move(file);
            return {};
        }
    }
}

LockFile::~LockFile()
{
    if (m_file.isValid())
        ::unlink(m_path.constData()); // while it is still locked
}

} // namespace Demo
