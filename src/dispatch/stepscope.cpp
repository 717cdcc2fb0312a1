// SPDX-License-Identifier: MIT
// What runs on the stack of this thread on behalf of processes.

#include "stepscope_p.h"

#include "common/mutex_p.h"
#include "threadreport_p.h"

namespace GoProcess::Private {

// Without a destructor, so that both work at any moment of a thread's end.
static thread_local Frame *innermostFrame = nullptr;
static thread_local ThreadContext context;

Frame::Frame(Node &frameNode, Kind frameKind) noexcept
    : node(frameNode), kind(frameKind), outer(innermostFrame), m_report(ThreadReport::current())
{
    aboutToRunUserCode();
    innermostFrame = this;
    if (m_report)
        m_report->begin(node, kind);
}

Frame::~Frame()
{
    if (m_report)
        m_report->end();
    innermostFrame = outer;
}

Frame *Frame::innermost() noexcept
{
    return innermostFrame;
}

Frame *Frame::find(const Node &node) noexcept
{
    Frame *frame = innermostFrame;
    while (frame && &frame->node != &node)
        frame = frame->outer;
    return frame;
}

bool Frame::isInWork() noexcept
{
    for (const Frame *frame = innermostFrame; frame; frame = frame->outer) {
        if (frame->kind == Kind::Work)
            return true;
    }
    return false;
}

int Frame::depth() noexcept
{
    int count = 0;
    for (const Frame *frame = innermostFrame; frame; frame = frame->outer)
        ++count;
    return count;
}

ThreadContext &ThreadContext::current() noexcept
{
    return context;
}

} // namespace GoProcess::Private
