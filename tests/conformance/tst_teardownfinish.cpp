// SPDX-License-Identifier: MIT
// Waits that end the future of a teardown, by the function that finishes it (R23).
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
#include <QDeadlineTimer>
#include <QFuture>
#include <QString>
#include <QStringList>
#include <QTest>
#include <QThread>

#include <memory>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::Error;
using GoProcess::Process;

namespace {

/// A pending future that a teardown returns belongs to no event loop in most of these tests,
/// which the library cannot know: it warns when the home waits for it.
QString pendingFutureWarning(const Process &process)
{
    return naming({ &process });
}

} // namespace

class tst_TeardownFinish : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void r23_finishIsCalledByAWaitAtHome();
    void r23_finishIsCalledByTheWaitThatRanTheTeardown();
    void r23_finishIsCalledByAWaitForAParent();
    void r23_finishIsCalledByTheDestructor();
    void r23_finishIsCalledOnce();
    void r23_finishMayWaitForAnother();
    void r23_finishIsNotCalledForAFinishedFuture();
    void r23_finishIsNotCalledInTheEventLoop();
    void r23_finishIsNotCalledByAWaitElsewhere();
    void r23_finishIsNotCalledByAWaitForAnother();
    void r23_finishEndsAnErrorFuture();
    void r23_waitAtHomeWithoutFinishWarnsAtOnce();
    void r23_waitElsewhereWithoutFinishDoesNotWarn();
};

// R23 — A teardown is any callable, move-only ones too, that returns void, Error, QFuture<void>
// or QFuture<Error>.

void tst_TeardownFinish::r23_finishIsCalledByAWaitAtHome()
{
    EventLog log;
    const auto promise = startedPromise<void>();
    Family family;
    Process &p = family.add(u"p"_s);
    QVERIFY(p.setTeardown(
            [&, promise] {
                log.add(u"teardown"_s);
                return promise->future();
            },
            [&, promise] {
                CHECK(QThread::currentThread() == QCoreApplication::instance()->thread());
                log.add(u"finish"_s);
                promise->finish();
            }));
    log.watch(p);
    p.close();
    deliver();
    QCOMPARE(log.events(), (QStringList { u"closing p"_s, u"teardown"_s }));
    QVERIFY(p.waitForClosed(soon()));
    QCOMPARE(log.take(),
             (QStringList { u"closing p"_s, u"teardown"_s, u"finish"_s, u"closed p"_s }));
}

void tst_TeardownFinish::r23_finishIsCalledByTheWaitThatRanTheTeardown()
{
    EventLog log;
    const auto promise = startedPromise<void>();
    Process p;
    QVERIFY(p.setTeardown(
            [&, promise] {
                log.add(u"teardown"_s);
                return promise->future();
            },
            [&, promise] {
                log.add(u"finish"_s);
                promise->finish();
            }));
    QVERIFY(!p.closeAndWait());
    QCOMPARE(log.take(), (QStringList { u"teardown"_s, u"finish"_s }));
}

void tst_TeardownFinish::r23_finishIsCalledByAWaitForAParent()
{
    int finished = 0;
    const auto promise = startedPromise<void>();
    Family family;
    Process &root = family.add(u"root"_s);
    Process &middle = family.add(u"middle"_s);
    Process &p = family.add(u"p"_s);
    QVERIFY(root.addChild(&middle));
    QVERIFY(middle.addChild(&p));
    QVERIFY(p.setTeardown([promise] { return promise->future(); },
                          [&, promise] {
                              ++finished;
                              promise->finish();
                          }));
    QVERIFY(!root.closeAndWait());
    QCOMPARE(finished, 1);
}

void tst_TeardownFinish::r23_finishIsCalledByTheDestructor()
{
    int finished = 0;
    {
        const auto promise = startedPromise<void>();
        Process p;
        QVERIFY(p.setTeardown([promise] { return promise->future(); },
                              [&, promise] {
                                  ++finished;
                                  promise->finish();
                              }));
    }
    QCOMPARE(finished, 1);
}

void tst_TeardownFinish::r23_finishIsCalledOnce()
{
    int finished = 0;
    const auto promise = startedPromise<void>();
    Family family;
    Process &p = family.add(u"p"_s);
    QVERIFY(p.setTeardown([promise] { return promise->future(); }, [&] { ++finished; }));
    p.close();
    deliver();
    // Whether a wait that finds that finish has not helped warns is left open.
    const ExpectWarning mayWarn(pendingFutureWarning(p), 0, 2);
    QVERIFY(!p.waitForClosed(QDeadlineTimer(50)));
    QCOMPARE(finished, 1);
    QVERIFY(!p.waitForClosed(QDeadlineTimer(50)));
    QCOMPARE(finished, 1);
    promise->finish();
    QVERIFY(p.waitForClosed(soon()));
    QCOMPARE(finished, 1);
}

