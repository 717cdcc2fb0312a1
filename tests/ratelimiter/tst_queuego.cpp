// SPDX-License-Identifier: MIT
// RateLimiter::queueGo(): works that wait for a place while their callers go on.
//
// Locals outlive the event loops here: clazy:excludeall=lambda-in-connect

#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/RateLimiter>

#include <QDeadlineTimer>
#include <QObject>
#include <QString>
#include <QTest>
#include <QThreadPool>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

using GoProcess::Error;
using GoProcess::Process;
using GoProcess::ProcessPtr;
using GoProcess::RateLimiter;

using TestSupport::Counter;
using TestSupport::ExpectWarning;
using TestSupport::Gate;
using TestSupport::soon;
using TestSupport::Thread;

using namespace std::chrono_literals;

namespace {

class Order
{
public:
    void add(int number)
    {
        const std::lock_guard lock(m_mutex);
        m_numbers.push_back(number);
    }
    std::vector<int> numbers() const
    {
        const std::lock_guard lock(m_mutex);
        return m_numbers;
    }

private:
    mutable std::mutex m_mutex;
    std::vector<int> m_numbers;
};

bool wasDropped(const Process &process)
{
    return process.error().message().contains(QLatin1String("was dropped"));
}

} // namespace

class QueueGo : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void returnsAtOnceAndStartsLater();
    void startsAtOnceWhereThereIsAPlace();
    void worksStartInOrder();
    void comesBehindThreadsThatWait();
    void limitedGoComesBehindIt();
    void noMoreThanTheLimitRun();
    void thePlaceIsFreeWhenTheWorksChildrenAreClosed();
    void namesAndErrors();
    void closingDropsWhatHasNotStarted();
    void closingOneDropsIt();
    void droppedWorkIsDestroyedBeforeClosed();
    void closingLimiterStartsWhereThereIsAPlace();
    void closingLimiterDropsWithoutOne();
    void closeAfterChildrenStartsAll();
    void destructorDrops();
    void clearedPoolGivesThePlacesBack();
    void closingManyDoesNotRecurse();
    void closeMeetsTheStarts();
    void refusals();
};

void QueueGo::returnsAtOnceAndStartsLater()
{
    RateLimiter limiter(1);
    Gate gate;
    std::atomic<bool> ran = false;
    const ProcessPtr first = limiter.queueGo([&] { gate.pass(); });
    const ProcessPtr second = limiter.queueGo([&] { ran = true; });
    QVERIFY(gate.waitForArrivals());
    QVERIFY(second);
    QVERIFY(!second->isClosing());
    QVERIFY(!second->waitForClosed(QDeadlineTimer(1)));
    QVERIFY(!ran);
    gate.open();
    QVERIFY(second->waitForClosed(soon()));
    QVERIFY(ran);
    QVERIFY(!second->error());
}

void QueueGo::startsAtOnceWhereThereIsAPlace()
{
    RateLimiter limiter(2);
    Gate gate;
    limiter.queueGo([&] { gate.pass(); });
    limiter.queueGo([&] { gate.pass(); });
    QVERIFY(gate.waitForArrivals(2));
    gate.open();
}

void QueueGo::worksStartInOrder()
{
    RateLimiter limiter(1);
    Gate gate;
    Order order;
    std::vector<int> expected;
    limiter.queueGo([&] { gate.pass(); });
    for (int i = 0; i < 100; ++i) {
        limiter.queueGo([&order, i] { order.add(i); });
        expected.push_back(i);
    }
    gate.open();
    limiter.closeAfterChildren();
    QVERIFY(limiter.waitForClosed(soon()));
    QCOMPARE(order.numbers(), expected);
}

void QueueGo::comesBehindThreadsThatWait()
{
    RateLimiter limiter(1);
    Gate gate;
    Order order;
    limiter.queueGo([&] { gate.pass(); });
    QVERIFY(gate.waitForArrivals());
    // A step that runs in the wait of limitedGo() sees that thread in the queue.
    Process early([&] { limiter.queueGo([&] { order.add(2); }); });
    early.close();
    Thread opener([&] {
        early.waitForClosed(soon());
        gate.open();
    });
    limiter.limitedGo([&] { order.add(1); });
    opener.join();
    limiter.closeAfterChildren();
    QVERIFY(limiter.waitForClosed(soon()));
    QCOMPARE(order.numbers(), (std::vector<int> { 1, 2 }));
}

void QueueGo::limitedGoComesBehindIt()
{
    RateLimiter limiter(1);
    Gate gate;
    Order order;
    limiter.queueGo([&] { gate.pass(); });
    for (int i = 0; i < 10; ++i)
        limiter.queueGo([&order, i] { order.add(i); });
    Thread blocked([&] { limiter.limitedGo([&] { order.add(10); }); });
    gate.open();
    blocked.join();
    limiter.closeAfterChildren();
    QVERIFY(limiter.waitForClosed(soon()));
    QCOMPARE(order.numbers().size(), std::size_t(11));
    QCOMPARE(order.numbers().back(), 10);
}

