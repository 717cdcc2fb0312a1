// SPDX-License-Identifier: MIT
// Futures of teardowns (R23), however they end, and in whatever moment: they end a process once.

#include "support/messages.h"
#include "support/readyfuture.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QFuture>
#include <QPromise>
#include <QScopeGuard>
#include <QTest>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::Error;
using GoProcess::Process;

namespace {

enum class End { Nothing, Result, Cancelled, CancelledWithResult, Thrown, PromiseGone };

constexpr bool isError(End end)
{
    return end != End::Nothing;
}

using Promise = std::optional<QPromise<Error>>;

void bring(End end, Promise &promise)
{
    switch (end) {
    case End::Nothing:
        break;
    case End::Result:
        promise->addResult(Error(u"result"_s));
        break;
    case End::Cancelled:
        promise->future().cancel();
        break;
    case End::CancelledWithResult:
        promise->addResult(Error(u"result"_s));
        promise->future().cancel();
        break;
    case End::Thrown:
        promise->setException(std::make_exception_ptr(std::runtime_error("thrown")));
        break;
    case End::PromiseGone:
        promise.reset();
        return;
    }
    promise->finish();
}

QString messageOf(End end)
{
    switch (end) {
    case End::Nothing:
        return {};
    case End::Result:
    case End::CancelledWithResult:
        return u"result"_s;
    case End::Thrown:
        return u"thrown"_s;
    case End::Cancelled:
    case End::PromiseGone:
        break;
    }
    return u"The future of the teardown was cancelled"_s;
}

} // namespace

class TeardownFutures : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void init() { begin(); }
    void cleanup() { verify(); }

    void r23_anyEnd_data() { ends(); }
    void r23_anyEnd();
    void r23_anyEndJustNow_data() { ends(); }
    void r23_anyEndJustNow();
    void r23_futureOfAContinuationThatIsCancelled();
    void r23_nothingOfAFutureIsKept_data() { ends(); }
    void r23_nothingOfAFutureIsKept();

private:
    static void ends();
};

void TeardownFutures::ends()
{
    QTest::addColumn<int>("end");
    QTest::newRow("nothing") << int(End::Nothing);
    QTest::newRow("result") << int(End::Result);
    QTest::newRow("cancelled") << int(End::Cancelled);
    QTest::newRow("cancelled with a result") << int(End::CancelledWithResult);
    QTest::newRow("thrown") << int(End::Thrown);
    QTest::newRow("promise gone") << int(End::PromiseGone);
}

void TeardownFutures::r23_anyEnd()
{
    QFETCH(const int, end);
    for (const bool later : { false, true }) {
        Promise promise(std::in_place);
        promise->start();
        Process process;
        int closed = 0;
        connect(&process, &Process::closed, this, [&] { ++closed; });
        process.setTeardown([&] {
            QFuture<Error> future = promise->future();
            if (!later)
                bring(End(end), promise);
            return future;
        });
        process.close();
        deliver();
        if (later) {
            QVERIFY(!process.isClosed());
            bring(End(end), promise);
        }
        QTRY_VERIFY(process.isClosed());
        QCOMPARE(closed, 1);
        QCOMPARE(bool(process.error()), isError(End(end)));
        QCOMPARE(process.error().message(), messageOf(End(end)));
    }
}

// Before 6.10, Qt may run a continuation twice that is attached while the future finishes.
void TeardownFutures::r23_anyEndJustNow()
{
    QFETCH(const int, end);
    constexpr int rounds = 3000;
    std::vector<Promise> promises(rounds);
    std::atomic<int> due = 0;
    const Thread finisher([&] {
        for (int i = 0; i < rounds; ++i) {
            while (due <= i) { }
            bring(End(end), promises[std::size_t(i)]);
        }
    });
    for (Promise &promise : promises) {
        promise.emplace().start();
        QFuture<Error> future = promise->future();
        Process process;
        process.setTeardown(
                [&] {
                    ++due;
                    return std::move(future);
                },
                [] {});
        const Error error = process.closeAndWait();
        CHECK(error.message() == messageOf(End(end)));
    }
}

void TeardownFutures::r23_futureOfAContinuationThatIsCancelled()
{
    QPromise<int> promise;
    promise.start();
    int continued = 0;
    Process process([&] { return promise.future().then([&](int) { ++continued; }); });
    process.close();
    deliver();
    promise.future().cancel();
    promise.finish();
    QTRY_VERIFY(process.isClosed());
    QCOMPARE(continued, 0);
    QCOMPARE(process.error().message(), messageOf(End::Cancelled));
}

void TeardownFutures::r23_nothingOfAFutureIsKept()
{
    QFETCH(const int, end);
    // What watches closes that take long knows some that have ended, and their errors with them.
    GoProcess::setCloseWarning(std::chrono::seconds(0));
    const auto watchAgain = qScopeGuard([] { GoProcess::setCloseWarning(TestSupport::patience); });
    // As long as the state of a future lives, its result shares the text.
    QString text = QString(20, u'x');
    for (int i = 0; i < 10; ++i) {
        Promise promise(std::in_place);
        promise->start();
        promise->addResult(Error(text));
        QVERIFY(!text.isDetached());
        Process process;
        process.setTeardown([&] { return promise->future(); });
        process.close();
        deliver();
        bring(End(end), promise);
        QTRY_VERIFY(process.isClosed());
    }
    QVERIFY(text.isDetached());
}

QTEST_GUILESS_MAIN(TeardownFutures)
#include "tst_teardownfutures.moc"
