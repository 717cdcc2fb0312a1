// SPDX-License-Identifier: MIT
// How smoothly a window is drawn.

#ifndef INDEXER_FRAMEGAPS_H
#define INDEXER_FRAMEGAPS_H

#include <QElapsedTimer>
#include <QObject>

#include <chrono>
#include <mutex>

QT_BEGIN_NAMESPACE
class QQuickWindow;
QT_END_NAMESPACE

namespace Demo {

/// Measures the longest time between two frames. Meanwhile the window draws one after another, each
/// of which needs its thread's event loop, so that a thread which is blocked shows.
class FrameGaps : public QObject
{
    Q_OBJECT

public:
    /// \a window must outlive it.
    explicit FrameGaps(QQuickWindow &window);

    void start();
    void stop();

    int frameCount() const;
    std::chrono::milliseconds longest() const;

Q_SIGNALS:
    /// Emitted in the thread that draws.
    void drawn(QPrivateSignal);

private:
    void noteFrame();

    QQuickWindow &m_window;
    mutable std::mutex m_mutex; // guards what follows
    bool m_isMeasuring = false;
    QElapsedTimer m_sinceFrame;
    int m_frameCount = 0;
    qint64 m_longest = 0; // ms
};

} // namespace Demo

#endif
