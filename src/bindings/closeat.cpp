// SPDX-License-Identifier: MIT
// Closing a process at a time.

#include <GoProcess/bindings.h>

#include "clock/clock_p.h"

#include <atomic>
#include <utility>

namespace GoProcess {

using Private::Binding;
using Private::Clock;
using Private::Forks;
using Private::ProcessHandle;
using Private::Timer;

namespace {

class CloseAt final : public Binding, public Timer
{
public:
    explicit CloseAt(ProcessHandle process) : m_process(std::move(process)) { }

    void expired() override
    {
        m_process.close();
        m_expired.store(true, std::memory_order_relaxed);
    }
    void finishing() override { Clock::instance().stop(*this); }
    bool isOver() const override { return m_expired.load(std::memory_order_relaxed); }

private:
    const ProcessHandle m_process;
    // Relaxed: it only tells that the binding is of no use any more.
    std::atomic<bool> m_expired = false;
};

} // namespace

bool closeAt(Process *process, QDeadlineTimer deadline)
{
    const auto handle = ProcessHandle::toClose(process, "closeAt()");
    if (!handle)
        return false;
    if (deadline.isForever() || handle.isClosing())
        return true;
    if (deadline.hasExpired()) {
        handle.close();
        return true;
    }
    if (Forks::hasLostThreads())
        return handle.refuse("closeAt()", Forks::why);
    const auto binding = std::make_shared<CloseAt>(handle);
    Clock::instance().start(binding, Clock::timeOf(deadline));
    if (!handle.bind(binding)) // GCOVR_EXCL_BR_LINE: race
        binding->finishing(); // GCOVR_EXCL_LINE: race
    return true;
}

} // namespace GoProcess
