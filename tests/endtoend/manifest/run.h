// SPDX-License-Identifier: MIT
// One run: the subsystems, and how they depend on each other.

#ifndef MANIFEST_RUN_H
#define MANIFEST_RUN_H

#include "common/backlog.h"
#include "common/closetimes.h"
#include "counts.h"
#include "hasher.h"
#include "journal.h"
#include "options.h"
#include "report.h"
#include "walker.h"
#include "writer.h"

#include <GoProcess/Process>

#include <memory>

namespace Demo {

class Console;

/// The tree of processes: walker, hasher and writer under one root.
///
/// The writer waits for the hasher and the hasher for the walker, so they close in this order,
/// whether the walk has come to its end or a signal closes the root.
class Run
{
public:
    explicit Run(Console &console) : m_console(console) { }

    /// Opens what the run reads and writes. After an error it cannot start.
    GoProcess::Error open(const Options &options);
    /// Starts the subsystems. The root closes by itself when all is done.
    void start();

    GoProcess::Process *root() { return &m_root; }
    const Counts &counts() const { return m_counts; }

    /// Once the root is Closed: the tree, the errors and the counts.
    QString summary() const;
    /// Once the root is Closed: the program's exit status.
    int exitStatus() const;

private:
    void wire();
    QString errors() const;
    QString totals() const;

    Console &m_console;
    Counts m_counts;
    Backlog m_backlog { 1024 }; // enough to keep all cores busy during one slow sync of the disk
    CloseTimes m_closeTimes;
    Report m_report;
    Journal m_journal;

    // In the order in which one uses the other.
    std::unique_ptr<Writer> m_writer;
    std::unique_ptr<Hasher> m_hasher;
    std::unique_ptr<Walker> m_walker;

    // Last, so that it closes, and with it all subsystems, before any of them is destroyed.
    GoProcess::Process m_root;
};

} // namespace Demo

#endif
