// SPDX-License-Identifier: MIT
// Errors that nobody has asked for and nobody can ask for any more are logged.

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

    /// The object of \a node, which is Closed, goes, and with it whoever could ask: logs what
    /// failed at or below it, unless it was heard or a process above keeps it.
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
