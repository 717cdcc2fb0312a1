// SPDX-License-Identifier: MIT
// adopt() of devices: what is lost when they are closed, and what a QIODevice really is.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/messages.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QBuffer>
#include <QDeadlineTimer>
#include <QElapsedTimer>
#include <QFile>
#include <QHostAddress>
#include <QLocalServer>
#include <QLocalSocket>
#include <QProcess>
#include <QRegularExpression>
#include <QSaveFile>
#include <QTcpServer>
#include <QTcpSocket>
#include <QTemporaryDir>
#include <QTest>
#include <QUdpSocket>
#include <QUuid>

#include <chrono>
#include <fstream>
#include <memory>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using namespace std::chrono_literals;
using GoProcess::adopt;
using GoProcess::Error;
using GoProcess::Process;

namespace {

/// A client that has written more than the system takes, and a peer that reads none of it.
template<class Server, class Socket>
struct Stuck
{
    Server server;
    Socket client;
    std::unique_ptr<Socket> peer;

    void writeMuch()
    {
        if (!client.waitForConnected() || !server.waitForNewConnection(30000))
            qFatal("no connection");
        peer.reset(server.nextPendingConnection());
        peer->setReadBufferSize(1);
        client.write(QByteArray(32 * 1024 * 1024, 'x'));
        client.flush();
    }
};

struct StuckTcp : Stuck<QTcpServer, QTcpSocket>
{
    StuckTcp()
    {
        server.listen(QHostAddress::LocalHost);
        client.connectToHost(QHostAddress::LocalHost, server.serverPort());
        writeMuch();
    }
};

struct StuckLocal : Stuck<QLocalServer, QLocalSocket>
{
    StuckLocal()
    {
        server.listen(QUuid::createUuid().toString(QUuid::Id128));
        client.connectToServer(server.fullServerName());
        writeMuch();
    }
};

/// A device like a serial port: it tells of errors, and of nothing else.
class Port : public QIODevice
{
    Q_OBJECT

public:
    Port() { open(ReadWrite | Unbuffered); }
    bool isSequential() const override { return true; }
    qint64 bytesToWrite() const override { return isOpen() ? left : 0; }
    void unplug()
    {
        setErrorString(u"unplugged"_s);
        Q_EMIT errorOccurred(9);
    }

    qint64 left = 0;

Q_SIGNALS:
    void errorOccurred(int error);

protected:
    qint64 readData(char *, qint64) override { return -1; }
    qint64 writeData(const char *, qint64 size) override
    {
        left += size;
        return size;
    }
};

/// A socket like QWebSocket: it is no QIODevice, and cannot be waited for.
class WebSocket : public QObject
{
    Q_OBJECT

public:
    enum State { Unconnected, Connected = 3, Closing = 6 };
    State state() const { return m_state; }
    void close() { m_state = Closing; }
    void abort() { end(); }
    void end()
    {
        m_state = Unconnected;
        Q_EMIT disconnected();
    }

Q_SIGNALS:
    void disconnected();

private:
    State m_state = Connected;
};

/// Closes, and returns when the teardown has begun.
void beginClose(Process &process)
{
    Counter begun;
    QObject::connect(&process, &Process::closing, &process, [&] { begun.add(); });
    process.close();
    QTRY_COMPARE(begun.count(), 1);
    deliver();
    process.disconnect();
}

QString withoutNumbers(QString text)
{
    return text.replace(QRegularExpression(u"\\d+"_s), u"#"_s);
}

} // namespace

class tst_AdaptorsIo : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void localSocketWhosePeerGoesWithBytesLeft_data();
    void localSocketWhosePeerGoesWithBytesLeft();
    void tcpSocketThatIsResetWithBytesLeft_data();
    void tcpSocketThatIsResetWithBytesLeft();
    void tcpSocketWhosePeerOnlyStopsWriting();
    void udpSocketThatIsBound_data();
    void udpSocketThatIsBound();
    void deadlineOfAWaitForASocket();
    void portThatIsUnplugged();
    void webSocketClosesItsHandshakeFirst();
    void webSocketInABlockedWait();
    void disconnectOfASocket_data();
    void disconnectOfASocket();

    void fileThatFailedBefore_data();
    void fileThatFailedBefore();
    void saveFileIsCommitted_data();
    void saveFileIsCommitted();
    void saveFileThatCannotBeCommitted();
    void saveFileThatWasCommitted();
    void programAsAnIoDevice();
    void streamThatCannotBeWritten();
    void streamThatWasRead();
};

void tst_AdaptorsIo::localSocketWhosePeerGoesWithBytesLeft_data()
{
    QTest::addColumn<QString>("when");
    QTest::addColumn<bool>("isNamed");
    for (const char *when : { "before", "closing", "blocked" }) {
        QTest::addRow("%s", when) << QString::fromUtf8(when) << true;
        QTest::addRow("%s, as an IO device", when) << QString::fromUtf8(when) << false;
    }
}

