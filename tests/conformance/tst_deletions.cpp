// SPDX-License-Identifier: MIT
// Processes that a slot of stateChanged() deletes (R43): the signal that follows is still emitted,
// once, and the close goes on. Locals outlive the event loops here:
// clazy:excludeall=lambda-in-connect

#include "support/eventlog.h"
#include "support/messages.h"

#include <GoProcess/GoProcess>

#include <QObject>
#include <QStringList>
#include <QTest>

using GoProcess::Error;
using GoProcess::Process;

using namespace TestSupport;

class Deletions : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void r43_theSignalBehindStateChangedStillComes_data();
    void r43_theSignalBehindStateChangedStillComes();
    void r43_itStillComesWhereThereIsNoHome();
};

void Deletions::r43_theSignalBehindStateChangedStillComes_data()
{
    QTest::addColumn<Process::State>("state");
    QTest::addColumn<QStringList>("expected");
    // Of the state in which it is deleted the slots behind the one that deletes it are dropped.
    QTest::newRow("Closing")
            << Process::State::Closing
            << QStringList { QStringLiteral("state Closing"),    QStringLiteral("closing"),
                             QStringLiteral("teardown process"), QStringLiteral("state Closed"),
                             QStringLiteral("second slot"),      QStringLiteral("closed"),
                             QStringLiteral("deleted"),          QStringLiteral("teardown root") };
    QTest::newRow("Closed")
            << Process::State::Closed
            << QStringList { QStringLiteral("state Closing"), QStringLiteral("second slot"),
                             QStringLiteral("closing"),       QStringLiteral("teardown process"),
                             QStringLiteral("state Closed"),  QStringLiteral("closed"),
                             QStringLiteral("deleted"),       QStringLiteral("teardown root") };
}

void Deletions::r43_theSignalBehindStateChangedStillComes()
{
    QFETCH(const Process::State, state);
    QFETCH(const QStringList, expected);
    EventLog log;
    Process root(log.teardown(QStringLiteral("root")));
    auto *const process = new Process([&] {
        log.add(QStringLiteral("teardown process"));
        return Error(QStringLiteral("failed"));
    });
    QVERIFY(root.addChild(process));
    const QFuture<void> closing = process->whenClosing();
    const QFuture<Error> closed = process->whenClosed();
    connect(process, &Process::stateChanged, &root, [&](Process::State now) {
        log.add(QStringLiteral("state ") + EventLog::stateName(now));
        if (now != state)
            return;
        delete process;
        log.add(QStringLiteral("deleted"));
    });
    connect(process, &Process::stateChanged, &root,
            [&] { log.add(QStringLiteral("second slot")); });
    connect(process, &Process::closing, &root, [&] {
        log.add(QStringLiteral("closing"));
        CHECK(!closing.isFinished());
    });
    connect(process, &Process::closed, &root, [&] {
        log.add(QStringLiteral("closed"));
        CHECK(process->isClosed());
        CHECK(process->error().message() == QLatin1String("failed"));
        CHECK(closing.isFinished());
        CHECK(!closed.isFinished());
    });
    QVERIFY(!root.closeAndWait());
    QVERIFY(log.compare(expected));
    QVERIFY(closed.isFinished());
    QCOMPARE(closed.result().message(), QStringLiteral("failed"));
    QCOMPARE(root.treeErrorCount(), 1);
}

void Deletions::r43_itStillComesWhereThereIsNoHome()
{
    EventLog log;
    Process root;
    QVERIFY(root.go([&](Process &work) {
        auto *const process = new Process;
        CHECK(work.addChild(process));
        connect(
                process, &Process::stateChanged, process,
                [process](Process::State now) {
                    if (now == Process::State::Closed)
                        delete process;
                },
                Qt::DirectConnection);
        log.watch(*process, QStringLiteral("process"));
        process->close();
    }));
    QVERIFY(log.waitFor(QStringLiteral("closed process")));
    QVERIFY(!root.closeAndWait());
    QVERIFY(log.compare({ QStringLiteral("closing process"), QStringLiteral("closed process") }));
}

QTEST_GUILESS_MAIN(Deletions)
#include "tst_deletions.moc"