void QueueGo::noMoreThanTheLimitRun()
{
    RateLimiter limiter(3);
    std::atomic<int> running = 0;
    std::atomic<int> most = 0;
    std::atomic<int> ran = 0;
    const auto work = [&] {
        const int now = ++running;
        for (int before = most; before < now && !most.compare_exchange_weak(before, now);) { }
        std::this_thread::yield();
        ++ran;
        --running;
    };
    Thread other([&] {
        for (int i = 0; i < 200; ++i)
            limiter.limitedGo(work);
    });
    for (int i = 0; i < 500; ++i)
        limiter.queueGo(work);
    other.join();
    limiter.closeAfterChildren();
    QVERIFY(limiter.waitForClosed(soon()));
    QCOMPARE(ran.load(), 700);
    QVERIFY(most <= 3);
}

void QueueGo::thePlaceIsFreeWhenTheWorksChildrenAreClosed()
{
    RateLimiter limiter(1);
    Gate gate;
    std::atomic<bool> ran = false;
    ProcessPtr grandchild;
    const ProcessPtr first =
            limiter.queueGo([&](Process &self) { grandchild = self.go([&] { gate.pass(); }); });
    const ProcessPtr second = limiter.queueGo([&] { ran = true; });
    QVERIFY(gate.waitForArrivals());
    QVERIFY(!second->waitForClosed(QDeadlineTimer(1)));
    QVERIFY(!ran);
    gate.open();
    QVERIFY(second->waitForClosed(soon()));
}

void QueueGo::namesAndErrors()
{
    RateLimiter limiter(QStringLiteral("downloads"), 1);
    QCOMPARE(limiter.name(), QStringLiteral("downloads"));
    const ProcessPtr failed = limiter.queueGo(QStringLiteral("first"),
                                              [] { return Error(QStringLiteral("no route")); });
    QCOMPARE(failed->path(), QStringLiteral("/downloads/first"));
    QVERIFY(failed->waitForClosed(soon()));
    QCOMPARE(failed->error().message(), QStringLiteral("no route"));
    QCOMPARE(limiter.treeErrorCount(), 1);
    const ProcessPtr named = limiter.limitedGo(QStringLiteral("second"), [] {});
    QCOMPARE(named->name(), QStringLiteral("second"));
}

void QueueGo::closingDropsWhatHasNotStarted()
{
    Process root;
    RateLimiter limiter(2, &root);
    Gate gate;
    std::atomic<int> ran = 0;
    std::vector<ProcessPtr> processes;
    for (int i = 0; i < 12; ++i) {
        processes.push_back(limiter.queueGo([&](Process &self) {
            gate.pass();
            CHECK(self.isClosing());
            ++ran;
        }));
    }
    QVERIFY(gate.waitForArrivals(2));
    root.close();
    // They need no place for that.
    for (std::size_t i = 2; i < processes.size(); ++i)
        QVERIFY(processes[i]->waitForClosed(soon()));
    gate.open();
    QVERIFY(root.waitForClosed(soon()));
    QCOMPARE(ran.load(), 2);
    for (std::size_t i = 0; i < processes.size(); ++i)
        QCOMPARE(wasDropped(*processes[i]), i >= 2);
    QCOMPARE(limiter.treeErrorCount(), 10);
}

void QueueGo::closingOneDropsIt()
{
    RateLimiter limiter(1);
    Gate gate;
    std::atomic<bool> ran = false;
    limiter.queueGo([&] { gate.pass(); });
    const ProcessPtr dropped = limiter.queueGo([] { TestSupport::fail(QStringLiteral("it ran")); });
    const ProcessPtr next = limiter.queueGo([&] { ran = true; });
    dropped->close();
    QVERIFY(dropped->waitForClosed(soon()));
    QVERIFY(wasDropped(*dropped));
    gate.open();
    QVERIFY(next->waitForClosed(soon()));
    QVERIFY(ran);
    QVERIFY(!next->error());
}

void QueueGo::droppedWorkIsDestroyedBeforeClosed()
{
    RateLimiter limiter(1);
    Gate gate;
    limiter.queueGo([&] { gate.pass(); });
    auto captured = std::make_shared<int>(0);
    const std::weak_ptr<int> observed = captured;
    const ProcessPtr dropped = limiter.queueGo([held = std::move(captured)] {});
    std::atomic<bool> closed = false;
    QObject::connect(
            dropped.get(), &Process::closed, dropped.get(),
            [&] {
                CHECK(observed.expired());
                closed = true;
            },
            Qt::DirectConnection);
    QVERIFY(!observed.expired());
    dropped->close();
    QVERIFY(dropped->waitForClosed(soon()));
    QVERIFY(closed);
    gate.open();
}

