// SPDX-License-Identifier: MIT
// What runs on the stack of this thread on behalf of processes.

#include "stepscope_p.h"

#include "common/mutex_p.h"
#include "threadreport_p.h"

namespace GoProcess::Private {

// Without a destructor, so that both work at any moment of a thread's end.
static thread_local StepScope *innermostFrame = nullptr;
static thread_local ThreadContext context;

StepScope::StepScope(Node &scopeNode, Kind scopeKind) noexcept
    : node(scopeNode), kind(scopeKind), outer(innermostFrame), m_report(ThreadReport::current())
{
    aboutToRunUserCode();
    innermostFrame = this;
    if (m_report)
        m_report->begin(node, kind);
}

StepScope::~StepScope()
{
    if (m_report)
        m_report->end();
    innermostFrame = outer;
}

StepScope *StepScope::innermost() noexcept
{
    return innermostFrame;
}

StepScope *StepScope::find(const Node &node) noexcept
{
    StepScope *scope = innermostFrame;
    while (scope && &scope->node != &node)
        scope = scope->outer;
    return scope;
}

bool StepScope::isInWork() noexcept
{
    for (const StepScope *scope = innermostFrame; scope; scope = scope->outer) {
        if (scope->kind == Kind::Work)
            return true;
    }
    return false;
}

int StepScope::depth() noexcept
{
    int count = 0;
    for (const StepScope *scope = innermostFrame; scope; scope = scope->outer)
        ++count;
    return count;
}

ThreadContext &ThreadContext::current() noexcept
{
    return context;
}

bool isThreadWithoutHomes() noexcept
{
    return context.isLibraryThread || StepScope::isInWork(); // GCOVR_EXCL_BR_LINE: rare
}

} // namespace GoProcess::Private
