// SPDX-License-Identifier: MIT
// What is done so far, safe on disk, and the manifest that is made from it.

#ifndef MANIFEST_JOURNAL_H
#define MANIFEST_JOURNAL_H

#include "common/posix.h"
#include "record.h"

#include <GoProcess/Error>

#include <QByteArray>
#include <QHash>
#include <QList>

namespace Demo {

/// The file `OUTPUT.partial`, to which a run only appends, and which the next run can go on from.
///
/// However a run ends, even in the middle of a write, the journal's whole lines are right, and OUTPUT
/// is what it was before, or the complete new manifest. The journal is locked while it is open, so
/// that two runs cannot write the same OUTPUT, and goes away once nothing is missing in OUTPUT.
class Journal
{
public:
    /// Opens the journal of \a output for a run over \a folder, both absolute. With \a resume what
    /// earlier runs did is kept, else it is thrown away.
    GoProcess::Error open(const QByteArray &output, const QByteArray &folder, bool resume);

    /// What earlier runs did, by name.
    const QHash<QByteArray, Record> &earlier() const { return m_earlier; }
    /// True if open() found the journal of a run that had not finished.
    bool hadEarlier() const { return m_hadEarlier; }

    /// The folder with OUTPUT and everything that belongs to it.
    FileId folderId() const { return m_folderId; }
    /// The names in that folder.
    QList<QByteArray> fileNames() const;

    /// Writes \a records and waits until they are safe on disk.
    GoProcess::Error append(const QList<Record> &records);
    /// Replaces OUTPUT by the sorted lines of all records.
    GoProcess::Error writeManifest();
    /// Removes the journal.
    GoProcess::Error remove();

private:
    GoProcess::Error lock();
    GoProcess::Error load(const QByteArray &header, bool resume);
    GoProcess::Error begin(const QByteArray &header);
    GoProcess::Error readRecords(QList<Record> *records);
    GoProcess::Error writeLines(const QList<Record> &records, const QByteArray &fileName);

    QByteArray m_output;
    QByteArray m_manifestName; // in the folder, as the other names
    QByteArray m_partialName;
    QByteArray m_newName;
    FileDescriptor m_folder;
    FileId m_folderId;
    FileDescriptor m_file;
    qint64 m_earlierEnd = 0; // in bytes; what this run did follows
    QHash<QByteArray, Record> m_earlier;
    bool m_hadEarlier = false;
};

} // namespace Demo

#endif
