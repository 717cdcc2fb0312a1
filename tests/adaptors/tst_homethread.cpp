// SPDX-License-Identifier: MIT
// inThread(): a process whose home is a thread of its own.

#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/Adaptors>

#include <QPointer>
#include <QPromise>
#include <QStringList>
#include <QTest>
#include <QThread>

#include <atomic>
#include <memory>
#include <thread>
#include <utility>

using GoProcess::Process;

namespace {

/// Notes the thread that destroys it.
class Witness : public QObject
{
public:
    Witness(QObject *parent, std::atomic<QThread *> &destroyedIn)
        : QObject(parent), m_destroyedIn(destroyedIn)
    {
    }
    Q_DISABLE_COPY_MOVE(Witness)
    ~Witness() override { m_destroyedIn = QThread::currentThread(); }

private:
    std::atomic<QThread *> &m_destroyedIn;
};

/// Set when the QThread object goes, which is after its end.
std::shared_ptr<std::atomic<bool>> goneFlag(const QThread *thread)
{
    auto gone = std::make_shared<std::atomic<bool>>(false);
    QObject::connect(thread, &QObject::destroyed, [gone] { *gone = true; });
    return gone;
}

} // namespace

class tst_homethread : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    static void initTestCase() { TestSupport::begin(); }
    static void cleanup() { TestSupport::verify(); }

    static void tearsDownInItsThreadWhichEndsAfterIt();
    static void whatItOwnsGoesInItsThread();
    static void closedByItselfEndsItsThread();
    static void destroyedWithoutAParent();
    static void destroyedWithItsParent();
    static void deletedInASlotOfItsClosed_data();
    static void deletedInASlotOfItsClosed();
    static void whatWasQueuedBeforeRuns();
    static void quitByHandItClosesFirst();
    static void childThatNeedsTheEventLoopCloses();
    static void errorIsThatOfTheProcess();
    static void madeInAWork();
    static void ownerThatDestroysItLateIsTold();
    static void refusedBelowAClosedParent();
    static void refusedForAnOwnerInAnotherThread();
    static void madeWhileItsParentCloses();
};

void tst_homethread::tearsDownInItsThreadWhichEndsAfterIt()
{
    Process root(QStringLiteral("app"));
    Process *const database = GoProcess::inThread(QStringLiteral("db"), &root);
    QThread *const thread = database->thread();
    QVERIFY(thread != QThread::currentThread());
    QCOMPARE(thread->objectName(), QStringLiteral("db"));
    QCOMPARE(database->path(), QStringLiteral("/app/db"));
    const auto gone = goneFlag(thread);

    std::atomic<QThread *> in = nullptr;
    std::atomic<bool> childFirst = false;
    Process worker([&] {
        childFirst = !in.load();
        CHECK(QThread::currentThread() == thread);
    });
    QVERIFY(database->addChild(&worker));
    worker.moveToThread(thread);
    database->setTeardown([&] { in = QThread::currentThread(); });

    QVERIFY(!root.closeAndWait());
    QCOMPARE(in.load(), thread);
    QVERIFY(childFirst.load());
    QVERIFY(gone->load());
}

void tst_homethread::whatItOwnsGoesInItsThread()
{
    std::atomic<QThread *> destroyedIn = nullptr;
    Process root;
    Process *const process = GoProcess::inThread(QStringLiteral("worker"), &root);
    QThread *const thread = process->thread();
    QMetaObject::invokeMethod(
            process, [&] { new Witness(process, destroyedIn); }, Qt::BlockingQueuedConnection);
    QVERIFY(!root.closeAndWait());
    QCOMPARE(destroyedIn.load(), thread);
}

void tst_homethread::closedByItselfEndsItsThread()
{
    Process root;
    Process *const process = GoProcess::inThread(QStringLiteral("worker"), &root);
    const auto gone = goneFlag(process->thread());
    process->close();
    QVERIFY(TestSupport::pollUntil([&] { return gone->load(); }));
    QVERIFY(!root.isClosing());
    root.closeAfterChildren();
    QVERIFY(root.waitForClosed(TestSupport::soon()));
}

