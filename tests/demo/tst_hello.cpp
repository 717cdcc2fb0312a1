// SPDX-License-Identifier: MIT
// demo/hello as its user runs it, in Qt's own program `qml`.

#include "demosupport.h"
#include "virtualdisplay.h"

#include <QByteArray>
#include <QByteArrayList>
#include <QCoreApplication>
#include <QFile>
#include <QObject>
#include <QProcess>
#include <QTest>

#include <optional>

using namespace DemoSupport;

/// Closes the window again and again, as an impatient user, and says what it sees of it.
static const char impatientUser[] = R"(
import QtQuick
import "file:HELLO_FOLDER"

Main {
    id: window
    onVisibleChanged: console.log(visible ? "window: there" : "window: gone")
    Timer {
        interval: 10
        repeat: true
        running: window.visible
        onTriggered: {
            window.close();
            if (window.visible)
                console.log("window: stays");
        }
    }
}
)";

class tst_Hello : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { m_folder.emplace(); }
    void cleanup() { m_folder.reset(); }

    void closesByItself();
    void windowStaysUntilAllIsClosed();
    void isShort();
    void qmllintFindsNothing();

private:
    std::optional<Folder> m_folder;
};

/// What the program logged; each line is from QML itself, or shown as it is.
static QByteArrayList logged(const Run &run)
{
    QByteArrayList lines = linesOf(run.err());
    for (QByteArray &line : lines) {
        if (line.startsWith("qml: "))
            line.remove(0, 5);
    }
    return lines;
}

void tst_Hello::closesByItself()
{
    Run run({ "-I", GOPROCESS_QML_IMPORT_DIR, HELLO_FOLDER "/Main.qml" });
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());

    const QByteArrayList lines = logged(run);
    QVERIFY2(lines.size() == 4, run.story());
    // These two do not wait for each other.
    QCOMPARE(sorted(lines.first(2)),
             QByteArrayList({ "network: disconnected", "search: stopped" }));
    QCOMPARE(lines.last(2), QByteArrayList({ "storage: flushed", "all is closed" }));
}

void tst_Hello::windowStaysUntilAllIsClosed()
{
    const QByteArray user = *m_folder / "User.qml";
    writeFile(user, QByteArray(impatientUser).replace("HELLO_FOLDER", HELLO_FOLDER));
    Run run({ "-I", GOPROCESS_QML_IMPORT_DIR, user });
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());

    QByteArrayList lines = logged(run);
    QVERIFY2(lines.startsWith("window: there"), run.story());
    // Closed more than once, it was there the whole time, and alive.
    QVERIFY2(lines.removeAll("window: stays") > 1, run.story());
    QCOMPARE(lines.last(3),
             QByteArrayList({ "storage: flushed", "all is closed", "window: gone" }));
    QCOMPARE(lines.size(), 6);
}

void tst_Hello::isShort()
{
    QVERIFY(linesOf(readFile(HELLO_FOLDER "/Main.qml")).size() <= 40);
}

void tst_Hello::qmllintFindsNothing()
{
    QProcess lint;
    lint.setProcessChannelMode(QProcess::MergedChannels);
    lint.start(QStringLiteral(GOPROCESS_QMLLINT),
               { QStringLiteral("-I"), QStringLiteral(GOPROCESS_QML_IMPORT_DIR),
                 QStringLiteral(HELLO_FOLDER "/Main.qml") });
    QVERIFY(lint.waitForFinished(int(std::chrono::milliseconds(patience).count())));
    QCOMPARE(lint.readAll(), QByteArray());
    QCOMPARE(lint.exitCode(), 0);
}

int main(int argc, char **argv)
{
    const VirtualDisplay display;
    const Folder runtime; // where none is set Qt complains
    qputenv("XDG_RUNTIME_DIR", runtime.path());
    qputenv("QML_DISABLE_DISK_CACHE", "1");
    const QCoreApplication application(argc, argv);
    tst_Hello test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_hello.moc"
