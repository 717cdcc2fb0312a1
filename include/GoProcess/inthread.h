// SPDX-License-Identifier: MIT
// inThread(): a process whose home is a thread of its own.

#ifndef GOPROCESS_INTHREAD_H
#define GOPROCESS_INTHREAD_H

#include <GoProcess/global.h>
#include <GoProcess/process.h>

#include <QObject>
#include <QString>

namespace GoProcess {

/// A process named \a name whose home is a thread of its own, which starts with it, has an event
/// loop, and ends after it. The object name of the thread is \a name.
///
/// What is to run there lives there: `process->addChild(&worker)` and
/// `worker.moveToThread(process->thread())` for a process without a QObject parent; the same
/// moveToThread() for other objects. What has the process itself as QObject parent has to be made
/// in the thread, and is destroyed there, after the process is Closed and before the thread ends.
/// The children close in the thread, whose event loop runs meanwhile.
///
/// When the process is Closed its thread ends by itself, behind all that was queued for it before,
/// its deferred deletes included. The destructor of the process waits for that end as well, in any
/// other thread, and so does \a parent if that is a Process: the end of the thread is a child of
/// its own there, named `name (thread)`, which cannot be closed before the process. A thread that
/// the program quits by hand closes its process, and ends when that is Closed.
///
/// The process is a child of a Process \a parent (R8). It is destroyed with \a parent as
/// Process::Process() says (R44), though it lives in another thread; without one, and where a
/// Process \a parent lives in another thread than the caller's, the caller owns it. It may be
/// deleted in any thread, also in a slot of its own closed() (R43). `deleteLater()` in another
/// thread than its own may come too late, when its thread has ended; in a slot of its own closed()
/// that runs in its thread it does not.
///
/// A thread that starts before there is a QCoreApplication has no event loop: it runs the steps of
/// the processes that live there, and no events. Once QCoreApplication is gone that is so in each
/// of them (R45).
///
/// From any thread. Refused (a warning, and an empty pointer: R15) where \a parent takes no child
/// any more (R13), for a \a parent that is no Process and lives in another thread, in a forked
/// child that has lost the library's threads (R54), and where the system refuses to start a thread.
GOPROCESS_EXPORT Process *inThread(const QString &name, QObject *parent = nullptr);

} // namespace GoProcess

#endif
