// SPDX-License-Identifier: MIT
// Type-erased devices: what the template of adopt() hands to the library, which links no QtNetwork.
// Everything here is private to the library; use adopt().

#ifndef GOPROCESS_DETAIL_CLOSABLE_H
#define GOPROCESS_DETAIL_CLOSABLE_H

#include <GoProcess/error.h>
#include <GoProcess/global.h>

#include <QIODevice>
#include <QObject>
#include <QProcess>
#include <QSaveFile>
#include <QThread>
#include <QThreadPool>

#include <functional>
#include <type_traits>
#include <utility>

QT_BEGIN_NAMESPACE
class QNetworkReply;
QT_END_NAMESPACE

namespace GoProcess {

class Process;

namespace Private {

/// A thing with close(), and what only sockets have beyond a QIODevice.
class GOPROCESS_EXPORT Closable
{
public:
    Closable() = default;
    Q_DISABLE_COPY_MOVE(Closable)
    virtual ~Closable();

    /// The thing; null for one that is no QObject.
    virtual QObject *object() const = 0;
    /// False: it refused.
    virtual bool close() = 0;

    /// It has the members of a socket.
    virtual bool isSocket() const { return false; }
    /// True until a socket is unconnected again.
    virtual bool isConnected() const { return false; }
    /// A socket that has a port, and no peer: such a one is not open.
    virtual bool isBound() const { return false; }
    virtual bool waitForDisconnected(int /*msecs*/) { return true; }
    virtual void abort() { }
    /// Calls \a disconnected when a socket was disconnected, and \a errorOccurred on each of its
    /// errors: with false for those that are no failure, as the peer has closed, or a wait was in
    /// vain.
    virtual void watch(const std::function<void()> & /*disconnected*/,
                       const std::function<void(bool isFailure)> & /*errorOccurred*/)
    {
    }
};

template<class T, class = void>
struct HasClose : std::false_type
{
};

template<class T>
struct HasClose<T, std::void_t<decltype(std::declval<T &>().close())>> : std::true_type
{
};

/// A network reply, or of a class that derives from it. Elsewhere that class need not be complete.
template<class T>
inline constexpr bool isReply = std::is_base_of_v<QNetworkReply, T>;

/// True for what the template of adopt() takes: all with close() that has no adopt() of its own,
/// and QSaveFile, which has hidden its close().
template<class T>
inline constexpr bool isClosable =
        (HasClose<T>::value || std::is_base_of_v<QSaveFile, T>)&&!std::is_base_of_v<
                QThread,
                T> && !std::is_base_of_v<QThreadPool, T> && !std::is_base_of_v<QProcess, T> && !std::is_base_of_v<Process, T> && !isReply<T>;

/// A device by the class that it is closed as.
template<class T>
using DeviceClass = std::conditional_t<std::is_base_of_v<QSaveFile, T>, QIODevice, T>;

template<class T, class = void>
struct IsSocket : std::false_type
{
};

/// QAbstractSocket and QLocalSocket.
template<class T>
struct IsSocket<T,
                std::void_t<decltype(std::declval<T &>().waitForDisconnected(0)),
                            decltype(std::declval<T &>().abort()), decltype(T::ConnectedState),
                            decltype(T::ClosingState), decltype(T::UnconnectedState),
                            decltype(T::SocketTimeoutError), decltype(&T::disconnected),
                            decltype(&T::errorOccurred)>> : std::true_type
{
};

template<class T, class = void>
struct IsAsyncSocket : std::false_type
{
};

/// What closes as a socket does, but is no QIODevice and cannot be waited for: QWebSocket.
template<class T>
struct IsAsyncSocket<T,
                     std::void_t<decltype(std::declval<T &>().abort()),
                                 decltype(static_cast<int>(std::declval<T &>().state())),
                                 decltype(&T::disconnected)>>
    : std::bool_constant<std::is_base_of_v<QObject, T> && !std::is_base_of_v<QIODevice, T>>
{
};

template<class T, class = void>
struct HasRemoteHostClosedError : std::false_type
{
};

template<class T>
struct HasRemoteHostClosedError<T, std::void_t<decltype(T::RemoteHostClosedError)>> : std::true_type
{
};

template<class T, class = void>
struct HasBoundState : std::false_type
{
};

template<class T>
struct HasBoundState<T, std::void_t<decltype(T::BoundState)>> : std::true_type
{
};

template<class T, class = void>
struct IsStream : std::false_type
{
};

/// A file stream of the standard library, whose close() tells of an error by its state.
template<class T>
struct IsStream<T,
                std::void_t<decltype(bool(std::declval<const T &>().bad())),
                            decltype(bool(std::declval<const T &>().fail()))>> : std::true_type
{
};

template<class Device>
class ClosableDevice final : public Closable
{
public:
    explicit ClosableDevice(Device *device) : m_device(device) { }

