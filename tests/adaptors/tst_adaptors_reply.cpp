// SPDX-License-Identifier: MIT
// adopt() of a QNetworkReply, of a server in another thread.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/messages.h"
#include "support/sanitizers.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QDeadlineTimer>
#include <QHostAddress>
#include <QNetworkAccessManager>
#include <QNetworkReply>
#include <QNetworkRequest>
#include <QPointer>
#include <QTcpServer>
#include <QTcpSocket>
#include <QTest>

#include <atomic>
#include <chrono>
#include <memory>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using namespace std::chrono_literals;
using GoProcess::adopt;
using GoProcess::Error;
using GoProcess::Process;
using GoProcess::ProcessPtr;

namespace {

/// Answers when it has got all that was announced to it, and was told to.
class Server
{
public:
    Server()
    {
        m_thread.run([this] {
            m_server = std::make_unique<QTcpServer>();
            m_server->listen(QHostAddress::LocalHost);
            m_port = m_server->serverPort();
            QObject::connect(m_server.get(), &QTcpServer::newConnection, m_server.get(), [this] {
                QTcpSocket *socket = m_server->nextPendingConnection();
                QObject::connect(socket, &QTcpSocket::readyRead, socket,
                                 [this, socket] { read(*socket); });
            });
        });
    }
    Q_DISABLE_COPY_MOVE(Server)
    ~Server()
    {
        m_thread.run([this] { m_server.reset(); });
    }

    QUrl url() const { return QUrl(u"http://127.0.0.1:%1/"_s.arg(m_port)); }
    void setStatus(const QByteArray &status) { m_status = status; } // before any request
    void answer()
    {
        m_thread.run([this] {
            m_mayAnswer = true;
            const auto sockets = m_server->findChildren<QTcpSocket *>();
            for (QTcpSocket *socket : sockets)
                read(*socket);
        });
    }
    qint64 bodySize() const { return m_body; }
    bool hasRequest() const { return m_hasRequest; }

private:
    void read(QTcpSocket &socket)
    {
        m_got += socket.readAll();
        const qsizetype head = m_got.indexOf("\r\n\r\n");
        if (head < 0)
            return;
        m_hasRequest = true;
        m_body = m_got.size() - head - 4;
        qint64 announced = 0;
        if (const qsizetype at = m_got.toLower().indexOf("content-length:"); at >= 0 && at < head)
            announced =
                    m_got.mid(at + 15, m_got.indexOf('\r', at) - at - 15).trimmed().toLongLong();
        if (m_mayAnswer && m_body >= announced && !m_answered) {
            m_answered = true;
            socket.write("HTTP/1.1 " + m_status + "\r\nContent-Length: 5\r\n\r\nhello");
        }
    }

    EventLoopThread m_thread;
    quint16 m_port = 0;
    QByteArray m_status = "200 OK";
    std::atomic<qint64> m_body = 0;
    std::atomic<bool> m_hasRequest = false;
    // Of the thread:
    std::unique_ptr<QTcpServer> m_server;
    QByteArray m_got;
    bool m_mayAnswer = false;
    bool m_answered = false;
};

} // namespace

class tst_AdaptorsReply : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void finishesByItself_data();
    void finishesByItself();
    void hadFinished();
    void isLetFinish_data();
    void isLetFinish();
    void uploadIsNotCut_data();
    void uploadIsNotCut();
    void isAbortedAfterTheGrace_data();
    void isAbortedAfterTheGrace();
    void deadlineOfAWait();
    void errorOfTheReply();
    void managerThatGoesFirst_data();
    void managerThatGoesFirst();
    void deletedInASlotOfClosed();
    void refusals();
};

static void addForms()
{
    QTest::addColumn<bool>("isNamed");
    QTest::addColumn<bool>("isBlocked");
    QTest::newRow("reply") << true << false;
    QTest::newRow("IO device") << false << false;
    QTest::newRow("reply, blocked home") << true << true;
    QTest::newRow("IO device, blocked home") << false << true;
}

static Process *adoptAs(bool isNamed, QNetworkReply *reply)
{
    return isNamed ? adopt(reply) : adopt(static_cast<QIODevice *>(reply));
}

void tst_AdaptorsReply::finishesByItself_data()
{
    QTest::addColumn<bool>("isNamed");
    QTest::newRow("reply") << true;
    QTest::newRow("IO device") << false;
}

void tst_AdaptorsReply::finishesByItself()
{
    QFETCH(const bool, isNamed);
    Server server;
    QNetworkAccessManager manager;
    QNetworkReply *reply = manager.get(QNetworkRequest(server.url()));
    const std::unique_ptr<Process> process(adoptAs(isNamed, reply));
    QTRY_VERIFY(server.hasRequest());
    QVERIFY(!process->isClosing());
    server.answer();
    QTRY_VERIFY(process->isClosed());
    QVERIFY2(!process->error(), qPrintable(process->error().message()));
    QVERIFY(reply->isFinished());
    QCOMPARE(reply->readAll(), "hello");
}

void tst_AdaptorsReply::hadFinished()
{
    Server server;
    server.answer();
    QNetworkAccessManager manager;
    QNetworkReply *reply = manager.get(QNetworkRequest(server.url()));
    QTRY_VERIFY(reply->isFinished());
    const std::unique_ptr<Process> process(adopt(reply));
    QVERIFY(process->waitForClosed(soon()));
    QVERIFY(!process->error());
}

void tst_AdaptorsReply::isLetFinish_data()
{
    addForms();
}

