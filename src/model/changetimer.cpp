// SPDX-License-Identifier: MIT
// ChangeTimer: calls a function after processes have changed, at most 30 times a second.

#include "changetimer_p.h"

#include "common/tsan_p.h"

#include <QMetaMethod>

#include <chrono>
#include <utility>

namespace GoProcess::Private {

ChangeTimer::ChangeTimer(QObject *owner, std::function<void()> update)
    : QObject(owner), m_update(std::move(update)), m_timer(this)
{
    m_timer.setSingleShot(true);
    m_timer.setInterval(std::chrono::milliseconds(34));
    connect(&m_timer, &QTimer::timeout, this, [this] { m_update(); });
}

ChangeTimer::~ChangeTimer()
{
    close();
}

void ChangeTimer::open(bool all)
{
    close();
    ChangedNodes::open(*this, all);
    m_isOpen = true;
}

void ChangeTimer::close()
{
    // From here on noted() is not called, so that this can be destroyed.
    if (std::exchange(m_isOpen, false))
        ChangedNodes::close(*this);
}

bool ChangeTimer::take(std::size_t limit, std::vector<NodeRef> &changed)
{
    return ChangedNodes::take(*this, limit, changed);
}

void ChangeTimer::updateSoon()
{
    if (!m_timer.isActive())
        m_timer.start();
}

void ChangeTimer::wakeUp()
{
    takeOver(this);
    updateSoon();
}

void ChangeTimer::noted()
{
    handOver(this);
    // By its meta method: this posts one event that carries nothing.
    static const QMetaMethod wakeUp =
            staticMetaObject.method(staticMetaObject.indexOfMethod("wakeUp()"));
    wakeUp.invoke(this, Qt::QueuedConnection);
}

} // namespace GoProcess::Private
