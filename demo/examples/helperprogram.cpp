// SPDX-License-Identifier: MIT
// A helper program as a process of the tree: closing it ends its input, so that it works off what
// it has got, and waits until it has ended. One that does not end in 5 s is asked by SIGTERM, then
// killed.

#include <GoProcess/Adaptors>

#include <QCoreApplication>
#include <QProcess>
#include <QTimer>

#include <cstdio>

using GoProcess::Process;
using namespace std::chrono_literals;

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    QProcess sort;
    sort.start(QStringLiteral("sort"), {});

    // After sort, so that it closes before sort is destroyed.
    Process root([] { std::puts("root: closed"); });
    Process *helper = GoProcess::adopt(QStringLiteral("sort"), &sort, &root, 5s,
                                       GoProcess::ProgramEnd::EndOfInput);
    QObject::connect(helper, &Process::closed, &sort, [&sort, helper] {
        std::printf("sort: %s", sort.readAllStandardOutput().constData());
        std::puts(helper->error() ? "sort: failed" : "sort: has ended well");
    });
    sort.write("pear\nplum\napple\n");

    QObject::connect(&root, &Process::closed, &app, &QCoreApplication::quit, Qt::QueuedConnection);
    QTimer::singleShot(100ms, &root, &Process::close);
    return QCoreApplication::exec();
}
