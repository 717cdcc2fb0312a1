// SPDX-License-Identifier: MIT
// An allocator that fails when it is told to. It replaces that of the program: for the one source file
// of a test.

#ifndef GOPROCESS_FAILINGALLOCATOR_H
#define GOPROCESS_FAILINGALLOCATOR_H

#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

/// How many allocations of this thread succeed before one fails; negative: all do.
thread_local int allocationsLeft = -1;
/// One of this thread has failed; for the test to reset.
thread_local bool hasFailed = false;

void *allocate(std::size_t size)
{
    if (allocationsLeft == 0) {
        allocationsLeft = -1;
        hasFailed = true;
        throw std::bad_alloc();
    }
    if (allocationsLeft > 0)
        --allocationsLeft;
    if (void *memory = std::malloc(size ? size : 1))
        return memory;
    throw std::bad_alloc();
}

} // namespace

// Libraries that the program is linked with use these, too.
void *operator new(std::size_t size)
{
    return allocate(size);
}

void operator delete(void *memory) noexcept
{
    std::free(memory);
}

void operator delete(void *memory, std::size_t) noexcept
{
    std::free(memory);
}

#endif
