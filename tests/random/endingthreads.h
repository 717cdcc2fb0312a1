// SPDX-License-Identifier: MIT
// Threads that end while processes are at home in them, and others that come to be at the same
// addresses.

#ifndef GOPROCESS_TESTS_RANDOM_ENDINGTHREADS_H
#define GOPROCESS_TESTS_RANDOM_ENDINGTHREADS_H

#include "runners.h"

#include <QThread>

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>

namespace RandomPrograms {

/// What comes into the world with such a thread.
struct EndingThreadPlan
{
    bool isStarted = true; ///< Else it goes without ever having run.
    /// Its user drops all connections that it has when it ends. Then nothing tells the library of
    /// its destruction, for which it waits until nothing uses it.
    bool isDisconnected = false;
    int workers = 0; ///< Processes of its own, deleted by deleteLater() on finished().
    GoProcess::Hold hold; ///< Released by the destructor of a thread_local object.
    bool isLibraryFirst = false; ///< In the thread, before that object.
};

/// A few places for them. Any thread may use it; a place that is in use is not made anew.
class EndingThreads
{
public:
    static constexpr int places = 2;

    explicit EndingThreads(Verdict &verdict) : m_verdict(verdict) { }
    Q_DISABLE_COPY_MOVE(EndingThreads)
    ~EndingThreads();

    /// Keeps the QThread from its destruction, not the thread from its end.
    class Use
    {
    public:
        Use() = default;
        Use(EndingThreads &owner, int place) : m_owner(&owner), m_place(place) { }
        Use(Use &&other) noexcept
            : m_owner(std::exchange(other.m_owner, nullptr)), m_place(other.m_place)
        {
        }
        Use &operator=(Use &&other) = delete;
        ~Use();
        QThread *thread() const;

    private:
        EndingThreads *m_owner = nullptr;
        int m_place = 0;
    };

    /// The thread at \a place, if there is one.
    Use use(int place);
    void make(int place, EndingThreadPlan plan);
    /// Asks the thread at \a place to end; its place is free some time later.
    void end(int place);
    /// There are no new ones from here on, and those that there are end.
    void endAll();
    /// Nothing is open any more.
    void setQuiet();
    /// True until all have ended, with their thread_local objects.
    bool hasAny() const;
    /// Destroys those that have ended, until \a isOver.
    void reap(const std::atomic<bool> &isOver);

private:
    class Thread;
    struct Tally;
    enum class State { Free, Busy, Alive, Ending };
    struct Place
    {
        alignas(std::max_align_t) std::array<std::byte, 256> memory;
        Thread *thread = nullptr;
        State state = State::Free;
        bool isDisconnected = false;
        bool wasDisconnected = false;
        int users = 0;
    };

    void endLocked(int place);
    void addWorkers(Thread &thread, int count);
    bool reapOne(int place);

    Verdict &m_verdict;
    /// What their last moments write to, which may come after all this is gone.
    std::shared_ptr<Tally> m_tally = std::make_shared<Tally>();
    mutable std::mutex m_mutex; // guards what follows
    std::array<Place, places> m_places;
    bool m_isEnding = false;
    bool m_isQuiet = false;

    struct Tally
    {
        std::atomic<int> threads = 0; ///< That have not ended altogether.
        std::atomic<int> unfinished =
                0; ///< Ends in which the library did not close what it should.
    };
};

} // namespace RandomPrograms

#endif
