// SPDX-License-Identifier: MIT
// A message handler may use the library, at whatever warning that gives: no lock is held then
// (R17). In a debug build the library stops the program where one is.

#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QDeadlineTimer>
#include <QObject>
#include <QPromise>
#include <QTest>
#include <QThread>

#include <atomic>
#include <chrono>
#include <functional>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

using GoProcess::Error;
using GoProcess::Process;
using GoProcess::ProcessPtr;

using namespace TestSupport;

namespace {

/// What a handler does at each warning: uses the processes from its own thread, and from another
/// one, for whose end it waits.
class UsingHandler
{
public:
    explicit UsingHandler(std::initializer_list<Process *> processes) : m_processes(processes)
    {
        s_current = this;
        s_previous = qInstallMessageHandler(&UsingHandler::handle);
    }
    Q_DISABLE_COPY_MOVE(UsingHandler)
    ~UsingHandler()
    {
        qInstallMessageHandler(s_previous);
        s_current = nullptr;
    }

    int count() const { return m_count; }

private:
    static void handle(QtMsgType type, const QMessageLogContext &context, const QString &text)
    {
        if (type != QtFatalMsg && !s_isUsing && qstrcmp(context.category, "goprocess") == 0) {
            s_isUsing = true;
            ++s_current->m_count;
            s_current->use();
            s_isUsing = false;
        }
        s_previous(type, context, text);
    }
    void use() const
    {
        for (Process *const process : m_processes)
            use(*process);
        // A thread that waits for a lock which the caller holds would do so for ever.
        Gate done;
        Thread other([&] {
            s_isUsing = true;
            for (Process *const process : m_processes)
                use(*process);
            done.open();
        });
        if (!done.pass())
            qFatal("A warning was given under a lock");
    }
    static void use(Process &process)
    {
        Process other;
        other.setName(process.path());
        static_cast<void>(process.treeErrors());
        static_cast<void>(process.whenClosed());
        if (&process == Process::background()) {
            CHECK(process.addChild(&other));
            return;
        }
        CHECK(other.addChildNoWait(&process));
        process.close();
        CHECK(process.isClosing());
        static_cast<void>(process.waitForClosed(QDeadlineTimer(0)));
    }

    const std::vector<Process *> m_processes;
    std::atomic<int> m_count = 0;
    static inline UsingHandler *s_current = nullptr;
    static inline thread_local bool s_isUsing = false;
    static inline QtMessageHandler s_previous = nullptr;
};

/// Calls a function at the first warning.
class CallingHandler
{
public:
    explicit CallingHandler(std::function<void()> function) : m_function(std::move(function))
    {
        s_current = this;
        s_previous = qInstallMessageHandler(&CallingHandler::handle);
    }
    Q_DISABLE_COPY_MOVE(CallingHandler)
    ~CallingHandler()
    {
        qInstallMessageHandler(s_previous);
        s_current = nullptr;
    }

private:
    static void handle(QtMsgType type, const QMessageLogContext &context, const QString &text)
    {
        s_previous(type, context, text);
        if (const auto function = std::exchange(s_current->m_function, {}))
            function();
    }

    std::function<void()> m_function;
    static inline CallingHandler *s_current = nullptr;
    static inline QtMessageHandler s_previous = nullptr;
};

void fail(Process &process)
{
    QVERIFY(process.setTeardown([] { return Error(QStringLiteral("failed")); }));
}

} // namespace

Q_DECLARE_METATYPE(std::function<void(Process &)>)

class Warnings : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void r17_aHandlerUsesTheProcessOfARefusal_data();
    void r17_aHandlerUsesTheProcessOfARefusal();
    void r17_aHandlerUsesTheProcessThatWouldWaitForItself();
    void r17_aHandlerUsesBackground();
    void r17_aHandlerUsesAProcessWhoseThreadHasFinished();
    void r17_aHandlerUsesAProcessWhoseThreadWasNotStarted();
    void r17_aHandlerUsesAProcessWithoutAThread();
    void r17_aHandlerUsesAProcessThatClosesForLong();
    void r17_aHandlerUsesAProcessWhoseFutureIsOpen();
    void r17_aHandlerUsesWorksThatWaitForAPlace();
    void r17_aHandlerUsesTheProcessAboveOneThatGoes();
    void r18_aHandlerWaitsInALargeClose();
};

