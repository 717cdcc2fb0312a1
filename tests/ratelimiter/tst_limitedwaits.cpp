// SPDX-License-Identifier: MIT
// RateLimiter: who of those that wait gets the next place, and how a limiter closes that callers
// wait for.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/eventlog.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QDeadlineTimer>
#include <QPointer>
#include <QStringList>
#include <QTest>

#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using namespace std::chrono_literals;
using GoProcess::Hold;
using GoProcess::Process;
using GoProcess::ProcessPtr;
using GoProcess::RateLimiter;

namespace {

/// A deadline that has passed: asks for a place without blocking.
QDeadlineTimer now()
{
    return QDeadlineTimer(0);
}

/// Threads that call limitedGo() one after another: each is known to wait before the next one
/// calls.
class Queue
{
public:
    explicit Queue(RateLimiter &limiter) : m_limiter(limiter) { }

    /// Lets one more thread call; returns when it waits for a place.
    template<class F>
    void add(F &&work, QDeadlineTimer deadline = soon())
    {
        // A step that is at home in the thread runs only once its wait has begun to run steps,
        // which is after it has queued up.
        auto home = std::make_shared<std::unique_ptr<Process>>();
        auto ready = std::make_shared<Counter>();
        auto waits = std::make_shared<Counter>();
        m_threads.emplace_back([this, home, ready, waits, deadline, work] {
            *home = std::make_unique<Process>([waits] { waits->add(); });
            (*home)->close(); // its steps stand in the queue of this thread
            ready->add();
            if (m_limiter.limitedGo(work, deadline))
                m_started.add();
            home->reset();
        });
        ready->waitFor(1);
        waits->waitFor(1);
    }
    void join() { m_threads.clear(); }
    int started() const { return m_started.count(); }

private:
    RateLimiter &m_limiter;
    Counter m_started;
    std::vector<Thread> m_threads;
};

} // namespace

class tst_LimitedWaits : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void firstComeFirstServed();
    void aNewcomerDoesNotOvertake();
    void whoGaveUpIsPassedBy();
    void deadline();
    void aPassedDeadlineTakesAFreePlace();

    void closingTakesWorksBeforeTeardown();
    void teardownWakesThoseThatWait();
    void aBlockedCallDoesNotKeepTheLimiterFromClosing();
    void refusedOnceClosed();
    void theParentClosesALimiterWithBlockedCalls();
    void theLimiterIsDestroyedWhileCallsAreBlocked();
    void destroyedInASlotOfItsOwnClosing();
};

// --- The wait for a place ------------------------------------------------------------------------

void tst_LimitedWaits::firstComeFirstServed()
{
    Gate gate;
    EventLog log;
    RateLimiter limiter(1);
    QVERIFY(limiter.limitedGo([&] { gate.pass(); }, now()));
    Queue queue(limiter);
    QStringList expected;
    for (int i = 0; i < 10; ++i) {
        const QString name = QString::number(i);
        expected << name;
        queue.add([&log, name] { log.add(name); });
    }
    gate.open();
    queue.join();
    QVERIFY(log.waitForCount(10));
    QVERIFY(log.compare(expected));
}

void tst_LimitedWaits::aNewcomerDoesNotOvertake()
{
    Gate first;
    Gate second;
    RateLimiter limiter(1);
    QVERIFY(limiter.limitedGo([&] { first.pass(); }, now()));
    Queue queue(limiter);
    queue.add([&] { second.pass(); });
    // The place goes from the first to the second without ever being free.
    std::atomic<bool> stop = false;
    Thread newcomer([&] {
        while (!stop)
            CHECK(!limiter.limitedGo([] {}, now()));
    });
    first.open();
    QVERIFY(second.waitForArrivals());
    stop = true;
    newcomer.join();
    queue.join();
    QCOMPARE(queue.started(), 1);
    second.open();
}

void tst_LimitedWaits::whoGaveUpIsPassedBy()
{
    Gate gate;
    Counter ran;
    RateLimiter limiter(1);
    QVERIFY(limiter.limitedGo([&] { gate.pass(); }, now()));
    {
        Queue impatient(limiter);
        impatient.add([] { fail(u"It had given up"_s); }, QDeadlineTimer(50ms));
        Queue patient(limiter);
        patient.add([&] { ran.add(); });
        impatient.join();
        QCOMPARE(impatient.started(), 0);
        gate.open();
        patient.join();
        QCOMPARE(patient.started(), 1);
    }
    QVERIFY(ran.waitFor(1));
}

void tst_LimitedWaits::deadline()
{
    Gate gate;
    RateLimiter limiter(1);
    QVERIFY(limiter.limitedGo([&] { gate.pass(); }, now()));
    const QDeadlineTimer end(30ms);
    QVERIFY(!limiter.limitedGo([] {}, end));
    QVERIFY(end.hasExpired());
    gate.open();
}

