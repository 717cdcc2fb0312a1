// SPDX-License-Identifier: MIT
// The subsystem that keeps what the others report.

#ifndef INDEXER_LOG_H
#define INDEXER_LOG_H

#include "record.h"

#include "common/posix.h"

#include <GoProcess/Process>

#include <QByteArray>
#include <QList>
#include <QObject>
#include <QString>

#include <mutex>

namespace Demo {

class Console;

/// Says sentences, and writes all that happened to a file, if there is one. For any thread, until its
/// process, which closes last of all, is closed.
///
/// A line of the file begins with `indexed`, `removed` or `said`. A file is reported as indexed once
/// that survives whatever happens to the program.
class Log : public QObject
{
    Q_OBJECT

public:
    explicit Log(Console &console);

    /// Replaces what \a name, which is absolute, has listed before. An empty one: no file.
    GoProcess::Error open(const QByteArray &name);

    GoProcess::Process *process() { return &m_process; }

    void say(const QString &sentence);
    GoProcess::Error indexed(const QList<Record> &records);
    GoProcess::Error removed(const QList<QByteArray> &paths);

    /// The last sentence.
    QString lastSentence() const;

Q_SIGNALS:
    /// Emitted in any thread after each sentence.
    void said();

private:
    GoProcess::Error write(const QByteArray &lines);
    GoProcess::Error complete();

    Console &m_console;
    QByteArray m_name;

    mutable std::mutex m_mutex;
    FileDescriptor m_file; // written under m_mutex, so that lines stay whole
    QString m_lastSentence; // guarded by m_mutex

    // Last, so that it closes before what its teardown uses is gone.
    GoProcess::Process m_process;
};

} // namespace Demo

#endif