void Warnings::r17_aHandlerUsesTheProcessOfARefusal_data()
{
    using Refused = std::function<void(Process &)>;
    QTest::addColumn<Refused>("refused");
    QTest::addColumn<bool>("isClosed");

    QTest::newRow("addChild()") << Refused([](Process &p) { QVERIFY(!p.addChild(nullptr)); })
                                << false;
    QTest::newRow("addChildNoWait()")
            << Refused([](Process &p) { QVERIFY(!p.addChildNoWait(nullptr)); }) << false;
    QTest::newRow("waitFor()") << Refused([](Process &p) { QVERIFY(!p.waitFor(&p)); }) << false;
    QTest::newRow("setTeardown(), the second") << Refused([](Process &p) {
        QVERIFY(p.setTeardown([] {}));
        QVERIFY(!p.setTeardown([] {}));
    }) << false;
    QTest::newRow("adopt()") << Refused([](Process &p) {
        QVERIFY(!GoProcess::adopt(static_cast<QThread *>(nullptr), &p));
    }) << false;
    QTest::newRow("RateLimiter") << Refused([](Process &p) {
        GoProcess::RateLimiter limiter(0);
        QVERIFY(p.addChildNoWait(&limiter));
    }) << false;
    QTest::newRow("addChild() of a Closed one") << Refused([](Process &p) {
        Process child;
        QVERIFY(!p.addChild(&child));
    }) << true;
    QTest::newRow("waitFor() of a Closed one") << Refused([](Process &p) {
        Process other;
        QVERIFY(!p.waitFor(&other));
    }) << true;
    QTest::newRow("hold()") << Refused([](Process &p) { QVERIFY(!p.hold()); }) << true;
    QTest::newRow("go()") << Refused([](Process &p) { QVERIFY(!p.go([] {})); }) << true;
    QTest::newRow("post()") << Refused([](Process &p) { QVERIFY(!p.post([] {})); }) << true;
    QTest::newRow("a late teardown that fails") << Refused([](Process &p) { fail(p); }) << true;
}

void Warnings::r17_aHandlerUsesTheProcessOfARefusal()
{
    QFETCH(std::function<void(Process &)>, refused);
    QFETCH(bool, isClosed);
    Process process;
    process.setName(QStringLiteral("involved"));
    if (isClosed)
        QVERIFY(!process.closeAndWait());
    {
        const ExpectWarning warning(QStringLiteral("refused|failed"));
        const UsingHandler handler({ &process });
        refused(process);
        QTRY_COMPARE_WITH_TIMEOUT(handler.count(), 1, 30000); // a late teardown is a step
    }
    QVERIFY(!process.closeAndWait());
}

// The waits of all that have a step or work on the stack are refused; so is the edge.
void Warnings::r17_aHandlerUsesTheProcessThatWouldWaitForItself()
{
    Process upper;
    Process lower;
    QVERIFY(upper.addChild(&lower));
    {
        const ExpectWarning warning(QStringLiteral("it would wait for itself"));
        const UsingHandler handler({ &lower, &upper });
        QVERIFY(!lower.waitFor(&upper));
        QCOMPARE(handler.count(), 1);
    }
    QVERIFY(!upper.closeAndWait());

    Process process;
    const ExpectWarning warning(QStringLiteral("refused"), 1);
    std::unique_ptr<UsingHandler> handler;
    QVERIFY(process.setTeardown([&] {
        handler = std::make_unique<UsingHandler>(std::initializer_list<Process *> {});
        CHECK(!process.waitForClosed());
        CHECK(handler->count() == 1);
        handler.reset();
    }));
    QVERIFY(!process.closeAndWait());
}

void Warnings::r17_aHandlerUsesBackground()
{
    Process *const background = Process::background();
    const ExpectWarning warning(QStringLiteral("background"), 6);
    const UsingHandler handler({ background });
    background->close();
    background->closeAfterChildren();
    QVERIFY(!background->setTeardown([] {}));
    background->setThreadPool(nullptr);
    QVERIFY(!background->hold());
    QVERIFY(!background->post([] {}));
    QCOMPARE(handler.count(), 6);
}

void Warnings::r17_aHandlerUsesAProcessWhoseThreadHasFinished()
{
    Process process([] {});
    QThread thread;
    process.moveToThread(&thread);
    thread.start();
    thread.quit();
    QVERIFY(thread.wait());
    const ExpectWarning warning(QStringLiteral("it has finished"));
    const UsingHandler handler({ &process });
    process.close();
    QCOMPARE(handler.count(), 1);
    QVERIFY(process.waitForClosed(soon()));
}

