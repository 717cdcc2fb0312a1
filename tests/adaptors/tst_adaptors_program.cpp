// SPDX-License-Identifier: MIT
// adopt() of a QProcess, with real programs.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QFile>
#include <QPointer>
#include <QProcess>
#include <QStringList>
#include <QTest>
#include <QTimer>

#include <chrono>
#include <csignal>
#include <memory>

#include <signal.h>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using namespace std::chrono_literals;
using GoProcess::adopt;
using GoProcess::Error;
using GoProcess::Process;
using GoProcess::ProcessPtr;

namespace {

/// Starts `sh -c script` and returns when it has printed "ready".
void start(QProcess &program, const QString &script)
{
    program.start(u"sh"_s, { u"-c"_s, script });
    QVERIFY(program.waitForStarted());
    while (!program.canReadLine())
        QVERIFY(program.waitForReadyRead());
    QCOMPARE(program.readLine(), "ready\n");
}

const QString obeys = u"echo ready; exec sleep 1000"_s;
// What a shell ignores, the program does that takes its place: nothing is left of it when it is
// killed.
const QString stubborn = u"trap '' TERM; echo ready; exec sleep 1000"_s;
const QString saves = u"trap 'exit %1' TERM; echo ready; while :; do sleep 0.01; done"_s;

bool runs(qint64 pid)
{
    return ::kill(pid_t(pid), 0) == 0;
}

} // namespace

class tst_AdaptorsProgram : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void isTerminatedAndClosedOnFinished();
    void homeIsBlocked();
    void stubbornIsKilledAndReported();
    void stubbornIsKilledWhileHomeIsBlocked();
    void stubbornOnesShareTheGraceOfABlockedHome();
    void withoutGrace();
    void endsByItself();
    void exitCodeIsAnError();
    void exitCodeAfterTerminate_data();
    void exitCodeAfterTerminate();
    void crashIsAnError();
    void failedToStartIsAnError();
    void hadFailedBefore();
    void neverStarted();
    void startedAfterwards();
    void childrenCloseFirst();
    void destroyedTooEarly();
    void destroyedNeverStarted();
    void destroyedAfterClosed();
    void processDestroyedWhileItRuns();
    void closedInASlotOfFinished();
    void restartedIsLeftAlone();
    void nullIsRefused();
    void inAnotherThreadIsRefused();
    void inAWorkIsRefused();
    void noneOutlivesTheApplication_data();
    void noneOutlivesTheApplication();
};

void tst_AdaptorsProgram::isTerminatedAndClosedOnFinished()
{
    QProcess program;
    start(program, obeys);
    const std::unique_ptr<Process> process(adopt(&program));
    QVERIFY(!process->isClosing());
    process->close();
    QTRY_VERIFY(process->isClosed());
    QVERIFY2(!process->error(), qPrintable(process->error().message()));
    QCOMPARE(program.state(), QProcess::NotRunning);
}

void tst_AdaptorsProgram::homeIsBlocked()
{
    QProcess program;
    start(program, obeys);
    const std::unique_ptr<Process> process(adopt(&program));
    const Error error = process->closeAndWait();
    QVERIFY2(!error, qPrintable(error.message()));
    QCOMPARE(program.state(), QProcess::NotRunning);
}

void tst_AdaptorsProgram::stubbornIsKilledAndReported()
{
    QProcess program;
    start(program, stubborn);
    const std::unique_ptr<Process> process(adopt(&program, nullptr, 50ms));
    process->close();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(process->error().message().contains(u"killed"_s));
    QVERIFY(process->error().message().contains(u"50 ms"_s));
}

void tst_AdaptorsProgram::stubbornIsKilledWhileHomeIsBlocked()
{
    QProcess program;
    start(program, stubborn);
    const std::unique_ptr<Process> process(adopt(&program, nullptr, 50ms));
    QVERIFY(process->closeAndWait().message().contains(u"50 ms"_s));
    QCOMPARE(program.state(), QProcess::NotRunning);
}