void QueueGo::closingLimiterStartsWhereThereIsAPlace()
{
    RateLimiter limiter(1);
    std::atomic<bool> ran = false;
    {
        const GoProcess::Hold hold = limiter.hold();
        limiter.close();
        const ProcessPtr process = limiter.queueGo([&](Process &self) { ran = self.isClosing(); });
        QVERIFY(process->waitForClosed(soon()));
        QVERIFY(!process->error());
    }
    QVERIFY(ran);
}

void QueueGo::closingLimiterDropsWithoutOne()
{
    RateLimiter limiter(1);
    Gate gate;
    limiter.queueGo([&] { gate.pass(); });
    QVERIFY(gate.waitForArrivals());
    limiter.close();
    const ProcessPtr process = limiter.queueGo([] { TestSupport::fail(QStringLiteral("it ran")); });
    QVERIFY(process->waitForClosed(soon()));
    QVERIFY(wasDropped(*process));
    gate.open();
}

void QueueGo::closeAfterChildrenStartsAll()
{
    RateLimiter limiter(1);
    std::atomic<int> ran = 0;
    for (int i = 0; i < 20; ++i)
        limiter.queueGo([&] { ++ran; });
    limiter.closeAfterChildren();
    QVERIFY(limiter.waitForClosed(soon()));
    QCOMPARE(ran.load(), 20);
    QCOMPARE(limiter.treeErrorCount(), 0);
}

void QueueGo::destructorDrops()
{
    std::atomic<int> ran = 0;
    std::vector<ProcessPtr> processes;
    Gate gate;
    {
        RateLimiter limiter(1);
        for (int i = 0; i < 5; ++i) {
            processes.push_back(limiter.queueGo([&] {
                ++ran;
                gate.pass();
            }));
        }
        QVERIFY(gate.waitForArrivals());
        limiter.close();
        gate.open();
    }
    QCOMPARE(ran.load(), 1);
    for (std::size_t i = 1; i < processes.size(); ++i)
        QVERIFY(wasDropped(*processes[i]));
}

void QueueGo::clearedPoolGivesThePlacesBack()
{
    QThreadPool pool;
    pool.setMaxThreadCount(1);
    RateLimiter limiter(2);
    limiter.setThreadPool(&pool);
    Gate gate;
    std::atomic<bool> ran = false;
    limiter.queueGo([&] { gate.pass(); });
    QVERIFY(gate.waitForArrivals());
    const ProcessPtr cleared = limiter.queueGo([] { TestSupport::fail(QStringLiteral("it ran")); });
    const ProcessPtr queued = limiter.queueGo([&] { ran = true; });
    pool.clear();
    QVERIFY(cleared->waitForClosed(soon()));
    QVERIFY(wasDropped(*cleared));
    gate.open();
    QVERIFY(queued->waitForClosed(soon()));
    // The pool drops it as well when its place was free before the pool had done with its list.
    QVERIFY(ran || wasDropped(*queued));
    ran = false;
    QVERIFY(limiter.queueGo([&] { ran = true; })->waitForClosed(soon()));
    QVERIFY(ran);
}

void QueueGo::closingManyDoesNotRecurse()
{
    RateLimiter limiter(1);
    Gate gate;
    limiter.queueGo([&] { gate.pass(); });
    for (int i = 0; i < 20'000; ++i)
        limiter.queueGo([] {});
    limiter.close();
    gate.open();
    QTRY_VERIFY_WITH_TIMEOUT(limiter.isClosed(), 30'000);
    QVERIFY(limiter.treeErrorCount() >= 20'000);
}

void QueueGo::closeMeetsTheStarts()
{
    for (int round = 0; round < 100; ++round) {
        RateLimiter limiter(2);
        std::atomic<int> ran = 0;
        std::vector<ProcessPtr> processes;
        for (int i = 0; i < 50; ++i)
            processes.push_back(limiter.queueGo([&] { ++ran; }));
        Thread closer([&] {
            if (round % 2) {
                limiter.close();
            } else {
                for (const ProcessPtr &process : processes)
                    process->close();
            }
        });
        closer.join();
        limiter.close();
        QVERIFY(limiter.waitForClosed(soon()));
        // Each has run, or tells that it has not.
        int dropped = 0;
        for (const ProcessPtr &process : processes)
            dropped += wasDropped(*process) ? 1 : 0;
        QCOMPARE(ran + dropped, 50);
    }
}

void QueueGo::refusals()
{
    RateLimiter limiter(QStringLiteral("closed"), 1);
    {
        const ExpectWarning warning(
                QStringLiteral("queueGo\\(\\) .*\"/closed\" .*the work is null"));
        QVERIFY(!limiter.queueGo(std::function<void()>()));
    }
    QVERIFY(!limiter.closeAndWait());
    auto captured = std::make_shared<int>(0);
    const std::weak_ptr<int> observed = captured;
    const ExpectWarning warning(
            QStringLiteral("queueGo\\(\\) .*\"/closed\" refused: it is Closed"));
    QVERIFY(!limiter.queueGo([held = std::move(captured)] {}));
    QVERIFY(observed.expired());
}

QTEST_GUILESS_MAIN(QueueGo)

#include "tst_queuego.moc"
