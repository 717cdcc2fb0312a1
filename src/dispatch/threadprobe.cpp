// SPDX-License-Identifier: MIT
// Tells whether a thread is blocked, or only short of a processor.

#include "threadprobe_p.h"

#ifdef Q_OS_LINUX
#  include <array>
#  include <cstdio>
#  include <fcntl.h>
#  include <string_view>
#  include <sys/syscall.h>
#  include <unistd.h>
#endif

namespace GoProcess::Private {

#ifdef Q_OS_LINUX

ThreadProbe ThreadProbe::ofThisThread()
{
    return ThreadProbe(syscall(SYS_gettid));
}

bool ThreadProbe::isAsleep() const
{
    std::array<char, 40> path {};
    std::snprintf(path.data(), path.size(), "/proc/self/task/%ld/stat", m_id);
    const int file = open(path.data(), O_RDONLY | O_CLOEXEC);
    if (file < 0) // GCOVR_EXCL_BR_LINE: system
        return false; // GCOVR_EXCL_LINE: system
    std::array<char, 64> start {}; // "ID (NAME) STATE", and a name has at most 15 characters
    const ssize_t length = read(file, start.data(), start.size());
    close(file);
    if (length <= 0) // GCOVR_EXCL_BR_LINE: system
        return false; // GCOVR_EXCL_LINE: system

    // A name may contain anything, parentheses too; after it there are numbers only.
    const std::string_view text(start.data(), std::size_t(length));
    const std::size_t nameEnd = text.rfind(')');
    // GCOVR_EXCL_BR_START: system
    return nameEnd != std::string_view::npos && text.substr(nameEnd).substr(0, 3) == ") S";
    // GCOVR_EXCL_BR_STOP
}

#else

ThreadProbe ThreadProbe::ofThisThread()
{
    return {};
}

bool ThreadProbe::isAsleep() const
{
    return true;
}

#endif

} // namespace GoProcess::Private
