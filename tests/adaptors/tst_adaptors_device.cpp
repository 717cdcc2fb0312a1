// SPDX-License-Identifier: MIT
// adopt() of devices: files, servers and sockets of the loopback interface, and classes of the
// user.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QBuffer>
#include <QFile>
#include <QLocalServer>
#include <QLocalSocket>
#include <QPointer>
#include <QTcpServer>
#include <QTcpSocket>
#include <QTemporaryDir>
#include <QTest>
#include <QUuid>

#include <memory>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::adopt;
using GoProcess::Error;
using GoProcess::Process;
using GoProcess::ProcessPtr;

namespace {

/// Two ends of a connection. The server's end reads nothing beyond a few bytes unless told to.
class Connection
{
public:
    Connection()
    {
        server.listen(QHostAddress::LocalHost);
        client.connectToHost(QHostAddress::LocalHost, server.serverPort());
        if (!client.waitForConnected() || !server.waitForNewConnection(30000))
            qFatal("no connection");
        peer.reset(server.nextPendingConnection());
        peer->setReadBufferSize(1);
    }

    /// More than the system takes before its reader reads.
    QByteArray writeMuch()
    {
        const QByteArray data(32 * 1024 * 1024, 'x');
        client.write(data);
        return data;
    }
    /// Reads all until the end.
    void readOn()
    {
        peer->setReadBufferSize(0);
        QObject::connect(peer.get(), &QTcpSocket::readyRead, peer.get(),
                         [this] { received += peer->readAll(); });
        received += peer->readAll();
    }

    QTcpServer server;
    QTcpSocket client;
    std::unique_ptr<QTcpSocket> peer;
    QByteArray received;
};

} // namespace

class tst_AdaptorsDevice : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void tcpServerIsClosed();
    void tcpServerHomeIsBlocked();
    void tcpServerDestroyed();
    void childrenCloseFirst();
    void localServerIsClosed();

    void fileIsFlushedAndClosed();
    void fileHomeIsBlocked();
    void fileClosedByItself();
    void fileDestroyed();
    void fileThatCannotBeWritten_data();
    void fileThatCannotBeWritten();
    void bufferAsAnIoDevice();

    void socketWaitsForBytesWritten();
    void socketWaitsWhileHomeIsBlocked();
    void socketAsAnIoDevice();
    void socketWithNothingToWrite();
    void socketThePeerCloses();
    void socketThePeerResets();
    void socketIsClosedByTheUser();
    void socketIsConnecting();
    void socketRefused();
    void socketNeverConnected();
    void socketDestroyed();
    void socketProcessDestroyed();
    void localSocketWaitsForBytesWritten();
    void localSocketThePeerCloses();

    void ownClass();
    void ownClassThatRefuses();
    void noQObject();
    void inAnotherThreadIsRefused();
    void inAWorkIsRefused();
};

// --- Servers -------------------------------------------------------------------------------------

void tst_AdaptorsDevice::tcpServerIsClosed()
{
    QTcpServer server;
    QVERIFY(server.listen(QHostAddress::LocalHost));
    const std::unique_ptr<Process> process(adopt(&server));
    QVERIFY(server.isListening());
    process->close();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!server.isListening());
    QVERIFY(!process->error());
}

void tst_AdaptorsDevice::tcpServerHomeIsBlocked()
{
    QTcpServer server;
    QVERIFY(server.listen(QHostAddress::LocalHost));
    const std::unique_ptr<Process> process(adopt(&server));
    QVERIFY(!process->closeAndWait());
    QVERIFY(!server.isListening());
}

void tst_AdaptorsDevice::tcpServerDestroyed()
{
    auto server = std::make_unique<QTcpServer>();
    const std::unique_ptr<Process> process(adopt(server.get()));
    server.reset();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
}

void tst_AdaptorsDevice::childrenCloseFirst()
{
    QTcpServer server;
    QVERIFY(server.listen(QHostAddress::LocalHost));
    const std::unique_ptr<Process> process(adopt(&server));
    bool listened = false;
    Process child([&] { listened = server.isListening(); });
    QVERIFY(process->addChild(&child));
    QVERIFY(!process->closeAndWait());
    QVERIFY(listened);
}