void tst_AdaptorsProgram::stubbornOnesShareTheGraceOfABlockedHome()
{
    constexpr auto grace = 1000ms;
    QProcess programs[4];
    Process root;
    for (QProcess &program : programs) {
        start(program, stubborn);
        adopt(&program, &root, grace);
    }
    const auto begin = std::chrono::steady_clock::now();
    root.closeAndWait();
    QCOMPARE(root.treeErrorCount(), 4);
    QVERIFY(std::chrono::steady_clock::now() - begin < 3 * grace);
}

void tst_AdaptorsProgram::withoutGrace()
{
    QProcess program;
    start(program, stubborn);
    const std::unique_ptr<Process> process(adopt(&program, nullptr, -1ms)); // as 0
    QVERIFY(process->closeAndWait());
}

void tst_AdaptorsProgram::endsByItself()
{
    QProcess program;
    program.start(u"true"_s, QStringList());
    const std::unique_ptr<Process> process(adopt(&program));
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
}

void tst_AdaptorsProgram::exitCodeIsAnError()
{
    QProcess program;
    program.start(u"sh"_s, { u"-c"_s, u"exit 3"_s });
    const std::unique_ptr<Process> process(adopt(&program));
    QTRY_VERIFY(process->isClosed());
    QVERIFY(process->error().message().contains(u"exit code 3"_s));
}

void tst_AdaptorsProgram::exitCodeAfterTerminate_data()
{
    QTest::addColumn<int>("code");
    QTest::addColumn<bool>("isError");
    QTest::newRow("saved") << 0 << false;
    QTest::newRow("as shells say it") << 143 << false;
    QTest::newRow("could not save") << 1 << true;
}

void tst_AdaptorsProgram::exitCodeAfterTerminate()
{
    QFETCH(const int, code);
    QFETCH(const bool, isError);
    QProcess program;
    start(program, saves.arg(code));
    const std::unique_ptr<Process> process(adopt(&program, nullptr, 30s));
    process->close();
    QTRY_VERIFY(process->isClosed());
    QCOMPARE(process->error().isError(), isError);
}

void tst_AdaptorsProgram::crashIsAnError()
{
    QProcess program;
    start(program, obeys);
    const std::unique_ptr<Process> process(adopt(&program));
    QVERIFY(::kill(pid_t(program.processId()), SIGSEGV) == 0);
    QTRY_VERIFY(process->isClosed());
    QVERIFY(process->error().message().contains(u"crashed"_s));
}

void tst_AdaptorsProgram::failedToStartIsAnError()
{
    QProcess program;
    const std::unique_ptr<Process> process(adopt(&program));
    program.start(u"/no/such/program"_s, QStringList());
    QTRY_VERIFY(process->isClosed());
    QVERIFY(process->error().message().contains(u"/no/such/program could not be started"_s));
}

void tst_AdaptorsProgram::hadFailedBefore()
{
    QProcess program;
    program.start(u"/no/such/program"_s, QStringList());
    QVERIFY(!program.waitForStarted());
    const std::unique_ptr<Process> process(adopt(&program));
    QVERIFY(process->waitForClosed(soon()));
    QVERIFY(process->error());
}

void tst_AdaptorsProgram::neverStarted()
{
    QProcess program;
    const std::unique_ptr<Process> process(adopt(&program));
    QVERIFY(!process->closeAndWait());
}

void tst_AdaptorsProgram::startedAfterwards()
{
    QProcess program;
    const std::unique_ptr<Process> process(adopt(&program));
    start(program, obeys);
    QVERIFY(!process->closeAndWait());
    QCOMPARE(program.state(), QProcess::NotRunning);
}

void tst_AdaptorsProgram::childrenCloseFirst()
{
    QProcess program;
    start(program, obeys);
    const std::unique_ptr<Process> process(adopt(&program));
    bool ran = false;
    Process child([&] { ran = program.state() == QProcess::Running; });
    QVERIFY(process->addChild(&child));
    QVERIFY(!process->closeAndWait());
    QVERIFY(ran);
}

void tst_AdaptorsProgram::destroyedTooEarly()
{
    auto program = std::make_unique<QProcess>();
    start(*program, obeys);
    const std::unique_ptr<Process> process(adopt(program.get()));
    const ExpectWarning qts(u"Destroyed while process"_s, 1, "default");
    program.reset();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(process->error());
}

