// SPDX-License-Identifier: MIT
// From frame to frame.

#include "framegaps.h"

#include <QQuickWindow>

namespace Demo {

FrameGaps::FrameGaps(QQuickWindow &window) : m_window(window)
{
    connect(&window, &QQuickWindow::frameSwapped, this, &FrameGaps::noteFrame,
            Qt::DirectConnection);
    // The next frame, by the window's own thread.
    connect(this, &FrameGaps::drawn, &window, &QQuickWindow::update, Qt::QueuedConnection);
}

void FrameGaps::start()
{
    {
        const std::lock_guard<std::mutex> lock(m_mutex);
        m_isMeasuring = true;
        m_sinceFrame.start();
    }
    m_window.update();
}

void FrameGaps::stop()
{
    const std::lock_guard<std::mutex> lock(m_mutex);
    if (m_isMeasuring)
        m_longest = qMax(m_longest, m_sinceFrame.elapsed());
    m_isMeasuring = false;
}

void FrameGaps::noteFrame()
{
    {
        const std::lock_guard<std::mutex> lock(m_mutex);
        if (!m_isMeasuring)
            return;
        m_longest = qMax(m_longest, m_sinceFrame.restart());
        ++m_frameCount;
    }
    Q_EMIT drawn(QPrivateSignal());
}

int FrameGaps::frameCount() const
{
    const std::lock_guard<std::mutex> lock(m_mutex);
    return m_frameCount;
}

std::chrono::milliseconds FrameGaps::longest() const
{
    const std::lock_guard<std::mutex> lock(m_mutex);
    return std::chrono::milliseconds(m_longest);
}

} // namespace Demo
