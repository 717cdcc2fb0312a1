// SPDX-License-Identifier: MIT
// adopt() of futures.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/messages.h"
#include "support/readyfuture.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QFuture>
#include <QPromise>
#include <QTest>
#include <QtConcurrent>

#include <memory>
#include <stdexcept>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::adopt;
using GoProcess::Error;
using GoProcess::Process;
using GoProcess::ProcessPtr;

class tst_AdaptorsFuture : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void future_isCancelledAndClosedWhenFinished();
    void future_homeIsBlocked();
    void future_finishesByItself();
    void future_finishedBefore();
    void future_default();
    void future_exceptionIsAnError();
    void future_exceptionInABlockedWait();
    void future_errorAsResult();
    void future_ofConcurrentRun();
    void future_moveOnlyResult();
    void future_continuationsStayAsTheyAre();
    void future_processDestroyedWhileItRuns();
    void future_inAWork();
};

// --- QFuture -------------------------------------------------------------------------------------

void tst_AdaptorsFuture::future_isCancelledAndClosedWhenFinished()
{
    QPromise<int> promise;
    promise.start();
    const std::unique_ptr<Process> process(adopt(promise.future()));
    process->close();
    QTRY_VERIFY(promise.isCanceled());
    QVERIFY(!process->isClosed());
    promise.finish();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error()); // it was cancelled as it was asked to be
}

void tst_AdaptorsFuture::future_homeIsBlocked()
{
    QPromise<void> promise;
    promise.start();
    const std::unique_ptr<Process> process(adopt(promise.future()));
    Thread producer([&] {
        CHECK(pollUntil([&] { return promise.isCanceled(); }));
        promise.finish();
    });
    QVERIFY(!process->closeAndWait());
}

void tst_AdaptorsFuture::future_finishesByItself()
{
    QPromise<int> promise;
    promise.start();
    const std::unique_ptr<Process> process(adopt(promise.future()));
    QVERIFY(!process->isClosing());
    promise.addResult(1);
    promise.finish();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
}

void tst_AdaptorsFuture::future_finishedBefore()
{
    const std::unique_ptr<Process> process(adopt(readyFuture(1)));
    QVERIFY(process->waitForClosed(soon()));
    QVERIFY(!process->error());
}

void tst_AdaptorsFuture::future_default()
{
    const std::unique_ptr<Process> process(adopt(QFuture<int>()));
    QVERIFY(process->waitForClosed(soon()));
    QVERIFY(!process->error());
}

void tst_AdaptorsFuture::future_exceptionIsAnError()
{
    QPromise<int> promise;
    promise.start();
    const std::unique_ptr<Process> process(adopt(promise.future()));
    promise.setException(std::make_exception_ptr(std::runtime_error("it broke")));
    promise.finish();
    QTRY_VERIFY(process->isClosed());
    QCOMPARE(process->error().message(), u"it broke"_s);
    QVERIFY(process->error().exception());
}

void tst_AdaptorsFuture::future_exceptionInABlockedWait()
{
    QPromise<void> promise;
    promise.start();
    const std::unique_ptr<Process> process(adopt(promise.future()));
    promise.setException(std::make_exception_ptr(std::runtime_error("it broke")));
    Thread producer([&] { promise.finish(); });
    QCOMPARE(process->closeAndWait().message(), u"it broke"_s);
}

void tst_AdaptorsFuture::future_errorAsResult()
{
    const std::unique_ptr<Process> process(adopt(readyFuture(Error(u"it failed"_s))));
    QVERIFY(process->waitForClosed(soon()));
    QCOMPARE(process->error().message(), u"it failed"_s);
}

void tst_AdaptorsFuture::future_ofConcurrentRun()
{
    Counter begun;
    const QFuture<void> future = QtConcurrent::run([&](QPromise<void> &promise) {
        begun.add();
        pollUntil([&] { return promise.isCanceled(); });
    });
    QVERIFY(begun.waitFor(1));
    const std::unique_ptr<Process> process(adopt(future));
    process->close();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
    QVERIFY(future.isFinished());
}

void tst_AdaptorsFuture::future_moveOnlyResult()
{
    QPromise<std::unique_ptr<int>> promise;
    promise.start();
    const std::unique_ptr<Process> process(adopt(promise.future()));
    promise.addResult(std::make_unique<int>(1));
    promise.finish();
    QVERIFY(!process->closeAndWait());
}

void tst_AdaptorsFuture::future_continuationsStayAsTheyAre()
{
    QPromise<int> promise;
    promise.start();
    QFuture<int> future = promise.future();
    int seen = 0;
    const QFuture<void> continued = future.then([&](int value) { seen = value; });
    const std::unique_ptr<Process> process(adopt(future));
    promise.addResult(7);
    promise.finish();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(continued.isFinished());
    QCOMPARE(seen, 7);
}

void tst_AdaptorsFuture::future_processDestroyedWhileItRuns()
{
    const QFuture<void> future = QtConcurrent::run(
            [](QPromise<void> &promise) { pollUntil([&] { return promise.isCanceled(); }); });
    delete adopt(future);
    QVERIFY(future.isFinished());
}

void tst_AdaptorsFuture::future_inAWork()
{
    QPromise<void> promise;
    promise.start();
    Counter adopted;
    const ProcessPtr work = GoProcess::go([&](Process &self) {
        const std::unique_ptr<Process> process(adopt(promise.future(), &self));
        adopted.add();
        CHECK(process->waitForClosed(soon())); // by itself, without an event loop
        CHECK(!process->error());
    });
    QVERIFY(adopted.waitFor(1));
    promise.finish();
    QVERIFY(work->waitForClosed(soon()));
}

QTEST_MAIN(tst_AdaptorsFuture)

#include "tst_adaptors_future.moc"
