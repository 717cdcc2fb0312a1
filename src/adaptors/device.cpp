// SPDX-License-Identifier: MIT
// adopt() of things with close().

#include "adoption_p.h"
#include "relay_p.h"

#include <GoProcess/adaptors.h>

#include <QFileDevice>
#include <QIODevice>
#include <QProcess>
#include <QSaveFile>
#include <QThread>

#include <algorithm>
#include <utility>

namespace GoProcess::Private {

Closable::~Closable() = default;

namespace {

/// First the bytes that are left are written, then it is closed, then a socket gets disconnected.
/// Everything happens in the thread of the device.
class DeviceAdoption final : public Adoption
{
public:
    explicit DeviceAdoption(std::unique_ptr<Closable> device);
    void watch();

private:
    void listen(QObject &object);
    void stop() override;
    bool finish(QDeadlineTimer deadline) override;
    void watchByName(QObject &object);
    void advance();
    void close();
    void closeFile();
    void giveUp();
    void noteLostBytes();
    void fail(const Error &error);
    void aboutToClose();
    void disconnected();
    void bytesWritten();
    void errorOccurred(bool isFailure);
    void destroyed();
    bool isWriting() const;
    // GCOVR_EXCL_BR_START: guard
    bool isConnected() const { return !m_isGone && m_device->isConnected(); }
    // GCOVR_EXCL_BR_STOP
    bool hasWriteError() const;

