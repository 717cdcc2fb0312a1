// SPDX-License-Identifier: MIT
// A walk through a folder and all folders in it.

#ifndef DEMO_WALK_H
#define DEMO_WALK_H

#include "posix.h"

#include <GoProcess/Error>

#include <QByteArray>
#include <QList>

#include <utility>
#include <vector>

namespace Demo {

/// Files that a program itself writes, which it must not read.
struct OwnFiles
{
    FileId folder;
    QList<QByteArray> names;
};

/// \a path, which is absolute, and the files beside it whose names are longer by one of \a suffixes.
OwnFiles ownFiles(const QByteArray &path, const QList<QByteArray> &suffixes = {});

/// One walk, in one thread and without recursion.
///
/// Links are not followed: what they lead to is found where it lies. Folders of which it read the
/// names but which it has not entered yet are all it remembers.
class Walk
{
public:
    /// Who is told of what is found, while it is found.
    class Visitor
    {
    public:
        Visitor() = default;
        Q_DISABLE_COPY_MOVE(Visitor)
        virtual ~Visitor() = default;

        /// Asked again and again; false ends the walk.
        virtual bool goesOn() const = 0;
        /// A regular file; \a status as `lstat` gives it.
        virtual void visitFile(const QByteArray &path, const struct stat &status) = 0;
        /// A link; \a goesRound if it leads to a folder that it lies in, or to itself.
        virtual void visitLink(const QByteArray &path, bool goesRound) = 0;
        /// A pipe, a socket or a device.
        virtual void visitOther() = 0;
        /// A folder or file that cannot be read.
        virtual void failed(const QByteArray &path, const GoProcess::Error &error) = 0;
    };

    /// \a root is absolute; \a ownFiles are passed by.
    Walk(QByteArray root, QList<OwnFiles> ownFiles, Visitor &visitor)
        : m_root(std::move(root)), m_ownFiles(std::move(ownFiles)), m_visitor(visitor)
    {
    }

    /// True if it came to its end.
    bool run();

private:
    struct Folder
    {
        QByteArray path;
        size_t depth;
    };

    void visitFolder(const Folder &folder);
    void visitEntry(int folderDescriptor, const Folder &folder, const QByteArray &name);
    void visitLink(int folderDescriptor, const QByteArray &name, const QByteArray &path);
    bool isOwnFile(FileId folder, const QByteArray &name) const;

    const QByteArray m_root;
    const QList<OwnFiles> m_ownFiles;
    Visitor &m_visitor;
    std::vector<Folder> m_pending;
    std::vector<FileId> m_ancestors; // of what is visited; the folder that it lies in comes last
};

} // namespace Demo

#endif