    QObject *object() const override
    {
        if constexpr (std::is_base_of_v<QObject, Device>)
            return m_device;
        else
            return nullptr;
    }

    bool close() override
    {
        if constexpr (IsSocket<Device>::value) {
            // While it connects, a socket would close only after that.
            const auto state = m_device->state();
            if (state != Device::ConnectedState && state != Device::ClosingState) {
                m_device->abort();
                return true;
            }
        }
        if constexpr (std::is_same_v<decltype(m_device->close()), bool>) {
            return m_device->close();
        } else if constexpr (IsStream<Device>::value) {
            // That it had failed before may only mean that there was no more to read.
            const bool hadFailed = m_device->fail();
            m_device->close();
            return !m_device->bad() && (hadFailed || !m_device->fail());
        } else {
            m_device->close();
            return true;
        }
    }

    bool isSocket() const override { return IsSocket<Device>::value; }

    bool isBound() const override
    {
        if constexpr (IsSocket<Device>::value && HasBoundState<Device>::value)
            return m_device->state() == Device::BoundState;
        else
            return false;
    }

    bool isConnected() const override
    {
        if constexpr (IsSocket<Device>::value)
            return m_device->state() != Device::UnconnectedState;
        else if constexpr (IsAsyncSocket<Device>::value)
            return static_cast<int>(m_device->state()) != 0; // QAbstractSocket::UnconnectedState
        else
            return false;
    }

    bool waitForDisconnected(int msecs) override
    {
        if constexpr (IsSocket<Device>::value)
            return m_device->waitForDisconnected(msecs);
        else if constexpr (IsAsyncSocket<Device>::value)
            return false;
        else
            return Closable::waitForDisconnected(msecs);
    }

    void abort() override
    {
        if constexpr (IsSocket<Device>::value || IsAsyncSocket<Device>::value)
            m_device->abort();
    }

    void watch(const std::function<void()> &disconnected,
               const std::function<void(bool isFailure)> &errorOccurred) override
    {
        if constexpr (IsSocket<Device>::value) {
            QObject::connect(m_device, &Device::disconnected, m_device, disconnected);
            QObject::connect(m_device, &Device::errorOccurred, m_device,
                             [self = this, call = errorOccurred](auto error) {
                                 call(self->isFailure(error));
                             });
        } else if constexpr (IsAsyncSocket<Device>::value) {
            QObject::connect(m_device, &Device::disconnected, m_device, disconnected);
        } else {
            Closable::watch(disconnected, errorOccurred);
        }
    }

private:
    template<class SocketError>
    bool isFailure(SocketError error) const
    {
        if (error == Device::SocketTimeoutError)
            return !isConnected();
        if constexpr (HasRemoteHostClosedError<Device>::value)
            return error != Device::RemoteHostClosedError;
        else
            return error != Device::PeerClosedError;
    }

    Device *const m_device;
};

} // namespace Private
} // namespace GoProcess

#endif
