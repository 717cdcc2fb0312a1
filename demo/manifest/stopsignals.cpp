// SPDX-License-Identifier: MIT
// From a signal handler, where hardly anything may be called, into the event loop.

#include "stopsignals.h"

#include <array>
#include <atomic>
#include <csignal>

#include <sys/socket.h>
#include <unistd.h>

namespace Manifest {

namespace {

constexpr int interruptedStatus = 128 + SIGINT;

// What the handler needs. Relaxed, since it stands alone: no other memory is reached through it.
std::atomic<int> pipeEnd { -1 };
std::atomic<int> interruptCount { 0 };
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler must not lock");

void onSignal(int signal)
{
    if (signal == SIGINT && interruptCount.fetch_add(1, std::memory_order_relaxed) > 0)
        ::_exit(interruptedStatus);
    const int error = errno; // of whatever was interrupted
    // A full pipe is as good: it has been asked already.
    [[maybe_unused]] const ssize_t written =
            ::write(pipeEnd.load(std::memory_order_relaxed), "", 1);
    errno = error;
}

void setHandler(int signal, void (*handler)(int))
{
    struct sigaction action = {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    ::sigaction(signal, &action, nullptr);
}

} // namespace

StopSignals::StopSignals()
{
    std::array<int, 2> ends { -1, -1 };
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0)
        qFatal("No socket pair for signals");
    m_writeEnd = FileDescriptor(ends[0]);
    m_readEnd = FileDescriptor(ends[1]);
    m_notifier = std::make_unique<QSocketNotifier>(m_readEnd.get(), QSocketNotifier::Read);
    connect(m_notifier.get(), &QSocketNotifier::activated, this, &StopSignals::read);

    pipeEnd.store(m_writeEnd.get(), std::memory_order_relaxed);
    setHandler(SIGINT, onSignal);
    setHandler(SIGTERM, onSignal);
}

StopSignals::~StopSignals()
{
    // The handlers stay: a signal that comes now must not change how the program ends.
    pipeEnd.store(-1, std::memory_order_relaxed);
}

void StopSignals::read()
{
    std::array<char, 64> bytes;
    while (::read(m_readEnd.get(), bytes.data(), bytes.size()) > 0) { }
    Q_EMIT requested();
}

} // namespace Manifest
