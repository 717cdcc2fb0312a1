// SPDX-License-Identifier: MIT
// ProcessExtension: the properties that a Process has in QML only.

#include "processextension_p.h"

#include "contextguard_p.h"
#include "teardowncall_p.h"

#include <QMetaObject>
#include <QThread>
#include <QtQml/qqmlinfo.h>

namespace GoProcess::Private {

template<class T>
static ProcessExtension *self(const QQmlListProperty<T> *list)
{
    return static_cast<ProcessExtension *>(list->data);
}

ProcessExtension::ProcessExtension(QObject *process) : QObject(process)
{
    ContextGuard::add(this->process());
}

ProcessExtension::~ProcessExtension() = default;

Process *ProcessExtension::process() const
{
    return static_cast<Process *>(parent());
}

/// Null for a process that C++ made.
ProcessExtension *ProcessExtension::of(Process *process)
{
    if (process->thread() != QThread::currentThread()) // GCOVR_EXCL_BR_LINE: guard
        return nullptr; // GCOVR_EXCL_LINE: guard
    // QML makes it when a property of it is read.
    process->property("parentProcess");
    return process->findChild<ProcessExtension *>(QString(), Qt::FindDirectChildrenOnly);
}

void ProcessExtension::warn(const QString &text) const
{
    qmlWarning(process()) << text;
}

// --- data ----------------------------------------------------------------------------------------

QQmlListProperty<QObject> ProcessExtension::data()
{
    using List = QQmlListProperty<QObject>;
    return { process(),
             this,
             [](List *list, QObject *object) { self(list)->addData(object); },
             [](List *list) { return self(list)->m_data.size(); },
             [](List *list, qsizetype index) { return self(list)->m_data.value(index).data(); },
             nullptr };
}

void ProcessExtension::addData(QObject *object)
{
    if (!object) { // GCOVR_EXCL_BR_LINE: guard
        warn(QStringLiteral("data: null is no object")); // GCOVR_EXCL_LINE: guard
        return; // GCOVR_EXCL_LINE: guard
    }
    if (auto *child = qobject_cast<Process *>(object)) {
        if (!process()->addChild(child)) {
            qmlWarning(child) << QStringLiteral("The process cannot be a child of \"%1\"")
                                         .arg(process()->path());
            return;
        }
        ContextGuard::add(child);
        if (ProcessExtension *extension = of(child))
            extension->nestIn(process());
    }
    m_data.append(object);
    Q_EMIT dataChanged();
}

// --- waitsFor ------------------------------------------------------------------------------------

QQmlListProperty<Process> ProcessExtension::waitsFor()
{
    using List = QQmlListProperty<Process>;
    return { process(),
             this,
             [](List *list, Process *other) { self(list)->addWaitsFor(other); },
             [](List *list) { return self(list)->m_waitsFor.size(); },
             [](List *list, qsizetype index) { return self(list)->m_waitsFor.value(index).data(); },
             [](List *list) { self(list)->clearWaitsFor(); },
             nullptr, // What is written once has nothing to replace
             nullptr }; // or to take away.
}

void ProcessExtension::addWaitsFor(Process *other)
{
    if (m_waitsForState == WaitsFor::Written)
        refuseWaitsFor();
    if (m_waitsForState == WaitsFor::Refusing)
        return;

    if (!other) {
        warn(QStringLiteral("waitsFor: what is null or no process cannot be waited for"));
        return;
    }
    if (!process()->waitFor(other)) {
        warn(QStringLiteral("waitsFor: \"%1\" cannot wait for \"%2\"")
                     .arg(process()->path(), other->path()));
        return;
    }
    ContextGuard::add(other);
    m_waitsFor.append(other);
    if (m_waitsForState == WaitsFor::Unwritten)
        setWaitsForState(WaitsFor::BeingWritten);
    Q_EMIT waitsForChanged();
}

void ProcessExtension::clearWaitsFor()
{
    if (m_waitsForState != WaitsFor::Unwritten)
        refuseWaitsFor();
}

void ProcessExtension::refuseWaitsFor()
{
    warn(QStringLiteral("waitsFor is written once: a change is ignored"));
    setWaitsForState(WaitsFor::Refusing);
}

void ProcessExtension::setWaitsForState(WaitsFor state)
{
    m_waitsForState = state;
    QMetaObject::invokeMethod(this, &ProcessExtension::endWriteOfWaitsFor, Qt::QueuedConnection);
}

void ProcessExtension::endWriteOfWaitsFor()
{
    m_waitsForState = WaitsFor::Written;
}

// --- parentProcess -------------------------------------------------------------------------------

Process *ProcessExtension::parentProcess() const
{
    return m_parentProcess;
}

void ProcessExtension::setParentProcess(Process *parent)
{
    if (parent == m_parentProcess)
        return;
    if (m_isParentWritten) {
        warn(QStringLiteral("parentProcess is written once: a change is ignored"));
    } else if (!parent) {
        // Nothing is written yet: a binding is null until its process is there.
    } else if (!parent->addChild(process())) {
        warn(QStringLiteral("parentProcess: the process cannot be a child of \"%1\"")
                     .arg(parent->path()));
    } else {
        ContextGuard::add(parent);
        m_isParentWritten = true;
        showParent(parent);
    }
}

/// The child of the process that it is nested in. QML nests it before it evaluates its bindings, so
/// that whatever is written there comes later.
void ProcessExtension::nestIn(Process *around)
{
    if (!m_parentProcess && !m_isParentWritten)
        showParent(around);
}

void ProcessExtension::showParent(Process *parent)
{
    m_parentProcess = parent;
    Q_EMIT parentProcessChanged();
}

// --- teardown ------------------------------------------------------------------------------------

QJSValue ProcessExtension::teardown() const
{
    return m_teardown ? m_teardown->function() : QJSValue();
}

void ProcessExtension::setTeardown(const QJSValue &teardown)
{
    if (!teardown.isCallable()) {
        warn(QStringLiteral("teardown: this is no function: %1").arg(teardown.toString()));
        return;
    }
    if (m_teardown) {
        if (!m_teardown->function().strictlyEquals(teardown)) // GCOVR_EXCL_BR_LINE: rare
            warn(QStringLiteral("teardown is written once: a change is ignored"));
        return;
    }

    auto call = std::make_unique<TeardownCall>(process(), teardown);
    if (!process()->setTeardown([call = call.get()] { return call->run(); },
                                [call = call.get()] { call->giveUp(); })) {
        warn(QStringLiteral("teardown: the process takes none any more"));
        return;
    }
    m_teardown = std::move(call);
    Q_EMIT teardownChanged();
}

} // namespace GoProcess::Private