void tst_AdaptorsDevice::localServerIsClosed()
{
    QLocalServer server;
    QVERIFY(server.listen(QUuid::createUuid().toString(QUuid::Id128)));
    const std::unique_ptr<Process> process(adopt(&server));
    QVERIFY(!process->closeAndWait());
    QVERIFY(!server.isListening());
}

// --- Files ---------------------------------------------------------------------------------------

void tst_AdaptorsDevice::fileIsFlushedAndClosed()
{
    const QTemporaryDir folder;
    QFile file(folder.filePath(u"file"_s));
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.write("text");
    const std::unique_ptr<Process> process(adopt(&file));
    process->close();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
    QVERIFY(!file.isOpen());
    QCOMPARE(file.size(), 4);
}

void tst_AdaptorsDevice::fileHomeIsBlocked()
{
    const QTemporaryDir folder;
    QFile file(folder.filePath(u"file"_s));
    QVERIFY(file.open(QIODevice::WriteOnly));
    const std::unique_ptr<Process> process(adopt(&file));
    QVERIFY(!process->closeAndWait());
    QVERIFY(!file.isOpen());
}

void tst_AdaptorsDevice::fileClosedByItself()
{
    const QTemporaryDir folder;
    QFile file(folder.filePath(u"file"_s));
    QVERIFY(file.open(QIODevice::WriteOnly));
    const std::unique_ptr<Process> process(adopt(&file));
    file.close();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
}

void tst_AdaptorsDevice::fileDestroyed()
{
    const QTemporaryDir folder;
    auto file = std::make_unique<QFile>(folder.filePath(u"file"_s));
    QVERIFY(file->open(QIODevice::WriteOnly));
    const std::unique_ptr<Process> process(adopt(file.get()));
    file.reset();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(!process->error());
}

void tst_AdaptorsDevice::fileThatCannotBeWritten_data()
{
    QTest::addColumn<QString>("how");
    for (const char *how : { "closed", "blocked", "by itself", "destroyed" })
        QTest::newRow(how) << QString::fromUtf8(how);
}

void tst_AdaptorsDevice::fileThatCannotBeWritten()
{
    QFETCH(const QString, how);
    auto file = std::make_unique<QFile>(u"/dev/full"_s);
    if (!file->open(QIODevice::WriteOnly))
        QSKIP("This system has no /dev/full");
    file->write("text");
    const std::unique_ptr<Process> process(adopt(file.get()));
    if (how == "closed"_L1)
        process->close();
    else if (how == "blocked"_L1)
        process->closeAndWait();
    else if (how == "by itself"_L1)
        file->close();
    else
        file.reset();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(process->error());
    QVERIFY2(process->error().message().contains(u"space"_s),
             qPrintable(process->error().message()));
}

void tst_AdaptorsDevice::bufferAsAnIoDevice()
{
    QBuffer buffer;
    QVERIFY(buffer.open(QIODevice::ReadWrite));
    QIODevice *device = &buffer;
    const std::unique_ptr<Process> process(adopt(device));
    QVERIFY(!process->closeAndWait());
    QVERIFY(!buffer.isOpen());
}

// --- Sockets -------------------------------------------------------------------------------------

void tst_AdaptorsDevice::socketWaitsForBytesWritten()
{
    Connection connection;
    const QByteArray data = connection.writeMuch();
    const std::unique_ptr<Process> process(adopt(&connection.client));
    Counter begun;
    connect(process.get(), &Process::closing, this, [&] { begun.add(); });
    process->close();
    QTRY_COMPARE(begun.count(), 1);
    QVERIFY(connection.client.bytesToWrite() > 0);
    QVERIFY(!process->isClosed());
    connection.readOn();
    QTRY_VERIFY_WITH_TIMEOUT(process->isClosed(), 30000);
    QVERIFY2(!process->error(), qPrintable(process->error().message()));
    QCOMPARE(connection.client.state(), QTcpSocket::UnconnectedState);
    QTRY_COMPARE(connection.received.size(), data.size());
}

