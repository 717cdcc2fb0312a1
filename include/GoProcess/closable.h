// SPDX-License-Identifier: MIT
// Type-erased devices: what the template of adopt() hands to the library, which links no QtNetwork.
// Everything here is private to the library; use adopt().

#ifndef GOPROCESS_CLOSABLE_H
#define GOPROCESS_CLOSABLE_H

#include <GoProcess/error.h>
#include <GoProcess/global.h>

#include <QObject>
#include <QProcess>
#include <QThread>
#include <QThreadPool>

#include <functional>
#include <type_traits>
#include <utility>

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

    /// True until a socket is unconnected again.
    virtual bool isConnected() const { return false; }
    virtual bool waitForDisconnected(int /*msecs*/) { return true; }
    virtual void abort() { }
    /// Calls \a disconnected when a socket has been, and \a failed on each of its errors, but those that
    /// are none: that the peer has closed, and that somebody waited for it in vain.
    virtual void watch(const std::function<void()> & /*disconnected*/,
                       const std::function<void()> & /*failed*/)
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

/// True for what the template of adopt() takes: all with close() that has no adopt() of its own.
template<class T>
inline constexpr bool isClosable =
        HasClose<T>::value
        && !std::is_base_of_v<
                QThread,
                T> && !std::is_base_of_v<QThreadPool, T> && !std::is_base_of_v<QProcess, T> && !std::is_base_of_v<Process, T>;

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
struct HasRemoteHostClosedError : std::false_type
{
};

template<class T>
struct HasRemoteHostClosedError<T, std::void_t<decltype(T::RemoteHostClosedError)>> : std::true_type
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
        } else {
            m_device->close();
            return true;
        }
    }

    bool isConnected() const override
    {
        if constexpr (IsSocket<Device>::value)
            return m_device->state() != Device::UnconnectedState;
        else
            return false;
    }

    bool waitForDisconnected(int msecs) override
    {
        if constexpr (IsSocket<Device>::value)
            return m_device->waitForDisconnected(msecs);
        else
            return Closable::waitForDisconnected(msecs);
    }

    void abort() override
    {
        if constexpr (IsSocket<Device>::value)
            m_device->abort();
    }

    void watch(const std::function<void()> &disconnected,
               const std::function<void()> &failed) override
    {
        if constexpr (IsSocket<Device>::value) {
            QObject::connect(m_device, &Device::disconnected, m_device, disconnected);
            QObject::connect(m_device, &Device::errorOccurred, m_device,
                             [self = this, call = failed](auto error) {
                                 if (self->isFailure(error))
                                     call();
                             });
        } else {
            Closable::watch(disconnected, failed);
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
