// SPDX-License-Identifier: MIT
// The subsystem that finds the files.

#ifndef MANIFEST_WALKER_H
#define MANIFEST_WALKER_H

#include "common/walk.h"

#include <GoProcess/Process>

#include <QByteArray>
#include <QList>

namespace Demo {

class Backlog;
class Console;
class Hasher;
struct Counts;

/// Walks through a folder and hands each regular file in it to the hasher.
///
/// Links are not followed, and pipes, sockets and devices have no content to hash; both are counted.
/// Backlog keeps the walk from running ahead of the hasher.
class Walker : private Walk::Visitor
{
public:
    /// \a folder is absolute; the others must outlive the walker.
    Walker(QByteArray folder, QList<OwnFiles> ownFiles, Hasher &hasher, Backlog &backlog,
           Counts &counts, Console &console);

    GoProcess::Process *process() { return &m_process; }

    /// Begins to walk. The process closes by itself at the end of the walk.
    void start();

private:
    GoProcess::Error walk();

    bool goesOn() const override { return !m_process.isClosing(); }
    void visitFile(const QByteArray &path, const struct stat &status) override;
    void visitLink(const QByteArray &path, bool goesRound) override;
    void visitOther() override;
    void failed(const QByteArray &path, const GoProcess::Error &error) override;

    const QByteArray m_root;
    const QList<OwnFiles> m_ownFiles;
    Hasher &m_hasher;
    Backlog &m_backlog;
    Counts &m_counts;
    Console &m_console;

    // Of the walk alone, which is one work in one thread.
    GoProcess::Error m_firstError;
    int m_errorCount = 0;

    // Last, so that it closes before anything that its works use is gone.
    GoProcess::Process m_process;
};

} // namespace Demo

#endif
