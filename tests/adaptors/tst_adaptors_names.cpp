// SPDX-License-Identifier: MIT
// adopt() with a name.

#include "support/messages.h"

#include <GoProcess/GoProcess>

#include <QBuffer>
#include <QNetworkAccessManager>
#include <QNetworkReply>
#include <QProcess>
#include <QPromise>
#include <QSaveFile>
#include <QStringList>
#include <QTcpServer>
#include <QTest>
#include <QThread>
#include <QThreadPool>

#include <chrono>
#include <memory>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using namespace std::chrono_literals;
using GoProcess::adopt;
using GoProcess::Process;
using GoProcess::ProgramEnd;

class tst_AdaptorsNames : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void eachTakesAName();
    void withoutAParent();
    void nullIsRefused();
};

void tst_AdaptorsNames::eachTakesAName()
{
    QThread thread;
    QThreadPool pool;
    QProcess program;
    QProcess reader;
    QTcpServer server;
    QSaveFile file;
    QBuffer buffer;
    QIODevice *const device = &buffer;
    QNetworkAccessManager manager;
    QNetworkReply *reply = manager.get(QNetworkRequest(QUrl(u"http://127.0.0.1:1/"_s)));
    Process root;
    root.setName(u"root"_s);
    const QList<Process *> processes {
        adopt(u"thread"_s, &thread, &root),
        adopt(u"pool"_s, &pool, &root),
        adopt(u"program"_s, &program, &root),
        adopt(u"reader"_s, &reader, &root, 1s, ProgramEnd::EndOfInput),
        adopt(u"future"_s, QPromise<int>().future(), &root),
        adopt(u"server"_s, &server, &root),
        adopt(u"file"_s, &file, &root),
        adopt(u"io"_s, device, &root),
        adopt(u"reply"_s, reply, &root, 0ms),
    };
    QStringList paths;
    for (const Process *process : processes)
        paths << process->path();
    QCOMPARE(paths.join(u' '),
             u"/root/thread /root/pool /root/program /root/reader /root/future /root/server "
             "/root/file /root/io /root/reply"_s);
    QCOMPARE(processes.constFirst()->objectName(), u"thread"_s);
    root.closeAndWait();
}

void tst_AdaptorsNames::withoutAParent()
{
    QThread thread;
    const std::unique_ptr<Process> process(adopt(u"thread"_s, &thread));
    QCOMPARE(process->name(), u"thread"_s);
}

void tst_AdaptorsNames::nullIsRefused()
{
    const ExpectWarning refused(u"adopt\\(\\) refused.*null"_s, 4);
    QVERIFY(!adopt(u"name"_s, static_cast<QThread *>(nullptr)));
    QVERIFY(!adopt(u"name"_s, static_cast<QProcess *>(nullptr)));
    QVERIFY(!adopt(u"name"_s, static_cast<QTcpServer *>(nullptr)));
    QVERIFY(!adopt(u"name"_s, static_cast<QNetworkReply *>(nullptr)));
}

QTEST_MAIN(tst_AdaptorsNames)
#include "tst_adaptors_names.moc"
