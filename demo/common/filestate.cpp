// SPDX-License-Identifier: MIT
// The state of a file from what the system says of it.

#include "filestate.h"

#include <ctime>

namespace Demo {

qint64 nanoseconds(const struct timespec &time)
{
    return qint64(time.tv_sec) * 1'000'000'000 + qint64(time.tv_nsec);
}

FileState stateOf(const struct stat &status)
{
    return { status.st_ino, status.st_size, nanoseconds(status.st_mtim),
             nanoseconds(status.st_ctim) };
}

} // namespace Demo
