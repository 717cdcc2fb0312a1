// SPDX-License-Identifier: MIT
// Programs that end with open processes. Usage: leftopen VARIANT
//
// Static objects are what it is about: clazy:excludeall=non-pod-global-static

#include <GoProcess/GoProcess>

#include <QCoreApplication>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#ifdef Q_OS_UNIX
#  include <sys/wait.h>
#  include <unistd.h>
#endif

using GoProcess::Hold;
using GoProcess::Process;

namespace {

void flushed()
{
    std::puts("flushed");
}

Process *makeRoot(const QString &name)
{
    auto *const root = new Process;
    root->setName(name);
    auto *const database = new Process(flushed, root);
    database->setName(QStringLiteral("database"));
    return root;
}

// Made before the library has any reason to do anything at the end of the program.
Process staticRoot;
std::unique_ptr<Process> staticPointer;

void heap()
{
    makeRoot(QStringLiteral("app"));
}

void closed()
{
    makeRoot(QStringLiteral("app"))->closeAndWait();
}

void statics()
{
    staticRoot.setTeardown(flushed);
    staticPointer.reset(makeRoot(QStringLiteral("app")));
}

void withoutTeardown()
{
    static_cast<void>(new Process);
}

void many()
{
    for (int i = 0; i < 25; ++i)
        makeRoot(QStringLiteral("app%1").arg(i));
}

void exitOverTheStack()
{
    Process root(flushed);
    root.setName(QStringLiteral("app"));
    std::exit(0);
}

/// Its close does not end either, and is watched meanwhile.
void stuckClose()
{
    Process *const root = makeRoot(QStringLiteral("app"));
    static_cast<void>(new Hold(root->hold()));
    root->close();
}

/// Threads destroy Closed processes that had their teardown late while the end of the program looks
/// at them.
void destroyedMeanwhile()
{
    static std::atomic<int> count = 0;
    for (int i = 0; i < 4; ++i) {
        std::thread([] {
            for (;; ++count) {
                Process process;
                process.closeAndWait();
                process.setTeardown([] {});
            }
        }).detach();
    }
    while (count < 2000)
        std::this_thread::yield();
}

#ifdef Q_OS_UNIX
void forked()
{
    const Process root;
    Process other(flushed);
    if (fork() == 0)
        std::exit(0); // the stack is the parent's
    int status = 0;
    wait(&status);
}
#endif

} // namespace

int main(int argc, char **argv)
{
    const QCoreApplication app(argc, argv);
    const std::map<std::string, std::function<void()>> variants {
        { "heap", heap },
        { "closed", closed },
        { "statics", statics },
        { "withoutTeardown", withoutTeardown },
        { "many", many },
        { "exitOverTheStack", exitOverTheStack },
        { "stuckClose", stuckClose },
        { "destroyedMeanwhile", destroyedMeanwhile },
#ifdef Q_OS_UNIX
        { "forked", forked },
#endif
    };
    variants.at(argv[1])();
    return 0;
}