void tst_homethread::destroyedWithoutAParent()
{
    Process *const process = GoProcess::inThread(QStringLiteral("worker"), nullptr);
    const auto gone = goneFlag(process->thread());
    delete process;
    QVERIFY(gone->load());
}

void tst_homethread::destroyedWithItsParent()
{
    QObject owner;
    const QPointer<Process> process = GoProcess::inThread(QStringLiteral("worker"), &owner);
    const auto gone = goneFlag(process->thread());
    qDeleteAll(owner.children());
    QVERIFY(!process);
    QVERIFY(gone->load());

    QPointer<Process> other;
    {
        Process root;
        other = GoProcess::inThread(QStringLiteral("worker"), &root);
    }
    QVERIFY(!other);
}

void tst_homethread::deletedInASlotOfItsClosed_data()
{
    QTest::addColumn<QString>("how");
    QTest::newRow("delete in its thread") << QStringLiteral("delete");
    QTest::newRow("deleteLater() in its thread") << QStringLiteral("deleteLater");
    QTest::newRow("delete here") << QStringLiteral("queued");
}

void tst_homethread::deletedInASlotOfItsClosed()
{
    QFETCH(const QString, how);
    Process root;
    std::atomic<QThread *> destroyedIn = nullptr;
    Process *const process = GoProcess::inThread(QStringLiteral("worker"),
                                                 how == QLatin1String("queued") ? nullptr : &root);
    QThread *const thread = process->thread();
    const auto gone = goneFlag(thread);
    QMetaObject::invokeMethod(
            process, [&] { new Witness(process, destroyedIn); }, Qt::BlockingQueuedConnection);
    const QPointer<Process> guard = process;
    if (how == QLatin1String("delete")) {
        QObject::connect(
                process, &Process::closed, process, [process] { delete process; },
                Qt::DirectConnection);
    } else if (how == QLatin1String("deleteLater")) {
        QObject::connect(process, &Process::closed, process, &QObject::deleteLater);
    } else {
        QObject::connect(process, &Process::closed, &root, [process, gone] {
            delete process;
            CHECK(gone->load()); // as anywhere but in its thread
        });
    }
    process->close();
    QTRY_VERIFY(gone->load() && !guard);
    QCOMPARE(destroyedIn.load(), thread);
    QVERIFY(!root.closeAndWait());
}

void tst_homethread::whatWasQueuedBeforeRuns()
{
    TestSupport::Gate gate;
    TestSupport::Counter runs;
    Process root;
    Process *const process = GoProcess::inThread(QStringLiteral("worker"), &root);
    QObject worker;
    worker.moveToThread(process->thread());
    QMetaObject::invokeMethod(&worker, [&] { gate.pass(); });
    QVERIFY(gate.waitForArrivals());
    process->close();
    for (int i = 0; i < 100; ++i)
        QMetaObject::invokeMethod(&worker, [&] { runs.add(); });
    gate.open();
    QVERIFY(!root.closeAndWait());
    QCOMPARE(runs.count(), 100);
}

void tst_homethread::quitByHandItClosesFirst()
{
    Process root;
    std::atomic<QThread *> in = nullptr;
    Process *const process = GoProcess::inThread(QStringLiteral("worker"), &root);
    QThread *const thread = process->thread();
    const auto gone = goneFlag(thread);
    process->setTeardown([&] { in = QThread::currentThread(); });
    thread->quit();
    QVERIFY(TestSupport::pollUntil([&] { return gone->load(); }));
    QCOMPARE(in.load(), thread);
    QVERIFY(process->isClosed());
    QVERIFY(!root.closeAndWait());
}

void tst_homethread::childThatNeedsTheEventLoopCloses()
{
    Process root;
    Process *const process = GoProcess::inThread(QStringLiteral("worker"), &root);
    auto *const object = new QObject;
    object->moveToThread(process->thread());
    Process child([object] {
        QPromise<void> promise;
        promise.start();
        QFuture<void> future = promise.future();
        QMetaObject::invokeMethod(
                object,
                [object, promise = std::make_shared<QPromise<void>>(std::move(promise))] {
                    promise->finish();
                    object->deleteLater();
                },
                Qt::QueuedConnection);
        return future;
    });
    QVERIFY(process->addChild(&child));
    child.moveToThread(process->thread());
    QVERIFY(!root.closeAndWait());
}

