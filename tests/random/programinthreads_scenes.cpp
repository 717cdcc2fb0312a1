// SPDX-License-Identifier: MIT
// Closes that a program in threads makes and awaits in one piece: in waits, event loops and moves,
// and in calls that the library makes.
//
// Locals outlive the event loops here: clazy:excludeall=lambda-in-connect

#include "intruder.h"
#include "programinthreads.h"

#include <QEvent>

#include <thread>

using GoProcess::Process;

using TestSupport::Thread;

namespace RandomPrograms {

/// What needs no other thread: any thread may wait for it, in the middle of any step (R37, R39).
void ProgramInThreads::help()
{
    bool isTornDown = false;
    Process helper([&isTornDown] { isTornDown = true; });
    int others = 0;
    const Counting wait(depth.steps > 0 ? depth.helpers : others);
    const bool isClosed = !helper.closeAndWait();
    check(isClosed && isTornDown, "A process that waits for nothing", -1);
}

/// R40: a step may run an event loop, in which the closes of its thread go on.
void ProgramInThreads::nest()
{
    constexpr int deepest = 2;
    if (depth.steps == 0 || depth.nestedLoops == deepest || !isLasting(QThread::currentThread()))
        return;
    const Counting nested(depth.nestedLoops);
    QEventLoop loop;
    Process process([] {});
    QObject::connect(&process, &Process::closed, &loop, &QEventLoop::quit);
    process.close();
    QTimer::singleShot(patience.load(), &loop, &QEventLoop::quit);
    loop.exec();
    check(process.isClosed(), "A close in a nested event loop", -1);
    nestInWait();
}

/// R40: the same in a step that a wait runs, of what another thread has closed while this one
/// slept.
void ProgramInThreads::nestInWait()
{
    std::array<Process, 2> lower;
    Process upper;
    bool isFirst = true;
    for (std::size_t i = 0; i < lower.size(); ++i) {
        upper.addChild(&lower[i]);
        QObject::connect(
                &lower[i], &Process::closing, &lower[i],
                [this, &isFirst, other = &lower[1 - i]] {
                    if (!std::exchange(isFirst, false))
                        return;
                    bool isTold = false;
                    QEventLoop loop;
                    QObject::connect(
                            other, &Process::closing, &loop,
                            [&] {
                                isTold = true;
                                loop.quit();
                            },
                            Qt::DirectConnection);
                    QTimer::singleShot(patience.load(), &loop, &QEventLoop::quit);
                    loop.exec();
                    check(isTold, "closing() in a nested event loop in a wait", -1);
                },
                Qt::DirectConnection);
    }
    Thread closer([&upper] {
        std::this_thread::sleep_for(std::chrono::microseconds(100)); // until the other one sleeps
        upper.close();
    });
    upper.waitForClosed();
}

/// R36: any thread may close it meanwhile: its new home runs its steps, without any help of the old
/// one.
void ProgramInThreads::relocate(const Operation &operation)
{
    /// Waits in moveToThread(), for those that are closed before.
    class Child final : public QObject
    {
    public:
        Child(Process &process, Verdict &verdict)
            : QObject(&process), m_process(process), m_verdict(verdict)
        {
        }
        bool event(QEvent *event) override
        {
            if (event->type() == QEvent::ThreadChange && m_process.isClosing()) {
                m_verdict.check(m_process.waitForClosed(QDeadlineTimer(patience.load())),
                                QStringLiteral("A wait in moveToThread()"));
            }
            return QObject::event(event);
        }

    private:
        Process &m_process;
        Verdict &m_verdict;
    };

    OpenFuture future;
    Process process;
    if (operation.b % 3 == 2)
        process.setTeardown([&future] { return future.future(); },
                            [&future] { future.finish(Outcome::Succeeds); });
    else
        process.setTeardown([] {});

    std::atomic<bool> begins = false;
    Thread other;
    const auto moveWhile = [&](std::function<void()> function) {
        other = Thread([&begins, function = std::move(function)] {
            begins = true;
            function();
        });
        while (!begins) { }
        for (int i = 0; i < 40 * operation.a && !process.isClosing(); ++i) { }
        process.moveToThread(&threads->helper);
    };
    switch (operation.b % 3) {
    case 0:
        new Child(process, m_verdict);
        process.close();
        process.moveToThread(&threads->helper);
        break;
    case 1:
        moveWhile([&] { process.close(); });
        break;
    default:
        process.close();
        help(); // runs what is due here: from here on the teardown waits for its future
        moveWhile([&] {
            for (int i = 0; i < 100 * operation.at; ++i)
                std::atomic_signal_fence(std::memory_order_seq_cst);
            future.finish(Outcome::Succeeds);
        });
        process.waitForClosed(QDeadlineTimer(1)); // its new home ends it, not this wait
    }
    const QDeadlineTimer end(patience.load());
    while (!process.isClosed() && !end.hasExpired())
        std::this_thread::yield();
    check(process.isClosed(), "A process that moved while it was closed", -1);
    process.waitForClosed();
}

/// A message handler that is told that a wait takes long may end the wait.
void ProgramInThreads::beClosed()
{
    if (!mayWaitLong())
        return;
    Process process([] {});
    closedByHandler = &process;
    check(process.waitForClosed(QDeadlineTimer(std::chrono::seconds(10))),
          "A wait for what the message handler closed", -1);
    closedByHandler = nullptr;
}

void ProgramInThreads::makeThread(const Operation &operation)
{
    EndingThreadPlan plan;
    plan.isStarted = operation.b % 4 != 3;
    plan.isDisconnected = operation.b % 4 == 2;
    plan.workers = operation.b % 4 == 1 ? 2 : 0;
    plan.isLibraryFirst = operation.b < 4;
    if (const SubjectPtr held = operation.at % 2 == 0 ? at(operation.at) : nullptr) {
        const Uncounted uncounted; // it may have begun its teardown
        plan.hold = held->process->hold();
    }
    m_endingThreads.make(operation.a % EndingThreads::places, std::move(plan));
}

/// Where the library calls code of its users.
void ProgramInThreads::intrude()
{
    const int what = m_intrusion;
    const SubjectPtr subject = what < 0 ? nullptr : at(what / 4);
    if (!subject)
        return;
    Process &process = *subject->process;
    static_cast<void>(process.path());
    static_cast<void>(process.treeErrors());
    switch (what % 4) {
    case 1:
        process.waitForClosed(QDeadlineTimer(1));
        break;
    case 2:
        if (!process.isClosing()) // refused, the message would come by no handler
            process.hold().release();
        break;
    case 3:
        process.close();
        break;
    default:
        break;
    }
}

} // namespace RandomPrograms
