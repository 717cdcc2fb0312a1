// SPDX-License-Identifier: MIT
// The places of a rate limiter, and the threads that wait for one.

#ifndef GOPROCESS_PLACES_P_H
#define GOPROCESS_PLACES_P_H

#include "core/processdata_p.h"

#include <QDeadlineTimer>
#include <QString>

#include <deque>
#include <memory>
#include <mutex>
#include <vector>

namespace GoProcess::Private {

/// So many places, which are given away one by one in the order in which threads asked.
///
/// All is guarded by one mutex, under which nothing else runs but the waking of a thread. A place that
/// comes free goes directly to the thread that waits longest, so that there is never a free place
/// while somebody waits, and nobody can overtake.
class Places : public std::enable_shared_from_this<Places>
{
public:
    /// A place that is occupied until the process is Closed that it is bound to, or if there is none,
    /// for as long as this lives.
    class Place final : public Binding
    {
    public:
        explicit Place(std::shared_ptr<Places> places) : m_places(std::move(places)) { }
        Q_DISABLE_COPY_MOVE(Place)
        ~Place() override { giveBack(); }

        /// Before anybody else knows \a process.
        void occupy(Resident &process);
        void closed() override { giveBack(); }

    private:
        void giveBack();

        std::shared_ptr<Places> m_places; ///< Null once it is given back.
        Resident *m_holder = nullptr;
    };

    explicit Places(int limit) : m_limit(limit), m_free(limit) { }

    int limit() const { return m_limit; }

    /// A place of \a limiter; null if there was none until \a deadline or until the teardown of the
    /// limiter began, or if the wait would wait for itself, which \a refusal says then.
    std::shared_ptr<Place> take(Resident &limiter, QDeadlineTimer deadline, QString *refusal);

private:
    class Turn;

    std::shared_ptr<Place> tryTake();
    std::shared_ptr<Place> leave(Turn &turn);
    QString refusalOfWait() const;
    void giveBack(const Resident *holder);

    const int m_limit;

    mutable std::mutex m_mutex; // guards what follows
    int m_free;
    std::deque<Turn *> m_queue;
    /// Who occupies the places. A process is taken out before it leaves all books, so all are alive.
    std::vector<Resident *> m_holders;
};

} // namespace GoProcess::Private

#endif
