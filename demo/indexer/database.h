// SPDX-License-Identifier: MIT
// The index as a SQLite file.

#ifndef INDEXER_DATABASE_H
#define INDEXER_DATABASE_H

#include "lockfile.h"
#include "record.h"

#include "common/walk.h"

#include <GoProcess/Error>

#include <QByteArray>
#include <QList>
#include <QSqlDatabase>
#include <QSqlError>
#include <QSqlQuery>
#include <QString>

#include <functional>
#include <memory>

namespace Demo {

/// A file that was found in the database.
struct Match
{
    QByteArray path;
    qint64 size; ///< In bytes.
    qint64 modified; ///< In ns since 1970.
};

struct Matches
{
    QList<Match> first; ///< By their names.
    qint64 total = 0;
};

/// What is written in one transaction: whole, or not at all.
struct Batch
{
    QList<Record> indexed;
    QList<QByteArray> removed;

    bool isEmpty() const { return indexed.isEmpty() && removed.isEmpty(); }
};

/// One connection to the database, for one thread: the one that opens it also destroys it.
///
/// A write-ahead log: a reader is not in the way of the writer, and however the program
/// ends, all batches that were written are there. Files of any number of folders can be in it.
class Database
{
public:
    explicit Database(QByteArray path);
    Q_DISABLE_COPY_MOVE(Database)
    ~Database();

    /// Opens it for the one program that writes, and makes it if there is none.
    GoProcess::Error openToWrite();
    /// Opens one that is there, while the one who writes has it open.
    GoProcess::Error openToRead();
    /// Opens one that is there and no program writes perhaps, nor can: on a disk that is read-only.
    GoProcess::Error openToLookAt();
    static bool exists(const QByteArray &path);

    /// Calls \a onFile for each file in it.
    GoProcess::Error
    readAll(const std::function<void(const QByteArray &path, const FileState &state)> &onFile);

    enum class Result { Written, Locked, Failed };
    /// Writes \a batch and waits until it is safe on disk. If another program has locked the
    /// database, for longer than a moment, nothing is written, and it can be tried again. After a
    /// failure \a error says why.
    Result write(const Batch &batch, GoProcess::Error *error);

    /// The files whose names contain \a pattern, in which `*` and `?` stand for any text and any
    /// character; at most \a limit of them.
    GoProcess::Error find(const QString &pattern, int limit, Matches *matches);

    /// The files that belong to the database at \a path.
    static OwnFiles ownFiles(const QByteArray &path);

private:
    GoProcess::Error open(const QString &options, const QString &name);
    bool isUsable();
    GoProcess::Error prepareFile();
    bool run(const char *statement);
    bool writeRows(const Batch &batch);
    bool writeRow(const Record &record, qint64 batchId);
    GoProcess::Error errorOf(const QSqlError &error) const;
    static bool isLocked(const QSqlError &error);

    const QByteArray m_path;
    LockFile m_lock;
    QSqlDatabase m_connection;
    // Destroyed before the connection, and prepared once.
    std::unique_ptr<QSqlQuery> m_insert;
    std::unique_ptr<QSqlQuery> m_remove;
    QSqlError m_lastError;
};

} // namespace Demo

#endif
