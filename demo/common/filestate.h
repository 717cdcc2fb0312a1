// SPDX-License-Identifier: MIT
// What tells that a file has changed.

#ifndef DEMO_FILESTATE_H
#define DEMO_FILESTATE_H

#include <QtGlobal>

#include <sys/stat.h>

namespace Demo {

/// Times in ns since 1970.
struct FileState
{
    quint64 inode = 0;
    qint64 size = 0; ///< In bytes.
    qint64 modified = 0; ///< When the content changed.
    qint64 changed = 0; ///< When anything did; no program can set it back.

    friend bool operator==(const FileState &a, const FileState &b)
    {
        return a.inode == b.inode && a.size == b.size && a.modified == b.modified
                && a.changed == b.changed;
    }
    friend bool operator!=(const FileState &a, const FileState &b) { return !(a == b); }
};

qint64 nanoseconds(const struct timespec &time);
FileState stateOf(const struct stat &status);

} // namespace Demo

#endif
