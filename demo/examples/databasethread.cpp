// SPDX-License-Identifier: MIT
// A database that lives in a thread of its own, as QSqlDatabase wants it: opened there, used there
// by functions that are posted to it, and closed there, after all that was posted.

#include <GoProcess/Adaptors>

#include <QCoreApplication>
#include <QSqlDatabase>
#include <QSqlError>
#include <QSqlQuery>
#include <QTimer>

#include <cstdio>

using GoProcess::Error;
using GoProcess::Process;

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    const QString name = QStringLiteral("notes");
    Process root([] { std::puts("root: closed"); });
    Process *database = GoProcess::inThread(name, &root);
    database->post([name]() -> Error {
        QSqlDatabase db = QSqlDatabase::addDatabase(QStringLiteral("QSQLITE"), name);
        db.setDatabaseName(QStringLiteral(":memory:"));
        return db.open() ? Error() : Error(db.lastError().text()); // which closes the process
    });
    database->setTeardown([name, database] {
        const bool isThere = QThread::currentThread() == database->thread();
        QSqlDatabase::removeDatabase(name);
        std::puts(isThere ? "database: closed in its thread" : "database: closed elsewhere");
    });

    const auto run = [database, name](const QString &sql) {
        database->post([name, sql]() -> Error {
            QSqlQuery query(QSqlDatabase::database(name));
            if (!query.exec(sql))
                return query.lastError().text();
            while (query.next())
                std::printf("database: %d notes\n", query.value(0).toInt());
            return {};
        });
    };
    run(QStringLiteral("CREATE TABLE note (text TEXT)"));
    run(QStringLiteral("INSERT INTO note VALUES ('buy milk'), ('call home')"));
    run(QStringLiteral("SELECT count(*) FROM note"));

    QObject::connect(&root, &Process::closed, &app, &QCoreApplication::quit, Qt::QueuedConnection);
    QTimer::singleShot(0, &root, &Process::close); // what was posted still runs
    const int status = QCoreApplication::exec();
    return root.treeErrors().isEmpty() ? status : 1;
}
