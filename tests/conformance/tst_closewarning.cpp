// SPDX-License-Identifier: MIT
// A close that does not end is told of, with what it waits for, also when no thread waits for it.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/allocatedbytes.h"
#include "support/family.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QElapsedTimer>
#include <QPromise>
#include <QRegularExpression>
#include <QTest>
#include <QThreadPool>

#include <chrono>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#ifdef Q_OS_UNIX
#  include <sys/wait.h>
#  include <unistd.h>
#endif

using namespace Qt::StringLiterals;
using namespace TestSupport;
using namespace std::chrono_literals;
using GoProcess::Error;
using GoProcess::Hold;
using GoProcess::Process;
using GoProcess::ProcessPtr;

namespace {

/// Changes how long a close may last, while it lives.
class Patience
{
public:
    explicit Patience(std::chrono::milliseconds limit) : m_before(GoProcess::closeWarning())
    {
        GoProcess::setCloseWarning(limit);
    }
    Q_DISABLE_COPY_MOVE(Patience)
    ~Patience() { GoProcess::setCloseWarning(m_before); }

private:
    const std::chrono::milliseconds m_before;
};

/// The root `/app` and `/app/net` below it.
struct App
{
    App()
    {
        root.setName(u"app"_s);
        net.setName(u"net"_s);
        CHECK(root.addChild(&net));
    }

    Process root;
    Process net;
};

const QString inThread = uR"( for \d+\.\d s in thread \d+ \(.+\))"_s;

/// The warning of the close of /app, with one blocker.
QString one(const QString &blocker)
{
    return uR"(^Process "/app" has been closing for \d+\.\d s\. 1 blocker\(s\):\n  %1$)"_s.arg(
            blocker);
}

} // namespace

class tst_CloseWarning : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase()
    {
        QCOMPARE(GoProcess::closeWarning(), 5s);
        begin();
    }
    void cleanup() { verify(); }

    void aWorkThatRuns();
    void aWorkThatWasNotStarted();
    void aHold();
    void aFuture();
    void aTeardown();
    void aSlot();
    void aThreadThatRunsNoSteps();
    void aProcessThatNobodyCloses();
    void aProcessThatWaitsForAWork();
    void oneAmongMany();
    void theListIsBounded();
    void aLargeGraph();
    void withAnEventLoop();
    void againAndNoMore();
    void whatEndsInTimeIsNotToldOf();
    void zeroSilences();
    void eachWayToBegin();
    void aCloseBelowAnother();
    void aCloseShortlyAfterOneBelow();
    void aBlockedWaitTellsOnce();
    void aWaitThatIsBlockedInAStep();
    void manyClosesAreFlat();
    void manyThatDoNotEnd();
    void inAForkedChild();
};

void tst_CloseWarning::aWorkThatRuns()
{
    const Patience limit(100ms);
    const ExpectWarning warning(one(u"/app/net/poll: work runs"_s + inThread));
    Gate gate;
    App app;
    app.net.go(u"poll"_s, [&] { gate.pass(); });
    gate.waitForArrivals();
    app.root.close();
    deliver();
    QVERIFY(pollUntil([&] { return warning.count() == 1; })); // no event loop, and no wait
    gate.open();
    QVERIFY(!app.root.closeAndWait());
}

void tst_CloseWarning::aWorkThatWasNotStarted()
{
    const Patience limit(100ms);
    const ExpectWarning warning(
            u"2 blocker.*/app/net/second: work has not started for \\d+\\.\\d s"_s);
    Gate gate;
    QThreadPool pool;
    pool.setMaxThreadCount(1);
    App app;
    app.net.setThreadPool(&pool);
    app.net.go(u"first"_s, [&] { gate.pass(); });
    app.net.go(u"second"_s, [] {});
    gate.waitForArrivals();
    app.root.close();
    deliver();
    QVERIFY(pollUntil([&] { return warning.count() == 1; }));
    gate.open();
    QVERIFY(!app.root.closeAndWait());
}

