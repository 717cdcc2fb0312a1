// SPDX-License-Identifier: MIT
// The subsystem that hashes the files.

#ifndef MANIFEST_HASHER_H
#define MANIFEST_HASHER_H

#include "common/backlog.h"

#include <GoProcess/Process>

#include <QByteArray>
#include <QString>
#include <QThreadPool>

namespace Demo {

class Console;
class Journal;
class Writer;
struct Counts;
struct Record;

/// A file that the walker found.
struct FoundFile
{
    QByteArray path;
    QString shortName; ///< For people.
    qint64 size; ///< In bytes, when it was found.
};

/// Takes the SHA-256 of each file in a work of its own, as many at once as there are cores.
class Hasher
{
public:
    /// What \a journal has from earlier runs is not read again if it has not changed since. All must
    /// outlive the hasher.
    Hasher(const Journal &journal, Writer &writer, Counts &counts, Console &console);

    GoProcess::Process *process() { return &m_process; }

    /// Hashes \a file later and hands its record, and \a place with it, to the writer. Any thread.
    void hash(const FoundFile &file, Backlog::Place place);

private:
    GoProcess::Error hashNow(const FoundFile &file, Backlog::Place &place,
                             const GoProcess::Process &self);
    GoProcess::Error takeHash(const FoundFile &file, Record *record,
                              const GoProcess::Process &self);

    const Journal &m_journal;
    Writer &m_writer;
    Counts &m_counts;
    Console &m_console;
    QThreadPool m_pool; // as many threads as there are cores, unless told otherwise

    // Last, so that it closes before anything that its works use is gone.
    GoProcess::Process m_process;
};

} // namespace Demo

#endif
