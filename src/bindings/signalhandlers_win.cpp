// SPDX-License-Identifier: MIT
// The handler for the events of a console of Windows, as its documentation says. Not tested.

#include "signalhandlers_p.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>

#include <windows.h>

namespace GoProcess::Private {

namespace {

constexpr std::array caught { SIGINT, SIGBREAK, SIGTERM };

/// Which of them a handler is installed for. Written under the lock of SignalWatches, read by the
/// handler in its own thread; relaxed, as each stands alone.
std::array<std::atomic<bool>, caught.size()> isCaught {};

/// The time from which on each of them ends the program, in milliseconds of GetTickCount64(); 0: it
/// does not. Written under the lock of SignalWatches, read by the handler; relaxed, as each stands
/// alone.
std::array<std::atomic<ULONGLONG>, caught.size()> endsFrom {};

std::size_t indexOf(int signal)
{
    return std::size_t(std::find(caught.begin(), caught.end(), signal) - caught.begin());
}

BOOL WINAPI onConsoleEvent(DWORD event)
{
    const int signal = event == CTRL_C_EVENT ? SIGINT
            : event == CTRL_BREAK_EVENT      ? SIGBREAK
                                             : SIGTERM;
    const std::size_t index = indexOf(signal);
    if (!isCaught[index].load(std::memory_order_relaxed))
        return FALSE; // to the previous handler
    const ULONGLONG from = endsFrom[index].load(std::memory_order_relaxed);
    if (from != 0 && GetTickCount64() >= from)
        TerminateProcess(GetCurrentProcess(), UINT(128 + signal));
    signalRaised(signal, 1);
    // When this returns from one of the others, the system ends the program.
    if (signal == SIGTERM)
        waitUntilClosedOnSignal(signal);
    return TRUE;
}

bool isAnyCaught()
{
    return std::any_of(isCaught.begin(), isCaught.end(),
                       [](const auto &one) { return one.load(std::memory_order_relaxed); });
}

} // namespace

Reason SignalHandlers::prepare()
{
    return nullptr;
}

Reason SignalHandlers::canInstall(int signal)
{
    return indexOf(signal) < caught.size() ? nullptr
                                           : "only SIGINT, SIGBREAK and SIGTERM can be caught";
}

bool SignalHandlers::isIgnored(int)
{
    return false; // which cannot be known
}

bool SignalHandlers::hasCome(int)
{
    return false; // it is told of at once
}

void SignalHandlers::endProgramOn(int signal)
{
    std::atomic<ULONGLONG> &from = endsFrom[indexOf(signal)];
    // It counts from the first of them. No other thread writes meanwhile.
    if (from.load(std::memory_order_relaxed) == 0)
        from.store(GetTickCount64() + ULONGLONG(oneRequest.count()), std::memory_order_relaxed);
}

void SignalHandlers::forgetPast(int) { }

void SignalHandlers::spareProgram(int signal)
{
    endsFrom[indexOf(signal)].store(0, std::memory_order_relaxed);
}

void SignalHandlers::install(int signal)
{
    if (!isAnyCaught())
        SetConsoleCtrlHandler(onConsoleEvent, TRUE);
    isCaught[indexOf(signal)].store(true, std::memory_order_relaxed);
}

void SignalHandlers::restore(int signal)
{
    isCaught[indexOf(signal)].store(false, std::memory_order_relaxed);
    if (!isAnyCaught())
        SetConsoleCtrlHandler(onConsoleEvent, FALSE);
}

} // namespace GoProcess::Private
