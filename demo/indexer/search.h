// SPDX-License-Identifier: MIT
// The subsystem that answers questions.

#ifndef INDEXER_SEARCH_H
#define INDEXER_SEARCH_H

#include <GoProcess/Adaptors>
#include <GoProcess/Process>

#include <QByteArray>
#include <QObject>
#include <QThread>

#include <memory>

namespace Demo {

class Log;
class Server;

/// A local socket, served in a thread of its own with a connection of its own to the database.
class Search : public QObject
{
    Q_OBJECT

public:
    /// \a log must outlive it. The database is opened by start().
    Search(QByteArray database, Log &log);
    ~Search() override;

    GoProcess::Process *process() { return m_ofThread.get(); }

    /// Begins to listen, later. If it cannot, it says so, and that is the error of the process.
    void start();

Q_SIGNALS:
    /// Emitted in the thread of the search, when it listens.
    void listening();
    /// Emitted there after start(), whether it listens or cannot.
    void started();
    void startRequested(QPrivateSignal);

private:
    GoProcess::Error startNow();
    GoProcess::Error complete();

    const QByteArray m_databasePath;
    Log &m_log;

    // Of the search's thread.
    std::unique_ptr<Server> m_server;
    GoProcess::Error m_error;

    QThread m_thread;
    const std::unique_ptr<GoProcess::Process> m_ofThread { GoProcess::adopt(&m_thread) };

    // Last, so that it closes before anything that its teardown uses is gone.
    GoProcess::Process m_process;
};

} // namespace Demo

#endif
