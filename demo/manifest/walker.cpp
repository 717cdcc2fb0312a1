// SPDX-License-Identifier: MIT
// The walk: one work, without recursion.

#include "walker.h"

#include "backlog.h"
#include "console.h"
#include "counts.h"
#include "hasher.h"
#include "names.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <dirent.h>
#include <fcntl.h>

namespace Manifest {

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

Walker::Walker(QByteArray folder, QList<OwnFiles> ownFiles, Hasher &hasher, Backlog &backlog,
               Counts &counts, Console &console)
    : m_root(std::move(folder)),
      m_ownFiles(std::move(ownFiles)),
      m_hasher(hasher),
      m_backlog(backlog),
      m_counts(counts),
      m_console(console)
{
    m_process.setName(QStringLiteral("walker"));
}

void Walker::start()
{
    m_process.go(QStringLiteral("walk"),
                 [this](const GoProcess::Process &self) { return walk(self); });
    m_process.closeAfterChildren();
}

GoProcess::Error Walker::walk(const GoProcess::Process &self)
{
    m_pending.push_back({ m_root, 0 });
    while (!m_pending.empty() && !self.isClosing()) {
        const Folder folder = std::move(m_pending.back());
        m_pending.pop_back();
        visitFolder(folder, self);
    }
    if (!self.isClosing())
        m_counts.wholeWalks.add(1);
    if (m_errorCount > 1) {
        return QStringLiteral("%1, and %2 more could not be read")
                .arg(m_firstError.message())
                .arg(m_errorCount - 1);
    }
    return m_firstError;
}

void Walker::visitFolder(const Folder &folder, const GoProcess::Process &self)
{
    // The folder that the user named may be a link.
    const Directory directory = openFolder(folder.path, folder.depth == 0 ? 0 : O_NOFOLLOW);
    struct stat status;
    if (!directory || ::fstat(::dirfd(directory.get()), &status) != 0)
        return fail(cannot("read", folder.path));
    m_ancestors.resize(folder.depth);
    m_ancestors.push_back(idOf(status));

    while (!self.isClosing()) {
        errno = 0;
        const struct dirent *entry = ::readdir(directory.get());
        if (!entry) {
            if (errno != 0)
                fail(cannot("read", folder.path));
            return;
        }
        const QByteArray name(entry->d_name);
        if (name != "." && name != ".." && !isOwnFile(m_ancestors.back(), name))
            visitEntry(::dirfd(directory.get()), folder, name);
    }
}

void Walker::visitEntry(int folderDescriptor, const Folder &folder, const QByteArray &name)
{
    const QByteArray path = joined(folder.path, name);
    struct stat status;
    if (::fstatat(folderDescriptor, name.constData(), &status, AT_SYMLINK_NOFOLLOW) != 0)
        fail(cannot("read", path));
    else if (S_ISDIR(status.st_mode))
        m_pending.push_back({ path, folder.depth + 1 });
    else if (S_ISREG(status.st_mode))
        visitFile(path, status.st_size);
    else if (S_ISLNK(status.st_mode))
        visitLink(folderDescriptor, name, path);
    else
        m_counts.others.add(1);
}

void Walker::visitFile(const QByteArray &path, qint64 size)
{
    Backlog::Place place = m_backlog.take();
    m_counts.foundFiles.add(1);
    m_counts.foundBytes.add(size);
    // The process of the work is named after the file as seen from the root.
    const qsizetype rootSize = m_root.endsWith('/') ? m_root.size() : m_root.size() + 1;
    m_hasher.hash({ path, shown(path.mid(rootSize)), size }, std::move(place));
}

void Walker::visitLink(int folderDescriptor, const QByteArray &name, const QByteArray &path)
{
    m_counts.links.add(1);
    struct stat target;
    const bool leadsSomewhere = ::fstatat(folderDescriptor, name.constData(), &target, 0) == 0;
    const bool goesRound = leadsSomewhere
            ? std::find(m_ancestors.begin(), m_ancestors.end(), idOf(target)) != m_ancestors.end()
            : errno == ELOOP;
    if (goesRound)
        m_console.say(QStringLiteral("the link %1 goes round and is left out").arg(shown(path)));
}

bool Walker::isOwnFile(FileId folder, const QByteArray &name) const
{
    return std::any_of(m_ownFiles.begin(), m_ownFiles.end(), [&](const OwnFiles &files) {
        return files.folder == folder && files.names.contains(name);
    });
}

void Walker::fail(const GoProcess::Error &error)
{
    m_console.say(error.message());
    m_counts.failures.add(1);
    if (m_errorCount++ == 0)
        m_firstError = error;
}

} // namespace Manifest