void tst_AdaptorsDevice::socketWaitsWhileHomeIsBlocked()
{
    Connection connection;
    const QByteArray data = connection.writeMuch();
    EventLoopThread reader;
    connection.peer->setParent(nullptr);
    connection.peer->moveToThread(&reader);
    const std::unique_ptr<Process> process(adopt(&connection.client));
    reader.run([&] { connection.readOn(); });
    const Error error = process->closeAndWait();
    QVERIFY2(!error, qPrintable(error.message()));
    QVERIFY(pollUntil(
            [&] { return reader.run([&] { return connection.received.size(); }) == data.size(); }));
    reader.run([&] { connection.peer.reset(); });
}

void tst_AdaptorsDevice::socketAsAnIoDevice()
{
    Connection connection;
    const QByteArray data = connection.writeMuch();
    QIODevice *device = &connection.client;
    const std::unique_ptr<Process> process(adopt(device));
    process->close();
    connection.readOn();
    QTRY_VERIFY_WITH_TIMEOUT(process->isClosed(), 30000);
    QVERIFY(!process->error());
    QTRY_COMPARE(connection.received.size(), data.size());
}

void tst_AdaptorsDevice::socketWithNothingToWrite()
{
    Connection connection;
    const std::unique_ptr<Process> process(adopt(&connection.client));
    QVERIFY(!process->closeAndWait());
    QCOMPARE(connection.client.state(), QTcpSocket::UnconnectedState);
}

void tst_AdaptorsDevice::socketThePeerCloses()
{
    Connection connection;
    const std::unique_ptr<Process> process(adopt(&connection.client));
    connection.peer->close();
    QTRY_VERIFY(process->isClosed());
    QVERIFY2(!process->error(), qPrintable(process->error().message()));
}

void tst_AdaptorsDevice::socketThePeerResets()
{
    Connection connection;
    connection.writeMuch();
    const std::unique_ptr<Process> process(adopt(&connection.client));
    // Closed with unread bytes, which the system answers with a reset.
    connection.peer->abort();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(process->error());
}

void tst_AdaptorsDevice::socketIsClosedByTheUser()
{
    Connection connection;
    const QByteArray data = connection.writeMuch();
    const std::unique_ptr<Process> process(adopt(&connection.client));
    connection.client.close(); // which Qt does only when all is written
    QTRY_VERIFY(process->isClosing());
    QVERIFY(!process->isClosed());
    connection.readOn();
    QTRY_VERIFY_WITH_TIMEOUT(process->isClosed(), 30000);
    QVERIFY(!process->error());
    QTRY_COMPARE(connection.received.size(), data.size());
}

void tst_AdaptorsDevice::socketIsConnecting()
{
    QTcpServer server;
    QVERIFY(server.listen(QHostAddress::LocalHost));
    QTcpSocket socket;
    socket.connectToHost(QHostAddress::LocalHost, server.serverPort());
    const std::unique_ptr<Process> process(adopt(&socket));
    QVERIFY(!process->closeAndWait());
    QCOMPARE(socket.state(), QTcpSocket::UnconnectedState);
}

void tst_AdaptorsDevice::socketRefused()
{
    quint16 port = 0;
    {
        QTcpServer server;
        QVERIFY(server.listen(QHostAddress::LocalHost));
        port = server.serverPort();
    }
    QTcpSocket socket;
    const std::unique_ptr<Process> process(adopt(&socket));
    socket.connectToHost(QHostAddress::LocalHost, port);
    QTRY_VERIFY(process->isClosed());
    QVERIFY(process->error().message().contains(u"refused"_s));
}

void tst_AdaptorsDevice::socketNeverConnected()
{
    QTcpSocket socket;
    const std::unique_ptr<Process> process(adopt(&socket));
    QVERIFY(!process->closeAndWait());
}

void tst_AdaptorsDevice::socketDestroyed()
{
    Connection connection;
    auto *socket = new QTcpSocket;
    socket->connectToHost(QHostAddress::LocalHost, connection.server.serverPort());
    QVERIFY(socket->waitForConnected());
    const std::unique_ptr<Process> process(adopt(socket));
    delete socket;
    QTRY_VERIFY(process->isClosed());
}

