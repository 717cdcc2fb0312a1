// SPDX-License-Identifier: MIT
// A program that the system refuses threads for a while: see tst_faults.cpp.
//
// Prints what it has come to. Exits with 1, and says why, if something is wrong.

#include <GoProcess/GoProcess>

#include <QDeadlineTimer>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sys/resource.h>
#include <unistd.h>

using GoProcess::Process;
using GoProcess::ProcessPtr;

using namespace std::chrono_literals;

namespace {

void check(bool condition, const char *what)
{
    if (condition)
        return;
    std::fprintf(stderr, "wrong: %s\n", what);
    std::_Exit(1);
}

/// There is memory for what a program does, and not for the stack of another thread.
void allowThreads(bool allowed)
{
    rlimit limit {};
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = limit.rlim_max;
    if (!allowed) {
        unsigned long pages = 0;
        std::ifstream("/proc/self/statm") >> pages;
        limit.rlim_cur = pages * rlim_t(sysconf(_SC_PAGESIZE)) + (rlim_t(4) << 20U);
    }
    setrlimit(RLIMIT_AS, &limit);
}

} // namespace

int main(int argc, char **)
{
    // With an argument: nothing but a wait tries again, when it warns.
    const bool waitsOnly = argc > 1;
    Process root;
    root.setName(QStringLiteral("root"));
    Process beside;
    allowThreads(false);
    check(!GoProcess::inThread(QStringLiteral("db"), &root), "a process got a thread");
    const ProcessPtr work = root.go([] { return GoProcess::Error(); });
    check(work != nullptr, "the work was refused");
    check(!beside.closeAndWait(), "another process did not close");
    root.close();
    check(root.isClosing() && work->isClosing(), "close() needs a thread");
    check(!root.waitForClosed(QDeadlineTimer(50ms)), "closed before its work has run");
    std::puts("no threads");

    allowThreads(true);
    if (waitsOnly) {
        check(root.waitForClosed(QDeadlineTimer(20s)), "a wait did not go on with threads");
        std::puts("closed");
        return 0;
    }
    // The next work tries again, once threads have had the time that they need at most.
    const QDeadlineTimer end(20s);
    while (!GoProcess::go([] {})->waitForClosed(QDeadlineTimer(20ms)))
        check(!end.hasExpired(), "further works do not start");
    std::puts("next");
    check(root.waitForClosed(QDeadlineTimer(20s)), "it did not go on with threads");
    std::puts("closed");
    return 0;
}
