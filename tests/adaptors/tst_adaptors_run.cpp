// SPDX-License-Identifier: MIT
// adopt() of a program: which run of it counts, how it is asked to end, and the deadlines of waits
// for it.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QDeadlineTimer>
#include <QElapsedTimer>
#include <QProcess>
#include <QStringList>
#include <QTest>

#include <chrono>
#include <memory>
#include <utility>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using namespace std::chrono_literals;
using GoProcess::adopt;
using GoProcess::Error;
using GoProcess::Process;
using GoProcess::ProgramEnd;

namespace {

void run(QProcess &program, const QString &script)
{
    program.start(u"sh"_s, { u"-c"_s, script });
}

/// Starts a script that says "ready" first.
void start(QProcess &program, const QString &script)
{
    run(program, script);
    QVERIFY(program.waitForReadyRead());
}

const QString obeys = u"trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done"_s;
const QString stubborn = u"trap '' TERM; echo ready; while :; do sleep 0.01; done"_s;

} // namespace

class tst_AdaptorsRun : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void aSlotStartsItAnew_data();
    void aSlotStartsItAnew();
    void aSlotStartsItAnewAndCloses();
    void theNextRunIsNotEnded();
    void theNextRunThatFailsToStart();
    void signalsAreBlocked();
    void disconnectOfTheProgram_data();
    void disconnectOfTheProgram();

    void deadlineOfAWait();
    void killedInTheEventLoopAfterAWait();
    void stepsRunWhileAProgramEnds();
    void aLongWaitStillWarns();

    void endOfInput_data();
    void endOfInput();
    void endOfInputIsNotHeard();
    void endOfInputAndSigtermAreNotHeard();
    void whatWasWrittenIsRead();
};

void tst_AdaptorsRun::aSlotStartsItAnew_data()
{
    QTest::addColumn<bool>("isFirst");
    QTest::newRow("connected before the adaptor") << true;
    QTest::newRow("connected behind it") << false;
}

void tst_AdaptorsRun::aSlotStartsItAnew()
{
    QFETCH(const bool, isFirst);
    QProcess program;
    Counter finished;
    const auto restart = [&] {
        finished.add();
        if (finished.count() == 1)
            run(program, u"exit 0"_s);
    };
    if (isFirst)
        connect(&program, &QProcess::finished, this, restart);
    run(program, u"exit 3"_s);
    const std::unique_ptr<Process> process(adopt(&program));
    if (!isFirst)
        connect(&program, &QProcess::finished, this, restart);
    QTRY_COMPARE(finished.count(), 2);
    QTRY_VERIFY(process->isClosed());
    QVERIFY2(process->error().message().contains(u"exit code 3"_s),
             qPrintable(process->error().message()));
}

void tst_AdaptorsRun::aSlotStartsItAnewAndCloses()
{
    QProcess program;
    Process root;
    bool closed = false;
    connect(&program, &QProcess::finished, this, [&] {
        if (closed)
            return;
        start(program, obeys);
        closed = root.closeAndWait() || root.isClosed();
    });
    run(program, u"exit 3"_s);
    adopt(&program, &root);
    QTRY_VERIFY(closed);
    QCOMPARE(root.treeErrorCount(), 1);
    QVERIFY(root.treeErrors().constFirst().error.message().contains(u"exit code 3"_s));
    QCOMPARE(program.state(), QProcess::Running);
    program.kill();
    QVERIFY(program.waitForFinished());
}

void tst_AdaptorsRun::theNextRunIsNotEnded()
{
    QProcess program;
    bool once = false;
    connect(&program, &QProcess::finished, this, [&] {
        if (!std::exchange(once, true))
            start(program, obeys);
    });
    start(program, obeys);
    const std::unique_ptr<Process> process(adopt(&program));
    process->close();
    QTRY_VERIFY(process->isClosed());
    QVERIFY2(!process->error(), qPrintable(process->error().message()));
    QVERIFY(once);
    QCOMPARE(program.state(), QProcess::Running);
    program.kill();
    QVERIFY(program.waitForFinished());
}

void tst_AdaptorsRun::theNextRunThatFailsToStart()
{
    QProcess program;
    Counter failures;
    connect(&program, &QProcess::errorOccurred, this, [&] { failures.add(); });
    connect(&program, &QProcess::finished, this,
            [&] { program.start(u"/no/such/program"_s, QStringList()); });
    run(program, u"exit 0"_s);
    const std::unique_ptr<Process> process(adopt(&program));
    QTRY_COMPARE(failures.count(), 1);
    QTRY_VERIFY(process->isClosed());
    QVERIFY2(!process->error(), qPrintable(process->error().message()));
}

void tst_AdaptorsRun::signalsAreBlocked()
{
    QProcess program;
    start(program, obeys);
    const std::unique_ptr<Process> process(adopt(&program, nullptr, 50ms));
    program.blockSignals(true);
    process->close();
    QTRY_VERIFY(process->isClosed()); // if only after the grace
    QVERIFY(!process->error());
    program.blockSignals(false);
}

void tst_AdaptorsRun::disconnectOfTheProgram_data()
{
    QTest::addColumn<bool>("isDestroyed");
    QTest::newRow("closed") << false;
    QTest::newRow("destroyed") << true;
}

