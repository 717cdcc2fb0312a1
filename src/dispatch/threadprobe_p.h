// SPDX-License-Identifier: MIT
// Tells whether a thread is blocked, or only short of a processor.

#ifndef GOPROCESS_THREADPROBE_P_H
#define GOPROCESS_THREADPROBE_P_H

#include <QtGlobal>

namespace GoProcess::Private {

/// Looks at a thread of this program from another one.
class ThreadProbe
{
public:
    static ThreadProbe ofThisThread();

    /// True if the thread sleeps until something happens; false if it runs, waits for a processor
    /// or for the kernel (a page, a disk), or has ended. Where the system does not tell (anywhere
    /// but on Linux) it is true.
    bool isAsleep() const;

private:
#ifdef Q_OS_LINUX
    explicit ThreadProbe(long id) noexcept : m_id(id) { }

    long m_id; ///< The kernel's number for the thread.
#endif
};

} // namespace GoProcess::Private

#endif
