// SPDX-License-Identifier: MIT
// RateLimiter: how many works run at once, and what a call that waits for a place may do meanwhile.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QDeadlineTimer>
#include <QTest>
#include <QThread>
#include <QThreadPool>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>
#include <type_traits>
#include <vector>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using namespace std::chrono_literals;
using GoProcess::Error;
using GoProcess::Process;
using GoProcess::ProcessPtr;
using GoProcess::RateLimiter;

static_assert(!std::is_copy_constructible_v<RateLimiter>);
static_assert(!std::is_move_constructible_v<RateLimiter>);
static_assert(!std::is_convertible_v<int, RateLimiter>);

namespace {

/// A deadline that has passed: asks for a place without blocking.
QDeadlineTimer now()
{
    return QDeadlineTimer(0);
}

/// How many works are running, and how many there were at most.
class Running
{
public:
    void begin()
    {
        const int count = ++m_count;
        int most = m_most;
        while (most < count && !m_most.compare_exchange_weak(most, count)) { }
    }
    void end() { --m_count; }
    int most() const { return m_most; }

private:
    std::atomic<int> m_count = 0;
    std::atomic<int> m_most = 0;
};

} // namespace

class tst_RateLimiter : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    // What upstream's tests assert.
    void neverMoreThanTheLimitAtOnce();
    void asManyAsTheLimitAtOnce();
    void blocksAtTheLimit();
    void aPlaceIsFreeAsSoonAsOneCloses();
    void grandchildrenHoldThePlace();

    void limitBelowOneIsRefused_data();
    void limitBelowOneIsRefused();
    void goStaysUnlimited();
    void goOccupiesNoPlace();
    void theWorkGetsTheChild();
    void theChildIsAChildOfTheLimiter();
    void errorsAndExceptionsFreeThePlace();
    void aDroppedWorkFreesThePlace();
    void aPlaceIsFreeInClosedOfTheChild();
    void aPlaceIsFreeWhenAWaitForTheChildReturns();
    void nullWorkIsRefused();

    void r32_aWorkLendsItsPlaceInThePool();
    void r37_runsStepsAtHomeAndNothingElse();
    void r37_endsFuturesOfTeardownsAtHome();
    void r37_warnsAfterFiveSeconds();
    void r39_aWorkThatOccupiesTheOnlyPlaceIsRefused();
    void r39_aWorkOfAWorkThatOccupiesTheOnlyPlaceIsRefused();
    void r39_notRefusedWhileAnotherPlaceMayComeFree();
    void r39_aStepBehindACallOfTheSameThreadIsRefused();

    void callersFromManyThreads();
    void closedWhileManyThreadsCall();
};

// --- Upstream's tests ----------------------------------------------------------------------------

void tst_RateLimiter::neverMoreThanTheLimitAtOnce()
{
    for (const int limit : { 1, 2, 5 }) {
        RateLimiter limiter(limit);
        Running running;
        Counter done;
        for (int i = 0; i < 100; ++i) {
            QVERIFY(limiter.limitedGo(
                    [&] {
                        running.begin();
                        std::this_thread::yield();
                        running.end();
                        done.add();
                    },
                    soon()));
        }
        QVERIFY(done.waitFor(100));
        QVERIFY2(running.most() <= limit, qPrintable(QString::number(running.most())));
        QVERIFY(!limiter.closeAndWait());
    }
}

void tst_RateLimiter::asManyAsTheLimitAtOnce()
{
    Gate gate;
    RateLimiter limiter(7);
    for (int i = 0; i < 7; ++i)
        QVERIFY(limiter.limitedGo([&] { gate.pass(); }, now()));
    QVERIFY(gate.waitForArrivals(7));
    gate.open();
}

void tst_RateLimiter::blocksAtTheLimit()
{
    Gate gate;
    RateLimiter limiter(3);
    for (int i = 0; i < 3; ++i)
        QVERIFY(limiter.limitedGo([&] { gate.pass(); }, now()));
    QVERIFY(!limiter.limitedGo([] { fail(u"There was no place"_s); }, now()));
    QVERIFY(!limiter.limitedGo([] { fail(u"There was no place"_s); }, QDeadlineTimer(20ms)));
    gate.open();
}

