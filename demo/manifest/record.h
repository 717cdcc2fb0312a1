// SPDX-License-Identifier: MIT
// A file that is done: its hash, and the state of the file that the hash belongs to.

#ifndef MANIFEST_RECORD_H
#define MANIFEST_RECORD_H

#include <QByteArray>
#include <QByteArrayView>

#include <optional>

#include <sys/stat.h>

namespace Manifest {

/// What tells that a file has changed. Times in ns since 1970.
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

struct Record
{
    QByteArray name; ///< Absolute.
    QByteArray hash; ///< SHA-256 in 64 hexadecimal digits.
    FileState state;
};

/// The line that sha256sum prints for the file.
QByteArray manifestLine(const Record &record);

/// The line for the journal, which keeps the state as well.
QByteArray journalLine(const Record &record);
/// The record that journalLine() made \a line from (without its newline); nothing for any other line.
std::optional<Record> parseJournalLine(const QByteArray &line);

} // namespace Manifest

#endif
