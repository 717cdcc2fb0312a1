// SPDX-License-Identifier: MIT
// What the tests of the indexer read from its database.

#ifndef INDEXSUPPORT_H
#define INDEXSUPPORT_H

#include <QByteArray>
#include <QByteArrayList>
#include <QSqlDatabase>

namespace IndexSupport {

/// A connection of the test's own to the database at \a path, as of any other program.
class Connection
{
public:
    explicit Connection(const QByteArray &path);
    Q_DISABLE_COPY_MOVE(Connection)
    ~Connection();

    /// Runs \a statement; false if it fails.
    bool run(const char *statement);
    /// The first column of the first row that \a statement gives.
    QVariant value(const char *statement);
    /// What is in the index: "HASH PATH" for each file, sorted, PATH escaped.
    QByteArrayList files();
    /// True if SQLite finds nothing wrong, and every batch is whole.
    bool isSound();

private:
    QSqlDatabase m_connection;
};

/// What is in the index at \a path.
QByteArrayList filesIn(const QByteArray &path);
/// "HASH PATH" as sha256sum says of all regular files below \a folder, sorted, PATH escaped.
QByteArrayList filesBelow(const QByteArray &folder);
/// "HASH PATH" of the lines "indexed HASH PATH" of \a log, sorted.
QByteArrayList indexedIn(const QByteArrayList &log);

} // namespace IndexSupport

#endif
