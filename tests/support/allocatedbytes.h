// SPDX-License-Identifier: MIT
// How much memory the program uses.

#ifndef GOPROCESS_TESTS_SUPPORT_ALLOCATEDBYTES_H
#define GOPROCESS_TESTS_SUPPORT_ALLOCATEDBYTES_H

#include <cstddef>

namespace TestSupport {

/// Bytes that are allocated now, those of Qt included; 0 where that cannot be known.
std::size_t allocatedBytes();

} // namespace TestSupport

#endif
