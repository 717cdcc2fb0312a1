// SPDX-License-Identifier: MIT
// Quits a thread behind all that was queued for it before.

#ifndef GOPROCESS_QUITTER_P_H
#define GOPROCESS_QUITTER_P_H

#include "common/tsan_p.h"

#include <QCoreApplication>
#include <QEvent>
#include <QObject>
#include <QThread>

namespace GoProcess::Private {

/// Lives in the thread, and quits it when an event comes: that loses nothing that was queued
/// before.
class Quitter : public QObject // needs no moc. clazy:exclude=missing-qobject-macro
{
public:
    void post()
    {
        handOver(this);
        QCoreApplication::postEvent(this, new QEvent(QEvent::User));
    }

    bool event(QEvent *event) override
    {
        takeOver(this);
        if (event->type() != QEvent::User)
            return QObject::event(event);
        thread()->quit();
        return true;
    }
};

} // namespace GoProcess::Private

#endif
