// SPDX-License-Identifier: MIT
// Slots that throw: the announcement counts as made and the close goes on, wherever the exception
// is caught; where no caller can catch it, the log tells.
//
// Locals outlive the event loops here, classes without signals need no moc, and static objects of a
// test program harm no other:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro,non-pod-global-static

#include "support/eventlog.h"
#include "support/messages.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>
#include <GoProcess/RateLimiter>

#include <QCoreApplication>
#include <QEvent>
#include <QFuture>
#include <QStringList>
#include <QTest>
#include <QThread>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <vector>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::Error;
using GoProcess::Process;
using GoProcess::ProcessPtr;
using State = GoProcess::Process::State;

namespace {

/// Catches what leaves an event handler, as programs do that let slots throw.
class Application : public QCoreApplication
{
public:
    using QCoreApplication::QCoreApplication;

    bool notify(QObject *receiver, QEvent *event) override
    {
        try {
            return QCoreApplication::notify(receiver, event);
        } catch (const std::runtime_error &error) {
            caught.add(QString::fromUtf8(error.what()));
            return false;
        }
    }

    static inline EventLog caught;
};

enum class Signal { StateClosing, Closing, StateClosed, Closed };

void throwIn(Process &process, Signal signal)
{
    const auto fail = [] { throw std::runtime_error("slot"); };
    switch (signal) {
    case Signal::Closing:
        QObject::connect(&process, &Process::closing, &process, fail, Qt::DirectConnection);
        return;
    case Signal::Closed:
        QObject::connect(&process, &Process::closed, &process, fail, Qt::DirectConnection);
        return;
    case Signal::StateClosing:
    case Signal::StateClosed:
        break;
    }
    const State at = signal == Signal::StateClosing ? State::Closing : State::Closed;
    QObject::connect(
            &process, &Process::stateChanged, &process,
            [at, fail](State state) {
                if (state == at)
                    fail();
            },
            Qt::DirectConnection);
}

const QString uncaught = u"A slot has thrown .* no caller can catch it: .*slot"_s;

const QStringList wholeLife { u"state Closing p"_s, u"closing p"_s, u"teardown"_s,
                              u"state Closed p"_s, u"closed p"_s };

} // namespace

class tst_Thrown : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup()
    {
        Application::caught.take();
        verify();
    }

    void inAnEventLoop_data();
    void inAnEventLoop();
    void inAWait_data();
    void inAWait();
    void inADestructor_data();
    void inADestructor();
    void onThePool_data();
    void onThePool();
    void belowAWorkThatWaits();
    void atTheEndOfAThread();
    void behindADeletedProcess_data();
    void behindADeletedProcess();
    void inTheDestructorThatCompletesTheAnnouncement();
    void twoSlotsThrow();
    void stepsBehindItGoOn();
    void stepsThatAWaitLeftGoOn();
    void futuresAndBindingsAreTold();
    void closingOfAClass();
    void aRateLimiterThatGoes();
    void aPlaceThatWasWaitedFor();
    void namesAreToldOn();
};

static void signalColumn()
{
    QTest::addColumn<int>("signal");
    QTest::newRow("stateChanged(Closing)") << int(Signal::StateClosing);
    QTest::newRow("closing()") << int(Signal::Closing);
    QTest::newRow("stateChanged(Closed)") << int(Signal::StateClosed);
    QTest::newRow("closed()") << int(Signal::Closed);
}

void tst_Thrown::inAnEventLoop_data()
{
    signalColumn();
}

void tst_Thrown::inAnEventLoop()
{
    QFETCH(const int, signal);
    EventLog log;
    Process parent;
    Process process([&] { log.add(u"teardown"_s); });
    process.setName(u"p"_s);
    QVERIFY(parent.addChild(&process));
    log.watchAll(process);
    throwIn(process, Signal(signal)); // last, so that the log was told

    parent.close();
    QTRY_VERIFY(parent.isClosed());
    QVERIFY(log.compare(wholeLife));
    QCOMPARE(Application::caught.events(), QStringList { u"slot"_s });
    QVERIFY(!process.error());
}

void tst_Thrown::inAWait_data()
{
    signalColumn();
}

void tst_Thrown::inAWait()
{
    QFETCH(const int, signal);
    EventLog log;
    Process process([&] { log.add(u"teardown"_s); });
    process.setName(u"p"_s);
    log.watchAll(process);
    throwIn(process, Signal(signal));

    QVERIFY_THROWS_EXCEPTION(std::runtime_error, static_cast<void>(process.closeAndWait()));
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(log.compare(wholeLife));
    QVERIFY(Application::caught.events().isEmpty());
}

