// SPDX-License-Identifier: MIT
// The shared state of a process: what lives on when its QObject is gone, and the steps that it runs.

#ifndef GOPROCESS_PROCESSDATA_P_H
#define GOPROCESS_PROCESSDATA_P_H

#include "dispatcher_p.h"
#include "frame_p.h"

#include <GoProcess/callable.h>
#include <GoProcess/process.h>

#include <QPromise>

#include <memory>
#include <optional>
#include <typeinfo>
#include <vector>

namespace GoProcess::Private {

/// Goes along with a process that `go` makes, until that is Closed.
class Companion
{
public:
    Companion() = default;
    Q_DISABLE_COPY_MOVE(Companion)
    /// The process is Closed, closed() was not emitted yet; or it was refused.
    virtual ~Companion() = default;
    /// Before anybody knows \a process, and its work can run.
    virtual void join(Resident &process) = 0;
};

class ProcessData final : public Resident
{
public:
    enum class Kind : std::uint8_t { Ordinary, Background };

    explicit ProcessData(Kind kind = Kind::Ordinary);
    /// The QObject is there: called once, by its constructor.
    void setObject(Process *object);
    /// From here on a move to another thread is the user's.
    void setPlaced(bool homeless);

    static ProcessData *of(const Process *process) { return process->d; }
    static Process *make(std::unique_ptr<Teardown> teardown, QObject *parent)
    {
        return new Process(std::move(teardown), parent);
    }

    // --- What the QObject asks for
    bool setTeardown(std::unique_ptr<Teardown> teardown);
    bool addEdge(EdgeChange (*add)(Node &, Node &), const char *what, Process *other);
    bool wait(Waiter::Goal goal, QDeadlineTimer deadline, const char *what, Error *refusal);
    bool close(const char *what);
    QFuture<void> whenClosing();
    QFuture<Error> whenClosed();
    QThreadPool *pool() const;
    void setPool(QThreadPool *pool);
    /// Remembers the class of the object: its destructor cannot tell any more (R47).
    void noteClass();
    /// The object is being moved to another thread (R36).
    void moved();
    /// Closes, waits and lets go of the object, whose destructor calls.
    void objectDestroyed();

    /// Makes and starts what `go` promises; null if refused.
    static ProcessPtr go(Process *parent, const QString &name, std::unique_ptr<Work> work,
                         std::unique_ptr<Companion> companion = nullptr);

    /// Says what was refused, and why (R15).
    static void refuse(const char *what, const QString &path, const QString &why);

    // --- Resident
    QThread *thread() const override;
    void run(Step step, Item *next) override;
    void workDropped() override;
    void endFuture() override;
    QThreadPool *workPool() const override;

private:
    /// What only some processes have.
    struct Extras
    {
        std::vector<QPromise<void>> closingPromises;
        std::vector<QPromise<Error>> closedPromises;
        QThreadPool *pool = nullptr; ///< For works of this process and below.
        QThreadPool *workPool = nullptr; ///< The own work was given to it.
        std::unique_ptr<Work> work;
        std::unique_ptr<Companion> companion;
        ProcessPtr self; ///< Keeps what `go` made until after closed().
    };

    ~ProcessData() override;

    void announce(Item *next);
    void emitSignals(Frame &frame, Process::State state);
    void tearDown(Item *next);
    void tearDownLate();
    void finish(Item *next);
    void runWork(Item *next);
    void rehome();
    void workDone(const Error &error, Item *next);
    void goOn(const QThread *here, Item *next);

    /// Nothing if a future will tell.
    std::optional<Error> runTeardown(Frame::Kind kind);
    template<class T>
    std::optional<Error> follow(QFuture<T> future);
    void settle(const Error &error);
    void lateTeardownDone(const Error &error);
    void closeInDestructor();

    Extras &extras(); ///< Under the lock.
    void deliverClosingFutures();
    void deliverClosedFutures();
    void fail(const Error &error);

    /// Null once the QObject is gone. Written under the lock; see Resident::thread() for who reads.
    Process *m_object = nullptr;
    std::unique_ptr<Teardown> m_teardown; ///< Set under the lock; taken by the teardown step.
    std::unique_ptr<Extras> m_extras; ///< Made under the lock.
    DispatcherRef m_futureHome; ///< Where the teardown ran whose future is open.
    /// The error of the work, then of the teardown, the first that failed; handed from step to step.
    Error m_failure;
    /// The class of the object if it is a subclass.
    std::atomic<const std::type_info *> m_class = nullptr;
    bool m_hasTeardown = false; ///< One was set. Under the lock.
    bool m_isWork = false; ///< Made by `go`; set before others know the process.
    bool m_isPlaced = false; ///< In the object's thread only.
    std::atomic<QThread *> m_leaving = nullptr; ///< The thread that the last move left.
    std::atomic<bool> m_settled =
            false; ///< The future of the teardown has finished; first one wins.
};

} // namespace GoProcess::Private

#endif
