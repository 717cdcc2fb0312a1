// SPDX-License-Identifier: MIT
// Logs errors that the program has not asked for and cannot ask for any more.

#ifndef GOPROCESS_ERRORLOG_P_H
#define GOPROCESS_ERRORLOG_P_H

#include "graph_p.h"

namespace GoProcess::Private {

/// An error is heard once the library has given it, or a list with it, to the program, or once it
/// stands in a log. All copies of it are then.
class ErrorLog
{
public:
    static void hear(const Error &error);
    static void hear(const TreeErrors &errors);
    /// True for no error, too.
    static bool isHeard(const Error &error);

    /// The object of \a node, which is Closed, is being destroyed, and no caller can ask it any
    /// more: logs what failed at or below it, unless it was heard or a process above keeps it.
    static void objectGoes(const Node &node)
    {
        if (Graph::hasErrors(node))
            logUnhandled(node);
    }

private:
    static void logUnhandled(const Node &node);
};

} // namespace GoProcess::Private

#endif
