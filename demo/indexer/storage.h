// SPDX-License-Identifier: MIT
// The subsystem that brings what the scanner finds into the database.

#ifndef INDEXER_STORAGE_H
#define INDEXER_STORAGE_H

#include "database.h"

#include "common/backlog.h"

#include <GoProcess/Adaptors>
#include <GoProcess/Process>

#include <QByteArray>
#include <QList>
#include <QObject>
#include <QThread>

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace Demo {

class Catalogue;
class Log;
struct Counts;

/// Writes to the database, in a thread of its own.
///
/// Files come in batches by themselves: those that are handed over during one transaction make up
/// the next. The process stands for the thread; in it lives a child, whose teardown writes what is
/// left and closes the database.
class Storage : public QObject
{
    Q_OBJECT

public:
    /// All must outlive the storage.
    Storage(QByteArray path, Catalogue &catalogue, Log &log, Counts &counts);

    GoProcess::Process *process() const { return m_ofThread.get(); }

    /// Opens the database later, and then emits opened() or failed().
    void open();

    /// Writes \a record later; \a place is given back when it is safe on disk. Any thread, until
    /// the process is Closed, after open().
    void add(const Record &record, Backlog::Place place);
    /// The same for files that are gone.
    void remove(const QList<QByteArray> &paths);
    /// Emits caughtUp() once all that was handed over before is safe on disk. Any thread.
    void catchUp();

Q_SIGNALS:
    /// Emitted in the storage's thread once the catalogue knows what is in the database.
    void opened();
    /// Emitted once, in the storage's thread, if the database cannot be opened or written. The
    /// process stays open: what is to be done about it is the receiver's to decide.
    void failed();
    /// Emitted in the storage's thread, as catchUp() asks.
    void caughtUp();
    /// Emitted in any thread when there is something to do.
    void toDo(QPrivateSignal);

private:
    void work();
    GoProcess::Error openNow();
    GoProcess::Error write(const Batch &batch);
    GoProcess::Error report(const Batch &batch);
    GoProcess::Error complete();

    const QByteArray m_path;
    Catalogue &m_catalogue;
    Log &m_log;
    Counts &m_counts;

    std::mutex m_mutex;
    Batch m_next; // guarded by m_mutex
    std::vector<Backlog::Place> m_places; // guarded by m_mutex
    bool m_isAwaited = false; // guarded by m_mutex; a caller has asked to catch up

    // Of the storage's thread.
    std::optional<Database> m_database;
    GoProcess::Error m_error;
    bool m_isComplete = false; ///< The teardown has run.

    QThread m_thread;
    const std::unique_ptr<GoProcess::Process> m_ofThread { GoProcess::adopt(&m_thread) };

    // Last, so that it closes before anything that its teardown uses is gone.
    GoProcess::Process m_process;
};

} // namespace Demo

#endif