void tst_AdaptorsProgram::destroyedNeverStarted()
{
    auto program = std::make_unique<QProcess>();
    const std::unique_ptr<Process> process(adopt(program.get()));
    program.reset();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
}

void tst_AdaptorsProgram::destroyedAfterClosed()
{
    auto program = std::make_unique<QProcess>();
    start(*program, obeys);
    const std::unique_ptr<Process> process(adopt(program.get()));
    QVERIFY(!process->closeAndWait());
    program.reset();
}

void tst_AdaptorsProgram::processDestroyedWhileItRuns()
{
    QProcess program;
    start(program, obeys);
    delete adopt(&program);
    QCOMPARE(program.state(), QProcess::NotRunning);
    start(program, obeys); // nothing is left that would touch the process
    program.kill();
    QVERIFY(program.waitForFinished());
}

void tst_AdaptorsProgram::closedInASlotOfFinished()
{
    // The slot of the user comes before that of the adaptor, and the error is not lost.
    QProcess program;
    QPointer<Process> process;
    connect(&program, &QProcess::finished, this, [&] { process->closeAndWait(); });
    start(program, u"echo ready; read line; exit 3"_s);
    process = adopt(&program);
    program.closeWriteChannel();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(process->error().message().contains(u"exit code 3"_s));
    delete process;
}

void tst_AdaptorsProgram::restartedIsLeftAlone()
{
    QProcess program;
    start(program, obeys);
    const std::unique_ptr<Process> process(adopt(&program, nullptr, 100ms));
    process->close();
    QTRY_VERIFY(process->isClosed());
    start(program, obeys);
    // As late as the kill would be.
    bool late = false;
    QTimer::singleShot(200ms, this, [&] { late = true; });
    QTRY_VERIFY(late);
    QCOMPARE(program.state(), QProcess::Running);
    program.kill();
    QVERIFY(program.waitForFinished());
}

void tst_AdaptorsProgram::nullIsRefused()
{
    const ExpectWarning refused(u"adopt\\(\\) refused.*null"_s);
    QVERIFY(!adopt(static_cast<QProcess *>(nullptr)));
}

void tst_AdaptorsProgram::inAnotherThreadIsRefused()
{
    QProcess program;
    EventLoopThread thread;
    const ExpectWarning refused(u"adopt\\(\\) refused.*own thread"_s);
    QVERIFY(!thread.run([&] { return adopt(&program); }));
}

void tst_AdaptorsProgram::inAWorkIsRefused()
{
    const ExpectWarning refused(u"adopt\\(\\) refused.*inside a work"_s);
    const ProcessPtr work = GoProcess::go([] {
        QProcess program;
        CHECK(!adopt(&program));
    });
    QVERIFY(work->waitForClosed(soon()));
}

void tst_AdaptorsProgram::noneOutlivesTheApplication_data()
{
    QTest::addColumn<QString>("what");
    QTest::addColumn<bool>("warns");
    QTest::newRow("owned by the application") << u"owned"_s << false;
    QTest::newRow("on the stack") << u"stack"_s << false;
    QTest::newRow("leaked") << u"leaked"_s << true;
}

void tst_AdaptorsProgram::noneOutlivesTheApplication()
{
    QFETCH(const QString, what);
    QFETCH(const bool, warns);
    QProcess application;
    application.start(QString::fromUtf8(GOPROCESS_LEAVER), { what });
    QVERIFY(application.waitForFinished());
    QCOMPARE(application.exitCode(), 0);
    const qint64 pid = application.readAllStandardOutput().trimmed().toLongLong();
    QVERIFY(pid > 0);
    // A killed program without a parent is reaped by the first process of the machine, some time.
    const auto isZombie = [pid] {
        QFile stat(u"/proc/%1/stat"_s.arg(pid));
        return stat.open(QIODevice::ReadOnly) && stat.readAll().contains(") Z ");
    };
    QVERIFY(pollUntil([&] { return !runs(pid) || isZombie(); }));
    const QByteArray errors = application.readAllStandardError();
    QCOMPARE(errors.contains("is killed"), warns);
}

QTEST_MAIN(tst_AdaptorsProgram)
#include "tst_adaptors_program.moc"