void tst_RateLimiter::aPlaceIsFreeAsSoonAsOneCloses()
{
    Gate first;
    Gate second;
    Gate third;
    RateLimiter limiter(2);
    QVERIFY(limiter.limitedGo([&] { first.pass(); }, now()));
    QVERIFY(limiter.limitedGo([&] { second.pass(); }, now()));
    ProcessPtr blocked;
    Thread thread([&] { blocked = limiter.limitedGo([&] { third.pass(); }, soon()); });
    QVERIFY(first.waitForArrivals());
    QVERIFY(!third.isOpen());
    first.open();
    QVERIFY(third.waitForArrivals()); // while the second still runs
    thread.join();
    QVERIFY(blocked);
    second.open();
    third.open();
}

void tst_RateLimiter::grandchildrenHoldThePlace()
{
    Gate gate;
    Counter returned;
    RateLimiter limiter(1);
    const ProcessPtr child = limiter.limitedGo(
            [&](Process &self) {
                self.go([&](Process &below) { below.go([&] { gate.pass(); }); });
                returned.add();
            },
            now());
    QVERIFY(child);
    QVERIFY(returned.waitFor(1));
    QVERIFY(gate.waitForArrivals());
    QVERIFY(!limiter.limitedGo([] {}, now()));
    gate.open();
    QVERIFY(child->waitForClosed(soon()));
    QVERIFY(limiter.limitedGo([] {}, now()));
}

// --- Places --------------------------------------------------------------------------------------

void tst_RateLimiter::limitBelowOneIsRefused_data()
{
    QTest::addColumn<int>("limit");
    QTest::newRow("0") << 0;
    QTest::newRow("-1") << -1;
}

void tst_RateLimiter::limitBelowOneIsRefused()
{
    QFETCH(const int, limit);
    const ExpectWarning refused(u"limit of %1 refused"_s.arg(limit));
    Gate gate;
    RateLimiter limiter(limit);
    QCOMPARE(limiter.limit(), 1);
    QVERIFY(limiter.limitedGo([&] { gate.pass(); }, now()));
    QVERIFY(!limiter.limitedGo([] {}, now()));
    gate.open();
}

void tst_RateLimiter::goStaysUnlimited()
{
    Gate gate;
    RateLimiter limiter(1);
    QVERIFY(limiter.limitedGo([&] { gate.pass(); }, now()));
    for (int i = 0; i < 5; ++i)
        QVERIFY(limiter.go([&] { gate.pass(); }));
    QVERIFY(gate.waitForArrivals(6));
    gate.open();
}

void tst_RateLimiter::goOccupiesNoPlace()
{
    Gate gate;
    RateLimiter limiter(1);
    QVERIFY(limiter.go([&] { gate.pass(); }));
    QVERIFY(limiter.limitedGo([&] { gate.pass(); }, now()));
    QVERIFY(gate.waitForArrivals(2));
    gate.open();
}

void tst_RateLimiter::theWorkGetsTheChild()
{
    RateLimiter limiter(1);
    std::atomic<Process *> seen = nullptr;
    const ProcessPtr child = limiter.limitedGo([&](Process &self) { seen = &self; });
    QVERIFY(child->waitForClosed(soon()));
    QCOMPARE(seen.load(), child.get());
}

void tst_RateLimiter::theChildIsAChildOfTheLimiter()
{
    Counter closing;
    RateLimiter limiter(2);
    QVERIFY(limiter.limitedGo([&](Process &self) {
        self.waitForClosing(soon());
        closing.add();
    }));
    QVERIFY(!limiter.closeAndWait());
    QCOMPARE(closing.count(), 1); // closed with the limiter, and waited for
}

void tst_RateLimiter::errorsAndExceptionsFreeThePlace()
{
    RateLimiter limiter(1);
    QVERIFY(limiter.limitedGo([] { return Error(u"one"_s); }, soon()));
    QVERIFY(limiter.limitedGo([] { throw 2; }, soon()));
    const ProcessPtr last = limiter.limitedGo([] {}, soon());
    QVERIFY(last);
    QVERIFY(last->waitForClosed(soon()));
    QCOMPARE(limiter.treeErrorCount(), 2);
}

