// SPDX-License-Identifier: MIT
// A system that refuses the thread of the clock, once in a program, whose message handler uses the
// library.

#include <GoProcess/Bindings>

#include <QTest>

#include <atomic>
#include <cerrno>
#include <dlfcn.h>
#include <pthread.h>

using GoProcess::Process;

namespace {

std::atomic<bool> refusesThreads = false;
Process *logger = nullptr;
std::atomic<int> warnings = 0;

/// A log that is closed some time after the first line.
void log(QtMsgType, const QMessageLogContext &, const QString &message)
{
    if (message.contains(QLatin1String("The thread of the clock cannot be started"))
        && warnings++ == 0)
        GoProcess::closeAt(logger, QDeadlineTimer(1));
}

} // namespace

/// In the place of the system's.
extern "C" Q_DECL_EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                                            void *(*function)(void *), void *data) noexcept
{
    using Create = int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    static const auto create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
    return refusesThreads ? EAGAIN : create(thread, attributes, function, data);
}

class ClockThread : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void theHandlerOfTheWarningMayStartATimer();
};

void ClockThread::theHandlerOfTheWarningMayStartATimer()
{
    Process closedAtOnce;
    Process closedByTheHandler;
    logger = &closedByTheHandler;
    const QtMessageHandler before = qInstallMessageHandler(log);
    refusesThreads = true;
    const bool bound = GoProcess::closeAt(&closedAtOnce, QDeadlineTimer(1));
    refusesThreads = false;
    qInstallMessageHandler(before);
    QVERIFY(bound);
    QCOMPARE(warnings.load(), 1); // Qt tells a handler of no messages that it causes

    // The next timer has started it.
    Process next;
    QVERIFY(GoProcess::closeAt(&next, QDeadlineTimer(1)));
    for (Process *process : { &closedAtOnce, &closedByTheHandler, &next })
        QVERIFY(process->waitForClosed(QDeadlineTimer(30'000)));
}

QTEST_GUILESS_MAIN(ClockThread)

#include "tst_clockthread.moc"
