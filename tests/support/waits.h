// SPDX-License-Identifier: MIT
// Waits that fail instead of hanging: for a condition, for something that happens, at a gate.
//
// Everything that crosses threads here goes through std::mutex and std::condition_variable, which
// thread sanitizers can follow. They cannot follow QSemaphore, nor QSignalSpy across threads.

#ifndef GOPROCESS_TESTS_SUPPORT_WAITS_H
#define GOPROCESS_TESTS_SUPPORT_WAITS_H

#include "messages.h"

#include <QDeadlineTimer>
#include <QString>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace TestSupport {

/// How long a test waits for something that must happen, before it fails.
inline constexpr std::chrono::seconds patience { 30 };

/// A fresh deadline of that length, for the waits of the library.
inline QDeadlineTimer soon()
{
    return QDeadlineTimer(patience);
}

/// Delivers what is queued for the main thread's event loop, without any wait of the library.
void deliver();

/// Polls until \a condition holds, without events and without a wait of the library. Where events
/// are wanted use QTRY_VERIFY.
template<class Condition>
bool pollUntil(Condition &&condition)
{
    const QDeadlineTimer deadline(patience);
    while (!condition()) {
        if (deadline.hasExpired()) {
            fail(QStringLiteral("A condition that was polled for did not come true"));
            return false;
        }
        std::this_thread::yield();
    }
    return true;
}

/// Something that happens once or several times, and the threads that wait for it.
class Counter
{
public:
    void add(int count = 1);
    int count() const;
    /// Blocks until \a count is reached; false, and a failure, if that does not happen.
    bool waitFor(int count);

private:
    mutable std::mutex m_mutex;
    std::condition_variable m_changed;
    int m_count = 0;
};

/// Blocks the threads that pass it until it is opened.
class Gate
{
public:
    Gate() = default;
    Q_DISABLE_COPY_MOVE(Gate)
    /// No thread may be left at a gate that goes.
    ~Gate();

    void open();
    bool isOpen() const;
    /// Blocks the caller until the gate is open.
    bool pass();
    /// Blocks until \a count callers have come to the gate since it was made.
    bool waitForArrivals(int count = 1);

private:
    mutable std::mutex m_mutex;
    std::condition_variable m_changed;
    bool m_open = false;
    int m_arrivals = 0;
};

} // namespace TestSupport

#endif
