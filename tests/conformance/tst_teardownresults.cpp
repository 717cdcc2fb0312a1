// SPDX-License-Identifier: MIT
// What a teardown may be and return, futures among that (R23). Each test is named after its rule.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "rulesupport.h"
#include "support/eventlog.h"
#include "support/family.h"
#include "support/messages.h"
#include "support/readyfuture.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QFuture>
#include <QPromise>
#include <QString>
#include <QStringList>
#include <QTest>
#include <QThread>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <vector>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::Error;
using GoProcess::Process;
using State = GoProcess::Process::State;

using TeardownFactory = std::function<void(Process &)>;

class tst_TeardownResults : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void r23_resultTypes();
    void r23_onlyTheseResultTypes();
    void r23_moveOnlyTeardown();
    void r23_closedWhenTheFutureFinishes();
    void r23_closedWhenTheErrorFutureFinishes();
    void r23_pendingFutureBlocksNoThread();
    void r23_futureFinishedInAnotherThread();
    void r23_futuresThatAreNoError_data();
    void r23_futuresThatAreNoError();
    void r23_futuresThatAreErrors_data();
    void r23_futuresThatAreErrors();
    void r23_futureOfAContinuation();
    void r23_futureFinishesInAnotherThreadJustNow();
};

// R23 — A teardown is any callable, move-only ones too, that returns void, Error, QFuture<void>
// or QFuture<Error>.

void tst_TeardownResults::r23_resultTypes()
{
    int runs = 0;
    Process nothing([&] { ++runs; });
    QVERIFY(!nothing.closeAndWait());
    Process none([&]() -> Error {
        ++runs;
        return {};
    });
    QVERIFY(!none.closeAndWait());
    Process error([&] {
        ++runs;
        return Error(u"failed"_s);
    });
    QCOMPARE(error.closeAndWait().message(), u"failed"_s);
    Process future([&] {
        ++runs;
        return readyFuture();
    });
    QVERIFY(!future.closeAndWait());
    Process errorFuture([&] {
        ++runs;
        return readyFuture(Error(u"failed later"_s));
    });
    QCOMPARE(errorFuture.closeAndWait().message(), u"failed later"_s);
    QCOMPARE(runs, 5);
}

void tst_TeardownResults::r23_onlyTheseResultTypes()
{
    const auto number = [] { return 1; };
    const auto argument = [](int) {};
    const auto otherFuture = [] { return QFuture<int>(); };
    static_assert(!std::is_constructible_v<Process, decltype(number)>);
    static_assert(!std::is_constructible_v<Process, decltype(argument)>);
    static_assert(!std::is_constructible_v<Process, decltype(otherFuture)>);
    static_assert(!std::is_constructible_v<Process, bool (*)()>);
    static_assert(std::is_constructible_v<Process, void (*)()>);
    static_assert(std::is_constructible_v<Process, std::function<Error()>>);
    static_assert(std::is_constructible_v<Process, std::function<QFuture<void>()> &>);
    static_assert(std::is_constructible_v<Process, const std::function<QFuture<Error>()> &>);
    Q_UNUSED(number);
    Q_UNUSED(argument);
    Q_UNUSED(otherFuture);

    // A callable that is an lvalue is copied.
    int runs = 0;
    const std::function<void()> teardown = [&] { ++runs; };
    Process first(teardown);
    Process second(teardown);
    QVERIFY(!first.closeAndWait());
    QVERIFY(!second.closeAndWait());
    QCOMPARE(runs, 2);
}

void tst_TeardownResults::r23_moveOnlyTeardown()
{
    Process process([text = std::make_unique<QString>(u"moved"_s)] { return Error(*text); });
    QCOMPARE(process.closeAndWait().message(), u"moved"_s);

    const auto promise = startedPromise<Error>();
    bool finished = false;
    Process withFinish;
    QVERIFY(withFinish.setTeardown(
            [promise, text = std::make_unique<int>(1)] { return promise->future(); },
            [promise, &finished, text = std::make_unique<int>(1)] {
                finished = true;
                promise->finish();
            }));
    QVERIFY(!withFinish.closeAndWait());
    QVERIFY(finished);

    // One whose call operator is not const.
    int runs = 0;
    Process counting([&, count = 0]() mutable { runs = ++count; });
    QVERIFY(!counting.closeAndWait());
    QCOMPARE(runs, 1);
}

