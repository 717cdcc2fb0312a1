// SPDX-License-Identifier: MIT
// Back pressure: how many files may be between "found" and "safe on disk".

#ifndef DEMO_BACKLOG_H
#define DEMO_BACKLOG_H

#include <condition_variable>
#include <mutex>
#include <utility>

namespace Demo {

/// So many places, however many files there are: the walker waits here for the hasher and the
/// writer.
class Backlog
{
public:
    /// One place; given back when it is destroyed, in whatever thread.
    class Place
    {
    public:
        explicit Place(Backlog *backlog) noexcept : m_backlog(backlog) { }
        Place(Place &&other) noexcept : m_backlog(std::exchange(other.m_backlog, nullptr)) { }
        Place &operator=(Place &&other) noexcept
        {
            std::swap(m_backlog, other.m_backlog);
            return *this;
        }
        bool isValid() const noexcept { return m_backlog != nullptr; }
        Place(const Place &) = delete;
        Place &operator=(const Place &) = delete;
        ~Place()
        {
            if (m_backlog)
                m_backlog->giveBack();
        }

    private:
        Backlog *m_backlog;
    };

    explicit Backlog(int places) : m_free(places) { }

    /// Blocks until a place is free; after close() it is an invalid one.
    ///
    /// Where works that find themselves closing return at once, and the one who has their results
    /// writes them in any case, nothing has to end this wait: so places are given back.
    Place take()
    {
        std::unique_lock<std::mutex> lock(m_mutex);
        m_changed.wait(lock, [this] { return m_free > 0 || m_isClosed; });
        if (m_isClosed)
            return Place(nullptr);
        --m_free;
        return Place(this);
    }

    /// No caller waits for a place any more.
    void close()
    {
        const std::lock_guard<std::mutex> lock(m_mutex);
        m_isClosed = true;
        m_changed.notify_all();
    }

private:
    void giveBack()
    {
        const std::lock_guard<std::mutex> lock(m_mutex);
        ++m_free;
        m_changed.notify_one();
    }

    std::mutex m_mutex;
    std::condition_variable m_changed;
    int m_free; // guarded by m_mutex
    bool m_isClosed = false; // guarded by m_mutex
};

} // namespace Demo

#endif
