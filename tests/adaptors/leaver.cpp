// SPDX-License-Identifier: MIT
// Ends while a program that it started, and adopted, still runs. Prints the id of that program.
// The argument says what is left: "owned" (by the application), "stack" or "leaked" (without an
// owner).

#include <GoProcess/Adaptors>

#include <QCoreApplication>
#include <QProcess>
#include <QTimer>

#include <cstdio>
#include <cstring>
#include <future>
#include <thread>

static void start(QProcess &program)
{
    // Qt starts it in a child that shares the memory, by which the thread sanitizer of GCC loses
    // count when there is but one thread: it sees none of the locks after that.
    std::promise<void> hasStarted;
    std::thread second([&] { hasStarted.get_future().wait(); });
    program.start(QStringLiteral("sleep"), { QStringLiteral("1000") });
    program.waitForStarted();
    hasStarted.set_value();
    second.join();
    std::printf("%lld\n", static_cast<long long>(program.processId()));
    std::fflush(stdout);
}

int main(int argc, char **argv)
{
    QCoreApplication application(argc, argv);
    const char *what = argc > 1 ? argv[1] : "";
    QTimer::singleShot(0, &application, &QCoreApplication::quit);

    if (std::strcmp(what, "owned") == 0) {
        auto *program = new QProcess(&application);
        start(*program);
        GoProcess::adopt(program, &application);
        return QCoreApplication::exec();
    }
    if (std::strcmp(what, "stack") == 0) {
        QProcess program;
        GoProcess::Process root;
        start(program);
        GoProcess::adopt(&program, &root);
        return QCoreApplication::exec();
    }
    auto *program = new QProcess;
    start(*program);
    GoProcess::adopt(program);
    return QCoreApplication::exec();
}