void tst_CloseWarning::aHold()
{
    const Patience limit(100ms);
    const ExpectWarning warning(one(uR"(/app/net: 2 hold\(s\) not released for \d+\.\d s)"_s));
    App app;
    Hold hold = app.net.hold();
    Hold other = app.net.hold();
    app.root.close();
    deliver();
    QVERIFY(pollUntil([&] { return warning.count() == 1; }));
    hold.release();
    other.release();
    QVERIFY(!app.root.closeAndWait());
}

void tst_CloseWarning::aFuture()
{
    const Patience limit(100ms);
    const ExpectWarning warning(one(u"/app/net: future of its teardown unfinished for .* s"_s));
    App app;
    QPromise<void> promise;
    promise.start();
    app.net.setTeardown([&] { return promise.future(); }, [&] { promise.finish(); });
    app.root.close();
    deliver();
    QVERIFY(pollUntil([&] { return warning.count() == 1; }));
    promise.finish();
    QVERIFY(!app.root.closeAndWait());
}

void tst_CloseWarning::aTeardown()
{
    const Patience limit(100ms);
    const ExpectWarning warning(one(u"/app/net: teardown runs"_s + inThread));
    Gate gate;
    EventLoopThread home;
    App app;
    app.net.setTeardown([&] { gate.pass(); });
    app.net.moveToThread(&home);
    app.root.close();
    deliver();
    QVERIFY(pollUntil([&] { return warning.count() == 1; }));
    gate.open();
    QVERIFY(!app.root.closeAndWait());
}

void tst_CloseWarning::aSlot()
{
    const Patience limit(100ms);
    const ExpectWarning warning(one(u"/app/net: slot of its signals runs"_s + inThread));
    Gate gate;
    EventLoopThread home;
    App app;
    connect(
            &app.net, &Process::closing, &app.net, [&] { gate.pass(); }, Qt::DirectConnection);
    app.net.moveToThread(&home);
    app.root.close();
    deliver();
    QVERIFY(pollUntil([&] { return warning.count() == 1; }));
    gate.open();
    QVERIFY(!app.root.closeAndWait());
}

void tst_CloseWarning::aThreadThatRunsNoSteps()
{
    const Patience limit(100ms);
    const ExpectWarning warning(one(u"/app/net: thread does not run its steps"_s + inThread
                                    + u", nor those of 2 more"_s));
    Gate gate;
    EventLoopThread home;
    // Its number is known from where it has made a process or run a step.
    home.run([] { const Process process; });
    App app;
    Process a(&app.net);
    Process b(&app.net);
    for (Process *process : { &a, &b, &app.net }) {
        process->setParent(nullptr);
        process->moveToThread(&home);
    }
    home.post([&] { gate.pass(); });
    app.root.close();
    deliver();
    QVERIFY(pollUntil([&] { return warning.count() == 1; }));
    gate.open();
    QVERIFY(!app.root.closeAndWait());
}

void tst_CloseWarning::aProcessThatNobodyCloses()
{
    const Patience limit(100ms);
    const ExpectWarning warning(
            one(u"/forgotten: not closing, nobody has closed it for \\d+\\.\\d s <- /app/net"_s));
    Process other;
    other.setName(u"forgotten"_s);
    App app;
    QVERIFY(app.net.waitFor(&other));
    app.root.close();
    deliver();
    QVERIFY(pollUntil([&] { return warning.count() == 1; }));
    other.close();
    QVERIFY(!app.root.closeAndWait());
}

