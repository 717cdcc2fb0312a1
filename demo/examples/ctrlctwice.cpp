// SPDX-License-Identifier: MIT
// Ctrl-C closes the program in order. If that hangs, as here where the disk does not answer, Ctrl-C
// once more ends it at once, with status 130. Two within half a second count as one.

#include <GoProcess/Bindings>
#include <GoProcess/Process>

#include <QCoreApplication>
#include <QThread>

#include <csignal>
#include <cstdio>

using GoProcess::Process;

void say(const char *line)
{
    std::puts(line);
    std::fflush(stdout);
}

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    Process root([] { say("root: closed"); });
    Process disk(
            [] {
                say("disk: writing; Ctrl-C again ends the program at once");
                QThread::sleep(60);
            },
            &root);
    GoProcess::closeOnSignals(&root, { SIGINT, SIGTERM });
    QObject::connect(&root, &Process::closed, &app, &QCoreApplication::quit, Qt::QueuedConnection);
    say("running until Ctrl-C");
    return QCoreApplication::exec();
}