void tst_Thrown::inADestructor_data()
{
    signalColumn();
}

void tst_Thrown::inADestructor()
{
    QFETCH(const int, signal);
    EventLog log;
    const ExpectWarning warning(uncaught);
    {
        Process process([&] { log.add(u"teardown"_s); });
        process.setName(u"p"_s);
        log.watchAll(process);
        throwIn(process, Signal(signal));
    }
    QVERIFY(log.compare(wholeLife));
}

void tst_Thrown::onThePool_data()
{
    signalColumn();
}

void tst_Thrown::onThePool()
{
    QFETCH(const int, signal);
    EventLog log;
    const ExpectWarning warning(uncaught);
    Process parent;
    Gate gate;
    const ProcessPtr work = parent.go(u"p"_s, [&](Process &self) {
        self.setTeardown([&] { log.add(u"teardown"_s); });
        gate.pass();
    });
    log.watchAll(*work);
    throwIn(*work, Signal(signal));
    gate.open();

    QVERIFY(work->waitForClosed(soon()));
    QVERIFY(log.compare(wholeLife));
    QVERIFY(!work->error());
    QVERIFY(pollUntil([&] { return warning.count() == 1; })); // the end of the step
}

void tst_Thrown::belowAWorkThatWaits()
{
    // The steps of what a work has made run on the pool, where the wait in the work does not catch.
    const ExpectWarning warning(uncaught);
    Process parent;
    const ProcessPtr work = parent.go([] {
        Process inner([] {});
        throwIn(inner, Signal::Closing);
        CHECK(!inner.closeAndWait());
    });
    QVERIFY(work->waitForClosed(soon()));
    QVERIFY(!work->error());
    QVERIFY(pollUntil([&] { return warning.count() == 1; })); // the end of the step
}

void tst_Thrown::atTheEndOfAThread()
{
    const ExpectWarning warning(uncaught);
    EventLog log;
    std::atomic<Process *> made = nullptr;
    const std::unique_ptr<QThread> thread(QThread::create([&] {
        auto *const own = new Process([&] { log.add(u"teardown"_s); });
        own->setName(u"p"_s);
        log.watchAll(*own);
        throwIn(*own, Signal::Closing);
        own->close(); // the steps run when the thread finishes
        made = own;
    }));
    thread->start();
    QVERIFY(thread->wait());
    const std::unique_ptr<Process> process(made.load());
    QVERIFY(process->isClosed());
    QVERIFY(log.compare(wholeLife));
}

void tst_Thrown::behindADeletedProcess_data()
{
    signalColumn();
}

/// A slot deletes the process (R43), and throws after that.
void tst_Thrown::behindADeletedProcess()
{
    QFETCH(const int, signal);
    EventLog log;
    auto *const process = new Process([&] { log.add(u"teardown"_s); });
    process->setName(u"p"_s);
    log.watchAll(*process);
    Process parent;
    QVERIFY(parent.addChild(process));
    const auto act = [process] {
        delete process;
        throw std::runtime_error("slot");
    };
    if (Signal(signal) == Signal::Closing) {
        connect(process, &Process::closing, &parent, act, Qt::DirectConnection);
    } else if (Signal(signal) == Signal::Closed) {
        connect(process, &Process::closed, &parent, act, Qt::DirectConnection);
    } else {
        const State at = Signal(signal) == Signal::StateClosing ? State::Closing : State::Closed;
        connect(
                process, &Process::stateChanged, &parent,
                [=](State state) {
                    if (state == at)
                        act();
                },
                Qt::DirectConnection);
    }
    process->close();
    QTRY_VERIFY(!Application::caught.events().isEmpty());
    QVERIFY(log.compare(wholeLife));
    QVERIFY(!parent.closeAndWait());
}

/// The destructor that a slot calls emits what is left, where no caller can catch.
void tst_Thrown::inTheDestructorThatCompletesTheAnnouncement()
{
    const ExpectWarning warning(uncaught, 2);
    auto *const process = new Process;
    connect(
            process, &Process::stateChanged, this,
            [process](State state) {
                if (state == State::Closing)
                    delete process;
            },
            Qt::DirectConnection);
    throwIn(*process, Signal::Closing);
    throwIn(*process, Signal::Closed);
    Process parent;
    QVERIFY(parent.addChild(process));
    QVERIFY(!parent.closeAndWait());
}

