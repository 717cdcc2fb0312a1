// SPDX-License-Identifier: MIT
// Mistakes, one a compilation.

#include <GoProcess/GoProcess>
#include <GoProcess/Periodic>

void mistake(GoProcess::Process &process)
{
#if defined(WORK_TAKES)
    process.go([](int) {});
#elif defined(WORK_RETURNS)
    process.go([] { return "text"; });
#elif defined(PERIODIC_TAKES)
    GoProcess::every(
            std::chrono::seconds(1), [](int) {}, &process);
#elif defined(TEARDOWN_TAKES)
    process.setTeardown([](int) {});
#elif defined(TEARDOWN_RETURNS)
    process.setTeardown([] { return 1; });
#endif
}
