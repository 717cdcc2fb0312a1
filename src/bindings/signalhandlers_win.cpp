// SPDX-License-Identifier: MIT
// The handler for the events of a console of Windows. Written from its documentation, and not tested.

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

std::size_t indexOf(int signal)
{
    return std::size_t(std::find(caught.begin(), caught.end(), signal) - caught.begin());
}

BOOL WINAPI onConsoleEvent(DWORD event)
{
    const int signal = event == CTRL_C_EVENT ? SIGINT
            : event == CTRL_BREAK_EVENT      ? SIGBREAK
                                             : SIGTERM;
    if (!isCaught[indexOf(signal)].load(std::memory_order_relaxed))
        return FALSE; // to the previous handler
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

void SignalHandlers::forgetPast(int) { }

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