void tst_LimitedWaits::aPassedDeadlineTakesAFreePlace()
{
    Counter ran;
    RateLimiter limiter(1);
    QVERIFY(limiter.limitedGo([&] { ran.add(); }, now()));
    QVERIFY(ran.waitFor(1));
}

// --- Closing -------------------------------------------------------------------------------------

void tst_LimitedWaits::closingTakesWorksBeforeTeardown()
{
    RateLimiter limiter(1);
    Hold hold = limiter.hold();
    limiter.close();
    std::atomic<bool> wasClosing = false;
    const ProcessPtr child =
            limiter.limitedGo([&](Process &self) { wasClosing = self.isClosing(); }, soon());
    QVERIFY(child);
    QVERIFY(child->waitForClosed(soon()));
    QVERIFY(wasClosing);
    hold.release();
    QVERIFY(!limiter.closeAndWait());
}

void tst_LimitedWaits::teardownWakesThoseThatWait()
{
    Gate teardown;
    Counter closed;
    Gate gate;
    RateLimiter limiter(1);
    limiter.setName(u"limiter"_s);
    // A place that never comes free while it is waited for: the teardown begins all the same, as it
    // waits for children and not for places.
    limiter.setTeardown([&] {
        teardown.pass();
        closed.add();
    });
    EventLoopThread home;
    limiter.moveToThread(&home);
    const ExpectWarning refused(u"limitedGo\\(\\).*/limiter.*teardown has begun"_s, 0, 3);
    QVERIFY(limiter.limitedGo([&] { gate.pass(); }, now()));
    std::atomic<int> started = 0;
    Queue queue(limiter);
    for (int i = 0; i < 3; ++i)
        queue.add([&](Process &self) { started += self.isClosing() ? 1 : 1000; });
    limiter.close();
    gate.open();
    queue.join(); // each has either got the place of the work before, or was refused
    QCOMPARE(queue.started() + refused.count(), 3);
    QCOMPARE(closed.count(), 0);
    teardown.open();
    QVERIFY(limiter.waitForClosed(soon()));
    QCOMPARE(started.load(), queue.started());
    home.stop();
}

void tst_LimitedWaits::aBlockedCallDoesNotKeepTheLimiterFromClosing()
{
    // The work closes with the place still occupied for those who wait: they are refused, or find
    // themselves closing; in no case does the close hang.
    for (int i = 0; i < 50; ++i) {
        RateLimiter limiter(1);
        const ExpectWarning refused(u"teardown has begun"_s, 0, 2);
        QVERIFY(limiter.limitedGo([&](Process &self) { self.waitForClosing(soon()); }, now()));
        Queue queue(limiter);
        queue.add([] {});
        queue.add([] {});
        limiter.close();
        QVERIFY(limiter.waitForClosed(soon()));
        queue.join();
        QCOMPARE(queue.started() + refused.count(), 2);
    }
}

void tst_LimitedWaits::refusedOnceClosed()
{
    RateLimiter limiter(1);
    limiter.setName(u"limiter"_s);
    QVERIFY(!limiter.closeAndWait());
    const ExpectWarning refused(u"limitedGo\\(\\).*/limiter.*teardown has begun"_s, 2);
    QVERIFY(!limiter.limitedGo([] { fail(u"It is Closed"_s); }));
    QVERIFY(!limiter.limitedGo([] { fail(u"It is Closed"_s); }, now()));
}

void tst_LimitedWaits::theParentClosesALimiterWithBlockedCalls()
{
    Process parent;
    RateLimiter limiter(1, &parent);
    const ExpectWarning refused(u"teardown has begun"_s, 0, 1);
    QVERIFY(limiter.limitedGo([](Process &self) { self.waitForClosing(soon()); }, now()));
    Queue queue(limiter);
    queue.add([] {});
    QVERIFY(!parent.closeAndWait());
    QVERIFY(limiter.isClosed());
    queue.join();
}

void tst_LimitedWaits::theLimiterIsDestroyedWhileCallsAreBlocked()
{
    for (int i = 0; i < 50; ++i) {
        auto limiter = std::make_unique<RateLimiter>(1);
        const ExpectWarning refused(u"teardown has begun"_s, 0, 2);
        QVERIFY(limiter->limitedGo([](Process &self) { self.waitForClosing(soon()); }, now()));
        Queue queue(*limiter);
        queue.add([] {});
        queue.add([] {});
        limiter.reset();
        queue.join();
    }
}

void tst_LimitedWaits::destroyedInASlotOfItsOwnClosing()
{
    auto *limiter = new RateLimiter(2);
    Counter closing;
    QVERIFY(limiter->limitedGo([&](Process &self) {
        self.waitForClosing(soon());
        closing.add();
    }));
    QPointer<RateLimiter> gone = limiter;
    connect(limiter, &Process::closing, limiter, [limiter] { delete limiter; });
    limiter->close();
    QTRY_VERIFY(!gone);
    QCOMPARE(closing.count(), 1);
}

QTEST_MAIN(tst_LimitedWaits)

#include "tst_limitedwaits.moc"
