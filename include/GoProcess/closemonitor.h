// SPDX-License-Identifier: MIT
// CloseMonitor: how far the close of a process has come.

#ifndef GOPROCESS_CLOSEMONITOR_H
#define GOPROCESS_CLOSEMONITOR_H

#include <GoProcess/global.h>
#include <GoProcess/process.h>

#include <QObject>
#include <QStringList>

#include <memory>

namespace GoProcess {

/// How far the close of a process has come, for the user who waits for it in front of a screen.
///
/// \code
/// CloseMonitor monitor;
/// monitor.setProcess(&root);
/// QObject::connect(&monitor, &CloseMonitor::changed, &bar, [&] {
///     bar.setValue(int(100 * monitor.progress()));
/// });
/// \endcode
///
/// It counts the process itself and whatever has to be Closed before it (R7, R8), directly or not.
/// While the process is Running all is 0; the count begins when it is closed, or when it is set if
/// that was earlier. What is added meanwhile (R13) is counted too, so that `progress` may go back.
///
/// Used in its own thread(), which needs an event loop; the process may live in any. The properties
/// change at most 30 times a second.
class GOPROCESS_EXPORT CloseMonitor : public QObject
{
    Q_OBJECT
    // In one line, which clazy can read.
    // clang-format off
    Q_PROPERTY(GoProcess::Process *process READ process WRITE setProcess NOTIFY processChanged FINAL)
    // clang-format on
    Q_PROPERTY(int total READ total NOTIFY changed FINAL)
    Q_PROPERTY(int closed READ closed NOTIFY changed FINAL)
    Q_PROPERTY(double progress READ progress NOTIFY changed FINAL)
    Q_PROPERTY(QStringList remaining READ remaining NOTIFY changed FINAL)
    Q_PROPERTY(int elapsed READ elapsed NOTIFY changed FINAL)

public:
    /// Follows no process yet.
    explicit CloseMonitor(QObject *parent = nullptr);
    /// Follows nothing any more. The process goes on.
    ~CloseMonitor() override;

    /// The process that was set; null if none was, or if it is gone.
    GoProcess::Process *process() const;
    /// Follows the close of \a process; of none for null and for Process::background(), which never
    /// closes.
    void setProcess(GoProcess::Process *process);

    /// How many processes have to close, as far as they are known.
    int total() const;
    /// How many of them are Closed.
    int closed() const;
    /// From 0 to 1; it is 1 only when the process itself is Closed.
    double progress() const;
    /// The paths of at most 20 processes that are open: before others those that wait for no other
    /// process, as all else waits for them.
    QStringList remaining() const;
    /// Milliseconds since the process began to close, until it was Closed.
    int elapsed() const;

Q_SIGNALS:
    /// Another process was set, or the one that was set is gone.
    void processChanged();
    /// Some of the numbers, or what remains, have changed.
    void changed();

private:
    class Count;
    const std::unique_ptr<Count> m_count;
};

} // namespace GoProcess

#endif
