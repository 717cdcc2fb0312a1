// SPDX-License-Identifier: MIT
// The end of the program names the processes that were left open with a teardown.

#include "support/leaks.h"
#include "support/messages.h"
#include "support/sanitizers.h"

#include <QProcess>
#include <QRegularExpression>
#include <QTest>

using namespace Qt::StringLiterals;
using namespace TestSupport;

class tst_LeftOpen : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void endOfProgram_data();
    void endOfProgram();
};

void tst_LeftOpen::endOfProgram_data()
{
    QTest::addColumn<QString>("messages"); // a pattern
    QTest::addColumn<QString>("output");

    const QString begin = u"^goprocess: The program ends, [^\\n]*:\\n"_s;
    QTest::newRow("heap") << begin + u"  /app: 1 teardown\\(s\\)\\n$"_s << QString();
    QTest::newRow("closed") << u"^$"_s << u"flushed\n"_s;
    QTest::newRow("statics") << u"^$"_s << u"flushed\nflushed\n"_s;
    QTest::newRow("withoutTeardown") << u"^$"_s << QString();
    QTest::newRow("many") << begin + u"(  /app\\d+: 1 teardown\\(s\\)\\n){20}  and 5 more\\n$"_s
                          << QString();
    QTest::newRow("exitOverTheStack") << begin + u"  /app: 1 teardown\\(s\\)\\n$"_s << QString();
    QTest::newRow("stuckClose") << begin + u"  /app: 1 teardown\\(s\\)\\n$"_s << QString();
    QTest::newRow("destroyedMeanwhile") << u"^$"_s << QString();
#ifdef Q_OS_UNIX
    QTest::newRow("forked") << u"^$"_s << u"flushed\n"_s;
#endif
}

void tst_LeftOpen::endOfProgram()
{
    QFETCH(const QString, messages);
    QFETCH(const QString, output);
    if (underThreadSanitizer && QTest::currentDataTag() == "forked"_ba)
        QSKIP("The thread sanitizer does not serve a child that was forked from several threads");
    QProcess program;
    // What is left open is lost on purpose.
    program.setProcessEnvironment(TestSupport::withoutLeakCheck());
    program.start(QStringLiteral(GOPROCESS_LEFTOPEN),
                  { QString::fromUtf8(QTest::currentDataTag()) });
    QVERIFY(program.waitForFinished());
    QCOMPARE(program.exitStatus(), QProcess::NormalExit);
    QCOMPARE(program.exitCode(), 0);
    const QString errors = QString::fromUtf8(program.readAllStandardError());
    const QRegularExpression pattern(messages); // another one for each row
    QVERIFY2(pattern.match(errors).hasMatch(), // clazy:exclude=use-static-qregularexpression
             qPrintable(errors));
    QCOMPARE(QString::fromUtf8(program.readAllStandardOutput()), output);
}

QTEST_GUILESS_MAIN(tst_LeftOpen)

#include "tst_leftopen.moc"
