// SPDX-License-Identifier: MIT
// Delivery: brings steps that are due to where they run.

#ifndef GOPROCESS_DELIVERY_P_H
#define GOPROCESS_DELIVERY_P_H

#include "graph/graph_p.h"
#include "steptarget_p.h"

namespace GoProcess::Private {

/// Brings the steps of a change on their way, and lets go of the graph's lock.
void deliver(DueSteps &&steps);
/// Brings a single step of a process on its way, whose next step is in the caller's hands: it was
/// on its way before, or follows one that the caller has run.
void deliver(StepTarget &node, Step step);
/// deliver() as the last thing that a step of \a ended does. If that has no home, one step without a
/// home is not sent but returned, to be run right behind; otherwise an empty one.
[[nodiscard]] DueStep deliverAtEndOfStep(const StepTarget &ended, DueSteps &&steps);
/// The same of the next step of \a ended itself.
[[nodiscard]] DueStep deliverAtEndOfStep(StepTarget &ended, Step step);
/// Brings the step of a process that is due on its way once more, when moveToThread() is over.
void deliverAfterMove(StepTarget &node);
/// Runs a step of no home, and what can run right behind it.
void runItem(DueStep due);

} // namespace GoProcess::Private

#endif
