// SPDX-License-Identifier: MIT
// The programs of demo/examples do what they say, and print it in this order.

#include <QByteArray>
#include <QByteArrayList>
#include <QObject>
#include <QProcess>
#include <QRegularExpression>
#include <QString>
#include <QTest>

#include <csignal>

namespace {

constexpr int patience = 60'000; // milliseconds

QString program(const char *name)
{
    return QStringLiteral(EXAMPLES_FOLDER "/example_") + QString::fromLatin1(name);
}

/// What \a name has printed, if it has ended well and without a word on the standard error.
QByteArray outputOf(const char *name)
{
    QProcess process;
    process.start(program(name), {});
    const bool ended = process.waitForFinished(patience);
    const QByteArray output = process.readAllStandardOutput();
    const QByteArray errors = process.readAllStandardError();
    if (ended && process.exitStatus() == QProcess::NormalExit && process.exitCode() == 0
        && errors.isEmpty())
        return output;
    process.kill();
    process.waitForFinished();
    return "status " + QByteArray::number(process.exitCode()) + ": " + output + errors;
}

/// Waits until \a process has printed \a line, all of whose output is in \a output.
bool prints(QProcess &process, QByteArray &output, const char *line)
{
    while (!output.contains(line) && process.waitForReadyRead(patience))
        output += process.readAllStandardOutput();
    return output.contains(line);
}

} // namespace

class Examples : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void prints_data();
    void prints();
    void closeProgressRises();
    void secondCtrlCEndsIt();
};

void Examples::prints_data()
{
    QTest::addColumn<QByteArray>("output");
    QTest::newRow("composition") << QByteArray("the user quits\n"
                                               "network: disconnected\n"
                                               "store: saved\n"
                                               "mail: closed\n"
                                               "mail: destroyed\n");
    QTest::newRow("inheritance") << QByteArray("cache: 1 entries saved\n"
                                               "cache: entries destroyed\n"
                                               "log: started\n");
#ifdef HAS_DATABASE
    QTest::newRow("databasethread") << QByteArray("database: 2 notes\n"
                                                  "database: closed in its thread\n"
                                                  "root: closed\n");
#endif
    QTest::newRow("helperprogram") << QByteArray("sort: apple\n"
                                                 "pear\n"
                                                 "plum\n"
                                                 "sort: has ended well\n"
                                                 "root: closed\n");
    QTest::newRow("workerpool") << QByteArray("10 works are queued\n"
                                              "10 works are done, 3 at once\n");
    QTest::newRow("pluginhost") << QByteArray("host: the plugin is loaded\n"
                                              "plugin: its work has ended\n"
                                              "plugin: closed\n"
                                              "host: the plugin is unloaded\n"
                                              "host: closed\n");
}

void Examples::prints()
{
    QFETCH(QByteArray, output);
    QCOMPARE(outputOf(QTest::currentDataTag()), output);
}

void Examples::closeProgressRises()
{
    // Which counts it shows depends on when it looks; a CloseMonitor does so 30 times a second.
    const QByteArrayList lines = outputOf("closeprogress").trimmed().split('\n');
    QCOMPARE(lines.last(), QByteArray("5 of 5 are closed; next: nothing"));
    static const QRegularExpression shape(
            QStringLiteral("^([0-4]) of 5 are closed; next: (\\S+)$"));
    const QByteArrayList next { "/root/network", "/root/search", "/root/index", "/root/storage",
                                "/root" };
    int last = -1;
    for (const QByteArray &line : lines.mid(0, lines.size() - 1)) {
        const QRegularExpressionMatch match = shape.match(QString::fromUtf8(line));
        QVERIFY2(match.hasMatch(), line.constData());
        const int count = match.captured(1).toInt();
        QVERIFY(count > last);
        QCOMPARE(match.captured(2).toUtf8(), next.at(count));
        last = count;
    }
}

void Examples::secondCtrlCEndsIt()
{
    QProcess process;
    QByteArray output;
    process.start(program("ctrlctwice"), {});
    QVERIFY(::prints(process, output, "running until Ctrl-C\n"));
    ::kill(pid_t(process.processId()), SIGINT);
    QVERIFY(::prints(process, output, "Ctrl-C again ends the program at once\n"));
    QTest::qWait(500); // earlier it would be of the same request
    ::kill(pid_t(process.processId()), SIGINT);
    QVERIFY(process.waitForFinished(patience));
    QCOMPARE(process.exitStatus(), QProcess::NormalExit);
    QCOMPARE(process.exitCode(), 130);
    QVERIFY(!process.readAllStandardOutput().contains("closed"));
    QCOMPARE(process.readAllStandardError(), QByteArray());
}

QTEST_GUILESS_MAIN(Examples)

#include "tst_examples.moc"