void tst_AdaptorsReply::isLetFinish()
{
    QFETCH(const bool, isNamed);
    QFETCH(const bool, isBlocked);
    Server server;
    QNetworkAccessManager manager;
    QNetworkReply *reply = manager.get(QNetworkRequest(server.url()));
    const std::unique_ptr<Process> process(adoptAs(isNamed, reply));
    QTRY_VERIFY(server.hasRequest());
    process->close();
    QVERIFY(!process->waitForClosed(QDeadlineTimer(20)));
    server.answer();
    if (isBlocked)
        QVERIFY(process->waitForClosed(soon()));
    QTRY_VERIFY(process->isClosed());
    QVERIFY2(!process->error(), qPrintable(process->error().message()));
    QCOMPARE(reply->readAll(), "hello");
}

void tst_AdaptorsReply::uploadIsNotCut_data()
{
    addForms();
}

void tst_AdaptorsReply::uploadIsNotCut()
{
    QFETCH(const bool, isNamed);
    QFETCH(const bool, isBlocked);
    // Within the grace, also where a sanitizer slows it.
    constexpr qint64 size = (underSanitizer ? 4 : 16) * 1024 * 1024;
    Server server;
    server.answer();
    QNetworkAccessManager manager;
    QNetworkReply *reply = manager.put(QNetworkRequest(server.url()), QByteArray(size, 'x'));
    const std::unique_ptr<Process> process(adoptAs(isNamed, reply));
    process->close();
    if (isBlocked)
        QVERIFY(process->waitForClosed(soon()));
    QTRY_VERIFY_WITH_TIMEOUT(process->isClosed(), 30000);
    QVERIFY2(!process->error(), qPrintable(process->error().message()));
    QCOMPARE(server.bodySize(), size);
}

void tst_AdaptorsReply::isAbortedAfterTheGrace_data()
{
    QTest::addColumn<bool>("isBlocked");
    QTest::newRow("event loop") << false;
    QTest::newRow("blocked home") << true;
}

void tst_AdaptorsReply::isAbortedAfterTheGrace()
{
    QFETCH(const bool, isBlocked);
    Server server;
    QNetworkAccessManager manager;
    QNetworkReply *reply = manager.get(QNetworkRequest(server.url()));
    const std::unique_ptr<Process> process(adopt(reply, nullptr, 50ms));
    process->close();
    if (isBlocked)
        QVERIFY(process->waitForClosed(soon()));
    QTRY_VERIFY(process->isClosed());
    QVERIFY(process->error().message().contains(u"50 ms"_s));
    QVERIFY(reply->isFinished());
    QCOMPARE(reply->error(), QNetworkReply::OperationCanceledError);
}

void tst_AdaptorsReply::deadlineOfAWait()
{
    Server server;
    QNetworkAccessManager manager;
    QNetworkReply *reply = manager.get(QNetworkRequest(server.url()));
    const std::unique_ptr<Process> process(adopt(reply, nullptr, 60s));
    process->close();
    QVERIFY(!process->waitForClosed(QDeadlineTimer(50)));
    QVERIFY(!process->waitForClosed(QDeadlineTimer(50)));
    server.answer();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
}

void tst_AdaptorsReply::errorOfTheReply()
{
    Server server;
    server.setStatus("404 Not Found");
    server.answer();
    QNetworkAccessManager manager;
    QNetworkReply *reply = manager.get(QNetworkRequest(server.url()));
    const std::unique_ptr<Process> early(adopt(reply));
    QTRY_VERIFY(early->isClosed());
    const std::unique_ptr<Process> late(adopt(reply));
    QVERIFY(late->waitForClosed(soon()));
    QVERIFY(early->error().message().contains(u"Not Found"_s));
    QCOMPARE(late->error(), early->error());
}

void tst_AdaptorsReply::managerThatGoesFirst_data()
{
    QTest::addColumn<bool>("isClosing");
    QTest::newRow("running") << false;
    QTest::newRow("closing") << true;
}

void tst_AdaptorsReply::managerThatGoesFirst()
{
    QFETCH(const bool, isClosing);
    Server server;
    auto manager = std::make_unique<QNetworkAccessManager>();
    QNetworkReply *reply = manager->get(QNetworkRequest(server.url()));
    const std::unique_ptr<Process> process(adopt(reply));
    QTRY_VERIFY(server.hasRequest());
    if (isClosing)
        QVERIFY(!process->waitForClosed(QDeadlineTimer(20)));
    manager.reset();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(process->error().message().contains(u"destroyed"_s));
}

void tst_AdaptorsReply::deletedInASlotOfClosed()
{
    Server server;
    server.answer();
    QNetworkAccessManager manager;
    QPointer<QNetworkReply> reply = manager.get(QNetworkRequest(server.url()));
    const std::unique_ptr<Process> process(adopt(reply.data()));
    connect(process.get(), &Process::closed, reply, &QObject::deleteLater);
    QTRY_VERIFY(!reply);
    QVERIFY(!process->error());
}

void tst_AdaptorsReply::refusals()
{
    const ExpectWarning null(u"adopt\\(\\) refused: the reply is null"_s);
    QVERIFY(!adopt(static_cast<QNetworkReply *>(nullptr)));
    Server server;
    QNetworkAccessManager manager;
    QNetworkReply *reply = manager.get(QNetworkRequest(server.url()));
    const ExpectWarning elsewhere(u"adopt\\(\\) refused.*own thread"_s, 2);
    EventLoopThread thread;
    QVERIFY(!thread.run([&] { return adopt(reply); }));
    const ProcessPtr work = GoProcess::go([&] { CHECK(!adopt(reply)); });
    QVERIFY(work->waitForClosed(soon()));
}

QTEST_MAIN(tst_AdaptorsReply)
#include "tst_adaptors_reply.moc"
