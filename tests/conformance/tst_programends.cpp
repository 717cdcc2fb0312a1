// SPDX-License-Identifier: MIT
// What a program can do only once, or what ends it: fatal messages, the application, and the end of
// the program (R43, R45, R47, R48). Each test is named after its rule, and runs programs.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "scenario.h"
#include "support/messages.h"

#include <GoProcess/GoProcess>

#include <QProcess>
#include <QRegularExpression>
#include <QString>
#include <QStringList>
#include <QTest>

using namespace TestSupport;

namespace {

/// True if \a outcome is the end of a program by a fatal message that matches \a pattern.
bool isFatal(const Outcome &outcome, const QString &pattern)
{
    // Another pattern each time.
    const QRegularExpression fatal(QStringLiteral("^fatal [^\n]*") + pattern,
                                   QRegularExpression::MultilineOption);
    if (outcome.crashed && outcome.output.isEmpty()
        && fatal.match(outcome.messages).hasMatch()) // clazy:exclude=use-static-qregularexpression
        return true;
    isClean(outcome, -1);
    return false;
}

} // namespace

class tst_ProgramEnds : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void cleanup() { TestSupport::verify(); }
    void cleanupTestCase();

    void r43_deletionThatCouldNotEndIsFatal_data();
    void r43_deletionThatCouldNotEndIsFatal();
    void r45_processesWorkWithoutAnApplication();
    void r45_processesWorkBeforeAndAfterTheApplication();
    void r45_processesOutliveTheApplication();
    void r45_stepsWaitForTheApplication_data();
    void r45_stepsWaitForTheApplication();
    void r45_aWaitRunsStepsWithoutAnApplication_data();
    void r45_aWaitRunsStepsWithoutAnApplication();
    void r47_aSubclassLeftOpenIsNamedInACriticalMessage();
    void r48_worksAreAskedToCloseAtTheEndOfTheProgram();
    void r48_staticProcessesCloseInStaticDestruction_data();
    void r48_staticProcessesCloseInStaticDestruction();
    void r48_aWorkThatDoesNotEndIsNamedAndLeftBehind();

private:
    /// Takes 5 s to end, so it starts first and its test asks last.
    QProcess m_stubborn;
};

void tst_ProgramEnds::initTestCase()
{
    TestSupport::begin();
    m_stubborn.start(QStringLiteral(GOPROCESS_SCENARIOS), { QStringLiteral("workThatNeverEnds") });
}

void tst_ProgramEnds::cleanupTestCase()
{
    if (m_stubborn.state() != QProcess::NotRunning) {
        m_stubborn.kill();
        m_stubborn.waitForFinished();
    }
}

// R43: deletion in slots

void tst_ProgramEnds::r43_deletionThatCouldNotEndIsFatal_data()
{
    QTest::addColumn<QString>("path");
    QTest::newRow("deleteInTeardown") << QStringLiteral("/doomed");
    QTest::newRow("deleteInWork") << QStringLiteral("/root/doomed");
    QTest::newRow("deleteParentInTeardown") << QStringLiteral("/doomed");
    QTest::newRow("deleteParentInWork") << QStringLiteral("/doomed");
}

void tst_ProgramEnds::r43_deletionThatCouldNotEndIsFatal()
{
    QFETCH(const QString, path);
    const Outcome result = runScenario(QString::fromLatin1(QTest::currentDataTag()));
    QVERIFY(isFatal(result, path));
}

// R45: without an application

void tst_ProgramEnds::r45_processesWorkWithoutAnApplication()
{
    const Outcome result = runScenario(QStringLiteral("withoutApplication"));
    QVERIFY(isClean(result));
    QVERIFY(result.output.contains(QStringLiteral("teardown child")));
    QCOMPARE(result.output.constLast(), QStringLiteral("closed root"));
}

void tst_ProgramEnds::r45_processesWorkBeforeAndAfterTheApplication()
{
    const Outcome result = runScenario(QStringLiteral("beforeAndAfterApplication"));
    QVERIFY(isClean(result));
    QStringList expected;
    for (const QString &name :
         { QStringLiteral("before"), QStringLiteral("during"), QStringLiteral("after") }) {
        expected << QStringLiteral("closing ") + name << QStringLiteral("closing child")
                 << QStringLiteral("teardown child") << QStringLiteral("closed child")
                 << QStringLiteral("teardown root") << QStringLiteral("closed ") + name;
    }
    QCOMPARE(result.output, expected);
}

