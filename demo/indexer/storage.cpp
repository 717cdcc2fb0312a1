// SPDX-License-Identifier: MIT
// Batches, and waiting for the program that has locked the database.

#include "storage.h"

#include "catalogue.h"
#include "counts.h"
#include "log.h"

#include "common/names.h"

#include <QDeadlineTimer>

#include <chrono>
#include <utility>

namespace Demo {

namespace {

using namespace std::chrono_literals;

constexpr auto patienceAtOpening = 3s;
constexpr auto patienceAtClosing = 30s;

} // namespace

Storage::Storage(QByteArray path, Catalogue &catalogue, Log &log, Counts &counts)
    : m_path(std::move(path)), m_catalogue(catalogue), m_log(log), m_counts(counts)
{
    m_ofThread->setName(QStringLiteral("storage"));
    m_process.setName(QStringLiteral("database"));
    m_process.setTeardown([this] { return complete(); });
    m_ofThread->addChild(&m_process);
    // A slot of the process, so that it runs where the process is at home.
    connect(this, &Storage::toDo, &m_process, [this] { work(); });
    m_process.moveToThread(&m_thread);
    m_thread.setObjectName(QStringLiteral("storage"));
    m_thread.start();
}

void Storage::open()
{
    Q_EMIT toDo(QPrivateSignal());
}

void Storage::add(const Record &record, Backlog::Place place)
{
    bool isFirst = false;
    {
        const std::lock_guard<std::mutex> lock(m_mutex);
        isFirst = m_next.isEmpty();
        m_next.indexed.append(record);
        m_places.push_back(std::move(place));
    }
    if (isFirst) // of a batch; the others come along
        Q_EMIT toDo(QPrivateSignal());
}

void Storage::remove(const QList<QByteArray> &paths)
{
    {
        const std::lock_guard<std::mutex> lock(m_mutex);
        m_next.removed.append(paths);
    }
    Q_EMIT toDo(QPrivateSignal());
}

void Storage::catchUp()
{
    {
        const std::lock_guard<std::mutex> lock(m_mutex);
        m_isAwaited = true;
    }
    Q_EMIT toDo(QPrivateSignal());
}

void Storage::work()
{
    if (m_error || m_isComplete) // what was asked for late must not open the database again
        return;
    if (!m_database) {
        m_error = openNow();
        if (!m_error)
            Q_EMIT opened();
    }

    Batch batch;
    std::vector<Backlog::Place> places; // given back at the end of this function
    bool isAwaited = false;
    {
        const std::lock_guard<std::mutex> lock(m_mutex);
        std::swap(batch, m_next);
        places.swap(m_places);
        isAwaited = std::exchange(m_isAwaited, false);
    }
    if (!m_error && !batch.isEmpty())
        m_error = write(batch);
    if (m_error) {
        m_log.say(m_error.message());
        Q_EMIT failed();
    } else if (isAwaited) {
        Q_EMIT caughtUp();
    }
}

GoProcess::Error Storage::openNow()
{
    m_database.emplace(m_path);
    const QDeadlineTimer deadline(patienceAtOpening);
    GoProcess::Error error = m_database->openToWrite();
    if (!error) {
        error = m_database->readAll([this](const QByteArray &path, const FileState &state) {
            m_catalogue.insert(path, state, 0);
            m_counts.knownFiles.add(1);
        });
    }
    return error;
}

GoProcess::Error Storage::write(const Batch &batch)
{
    bool isTold = false;
    QDeadlineTimer deadline(QDeadlineTimer::Forever);
    for (;;) {
        GoProcess::Error error;
        switch (m_database->write(batch, &error)) {
        case Database::Result::Written:
            return report(batch);
        case Database::Result::Failed:
            return error;
        case Database::Result::Locked:
            break; // it has waited for a moment
        }
        if (!isTold)
            m_log.say(QStringLiteral("%1 is locked by another program; waiting for it")
                              .arg(shown(m_path)));
        isTold = true;
        if (deadline.isForever() && m_process.isClosing())
            deadline.setRemainingTime(patienceAtClosing);
        if (deadline.hasExpired()) {
            return QStringLiteral("%1 stayed locked; %2 files are not in it")
                    .arg(shown(m_path))
                    .arg(batch.indexed.size());
        }
    }
}

/// Only now is any of it done.
GoProcess::Error Storage::report(const Batch &batch)
{
    m_counts.indexedFiles.add(batch.indexed.size());
    m_counts.removedFiles.add(batch.removed.size());
    if (GoProcess::Error error = m_log.indexed(batch.indexed))
        return error;
    return m_log.removed(batch.removed);
}

GoProcess::Error Storage::complete()
{
    if (m_database)
        work(); // what came last
    m_database.reset();
    m_isComplete = true;
    return m_error;
}

} // namespace Demo
