// SPDX-License-Identifier: MIT
// The handlers that the operating system calls: a file for each kind of system.

#ifndef GOPROCESS_SIGNALHANDLERS_P_H
#define GOPROCESS_SIGNALHANDLERS_P_H

#include <QtGlobal>

#include <chrono>

namespace GoProcess::Private {

/// Why a process cannot be closed on a signal; null for no reason.
using Reason = const char *;

/// Closes the processes that watch \a signal, and calls the functions, so many \a times. Called in
/// a thread, not in a handler, without the lock of SignalWatches.
void signalRaised(int signal, unsigned times);
#ifdef Q_OS_WIN
/// Blocks until the processes that watch \a signal are Closed, but not for long.
void waitUntilClosedOnSignal(int signal);
#endif

/// Two signals that come within this time are one request to close: `timeout` sends SIGTERM to the
/// program and to its group, systemd SIGTERM and SIGHUP, and of Ctrl-C a program may hear from the
/// terminal and from its parent. A user takes longer to see that nothing happens, and to press
/// Ctrl-C again.
constexpr std::chrono::milliseconds oneRequest { 500 };

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
    /// From half a second after this on, \a signal ends the program. Called again, it changes
    /// nothing.
    static void endProgramOn(int signal);
    /// \a signal does not end the program.
    static void spareProgram(int signal);
    /// \a signal has not come.
    static void forgetPast(int signal);
};

} // namespace GoProcess::Private

#endif
