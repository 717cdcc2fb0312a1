// SPDX-License-Identifier: MIT
// Adaptors: a process for a thing that a Qt application has to shut down.

#ifndef GOPROCESS_ADAPTORS_H
#define GOPROCESS_ADAPTORS_H

#include <GoProcess/detail/closable.h>
#include <GoProcess/error.h>
#include <GoProcess/global.h>
#include <GoProcess/process.h>

#include <QFuture>
#include <QIODevice>
#include <QObject>
#include <QProcess>
#include <QString>
#include <QThread>
#include <QThreadPool>

#include <chrono>
#include <functional>
#include <memory>
#include <type_traits>

namespace GoProcess {

namespace Private {

/// What is known of a QNetworkReply where its class is.
struct ReplyState
{
    bool isFinished = false;
    Error error; ///< Of a finished one.
};

GOPROCESS_EXPORT Process *adoptFuture(const QString &name, const QFuture<void> &future,
                                      std::function<Error()> result, QObject *parent);
GOPROCESS_EXPORT Process *adoptClosable(const QString &name, std::unique_ptr<Closable> thing,
                                        QObject *parent);
GOPROCESS_EXPORT Process *adoptReply(const QString &name, QIODevice *reply, const ReplyState &state,
                                     QObject *parent, std::chrono::milliseconds grace);
GOPROCESS_EXPORT Process *refuseNull(const char *type, const QObject *parent);

template<class T>
Process *adoptAnyFuture(const QString &name, const QFuture<T> &future, QObject *parent)
{
    // No results are kept but an Error: a QFuture<void> shares the state, and not these.
    using Kept = std::conditional_t<std::is_same_v<T, Error>, QFuture<T>, QFuture<void>>;
    auto result = [kept = Kept(future)]() -> Error {
        Kept finished = kept;
        try {
            finished.waitForFinished(); // it is finished: this only throws what it holds
            if constexpr (std::is_same_v<T, Error>) {
                if (finished.isResultReadyAt(0))
                    return finished.resultAt(0);
            }
        } catch (...) {
            return Error::fromException(std::current_exception());
        }
        return {};
    };
    return adoptFuture(name, QFuture<void>(future), std::move(result), parent);
}

template<class Device>
Process *adoptAnyDevice(const QString &name, Device *device, QObject *parent)
{
    if (!device)
        return refuseNull("device", parent);
    return adoptClosable(name, std::make_unique<ClosableDevice<DeviceClass<Device>>>(device),
                         parent);
}

template<class Reply>
Process *adoptAnyReply(const QString &name, Reply *reply, QObject *parent,
                       std::chrono::milliseconds grace)
{
    if (!reply)
        return refuseNull("reply", parent);
    ReplyState state;
    state.isFinished = reply->isFinished();
    if (state.isFinished && reply->error() != Reply::NoError)
        state.error = Error(reply->errorString());
    return adoptReply(name, reply, state, parent, grace);
}

} // namespace Private

/// \name Adaptors
///
/// adopt() makes a process that stands for a thing: closing the process ends the thing, after all
/// that the process waits for, and the process is Closed when the thing has ended. A thing that
/// ends by itself closes its process. A failure of the thing is the Error of its process.
///
/// \code
/// QProcess player;
/// player.start(QStringLiteral("player"), {});
/// Process root; // last, so that it closes before the program is destroyed
/// GoProcess::adopt(QStringLiteral("player"), &player, &root);
/// \endcode
///
/// The thing is not owned, and may be destroyed before or after the process, in any order. The
/// process is owned by \a parent as Process::Process() says (R44), else by the caller; destroying
/// it ends the thing and waits (R41). Its home is the calling thread, or there is none inside a
/// work (R34). It can be used as any process, but its teardown is taken.
///
/// While the thing ends no thread is blocked, and if the home is blocked in a wait of this library
/// the thing ends all the same (R23). Null is refused: a warning, and an empty pointer (R15).
///
/// Each adopt() takes a \a name for the process as an optional first argument, as Process::go()
/// does.
/// @{

/// A process for \a thread: after the processes that it waits for, it calls
/// `QThread::requestInterruption()`, quits the thread's event loop, and is Closed when
/// `QThread::wait()` would return.
///
/// So deferred deletes in the thread, as by
/// `connect(thread, &QThread::finished, worker, &QObject::deleteLater)`, are over when it is
/// Closed, and the thread may be destroyed then; only C++ `thread_local` objects may live a moment
/// longer. What was queued to the thread before still runs. Processes that live in the thread
/// become children of this one, so that they close while it still runs:
/// `process->addChild(&worker)` and `worker.moveToThread(thread)`.
///
/// Called in another thread than \a thread, else refused. A thread that neither runs an event loop
/// nor asks `QThread::isInterruptionRequested()` is not ended, only waited for; a connection of
/// closing() can tell it. A thread that was never started has nothing to end; destroyed before its
/// process was closed it is an Error. The process stands for one run of the thread, the present or
/// the next one. One thread of the library's own pool waits for the thread while it ends.
GOPROCESS_EXPORT Process *adopt(QThread *thread, QObject *parent = nullptr);
/// The same with a name.
GOPROCESS_EXPORT Process *adopt(const QString &name, QThread *thread, QObject *parent = nullptr);

/// How adopt() asks a program to end.
enum class ProgramEnd {
    /// `QProcess::terminate()`: SIGTERM, or WM_CLOSE on Windows.
    Terminate,
    /// `QProcess::closeWriteChannel()`: the program reads the end of its standard input, after what
    /// is written to it already. A program that has not ended after the grace is asked by
    /// Terminate.
    EndOfInput
};

/// A process for \a program: it asks the program to end, kills it if it has not ended after
/// \a grace, which is an Error, and is Closed when the program has finished.
///
/// \a how says in which way it is asked. With ProgramEnd::EndOfInput it is asked twice, and each of
/// the two has the \a grace: for programs that work off their standard input, and that SIGTERM
/// would interrupt. A \a grace below 0 is 0.
///
/// Called in the thread of \a program, not inside a work, else refused. A program that cannot be
/// started, crashes, or ends with another exit code than 0 is an Error. A program that ends by the
/// SIGTERM that it got from here, or with the code 143 that shells make of that, is none. A program
/// that was not started has nothing to end. The process stands for one run of the program, the
/// present or the next one, also when a slot of `QProcess::finished()` starts it anew. A home that
/// is blocked in a wait of this library also waits in `QProcess::waitForFinished()`, but never
/// beyond the deadline of the wait.
///
/// No program outlives the application: a program that still runs in static destruction, because
/// neither its process nor its QProcess was destroyed, is killed, with a warning.
GOPROCESS_EXPORT Process *adopt(QProcess *program, QObject *parent = nullptr,
                                std::chrono::milliseconds grace = std::chrono::milliseconds(5000),
                                ProgramEnd how = ProgramEnd::Terminate);
/// The same with a name.
GOPROCESS_EXPORT Process *adopt(const QString &name, QProcess *program, QObject *parent = nullptr,
                                std::chrono::milliseconds grace = std::chrono::milliseconds(5000),
                                ProgramEnd how = ProgramEnd::Terminate);

/// A process for \a pool: it throws away what has not started (`QThreadPool::clear()`), and is
/// Closed when all that runs in the pool is done.
///
/// Works of processes that are thrown away close with an Error (R30); to let them run first, make
/// them children: `adopt(&pool)->setThreadPool(&pool)`, and `go` under that process. Futures of
/// QtConcurrent::run() that a process waits for, by adopt() or waitFor(), are cancelled and
/// finished if their function is thrown away. Those of QtConcurrent::map() and its like do not tell
/// their pool: make their processes children of this one. A pool that is destroyed before its
/// process was closed is an Error. One thread of the library's own pool waits for the pool while it
/// ends. Runnables started afterwards are not waited for. `QThreadPool::globalInstance()` may be
/// adopted, but then all queued work of the program, of Qt and of other libraries is thrown away.
GOPROCESS_EXPORT Process *adopt(QThreadPool *pool, QObject *parent = nullptr);
/// The same with a name.
GOPROCESS_EXPORT Process *adopt(const QString &name, QThreadPool *pool, QObject *parent = nullptr);

/// A process for \a future: it cancels it, and is Closed when the future has finished.
///
/// An exception in the future is the Error, as is the result of a `QFuture<Error>`; that it was
/// cancelled, here or elsewhere, is none. Other continuations and watchers of the future stay as
/// they are. No event loop is needed. A function of QtConcurrent::run() that has not started when
/// it is cancelled does not run; in a blocked wait one thread of the library's own pool sees to
/// that, so that it need not get its turn. What a function has captured may be destroyed a moment
/// after its future has finished: adopt its pool as well where that matters.
template<class T>
Process *adopt(const QFuture<T> &future, QObject *parent = nullptr)
{
    return Private::adoptAnyFuture(QString(), future, parent);
}
/// The same with a name.
template<class T>
Process *adopt(const QString &name, const QFuture<T> &future, QObject *parent = nullptr)
{
    return Private::adoptAnyFuture(name, future, parent);
}
/// A process for a \a device with `close()`: a QTcpServer, a QLocalServer, a QIODevice, or a class
/// of yours. It closes the device, and is Closed when that has ended.
///
/// A QFileDevice is flushed and closed, a QSaveFile is committed; what could not be written is an
/// Error, also if that was before the close and the file still says so (`QFileDevice::error()`). A
/// sequential device (a socket, a serial port) first waits until its bytes are written, and a
/// socket then until it is disconnected; one that is still connecting with nothing to write is
/// aborted, and one that is only bound is closed. An error of a socket is an Error of the process
/// unless the peer has just closed the connection with nothing left to write. A `close()` that
/// returns false, or leaves a file stream of the standard library failed, is an Error. A device
/// that the program closes or destroys, and a socket that is disconnected, closes its process.
///
/// What a `QIODevice *` really is counts: a QProcess is adopted as a program, a QNetworkReply as a
/// reply, each with the default grace.
///
/// Called in the thread of \a device, not inside a work, else refused. If the home is blocked in a
/// wait of this library, a device that takes no byte for 30 s is given up, which is an Error; a
/// socket that cannot be waited for (QWebSocket) at once. A device that is no QObject must outlive
/// its process.
template<class Device, std::enable_if_t<Private::isClosable<Device>, int> = 0>
Process *adopt(Device *device, QObject *parent = nullptr)
{
    return Private::adoptAnyDevice(QString(), device, parent);
}
/// The same with a name.
template<class Device, std::enable_if_t<Private::isClosable<Device>, int> = 0>
Process *adopt(const QString &name, Device *device, QObject *parent = nullptr)
{
    return Private::adoptAnyDevice(name, device, parent);
}

/// A process for a \a reply, a QNetworkReply: it lets the reply finish, aborts it if it has not
/// finished after \a grace, which is an Error, and is Closed when the reply has finished.
///
/// Any error of the reply is the Error of its process, as is that it is destroyed before it has
/// finished, which a QNetworkAccessManager does when it is destroyed itself. A reply that should
/// not go on is aborted in a slot of closing(), or adopted with a grace of 0.
///
/// Called in the thread of \a reply, not inside a work, else refused. A home that is blocked in a
/// wait of this library delivers the queued calls to the reply, and no other events, and so slots
/// of its signals run. The library does not need QtNetwork for this: the caller includes
/// `<QNetworkReply>`.
template<class Reply, std::enable_if_t<Private::isReply<Reply>, int> = 0>
Process *adopt(Reply *reply, QObject *parent = nullptr,
               std::chrono::milliseconds grace = std::chrono::milliseconds(5000))
{
    return Private::adoptAnyReply(QString(), reply, parent, grace);
}
/// The same with a name.
template<class Reply, std::enable_if_t<Private::isReply<Reply>, int> = 0>
Process *adopt(const QString &name, Reply *reply, QObject *parent = nullptr,
               std::chrono::milliseconds grace = std::chrono::milliseconds(5000))
{
    return Private::adoptAnyReply(name, reply, parent, grace);
}

/// @}

} // namespace GoProcess

#endif
