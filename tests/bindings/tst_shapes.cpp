// SPDX-License-Identifier: MIT
// What many bindings cost: the time for n of them grows as n does.
//
// It is measured in the time that the processors spend on this program, which other programs do not
// add to; the best of some tries counts.

#include "support/messages.h"
#include "support/sanitizers.h"
#include "support/waits.h"

#include <GoProcess/Bindings>
#include <GoProcess/RateLimiter>

#include <QElapsedTimer>
#include <QFuture>
#include <QObject>
#include <QPromise>
#include <QTest>
#include <QThread>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <ctime>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

using GoProcess::Process;
using GoProcess::RateLimiter;

using TestSupport::soon;

namespace {

using Shape = void (*)(int);

std::vector<QPromise<void>> openPromises(int n)
{
    std::vector<QPromise<void>> promises(static_cast<std::size_t>(n));
    for (QPromise<void> &promise : promises)
        promise.start();
    return promises;
}

void waitForFutures(int n)
{
    std::vector<QPromise<void>> promises = openPromises(n);
    Process root;
    for (QPromise<void> &promise : promises)
        GoProcess::waitFor(&root, promise.future());
    for (QPromise<void> &promise : promises)
        promise.finish();
    root.close();
    QVERIFY(root.waitForClosed(soon()));
}

void closeOnFutures(int n)
{
    std::vector<QPromise<void>> promises = openPromises(n);
    Process root;
    std::vector<std::unique_ptr<Process>> children;
    for (QPromise<void> &promise : promises) {
        children.push_back(std::make_unique<Process>());
        root.addChild(children.back().get());
        GoProcess::closeOn(children.back().get(), promise.future());
    }
    for (QPromise<void> &promise : promises)
        promise.finish();
    root.closeAfterChildren();
    QVERIFY(root.waitForClosed(soon()));
}

void tokensBesideBindings(int n)
{
    Process process;
    QObject sender;
    for (int i = 0; i < n; ++i) {
        GoProcess::closeOn(&process, &sender, &QObject::objectNameChanged);
        GoProcess::stopToken(&process);
    }
    QVERIFY(!process.closeAndWait());
}

void closeOnOneSignal(int n)
{
    Process root;
    std::vector<std::unique_ptr<Process>> children;
    for (int i = 0; i < n; ++i) {
        children.push_back(std::make_unique<Process>());
        root.addChild(children.back().get());
        GoProcess::closeOnSignals(children.back().get(), { SIGUSR1 });
    }
    // From the last to the first.
    for (auto child = children.rbegin(); child != children.rend(); ++child)
        (*child)->closeAndWait();
}

void manyPlaces(int n)
{
    RateLimiter limiter(n);
    for (int i = 0; i < n; ++i)
        limiter.queueGo([](Process &self) { self.close(); });
    limiter.closeAfterChildren();
    QVERIFY(limiter.waitForClosed(soon()));
}

void manyDropped(int n)
{
    RateLimiter limiter(1);
    limiter.queueGo([](Process &self) { self.waitForClosing(); });
    for (int i = 0; i < n; ++i)
        limiter.queueGo([] {});
    limiter.close();
    QVERIFY(limiter.waitForClosed(soon()));
}

/// In seconds.
double timeOf(Shape shape, int n)
{
    const std::clock_t begin = std::clock();
    shape(n);
    return double(std::clock() - begin) / CLOCKS_PER_SEC;
}

} // namespace

class Shapes : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void timeGrowsAsTheirNumber_data();
    void timeGrowsAsTheirNumber();
    void noCallWaitsForThoseThatFinishAtOnce();
};

void Shapes::timeGrowsAsTheirNumber_data()
{
    QTest::addColumn<Shape>("shape");
    QTest::addColumn<int>("n");
    QTest::newRow("waitFor(future)") << Shape(waitForFutures) << 5000;
    QTest::newRow("closeOn(future)") << Shape(closeOnFutures) << 5000;
    QTest::newRow("bindings and stopToken") << Shape(tokensBesideBindings) << 5000;
    QTest::newRow("closeOnSignals") << Shape(closeOnOneSignal) << 10'000;
    QTest::newRow("limiter of n") << Shape(manyPlaces) << 5000;
    QTest::newRow("queueGo, dropped") << Shape(manyDropped) << 5000;
}

void Shapes::timeGrowsAsTheirNumber()
{
    if (TestSupport::underSanitizer || TestSupport::underCoverage)
        QSKIP("It measures");
    QFETCH(Shape, shape);
    QFETCH(int, n);
    double best = std::numeric_limits<double>::max();
    for (int i = 0; i < 5 && best >= 8; ++i) { // 4 where it is linear, 16 where it is quadratic
        const double few = timeOf(shape, n);
        const double many = timeOf(shape, 4 * n);
        best = std::min(best, many / few);
    }
    QVERIFY2(best < 8, qPrintable(QStringLiteral("4 times as many cost %1 times").arg(best)));
}

void Shapes::noCallWaitsForThoseThatFinishAtOnce()
{
    const int n = TestSupport::underSanitizer ? 10'000 : 40'000;
    std::vector<QPromise<void>> promises = openPromises(n);
    Process root;
    for (QPromise<void> &promise : promises)
        GoProcess::waitFor(&root, promise.future());
    for (QPromise<void> &promise : promises)
        promise.finish();
    QPromise<void> last;
    last.start();
    qint64 longest = 0;
    for (int i = 0; i < 20; ++i) {
        QThread::msleep(2);
        Process process;
        QElapsedTimer time;
        time.start();
        QVERIFY(GoProcess::closeOn(&process, last.future()));
        longest = std::max(longest, time.elapsed());
    }
    QVERIFY2(longest < 1000, qPrintable(QString::number(longest)));
    last.finish();
    root.close();
    QVERIFY(root.waitForClosed(soon()));
}

QTEST_GUILESS_MAIN(Shapes)

#include "tst_shapes.moc"
