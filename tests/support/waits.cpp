// SPDX-License-Identifier: MIT

#include "waits.h"

#include <QCoreApplication>

namespace TestSupport {

void deliver()
{
    for (int i = 0; i < 3; ++i)
        QCoreApplication::processEvents();
}

void Counter::add(int count)
{
    const std::lock_guard lock(m_mutex);
    m_count += count;
    m_changed.notify_all();
}

int Counter::count() const
{
    const std::lock_guard lock(m_mutex);
    return m_count;
}

bool Counter::waitFor(int count)
{
    std::unique_lock lock(m_mutex);
    if (m_changed.wait_for(lock, patience, [&] { return m_count >= count; }))
        return true;
    fail(QStringLiteral("Waited for %1 events, saw %2").arg(count).arg(m_count));
    return false;
}

Gate::~Gate()
{
    open();
}

void Gate::open()
{
    const std::lock_guard lock(m_mutex);
    m_open = true;
    m_changed.notify_all();
}

bool Gate::isOpen() const
{
    const std::lock_guard lock(m_mutex);
    return m_open;
}

bool Gate::pass()
{
    std::unique_lock lock(m_mutex);
    ++m_arrivals;
    m_changed.notify_all();
    if (m_changed.wait_for(lock, 2 * patience, [&] { return m_open; }))
        return true;
    fail(QStringLiteral("A gate was never opened"));
    return false;
}

bool Gate::waitForArrivals(int count)
{
    std::unique_lock lock(m_mutex);
    if (m_changed.wait_for(lock, patience, [&] { return m_arrivals >= count; }))
        return true;
    fail(QStringLiteral("Waited for %1 at a gate, saw %2").arg(count).arg(m_arrivals));
    return false;
}

} // namespace TestSupport