void tst_AdaptorsIo::localSocketWhosePeerGoesWithBytesLeft()
{
    QFETCH(const QString, when);
    QFETCH(const bool, isNamed);
    StuckLocal stuck;
    const std::unique_ptr<Process> process(
            isNamed ? adopt(&stuck.client) : adopt(static_cast<QIODevice *>(&stuck.client)));
    if (when == "closing"_L1)
        beginClose(*process);
    stuck.peer->abort();
    if (when == "blocked"_L1)
        process->closeAndWait();
    QTRY_VERIFY(process->isClosed());
    QVERIFY2(process->error().message().contains(u"not written"_s),
             qPrintable(process->error().message()));
}

void tst_AdaptorsIo::tcpSocketThatIsResetWithBytesLeft_data()
{
    localSocketWhosePeerGoesWithBytesLeft_data();
}

void tst_AdaptorsIo::tcpSocketThatIsResetWithBytesLeft()
{
    QFETCH(const QString, when);
    QFETCH(const bool, isNamed);
    StuckTcp stuck;
    const std::unique_ptr<Process> process(
            isNamed ? adopt(&stuck.client) : adopt(static_cast<QIODevice *>(&stuck.client)));
    if (when == "closing"_L1)
        beginClose(*process);
    stuck.peer->abort(); // with unread bytes, which the system answers with a reset
    if (when == "blocked"_L1)
        process->closeAndWait();
    QTRY_VERIFY(process->isClosed());
    QCOMPARE(withoutNumbers(process->error().message()), u"# bytes were not written"_s);
}

void tst_AdaptorsIo::tcpSocketWhosePeerOnlyStopsWriting()
{
    StuckTcp stuck;
    const std::unique_ptr<Process> process(adopt(&stuck.client));
    process->close();
    qint64 received = 0;
    stuck.peer->setReadBufferSize(0);
    connect(stuck.peer.get(), &QTcpSocket::readyRead, this,
            [&] { received += stuck.peer->readAll().size(); });
    received += stuck.peer->readAll().size();
    QTRY_VERIFY_WITH_TIMEOUT(process->isClosed(), 30000);
    QVERIFY2(!process->error(), qPrintable(process->error().message()));
    QTRY_COMPARE(received, 32 * 1024 * 1024);
}

void tst_AdaptorsIo::udpSocketThatIsBound_data()
{
    QTest::addColumn<bool>("isBlocked");
    QTest::addColumn<bool>("isNamed");
    QTest::newRow("event loop") << false << true;
    QTest::newRow("blocked home") << true << true;
    QTest::newRow("event loop, as an IO device") << false << false;
    QTest::newRow("blocked home, as an IO device") << true << false;
}

void tst_AdaptorsIo::udpSocketThatIsBound()
{
    QFETCH(const bool, isBlocked);
    QFETCH(const bool, isNamed);
    QUdpSocket socket;
    QVERIFY(socket.bind(QHostAddress::LocalHost));
    const std::unique_ptr<Process> process(isNamed ? adopt(&socket)
                                                   : adopt(static_cast<QIODevice *>(&socket)));
    process->close();
    if (isBlocked)
        QVERIFY(process->waitForClosed(soon()));
    QTRY_VERIFY(process->isClosed());
    QVERIFY2(!process->error(), qPrintable(process->error().message()));
    QCOMPARE(socket.state(), QUdpSocket::UnconnectedState);
}

void tst_AdaptorsIo::deadlineOfAWaitForASocket()
{
    StuckTcp stuck;
    int timeouts = 0;
    connect(&stuck.client, &QTcpSocket::errorOccurred, this, [&] { ++timeouts; });
    const std::unique_ptr<Process> process(adopt(&stuck.client));
    process->close();
    QElapsedTimer timer;
    timer.start();
    QVERIFY(!process->waitForClosed(QDeadlineTimer(100)));
    QVERIFY(timer.elapsed() < 5000);
    QCOMPARE(timeouts, 1);
    // It goes on in the event loop.
    stuck.peer->setReadBufferSize(0);
    connect(stuck.peer.get(), &QTcpSocket::readyRead, this, [&] { stuck.peer->readAll(); });
    stuck.peer->readAll();
    QTRY_VERIFY_WITH_TIMEOUT(process->isClosed(), 30000);
    QVERIFY2(!process->error(), qPrintable(process->error().message()));
}

void tst_AdaptorsIo::portThatIsUnplugged()
{
    Port port;
    port.write("text");
    const std::unique_ptr<Process> process(adopt(&port));
    beginClose(*process);
    QVERIFY(!process->isClosed());
    port.unplug();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(process->error().message().contains(u"not written"_s)
            || process->error().message().contains(u"unplugged"_s));
    QVERIFY(!port.isOpen());
}

void tst_AdaptorsIo::webSocketClosesItsHandshakeFirst()
{
    WebSocket socket;
    const std::unique_ptr<Process> process(adopt(&socket));
    process->close();
    QTRY_COMPARE(socket.state(), WebSocket::Closing);
    deliver();
    QVERIFY(!process->isClosed());
    socket.end();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
}

void tst_AdaptorsIo::webSocketInABlockedWait()
{
    WebSocket socket;
    const std::unique_ptr<Process> process(adopt(&socket));
    QVERIFY(process->closeAndWait().message().contains(u"did not close"_s));
    QCOMPARE(socket.state(), WebSocket::Unconnected);
}

