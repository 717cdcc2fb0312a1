// SPDX-License-Identifier: MIT
// The little that the program needs to speak POSIX safely.

#ifndef DEMO_POSIX_H
#define DEMO_POSIX_H

#include <GoProcess/Error>

#include <QByteArray>
#include <QtGlobal>

#include <cerrno>
#include <utility>

#include <sys/stat.h>

namespace Demo {

/// An open file that closes itself.
class FileDescriptor
{
public:
    explicit FileDescriptor(int descriptor = -1) noexcept : m_descriptor(descriptor) { }
    FileDescriptor(FileDescriptor &&other) noexcept
        : m_descriptor(std::exchange(other.m_descriptor, -1))
    {
    }
    FileDescriptor &operator=(FileDescriptor &&other) noexcept
    {
        std::swap(m_descriptor, other.m_descriptor);
        return *this;
    }
    FileDescriptor(const FileDescriptor &) = delete;
    FileDescriptor &operator=(const FileDescriptor &) = delete;
    ~FileDescriptor();

    bool isValid() const noexcept { return m_descriptor >= 0; }
    int get() const noexcept { return m_descriptor; }
    /// Hands the open file over to the caller.
    int release() noexcept { return std::exchange(m_descriptor, -1); }

private:
    int m_descriptor;
};

/// Which file it is, whatever its name.
struct FileId
{
    dev_t device = 0;
    ino_t inode = 0;

    friend bool operator==(const FileId &a, const FileId &b)
    {
        return a.device == b.device && a.inode == b.inode;
    }
};

FileId idOf(const struct stat &status);

/// "cannot read /a/b: Permission denied", for \a what "read" and the `errno` in \a code.
GoProcess::Error cannot(const char *what, const QByteArray &name, int code = errno);

/// All of \a bytes, unless it fails; `errno` tells then.
bool writeAll(int descriptor, const QByteArray &bytes);

/// Makes what a folder lists survive a power cut, where the file system can do that.
bool syncFolder(int descriptor);

} // namespace Demo

#endif
