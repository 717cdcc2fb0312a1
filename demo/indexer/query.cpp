// SPDX-License-Identifier: MIT
// Lines, and the client that sends and reads them.

#include "query.h"

#include "common/names.h"

#include <QCryptographicHash>
#include <QDir>
#include <QStringView>

#include <algorithm>
#include <utility>

#include <unistd.h>

namespace Demo {

QString socketName(const QByteArray &database)
{
    // Short, whatever the database's name is: sockets have room for about 100 bytes.
    const QByteArray id = QCryptographicHash::hash(database, QCryptographicHash::Sha256).toHex();
    const QString folder = qEnvironmentVariable("XDG_RUNTIME_DIR", QDir::tempPath());
    return QStringLiteral("%1/goprocess-indexer-%2-%3")
            .arg(folder)
            .arg(::getuid())
            .arg(QString::fromLatin1(id.left(16)));
}

QByteArray questionLine(const Question &question)
{
    return QByteArray::number(question.limit) + ' ' + escaped(question.pattern.toUtf8()) + '\n';
}

std::optional<Question> parseQuestion(const QByteArray &line)
{
    const qsizetype space = line.indexOf(' ');
    bool isNumber = false;
    const int limit = line.left(space).toInt(&isNumber);
    const std::optional<QByteArray> pattern = unescaped(QByteArrayView(line).sliced(space + 1));
    if (space < 0 || !isNumber || limit < 0 || !pattern || pattern->isEmpty())
        return std::nullopt;
    return Question { limit, QString::fromUtf8(*pattern) };
}

QByteArray answerLines(const Matches &matches)
{
    QByteArray lines;
    for (const Match &match : matches.first) {
        lines += "file " + QByteArray::number(match.size) + ' ' + QByteArray::number(match.modified)
                + ' ' + escaped(match.path) + '\n';
    }
    return lines + "end " + QByteArray::number(matches.total) + '\n';
}

QByteArray errorLine(const QString &sentence)
{
    return "error " + escaped(sentence.toUtf8()) + '\n';
}

Query::Query(QByteArray database) : m_database(std::move(database))
{
    connect(&m_socket, &QLocalSocket::connected, this, &Query::send);
    connect(&m_socket, &QLocalSocket::readyRead, this, &Query::read);
    connect(&m_socket, &QLocalSocket::errorOccurred, this, [this](auto error) {
        if (!m_isAsking)
            return;
        if (error == QLocalSocket::PeerClosedError)
            fail(QStringLiteral("the indexer has ended"));
        else
            fail(QStringLiteral("no indexer is running on %1").arg(shown(m_database)));
    });
}

void Query::ask(const QString &pattern, int limit)
{
    m_question = Question { limit, pattern };
    if (m_isAsking)
        return;
    m_isAsking = true;
    if (m_socket.state() == QLocalSocket::ConnectedState)
        send();
    else
        m_socket.connectToServer(socketName(m_database));
}

void Query::send()
{
    m_hasMetIndexer = true;
    m_matches = {};
    m_socket.write(questionLine(*std::exchange(m_question, std::nullopt)));
}

void Query::read()
{
    while (m_isAsking && m_socket.canReadLine()) {
        QByteArray line = m_socket.readLine();
        line.chop(1);
        take(line);
    }
}

void Query::take(const QByteArray &line)
{
    const QByteArrayView rest = QByteArrayView(line).sliced(line.indexOf(' ') + 1);
    if (line.startsWith("end ")) {
        m_matches.total = rest.toByteArray().toLongLong();
        finish();
    } else if (line.startsWith("error ")) {
        fail(QString::fromUtf8(unescaped(rest).value_or(QByteArray())));
    } else if (line.startsWith("file ")) {
        const qsizetype first = line.indexOf(' ', 5);
        const qsizetype second = line.indexOf(' ', first + 1);
        if (const auto path = unescaped(QByteArrayView(line).sliced(second + 1));
            path && second > 0)
            m_matches.first.append({ *path, line.mid(5, first - 5).toLongLong(),
                                     line.mid(first + 1, second - first - 1).toLongLong() });
    }
}

void Query::finish()
{
    if (m_question) {
        send(); // a newer question: the caller does not need the answer to this one
        return;
    }
    m_isAsking = false;
    Q_EMIT answered(m_matches);
}

void Query::fail(const QString &sentence)
{
    m_isAsking = false;
    m_question.reset();
    m_socket.abort();
    Q_EMIT failed(sentence);
}

} // namespace Demo
