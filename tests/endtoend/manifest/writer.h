// SPDX-License-Identifier: MIT
// The subsystem that brings finished lines to disk.

#ifndef MANIFEST_WRITER_H
#define MANIFEST_WRITER_H

#include "common/backlog.h"
#include "record.h"

#include <GoProcess/Adaptors>
#include <GoProcess/Process>

#include <QList>
#include <QObject>
#include <QThread>

#include <memory>
#include <mutex>
#include <vector>

namespace Demo {

class Console;
class Journal;
class Report;
struct Counts;

/// Appends records to the journal in a thread of its own; its teardown makes the manifest of them.
///
/// Records come in batches by themselves: those that are handed over during one sync of the disk make
/// up the next.
class Writer : public QObject
{
    Q_OBJECT

public:
    /// All must outlive the writer.
    Writer(Journal &journal, Report &report, Counts &counts, Console &console);

    GoProcess::Process *process() { return &m_process; }

    /// Writes \a record later; \a place is given back when it is safe on disk. Any thread, until
    /// the process begins its teardown.
    void append(const Record &record, Backlog::Place place);

Q_SIGNALS:
    /// Emitted once, in the writer's thread, if records cannot be written. The process stays open:
    /// what is to be done about it is the receiver's to decide.
    void failed();
    /// Emitted in any thread when there is something to sync again.
    void recordsCame(QPrivateSignal);

private:
    void sync();
    GoProcess::Error write(const QList<Record> &records);
    GoProcess::Error complete();
    GoProcess::Error writeManifest();

    Journal &m_journal;
    Report &m_report;
    Counts &m_counts;
    Console &m_console;

    std::mutex m_mutex;
    QList<Record> m_records; // guarded by m_mutex
    std::vector<Backlog::Place> m_places; // guarded by m_mutex

    GoProcess::Error m_error; // of the writer's thread
    QThread m_thread;
    const std::unique_ptr<GoProcess::Process> m_ofThread { GoProcess::adopt(&m_thread) };

    // Last, so that it closes before anything that its teardown uses is gone.
    GoProcess::Process m_process;
};

} // namespace Demo

#endif
