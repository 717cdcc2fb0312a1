// SPDX-License-Identifier: MIT
// The processes of a test.

#ifndef GOPROCESS_TESTS_SUPPORT_FAMILY_H
#define GOPROCESS_TESTS_SUPPORT_FAMILY_H

#include <GoProcess/Process>

#include <QString>

#include <memory>
#include <utility>
#include <vector>

namespace TestSupport {

/// The processes of a test, with names. Closes all of them before it destroys them, so that a test
/// that fails halfway ends.
class Family
{
public:
    Family() = default;
    Q_DISABLE_COPY_MOVE(Family)
    ~Family();

    GoProcess::Process &add(const QString &name);
    template<class F>
    GoProcess::Process &add(const QString &name, F &&teardown)
    {
        GoProcess::Process &process = add(name);
        process.setTeardown(std::forward<F>(teardown));
        return process;
    }

private:
    std::vector<std::unique_ptr<GoProcess::Process>> m_processes;
};

} // namespace TestSupport

#endif
