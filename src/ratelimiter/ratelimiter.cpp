// SPDX-License-Identifier: MIT
// RateLimiter: a process that runs only so many works at once.

#include <GoProcess/ratelimiter.h>

#include "common/logging_p.h"
#include "places_p.h"
#include "process/processcore_p.h"

#include <GoProcess/closing.h>

#include <utility>

namespace GoProcess {

using Private::Places;
using Private::ProcessCore;
using Private::QuietHold;

static int checkedLimit(int limit)
{
    if (limit >= 1)
        return limit;
    Private::warn(
            QStringLiteral("A RateLimiter with a limit of %1 refused: the limit is 1, the least")
                    .arg(limit));
    return 1;
}

RateLimiter::RateLimiter(int limit, QObject *parent)
    : Process(parent), m_places(std::make_shared<Places>(checkedLimit(limit)))
{
}

RateLimiter::RateLimiter(const QString &name, int limit, QObject *parent)
    : RateLimiter(limit, parent)
{
    setName(name);
}

RateLimiter::~RateLimiter()
{
    // In a slot of its own closing() it cannot wait here, but ~Process completes the close.
    if (!ProcessCore::of(this)->isAnnouncingHere())
        Private::closeBeforeDestruction(*this);
}

int RateLimiter::limit() const
{
    return m_places->limit();
}

ProcessPtr RateLimiter::limitedGoImpl(const QString &name, std::unique_ptr<Private::Work> work,
                                      QDeadlineTimer deadline)
{
    constexpr const char *what = "limitedGo()";
    // Shared state only: when the teardown has begun another thread may destroy this object while
    // the call is blocked.
    const Private::Ref<ProcessCore> data(ProcessCore::of(this));
    const std::shared_ptr<Places> places = m_places;
    if (!work) {
        ProcessCore::refuse(what, data->path(), QStringLiteral("the work is null"));
        return nullptr;
    }

    QString refusal;
    const std::shared_ptr<Places::Place> place = places->take(*data, deadline, &refusal);
    ProcessPtr child;
    {
        // It keeps the teardown from beginning, and so this object alive.
        const QuietHold hold(*data);
        if (!hold) {
            refusal = QStringLiteral("its teardown has begun");
        } else if (place) {
            child = ProcessCore::make(ProcessCore::threadBelow(this), name);
            ProcessCore *const node = ProcessCore::of(child.get());
            place->occupy(*node);
            node->bind(place, Private::NodeState::Running);
            if (!node->start(this, std::move(work), what)) // GCOVR_EXCL_BR_LINE: guard
                child.reset(); // GCOVR_EXCL_LINE: guard
        }
    }
    if (!refusal.isEmpty())
        ProcessCore::refuse(what, data->path(), refusal);
    return child;
}

ProcessPtr RateLimiter::queueGoImpl(const QString &name, std::unique_ptr<Private::Work> work)
{
    constexpr const char *what = "queueGo()";
    if (!work) {
        ProcessCore::refuse(what, ProcessCore::of(this)->path(),
                            QStringLiteral("the work is null"));
        return nullptr;
    }
    ProcessPtr child = ProcessCore::make(ProcessCore::threadBelow(this), name);
    ProcessCore *const node = ProcessCore::of(child.get());
    const auto queued = std::make_shared<Places::QueuedWork>(m_places, *node);
    node->bind(queued, Private::NodeState::Running);
    if (!node->promiseWork(this, std::move(work), what))
        return nullptr;
    // From here on this waits for the child, but the child may close.
    queued->places().enqueue(*queued);
    return child;
}

} // namespace GoProcess
