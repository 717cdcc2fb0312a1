// SPDX-License-Identifier: MIT
// Periodic processes with a name, and those whose runs are in the thread of a context.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/Periodic>

#include <QObject>
#include <QString>
#include <QTest>
#include <QThread>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

using GoProcess::AtClose;
using GoProcess::Error;
using GoProcess::every;
using GoProcess::everyGo;
using GoProcess::onSignal;
using GoProcess::onSignalGo;
using GoProcess::Process;
using GoProcess::ProcessPtr;
using GoProcess::tick;
using GoProcess::tickGo;

using TestSupport::Counter;
using TestSupport::EventLoopThread;
using TestSupport::ExpectWarning;
using TestSupport::soon;
using TestSupport::Thread;

using namespace std::chrono_literals;

namespace {

class Sender : public QObject
{
    Q_OBJECT

public:
    void count() { ++counted; }
    Error fail(Process &self)
    {
        self.close();
        return Error(QStringLiteral("it failed"));
    }
    int counted = 0;

Q_SIGNALS:
    void fired();
};

} // namespace

class InThread : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void allFormsTakeAName();
    void runsAreInTheThreadOfTheContext_data() { addForms(); }
    void runsAreInTheThreadOfTheContext();
    void runsAreInAnotherThreadOfAContext_data() { addForms(); }
    void runsAreInAnotherThreadOfAContext();
    void theArgumentIsTheProcess();
    void membersOfTheContextAreCalled();
    void blockingWaitRunsWhatIsDue();
    void droppedIfAskedFor();
    void destroyedContextCloses_data() { addForms(); }
    void destroyedContextCloses();
    void destroyedContextClosesThoughItWasDisconnected();
    void theNextIntervalBeginsAfterTheRun();
    void busyThreadDropsBeats();
    void errorsOfRunsAreKept();
    void closingInARun();
    void deletingTheContextInARun();
    void refusals();

private:
    /// Starts the form of row \a which, each run of which calls \a work.
    static ProcessPtr start(int which, Sender *context, std::function<void()> work,
                            Process *parent = nullptr)
    {
        switch (which) {
        case 0:
            return every(1ms, context, std::move(work), parent);
        case 1:
            return tick(1ms, context, std::move(work), parent);
        default:
            return onSignal(context, &Sender::fired, context, std::move(work), parent);
        }
    }
    static void addForms()
    {
        QTest::addColumn<int>("which");
        QTest::newRow("every") << 0;
        QTest::newRow("tick") << 1;
        QTest::newRow("onSignal") << 2;
    }
};

void InThread::allFormsTakeAName()
{
    const QString name = QStringLiteral("beat");
    const auto work = [] {};
    Sender sender;
    const std::vector<ProcessPtr> processes {
        every(name, 24h, work),
        everyGo(name, 24h, work),
        tick(name, 24h, work),
        tickGo(name, 24h, work),
        onSignal(name, &sender, &Sender::fired, work),
        onSignalGo(name, &sender, &Sender::fired, work),
        every(name, 24h, &sender, work),
        tick(name, 24h, &sender, work),
        onSignal(name, &sender, &Sender::fired, &sender, work),
    };
    Process root;
    for (const ProcessPtr &process : processes) {
        QCOMPARE(process->name(), name);
        QVERIFY(root.addChild(process.get()));
    }
    QVERIFY(!root.closeAndWait());
}

