// SPDX-License-Identifier: MIT
// The walk, folder by folder.

#include "walk.h"

#include "names.h"

#include <algorithm>
#include <memory>

#include <dirent.h>
#include <fcntl.h>

namespace Demo {

namespace {

struct CloseDirectory
{
    void operator()(DIR *directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

Directory openFolder(const QByteArray &path, int flags)
{
    FileDescriptor file(::open(path.constData(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags));
    Directory directory(file.isValid() ? ::fdopendir(file.get()) : nullptr);
    if (directory)
        file.release(); // closedir() closes it
    return directory;
}

} // namespace

OwnFiles ownFiles(const QByteArray &path, const QList<QByteArray> &suffixes)
{
    const qsizetype slash = path.lastIndexOf('/');
    const QByteArray name = path.mid(slash + 1);
    OwnFiles files;
    struct stat status;
    if (::stat(path.left(slash + 1).constData(), &status) != 0)
        return files;
    files.folder = idOf(status);
    files.names = { name };
    for (const QByteArray &suffix : suffixes)
        files.names += name + suffix;
    return files;
}

bool Walk::run()
{
    m_pending.push_back({ m_root, 0 });
    while (!m_pending.empty() && m_visitor.goesOn()) {
        const Folder folder = std::move(m_pending.back());
        m_pending.pop_back();
        visitFolder(folder);
    }
    return m_visitor.goesOn();
}

void Walk::visitFolder(const Folder &folder)
{
    // The folder that the user named may be a link.
    const Directory directory = openFolder(folder.path, folder.depth == 0 ? 0 : O_NOFOLLOW);
    struct stat status;
    if (!directory || ::fstat(::dirfd(directory.get()), &status) != 0)
        return m_visitor.failed(folder.path, cannot("read", folder.path));
    m_ancestors.resize(folder.depth);
    m_ancestors.push_back(idOf(status));

    while (m_visitor.goesOn()) {
        errno = 0;
        const struct dirent *entry = ::readdir(directory.get());
        if (!entry) {
            if (errno != 0)
                m_visitor.failed(folder.path, cannot("read", folder.path));
            return;
        }
        const QByteArray name(entry->d_name);
        if (name != "." && name != ".." && !isOwnFile(m_ancestors.back(), name))
            visitEntry(::dirfd(directory.get()), folder, name);
    }
}

void Walk::visitEntry(int folderDescriptor, const Folder &folder, const QByteArray &name)
{
    const QByteArray path = joined(folder.path, name);
    struct stat status;
    if (::fstatat(folderDescriptor, name.constData(), &status, AT_SYMLINK_NOFOLLOW) != 0)
        m_visitor.failed(path, cannot("read", path));
    else if (S_ISDIR(status.st_mode))
        m_pending.push_back({ path, folder.depth + 1 });
    else if (S_ISREG(status.st_mode))
        m_visitor.visitFile(path, status);
    else if (S_ISLNK(status.st_mode))
        visitLink(folderDescriptor, name, path);
    else
        m_visitor.visitOther();
}

void Walk::visitLink(int folderDescriptor, const QByteArray &name, const QByteArray &path)
{
    struct stat target;
    const bool leadsSomewhere = ::fstatat(folderDescriptor, name.constData(), &target, 0) == 0;
    const bool goesRound = leadsSomewhere
            ? std::find(m_ancestors.begin(), m_ancestors.end(), idOf(target)) != m_ancestors.end()
            : errno == ELOOP;
    m_visitor.visitLink(path, goesRound);
}

bool Walk::isOwnFile(FileId folder, const QByteArray &name) const
{
    return std::any_of(m_ownFiles.begin(), m_ownFiles.end(), [&](const OwnFiles &files) {
        return files.folder == folder && files.names.contains(name);
    });
}

} // namespace Demo
