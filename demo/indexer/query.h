// SPDX-License-Identifier: MIT
// Asking a running indexer: the client, and what both sides say.
//
// A client sends lines "LIMIT PATTERN". The answer to each is a line "file SIZE MODIFIED PATH" for
// each file, and then "end TOTAL", or "error SENTENCE". PATTERN, PATH and SENTENCE are escaped as
// sha256sum escapes names. Whatever else arrives ends the connection.

#ifndef INDEXER_QUERY_H
#define INDEXER_QUERY_H

#include "database.h"

#include <QByteArray>
#include <QLocalSocket>
#include <QObject>
#include <QString>

#include <optional>

namespace Demo {

constexpr qint64 longestLine = 65'536; // bytes

/// The name of the socket of the indexer that writes \a database, which is absolute.
QString socketName(const QByteArray &database);

struct Question
{
    int limit;
    QString pattern;
};
QByteArray questionLine(const Question &question);
std::optional<Question> parseQuestion(const QByteArray &line);
QByteArray answerLines(const Matches &matches);
QByteArray errorLine(const QString &sentence);

/// Asks one question after another.
class Query : public QObject
{
    Q_OBJECT

public:
    explicit Query(QByteArray database);

    /// Asks for files whose names contain \a pattern, as Database::find() does. Until the answer is
    /// there, only the last of further questions is remembered, and asked then.
    void ask(const QString &pattern, int limit);
    /// True once an indexer was there.
    bool hasMetIndexer() const { return m_hasMetIndexer; }

Q_SIGNALS:
    void answered(const Demo::Matches &matches);
    /// No indexer answers, or not as it should.
    void failed(const QString &sentence);

private:
    void send();
    void read();
    void take(const QByteArray &line);
    void finish();
    void fail(const QString &sentence);

    const QByteArray m_database;
    QLocalSocket m_socket;
    std::optional<Question> m_question; // the next one
    bool m_isAsking = false;
    bool m_hasMetIndexer = false;
    Matches m_matches; // so far
};

} // namespace Demo

#endif