void tst_ProgramEnds::r45_processesOutliveTheApplication()
{
    const Outcome result = runScenario(QStringLiteral("acrossApplication"));
    QVERIFY(isClean(result));
    QCOMPARE(result.output,
             QStringList({ QStringLiteral("application gone"), QStringLiteral("closing root"),
                           QStringLiteral("teardown"), QStringLiteral("closed root") }));
}

void tst_ProgramEnds::r45_stepsWaitForTheApplication_data()
{
    QTest::addColumn<QString>("before");
    QTest::newRow("closedBeforeApplication") << QStringLiteral("no application yet");
    QTest::newRow("closedBetweenApplications") << QStringLiteral("application gone");
}

void tst_ProgramEnds::r45_stepsWaitForTheApplication()
{
    QFETCH(const QString, before);
    const Outcome result = runScenario(QString::fromLatin1(QTest::currentDataTag()));
    QVERIFY(isClean(result));
    QCOMPARE(
            result.output,
            QStringList({ before, QStringLiteral("closing root"), QStringLiteral("closed root") }));
}

void tst_ProgramEnds::r45_aWaitRunsStepsWithoutAnApplication_data()
{
    QTest::addColumn<int>("unused");
    QTest::newRow("threadWithoutApplication") << 0;
    QTest::newRow("movedWithoutApplication") << 0;
}

void tst_ProgramEnds::r45_aWaitRunsStepsWithoutAnApplication()
{
    const Outcome result = runScenario(QString::fromLatin1(QTest::currentDataTag()));
    QVERIFY(isClean(result));
    QCOMPARE(result.output, QStringList { QStringLiteral("teardown at home") });
}

// R47: composition and inheritance

void tst_ProgramEnds::r47_aSubclassLeftOpenIsNamedInACriticalMessage()
{
    const Outcome result = runScenario(QStringLiteral("leftOpenSubclass"));
    QVERIFY(!result.crashed);
    QCOMPARE(result.exitCode, 0);
    QVERIFY2(result.messages.startsWith(QStringLiteral("critical goprocess: ")),
             qPrintable(result.messages));
    QVERIFY2(result.messages.contains(QStringLiteral("LeftOpenCache")),
             qPrintable(result.messages));
    QCOMPARE(result.messages.count(QLatin1Char('\n')), 1);
    // It is closed all the same (R41).
    QCOMPARE(result.output, QStringList({ QStringLiteral("teardown"), QStringLiteral("gone") }));
}

// R48: the end of the program

void tst_ProgramEnds::r48_worksAreAskedToCloseAtTheEndOfTheProgram()
{
    const Outcome result = runScenario(QStringLiteral("worksThatObeyAtTheEnd"));
    QVERIFY(!result.crashed);
    QCOMPARE(result.exitCode, 7);
    QCOMPARE(result.output,
             QStringList { QStringLiteral("end of main") }
                     + QStringList(8, QStringLiteral("asked to close")));
}

void tst_ProgramEnds::r48_aWorkThatDoesNotEndIsNamedAndLeftBehind()
{
    const Outcome result = outcome(m_stubborn);
    QVERIFY(!result.crashed);
    QCOMPARE(result.exitCode, 7);
    QCOMPARE(result.output, QStringList { QStringLiteral("end of main") }); // not terminated
    QVERIFY2(result.messages.startsWith(QStringLiteral("warning goprocess: ")),
             qPrintable(result.messages));
    QVERIFY2(result.messages.contains(QStringLiteral("/stubborn")), qPrintable(result.messages));
}

void tst_ProgramEnds::r48_staticProcessesCloseInStaticDestruction_data()
{
    QTest::addColumn<QString>("scenario");
    QTest::newRow("without an application") << QStringLiteral("staticProcess");
    QTest::newRow("after the application") << QStringLiteral("staticProcessAfterApplication");
}

void tst_ProgramEnds::r48_staticProcessesCloseInStaticDestruction()
{
    QFETCH(const QString, scenario);
    const Outcome result = runScenario(scenario);
    QVERIFY(!result.crashed);
    QCOMPARE(result.exitCode, 7);
    QCOMPARE(result.output,
             QStringList({ QStringLiteral("end of main"), QStringLiteral("closing static"),
                           QStringLiteral("late work"), QStringLiteral("teardown"),
                           QStringLiteral("closed static") }));
}

QTEST_GUILESS_MAIN(tst_ProgramEnds)

#include "tst_programends.moc"