/// Its work closes it when that returns, so it is the work that is waited for.
void tst_CloseWarning::aProcessThatWaitsForAWork()
{
    const Patience limit(100ms);
    const ExpectWarning warning(one(u"/work: work runs"_s + inThread + u" <- /app/net"_s));
    Gate gate;
    App app;
    const ProcessPtr work = GoProcess::go(u"work"_s, [&] { gate.pass(); });
    gate.waitForArrivals();
    QVERIFY(app.net.waitFor(work.get()));
    app.root.close();
    deliver();
    QVERIFY(pollUntil([&] { return warning.count() == 1; }));
    gate.open();
    QVERIFY(!app.root.closeAndWait());
}

void tst_CloseWarning::oneAmongMany()
{
    const Patience limit(500ms);
    const ExpectWarning warning(one(uR"(/app/net/stuck: 1 hold\(s\) not released for .* s)"_s));
    App app;
    std::vector<std::unique_ptr<Process>> others;
    for (int i = 0; i < 1000; ++i)
        others.push_back(std::make_unique<Process>([] {}, &app.net));
    Process stuck(&app.net);
    stuck.setName(u"stuck"_s);
    Hold hold = stuck.hold();
    app.root.close();
    QTRY_COMPARE(warning.count(), 1);
    hold.release();
    QVERIFY(!app.root.closeAndWait());
}

void tst_CloseWarning::theListIsBounded()
{
    const Patience limit(200ms);
    const ExpectWarning warning(
            u"30 blocker\\(s\\):(\\n  /app/net/#[^\\n]*){20}\\n  and 10 more$"_s);
    App app;
    std::vector<std::unique_ptr<Process>> children;
    std::vector<Hold> holds;
    for (int i = 0; i < 30; ++i) {
        children.push_back(std::make_unique<Process>(&app.net));
        holds.push_back(children.back()->hold());
    }
    app.root.close();
    deliver();
    QVERIFY(pollUntil([&] { return warning.count() == 1; }));
    holds.clear();
    QVERIFY(!app.root.closeAndWait());
}

/// More than is looked at: the lock is never held for long meanwhile.
void tst_CloseWarning::aLargeGraph()
{
    constexpr int count = 120000;
    const Patience limit(100ms);
    const ExpectWarning warning(u"has been closing"_s, 1, 2);
    Process root;
    std::vector<std::unique_ptr<Process>> children;
    for (int i = 0; i < count; ++i) {
        children.push_back(std::make_unique<Process>());
        QVERIFY(root.addChild(children.back().get()));
    }
    root.close();
    // The lock is free between two pieces of the look.
    while (warning.count() == 0)
        QVERIFY(root.hold());
    const QRegularExpression text(
            u"thread does not run its steps.*, nor those of 99999 more\n.*not looked at"_s,
            QRegularExpression::DotMatchesEverythingOption);
    QVERIFY(text.match(warning.messages().constFirst()).hasMatch());
    QVERIFY(!root.closeAndWait());
}

void tst_CloseWarning::withAnEventLoop()
{
    const Patience limit(100ms);
    const ExpectWarning warning(one(u"/app/net/poll: work runs"_s + inThread));
    Gate gate;
    App app;
    app.net.go(u"poll"_s, [&] { gate.pass(); });
    app.root.close();
    QTRY_COMPARE(warning.count(), 1);
    gate.open();
    QTRY_VERIFY(app.root.isClosed());
}

void tst_CloseWarning::againAndNoMore()
{
    const Patience limit(30ms);
    const ExpectWarning warning(u"Process \"/app\" has been closing"_s, 2);
    const ExpectWarning other(u"Process \"/other\" has been closing"_s, 2);
    Process second;
    second.setName(u"other"_s);
    Hold held = second.hold();
    App app;
    Hold hold = app.net.hold();
    app.root.close();
    deliver();
    QVERIFY(pollUntil([&] { return warning.count() == 2; }));
    second.close(); // its second warning comes when a third one of the first close would have
    QVERIFY(pollUntil([&] { return other.count() == 2; }));
    hold.release();
    held.release();
    QVERIFY(!app.root.closeAndWait());
    QVERIFY(!second.closeAndWait());
}

