// SPDX-License-Identifier: MIT
// Coroutines of QCoro as teardowns (R23).

#include "support/eventlog.h"
#include "support/messages.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QCoroFuture>
#include <QCoroTask>
#include <QCoroTimer>
#include <QDeadlineTimer>
#include <QThread>

#include <QPromise>
#include <QTest>
#include <QTimer>

#include <chrono>
#include <memory>
#include <stdexcept>

using GoProcess::Error;
using GoProcess::Process;
using TestSupport::EventLog;
using TestSupport::ExpectWarning;
using TestSupport::soon;
using namespace std::chrono_literals;

class tst_qcoro : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    static void initTestCase() { TestSupport::begin(); }
    static void cleanup() { TestSupport::verify(); }

    static void closedWhenItHasEnded();
    static void itsErrorIsTheError_data();
    static void itsErrorIsTheError();
    static void whatItAwaitedIsCancelled();
    static void inAThreadOfItsOwn();
    static void blockedWaitSaysSo();
};

void tst_qcoro::closedWhenItHasEnded()
{
    EventLog log;
    Process process;
    log.watch(process, QStringLiteral("p"));
    QVERIFY(process.setTeardown(
            [&log, text = std::make_unique<QString>(QStringLiteral("end"))]() -> QCoro::Task<> {
                log.add(QStringLiteral("begin"));
                QTimer timer;
                timer.start(1ms);
                co_await timer;
                log.add(*text);
            }));
    process.close();
    QTRY_VERIFY(process.isClosed());
    QVERIFY(!process.error());
    QVERIFY(log.compare({ QStringLiteral("closing p"), QStringLiteral("begin"),
                          QStringLiteral("end"), QStringLiteral("closed p") }));
}

void tst_qcoro::itsErrorIsTheError_data()
{
    QTest::addColumn<bool>("throws");
    QTest::addColumn<bool>("suspends");
    QTest::newRow("an Error") << false << true;
    QTest::newRow("an Error at once") << false << false;
    QTest::newRow("an exception") << true << true;
    QTest::newRow("an exception at once") << true << false;
}

void tst_qcoro::itsErrorIsTheError()
{
    QFETCH(const bool, throws);
    QFETCH(const bool, suspends);
    Process process([&]() -> QCoro::Task<Error> {
        QTimer timer;
        timer.start(1ms);
        if (suspends)
            co_await timer;
        if (throws)
            throw std::runtime_error("not written");
        co_return Error(QStringLiteral("not written"));
    });
    process.close();
    QTRY_VERIFY(process.isClosed());
    QCOMPARE(process.error().message(), QStringLiteral("not written"));
    QCOMPARE(bool(process.error().exception()), throws);
}

void tst_qcoro::whatItAwaitedIsCancelled()
{
    QPromise<void> promise;
    promise.start();
    Process process([&]() -> QCoro::Task<Error> {
        const QFuture<void> future = promise.future();
        co_await future;
        co_return future.isCanceled() ? Error(QStringLiteral("cancelled")) : Error();
    });
    process.close();
    TestSupport::deliver();
    QVERIFY(!process.isClosed());
    promise.future().cancel();
    promise.finish();
    QTRY_VERIFY(process.isClosed());
    QCOMPARE(process.error().message(), QStringLiteral("cancelled"));
}

void tst_qcoro::inAThreadOfItsOwn()
{
    Process root;
    Process *const process = GoProcess::inThread(QStringLiteral("worker"), &root);
    QThread *const thread = process->thread();
    QVERIFY(process->setTeardown([thread]() -> QCoro::Task<> {
        QTimer timer;
        timer.start(1ms);
        co_await timer;
        CHECK(QThread::currentThread() == thread);
    }));
    QVERIFY(!root.closeAndWait()); // whose thread does not matter
}

void tst_qcoro::blockedWaitSaysSo()
{
    const ExpectWarning warning(
            QStringLiteral("event loop of this thread may be what the future needs"));
    Process process([]() -> QCoro::Task<> {
        QTimer timer;
        timer.start(1ms);
        co_await timer;
    });
    process.close();
    QVERIFY(!process.waitForClosed(QDeadlineTimer(1)));
    QTRY_VERIFY(process.isClosed());
}

QTEST_GUILESS_MAIN(tst_qcoro)
#include "tst_qcoro.moc"
