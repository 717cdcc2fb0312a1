// SPDX-License-Identifier: MIT
// The handlers that the operating system calls: a file for each kind of system.

#ifndef GOPROCESS_SIGNALHANDLERS_P_H
#define GOPROCESS_SIGNALHANDLERS_P_H

#include <QtGlobal>

namespace GoProcess::Private {

/// Why a process cannot be closed on a signal; null for no reason.
using Reason = const char *;

/// Tells of signals that have come, so many \a times, in a thread, not in a handler. Without the lock of SignalWatches.
void signalRaised(int signal, unsigned times);
#ifdef Q_OS_WIN
/// Blocks until those that watch \a signal are Closed, but not for long.
void waitUntilClosedOnSignal(int signal);
#endif

/// What the operating system knows: a handler for each watched signal. Called under the lock of
/// SignalWatches.
class SignalHandlers
{
public:
    /// Gets ready for install(), once.
    static Reason prepare();
    static Reason canInstall(int signal);
    /// The program shall not hear of it, which the caller of the program may have wanted.
    static bool isIgnored(int signal);
    /// Does nothing if it is installed.
    static void install(int signal);
    static void restore(int signal);
    /// True if it has come since forgetPast(), also if nothing was told of it yet.
    static bool hasCome(int signal);
    static void forgetPast(int signal);
};

} // namespace GoProcess::Private

#endif
