// SPDX-License-Identifier: MIT
// Which teardowns have not run: the end of the program names the processes that were left open with
// one.

#ifndef GOPROCESS_LEFTOPEN_P_H
#define GOPROCESS_LEFTOPEN_P_H

#include <GoProcess/detail/callable.h>

namespace GoProcess::Private {

class ProcessCore;

/// A list of all teardowns that processes have, through the teardowns themselves: it needs no
/// memory, and a process without one costs nothing. In a few parts with a lock each, the innermost
/// of all locks.
class LeftOpen
{
public:
    /// \a owner has got \a teardown, and keeps it until it is Closed.
    static void add(Teardown &teardown, ProcessCore &owner) noexcept;
    /// \a teardown is being destroyed.
    static void remove(Teardown &teardown) noexcept;

private:
    struct Part;
    struct EndOfProgram;

    static Part *parts();
    static Part &partOf(const Teardown &teardown);
    static void warn();

    static const EndOfProgram s_end;
};

} // namespace GoProcess::Private

#endif
