// SPDX-License-Identifier: MIT
// The types of the core as QML knows them.

#ifndef GOPROCESS_TYPES_P_H
#define GOPROCESS_TYPES_P_H

#include "contextguard_p.h"
#include "processextension_p.h"

#include <GoProcess/closemonitor.h>
#include <GoProcess/error.h>
#include <GoProcess/process.h>
#include <GoProcess/processmodel.h>

#include <QEvent>
#include <QThread>
#include <QtQml/qqml.h>

#include <new>

/// What QML makes where a file says `Process {}`: the class itself, with a destructor that runs
/// while QML still knows the object.
///
/// QML makes each type through this template. It allocates the size of a Process, so there is no
/// room for members. The template has no Q_OBJECT either.
template<> // clazy:exclude=missing-qobject-macro
class QQmlPrivate::QQmlElement<GoProcess::Process> final : public GoProcess::Process
{
public:
    QQmlElement() = default;
    Q_DISABLE_COPY_MOVE(QQmlElement)
    ~QQmlElement() override
    {
        GoProcess::Private::ContextGuard::aboutToDestroy(this);
        QQmlPrivate::qdeclarativeelement_destructor(this);
    }
    // As in the template: QML allocates more than the object, by itself.
    // NOLINTNEXTLINE(misc-new-delete-overloads)
    static void operator delete(void *memory) { ::operator delete(memory); }
#ifdef Q_CC_MSVC
    static void operator delete(void *, void *) { }
#endif

    bool event(QEvent *event) override
    {
        if (event->type() == QEvent::ThreadChange)
            GoProcess::Private::ContextGuard::aboutToMove(this);
        return Process::event(event);
    }

protected:
    /// A slot is being connected, which is to hear of the close while its context is whole.
    void connectNotify(const QMetaMethod &signal) override
    {
        if (QThread::currentThread() == thread()) // GCOVR_EXCL_BR_LINE: rare
            GoProcess::Private::ContextGuard::add(this);
        Process::connectNotify(signal);
    }
};
static_assert(sizeof(QQmlPrivate::QQmlElement<GoProcess::Process>) == sizeof(GoProcess::Process));

namespace GoProcess::Private {

struct ProcessType
{
    Q_GADGET
    QML_FOREIGN(GoProcess::Process)
    QML_EXTENDED(GoProcess::Private::ProcessExtension)
    QML_NAMED_ELEMENT(Process)
    QML_ADDED_IN_VERSION(0, 1)
};

struct ErrorType
{
    Q_GADGET
    QML_FOREIGN(GoProcess::Error)
    QML_VALUE_TYPE(error)
    QML_ADDED_IN_VERSION(0, 1)
};

struct ProcessModelType
{
    Q_GADGET
    QML_FOREIGN(GoProcess::ProcessModel)
    QML_NAMED_ELEMENT(ProcessModel)
    QML_ADDED_IN_VERSION(0, 1)
};

struct CloseMonitorType
{
    Q_GADGET
    QML_FOREIGN(GoProcess::CloseMonitor)
    QML_NAMED_ELEMENT(CloseMonitor)
    QML_ADDED_IN_VERSION(0, 1)
};

} // namespace GoProcess::Private

#endif
