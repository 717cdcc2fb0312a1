// SPDX-License-Identifier: MIT
// A program that forks: what the child may do, and that it ends.

#include "support/leaks.h"
#include "support/messages.h"
#include "support/waits.h"

#include <QElapsedTimer>
#include <QProcess>
#include <QRegularExpression>
#include <QStringList>
#include <QTest>

#include <chrono>

class tst_fork : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    static void initTestCase() { TestSupport::begin(); }
    static void cleanup() { TestSupport::verify(); }

    static void child_data();
    static void child();
};

void tst_fork::child_data()
{
    QTest::addColumn<QString>("output");
    QTest::addColumn<QStringList>("warnings");

    const QString closed =
            QStringLiteral("elsewhere: torn down\nroot: torn down\nthe parent goes on\n"
                           "elsewhere: torn down\n"
                           "root: torn down\n");
    const QString forked = QStringLiteral("the program was forked");
    QTest::newRow("refuses") << QStringLiteral("torn down\n")
                             << QStringList { QStringLiteral("go\\(\\).*\"/work\".*") + forked,
                                              QStringLiteral("go\\(\\).*\"/p\".*") + forked,
                                              QStringLiteral("every\\(\\).*\"/p\".*") + forked,
                                              QStringLiteral("closeAt\\(\\).*\"/p\".*") + forked,
                                              QStringLiteral("closeOnSignals\\(\\).*\"/p\".*")
                                                      + forked };
    QTest::newRow("unused") << QStringLiteral("a work runs\n") << QStringList();
    QTest::newRow("nothreads") << QStringLiteral("a work runs\ntorn down\ntorn down\n")
                               << QStringList();
    QTest::newRow("exits") << QString() << QStringList();
    QTest::newRow("closes") << closed << QStringList();
    QTest::newRow("eventloop") << closed << QStringList();
    QTest::newRow("posts") << QStringLiteral("the next one runs\ntorn down\nthe next one runs\n"
                                             "torn down\n")
                           << QStringList();
    QTest::newRow("destroys") << QString()
                              << QStringList { QStringLiteral("\"/root\" goes, and nobody"),
                                               QStringLiteral("/root/#1: .*") + forked };
    QTest::newRow("inwork") << QString() << QStringList { forked };
    QTest::newRow("locks") << QString() << QStringList();
    QTest::newRow("largeclose") << QStringLiteral("torn down\ntorn down\n") << QStringList();
    QTest::newRow("insteps") << QString() << QStringList();
    QTest::newRow("inwait") << QStringLiteral("torn down\ntorn down\n") << QStringList();
}

void tst_fork::child()
{
    QFETCH(const QString, output);
    QFETCH(const QStringList, warnings);

    QProcess forker;
    // The memory of threads that a child does not have is lost to it.
    forker.setProcessEnvironment(TestSupport::withoutLeakCheck());
    forker.start(QStringLiteral(FORKER), { QString::fromLatin1(QTest::currentDataTag()) });
    QVERIFY(forker.waitForFinished(
            int(std::chrono::milliseconds(2 * TestSupport::patience).count())));
    const QString said = QString::fromUtf8(forker.readAllStandardError());
    QVERIFY2(forker.exitStatus() == QProcess::NormalExit && forker.exitCode() == 0,
             qPrintable(QString::number(forker.exitCode()) + QLatin1Char(' ') + said));
    QCOMPARE(QString::fromUtf8(forker.readAllStandardOutput()), output);
    const QStringList lines = said.split(QLatin1Char('\n'), Qt::SkipEmptyParts);
    QVERIFY2(lines.size() == warnings.size(), qPrintable(said));
    for (qsizetype i = 0; i < lines.size(); ++i) {
        const QRegularExpression expected(warnings.at(i),
                                          QRegularExpression::CaseInsensitiveOption);
        QVERIFY2(expected.match(lines.at(i)) // clazy:exclude=use-static-qregularexpression
                         .hasMatch(),
                 qPrintable(lines.at(i)));
    }
}

QTEST_GUILESS_MAIN(tst_fork)
#include "tst_fork.moc"
