// SPDX-License-Identifier: MIT
// Closing<T>: a final class over a subclass of Process that closes before the subclass is
// destroyed.

#ifndef GOPROCESS_CLOSING_H
#define GOPROCESS_CLOSING_H

#include <GoProcess/process.h>

#include <type_traits>

namespace GoProcess {

namespace Private {
/// Does what closeAndWait() does, for a destructor: what slots throw meanwhile is logged and ends
/// here.
GOPROCESS_EXPORT void closeBeforeDestruction(const Process &process) noexcept;
} // namespace Private

/// A \a T, which derives from Process, that is closed and waited for before T's destructor runs
/// (R47).
///
/// A teardown that uses members of T must not run in `~Process`, when these members are gone.
/// `Closing<Database> database;` closes first, as closeAndWait() does, so that T needs no
/// destructor for it.
template<class T>
class Closing final : public T
{
    static_assert(std::is_base_of_v<Process, T>,
                  "Closing<T> is for classes that derive from Process");

public:
    using T::T;
    ~Closing() override { Private::closeBeforeDestruction(*this); }
};

} // namespace GoProcess

#endif