void tst_AdaptorsDevice::socketProcessDestroyed()
{
    Connection connection;
    delete adopt(&connection.client);
    QCOMPARE(connection.client.state(), QTcpSocket::UnconnectedState);
    connection.client.connectToHost(QHostAddress::LocalHost, connection.server.serverPort());
    QVERIFY(connection.client.waitForConnected()); // nothing is left that would touch the process
}

void tst_AdaptorsDevice::localSocketWaitsForBytesWritten()
{
    QLocalServer server;
    QVERIFY(server.listen(QUuid::createUuid().toString(QUuid::Id128)));
    QLocalSocket socket;
    socket.connectToServer(server.fullServerName());
    QVERIFY(socket.waitForConnected());
    QVERIFY(server.waitForNewConnection(30000));
    const std::unique_ptr<QLocalSocket> peer(server.nextPendingConnection());
    peer->setReadBufferSize(1);
    const QByteArray data(4 * 1024 * 1024, 'x');
    socket.write(data);
    const std::unique_ptr<Process> process(adopt(&socket));
    Counter begun;
    connect(process.get(), &Process::closing, this, [&] { begun.add(); });
    process->close();
    QTRY_COMPARE(begun.count(), 1);
    QVERIFY(!process->isClosed());
    QByteArray received;
    peer->setReadBufferSize(0);
    connect(peer.get(), &QLocalSocket::readyRead, this, [&] { received += peer->readAll(); });
    received += peer->readAll();
    QTRY_VERIFY_WITH_TIMEOUT(process->isClosed(), 30000);
    QVERIFY2(!process->error(), qPrintable(process->error().message()));
    QTRY_COMPARE(received.size(), data.size());
}

void tst_AdaptorsDevice::localSocketThePeerCloses()
{
    QLocalServer server;
    QVERIFY(server.listen(QUuid::createUuid().toString(QUuid::Id128)));
    QLocalSocket socket;
    socket.connectToServer(server.fullServerName());
    QVERIFY(socket.waitForConnected());
    QVERIFY(server.waitForNewConnection(30000));
    const std::unique_ptr<QLocalSocket> peer(server.nextPendingConnection());
    const std::unique_ptr<Process> process(adopt(&socket));
    peer->close();
    QTRY_VERIFY(process->isClosed());
    QVERIFY2(!process->error(), qPrintable(process->error().message()));
}

// --- Others --------------------------------------------------------------------------------------

void tst_AdaptorsDevice::ownClass()
{
    class Device : public QObject
    {
    public:
        void close() { ++count; }
        int count = 0;
    };
    Device device;
    const std::unique_ptr<Process> process(adopt(&device));
    QVERIFY(!process->closeAndWait());
    QCOMPARE(device.count, 1);
}

void tst_AdaptorsDevice::ownClassThatRefuses()
{
    class Device : public QObject
    {
    public:
        bool close() { return false; }
    };
    Device device;
    const std::unique_ptr<Process> process(adopt(&device));
    QVERIFY(process->closeAndWait().message().contains(u"refused"_s));
}

void tst_AdaptorsDevice::noQObject()
{
    struct Device
    {
        void close() { closed = true; }
        bool closed = false;
    };
    Device device;
    Process parent;
    adopt(&device, &parent);
    QVERIFY(!parent.closeAndWait());
    QVERIFY(device.closed);
}

void tst_AdaptorsDevice::inAnotherThreadIsRefused()
{
    QTcpServer server;
    EventLoopThread thread;
    const ExpectWarning refused(u"adopt\\(\\) refused.*own thread"_s);
    QVERIFY(!thread.run([&] { return adopt(&server); }));
}

void tst_AdaptorsDevice::inAWorkIsRefused()
{
    const ExpectWarning refused(u"adopt\\(\\) refused.*inside a work"_s);
    const ProcessPtr work = GoProcess::go([] {
        QFile file;
        CHECK(!adopt(&file));
    });
    QVERIFY(work->waitForClosed(soon()));
}

QTEST_MAIN(tst_AdaptorsDevice)
#include "tst_adaptors_device.moc"