void tst_RateLimiter::aDroppedWorkFreesThePlace()
{
    QThreadPool pool;
    pool.setMaxThreadCount(1);
    Gate gate;
    pool.start([&] { gate.pass(); });
    QVERIFY(gate.waitForArrivals());
    RateLimiter limiter(1);
    limiter.setThreadPool(&pool);
    QVERIFY(limiter.limitedGo([] { fail(u"The pool drops it"_s); }, now()));
    QVERIFY(!limiter.limitedGo([] {}, now()));
    pool.clear();
    QVERIFY(limiter.limitedGo([] {}, soon()));
    gate.open();
    QVERIFY(!limiter.closeAndWait());
    pool.waitForDone();
}

void tst_RateLimiter::aPlaceIsFreeInClosedOfTheChild()
{
    Gate gate;
    RateLimiter limiter(1);
    std::atomic<bool> wasFree = false;
    const ProcessPtr child = limiter.limitedGo([&] { gate.pass(); });
    connect(
            child.get(), &Process::closed, child.get(),
            [&] { wasFree = bool(limiter.limitedGo([] {}, now())); }, Qt::DirectConnection);
    gate.open();
    QVERIFY(child->waitForClosed(soon()));
    QVERIFY(wasFree);
}

void tst_RateLimiter::aPlaceIsFreeWhenAWaitForTheChildReturns()
{
    RateLimiter limiter(1);
    for (int i = 0; i < 200; ++i) {
        const ProcessPtr child = limiter.limitedGo([] {}, now());
        QVERIFY(child);
        QVERIFY(child->waitForClosed(soon()));
    }
}

void tst_RateLimiter::nullWorkIsRefused()
{
    RateLimiter limiter(1);
    limiter.setName(u"limiter"_s);
    {
        const ExpectWarning refused(u"limitedGo\\(\\).*/limiter.*null"_s);
        QVERIFY(!limiter.limitedGo(std::function<void()>()));
    }
    QVERIFY(limiter.limitedGo([] {}, now())); // the place was not taken
}

// --- What the blocked thread does ----------------------------------------------------------------

void tst_RateLimiter::r32_aWorkLendsItsPlaceInThePool()
{
    QThreadPool pool;
    pool.setMaxThreadCount(1);
    RateLimiter limiter(1);
    limiter.setThreadPool(&pool);
    Process caller;
    caller.setThreadPool(&pool);
    std::atomic<int> started = 0;
    const ProcessPtr work = caller.go([&] {
        for (int i = 0; i < 20; ++i)
            started += limiter.limitedGo([] {}, soon()) ? 1 : 0;
    });
    QVERIFY(work->waitForClosed(soon()));
    QCOMPARE(started.load(), 20);
    QVERIFY(!limiter.closeAndWait());
    pool.waitForDone();
}

void tst_RateLimiter::r37_runsStepsAtHomeAndNothingElse()
{
    Gate gate;
    RateLimiter limiter(1);
    QVERIFY(limiter.limitedGo([&] { gate.pass(); }, now()));
    int events = 0;
    QMetaObject::invokeMethod(
            this, [&] { ++events; }, Qt::QueuedConnection);
    QThread *stepThread = nullptr;
    Process process([&] {
        stepThread = QThread::currentThread();
        gate.open();
    });
    process.close();
    QVERIFY(limiter.limitedGo([] {}, soon())); // it comes free by a step of this thread only
    QCOMPARE(stepThread, thread());
    QCOMPARE(events, 0);
    QTRY_COMPARE(events, 1);
}

void tst_RateLimiter::r37_endsFuturesOfTeardownsAtHome()
{
    Gate gate;
    Counter finished;
    RateLimiter limiter(1);
    const ProcessPtr child = limiter.limitedGo([&] { gate.pass(); }, now());
    QPromise<void> promise;
    promise.start();
    Process below;
    below.setTeardown([&] { return promise.future(); },
                      [&] {
                          finished.add();
                          promise.finish();
                      });
    QVERIFY(child->addChild(&below));
    below.close();
    gate.open();
    QVERIFY(limiter.limitedGo([] {}, soon())); // as if an event loop would have to end the future
    QCOMPARE(finished.count(), 1);
}

void tst_RateLimiter::r37_warnsAfterFiveSeconds()
{
    Gate gate;
    RateLimiter limiter(1);
    limiter.setName(u"limiter"_s);
    const ProcessPtr child = limiter.limitedGo([&] { gate.pass(); }, now());
    child->setName(u"child"_s);
    const ExpectWarning warning(u"5 s.*/limiter/child"_s);
    QVERIFY(!limiter.limitedGo([] {}, QDeadlineTimer(5500ms)));
    QCOMPARE(warning.count(), 1);
    gate.open();
}