void Warnings::r17_aHandlerUsesAProcessWhoseThreadWasNotStarted()
{
    Process process([] {});
    QThread thread;
    process.moveToThread(&thread);
    process.close();
    const ExpectWarning warning(QStringLiteral("it was not started"));
    const UsingHandler handler({ &process });
    QVERIFY(process.waitForClosed(soon()));
    QCOMPARE(handler.count(), 1);
}

void Warnings::r17_aHandlerUsesAProcessWithoutAThread()
{
    Process process([] {});
    process.moveToThread(nullptr);
    const ExpectWarning warning(QStringLiteral("it has none"));
    const UsingHandler handler({ &process });
    process.close();
    QCOMPARE(handler.count(), 1);
    QVERIFY(process.waitForClosed(soon()));
}

// In a thread of its own.
void Warnings::r17_aHandlerUsesAProcessThatClosesForLong()
{
    GoProcess::setCloseWarning(std::chrono::milliseconds(1));
    Process process;
    GoProcess::Hold hold = process.hold();
    const ExpectWarning warning(QStringLiteral("has been closing"), 1, 2);
    {
        const UsingHandler handler({ &process });
        process.close();
        QTRY_VERIFY_WITH_TIMEOUT(handler.count() > 0, 30000);
        GoProcess::setCloseWarning(patience);
        QTRY_VERIFY_WITH_TIMEOUT(warning.count() >= handler.count(), 30000);
    }
    hold.release();
    QVERIFY(process.waitForClosed(soon()));
}

void Warnings::r17_aHandlerUsesAProcessWhoseFutureIsOpen()
{
    QPromise<void> promise;
    promise.start();
    Process process([&] { return promise.future(); });
    const ExpectWarning warning(QStringLiteral("may be what the future needs"));
    {
        const UsingHandler handler({ &process });
        process.close();
        QVERIFY(!process.waitForClosed(QDeadlineTimer(100)));
        QCOMPARE(handler.count(), 1);
    }
    promise.finish();
    QVERIFY(process.waitForClosed(soon()));
}

void Warnings::r17_aHandlerUsesWorksThatWaitForAPlace()
{
    const int before = GoProcess::maxWorkThreadCount();
    GoProcess::setMaxWorkThreadCount(1);
    Process root;
    Gate end;
    {
        const ExpectWarning warning(QStringLiteral("All 1 threads for works are blocked"));
        const UsingHandler handler({ &root });
        for (int i = 0; i < 2; ++i)
            QVERIFY(root.go([&] { end.pass(); }));
        QTRY_COMPARE_WITH_TIMEOUT(warning.count(), 1, 30000);
        QCOMPARE(handler.count(), 1);
    }
    end.open();
    QVERIFY(!root.closeAndWait());
    GoProcess::setMaxWorkThreadCount(before);
}

void Warnings::r17_aHandlerUsesTheProcessAboveOneThatGoes()
{
    Process above;
    auto process = std::make_unique<Process>();
    fail(*process);
    QVERIFY(above.addChildNoWait(process.get()));
    process->close();
    QVERIFY(process->waitForClosed(soon()));
    const ExpectWarning warning(QStringLiteral("nobody has asked what failed"));
    const UsingHandler handler({ &above });
    process.reset();
    QCOMPARE(handler.count(), 1);
}

/// The close has made a part of the tree Closing and goes on in the thread that now waits for it.
void Warnings::r18_aHandlerWaitsInALargeClose()
{
    Process root;
    std::vector<std::unique_ptr<Process>> children;
    for (int i = 0; i < 10000; ++i) {
        children.push_back(std::make_unique<Process>());
        root.addChild(children.back().get());
    }
    children.front()->moveToThread(nullptr);
    const ExpectWarning warning(QStringLiteral("it has none"));
    bool isPartOnly = false;
    bool isClosed = false;
    const CallingHandler handler([&] {
        isPartOnly = root.isClosing() && !children.back()->isClosing();
        isClosed = root.waitForClosed(soon());
    });
    root.close();
    QVERIFY(isPartOnly);
    QVERIFY(isClosed);
}

QTEST_GUILESS_MAIN(Warnings)
#include "tst_messages.moc"
