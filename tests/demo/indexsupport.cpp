// SPDX-License-Identifier: MIT
// Reading the database, what sha256sum says, and the log, in one form.

#include "indexsupport.h"

#include "demosupport.h"

#include <QFile>
#include <QSqlError>
#include <QSqlQuery>
#include <QVariant>

namespace IndexSupport {

namespace {

QByteArray escaped(QByteArray name)
{
    return name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
}

} // namespace

Connection::Connection(const QByteArray &path)
    : m_connection(QSqlDatabase::addDatabase(QStringLiteral("QSQLITE"),
                                             QStringLiteral("test-%1").arg(quintptr(this))))
{
    m_connection.setDatabaseName(QFile::decodeName(path));
    if (!m_connection.open())
        qFatal("%s: %s", path.constData(), qPrintable(m_connection.lastError().text()));
}

Connection::~Connection()
{
    const QString name = m_connection.connectionName();
    m_connection = QSqlDatabase();
    QSqlDatabase::removeDatabase(name);
}

bool Connection::run(const char *statement)
{
    return QSqlQuery(m_connection).exec(QString::fromLatin1(statement));
}

QVariant Connection::value(const char *statement)
{
    QSqlQuery query(m_connection);
    return query.exec(QString::fromLatin1(statement)) && query.next() ? query.value(0) : QVariant();
}

QByteArrayList Connection::files()
{
    QByteArrayList lines;
    QSqlQuery query(m_connection);
    if (!query.exec(QStringLiteral("SELECT sha256, path FROM files")))
        qFatal("%s", qPrintable(query.lastError().text()));
    while (query.next())
        lines += query.value(0).toByteArray().toHex() + ' ' + escaped(query.value(1).toByteArray());
    return DemoSupport::sorted(lines);
}

bool Connection::isSound()
{
    const char *tornBatches = "SELECT count(*) FROM batches WHERE files !="
                              " (SELECT count(*) FROM files WHERE batch = batches.id)";
    return value("PRAGMA integrity_check").toString() == QStringLiteral("ok")
            && value(tornBatches).toInt() == 0;
}

QByteArrayList filesIn(const QByteArray &path)
{
    return Connection(path).files();
}

QByteArrayList filesBelow(const QByteArray &folder)
{
    QByteArrayList lines;
    const QByteArrayList sums = DemoSupport::linesOf(DemoSupport::sha256sums(folder));
    for (QByteArray line : sums) {
        if (line.startsWith('\\')) // the name is an escaped one
            line.remove(0, 1);
        lines += line.replace(64, 2, " ");
    }
    return DemoSupport::sorted(lines);
}

QByteArrayList indexedIn(const QByteArrayList &log)
{
    QByteArrayList lines;
    for (const QByteArray &line : log) {
        if (line.startsWith("indexed "))
            lines += line.mid(8);
    }
    return DemoSupport::sorted(lines);
}

} // namespace IndexSupport
