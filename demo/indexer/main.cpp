// SPDX-License-Identifier: MIT
// A program that keeps an index of a folder, in a window or in the terminal.

#include "options.h"
#include "terminal.h"
#ifdef INDEXER_WINDOW
#  include "window.h"
#endif

#include <QCoreApplication>

#include <csignal>
#include <cstdio>
#include <variant>

#include <unistd.h>

namespace {

bool hasDisplay()
{
    return !qEnvironmentVariableIsEmpty("WAYLAND_DISPLAY")
            || !qEnvironmentVariableIsEmpty("DISPLAY")
            || !qEnvironmentVariableIsEmpty("QT_QPA_PLATFORM");
}

int explainWhatToDo()
{
    std::fputs("There is neither a display for the window nor a terminal.\n"
               "indexer --no-window indexes without either; indexer --help tells more.\n",
               stderr);
    return 2;
}

} // namespace

int main(int argc, char **argv)
{
    std::signal(SIGPIPE, SIG_IGN); // a reader that went away is an error of the write
    QCoreApplication::setOrganizationName(QStringLiteral("GoProcess"));
    QCoreApplication::setApplicationName(QStringLiteral("indexer"));
    const auto parsed = Demo::parseOptions(argc, argv);
    if (const int *status = std::get_if<int>(&parsed))
        return *status;

    const Demo::Options &options = *std::get_if<Demo::Options>(&parsed);
    const bool inTerminal = options.noWindow || options.task.once || options.query;
#ifdef INDEXER_WINDOW
    if (!inTerminal && hasDisplay())
        return Demo::indexInWindow(options.task, argc, argv);
#endif
    if (!inTerminal && !hasDisplay() && ::isatty(STDERR_FILENO) != 1)
        return explainWhatToDo();

    const QCoreApplication application(argc, argv);
    return options.query ? Demo::queryInTerminal(options.task.database, *options.query)
                         : Demo::indexInTerminal(options.task);
}
