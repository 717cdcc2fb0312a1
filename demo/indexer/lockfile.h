// SPDX-License-Identifier: MIT
// A file that only one program has.

#ifndef INDEXER_LOCKFILE_H
#define INDEXER_LOCKFILE_H

#include "common/posix.h"

#include <GoProcess/Error>

#include <QByteArray>

namespace Demo {

/// Locked until it is destroyed, or the program ends in whatever way.
class LockFile
{
public:
    LockFile() = default;
    Q_DISABLE_COPY_MOVE(LockFile)
    /// Removes the file.
    ~LockFile();

    /// Makes and locks \a path. If another program has it, \a isTaken is set, which is no error.
    GoProcess::Error lock(const QByteArray &path, bool *isTaken);

private:
    QByteArray m_path;
    FileDescriptor m_file;
};

} // namespace Demo

#endif
