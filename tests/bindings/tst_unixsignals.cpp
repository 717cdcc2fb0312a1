// SPDX-License-Identifier: MIT
// closeOnSignals(). What happens in a program with signals is in scenarios.cpp, which checks it and
// exits with 0; here these programs are run.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/sanitizers.h"

#include <QObject>
#include <QProcess>
#include <QRegularExpression>
#include <QString>
#include <QTest>

#include <csignal>

namespace {

constexpr int patience = 60'000; // milliseconds

// The thread sanitizer loses one in a hundred of the signals that come just when a thread goes to
// sleep: its handler is called, the program's is not. Signals that a thread raises itself all come.
constexpr bool losesSignals = TestSupport::underThreadSanitizer;
constexpr const char *lostSignals = "The thread sanitizer loses signals from outside";

/// A scenario that runs as a child process.
class Scenario
{
public:
    explicit Scenario(const QString &name)
    {
        m_process.start(QStringLiteral(GOPROCESS_SCENARIOS), { name });
    }
    /// Started by a shell, which first does what \a prologue says.
    Scenario(const QString &prologue, const QString &name)
    {
        m_process.start(QStringLiteral("/bin/sh"),
                        { QStringLiteral("-c"), prologue + QStringLiteral("; exec \"$0\" \"$1\""),
                          QStringLiteral(GOPROCESS_SCENARIOS), name });
    }
    Q_DISABLE_COPY_MOVE(Scenario)
    ~Scenario()
    {
        m_process.kill();
        m_process.waitForFinished();
    }

    /// True when it has printed \a line.
    bool prints(const QByteArray &line)
    {
        while (m_process.waitForReadyRead(patience)) {
            m_output += m_process.readAllStandardOutput();
            if (m_output.contains(line + '\n'))
                return true;
        }
        return false;
    }
    void raise(int signal) { ::kill(pid_t(m_process.processId()), signal); }
    /// True if it ends by itself with status 0.
    bool succeeds() { return endsWith(0); }
    /// True if it ends by itself with \a status.
    bool endsWith(int status)
    {
        const bool ended =
                m_process.waitForFinished(patience) || m_process.state() == QProcess::NotRunning;
        m_output += m_process.readAllStandardOutput();
        m_messages += QString::fromUtf8(m_process.readAllStandardError());
        const bool ok = ended && m_process.exitStatus() == QProcess::NormalExit
                && m_process.exitCode() == status;
        if (!ok)
            qInfo().noquote() << "status" << m_process.exitCode() << m_output << m_messages;
        return ok;
    }
    QByteArray output() const { return m_output; }
    QString messages() const { return m_messages; }

private:
    QProcess m_process;
    QByteArray m_output;
    QString m_messages;
};

} // namespace

class UnixSignals : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void signalClosesWhileTheMainThreadIsBlocked_data();
    void signalClosesWhileTheMainThreadIsBlocked();
    void signalClosesInTheEventLoop();
    void signalsUntilTheEndDoNotEndIt();
    void nohupHasItsWay();
    void refusalsWarn();
    void furtherSignalEndsIt_data();
    void furtherSignalEndsIt();
    void signalsAtOnceAreOneRequest();
    void scenario_data();
    void scenario();
};

void UnixSignals::signalClosesWhileTheMainThreadIsBlocked_data()
{
    QTest::addColumn<int>("signal");
    QTest::newRow("SIGINT") << SIGINT;
    QTest::newRow("SIGTERM") << SIGTERM;
}

void UnixSignals::signalClosesWhileTheMainThreadIsBlocked()
{
    if (losesSignals)
        QSKIP(lostSignals);
    QFETCH(int, signal);
    Scenario scenario(QStringLiteral("blockedWithoutApplication"));
    QVERIFY(scenario.prints("ready"));
    scenario.raise(signal);
    QVERIFY(scenario.succeeds());
    QCOMPARE(scenario.output(), QByteArray("ready\nteardown\n"));
    QCOMPARE(scenario.messages(), QString());
}

void UnixSignals::signalClosesInTheEventLoop()
{
    if (losesSignals)
        QSKIP(lostSignals);
    Scenario scenario(QStringLiteral("eventLoop"));
    QVERIFY(scenario.prints("ready"));
    scenario.raise(SIGTERM);
    QVERIFY(scenario.succeeds());
    QCOMPARE(scenario.output(), QByteArray("ready\nteardown\n"));
}

