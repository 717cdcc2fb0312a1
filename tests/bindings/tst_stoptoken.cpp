// SPDX-License-Identifier: MIT
// Processes and std::stop_token. This program is compiled as C++20.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/eventlog.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/Bindings>

#include <QObject>
#include <QTest>

#include <memory>
#include <stop_token>
#include <thread>

#ifndef __cpp_lib_jthread
#  error "std::stop_token is missing"
#endif

using GoProcess::closeOn;
using GoProcess::Process;
using GoProcess::ProcessPtr;
using GoProcess::stopToken;

using TestSupport::EventLog;
using TestSupport::ExpectWarning;
using TestSupport::Gate;
using TestSupport::soon;
using TestSupport::Thread;

class StopToken : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void requestedStopCloses();
    void requestedStopClosesAtOnce();
    void requestInAnotherThreadClosesAProcessWithoutAHome();
    void tokenThatNobodyStopsIsNoBinding();
    void callbackEndsWithTheProcess();
    void requestMeetsTheClose();

    void tokenIsStoppedWhenClosing();
    void tokenIsStoppedAfterTheAnnouncement();
    void tokenOfAClosingProcessIsStopped();
    void tokenOfADestroyedProcessIsStopped();
    void tokensOfAProcessAreStoppedTogether();
    void callbacksDoNotRunInsideOfClose();
    void processMayBeDestroyedInACallback();
    void threadStopsWithTheProcess();

    void nullAndBackgroundAreRefused();
};

void StopToken::requestedStopCloses()
{
    std::stop_source source;
    Process process;
    QVERIFY(closeOn(&process, source.get_token()));
    QVERIFY(!process.isClosing());
    source.request_stop();
    QVERIFY(process.isClosing());
}

void StopToken::requestedStopClosesAtOnce()
{
    std::stop_source source;
    source.request_stop();
    Process process;
    QVERIFY(closeOn(&process, source.get_token()));
    QVERIFY(process.isClosing());
}

void StopToken::requestInAnotherThreadClosesAProcessWithoutAHome()
{
    std::stop_source source;
    const ProcessPtr work = GoProcess::go([](Process &self) { self.waitForClosing(); });
    QVERIFY(closeOn(work.get(), source.get_token()));
    Thread thread([&] { source.request_stop(); });
    QVERIFY(work->waitForClosed(soon()));
}

void StopToken::tokenThatNobodyStopsIsNoBinding()
{
    Process process;
    QVERIFY(closeOn(&process, std::stop_token()));
    std::stop_token token;
    {
        const std::stop_source source;
        token = source.get_token();
    }
    QVERIFY(closeOn(&process, token));
    QVERIFY(!process.isClosing());
}

void StopToken::callbackEndsWithTheProcess()
{
    std::stop_source source;
    {
        Process process;
        QVERIFY(closeOn(&process, source.get_token()));
    }
    Process closed;
    closed.closeAndWait();
    QVERIFY(closeOn(&closed, source.get_token()));
    source.request_stop();
}

void StopToken::requestMeetsTheClose()
{
    for (int i = 0; i < 200; ++i) {
        std::stop_source source;
        Process process;
        Gate gate;
        Thread requester([&] {
            gate.pass();
            source.request_stop();
        });
        Thread binder([&] {
            gate.pass();
            CHECK(closeOn(&process, source.get_token()));
        });
        gate.waitForArrivals(2);
        gate.open();
        QVERIFY(process.waitForClosed(soon()));
    }
}

void StopToken::tokenIsStoppedWhenClosing()
{
    Process process;
    const std::stop_token token = stopToken(&process);
    QVERIFY(token.stop_possible());
    QVERIFY(!token.stop_requested());
    process.closeAndWait();
    QVERIFY(token.stop_requested());
}

void StopToken::tokenIsStoppedAfterTheAnnouncement()
{
    EventLog log;
    Process process([&] { log.add(QStringLiteral("teardown")); });
    process.setName(QStringLiteral("p"));
    log.watch(process);
    const std::stop_callback callback(stopToken(&process),
                                      [&] { log.add(QStringLiteral("stop")); });
    process.closeAndWait();
    QVERIFY(log.compare({ QStringLiteral("closing p"), QStringLiteral("stop"),
                          QStringLiteral("teardown"), QStringLiteral("closed p") }));
}

void StopToken::tokenOfAClosingProcessIsStopped()
{
    Process process;
    process.close();
    QVERIFY(stopToken(&process).stop_requested());
    process.closeAndWait();
    QVERIFY(stopToken(&process).stop_requested());
}

void StopToken::tokenOfADestroyedProcessIsStopped()
{
    auto process = std::make_unique<Process>();
    const std::stop_token token = stopToken(process.get());
    process.reset();
    QVERIFY(token.stop_requested());
}

void StopToken::tokensOfAProcessAreStoppedTogether()
{
    Process process;
    const std::stop_token first = stopToken(&process);
    const std::stop_token second = stopToken(&process);
    QVERIFY(first == second);
    process.closeAndWait();
    QVERIFY(second.stop_requested());
}

void StopToken::callbacksDoNotRunInsideOfClose()
{
    bool stopped = false;
    Process process;
    const std::stop_callback callback(stopToken(&process), [&] { stopped = true; });
    process.close();
    QVERIFY(!stopped);
    process.closeAndWait();
    QVERIFY(stopped);
}

void StopToken::processMayBeDestroyedInACallback()
{
    auto *const process = new Process;
    bool gone = false;
    const std::stop_callback callback(stopToken(process), [&] {
        delete process;
        gone = true;
    });
    process->close();
    QTRY_VERIFY(gone);
}

void StopToken::threadStopsWithTheProcess()
{
    Process process;
    std::jthread thread([token = stopToken(&process)] {
        Gate gate;
        const std::stop_callback callback(token, [&] { gate.open(); });
        gate.pass();
    });
    process.closeAndWait();
    thread.join();
}

void StopToken::nullAndBackgroundAreRefused()
{
    const std::stop_source source;
    {
        const ExpectWarning warnings(QStringLiteral("process is null"), 2);
        QVERIFY(!closeOn(nullptr, source.get_token()));
        QVERIFY(!stopToken(nullptr).stop_possible());
    }
    const ExpectWarning warning(QStringLiteral("/background.*never closes"));
    QVERIFY(!closeOn(Process::background(), source.get_token()));
    QVERIFY(!stopToken(Process::background()).stop_possible()); // never stopped
}

QTEST_GUILESS_MAIN(StopToken)

#include "tst_stoptoken.moc"