    const std::unique_ptr<Closable> m_device;
    QIODevice *m_io; ///< Null for others, and once it is destroyed.
    QFileDevice *m_file; ///< Null for others, and once it is destroyed.
    QMetaObject::Connection m_listening; ///< False after the device's disconnect().
    Error m_error; ///< The first.
    /// What was left to write at the last error. A socket that is reset has forgotten it when it
    /// tells that it is disconnected.
    qint64 m_bytesLeft = 0;
    QDeadlineTimer m_giveUpAt = QDeadlineTimer::Forever; ///< Set while a blocked home waits for it.
    bool m_isDisconnected = false; ///< A socket that is only known as a QIODevice.
    bool m_stopping = false;
    bool m_closed = false;
    bool m_isGone = false; ///< The device is destroyed.
};

DeviceAdoption::DeviceAdoption(std::unique_ptr<Closable> device)
    : m_device(std::move(device)),
      m_io(qobject_cast<QIODevice *>(m_device->object())),
      m_file(qobject_cast<QFileDevice *>(m_device->object()))
{
}

void DeviceAdoption::watch()
{
    QObject *object = m_device->object();
    if (!object)
        return;
    listen(*object);
    const auto self = std::static_pointer_cast<DeviceAdoption>(shared_from_this());
    new AtDestruction(object, [self] { self->destroyed(); });
}

void DeviceAdoption::listen(QObject &object)
{
    const auto self = std::static_pointer_cast<DeviceAdoption>(shared_from_this());
    m_listening =
            QObject::connect(&object, &QObject::destroyed, &object, [self] { self->destroyed(); });
    m_device->watch([self] { self->disconnected(); },
                    [self](bool isFailure) { self->errorOccurred(isFailure); });
    if (m_io) {
        QObject::connect(m_io, &QIODevice::aboutToClose, m_io, [self] { self->aboutToClose(); });
        QObject::connect(m_io, &QIODevice::bytesWritten, m_io, [self] { self->bytesWritten(); });
        if (!m_file && !m_device->isSocket())
            watchByName(object);
    }
}

/// What sockets and serial ports tell, for those whose class the caller did not know.
void DeviceAdoption::watchByName(QObject &object)
{
    const auto self = std::static_pointer_cast<DeviceAdoption>(shared_from_this());
    relay(object, "disconnected", [self](void **) {
        self->m_isDisconnected = true;
        self->disconnected();
    });
    const bool isSocket = object.inherits("QAbstractSocket") || object.inherits("QLocalSocket");
    relay(object, "errorOccurred", [self, isSocket](void **arguments) {
        // Of QAbstractSocket::SocketError and QLocalSocket::LocalSocketError, the argument there.
        constexpr int remoteHostClosed = 1;
        constexpr int timeout = 5;
        const int error = isSocket ? *static_cast<const int *>(arguments[1]) : 0;
        self->errorOccurred(error != remoteHostClosed && error != timeout);
    });
}

void DeviceAdoption::stop()
{
    m_stopping = true;
    // GCOVR_EXCL_BR_START: guard
    if (QObject *object = m_isGone ? nullptr : m_device->object(); object && !m_listening)
        // GCOVR_EXCL_BR_STOP
        listen(*object);
    advance();
}

void DeviceAdoption::advance()
{
    if (!m_stopping || hasEnded() || isWriting())
        return;
    if (!std::exchange(m_closed, true))
        close();
    if (!isConnected())
        end(m_error);
}

/// There are bytes left, and the other end may still take them.
bool DeviceAdoption::isWriting() const
{
    if (!m_io || m_file || !m_io->isOpen() || !m_io->isSequential() || m_isDisconnected)
        return false;
    return m_io->bytesToWrite() > 0 && (!m_device->isSocket() || isConnected());
}

void DeviceAdoption::close()
{
    if (m_isGone) // GCOVR_EXCL_BR_LINE: guard
        return; // GCOVR_EXCL_LINE: guard
    // A socket that is only bound is not open.
    const bool mayBeBound =
            m_device->isSocket() ? m_device->isBound() : m_io && m_io->inherits("QAbstractSocket");
    if (m_io && !m_io->isOpen() && !mayBeBound)
        return;
    if (m_file)
        closeFile();
    else if (!m_device->close())
        fail(Error(QStringLiteral("The device refused to close")));
}

void DeviceAdoption::closeFile()
{
    if (hasWriteError())
        fail(Error(m_file->errorString()));
    if (auto *saved = qobject_cast<QSaveFile *>(m_file)) {
        if (!saved->commit())
            fail(Error(m_file ? m_file->errorString() : QString())); // GCOVR_EXCL_BR_LINE: guard
        return;
    }
    const bool flushed = m_file->flush();
    if (!flushed)
        fail(Error(m_file->errorString()));
    m_device->close();
    // It forgets all errors but those of closing.
    if (flushed && m_file && m_file->error() != QFileDevice::NoError) // GCOVR_EXCL_BR_LINE: system
        fail(Error(m_file->errorString())); // GCOVR_EXCL_LINE: system
}

bool DeviceAdoption::hasWriteError() const
{
    return m_file->error() == QFileDevice::WriteError
            || m_file->error() == QFileDevice::ResourceError;
}

/// In one piece up to the deadline, as a wait that ends too early is an error that a socket tells
/// of.
bool DeviceAdoption::finish(QDeadlineTimer deadline)
{
    constexpr int patience = 30000; // ms, as long as Qt's own waits
    while (!hasEnded()) {
        if (m_giveUpAt.isForever()) // GCOVR_EXCL_BR_LINE: system
            m_giveUpAt.setRemainingTime(patience);
        // At least 1, as it is told of each that was in vain.
        const int left = int(std::max<qint64>(1, std::min(m_giveUpAt, deadline).remainingTime()));
        const bool hasMoved = isWriting() ? m_io->waitForBytesWritten(left)
                                          // GCOVR_EXCL_BR_START: system
                                          : isConnected() && m_device->waitForDisconnected(left);
        // GCOVR_EXCL_BR_STOP
        advance();
        if (hasMoved || hasEnded())
            continue;
        if (deadline < m_giveUpAt && deadline.remainingTime() <= 1) // GCOVR_EXCL_BR_LINE: system
            return false;
        giveUp();
    }
    return true;
}

void DeviceAdoption::giveUp()
{
    noteLostBytes();
    fail(Error(QStringLiteral("The device did not close")));
    if (!m_isGone) // GCOVR_EXCL_BR_LINE: guard
        m_device->abort();
    if (m_io)
        m_io->close();
    end(m_error);
}

void DeviceAdoption::noteLostBytes()
{
    if (!m_io || m_file) // GCOVR_EXCL_BR_LINE: guard
        return;
    if (const qint64 bytes = std::max(m_bytesLeft, m_io->bytesToWrite()); bytes > 0)
        fail(Error(QStringLiteral("%1 bytes were not written").arg(bytes)));
}

void DeviceAdoption::fail(const Error &error)
{
    if (!m_error)
        m_error = error;
}

/// The program closes the device, or its destructor does.
void DeviceAdoption::aboutToClose()
{
    if (m_stopping)
        return;
    if (m_file && hasWriteError())
        fail(Error(m_file->errorString()));
    closeProcess();
}

void DeviceAdoption::disconnected()
{
    noteLostBytes();
    if (m_stopping)
        advance();
    else
        end(m_error);
}

void DeviceAdoption::bytesWritten()
{
    m_bytesLeft = std::min(m_bytesLeft, m_io->bytesToWrite());
    m_giveUpAt = QDeadlineTimer(QDeadlineTimer::Forever); // anew
    advance();
}

void DeviceAdoption::errorOccurred(bool isFailure)
{
    m_bytesLeft = m_io && m_io->isOpen() ? m_io->bytesToWrite() : 0; // GCOVR_EXCL_BR_LINE: guard
    if (!isFailure)
        return;
    fail(Error(m_io ? m_io->errorString() : QString())); // GCOVR_EXCL_BR_LINE: race
    if (m_device->isSocket()) {
        // One that leaves it connected ends nothing yet.
        if (!isConnected()) // GCOVR_EXCL_BR_LINE: race
            end(m_error);
    } else if (m_stopping && isWriting()) { // GCOVR_EXCL_BR_LINE: system
        giveUp(); // no signal tells whether it goes on
    }
}

void DeviceAdoption::destroyed()
{
    if (std::exchange(m_isGone, true))
        return;
    m_io = nullptr;
    m_file = nullptr;
    end(m_error);
}

} // namespace

Process *adoptClosable(const QString &name, std::unique_ptr<Closable> thing, QObject *parent)
{
    constexpr std::chrono::milliseconds grace(5000);
    QObject *object = thing->object();
    if (auto *program = qobject_cast<QProcess *>(object))
        return adopt(name, program, parent, grace);
    if (auto *io = qobject_cast<QIODevice *>(object); io && io->inherits("QNetworkReply"))
        return adoptReply(name, io, {}, parent, grace);
    if (object && (object->thread() != QThread::currentThread() || isThreadWithoutHomes())) {
        return refuseAdoption(
                QStringLiteral("a device is adopted in its own thread, and not inside a work"),
                parent);
    }
    const auto adoption = std::make_shared<DeviceAdoption>(std::move(thing));
    adoption->watch();
    return adoption->makeProcess(name, parent);
}

} // namespace GoProcess::Private
