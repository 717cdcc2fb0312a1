// SPDX-License-Identifier: MIT
// Batches, and the end of the writing.

#include "writer.h"

#include "common/console.h"
#include "counts.h"
#include "journal.h"
#include "report.h"

namespace Demo {

Writer::Writer(Journal &journal, Report &report, Counts &counts, Console &console)
    : m_journal(journal), m_report(report), m_counts(counts), m_console(console)
{
    m_process.setName(QStringLiteral("writer"));
    m_process.setTeardown([this] { return complete(); });
    // A slot of the process, so that it runs where the process is at home.
    connect(this, &Writer::recordsCame, &m_process, [this] { sync(); });
    m_process.moveToThread(&m_thread);
    m_thread.setObjectName(QStringLiteral("writer"));
    m_thread.start();
}

void Writer::append(const Record &record, Backlog::Place place)
{
    bool isFirst = false;
    {
        const std::lock_guard<std::mutex> lock(m_mutex);
        isFirst = m_records.isEmpty();
        m_records.append(record);
        m_places.push_back(std::move(place));
    }
    if (isFirst) // of a batch; the others come along
        Q_EMIT recordsCame(QPrivateSignal());
}

void Writer::sync()
{
    QList<Record> records;
    std::vector<Backlog::Place> places; // given back at the end of this function
    {
        const std::lock_guard<std::mutex> lock(m_mutex);
        records.swap(m_records);
        places.swap(m_places);
    }
    if (m_error || records.isEmpty())
        return;
    m_error = write(records);
    if (m_error) {
        m_console.say(m_error.message());
        Q_EMIT failed();
    }
}

GoProcess::Error Writer::write(const QList<Record> &records)
{
    if (GoProcess::Error error = m_journal.append(records))
        return error;
    // Only now is any of it done.
    for (const Record &record : records)
        m_counts.reportedBytes.add(record.state.size);
    m_counts.reportedFiles.add(records.size());
    return m_report.append(records);
}

GoProcess::Error Writer::complete()
{
    sync();
    // Also after an error: what is safe in the journal may still find its place in the manifest.
    const GoProcess::Error error = writeManifest();
    if (error)
        m_console.say(error.message());
    return m_error ? m_error : error;
}

GoProcess::Error Writer::writeManifest()
{
    if (GoProcess::Error error = m_journal.writeManifest())
        return error;
    return m_counts.isComplete() && !m_error ? m_journal.remove() : GoProcess::Error();
}

} // namespace Demo