void InThread::runsAreInTheThreadOfTheContext()
{
    QFETCH(int, which);
    Sender context;
    int runs = 0;
    Process root;
    const ProcessPtr process = start(
            which, &context,
            [&] {
                CHECK(QThread::currentThread() == context.thread());
                ++runs;
            },
            &root);
    QCOMPARE(process->thread(), context.thread());
    for (int i = 0; i < 3; ++i)
        Q_EMIT context.fired();
    QCOMPARE(runs, 0); // in the event loop
    QTRY_VERIFY_WITH_TIMEOUT(runs >= 3, 30'000);
    QVERIFY(!root.closeAndWait());
}

void InThread::runsAreInAnotherThreadOfAContext()
{
    QFETCH(int, which);
    EventLoopThread thread;
    Sender context;
    context.moveToThread(&thread);
    Counter runs;
    const ProcessPtr process = start(which, &context, [&] {
        CHECK(QThread::currentThread() == &thread);
        runs.add();
    });
    for (int i = 0; i < 3; ++i)
        Q_EMIT context.fired();
    QVERIFY(runs.waitFor(3));
    process->close();
    QVERIFY(process->waitForClosed(soon()));
}

void InThread::theArgumentIsTheProcess()
{
    Sender context;
    ProcessPtr process;
    Process *argument = nullptr;
    process = onSignal(&context, &Sender::fired, &context, [&](Process &self) {
        argument = &self;
        CHECK(!self.isClosing());
    });
    Q_EMIT context.fired();
    QTRY_VERIFY(argument != nullptr);
    QCOMPARE(argument, process.get());
    QVERIFY(!process->closeAndWait());
}

void InThread::membersOfTheContextAreCalled()
{
    Sender context;
    const ProcessPtr ticking = tick(1ms, &context, &Sender::count);
    QTRY_VERIFY(context.counted >= 2);
    QVERIFY(!ticking->closeAndWait());
    const ProcessPtr failing = every(1ms, &context, &Sender::fail);
    QTRY_VERIFY(failing->isClosed());
    QCOMPARE(failing->treeErrorCount(), 1);
}

void InThread::blockingWaitRunsWhatIsDue()
{
    Sender context;
    int runs = 0;
    Process root;
    onSignal(
            &context, &Sender::fired, &context, [&] { ++runs; }, &root);
    for (int i = 0; i < 10; ++i)
        Q_EMIT context.fired();
    QVERIFY(!root.closeAndWait());
    QCOMPARE(runs, 10);
}

void InThread::droppedIfAskedFor()
{
    Sender context;
    int runs = 0;
    Process root;
    onSignal(
            &context, &Sender::fired, &context, [&] { ++runs; }, &root, AtClose::Drop);
    for (int i = 0; i < 10; ++i)
        Q_EMIT context.fired();
    QVERIFY(!root.closeAndWait());
    QCOMPARE(runs, 0);
}

void InThread::destroyedContextCloses()
{
    QFETCH(int, which);
    auto context = std::make_unique<Sender>();
    Sender sender;
    int runs = 0;
    const ProcessPtr process = which == 2
            ? onSignal(&sender, &Sender::fired, context.get(), [&] { ++runs; })
            : start(which, context.get(), [&] { ++runs; });
    for (int i = 0; i < 3; ++i)
        Q_EMIT sender.fired();
    context.reset();
    runs = 0;
    QVERIFY(process->isClosing());
    Q_EMIT sender.fired();
    QTRY_VERIFY(process->isClosed());
    QCOMPARE(runs, 0);
}

void InThread::destroyedContextClosesThoughItWasDisconnected()
{
    auto context = std::make_unique<Sender>();
    int runs = 0;
    const ProcessPtr process = tick(1ms, context.get(), [&] { ++runs; });
    TestSupport::disconnectAll(*context);
    context.reset();
    QTRY_VERIFY(process->isClosed()); // with the next beat
    QCOMPARE(runs, 0);
}

void InThread::theNextIntervalBeginsAfterTheRun()
{
    Sender context;
    int runs = 0;
    std::chrono::steady_clock::time_point end;
    const ProcessPtr process = every(20ms, &context, [&] {
        const auto now = std::chrono::steady_clock::now();
        CHECK(runs == 0 || now - end >= 20ms);
        QThread::msleep(10);
        end = std::chrono::steady_clock::now();
        ++runs;
    });
    QTRY_VERIFY(runs >= 3);
    QVERIFY(!process->closeAndWait());
}

void InThread::busyThreadDropsBeats()
{
    Sender context;
    Counter beats;
    int runs = 0;
    const ProcessPtr process = tick(1ms, &context, [&] { ++runs; });
    const ProcessPtr witness = tick(1ms, [&] { beats.add(); });
    QVERIFY(beats.waitFor(50)); // this thread is blocked meanwhile
    QCOMPARE(runs, 0);
    QVERIFY(!process->closeAndWait());
    QVERIFY(runs <= 1);
    QVERIFY(!witness->closeAndWait());
}

void InThread::errorsOfRunsAreKept()
{
    Sender context;
    const ProcessPtr process = onSignal(&context, &Sender::fired, &context,
                                        [&]() -> Error { return Error(QStringLiteral("no")); });
    Q_EMIT context.fired();
    Q_EMIT context.fired();
    QTRY_COMPARE(process->treeErrorCount(), 2);
    QVERIFY(!process->isClosing());
    QVERIFY(!process->closeAndWait());
}

void InThread::closingInARun()
{
    Sender context;
    ProcessPtr process;
    int runs = 0;
    process = every(1ms, &context, [&] {
        ++runs;
        process->close();
    });
    QTRY_VERIFY(process->isClosed());
    QCOMPARE(runs, 1);
}

void InThread::deletingTheContextInARun()
{
    auto *context = new Sender;
    int runs = 0;
    const ProcessPtr process = tick(1ms, context, [&] {
        ++runs;
        delete context;
    });
    QTRY_VERIFY(process->isClosed());
    QCOMPARE(runs, 1);
}

void InThread::refusals()
{
    Sender *none = nullptr;
    Sender threadless;
    threadless.moveToThread(nullptr);
    Sender sender;
    {
        const ExpectWarning warning(QStringLiteral("every\\(\\) .* the context is null"));
        QVERIFY(!every(1ms, none, [] {}));
    }
    {
        const ExpectWarning warning(QStringLiteral("tick\\(\\) .* the context has no thread"));
        QVERIFY(!tick(1ms, &threadless, [] {}));
    }
    {
        const ExpectWarning warning(QStringLiteral("onSignal\\(\\) .* the work is null"));
        QVERIFY(!onSignal(&sender, &Sender::fired, &sender, std::function<void()>()));
    }
    {
        const ExpectWarning warning(QStringLiteral("every\\(\\) .* the interval is not positive"));
        QVERIFY(!every(0ms, &sender, [] {}));
    }
}

QTEST_GUILESS_MAIN(InThread)

#include "tst_inthread.moc"
