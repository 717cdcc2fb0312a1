// SPDX-License-Identifier: MIT
// A progress line below, sentences above, and at the end what there is to tell.

#include "terminal.h"

#include "database.h"
#include "query.h"

#include "common/console.h"
#include "common/names.h"
#include "common/progress.h"

#include <GoProcess/Bindings>

#include <QCoreApplication>

#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace Demo {

namespace {

constexpr int mostMatches = 10'000;

void printMatches(const Matches &matches, Console &console)
{
    for (const Match &match : matches.first) {
        const QByteArray line = escaped(match.path) + '\n';
        std::fwrite(line.constData(), 1, size_t(line.size()), stdout);
    }
    if (matches.total > matches.first.size())
        console.say(QStringLiteral("and %1 more").arg(matches.total - matches.first.size()));
    if (matches.total == 0)
        console.say(QStringLiteral("No file has such a name"));
}

/// Where no indexer answers, the index may be there all the same.
int queryIndex(const QByteArray &path, const QString &pattern, Console &console)
{
    Matches matches;
    GoProcess::Error error;
    {
        Database database(path);
        error = database.openToLookAt();
        if (!error)
            error = database.find(pattern, mostMatches, &matches);
    }
    if (error) {
        console.say(error.message());
        return EXIT_FAILURE;
    }
    printMatches(matches, console);
    return matches.total > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

} // namespace

int indexInTerminal(const Task &task)
{
    Console console;
    // What is restored at the end: a SIGTERM that comes late does not change how the program ends.
    std::signal(SIGTERM, [](int /*signal*/) {});
    GoProcess::Process interrupted;
    GoProcess::closeOnSignals(&interrupted, { SIGINT }); // a second one ends the program
    GoProcess::Process terminated;
    GoProcess::closeOnSignals(&terminated, { SIGTERM }, GoProcess::FurtherSignal::IsIgnored);
    Run run(task, console);
    GoProcess::Process *root = run.root();
    const auto stop = [&run, root] {
        if (!root->isClosing())
            run.log().say(QStringLiteral("Stopping; a second Ctrl-C ends at once"));
        root->close();
    };
    QObject::connect(&interrupted, &GoProcess::Process::closing, root, stop);
    QObject::connect(&terminated, &GoProcess::Process::closing, root, stop);
    // The event loop runs until everything has closed, and only then.
    QObject::connect(root, &GoProcess::Process::closed, qApp, &QCoreApplication::quit);

    Progress progress([&run] { return run.progress(); }, console);
    progress.start();
    run.start();
    QCoreApplication::exec();
    progress.stop();

    std::fputs(run.summary().toLocal8Bit().constData(), stdout);
    return run.exitStatus();
}

int queryInTerminal(const QByteArray &database, const QString &pattern)
{
    Console console;
    Query query(database);
    QObject::connect(&query, &Query::answered, qApp, [&console](const Matches &matches) {
        printMatches(matches, console);
        QCoreApplication::exit(matches.total > 0 ? EXIT_SUCCESS : EXIT_FAILURE);
    });
    QObject::connect(&query, &Query::failed, qApp, [&](const QString &sentence) {
        if (!query.hasMetIndexer() && Database::exists(database)) {
            QCoreApplication::exit(queryIndex(database, pattern, console));
            return;
        }
        console.say(
                sentence
                + (query.hasMetIndexer() ? QString() : QStringLiteral(", and there is no index")));
        QCoreApplication::exit(EXIT_FAILURE);
    });
    // In the event loop, so that its end is not missed.
    QMetaObject::invokeMethod(
            &query, [&query, &pattern] { query.ask(pattern, mostMatches); }, Qt::QueuedConnection);
    return QCoreApplication::exec();
}

} // namespace Demo
