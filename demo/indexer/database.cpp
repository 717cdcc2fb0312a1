// SPDX-License-Identifier: MIT
// SQL, and what SQLite's errors mean to people.

#include "database.h"

#include "common/names.h"

#include <QFile>
#include <QVariant>

#include <algorithm>
#include <utility>

#include <unistd.h>

namespace Demo {

namespace {

constexpr int applicationId = 0x47504958;
constexpr int lockPatience = 200; // ms

// The codes of SQLite, less what they say in detail.
enum SqliteCode {
    Busy = 5,
    Locked = 6,
    ReadOnly = 8,
    IoError = 10,
    Corrupt = 11,
    Full = 13,
    CannotOpen = 14,
    NotADatabase = 26
};

int codeOf(const QSqlError &error)
{
    return error.nativeErrorCode().toInt() & 0xff;
}

/// For LIKE, in which `\` escapes.
QString likePattern(const QString &pattern)
{
    QString like = QStringLiteral("%");
    for (const QChar c : pattern) {
        if (c == u'*')
            like += u'%';
        else if (c == u'?')
            like += u'_';
        else if (c == u'%' || c == u'_' || c == u'\\')
            like += u'\\' + QString(c);
        else
            like += c;
    }
    return like + u'%';
}

QVariant number(quint64 value)
{
    return QVariant::fromValue(qint64(value)); // SQLite's are signed
}

} // namespace

Database::Database(QByteArray path)
    : m_path(std::move(path)),
      m_connection(QSqlDatabase::addDatabase(QStringLiteral("QSQLITE"),
                                             QStringLiteral("%1").arg(quintptr(this))))
{
}

Database::~Database()
{
    const QString name = m_connection.connectionName();
    m_insert.reset();
    m_remove.reset();
    m_connection.close();
    m_connection = QSqlDatabase();
    QSqlDatabase::removeDatabase(name);
}

GoProcess::Error Database::openToWrite()
{
    bool isTaken = false;
    if (GoProcess::Error error = m_lock.lock(m_path + ".lock", &isTaken))
        return error;
    if (isTaken)
        return QStringLiteral("another indexer is using %1").arg(shown(m_path));
    if (GoProcess::Error error = open(QString(), QFile::decodeName(m_path)))
        return error;
    return prepareFile();
}

GoProcess::Error Database::openToRead()
{
    return open(QStringLiteral("QSQLITE_OPEN_READONLY;"), QFile::decodeName(m_path));
}

bool Database::exists(const QByteArray &path)
{
    return ::access(path.constData(), F_OK) == 0;
}

GoProcess::Error Database::openToLookAt()
{
    if (GoProcess::Error error = openToRead())
        return error;
    if (!isUsable() && !exists(m_path + "-wal")) {
        // Even who reads a write-ahead log makes files beside it. Where none can be made, nobody writes
        // either, so that SQLite may take the file as one that never changes.
        m_connection.close();
        const QString uri =
                QString::fromLatin1("file://" + m_path.toPercentEncoding("/") + "?immutable=1");
        if (GoProcess::Error error =
                    open(QStringLiteral("QSQLITE_OPEN_READONLY;QSQLITE_OPEN_URI;"), uri))
            return error;
    }
    QSqlQuery query(m_connection);
    if (!query.exec(QStringLiteral("PRAGMA application_id")) || !query.next())
        return errorOf(query.lastError());
    if (query.value(0).toInt() != applicationId)
        return QStringLiteral("%1 is a database of another program").arg(shown(m_path));
    return {};
}

/// True if something can be read from it.
bool Database::isUsable()
{
    return run("SELECT count(*) FROM sqlite_master");
}

GoProcess::Error Database::open(const QString &options, const QString &name)
{
    if (QFile::encodeName(QFile::decodeName(m_path)) != m_path)
        return QStringLiteral("%1 cannot be a database: its name is not UTF-8").arg(shown(m_path));
    if (!m_connection.isValid())
        return QStringLiteral("Qt has no SQLite here; on Debian it is in libqt6sql6-sqlite");
    m_connection.setDatabaseName(name);
    m_connection.setConnectOptions(options
                                   + QStringLiteral("QSQLITE_BUSY_TIMEOUT=%1").arg(lockPatience));
    return m_connection.open() ? GoProcess::Error() : errorOf(m_connection.lastError());
}

GoProcess::Error Database::prepareFile()
{
    QSqlQuery query(m_connection);
    int id = 0;
    int tables = 0;
    if (query.exec(QStringLiteral("PRAGMA application_id")) && query.next())
        id = query.value(0).toInt();
    if (!query.exec(QStringLiteral("SELECT count(*) FROM sqlite_master")) || !query.next())
        return errorOf(query.lastError());
    tables = query.value(0).toInt();
    query.finish();
    if (id != applicationId && (id != 0 || tables > 0))
        return QStringLiteral("%1 is a database of another program").arg(shown(m_path));

    const bool ready = run("PRAGMA journal_mode = WAL")
            && run("PRAGMA synchronous = FULL") // of each batch, so that what is written is safe
            && run("BEGIN IMMEDIATE") && run("PRAGMA application_id = 0x47504958")
            && run("CREATE TABLE IF NOT EXISTS batches (id INTEGER PRIMARY KEY, files INTEGER)")
            && run("CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, name TEXT NOT NULL,"
                   " size INTEGER, inode INTEGER, modified INTEGER, changed INTEGER,"
                   " sha256 BLOB NOT NULL, batch INTEGER NOT NULL)")
            && run("CREATE INDEX IF NOT EXISTS files_by_name ON files (name COLLATE NOCASE)")
            && run("COMMIT");
    if (!ready)
        return errorOf(m_lastError);
    m_insert = std::make_unique<QSqlQuery>(m_connection);
    m_remove = std::make_unique<QSqlQuery>(m_connection);
    if (!m_insert->prepare(
                QStringLiteral("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)")))
        return errorOf(m_insert->lastError());
    if (!m_remove->prepare(QStringLiteral("DELETE FROM files WHERE path = ?")))
        return errorOf(m_remove->lastError());
    return {};
}

GoProcess::Error
Database::readAll(const std::function<void(const QByteArray &path, const FileState &state)> &onFile)
{
    QSqlQuery query(m_connection);
    query.setForwardOnly(true);
    query.exec(QStringLiteral("SELECT path, inode, size, modified, changed FROM files"));
    while (query.next()) {
        onFile(query.value(0).toByteArray(),
               { quint64(query.value(1).toLongLong()), query.value(2).toLongLong(),
                 query.value(3).toLongLong(), query.value(4).toLongLong() });
    }
    return query.lastError().isValid() ? errorOf(query.lastError()) : GoProcess::Error();
}

Database::Result Database::write(const Batch &batch, GoProcess::Error *error)
{
    if (run("BEGIN IMMEDIATE") && writeRows(batch) && run("COMMIT"))
        return Result::Written;
    const QSqlError reason = m_lastError;
    run("ROLLBACK"); // fails if there is nothing to roll back
    if (isLocked(reason))
        return Result::Locked;
    *error = errorOf(reason);
    return Result::Failed;
}

bool Database::writeRows(const Batch &batch)
{
    QSqlQuery query(m_connection);
    query.prepare(QStringLiteral("INSERT INTO batches (files) VALUES (?)"));
    query.addBindValue(batch.indexed.size());
    if (!query.exec()) {
        m_lastError = query.lastError();
        return false;
    }
    const qint64 batchId = query.lastInsertId().toLongLong();
    const auto write = [&](const Record &record) { return writeRow(record, batchId); };
    const auto remove = [this](const QByteArray &path) {
        m_remove->bindValue(0, path);
        const bool isDone = m_remove->exec();
        if (!isDone)
            m_lastError = m_remove->lastError();
        return isDone;
    };
    return std::all_of(batch.indexed.begin(), batch.indexed.end(), write)
            && std::all_of(batch.removed.begin(), batch.removed.end(), remove);
}

bool Database::writeRow(const Record &record, qint64 batchId)
{
    const FileState &state = record.state;
    const QByteArray name = record.path.mid(record.path.lastIndexOf('/') + 1);
    const QVariantList values { record.path,
                                shown(name),
                                state.size,
                                number(state.inode),
                                state.modified,
                                state.changed,
                                QByteArray::fromHex(record.hash),
                                batchId };
    for (int i = 0; i < values.size(); ++i)
        m_insert->bindValue(i, values.at(i));
    if (m_insert->exec())
        return true;
    m_lastError = m_insert->lastError();
    return false;
}

GoProcess::Error Database::find(const QString &pattern, int limit, Matches *matches)
{
    const QString condition = QStringLiteral(" FROM files WHERE name LIKE ? ESCAPE '\\'");
    QSqlQuery query(m_connection);
    query.setForwardOnly(true);
    query.prepare(QStringLiteral("SELECT path, size, modified") + condition
                  + QStringLiteral(" ORDER BY name COLLATE NOCASE LIMIT ?"));
    query.addBindValue(likePattern(pattern));
    query.addBindValue(limit);
    query.exec();
    while (query.next()) {
        matches->first.append({ query.value(0).toByteArray(), query.value(1).toLongLong(),
                                query.value(2).toLongLong() });
    }
    if (query.lastError().isValid())
        return errorOf(query.lastError());

    matches->total = matches->first.size();
    if (matches->total < limit)
        return {};
    query.prepare(QStringLiteral("SELECT count(*)") + condition);
    query.addBindValue(likePattern(pattern));
    if (!query.exec() || !query.next())
        return errorOf(query.lastError());
    matches->total = query.value(0).toLongLong();
    return {};
}

OwnFiles Database::ownFiles(const QByteArray &path)
{
    return Demo::ownFiles(path, { "-wal", "-shm", "-journal", ".lock" });
}

bool Database::run(const char *statement)
{
    QSqlQuery query(m_connection);
    if (query.exec(QString::fromLatin1(statement)))
        return true;
    m_lastError = query.lastError();
    return false;
}

bool Database::isLocked(const QSqlError &error)
{
    return codeOf(error) == Busy || codeOf(error) == Locked;
}

GoProcess::Error Database::errorOf(const QSqlError &error) const
{
    const QString name = shown(m_path);
    switch (codeOf(error)) {
    case Busy:
    case Locked:
        return QStringLiteral("%1 is locked by another program").arg(name);
    case ReadOnly:
        return QStringLiteral("%1 cannot be written: it is read-only").arg(name);
    case Corrupt:
        return QStringLiteral("%1 is damaged; move it away, and a new one is made").arg(name);
    case NotADatabase:
        return QStringLiteral("%1 is not a database").arg(name);
    case Full:
        return QStringLiteral("%1 cannot grow: the disk is full").arg(name);
    case CannotOpen:
        return QStringLiteral("cannot open %1").arg(name);
    case IoError:
        return QStringLiteral("the disk of %1 fails: %2").arg(name, error.databaseText());
    default:
        return QStringLiteral("%1: %2").arg(name, error.databaseText());
    }
}

} // namespace Demo