void tst_TeardownFinish::r23_finishMayWaitForAnother()
{
    // A wait inside of finish runs the steps of this thread: also those of the process itself.
    const auto promise = startedPromise<void>();
    const auto token = std::make_shared<int>(1);
    Family family;
    Process &p = family.add(u"p"_s);
    Process &other = family.add(u"other"_s);
    QVERIFY(p.setTeardown([promise] { return promise->future(); },
                          [promise, &p, &other, token] {
                              promise->finish();
                              CHECK(!other.closeAndWait());
                              CHECK(p.isClosed());
                              CHECK(*token == 1); // what it has captured is still there
                          }));
    QVERIFY(!p.closeAndWait());
    QVERIFY(other.isClosed());
    QCOMPARE(token.use_count(), 1);
}

void tst_TeardownFinish::r23_finishIsNotCalledForAFinishedFuture()
{
    Process p;
    QVERIFY(p.setTeardown([] { return readyFuture(); }, [] { fail(u"finish was called"_s); }));
    QVERIFY(!p.closeAndWait());

    Process none;
    QVERIFY(none.setTeardown([] { return QFuture<void>(); }, [] { fail(u"finish was called"_s); }));
    QVERIFY(!none.closeAndWait());

    Process failed;
    QVERIFY(failed.setTeardown([] { return Error(u"failed"_s); },
                               [] { fail(u"finish was called"_s); }));
    QVERIFY(failed.closeAndWait());
}

void tst_TeardownFinish::r23_finishIsNotCalledInTheEventLoop()
{
    const auto promise = startedPromise<void>();
    Family family;
    Process &p = family.add(u"p"_s);
    QVERIFY(p.setTeardown([promise] { return promise->future(); },
                          [] { fail(u"finish was called"_s); }));
    p.close();
    deliver();
    QVERIFY(!p.isClosed());
    promise->finish();
    QTRY_VERIFY(p.isClosed());
}

void tst_TeardownFinish::r23_finishIsNotCalledByAWaitElsewhere()
{
    const auto promise = startedPromise<void>();
    Counter teardown;
    EventLoopThread home;
    auto p = home.run([&] {
        auto made = std::make_unique<Process>();
        made->setTeardown(
                [&, promise] {
                    teardown.add();
                    return promise->future();
                },
                [] { fail(u"finish was called"_s); });
        return made;
    });
    p->close();
    QVERIFY(teardown.waitFor(1));
    QVERIFY(!p->waitForClosed(QDeadlineTimer(50)));
    home.run([&] { promise->finish(); });
    QVERIFY(p->waitForClosed(soon()));
    home.run([&] { p.reset(); });
}

void tst_TeardownFinish::r23_finishIsNotCalledByAWaitForAnother()
{
    const auto promise = startedPromise<void>();
    int finishes = 0;
    Family family;
    Process &p = family.add(u"p"_s);
    Process &other = family.add(u"other"_s);
    QVERIFY(p.setTeardown([promise] { return promise->future(); },
                          [&, promise] {
                              ++finishes;
                              promise->finish();
                          }));
    p.close();
    deliver();
    QVERIFY(!other.waitForClosed(QDeadlineTimer(20)));
    QVERIFY(!other.closeAndWait());
    QCOMPARE(finishes, 0);
    QVERIFY(p.waitForClosed(soon()));
    QCOMPARE(finishes, 1);
}

void tst_TeardownFinish::r23_finishEndsAnErrorFuture()
{
    const auto promise = startedPromise<Error>();
    Process p;
    QVERIFY(p.setTeardown([promise] { return promise->future(); },
                          [promise] {
                              promise->addResult(Error(u"failed"_s));
                              promise->finish();
                          }));
    QCOMPARE(p.closeAndWait().message(), u"failed"_s);
}

void tst_TeardownFinish::r23_waitAtHomeWithoutFinishWarnsAtOnce()
{
    const auto promise = startedPromise<void>();
    Family family;
    Process &p = family.add(u"p"_s, [promise] { return promise->future(); });
    p.close();
    deliver();
    {
        const ExpectWarning warning(pendingFutureWarning(p));
        QVERIFY(!p.waitForClosed(QDeadlineTimer(500)));
        QCOMPARE(warning.count(), 1);
    }
    // A future that ends without the event loop ends the wait all the same.
    const ExpectWarning warning(pendingFutureWarning(p), 0, 1);
    const Thread finisher([promise] { promise->finish(); });
    QVERIFY(p.waitForClosed(soon()));
}

void tst_TeardownFinish::r23_waitElsewhereWithoutFinishDoesNotWarn()
{
    const auto promise = startedPromise<void>();
    Counter teardown;
    EventLoopThread home;
    auto p = home.run([&] {
        return std::make_unique<Process>([&, promise] {
            teardown.add();
            return promise->future();
        });
    });
    p->close();
    QVERIFY(teardown.waitFor(1));
    QVERIFY(!p->waitForClosed(QDeadlineTimer(50)));
    home.run([&] { promise->finish(); });
    QVERIFY(p->waitForClosed(soon()));
    home.run([&] { p.reset(); });
}

QTEST_GUILESS_MAIN(tst_TeardownFinish)

#include "tst_teardownfinish.moc"