void tst_Thrown::twoSlotsThrow()
{
    const ExpectWarning warning(uncaught); // one of them can be thrown on
    EventLog log;
    Process process([&] { log.add(u"teardown"_s); });
    process.setName(u"p"_s);
    log.watchAll(process);
    throwIn(process, Signal::StateClosing);
    throwIn(process, Signal::Closing);
    process.close();
    QTRY_VERIFY(process.isClosed());
    QCOMPARE(Application::caught.events(), QStringList { u"slot"_s });
    QVERIFY(log.compare(wholeLife));
}

void tst_Thrown::stepsBehindItGoOn()
{
    constexpr int count = 100;
    EventLog log;
    Process parent;
    std::vector<std::unique_ptr<Process>> children;
    for (int i = 0; i < count; ++i) {
        children.push_back(std::make_unique<Process>([&] { log.add(u"teardown"_s); }));
        QVERIFY(parent.addChild(children.back().get()));
        throwIn(*children.back(), i % 2 == 0 ? Signal::Closing : Signal::Closed);
    }
    parent.close();
    QTRY_VERIFY(parent.isClosed());
    QCOMPARE(log.events().size(), count);
    QCOMPARE(Application::caught.events().size(), count);
}

/// A wait that an exception ended has taken steps of others, which the event loop runs.
void tst_Thrown::stepsThatAWaitLeftGoOn()
{
    Process thrower([] {});
    Process other([] {});
    throwIn(thrower, Signal::Closing);
    thrower.close();
    other.close();
    QVERIFY_THROWS_EXCEPTION(std::runtime_error, static_cast<void>(thrower.waitForClosed()));
    QTRY_VERIFY(other.isClosed());
    QTRY_VERIFY(thrower.isClosed());
}

void tst_Thrown::futuresAndBindingsAreTold()
{
    EventLog log;
    Process process([] {});
    throwIn(process, Signal::Closing);
    throwIn(process, Signal::Closed);
    process.whenClosing().then([&] {
        log.add(u"whenClosing"_s);
        throw std::runtime_error("continuation"); // the future of then() has it
    });
    process.whenClosed().then([&](const Error &) {
        log.add(u"whenClosed"_s);
        throw std::runtime_error("continuation");
    });
    process.close();
    QTRY_VERIFY(process.isClosed());
    QTRY_COMPARE(log.events(), (QStringList { u"whenClosing"_s, u"whenClosed"_s }));
    QCOMPARE(Application::caught.events(), (QStringList { u"slot"_s, u"slot"_s }));
}

void tst_Thrown::closingOfAClass()
{
    class Subsystem : public Process
    {
    public:
        explicit Subsystem(EventLog &log)
        {
            setTeardown([this, &log] { log.add(m_member); });
        }

    private:
        const QString m_member = u"member"_s;
    };

    EventLog log;
    const ExpectWarning warning(uncaught);
    {
        GoProcess::Closing<Subsystem> subsystem(log);
        throwIn(subsystem, Signal::Closing);
    }
    QCOMPARE(log.events(), QStringList { u"member"_s });
}

void tst_Thrown::aRateLimiterThatGoes()
{
    const ExpectWarning warning(uncaught);
    GoProcess::RateLimiter limiter(1);
    throwIn(limiter, Signal::Closing);
}

/// The wait for a place runs a step whose slot throws: the place goes to the next one.
void tst_Thrown::aPlaceThatWasWaitedFor()
{
    GoProcess::RateLimiter limiter(1);
    Gate gate;
    const ProcessPtr first = limiter.limitedGo([&] { gate.pass(); });
    QVERIFY(first);
    Process thrower([] {});
    throwIn(thrower, Signal::Closing);
    thrower.close();
    QVERIFY_THROWS_EXCEPTION(std::runtime_error, static_cast<void>(limiter.limitedGo([] {})));
    gate.open();
    const ProcessPtr second = limiter.limitedGo([] {});
    QVERIFY(second);
    QVERIFY(second->waitForClosed(soon()));
    QVERIFY(thrower.waitForClosed(soon()));
    QVERIFY(!limiter.closeAndWait());
}

void tst_Thrown::namesAreToldOn()
{
    EventLog log;
    Process process;
    connect(&process, &Process::objectNameChanged, &process,
            [] { throw std::runtime_error("slot"); });
    connect(&process, &Process::nameChanged, &process, [&](const QString &name) { log.add(name); });
    QVERIFY_THROWS_EXCEPTION(std::runtime_error, process.setName(u"p"_s));
    QCOMPARE(process.name(), u"p"_s);
    QCOMPARE(log.events(), QStringList { u"p"_s });
}

int main(int argc, char **argv)
{
    Application app(argc, argv);
    tst_Thrown test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_thrown.moc"