void tst_TeardownResults::r23_closedWhenTheFutureFinishes()
{
    EventLog log;
    const auto promise = startedPromise<void>();
    Family family;
    Process &parent = family.add(u"parent"_s, log.teardown(u"parent"_s));
    Process &p = family.add(u"p"_s, [&, promise] {
        log.add(u"teardown p"_s);
        return promise->future();
    });
    QVERIFY(parent.addChild(&p));
    parent.close();
    deliver();
    QCOMPARE(log.events(), (QStringList { u"teardown p"_s }));
    QCOMPARE(p.state(), State::Closing);
    QCOMPARE(parent.state(), State::Closing);
    promise->finish();
    QTRY_VERIFY(parent.isClosed());
    QVERIFY(!p.error());
    QCOMPARE(log.take(), (QStringList { u"teardown p"_s, u"teardown parent"_s }));
}

void tst_TeardownResults::r23_closedWhenTheErrorFutureFinishes()
{
    const auto promise = startedPromise<Error>();
    Family family;
    Process &p = family.add(u"p"_s, [promise] { return promise->future(); });
    p.close();
    deliver();
    promise->addResult(Error(u"failed"_s));
    deliver();
    // The result is there, but not yet the end.
    QCOMPARE(p.state(), State::Closing);
    QVERIFY(!p.error());
    promise->finish();
    QTRY_VERIFY(p.isClosed());
    QCOMPARE(p.error().message(), u"failed"_s);
}

void tst_TeardownResults::r23_pendingFutureBlocksNoThread()
{
    const auto promise = startedPromise<void>();
    EventLog log;
    EventLoopThread home;
    struct Processes
    {
        Process pending;
        Process other;
    };
    auto processes = home.run([&] {
        auto made = std::make_unique<Processes>();
        made->pending.setTeardown([&, promise] {
            log.add(u"teardown"_s);
            return promise->future();
        });
        return made;
    });
    processes->pending.close();
    QVERIFY(log.waitFor(u"teardown"_s));
    // The home goes on with events, and with steps of others.
    home.flush();
    processes->other.close();
    QVERIFY(processes->other.waitForClosed(soon()));
    QVERIFY(!processes->pending.isClosed());
    home.run([&] { promise->finish(); });
    QVERIFY(processes->pending.waitForClosed(soon()));
    home.run([&] { processes.reset(); });
}

