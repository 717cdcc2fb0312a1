// SPDX-License-Identifier: MIT
// Processes at home in a QThread with an event loop before there is a QCoreApplication, and when
// that is gone (R45).

#include "support/messages.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QTest>
#include <QThread>

#include <atomic>
#include <memory>
#include <optional>

using GoProcess::Process;
using namespace TestSupport;

class tst_NoApplication : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    static void initTestCase() { begin(); }
    void init();
    void cleanup();

    void neverThere();
    void neverThereButKnownToTheThread();
    void goneBeforeTheFirstStep();
    void goneAfterAStep();
    void comesLater();
    void goesAndComes();

private:
    using App = std::optional<QCoreApplication>;

    void makeApplication(App &app) { app.emplace(m_argc, nullptr); }
    /// Ends like this wherever the steps ran: how often here and how often at home.
    void closeAndCompare(int here, int atHome);

    int m_argc = 0;
    std::unique_ptr<QThread> m_thread;
    std::unique_ptr<Process> m_process;
    std::atomic<bool> m_hasLoop = false;
    std::atomic<int> m_atHome = 0;
    std::atomic<int> m_elsewhere = 0;
};

constexpr QLatin1String noLoop("QEventLoop: Cannot be used without Q(Core)?Application");
constexpr QLatin1String notRun("does not run its steps");

void tst_NoApplication::init()
{
    m_hasLoop = false;
    m_atHome = 0;
    m_elsewhere = 0;
    m_thread = std::make_unique<QThread>();
    m_process = std::make_unique<Process>(
            [this] { ++(QThread::currentThread() == m_thread.get() ? m_atHome : m_elsewhere); });
}

void tst_NoApplication::cleanup()
{
    m_thread->quit();
    QVERIFY(m_thread->wait(soon()));
    m_process.reset();
    m_thread.reset();
    verify();
}

void tst_NoApplication::closeAndCompare(int here, int atHome)
{
    m_process->close();
    QVERIFY(m_process->waitForClosed(soon()));
    QCOMPARE(m_elsewhere.load(), here);
    QCOMPARE(m_atHome.load(), atHome);
}

void tst_NoApplication::neverThere()
{
    const ExpectWarning ofQt(noLoop, 1, QByteArrayLiteral("default"));
    const ExpectWarning ofWait(notRun);
    m_thread->start();
    QVERIFY(pollUntil([&] { return ofQt.count() == 1; }));
    m_process->moveToThread(m_thread.get());
    closeAndCompare(1, 0);
}

void tst_NoApplication::neverThereButKnownToTheThread()
{
    const ExpectWarning ofQt(noLoop, 1, QByteArrayLiteral("default"));
    m_process->moveToThread(m_thread.get());
    m_thread->start();
    QVERIFY(pollUntil([&] { return ofQt.count() == 1; }));
    closeAndCompare(0, 1);
}

void tst_NoApplication::goneBeforeTheFirstStep()
{
    const ExpectWarning ofWait(notRun);
    App app;
    makeApplication(app);
    QObject inThread;
    inThread.moveToThread(m_thread.get());
    m_thread->start();
    QMetaObject::invokeMethod(
            &inThread, [this] { m_hasLoop = true; }, Qt::QueuedConnection);
    QVERIFY(pollUntil([&] { return m_hasLoop.load(); }));
    m_process->moveToThread(m_thread.get());
    app.reset();
    closeAndCompare(1, 0);
}

void tst_NoApplication::goneAfterAStep()
{
    App app;
    makeApplication(app);
    m_thread->start();
    m_process->moveToThread(m_thread.get());
    Counter running;
    QVERIFY(m_process->post([&] { running.add(); }));
    QVERIFY(running.waitFor(1));
    app.reset();
    closeAndCompare(0, 1);
}

void tst_NoApplication::comesLater()
{
    const ExpectWarning ofQt(noLoop, 1, QByteArrayLiteral("default"));
    m_thread->start();
    QVERIFY(pollUntil([&] { return ofQt.count() == 1; }));
    m_process->moveToThread(m_thread.get());
    m_process->close(); // which no slot is told of yet
    App app;
    makeApplication(app);
    closeAndCompare(0, 1);
}

void tst_NoApplication::goesAndComes()
{
    App app;
    makeApplication(app);
    m_thread->start();
    m_process->moveToThread(m_thread.get());
    Counter running;
    for (int i = 1; i <= 5; ++i) {
        QVERIFY(m_process->post([&] {
            CHECK(QThread::currentThread() == m_thread.get());
            running.add();
        }));
        QVERIFY(running.waitFor(i));
        if (i % 2)
            app.reset();
        else
            makeApplication(app);
    }
    closeAndCompare(0, 1);
}

QTEST_APPLESS_MAIN(tst_NoApplication)
#include "tst_noapplication.moc"
