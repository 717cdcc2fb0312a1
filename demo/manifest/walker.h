// SPDX-License-Identifier: MIT
// The subsystem that finds the files.

#ifndef MANIFEST_WALKER_H
#define MANIFEST_WALKER_H

#include "posix.h"

#include <GoProcess/Process>

#include <QByteArray>
#include <QList>

#include <vector>

namespace Manifest {

class Backlog;
class Console;
class Hasher;
struct Counts;

/// Files that the program itself writes, which a manifest cannot list.
struct OwnFiles
{
    FileId folder;
    QList<QByteArray> names;
};

/// Walks through a folder and hands each regular file in it to the hasher.
///
/// Links are not followed: what they lead to is listed where it lies. Pipes, sockets and devices have
/// no content to hash. Both are counted. Folders of which it read the names but which it has not
/// entered yet are all it remembers, and Backlog keeps it from running ahead of the hasher.
class Walker
{
public:
    /// \a folder is absolute; the others must outlive the walker.
    Walker(QByteArray folder, QList<OwnFiles> ownFiles, Hasher &hasher, Backlog &backlog,
           Counts &counts, Console &console);

    GoProcess::Process *process() { return &m_process; }

    /// Begins to walk. The process closes by itself at the end of the walk.
    void start();

private:
    struct Folder
    {
        QByteArray path;
        size_t depth;
    };

    GoProcess::Error walk(const GoProcess::Process &self);
    void visitFolder(const Folder &folder, const GoProcess::Process &self);
    void visitEntry(int folderDescriptor, const Folder &folder, const QByteArray &name);
    void visitFile(const QByteArray &path, qint64 size);
    void visitLink(int folderDescriptor, const QByteArray &name, const QByteArray &path);
    bool isOwnFile(FileId folder, const QByteArray &name) const;
    void fail(const GoProcess::Error &error);

    const QByteArray m_root;
    const QList<OwnFiles> m_ownFiles;
    Hasher &m_hasher;
    Backlog &m_backlog;
    Counts &m_counts;
    Console &m_console;

    // Of the walk alone, which is one work in one thread.
    std::vector<Folder> m_pending;
    std::vector<FileId> m_ancestors; // of what is visited; the folder that it lies in comes last
    GoProcess::Error m_firstError;
    int m_errorCount = 0;

    // Last, so that it closes before anything that its works use is gone.
    GoProcess::Process m_process;
};

} // namespace Manifest

#endif
