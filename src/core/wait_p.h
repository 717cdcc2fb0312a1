// SPDX-License-Identifier: MIT
// The blocking wait: runs the steps at home in its thread, and nothing else.

#ifndef GOPROCESS_WAIT_P_H
#define GOPROCESS_WAIT_P_H

#include "dispatcher_p.h"

#include <QDeadlineTimer>

namespace GoProcess::Private {

/// Why a wait for Closed cannot be made in this thread (R39): the node whose step or work is on the
/// stack and would have to end first. Null: it can.
const Node *blockedBy(Node &node);

/// Blocks until \a goal is reached; false if \a deadline passed first. Does not ask blockedBy().
bool waitUntil(Resident &node, Waiter::Goal goal, QDeadlineTimer deadline);

/// Just blocks until \a deadline; for the process that never closes.
void waitInVain(QDeadlineTimer deadline);

} // namespace GoProcess::Private

#endif
