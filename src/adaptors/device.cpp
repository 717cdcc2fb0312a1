// SPDX-License-Identifier: MIT
// adopt() of things with close().

#include "adoption_p.h"

#include <GoProcess/adaptors.h>

#include <QFileDevice>
#include <QIODevice>
#include <QThread>

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
    void stop() override;
    void finish() override;
    void advance();
    void close();
    void closeFile();
    void giveUp();
    void noteLostBytes();
    void fail(const Error &error);
    void aboutToClose();
    void disconnected();
    void failed();
    void destroyed();
    bool isWriting() const;
    bool isConnected() const { return !m_isGone && m_device->isConnected(); }

    const std::unique_ptr<Closable> m_device;
    QIODevice *m_io; ///< Null for others, and once it is destroyed.
    QFileDevice *m_file; ///< The same.
    Error m_error; ///< The first.
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
    const auto self = std::static_pointer_cast<DeviceAdoption>(shared_from_this());
    QObject::connect(object, &QObject::destroyed, [self] { self->destroyed(); });
    m_device->watch([self] { self->disconnected(); }, [self] { self->failed(); });
    if (m_io) {
        QObject::connect(m_io, &QIODevice::aboutToClose, m_io, [self] { self->aboutToClose(); });
        QObject::connect(m_io, &QIODevice::bytesWritten, m_io, [self] { self->advance(); });
    }
}

void DeviceAdoption::stop()
{
    m_stopping = true;
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

bool DeviceAdoption::isWriting() const
{
    return m_io && !m_file && m_io->isOpen() && m_io->isSequential() && m_io->bytesToWrite() > 0;
}

void DeviceAdoption::close()
{
    if (m_isGone || (m_io && !m_io->isOpen()))
        return;
    if (m_file)
        closeFile();
    else if (!m_device->close())
        fail(Error(QStringLiteral("The device refused to close")));
}

void DeviceAdoption::closeFile()
{
    const bool flushed = m_file->flush();
    if (!flushed)
        fail(Error(m_file->errorString()));
    m_device->close();
    // It forgets all errors but those of closing.
    if (flushed && m_file && m_file->error() != QFileDevice::NoError)
        fail(Error(m_file->errorString()));
}

void DeviceAdoption::finish()
{
    constexpr int patience = 30000; // ms, as long as Qt's own waits
    while (!hasEnded()) {
        const bool hasMoved = isWriting()
                ? m_io->waitForBytesWritten(patience)
                : isConnected() && m_device->waitForDisconnected(patience);
        advance();
        if (!hasMoved && !hasEnded())
            giveUp();
    }
}

void DeviceAdoption::giveUp()
{
    noteLostBytes();
    fail(Error(QStringLiteral("The device did not close")));
    if (!m_isGone)
        m_device->abort();
    if (m_io)
        m_io->close();
    end(m_error);
}

void DeviceAdoption::noteLostBytes()
{
    if (m_io && !m_file && m_io->bytesToWrite() > 0)
        fail(Error(QStringLiteral("%1 bytes were not written").arg(m_io->bytesToWrite())));
}

void DeviceAdoption::fail(const Error &error)
{
    if (!m_error)
        m_error = error;
}

/// Somebody else closes it, or it is its destructor.
void DeviceAdoption::aboutToClose()
{
    if (m_stopping)
        return;
    if (m_file
        && (m_file->error() == QFileDevice::WriteError
            || m_file->error() == QFileDevice::ResourceError))
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

/// An error of a socket that leaves it connected ends nothing yet.
void DeviceAdoption::failed()
{
    fail(Error(m_io ? m_io->errorString() : QString()));
    if (!isConnected())
        end(m_error);
}

void DeviceAdoption::destroyed()
{
    m_isGone = true;
    m_io = nullptr;
    m_file = nullptr;
    end(m_error);
}

} // namespace

Process *adoptClosable(std::unique_ptr<Closable> thing, QObject *parent)
{
    const QObject *object = thing->object();
    if (object && (object->thread() != QThread::currentThread() || isHomelessHere())) {
        return refuseAdoption(
                QStringLiteral("a device is adopted in its own thread, and not inside a work"),
                parent);
    }
    const auto adoption = std::make_shared<DeviceAdoption>(std::move(thing));
    adoption->watch();
    return adoption->makeProcess(parent);
}

} // namespace GoProcess::Private
