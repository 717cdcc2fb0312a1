// SPDX-License-Identifier: MIT
// Which files are in the database, as they were when they were read.

#ifndef INDEXER_CATALOGUE_H
#define INDEXER_CATALOGUE_H

#include "common/filestate.h"

#include <QByteArray>
#include <QHash>
#include <QList>

#include <mutex>

namespace Demo {

/// Tells what a scan needs not read again, and after it what is gone. For any thread.
class Catalogue
{
public:
    /// The scan with the number \a scan, or the database for 0, has brought \a path in \a state: it is
    /// in the database or on its way, or could not be read, which is not tried again before it changes.
    void insert(const QByteArray &path, const FileState &state, int scan);

    /// The scan with the number \a scan has met \a path in \a state; true if it is to be read.
    bool meet(const QByteArray &path, const FileState &state, int scan);

    qint64 size() const;

    /// Forgets, and returns, what lies in \a folder and the scan \a scan has not met. What lies in one
    /// of \a unread, which it could not read, may still be there.
    QList<QByteArray> takeMissing(const QByteArray &folder, const QList<QByteArray> &unread,
                                  int scan);

private:
    struct Entry
    {
        FileState state;
        int lastMet; ///< The number of a scan.
    };

    mutable std::mutex m_mutex;
    QHash<QByteArray, Entry> m_entries; // guarded by m_mutex
};

} // namespace Demo

#endif
