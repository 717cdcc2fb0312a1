// SPDX-License-Identifier: MIT
// One run over one folder: the subsystems, and how they depend on each other.

#ifndef INDEXER_RUN_H
#define INDEXER_RUN_H

#include "catalogue.h"
#include "complaints.h"
#include "counts.h"
#include "log.h"
#include "scanner.h"
#include "search.h"
#include "storage.h"

#include "common/backlog.h"
#include "common/closetimes.h"
#include "common/progress.h"

#include <GoProcess/Process>

#include <QByteArray>
#include <QObject>
#include <QString>

#include <chrono>

namespace Demo {

class Console;

/// What a run is to do. Names are absolute, and bytes as the user gave them.
struct Task
{
    QByteArray folder;
    QByteArray database;
    QByteArray log; ///< Empty for none.
    std::chrono::seconds rescanInterval { 60 };
    bool once = false; ///< Ends after the first scan.
};

/// The tree of processes: search, watch, scanner, storage and log under one root, which close in this
/// order. In the terminal and behind the window it is the same.
class Run : public QObject
{
    Q_OBJECT

public:
    Run(Task task, Console &console);

    /// Opens what is there to be opened, and starts the subsystems; if anything fails, the root closes
    /// with that error.
    void start();

    GoProcess::Process *root() { return &m_root; }
    const Task &task() const { return m_task; }
    const Counts &counts() const { return m_counts; }
    /// How far it is. Any thread.
    Progress::Numbers progress() const;
    Log &log() { return m_log; }

    /// Once the root is Closed: why it closed by itself, if it did so because something failed.
    QString failure() const;
    /// Once the root is Closed: the tree, the errors and the counts.
    QString summary() const;
    /// Once the root is Closed: the program's exit status.
    int exitStatus() const;

Q_SIGNALS:
    /// The search answers questions. Emitted in the thread of this.
    void listening();

private:
    void wire();
    GoProcess::Error prepare();
    void scan();
    void caughtUp();
    void watch();
    QString errors() const;
    QString totals() const;

    const Task m_task;
    Console &m_console;
    Counts m_counts;
    Catalogue m_catalogue;
    Complaints m_complaints;
    Backlog m_backlog { 1024 }; // enough to keep all cores busy during one slow sync of the disk
    CloseTimes m_closeTimes;

    // In the order in which one uses the other.
    Log m_log;
    Storage m_storage;
    Scanner m_scanner;
    GoProcess::Process m_watch;
    Search m_search;

    // Last, so that it closes, and with it all subsystems, before any of them is destroyed.
    GoProcess::Process m_root;
};

} // namespace Demo

#endif
