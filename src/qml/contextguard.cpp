// SPDX-License-Identifier: MIT
// ContextGuard: closes the processes that QML made in a context while that context is whole.
//
// The class of the object attached by Component is private, so it is connected to by name:
// clazy:excludeall=old-style-connect

#include "contextguard_p.h"

#include <GoProcess/closing.h>
#include <GoProcess/process.h>

#include <QEvent>
#include <QPointer>
#include <QQmlComponent>
#include <QQmlContext>
#include <QQmlEngine>
#include <QThread>

namespace GoProcess::Private {

ContextGuard::ContextGuard(QQmlContext *context)
    : QObject(context), m_root(context->contextObject())
{
    // The attached object of a Component is the one public way to hear of the end of a context.
    QQmlEngine::setContextForObject(this, context);
    const QObject *component = qmlAttachedPropertiesObject<QQmlComponent>(this);
    connect(component, SIGNAL(destruction()), this, SLOT(contextGoes()));
    // A process tells of its end itself.
    if (m_root && !qobject_cast<Process *>(m_root))
        m_root->installEventFilter(this);

    if (QQmlContext *outer = context->parentContext()) {
        m_above = of(outer);
        m_above->m_below.insert(this);
    }
}

ContextGuard::~ContextGuard()
{
    if (m_above)
        m_above->m_below.remove(this);
    for (ContextGuard *below : std::as_const(m_below))
        below->m_above = nullptr;
}

ContextGuard *ContextGuard::find(const QQmlContext *context)
{
    // GCOVR_EXCL_BR_START: rare
    return context ? context->findChild<ContextGuard *>(QString(), Qt::FindDirectChildrenOnly)
                   // GCOVR_EXCL_BR_STOP
                   : nullptr;
}

ContextGuard *ContextGuard::of(QQmlContext *context)
{
    ContextGuard *guard = find(context);
    return guard ? guard : new ContextGuard(context); // GCOVR_EXCL_BR_LINE: rare
}

void ContextGuard::add(Process *process)
{
    // Without a context QML did not make it, or takes it away just now.
    QQmlContext *context = qmlContext(process);
    // GCOVR_EXCL_BR_START: rare
    if (!context || !context->isValid() || context->thread() != QThread::currentThread())
        // GCOVR_EXCL_BR_STOP
        return;
    ContextGuard *guard = of(context);
    if (guard->m_processes.contains(process))
        return;
    guard->m_processes.insert(process);
    connect(process, &QObject::destroyed, guard,
            [guard, process] { guard->m_processes.remove(process); });
}

void ContextGuard::aboutToMove(Process *process)
{
    if (ContextGuard *guard = find(qmlContext(process))) { // GCOVR_EXCL_BR_LINE: rare
        guard->m_processes.remove(process);
        process->disconnect(guard);
    }
}

void ContextGuard::aboutToDestroy(Process *process)
{
    ContextGuard *guard = find(qmlContext(process));
    if (guard && guard->m_root == process)
        guard->closeProcesses();
    if (!process->isClosed())
        closeBeforeDestruction(*process);
}

/// What the garbage collector takes announces its end while the collector runs, when JavaScript
/// must not; such an object, like one that JavaScript destroys, is deleted by the event loop.
bool ContextGuard::isLeftToDeferredDelete() const
{
    if (m_above && m_above->m_isLeft)
        return true;
    return m_root && !m_root->parent()
            && QQmlEngine::objectOwnership(m_root) == QQmlEngine::JavaScriptOwnership;
}

bool ContextGuard::eventFilter(QObject *watched, QEvent *event)
{
    if (event->type() == QEvent::DeferredDelete && watched == m_root) // GCOVR_EXCL_BR_LINE: rare
        closeProcesses();
    return QObject::eventFilter(watched, event);
}

void ContextGuard::contextGoes()
{
    m_isLeft = isLeftToDeferredDelete();
    if (!m_isLeft)
        closeProcesses();
}

QList<Process *> ContextGuard::takeProcesses()
{
    QList<Process *> taken;
    QList<ContextGuard *> guards { this };
    while (!guards.isEmpty()) {
        ContextGuard *guard = guards.takeLast();
        guards.append(guard->m_below.values());
        taken.append(guard->m_processes.values());
        guard->m_processes.clear();
    }
    return taken;
}

void ContextGuard::closeProcesses()
{
    // JavaScript that runs meanwhile may make others, and may even end this context.
    const QPointer<ContextGuard> alive(this);
    while (alive) { // GCOVR_EXCL_BR_LINE: rare
        QList<QPointer<Process>> open;
        for (Process *process : takeProcesses()) {
            process->close();
            open.append(process);
        }
        if (open.isEmpty())
            return;
        for (const QPointer<Process> &process : std::as_const(open)) {
            if (process && !process->isClosed()) // GCOVR_EXCL_BR_LINE: rare
                closeBeforeDestruction(*process);
        }
    }
}

} // namespace GoProcess::Private
