// SPDX-License-Identifier: MIT
// A program that writes a manifest of a folder and can be stopped at any moment.

#include "common/console.h"
#include "common/progress.h"
#include "options.h"
#include "run.h"

#include <GoProcess/Bindings>

#include <QCoreApplication>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <variant>

namespace {

int runManifest(const Demo::Options &options)
{
    Demo::Console console;
    // What is restored at the end: a SIGTERM that comes late does not change how the program ends.
    std::signal(SIGTERM, [](int /*signal*/) {});
    GoProcess::Process interrupted;
    GoProcess::closeOnSignals(&interrupted, { SIGINT }); // a second one ends the program
    GoProcess::Process terminated;
    GoProcess::closeOnSignals(&terminated, { SIGTERM }, GoProcess::FurtherSignal::IsIgnored);
    Demo::Run run(console);
    if (const GoProcess::Error error = run.open(options)) {
        console.say(error.message());
        return EXIT_FAILURE;
    }

    Demo::Progress progress([&run] { return run.counts().progress(); }, console);
    GoProcess::Process *root = run.root();
    const auto stop = [&console, root] {
        if (!root->isClosing())
            console.say(QStringLiteral("Stopping; a second Ctrl-C ends at once"));
        root->close();
    };
    QObject::connect(&interrupted, &GoProcess::Process::closing, root, stop);
    QObject::connect(&terminated, &GoProcess::Process::closing, root, stop);
    // The event loop runs until everything has closed, and only then.
    QObject::connect(root, &GoProcess::Process::closed, qApp, &QCoreApplication::quit);

    run.start();
    progress.start();
    QCoreApplication::exec();
    progress.stop();

    std::fputs(run.summary().toLocal8Bit().constData(), stdout);
    return run.exitStatus();
}

} // namespace

int main(int argc, char **argv)
{
    std::signal(SIGPIPE, SIG_IGN); // a reader that went away is an error of the write
    QCoreApplication::setOrganizationName(QStringLiteral("GoProcess"));
    QCoreApplication::setApplicationName(QStringLiteral("manifest"));
    const auto parsed = Demo::parseOptions(argc, argv);
    if (const int *status = std::get_if<int>(&parsed))
        return *status;

    QCoreApplication application(argc, argv);
    return runManifest(std::get<Demo::Options>(parsed));
}
