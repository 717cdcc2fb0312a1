// SPDX-License-Identifier: MIT
// std::exit() in a work: the end of the program waits for the other works, not for that one (R48).

#include "support/messages.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QProcess>
#include <QTest>
#include <QThreadPool>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

using GoProcess::Process;
using GoProcess::ProcessPtr;

namespace {

constexpr int status = 7;

/// What the program does that this test starts.
[[noreturn]] void exitInWork(const char *where)
{
    QThreadPool pool;
    Process root;
    std::atomic<bool> runs = false;
    root.go([&runs](Process &self) {
        runs = true;
        self.waitForClosing();
        std::fputs("the other work saw the end\n", stdout);
    });
    TestSupport::pollUntil([&runs] { return runs.load(); });

    if (std::strcmp(where, "users-pool") == 0)
        root.setThreadPool(&pool);
    root.go([] { std::exit(status); });
    while (true)
        std::this_thread::sleep_for(std::chrono::hours(1)); // as a main thread that is busy
}

} // namespace

class tst_exit : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    static void initTestCase() { TestSupport::begin(); }
    static void cleanup() { TestSupport::verify(); }

    static void waitsNotForTheWorkThatExits_data();
    static void waitsNotForTheWorkThatExits();
};

void tst_exit::waitsNotForTheWorkThatExits_data()
{
    QTest::addColumn<QString>("where");
    QTest::newRow("own pool") << QStringLiteral("own-pool");
    QTest::newRow("user's pool") << QStringLiteral("users-pool");
}

void tst_exit::waitsNotForTheWorkThatExits()
{
    QFETCH(const QString, where);
    QProcess program;
    program.start(QCoreApplication::applicationFilePath(), { QStringLiteral("--exit"), where });
    QVERIFY(program.waitForFinished(int(std::chrono::milliseconds(TestSupport::patience).count())));
    // Had it waited 5 s for that work it would say so.
    QCOMPARE(QString::fromUtf8(program.readAllStandardError()), QString());
    QCOMPARE(program.exitStatus(), QProcess::NormalExit);
    QCOMPARE(program.exitCode(), status);
    QCOMPARE(program.readAllStandardOutput(), QByteArray("the other work saw the end\n"));
}

int main(int argc, char **argv)
{
    if (argc == 3 && std::strcmp(argv[1], "--exit") == 0)
        exitInWork(argv[2]);
    QCoreApplication app(argc, argv);
    tst_exit test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_exit.moc"
