// SPDX-License-Identifier: MIT
// Hold: a token that keeps the teardown of a process from beginning.

#ifndef GOPROCESS_HOLD_H
#define GOPROCESS_HOLD_H

#include <GoProcess/global.h>

#include <utility>

namespace GoProcess {

namespace Private {
class ProcessCore;
}

/// Keeps the teardown of a process from beginning for as long as it lives (R46).
///
/// Made by Process::hold(). Move-only. May be released or destroyed in any thread, also after the
/// Process object is gone. An invalid Hold holds nothing.
class [[nodiscard]] Hold
{
public:
    /// An invalid token.
    Hold() noexcept = default;
    /// Takes over what \a other keeps; \a other is invalid afterwards.
    Hold(Hold &&other) noexcept : m_process(std::exchange(other.m_process, nullptr)) { }
    /// Releases what this keeps, and takes over what \a other keeps.
    Hold &operator=(Hold &&other) noexcept
    {
        Hold(std::move(other)).swap(*this);
        return *this;
    }
    Hold(const Hold &) = delete;
    Hold &operator=(const Hold &) = delete;
    /// Releases what it keeps, as release() does.
    ~Hold() { release(); }

    /// True while the token keeps its process from being torn down.
    bool isValid() const noexcept { return m_process != nullptr; }
    /// The same as isValid().
    explicit operator bool() const noexcept { return isValid(); }
    /// Lets the process go on; the token is invalid afterwards. Never blocks and runs no user code.
    GOPROCESS_EXPORT void release();

    /// Exchanges what the two keep. Runs no user code.
    void swap(Hold &other) noexcept { std::swap(m_process, other.m_process); }

private:
    friend class Process;
    explicit Hold(Private::ProcessCore *process) noexcept : m_process(process) { }

    Private::ProcessCore *m_process = nullptr;
};

} // namespace GoProcess

#endif
