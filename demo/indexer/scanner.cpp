// SPDX-License-Identifier: MIT
// One scan at a time.

#include "scanner.h"

#include <utility>

namespace Demo {

Scanner::Scanner(ScanContext context) : m_context(std::move(context))
{
    m_process.setName(QStringLiteral("scanner"));
    // The walk must not wait for the storage any more.
    QObject::connect(&m_process, &GoProcess::Process::closing, &m_process,
                     [this] { m_context.backlog.close(); });
}

std::shared_ptr<Scan> Scanner::scan()
{
    std::shared_ptr<Scan> last; // destroyed after the lock is released
    const std::lock_guard<std::mutex> lock(m_mutex);
    if (m_scan && !m_scan->process()->isClosed())
        return m_scan;
    last = std::move(m_scan);
    m_scan = std::make_shared<Scan>(m_context, ++m_scanCount);
    m_scan->start(&m_process);
    return m_scan;
}

} // namespace Demo
