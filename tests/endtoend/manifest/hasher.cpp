// SPDX-License-Identifier: MIT
// A work for each file.

#include "hasher.h"

#include "common/console.h"
#include "common/steadyfile.h"
#include "counts.h"
#include "journal.h"
#include "record.h"
#include "writer.h"

namespace Demo {

Hasher::Hasher(const Journal &journal, Writer &writer, Counts &counts, Console &console)
    : m_journal(journal), m_writer(writer), m_counts(counts), m_console(console)
{
    m_process.setName(QStringLiteral("hasher"));
    m_process.setThreadPool(&m_pool);
}

void Hasher::hash(const FoundFile &file, Backlog::Place place)
{
    m_process.go(file.shortName,
                 [this, file, place = std::move(place)](const GoProcess::Process &self) mutable {
                     return hashNow(file, place, self);
                 });
}

GoProcess::Error Hasher::hashNow(const FoundFile &file, Backlog::Place &place,
                                 const GoProcess::Process &self)
{
    if (self.isClosing())
        return {}; // a file that no thread began stays for the next run
    Record record;
    GoProcess::Error error = takeHash(file, &record, self);
    if (error) {
        m_counts.failures.add(1);
        m_console.say(error.message());
    } else if (!record.hash.isEmpty()) {
        m_writer.append(record, std::move(place));
    }
    return error;
}

GoProcess::Error Hasher::takeHash(const FoundFile &file, Record *record,
                                  const GoProcess::Process &self)
{
    SteadyFile content(file.path);
    if (GoProcess::Error error = content.open()) {
        m_counts.passedBytes.add(file.size);
        return error;
    }
    record->name = file.path;
    record->state = content.state();

    const auto earlier = m_journal.earlier().constFind(file.path);
    if (earlier != m_journal.earlier().constEnd() && earlier->state == record->state) {
        record->hash = earlier->hash;
        m_counts.keptFiles.add(1);
        m_counts.passedBytes.add(file.size);
        return {};
    }

    qint64 bytesRead = 0;
    SteadyFile::Hash hash = content.hash([&](qint64 bytes) {
        bytesRead += bytes;
        m_counts.readBytes.add(bytes);
        return !self.isClosing();
    });
    m_counts.passedBytes.add(file.size - bytesRead);
    record->hash = hash.digits;
    return hash.error;
}

} // namespace Demo
