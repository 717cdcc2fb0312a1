// SPDX-License-Identifier: MIT
// How far a close has come, as a progress dialog would show it: how many of the processes are
// closed, and which ones the others wait for. The event loop runs, so a window would stay alive
// meanwhile.

#include <GoProcess/CloseMonitor>
#include <GoProcess/Process>

#include <QCoreApplication>
#include <QThread>
#include <QTimer>

#include <cstdio>
#include <utility>

using GoProcess::CloseMonitor;
using GoProcess::Process;

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    Process root(QStringLiteral("root"));
    Process *last = nullptr;
    for (const char *name : { "network", "search", "index", "storage" }) {
        // The teardown works on the thread pool, and its future ends it: no thread is blocked.
        auto *part = new Process(
                QString::fromLatin1(name),
                [] { return GoProcess::go([] { QThread::msleep(100); })->whenClosed(); }, &root);
        if (last)
            part->waitFor(last);
        last = part;
    }

    CloseMonitor monitor;
    monitor.setProcess(&root);
    QObject::connect(&monitor, &CloseMonitor::changed, &monitor, [&monitor, shown = -1]() mutable {
        if (monitor.closed() == std::exchange(shown, monitor.closed()))
            return; // something else has changed
        std::printf("%d of %d are closed; next: %s\n", monitor.closed(), monitor.total(),
                    qPrintable(monitor.remaining().value(0, QStringLiteral("nothing"))));
        if (monitor.closed() == monitor.total())
            QCoreApplication::quit();
    });
    QTimer::singleShot(0, &root, &Process::close);
    return QCoreApplication::exec();
}
