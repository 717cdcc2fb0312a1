// SPDX-License-Identifier: MIT
// inThread() before there is a QCoreApplication, and when that is gone.

#include "support/messages.h"
#include "support/waits.h"

#include <GoProcess/Adaptors>

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include <QCoreApplication>
#include <QTest>
#include <QThread>

using GoProcess::Process;

class tst_homethread_noapp : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    static void initTestCase() { TestSupport::begin(); }
    static void cleanup() { TestSupport::verify(); }

    static void closesWithoutAnApplication_data();
    static void closesWithoutAnApplication();
};

void tst_homethread_noapp::closesWithoutAnApplication_data()
{
    QTest::addColumn<bool>("before");
    QTest::addColumn<bool>("after");
    QTest::newRow("there was none") << false << false;
    QTest::newRow("it is gone") << true << false;
    QTest::newRow("it comes later") << false << true;
}

/// R45
void tst_homethread_noapp::closesWithoutAnApplication()
{
    QFETCH(const bool, before);
    QFETCH(const bool, after);
    int argc = 0;
    std::optional<QCoreApplication> app;
    if (before)
        app.emplace(argc, nullptr);
    Process root;
    Process *const process = GoProcess::inThread(QStringLiteral("worker"), &root);
    QThread *const thread = process->thread();
    if (before) {
        TestSupport::Counter running; // its event loop, which Qt wants to begin with an application
        QVERIFY(process->post([&] { running.add(); }));
        QVERIFY(running.waitFor(1));
    }
    app.reset();
    if (after)
        app.emplace(argc, nullptr);

    TestSupport::Counter there;
    std::vector<std::unique_ptr<Process>> workers;
    for (int i = 0; i < 5; ++i) {
        workers.push_back(std::make_unique<Process>([&, thread] {
            CHECK(QThread::currentThread() == thread);
            there.add();
        }));
        QVERIFY(process->addChild(workers.back().get()));
        workers.back()->moveToThread(thread);
    }
    for (int i = 0; i < 3; ++i) { // each of them wakes the thread
        workers[std::size_t(i)]->close();
        QVERIFY(workers[std::size_t(i)]->waitForClosed(TestSupport::soon()));
    }
    QVERIFY(there.waitFor(3));
    root.close();
    QVERIFY(root.waitForClosed(TestSupport::soon()));
    QCOMPARE(there.count(), 5);
}

QTEST_APPLESS_MAIN(tst_homethread_noapp)
#include "tst_homethread_noapp.moc"