void tst_AdaptorsIo::disconnectOfASocket_data()
{
    QTest::addColumn<bool>("isDestroyed");
    QTest::newRow("closed") << false;
    QTest::newRow("destroyed") << true;
}

void tst_AdaptorsIo::disconnectOfASocket()
{
    QFETCH(const bool, isDestroyed);
    StuckTcp stuck;
    auto socket = std::make_unique<QTcpSocket>();
    socket->connectToHost(QHostAddress::LocalHost, stuck.server.serverPort());
    QVERIFY(socket->waitForConnected());
    const std::unique_ptr<Process> process(adopt(socket.get()));
    disconnectAll(*socket);
    if (isDestroyed)
        socket.reset();
    else
        process->close();
    QTRY_VERIFY(process->isClosed());
    QVERIFY2(!process->error(), qPrintable(process->error().message()));
}

// --- Files ---------------------------------------------------------------------------------------

void tst_AdaptorsIo::fileThatFailedBefore_data()
{
    QTest::addColumn<bool>("isUnbuffered");
    QTest::newRow("more than the buffer") << false;
    QTest::newRow("unbuffered") << true;
}

void tst_AdaptorsIo::fileThatFailedBefore()
{
    QFETCH(const bool, isUnbuffered);
    QFile file(u"/dev/full"_s);
    QIODevice::OpenMode mode = QIODevice::WriteOnly;
    if (isUnbuffered)
        mode |= QIODevice::Unbuffered;
    if (!file.open(mode))
        QSKIP("This system has no /dev/full");
    file.write(QByteArray(isUnbuffered ? 4 : 1024 * 1024, 'x'));
    QVERIFY(file.error() != QFileDevice::NoError);
    const std::unique_ptr<Process> process(adopt(&file));
    process->close();
    QTRY_VERIFY(process->isClosed());
    QVERIFY2(process->error().message().contains(u"space"_s),
             qPrintable(process->error().message()));
}

void tst_AdaptorsIo::saveFileIsCommitted_data()
{
    QTest::addColumn<QString>("as");
    for (const char *as : { "itself", "file device", "IO device" })
        QTest::newRow(as) << QString::fromUtf8(as);
}

void tst_AdaptorsIo::saveFileIsCommitted()
{
    QFETCH(const QString, as);
    const QTemporaryDir folder;
    QSaveFile file(folder.filePath(u"file"_s));
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.write("text");
    const std::unique_ptr<Process> process(as == "itself"_L1 ? adopt(&file)
                                                   : as == "IO device"_L1
                                                   ? adopt(static_cast<QIODevice *>(&file))
                                                   : adopt(static_cast<QFileDevice *>(&file)));
    process->close();
    QTRY_VERIFY(process->isClosed());
    QVERIFY2(!process->error(), qPrintable(process->error().message()));
    QFile written(folder.filePath(u"file"_s));
    QVERIFY(written.open(QIODevice::ReadOnly));
    QCOMPARE(written.readAll(), "text");
}

void tst_AdaptorsIo::saveFileThatCannotBeCommitted()
{
    const QTemporaryDir folder;
    QSaveFile file(folder.filePath(u"file"_s));
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.write("text");
    file.cancelWriting();
    const std::unique_ptr<Process> process(adopt(&file));
    QVERIFY(process->closeAndWait());
    QVERIFY(!QFile::exists(folder.filePath(u"file"_s)));
}

void tst_AdaptorsIo::saveFileThatWasCommitted()
{
    const QTemporaryDir folder;
    QSaveFile file(folder.filePath(u"file"_s));
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.write("text");
    const std::unique_ptr<Process> process(adopt(&file));
    QVERIFY(file.commit());
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
}

void tst_AdaptorsIo::programAsAnIoDevice()
{
    QProcess program;
    program.start(u"sh"_s,
                  { u"-c"_s, u"trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done"_s });
    QVERIFY(program.waitForReadyRead());
    QIODevice *device = &program;
    const std::unique_ptr<Process> process(adopt(device));
    process->close();
    QTRY_VERIFY(process->isClosed());
    QCOMPARE(program.state(), QProcess::NotRunning);
    QVERIFY2(process->error().message().contains(u"exit code 7"_s),
             qPrintable(process->error().message()));
}

void tst_AdaptorsIo::streamThatCannotBeWritten()
{
    std::ofstream stream("/dev/full");
    if (!stream.is_open())
        QSKIP("This system has no /dev/full");
    stream << "text";
    const std::unique_ptr<Process> process(adopt(&stream));
    QVERIFY(process->closeAndWait());
}

void tst_AdaptorsIo::streamThatWasRead()
{
    std::ifstream stream("/dev/null");
    std::string text;
    stream >> text; // there is none
    QVERIFY(stream.fail());
    const std::unique_ptr<Process> process(adopt(&stream));
    QVERIFY(!process->closeAndWait());
    QVERIFY(!stream.is_open());
}

QTEST_MAIN(tst_AdaptorsIo)
#include "tst_adaptors_io.moc"