void tst_CloseWarning::whatEndsInTimeIsNotToldOf()
{
    const Patience limit(150ms);
    const ExpectWarning warning(u"Process \"/app\" has been closing"_s);
    for (int i = 0; i < 100; ++i) {
        Process process([] {});
        process.close();
        QTRY_VERIFY(process.isClosed());
    }
    // One that is told of came after all of them.
    App app;
    Hold hold = app.net.hold();
    app.root.close();
    deliver();
    QVERIFY(pollUntil([&] { return warning.count() == 1; }));
    hold.release();
    QVERIFY(!app.root.closeAndWait());
}

void tst_CloseWarning::zeroSilences()
{
    App silent;
    Hold first = silent.net.hold();
    {
        const Patience none(0ms);
        QCOMPARE(GoProcess::closeWarning(), 0ms);
        silent.root.close();
    }
    GoProcess::setCloseWarning(-1ms);
    QCOMPARE(GoProcess::closeWarning(), 0ms);
    GoProcess::setCloseWarning(5s);

    const Patience limit(50ms);
    const ExpectWarning warning(u"Process \"/other\" has been closing"_s);
    Process other;
    other.setName(u"other"_s);
    Hold second = other.hold();
    other.close();
    deliver();
    QVERIFY(pollUntil([&] { return warning.count() == 1; }));
    first.release();
    second.release();
    QVERIFY(!silent.root.closeAndWait());
    QVERIFY(!other.closeAndWait());
}

void tst_CloseWarning::eachWayToBegin()
{
    const Patience limit(500ms);
    Family family;
    std::vector<Hold> holds;
    std::vector<std::unique_ptr<ExpectWarning>> warnings;
    const auto stuck = [&](const QString &name) -> Process & {
        Process &process = family.add(name);
        holds.push_back(process.hold());
        warnings.push_back(std::make_unique<ExpectWarning>(
                u"Process \"[^ ]*/%1\" has been closing.*/%1: 1 hold"_s.arg(name)));
        return process;
    };

    stuck(u"close"_s).close();
    stuck(u"closeAfterChildren"_s).closeAfterChildren();
    Process closed;
    QVERIFY(!closed.closeAndWait());
    QVERIFY(stuck(u"waitFor"_s).waitFor(&closed));
    QVERIFY(closed.addChildNoWait(&stuck(u"noWait"_s)));
    Process above;
    QVERIFY(above.addChildNoWait(&stuck(u"below"_s)));
    QVERIFY(!above.closeAndWait());

    warnings.push_back(std::make_unique<ExpectWarning>(
            u"Process \"/work\" has been closing.*/work: 1 hold"_s));
    Hold ofWork;
    const ProcessPtr work = GoProcess::go(u"work"_s, [&](Process &self) { ofWork = self.hold(); });
    QVERIFY(work->waitForClosing(soon())); // which comes after the work
    for (const auto &warning : warnings)
        QTRY_COMPARE(warning->count(), 1);
    holds.clear();
    ofWork.release();
    QVERIFY(work->waitForClosed(soon()));
}

/// Closing a process and later what is above it makes one warning where both are due.
void tst_CloseWarning::aCloseBelowAnother()
{
    const Patience limit(1h);
    const ExpectWarning warning(one(uR"(/app/net: 1 hold\(s\) not released for .* s)"_s));
    App app;
    Hold hold = app.net.hold();
    app.net.close();
    app.root.close();
    deliver();
    std::this_thread::sleep_for(50ms);
    GoProcess::setCloseWarning(50ms); // which makes both due
    QVERIFY(pollUntil([&] { return warning.count() == 1; }));
    hold.release();
    QVERIFY(!app.root.closeAndWait());
}

