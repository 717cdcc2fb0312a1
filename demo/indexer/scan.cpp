// SPDX-License-Identifier: MIT
// The walk, and the works that read files.

#include "scan.h"

#include "catalogue.h"
#include "complaints.h"
#include "counts.h"
#include "log.h"
#include "record.h"
#include "storage.h"

#include "common/names.h"
#include "common/steadyfile.h"

#include <QThread>

#include <utility>

namespace Demo {

Scan::Scan(const ScanContext &context, int number)
    : m_context(context), m_number(number), m_limiter(QThread::idealThreadCount())
{
    m_limiter.setName(QStringLiteral("scan"));
}

void Scan::start(GoProcess::Process *parent)
{
    // A parent that is closing closes the scan, which must not be closed before the walk has begun.
    GoProcess::Hold hold = m_limiter.hold();
    parent->addChild(&m_limiter);
    m_limiter.go(QStringLiteral("walk"), [this] { return walk(); });
    hold.release();
    m_limiter.closeAfterChildren();
}

GoProcess::Error Scan::walk()
{
    m_context.counts.begunWalks.add(1);
    if (Walk(m_context.folder, m_context.ownFiles, *this).run()) {
        removeMissing();
        m_context.counts.wholeScans.add(1);
    }
    m_context.counts.endedWalks.add(1);
    return m_firstError;
}

void Scan::removeMissing()
{
    const QList<QByteArray> missing =
            m_context.catalogue.takeMissing(m_context.folder, m_unread, m_number);
    if (!missing.isEmpty())
        m_context.storage.remove(missing);
}

void Scan::visitFile(const QByteArray &path, const struct stat &status)
{
    if (!m_context.catalogue.meet(path, stateOf(status), m_number)) {
        m_context.counts.unchangedFiles.add(1);
        return;
    }
    // The storage may be slow, and what waits for it must not pile up.
    Backlog::Place place = m_context.backlog.take();
    if (!place.isValid())
        return; // closing
    m_context.counts.foundFiles.add(1);
    m_context.counts.foundBytes.add(status.st_size);
    // Waits until one of the works has ended.
    m_limiter.limitedGo([this, path, size = qint64(status.st_size),
                         place = std::move(place)](GoProcess::Process &self) mutable {
        self.setName(shown(path.mid(path.lastIndexOf('/') + 1)));
        return index(path, size, place, self);
    });
}

void Scan::visitLink(const QByteArray &path, bool goesRound)
{
    if (m_number == 1)
        m_context.counts.links.add(1);
    if (goesRound && m_context.complaints.isFirst(path))
        m_context.log.say(
                QStringLiteral("the link %1 goes round and is left out").arg(shown(path)));
}

void Scan::visitOther()
{
    if (m_number == 1)
        m_context.counts.others.add(1);
}

void Scan::failed(const QByteArray &path, const GoProcess::Error &error)
{
    m_unread += path;
    if (!m_context.complaints.isFirst(path))
        return;
    m_context.log.say(error.message());
    m_context.counts.failures.add(1);
    if (!m_firstError)
        m_firstError = error;
}

GoProcess::Error Scan::index(const QByteArray &path, qint64 size, Backlog::Place &place,
                             const GoProcess::Process &self)
{
    if (self.isClosing())
        return {}; // a file that no thread began stays for the next scan
    Record record { path, {}, {} };
    GoProcess::Error error = takeHash(&record, size, self);
    if (error) {
        m_context.counts.droppedFiles.add(1);
        if (!m_context.complaints.isFirst(path))
            return {}; // tried again in vain
        m_context.counts.failures.add(1);
        m_context.log.say(error.message());
    } else if (!record.hash.isEmpty()) {
        m_context.catalogue.insert(path, record.state, m_number);
        m_context.storage.add(record, std::move(place));
    }
    return error;
}

GoProcess::Error Scan::takeHash(Record *record, qint64 size, const GoProcess::Process &self)
{
    SteadyFile content(record->path);
    if (GoProcess::Error error = content.open()) {
        m_context.counts.passedBytes.add(size);
        return error;
    }
    record->state = content.state();
    qint64 bytesRead = 0;
    SteadyFile::Hash hash = content.hash([&](qint64 bytes) {
        bytesRead += bytes;
        m_context.counts.readBytes.add(bytes);
        return !self.isClosing();
    });
    m_context.counts.passedBytes.add(size - bytesRead);
    record->hash = hash.digits;
    return hash.error;
}

} // namespace Demo
