// SPDX-License-Identifier: MIT
// What the library does not do by itself: a second SIGINT.

#include "stopsignals.h"

#include <GoProcess/Bindings>

#include <atomic>
#include <csignal>

#include <unistd.h>

namespace Demo {

namespace {

constexpr int interruptedStatus = 128 + SIGINT;

// Relaxed, since it stands alone: no other memory is reached through it.
std::atomic<int> interruptCount { 0 };
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler must not lock");

void onInterrupt(int /*signal*/)
{
    if (interruptCount.fetch_add(1, std::memory_order_relaxed) > 0)
        ::_exit(interruptedStatus);
    ::kill(::getpid(), SIGTERM); // which the library waits for
}

} // namespace

StopSignals::StopSignals()
{
    m_untilSignal.setName(QStringLiteral("until a signal comes"));
    connect(&m_untilSignal, &GoProcess::Process::closing, this, &StopSignals::requested);

    // What the library restores when the process is closed without a signal: one that comes late must
    // not change how the program ends.
    std::signal(SIGTERM, [](int /*signal*/) {});
    GoProcess::closeOnSignals(&m_untilSignal, { SIGTERM });
    struct sigaction action = {};
    action.sa_handler = onInterrupt;
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGINT, &action, nullptr);
}

} // namespace Demo
