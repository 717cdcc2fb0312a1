// SPDX-License-Identifier: MIT
// The local socket that answers questions.

#ifndef INDEXER_SERVER_H
#define INDEXER_SERVER_H

#include "database.h"

#include <GoProcess/Error>

#include <QByteArray>
#include <QLocalServer>
#include <QObject>

QT_BEGIN_NAMESPACE
class QLocalSocket;
QT_END_NAMESPACE

namespace Demo {

/// Lives in one thread, in which it is made and destroyed.
class Server : public QObject
{
    Q_OBJECT

public:
    explicit Server(const QByteArray &database);
    /// Ends all connections.
    ~Server() override;

    GoProcess::Error open();

private:
    void acceptAll();
    void read(QLocalSocket *client);
    void answer(QLocalSocket *client, const QByteArray &line);

    const QByteArray m_databasePath;
    Database m_database;
    QLocalServer m_listener; // which owns the clients
};

} // namespace Demo

#endif