void tst_homethread::errorIsThatOfTheProcess()
{
    const auto fails = [] { return GoProcess::Error(QStringLiteral("no room")); };
    Process root(QStringLiteral("app"));
    Process *const below = GoProcess::inThread(QStringLiteral("db"), &root);
    below->setTeardown(fails);
    QVERIFY(!root.closeAndWait());
    QCOMPARE(root.treeErrorCount(), 1);
    QCOMPARE(root.treeErrors().constFirst().path, QStringLiteral("/app/db"));

    // Asked for after the end of the thread: nothing was logged before (which the test would not
    // see).
    QStringList messages;
    static QStringList *log = nullptr;
    log = &messages;
    std::unique_ptr<Process> alone(GoProcess::inThread(QStringLiteral("db")));
    alone->setTeardown(fails);
    const auto gone = goneFlag(alone->thread());
    const QtMessageHandler before = qInstallMessageHandler(
            [](QtMsgType, const QMessageLogContext &, const QString &text) { log->append(text); });
    alone->close();
    TestSupport::pollUntil([&] { return gone->load(); });
    alone->waitForClosed();
    const GoProcess::Error error = alone->error();
    alone.reset();
    qInstallMessageHandler(before);
    QCOMPARE(error.message(), QStringLiteral("no room"));
    QCOMPARE(messages, QStringList());
}

void tst_homethread::madeInAWork()
{
    Process root;
    std::atomic<bool> tornDownThere = false;
    const auto work = root.go([&](Process &self) {
        Process *const process = GoProcess::inThread(QStringLiteral("worker"), &self);
        QThread *const thread = process->thread();
        process->setTeardown(
                [&tornDownThere, thread] { tornDownThere = QThread::currentThread() == thread; });
        CHECK(!process->closeAndWait());
        delete process; // its parent lives in another thread
    });
    QVERIFY(work->waitForClosed(TestSupport::soon()));
    QVERIFY(tornDownThere.load());
}

void tst_homethread::ownerThatDestroysItLateIsTold()
{
    class Window : public QObject
    {
    };
    auto window = std::make_unique<Window>();
    Process *const process = GoProcess::inThread(QStringLiteral("worker"), window.get());
    process->setTeardown([] {});
    const TestSupport::ExpectWarning warning(
            QStringLiteral("\"/worker\" was left open by its QObject parent of class .*Window"));
    window.reset();
}

void tst_homethread::refusedBelowAClosedParent()
{
    Process root(QStringLiteral("app"));
    root.closeAndWait();
    const TestSupport::ExpectWarning warning(
            QStringLiteral("inThread\\(\\) of process \"/app\" refused: it is Closed"));
    QVERIFY(!GoProcess::inThread(QStringLiteral("late"), &root));
}

void tst_homethread::refusedForAnOwnerInAnotherThread()
{
    TestSupport::EventLoopThread thread;
    QObject owner;
    owner.moveToThread(&thread);
    const TestSupport::ExpectWarning warning(QStringLiteral(
            "inThread\\(\\) of process \"/worker\" refused: its parent lives in another"));
    QVERIFY(!GoProcess::inThread(QStringLiteral("worker"), &owner));
    thread.stop();
}

/// Honoured or refused, and either way all ends.
void tst_homethread::madeWhileItsParentCloses()
{
    int made = 0;
    for (int i = 0; i < 50; ++i) {
        const TestSupport::ExpectWarning warning(QStringLiteral("inThread\\(\\) .* refused"), 0, 1);
        Process root(QStringLiteral("app"));
        std::atomic<bool> go = false;
        TestSupport::Thread closer([&] {
            while (!go.load())
                std::this_thread::yield();
            root.close();
        });
        go = true;
        Process *const process = GoProcess::inThread(QStringLiteral("worker"), &root);
        made += process ? 1 : 0;
        closer.join();
        QVERIFY(!root.closeAndWait());
        QVERIFY(!process || process->isClosed());
    }
    QVERIFY(made > 0);
}

QTEST_GUILESS_MAIN(tst_homethread)
#include "tst_homethread.moc"
