// SPDX-License-Identifier: MIT
// The server in its thread.

#include "search.h"

#include "log.h"
#include "server.h"

#include <utility>

namespace Demo {

Search::Search(QByteArray database, Log &log) : m_databasePath(std::move(database)), m_log(log)
{
    m_ofThread->setName(QStringLiteral("search"));
    m_process.setName(QStringLiteral("server"));
    m_process.setTeardown([this] { return complete(); });
    m_ofThread->addChild(&m_process);
    // A slot of the process, so that it runs where the process is at home.
    connect(this, &Search::startRequested, &m_process, [this] {
        m_error = startNow();
        if (m_error)
            m_log.say(m_error.message());
        else if (m_server)
            Q_EMIT listening();
        Q_EMIT started();
    });
    m_process.moveToThread(&m_thread);
    m_thread.setObjectName(QStringLiteral("search"));
    m_thread.start();
}

Search::~Search() = default;

void Search::start()
{
    Q_EMIT startRequested(QPrivateSignal());
}

GoProcess::Error Search::startNow()
{
    if (m_process.isClosing())
        return {};
    m_server = std::make_unique<Server>(m_databasePath);
    return m_server->open();
}

GoProcess::Error Search::complete()
{
    m_server.reset();
    return m_error;
}

} // namespace Demo