void tst_TeardownResults::r23_futureFinishedInAnotherThread()
{
    const auto promise = startedPromise<Error>();
    Counter teardown;
    Family family;
    Process &p = family.add(u"p"_s, [&, promise] {
        teardown.add();
        return promise->future();
    });
    connect(&p, &Process::closed, this,
            [] { CHECK(QThread::currentThread() == QCoreApplication::instance()->thread()); });
    const Thread finisher([&, promise] {
        teardown.waitFor(1);
        promise->addResult(Error(u"failed"_s));
        promise->finish();
    });
    p.close();
    QTRY_VERIFY_WITH_TIMEOUT(p.isClosed(), 30'000);
    QCOMPARE(p.error().message(), u"failed"_s);
}

void tst_TeardownResults::r23_futuresThatAreNoError_data()
{
    QTest::addColumn<TeardownFactory>("set");
    const auto add = [](const char *name, const TeardownFactory &set) {
        QTest::newRow(name) << set;
    };
    add("default-constructed QFuture<void>",
        [](Process &p) { p.setTeardown([] { return QFuture<void>(); }); });
    add("default-constructed QFuture<Error>",
        [](Process &p) { p.setTeardown([] { return QFuture<Error>(); }); });
    add("finished QFuture<void>", [](Process &p) {
        p.setTeardown([] {
            const auto promise = startedPromise<void>();
            promise->finish();
            return promise->future();
        });
    });
    add("QFuture<Error> without a result", [](Process &p) {
        p.setTeardown([] {
            const auto promise = startedPromise<Error>();
            promise->finish();
            return promise->future();
        });
    });
    add("QFuture<Error> with no error",
        [](Process &p) { p.setTeardown([] { return readyFuture(Error()); }); });
    add("QFuture<Error> without a result, later", [](Process &p) {
        const auto promise = startedPromise<Error>();
        p.setTeardown([promise] { return promise->future(); }, [promise] { promise->finish(); });
    });
}

void tst_TeardownResults::r23_futuresThatAreNoError()
{
    QFETCH(const TeardownFactory, set);
    Process process;
    set(process);
    QVERIFY(!process.closeAndWait());
    QVERIFY(process.isClosed());
}

void tst_TeardownResults::r23_futuresThatAreErrors_data()
{
    QTest::addColumn<TeardownFactory>("set");
    QTest::addColumn<QString>("message");
    const auto add = [](const char *name, const QString &message, const TeardownFactory &set) {
        QTest::newRow(name) << set << message;
    };
    add("result", u"failed"_s,
        [](Process &p) { p.setTeardown([] { return readyFuture(Error(u"failed"_s)); }); });
    add("cancelled QFuture<void>", QString(), [](Process &p) {
        p.setTeardown([] {
            const auto promise = startedPromise<void>();
            promise->future().cancel();
            promise->finish();
            return promise->future();
        });
    });
    add("cancelled QFuture<Error>", QString(), [](Process &p) {
        p.setTeardown([] {
            const auto promise = startedPromise<Error>();
            promise->future().cancel();
            promise->finish();
            return promise->future();
        });
    });
    add("promise destroyed", QString(), [](Process &p) {
        p.setTeardown([] {
            const auto promise = startedPromise<void>();
            return promise->future();
        });
    });
    add("cancelled later", QString(), [](Process &p) {
        const auto promise = startedPromise<void>();
        p.setTeardown([promise] { return promise->future(); },
                      [promise] {
                          promise->future().cancel();
                          promise->finish();
                      });
    });
    add("std::exception in a QFuture<void>", u"thrown"_s, [](Process &p) {
        p.setTeardown([] {
            const auto promise = startedPromise<void>();
            promise->setException(std::make_exception_ptr(std::runtime_error("thrown")));
            promise->finish();
            return promise->future();
        });
    });
    add("std::exception in a QFuture<Error>", u"thrown"_s, [](Process &p) {
        p.setTeardown([] {
            const auto promise = startedPromise<Error>();
            promise->setException(std::make_exception_ptr(std::runtime_error("thrown")));
            promise->finish();
            return promise->future();
        });
    });
    add("Error thrown in a QFuture<void>", u"failed"_s, [](Process &p) {
        p.setTeardown([] {
            const auto promise = startedPromise<void>();
            promise->setException(std::make_exception_ptr(Error(u"failed"_s)));
            promise->finish();
            return promise->future();
        });
    });
    add("exception later", u"thrown"_s, [](Process &p) {
        const auto promise = startedPromise<Error>();
        p.setTeardown([promise] { return promise->future(); },
                      [promise] {
                          promise->setException(
                                  std::make_exception_ptr(std::runtime_error("thrown")));
                          promise->finish();
                      });
    });
}

void tst_TeardownResults::r23_futuresThatAreErrors()
{
    QFETCH(const TeardownFactory, set);
    QFETCH(const QString, message);
    Process process;
    set(process);
    const Error error = process.closeAndWait();
    QVERIFY(error);
    QVERIFY(!error.message().isEmpty());
    if (!message.isEmpty())
        QCOMPARE(error.message(), message);
    QVERIFY(process.isClosed());
    QCOMPARE(process.error(), error);
}

void tst_TeardownResults::r23_futureOfAContinuation()
{
    const auto promise = startedPromise<int>();
    Family family;
    Process &p = family.add(u"p"_s, [promise] {
        return promise->future().then([](int value) { return Error(QString::number(value)); });
    });
    p.close();
    deliver();
    QVERIFY(!p.isClosed());
    promise->addResult(7);
    promise->finish();
    QTRY_VERIFY(p.isClosed());
    QCOMPARE(p.error().message(), u"7"_s);
}

void tst_TeardownResults::r23_futureFinishesInAnotherThreadJustNow()
{
    constexpr int rounds = 20000;
    std::vector<QPromise<Error>> promises(rounds);
    std::atomic<int> due = 0;
    Thread finisher([&] {
        for (int i = 0; i < rounds; ++i) {
            while (due <= i) { }
            promises[std::size_t(i)].finish();
        }
    });
    for (QPromise<Error> &promise : promises) {
        promise.start();
        Process process;
        process.setTeardown(
                [&] {
                    QFuture<Error> future = promise.future();
                    ++due;
                    return future;
                },
                [] {});
        QVERIFY(!process.closeAndWait());
    }
}

QTEST_GUILESS_MAIN(tst_TeardownResults)

#include "tst_teardownresults.moc"