/// The same where the one above is due a little later.
void tst_CloseWarning::aCloseShortlyAfterOneBelow()
{
    const Patience limit(1s);
    const ExpectWarning warning(one(uR"(/app/net: 1 hold\(s\) not released for .* s)"_s));
    for (bool isShortly = false; !isShortly;) {
        App app;
        Hold hold = app.net.hold();
        QElapsedTimer time;
        time.start();
        app.net.close();
        std::this_thread::sleep_for(10ms);
        app.root.close();
        // Well within the 100 ms that are waited for more; else others kept this thread from
        // running: once more.
        isShortly = time.elapsed() < 80;
        deliver();
        QVERIFY(!isShortly || pollUntil([&] { return warning.count() == 1; }));
        hold.release();
        QVERIFY(!app.root.closeAndWait());
    }
}

/// The warning of the wait (R37) is the one of the close, too.
void tst_CloseWarning::aBlockedWaitTellsOnce()
{
    const ExpectWarning warning(
            u"A wait for process \"/app\" has blocked .*1 blocker.*/app/net/poll: work runs"_s
            + inThread);
    Gate gate;
    App app;
    app.net.go(u"poll"_s, [&] { gate.pass(); });
    const Thread opener([&] {
        pollUntil([&] { return warning.count() == 1; });
        // The warning of the close would have come by then.
        std::this_thread::sleep_for(1s);
        gate.open();
    });
    QVERIFY(!app.root.closeAndWait());
}

void tst_CloseWarning::aWaitThatIsBlockedInAStep()
{
    const Patience limit(100ms);
    const ExpectWarning warning(one(u"/app/net: teardown runs"_s + inThread));
    Gate gate;
    App app;
    app.net.setTeardown([&] { gate.pass(); });
    const Thread opener([&] {
        pollUntil([&] { return warning.count() == 1; });
        gate.open();
    });
    QVERIFY(!app.root.closeAndWait());
}

void tst_CloseWarning::manyClosesAreFlat()
{
    constexpr int count = 20000;
    const auto closeMany = [] {
        for (int i = 0; i < count; ++i) {
            Process process([] {});
            process.close();
            deliver();
            CHECK(process.isClosed());
        }
    };
    closeMany();
    const std::size_t before = allocatedBytes();
    closeMany();
    closeMany();
    const std::size_t after = allocatedBytes();
    QVERIFY2(after < before + 300000, qPrintable(QString::number(after - before)));
}

void tst_CloseWarning::manyThatDoNotEnd()
{
    const Patience limit(60s);
    const ExpectWarning warnings(u"has been closing for .* s. 1 blocker"_s, 20);
    const ExpectWarning more(u"980 more closes have not ended in time either"_s);
    std::vector<std::unique_ptr<Process>> all;
    std::vector<Hold> holds;
    for (int i = 0; i < 1000; ++i) {
        all.push_back(std::make_unique<Process>());
        holds.push_back(all.back()->hold());
        all.back()->close();
    }
    deliver();
    const auto end = std::chrono::steady_clock::now() + 1s;
    QVERIFY(pollUntil([&] { return std::chrono::steady_clock::now() >= end; }));
    GoProcess::setCloseWarning(1s); // all of them are due
    QVERIFY(pollUntil([&] { return more.count() > 0; }));
    holds.clear();
}

void tst_CloseWarning::inAForkedChild()
{
#ifdef Q_OS_UNIX
    const Patience limit(50ms);
    Process before;
    before.close(); // the watch is there, and perhaps its thread
    QTRY_VERIFY(before.isClosed());
    const pid_t child = fork();
    QVERIFY(child >= 0);
    if (child == 0) {
        auto *const process = new Process([] {});
        process->close();
        _exit(process->closeAndWait() || !process->isClosed() ? 1 : 0);
    }
    int status = -1;
    QVERIFY(waitpid(child, &status, 0) == child);
    QCOMPARE(status, 0);
#else
    QSKIP("There is no fork()");
#endif
}

QTEST_GUILESS_MAIN(tst_CloseWarning)

#include "tst_closewarning.moc"