void tst_AdaptorsRun::disconnectOfTheProgram()
{
    QFETCH(const bool, isDestroyed);
    auto program = std::make_unique<QProcess>();
    start(*program, obeys);
    const std::unique_ptr<Process> process(adopt(program.get(), nullptr, 60s));
    disconnectAll(*program);
    if (isDestroyed) {
        program->kill();
        QVERIFY(program->waitForFinished());
        program.reset();
    } else {
        process->close();
    }
    QTRY_VERIFY(process->isClosed());
    QVERIFY2(!process->error(), qPrintable(process->error().message()));
}

// --- Waits ---------------------------------------------------------------------------------------

void tst_AdaptorsRun::deadlineOfAWait()
{
    QProcess program;
    start(program, stubborn);
    const std::unique_ptr<Process> process(adopt(&program, nullptr, 60s));
    process->close();
    QElapsedTimer timer;
    timer.start();
    QVERIFY(!process->waitForClosed(QDeadlineTimer(100)));
    QVERIFY(!process->waitForClosed(QDeadlineTimer(100)));
    QVERIFY(timer.elapsed() < 30000);
    program.kill();
    QVERIFY(process->waitForClosed(soon()));
}

void tst_AdaptorsRun::killedInTheEventLoopAfterAWait()
{
    QProcess program;
    start(program, stubborn);
    const std::unique_ptr<Process> process(adopt(&program, nullptr, 200ms));
    process->close();
    QVERIFY(!process->waitForClosed(QDeadlineTimer(20)));
    QTRY_VERIFY(process->isClosed());
    QVERIFY(process->error().message().contains(u"200 ms"_s));
}

void tst_AdaptorsRun::stepsRunWhileAProgramEnds()
{
    // A step at home that comes while the wait is busy with the program, and that ends the program.
    QProcess program;
    start(program, u"trap '' TERM; echo ready; read line"_s);
    Process root;
    adopt(&program, &root, 60s);
    Process other;
    connect(&other, &Process::closing, this, [&] { program.closeWriteChannel(); });
    Counter terminated;
    connect(&root, &Process::closing, this, [&] { terminated.add(); });
    Thread closer([&] {
        terminated.waitFor(1);
        other.close();
    });
    root.closeAndWait();
    QVERIFY(other.isClosing());
}

void tst_AdaptorsRun::aLongWaitStillWarns()
{
    QProcess program;
    start(program, stubborn);
    const std::unique_ptr<Process> process(adopt(u"helper"_s, &program, nullptr, 60s));
    process->close();
    const ExpectWarning warning(u"has blocked its thread for 5 s.*helper"_s);
    Thread killer([&] {
        CHECK(pollUntil([&] { return warning.count() == 1; }));
        QProcess::execute(u"kill"_s, { u"-KILL"_s, QString::number(program.processId()) });
    });
    QVERIFY(process->waitForClosed(soon()));
}

// --- How it is asked -----------------------------------------------------------------------------

void tst_AdaptorsRun::endOfInput_data()
{
    QTest::addColumn<bool>("isBlocked");
    QTest::newRow("event loop") << false;
    QTest::newRow("blocked home") << true;
}

void tst_AdaptorsRun::endOfInput()
{
    QFETCH(const bool, isBlocked);
    QProcess program;
    start(program, u"trap 'exit 9' TERM; echo ready; while read line; do :; done; exit 0"_s);
    const std::unique_ptr<Process> process(adopt(&program, nullptr, 30s, ProgramEnd::EndOfInput));
    process->close();
    if (isBlocked)
        QVERIFY(process->waitForClosed(soon()));
    QTRY_VERIFY(process->isClosed());
    QVERIFY2(!process->error(), qPrintable(process->error().message()));
    QCOMPARE(program.exitCode(), 0);
}

void tst_AdaptorsRun::endOfInputIsNotHeard()
{
    QProcess program;
    start(program, obeys);
    const std::unique_ptr<Process> process(adopt(&program, nullptr, 50ms, ProgramEnd::EndOfInput));
    process->close();
    QTRY_VERIFY(process->isClosed());
    QVERIFY2(!process->error(), qPrintable(process->error().message()));
}

void tst_AdaptorsRun::endOfInputAndSigtermAreNotHeard()
{
    for (const bool isBlocked : { false, true }) {
        QProcess program;
        start(program, stubborn);
        const std::unique_ptr<Process> process(
                adopt(&program, nullptr, 50ms, ProgramEnd::EndOfInput));
        process->close();
        if (isBlocked)
            QVERIFY(process->waitForClosed(soon()));
        QTRY_VERIFY(process->isClosed());
        QVERIFY(process->error().message().contains(u"killed"_s));
    }
}

void tst_AdaptorsRun::whatWasWrittenIsRead()
{
    const QByteArray input = QByteArray(1024 * 1024, 'x') + '\n';
    for (const bool isBlocked : { false, true }) {
        QProcess program;
        start(program, u"echo ready; wc -c"_s);
        program.readAll();
        program.write(input);
        const std::unique_ptr<Process> process(
                adopt(&program, nullptr, 30s, ProgramEnd::EndOfInput));
        process->close();
        if (isBlocked)
            QVERIFY(process->waitForClosed(soon()));
        QTRY_VERIFY(process->isClosed());
        QVERIFY2(!process->error(), qPrintable(process->error().message()));
        QCOMPARE(program.readAll().trimmed().toLongLong(), input.size());
    }
}

QTEST_MAIN(tst_AdaptorsRun)
#include "tst_adaptors_run.moc"