void tst_RateLimiter::r39_aWorkThatOccupiesTheOnlyPlaceIsRefused()
{
    RateLimiter limiter(1);
    limiter.setName(u"limiter"_s);
    const ExpectWarning refused(u"limitedGo\\(\\).*/limiter.*calling thread"_s);
    std::atomic<bool> wasRefused = false;
    const ProcessPtr child = limiter.limitedGo([&] { wasRefused = !limiter.limitedGo([] {}); });
    QVERIFY(child->waitForClosed(soon()));
    QVERIFY(wasRefused);
    QVERIFY(limiter.limitedGo([] {}, now())); // and nothing has changed
}

void tst_RateLimiter::r39_aWorkOfAWorkThatOccupiesTheOnlyPlaceIsRefused()
{
    RateLimiter limiter(1);
    const ExpectWarning refused(u"limitedGo\\(\\).*calling thread"_s);
    std::atomic<bool> wasRefused = false;
    const ProcessPtr child = limiter.limitedGo(
            [&](Process &self) { self.go([&] { wasRefused = !limiter.limitedGo([] {}); }); });
    QVERIFY(child->waitForClosed(soon()));
    QVERIFY(wasRefused);
}

void tst_RateLimiter::r39_notRefusedWhileAnotherPlaceMayComeFree()
{
    Gate other;
    Counter begun;
    RateLimiter limiter(2);
    QVERIFY(limiter.limitedGo([&] { other.pass(); }, now()));
    std::atomic<bool> started = false;
    const ProcessPtr child = limiter.limitedGo([&] {
        Process opener([&] { other.open(); }); // homeless: its steps run elsewhere
        opener.close();
        started = bool(limiter.limitedGo([] {}, soon()));
    });
    QVERIFY(child->waitForClosed(soon()));
    QVERIFY(started);
}

void tst_RateLimiter::r39_aStepBehindACallOfTheSameThreadIsRefused()
{
    Gate gate;
    RateLimiter limiter(1);
    limiter.setName(u"limiter"_s);
    const ExpectWarning refused(u"limitedGo\\(\\).*/limiter.*same thread"_s);
    QVERIFY(limiter.limitedGo([&] { gate.pass(); }, now()));
    bool wasRefused = false;
    Process process([&] {
        wasRefused = !limiter.limitedGo([] {});
        gate.open();
    });
    process.close();
    QVERIFY(limiter.limitedGo([] {}, soon()));
    QVERIFY(wasRefused);
}

// --- Many threads --------------------------------------------------------------------------------

void tst_RateLimiter::callersFromManyThreads()
{
    constexpr int threads = 8;
    constexpr int works = 200;
    RateLimiter limiter(3);
    Running running;
    std::atomic<int> ran = 0;
    std::vector<Thread> callers;
    for (int i = 0; i < threads; ++i) {
        callers.emplace_back([&] {
            for (int j = 0; j < works; ++j) {
                CHECK(limiter.limitedGo(
                        [&] {
                            running.begin();
                            ++ran;
                            running.end();
                        },
                        soon()));
            }
        });
    }
    callers.clear();
    limiter.closeAndWait();
    QCOMPARE(ran.load(), threads * works);
    QVERIFY(running.most() <= 3);
}

void tst_RateLimiter::closedWhileManyThreadsCall()
{
    for (int round = 0; round < 20; ++round) {
        RateLimiter limiter(2);
        std::atomic<int> started = 0;
        std::atomic<int> ran = 0;
        const ExpectWarning refused(u"teardown has begun"_s, 4, 4);
        std::vector<Thread> callers;
        Counter calls;
        for (int i = 0; i < 4; ++i) {
            callers.emplace_back([&] {
                while (limiter.limitedGo([&] { ++ran; })) {
                    ++started;
                    calls.add();
                }
            });
        }
        QVERIFY(calls.waitFor(20));
        QVERIFY(!limiter.closeAndWait());
        callers.clear();
        QCOMPARE(ran.load(), started.load());
    }
}

QTEST_MAIN(tst_RateLimiter)

#include "tst_ratelimiter.moc"
