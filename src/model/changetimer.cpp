// SPDX-License-Identifier: MIT
// Watch: calls somebody back after processes have changed, at most 30 times a second.

#include "changetimer_p.h"

#include "common/tsan_p.h"

#include <QMetaMethod>

#include <chrono>
#include <utility>

namespace GoProcess::Private {

Watch::Watch(QObject *owner, std::function<void()> update)
    : QObject(owner), m_update(std::move(update)), m_timer(this)
{
    m_timer.setSingleShot(true);
    m_timer.setInterval(std::chrono::milliseconds(34));
    connect(&m_timer, &QTimer::timeout, this, [this] { m_update(); });
}

Watch::~Watch()
{
    close();
}

void Watch::open(bool all)
{
    close();
    Journal::open(*this, all);
    m_isOpen = true;
}

void Watch::close()
{
    // From here on noted() is not called, so that this can be destroyed.
    if (std::exchange(m_isOpen, false))
        Journal::close(*this);
}

bool Watch::take(std::size_t limit, std::vector<NodeRef> &changed)
{
    return Journal::take(*this, limit, changed);
}

void Watch::updateSoon()
{
    if (!m_timer.isActive())
        m_timer.start();
}

void Watch::ring()
{
    takeOver(this);
    updateSoon();
}

void Watch::noted()
{
    handOver(this);
    // By its meta method: this posts one event that carries nothing.
    static const QMetaMethod ring =
            staticMetaObject.method(staticMetaObject.indexOfMethod("ring()"));
    ring.invoke(this, Qt::QueuedConnection);
}

} // namespace GoProcess::Private
