// SPDX-License-Identifier: MIT
// Keeps the library in memory, also when the program unloads the plugin that it came with.

#ifndef GOPROCESS_PIN_P_H
#define GOPROCESS_PIN_P_H

namespace GoProcess::Private {

/// Called before the first thread of the library starts, and before Qt is told of its first
/// function.
///
/// Threads of the pool and the clock, connections to the ends of threads, the end of the program:
/// all of them come back to this code when a plugin that has used it, and has closed all its
/// processes, is gone. So what contains it is never unmapped.
void keepLoaded();

} // namespace GoProcess::Private

#endif
