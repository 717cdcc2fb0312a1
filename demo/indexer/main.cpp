// SPDX-License-Identifier: MIT
// A program that keeps an index of a folder, in a window or in the terminal.

#include "common/display.h"
#include "options.h"
#include "terminal.h"
#ifdef INDEXER_WINDOW
#  include "window.h"

#  include <QGuiApplication>
#endif

#include <QCoreApplication>

#include <csignal>
#include <cstdio>
#include <variant>
#include <vector>

#include <unistd.h>

namespace {

using Demo::Options;
using Parsed = std::variant<Options, int>;

/// True if a person looks on, who can stop it.
bool hasTerminal()
{
    return ::isatty(STDOUT_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1;
}

int workInTerminal(const Options &options)
{
    if (options.query)
        return Demo::queryInTerminal(options.task.database, *options.query);
    Demo::Task task = options.task;
    // A program that reads a pipe, and a user that waits for a job, wait for its end.
    if (!task.once && !options.watch && !hasTerminal()) {
        task.once = true;
        std::fputs("Without a terminal it indexes once; --watch keeps it running.\n", stderr);
    }
    return Demo::indexInTerminal(task);
}

/// Without a window, Qt takes none of its options; they are no mistake all the same.
Parsed parseWithoutQtOptions(int argc, char **argv, Demo::Speech speech)
{
    std::vector<char *> arguments = Demo::withoutQtOptions(argc, argv);
    return Demo::parseOptions(int(arguments.size()) - 1, arguments.data(), speech);
}

#ifdef INDEXER_WINDOW
/// True unless the user has asked for something else.
bool wantsWindow(const Parsed &parsed)
{
    const auto *options = std::get_if<Options>(&parsed);
    return options && !options->noWindow && !options->task.once && !options->query;
}

/// Says why, if there is a display that does not work.
bool canOpenWindow(int argc, char **argv)
{
    if (!Demo::namesDisplay(argc, argv))
        return false;
    QString reason;
    if (Demo::canOpenWindow<QGuiApplication>(argc, argv, &reason))
        return true;
    const QString sentence = QStringLiteral("No window can be opened: %1. So this works without.\n")
                                     .arg(Demo::failedDisplay(reason));
    std::fputs(sentence.toLocal8Bit().constData(), stderr);
    return false;
}

int workInWindow(int argc, char **argv)
{
    // Takes its own options first, so that only ours are left to be parsed.
    QGuiApplication application(argc, argv);
    const Parsed parsed = Demo::parseOptions(argc, argv, Demo::Speech::Loud);
    if (const int *status = std::get_if<int>(&parsed))
        return *status;
    return Demo::indexInWindow(std::get<Options>(parsed).task);
}
#endif

} // namespace

int main(int argc, char **argv)
{
    std::signal(SIGPIPE, SIG_IGN); // a reader that went away is an error of the write
    QCoreApplication::setOrganizationName(QStringLiteral("GoProcess"));
    QCoreApplication::setApplicationName(QStringLiteral("indexer"));
#ifdef INDEXER_WINDOW
    if (wantsWindow(parseWithoutQtOptions(argc, argv, Demo::Speech::Silent))
        && canOpenWindow(argc, argv))
        return workInWindow(argc, argv);
#endif
    const Parsed parsed = parseWithoutQtOptions(argc, argv, Demo::Speech::Loud);
    if (const int *status = std::get_if<int>(&parsed))
        return *status;
    const QCoreApplication application(argc, argv);
    return workInTerminal(std::get<Options>(parsed));
}
