// SPDX-License-Identifier: MIT
// ContextGuard: closes the processes that QML made in a context while that context is whole.

#ifndef GOPROCESS_CONTEXTGUARD_P_H
#define GOPROCESS_CONTEXTGUARD_P_H

#include <QObject>
#include <QPointer>
#include <QSet>

QT_BEGIN_NAMESPACE
class QQmlContext;
QT_END_NAMESPACE

namespace GoProcess {

class Process;

namespace Private {

/// One for each QML context that processes were made in, and for each context above. It is a child
/// of its context and knows the guards below.
///
/// When a component, a Loader, a Repeater or the engine takes objects away, the topmost context
/// that goes announces it first, while nothing has gone yet. Then all processes in it and below are
/// closed, all of them before the first one is waited for: they may wait for each other.
///
/// All of it happens in the thread of the engine.
class ContextGuard final : public QObject
{
    Q_OBJECT

public:
    ~ContextGuard() override;

    /// Makes \a process close with the context that QML made it in; nothing for one that C++ made.
    static void add(Process *process);
    /// \a process leaves the thread of the engine, which thereby gives it away.
    static void aboutToMove(Process *process);
    /// \a process is about to be destroyed, and with it what it is the root of.
    static void aboutToDestroy(Process *process);

    bool eventFilter(QObject *watched, QEvent *event) override;

private Q_SLOTS:
    void contextGoes();

private:
    explicit ContextGuard(QQmlContext *context);
    static ContextGuard *find(const QQmlContext *context);
    static ContextGuard *of(QQmlContext *context);

    bool isLeftToDeferredDelete() const;
    QList<Process *> takeProcesses();
    void closeProcesses();

    /// The object that the context was made for. The context forgets it when the garbage collector
    /// takes it, long before it is deleted.
    const QPointer<QObject> m_root;
    QSet<Process *> m_processes;
    QSet<ContextGuard *> m_below;
    ContextGuard *m_above = nullptr;
    bool m_isLeft = false; ///< It has announced its end, and the event loop will delete its root.
};

} // namespace Private
} // namespace GoProcess

#endif
