// SPDX-License-Identifier: MIT
// Logs errors that the program has not asked for and cannot ask for any more.

#include "errorlog_p.h"

#include "common/logging_p.h"

namespace GoProcess::Private {

void ErrorLog::hear(const TreeErrors &errors)
{
    for (const TreeErrors::Entry &entry : errors.entries)
        hear(entry.error.error);
}

void ErrorLog::logUnhandled(const Node &node)
{
    constexpr int named = 20;

    if (Graph::areErrorsKept(node))
        return;
    const TreeErrors errors = Graph::treeErrors(node);
    QString list;
    int count = 0;
    for (const TreeErrors::Entry &entry : errors.entries) {
        if (isHeard(entry.error.error))
            continue;
        if (++count <= named)
            list += QStringLiteral("\n  %1: %2").arg(entry.error.path, entry.error.error.message());
        hear(entry.error.error); // once
    }
    if (count == 0)
        return;
    if (count > named)
        list += QStringLiteral("\n  and %1 more").arg(count - named);
    warn(QStringLiteral("Process \"%1\" goes, and nobody has asked what failed:%2")
                 .arg(node.path(), list));
}

} // namespace GoProcess::Private
