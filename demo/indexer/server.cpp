// SPDX-License-Identifier: MIT
// Reading questions, and writing answers.

#include "server.h"

#include "query.h"

#include <QLocalSocket>

namespace Demo {

Server::Server(const QByteArray &database) : m_databasePath(database), m_database(database)
{
    m_listener.setSocketOptions(QLocalServer::UserAccessOption);
    connect(&m_listener, &QLocalServer::newConnection, this, &Server::acceptAll);
}

Server::~Server() = default;

GoProcess::Error Server::open()
{
    if (GoProcess::Error error = m_database.openToRead())
        return error;
    const QString name = socketName(m_databasePath);
    // The storage has the lock of the database: a socket that is there was left by a killed program.
    QLocalServer::removeServer(name);
    if (m_listener.listen(name))
        return {};
    return QStringLiteral("nobody can search: cannot listen on %1: %2")
            .arg(name, m_listener.errorString());
}

void Server::acceptAll()
{
    while (QLocalSocket *client = m_listener.nextPendingConnection()) {
        connect(client, &QLocalSocket::readyRead, this, [this, client] { read(client); });
        connect(client, &QLocalSocket::disconnected, client, &QObject::deleteLater);
    }
}

void Server::read(QLocalSocket *client)
{
    while (client->canReadLine()) {
        QByteArray line = client->readLine();
        line.chop(1);
        answer(client, line);
    }
    if (client->bytesAvailable() > longestLine)
        client->abort();
}

void Server::answer(QLocalSocket *client, const QByteArray &line)
{
    const std::optional<Question> question = parseQuestion(line);
    if (!question) {
        client->write(errorLine(QStringLiteral("this is not a question")));
        client->disconnectFromServer();
        return;
    }
    Matches matches;
    const GoProcess::Error error = m_database.find(question->pattern, question->limit, &matches);
    client->write(error ? errorLine(error.message()) : answerLines(matches));
}

} // namespace Demo
