// SPDX-License-Identifier: MIT
// The places of a rate limiter, and the threads and works that wait for one.

#ifndef GOPROCESS_PLACES_P_H
#define GOPROCESS_PLACES_P_H

#include "process/processcore_p.h"

#include <QDeadlineTimer>
#include <QString>

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>

namespace GoProcess::Private {

/// So many places, which are given away one by one in the order in which threads and works asked.
///
/// All is guarded by one mutex, under which nothing else runs but the waking of a thread. A place
/// that comes free goes directly to the thread or work that waits longest, so that no place is free
/// while one waits, and none can overtake.
class Places : public std::enable_shared_from_this<Places>
{
    class Turn;
    using Holders = std::list<StepTarget *>;

public:
    class QueuedWork;

private:
    /// One of the two.
    struct Waiting
    {
        Turn *thread = nullptr;
        QueuedWork *work = nullptr; ///< Alive: it leaves the queue before its process is Closed.
    };
    using Queue = std::list<Waiting>;

public:
    /// A place that is occupied until the process is Closed that it is bound to, or if there is
    /// none, for as long as this lives.
    class Place final : public Binding
    {
    public:
        explicit Place(std::shared_ptr<Places> places) : m_places(std::move(places)) { }
        Q_DISABLE_COPY_MOVE(Place)
        ~Place() override { giveBack(); }

        /// Before other threads know \a process.
        void occupy(StepTarget &process);
        void closed() override { giveBack(); }

    private:
        void giveBack();

        std::shared_ptr<Places> m_places; ///< Null once it is given back.
        std::optional<Holders::iterator> m_holder;
    };

    /// A process whose work starts when it gets a place, which it then occupies until it is Closed.
    /// If it closes before, the work is dropped.
    class QueuedWork final : public Binding
    {
    public:
        /// \a child has its work, and is bound to this.
        QueuedWork(std::shared_ptr<Places> places, ProcessCore &child)
            : m_places(std::move(places)), m_child(&child)
        {
        }
        Places &places() const { return *m_places; }
        void closing() override { m_places->leave(*this); }
        void closed() override;

    private:
        friend class Places;

        enum class State : std::uint8_t { New, Waiting, Started, Dropped };

        void start() { m_child->submitWork(); }
        void drop();

        const std::shared_ptr<Places> m_places;
        const Ref<ProcessCore> m_child;
        // Guarded by the mutex of the places:
        State m_state = State::New;
        bool m_isClosing = false; ///< closing() has come.
        Queue::iterator m_position; ///< In the queue, while Waiting.
        Holders::iterator m_holder; ///< Once Started.
    };

    explicit Places(int limit) : m_limit(limit), m_free(limit) { }

    int limit() const { return m_limit; }

    /// A place of \a limiter; null if there was none until \a deadline or until the teardown of the
    /// limiter began, or if the wait would wait for itself, which \a refusal says then.
    std::shared_ptr<Place> take(StepTarget &limiter, QDeadlineTimer deadline, QString *refusal);
    /// Starts \a work now, if there is a place, or when there is one.
    void enqueue(QueuedWork &work);

private:
    std::shared_ptr<Place> tryTake();
    std::shared_ptr<Place> leave(Turn &turn);
    void leave(QueuedWork &work);
    QString refusalOfWait() const;
    void giveBack(std::optional<Holders::iterator> holder);

    const int m_limit;

    mutable Mutex m_mutex; // guards what follows
    int m_free;
    Queue m_queue;
    /// The processes that occupy the places. Each is taken out before it leaves all books, so all
    /// are alive.
    Holders m_holders;
};

} // namespace GoProcess::Private

#endif
