// SPDX-License-Identifier: MIT
// What slots throw: the step that called them is done all the same, and the exception goes on.

#include "thrown_p.h"

#include "common/logging_p.h"
#include "graph/graph_p.h"

namespace GoProcess::Private {

static void logUncaught(const QString &path, const std::exception_ptr &thrown) noexcept
{
    warnCritical(
            QStringLiteral("A slot has thrown an exception in a step of process \"%1\" where "
                           "no caller can catch it: %2. The step counts as done, and what closes "
                           "goes on")
                    .arg(path, Error::fromException(thrown).message()));
}

void logUncaught(const QString &path) noexcept
{
    logUncaught(path, std::current_exception());
}

void Thrown::keep() noexcept
{
    if (m_first)
        logUncaught(m_node.path());
    else
        m_first = std::current_exception();
}

void Thrown::log() const noexcept
{
    if (m_first)
        logUncaught(m_node.path(), m_first);
}

} // namespace GoProcess::Private
