// SPDX-License-Identifier: MIT

#include "family.h"

namespace TestSupport {

Family::~Family()
{
    for (const auto &process : m_processes)
        process->close();
    while (!m_processes.empty())
        m_processes.pop_back();
}

GoProcess::Process &Family::add(const QString &name)
{
    m_processes.push_back(std::make_unique<GoProcess::Process>());
    m_processes.back()->setName(name);
    return *m_processes.back();
}

} // namespace TestSupport
