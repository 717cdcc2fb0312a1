// SPDX-License-Identifier: MIT
// The program in a window.

#ifndef INDEXER_WINDOW_H
#define INDEXER_WINDOW_H

#include "framegaps.h"
#include "session.h"

#include <QQmlApplicationEngine>
#include <QQuickWindow>

#include <memory>

namespace Demo {

/// The window over a session. It needs a QGuiApplication.
class Window
{
public:
    explicit Window(const Task &task);

    Session &session() { return m_session; }
    /// Null if it could not be made.
    QQuickWindow *window() const { return m_window; }
    /// While the session ended.
    const FrameGaps &frameGaps() const { return *m_frameGaps; }

private:
    Session m_session;
    QQmlApplicationEngine m_engine;
    QQuickWindow *m_window = nullptr; // the engine's
    std::unique_ptr<FrameGaps> m_frameGaps;
};

/// The status to exit with. It needs a QGuiApplication.
int indexInWindow(const Task &task);

} // namespace Demo

#endif
