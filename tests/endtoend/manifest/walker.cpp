// SPDX-License-Identifier: MIT
// The walk: one work.

#include "walker.h"

#include "common/backlog.h"
#include "common/console.h"
#include "common/names.h"
#include "counts.h"
#include "hasher.h"

#include <utility>

namespace Demo {

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
    m_process.go(QStringLiteral("walk"), [this] { return walk(); });
    m_process.closeAfterChildren();
}

GoProcess::Error Walker::walk()
{
    if (Walk(m_root, m_ownFiles, *this).run())
        m_counts.wholeWalks.add(1);
    if (m_errorCount > 1) {
        return QStringLiteral("%1, and %2 more could not be read")
                .arg(m_firstError.message())
                .arg(m_errorCount - 1);
    }
    return m_firstError;
}

void Walker::visitFile(const QByteArray &path, const struct stat &status)
{
    Backlog::Place place = m_backlog.take();
    m_counts.foundFiles.add(1);
    m_counts.foundBytes.add(status.st_size);
    // The process of the work is named after the file as seen from the root.
    const qsizetype rootSize = m_root.endsWith('/') ? m_root.size() : m_root.size() + 1;
    m_hasher.hash({ path, shown(path.mid(rootSize)), status.st_size }, std::move(place));
}

void Walker::visitLink(const QByteArray &path, bool goesRound)
{
    m_counts.links.add(1);
    if (goesRound)
        m_console.say(QStringLiteral("the link %1 goes round and is left out").arg(shown(path)));
}

void Walker::visitOther()
{
    m_counts.others.add(1);
}

void Walker::failed(const QByteArray & /*path*/, const GoProcess::Error &error)
{
    m_console.say(error.message());
    m_counts.failures.add(1);
    if (m_errorCount++ == 0)
        m_firstError = error;
}

} // namespace Demo
