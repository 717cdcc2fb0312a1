// SPDX-License-Identifier: MIT

#include "allocatedbytes.h"

#ifdef __GLIBC__
#  include <malloc.h>
#endif

namespace TestSupport {

std::size_t allocatedBytes()
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
#else
    return 0;
#endif
}

} // namespace TestSupport