void UnixSignals::signalsUntilTheEndDoNotEndIt()
{
    if (losesSignals)
        QSKIP(lostSignals);
    for (int i = 0; i < 30; ++i) {
        Scenario scenario(QStringLiteral("signalsUntilTheEnd"));
        QVERIFY(scenario.succeeds());
        QCOMPARE(scenario.messages(), QString());
    }
}

void UnixSignals::nohupHasItsWay()
{
    Scenario scenario(QStringLiteral("trap '' HUP"), QStringLiteral("startedWithAnIgnoredSignal"));
    QVERIFY(scenario.succeeds());
    QCOMPARE(scenario.messages(), QString());
}

void UnixSignals::refusalsWarn()
{
    Scenario scenario(QStringLiteral("refused"));
    QVERIFY(scenario.succeeds());
    static const QRegularExpression warning(
            QStringLiteral("goprocess: closeOnSignals\\(\\) of process \"[^\"]*\" refused: "));
    QCOMPARE(scenario.messages().count(warning), 8);
    QCOMPARE(scenario.messages().count(QStringLiteral("\"/root\" refused")), 6);
    QCOMPARE(scenario.messages().count(
                     QStringLiteral("goprocess: onSignals() of process \"\" refused: ")),
             3);
}

void UnixSignals::furtherSignalEndsIt_data()
{
    QTest::addColumn<int>("signal");
    QTest::addColumn<QByteArray>("output");
    QTest::newRow("endsWhileBlocked") << SIGINT << QByteArray();
    QTest::newRow("endsWhileATeardownHangs") << SIGINT << QByteArray();
    QTest::newRow("endsAfterAllIsClosed") << SIGINT << QByteArray();
    QTest::newRow("endsByAnotherSignal") << SIGUSR1 << QByteArray();
    QTest::newRow("endsWhileTheCloseHangs") << SIGINT << QByteArray();
    QTest::newRow("endsThoughTheSignalCameLate") << SIGTERM << QByteArray();
    QTest::newRow("startsAgain") << SIGUSR2 << QByteArray("closed again\n");
    QTest::newRow("oneOfTwoIgnores") << SIGINT << QByteArray("ignored\n");
    QTest::newRow("oneIgnoresSome") << SIGINT << QByteArray("ignored\n");
}

void UnixSignals::furtherSignalEndsIt()
{
    QFETCH(int, signal);
    QFETCH(QByteArray, output);
    Scenario scenario(QString::fromLatin1(QTest::currentDataTag()));
    QVERIFY(scenario.endsWith(128 + signal));
    QCOMPARE(scenario.output(), output);
    QCOMPARE(scenario.messages(), QString());
}

void UnixSignals::signalsAtOnceAreOneRequest()
{
    // A program that gets no time of the CPU for half a second sends its signals too late.
    bool isOneRequest = false;
    for (int i = 0; i < 10 && !isOneRequest; ++i)
        isOneRequest = Scenario(QStringLiteral("signalsAtOnce")).succeeds();
    QVERIFY(isOneRequest);
}

void UnixSignals::scenario_data()
{
    QTest::addColumn<QString>("name");
    for (const char *name : { "withoutAHome",
                              "setsOfSignals",
                              "manyProcesses",
                              "previousHandlerIsRestoredByTheLast",
                              "staysHandledAfterTheClose",
                              "armedAgain",
                              "ignoredSignalsStayIgnored",
                              "asksFirst",
                              "functionsGo",
                              "closesAndCalls",
                              "closedBeforeTheEventLoop",
                              "laterHandlerIsLeftAlone",
                              "furtherSignalsAreIgnored",
                              "signalsOfOthersDoNotEndIt",
                              "signalOfAnOpenProcessClosesIt",
                              "theOthersStayHandledToo",
                              "closedProcessIsNotBound",
                              "destroyedProcessRestores",
                              "forkedChild",
                              "forkedChildOfAClosingProgram",
                              "errnoIsPreserved",
                              "stormOfSignals",
                              "signalsMeetTheClose",
                              "watchedAtTheEnd",
                              "messageHandlerEndsTheProgram" })
        QTest::newRow(name) << QString::fromLatin1(name);
}

void UnixSignals::scenario()
{
    QFETCH(QString, name);
    if (TestSupport::underThreadSanitizer && name.startsWith(QLatin1String("forkedChild")))
        QSKIP("The thread sanitizer does not serve a child that was forked from several threads");
    Scenario scenario(name);
    QVERIFY(scenario.succeeds());
    QCOMPARE(scenario.messages(), QString());
}

QTEST_GUILESS_MAIN(UnixSignals)

#include "tst_unixsignals.moc"
