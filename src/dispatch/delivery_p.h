// SPDX-License-Identifier: MIT
// Delivery: brings steps that are due to where they run.

#ifndef GOPROCESS_DELIVERY_P_H
#define GOPROCESS_DELIVERY_P_H

#include "graph/graph_p.h"
#include "steptarget_p.h"

namespace GoProcess::Private {

/// Brings the steps of a change on their way, and lets go of the graph's lock.
void deliver(DueSteps &&steps);
/// Brings \a step on its way, which no other thread sends: the caller has claimed it, has run the
/// step before it, or has found out that it is the first one.
void deliver(StepTarget &node, Step step);
/// deliver() as the last thing that a step of \a ended does. If that has no home, one step without
/// a home is not sent but returned, to be run right behind; otherwise an empty one.
[[nodiscard]] DueStep deliverAtEndOfStep(const StepTarget &ended, DueSteps &&steps);
/// deliver() of the next step of \a ended itself. If that has no home the step is not sent but
/// returned, to be run right behind; otherwise an empty one.
[[nodiscard]] DueStep deliverAtEndOfStep(StepTarget &ended, Step step);
/// Brings the step of a process that is due on its way once more, when moveToThread() is over.
void deliverAfterMove(StepTarget &node);
/// Claims and runs a step that needs no home, and what can run right behind it.
void runItem(DueStep due);

} // namespace GoProcess::Private

#endif
