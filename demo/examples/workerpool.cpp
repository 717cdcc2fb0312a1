// SPDX-License-Identifier: MIT
// A pool of workers: any number of works are queued, and three of them run at once. The pool closes
// when the last one has ended. Closed before, it would drop those that have not started.

#include <GoProcess/Process>
#include <GoProcess/RateLimiter>

#include <QCoreApplication>
#include <QThread>

#include <atomic>
#include <cstdio>

using GoProcess::Process;

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    std::atomic<int> running = 0;
    std::atomic<int> done = 0;
    std::atomic<bool> isTooMany = false;

    GoProcess::RateLimiter pool(QStringLiteral("pool"), 3); // after what its works use
    for (int i = 0; i < 10; ++i) {
        pool.queueGo([&] { // returns at once
            if (++running > pool.limit())
                isTooMany = true;
            QThread::msleep(20);
            --running;
            ++done;
        });
    }
    std::puts("10 works are queued");
    QObject::connect(&pool, &Process::closed, &app, &QCoreApplication::quit, Qt::QueuedConnection);
    pool.closeAfterChildren();
    const int status = QCoreApplication::exec();
    std::printf("%d works are done, %s\n", int(done), isTooMany ? "too many at once" : "3 at once");
    return status;
}
