// SPDX-License-Identifier: MIT
// A number that many threads count up.

#ifndef DEMO_COUNTER_H
#define DEMO_COUNTER_H

#include <QtGlobal>

#include <atomic>

namespace Demo {

/// A number that any thread may add to or read.
///
/// Relaxed, since nothing else is published through it: who needs an exact number reads it after the
/// processes that count have closed, and closing orders the threads.
class Counter
{
public:
    void add(qint64 amount) noexcept { m_value.fetch_add(amount, std::memory_order_relaxed); }
    qint64 value() const noexcept { return m_value.load(std::memory_order_relaxed); }

private:
    std::atomic<qint64> m_value { 0 };
};

} // namespace Demo

#endif
