// SPDX-License-Identifier: MIT
// Which dispatcher is that of a thread.

#ifndef GOPROCESS_REGISTRY_P_H
#define GOPROCESS_REGISTRY_P_H

#include "common/fork_p.h"
#include "common/mutex_p.h"
#include "dispatcher_p.h"

#include <cstddef>
#include <unordered_map>

namespace GoProcess::Private {

/// The dispatchers by thread. Never destroyed, as processes may be closed in static destruction.
struct Registry final : public ForkPart
{
    Registry() { Forks::add(*this); }
    bool tryLock() override;
    void unlock() override { unlockFirst(dispatchers.size()); }
    bool forked() override;
    void unlockFirst(std::size_t count);

    Mutex mutex;
    std::unordered_map<const QThread *, DispatcherRef> dispatchers;
};

Registry &registry();

} // namespace GoProcess::Private

#endif
