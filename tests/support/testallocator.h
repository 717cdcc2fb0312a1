// SPDX-License-Identifier: MIT
// An allocator that counts, and fails when it is told to. It replaces that of the program: for the
// one source file of a test.

#ifndef GOPROCESS_TESTS_SUPPORT_TESTALLOCATOR_H
#define GOPROCESS_TESTS_SUPPORT_TESTALLOCATOR_H

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

/// Those that are not freed, of all threads. Relaxed, as all here: it only counts, and a test reads
/// it when it has met the threads whose allocations it asks for.
[[maybe_unused]] std::atomic<int> allocationsLeft = 0;
/// The bytes that watched threads have allocated.
[[maybe_unused]] std::atomic<std::size_t> allocatedWatched = 0;
/// True while those of this thread count there.
[[maybe_unused]] thread_local bool isWatched = false;

/// How many allocations of this thread succeed before one fails; negative: all do.
[[maybe_unused]] thread_local int allocationsAllowed = -1;
/// One of this thread has failed; for the test to reset.
[[maybe_unused]] thread_local bool hasFailed = false;

void *allocate(std::size_t size) noexcept
{
    if (allocationsAllowed == 0) {
        allocationsAllowed = -1;
        hasFailed = true;
        return nullptr;
    }
    if (allocationsAllowed > 0)
        --allocationsAllowed;
    void *const memory = std::malloc(size ? size : 1);
    if (!memory)
        return nullptr;
    allocationsLeft.fetch_add(1, std::memory_order_relaxed);
    if (isWatched)
        allocatedWatched.fetch_add(size, std::memory_order_relaxed);
    return memory;
}

void release(void *memory) noexcept
{
    if (memory)
        allocationsLeft.fetch_sub(1, std::memory_order_relaxed);
    std::free(memory);
}

} // namespace

// Libraries that the program is linked with use these, too. Sanitizers have an own one that does
// not throw.
void *operator new(std::size_t size)
{
    if (void *const memory = allocate(size))
        return memory;
    throw std::bad_alloc();
}

void *operator new(std::size_t size, const std::nothrow_t & /*nothrow*/) noexcept
{
    return allocate(size);
}

void operator delete(void *memory) noexcept
{
    release(memory);
}

void operator delete(void *memory, std::size_t) noexcept
{
    release(memory);
}

void operator delete(void *memory, const std::nothrow_t & /*nothrow*/) noexcept
{
    release(memory);
}

#endif
