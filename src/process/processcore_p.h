// SPDX-License-Identifier: MIT
// The shared state of a process: what lives on when its QObject is gone, and its steps.

#ifndef GOPROCESS_PROCESSCORE_P_H
#define GOPROCESS_PROCESSCORE_P_H

#include "dispatch/delivery_p.h"
#include "dispatch/dispatcher_p.h"
#include "dispatch/stepscope_p.h"

#include <GoProcess/detail/binding.h>
#include <GoProcess/detail/callable.h>
#include <GoProcess/process.h>

#include <QPromise>

#include <memory>
#include <optional>
#include <typeinfo>
#include <vector>

namespace GoProcess::Private {

class Thrown;

class ProcessCore : public StepTarget
{
public:
    enum class Kind : std::uint8_t { Ordinary, Background };
    /// What is known of the class of the object.
    enum class Class : std::uint8_t {
        UnderConstruction, ///< It may still become any.
        Unknown,
        Process, ///< Process itself.
        Subclass
    };

    explicit ProcessCore(Kind kind = Kind::Ordinary);
    /// The QObject is there: called once, by its constructor.
    void setObject(Process *object);
    /// Its QObject parent is no Process.
    void setOwner(const QObject &owner);
    /// From here on a move to another thread is the user's.
    void setPlaced(bool hasNoHome);

    static ProcessCore *of(const Process *process) { return process->d; }
    static Process *make(std::unique_ptr<Teardown> teardown, QObject *parent)
    {
        return new Process(std::move(teardown), parent);
    }

    // --- What the QObject asks for
    bool setTeardown(std::unique_ptr<Teardown> teardown);
    bool post(std::unique_ptr<Teardown> function);
    bool addEdge(EdgeChange (*add)(Node &, Node &), const char *what, Process *other);
    bool wait(Waiter::Goal goal, QDeadlineTimer deadline, const char *what, Error *refusal);
    bool close(const char *what);
    /// For callers inside of the library, which never call it for background(): without a check.
    void close();
    void closeAfterChildren();
    /// Keeps the teardown from beginning until release(); false, without a warning, once it has
    /// begun (R46).
    bool hold();
    void release();
    /// Waits for \a lower, which no other thread knows yet. The caller has a hold of this process.
    void waitForNew(ProcessCore &lower) { Graph::waitForNew(*this, lower); }
    /// True inside of its closing(), in the calling thread.
    bool isAnnouncingHere() const;
    QFuture<void> whenClosing();
    QFuture<Error> whenClosed();
    QThreadPool *pool() const;
    void setPool(QThreadPool *pool);
    /// The constructor of the object is done; it is of class \a known.
    void setConstructed(Class known) { m_class.store(known, std::memory_order_relaxed); }
    /// Remembers the class of the object for code that cannot ask for it: its destructor (R47), and
    /// steps while another thread may destroy it.
    void noteClass();
    /// The object is being moved to another thread (R36).
    void moved();
    /// What closeBeforeDestruction() of the process does.
    void closeBeforeDestruction() noexcept;
    /// Says so if \a owner, the one of setOwner() or null, destroys the open process after its own
    /// members.
    void warnOfOwner(const QObject *owner) const;
    /// Closes, waits and lets go of the object, whose destructor calls.
    void objectDestroyed();

    /// Makes and starts what `go` promises; null if refused.
    static ProcessPtr go(Process *parent, const QString &name, std::unique_ptr<Work> work);
    /// A process without a home that the library keeps alive until it is Closed. Its QObject lives
    /// in \a thread; with null any thread may delete it.
    static ProcessPtr make(QThread *thread, const QString &name);
    /// make(), but \a thread, which is not null, is the home of the process.
    static ProcessPtr makeAtHome(QThread *thread, const QString &name);
    /// The thread to make() a process in below \a parent: that of the parent, or the calling one if
    /// there is none.
    static QThread *threadBelow(const Process *parent);
    /// Makes a process that no other thread knows yet a child of \a parent, unless that is null,
    /// with its pool. If that is refused nothing keeps the process any more.
    bool join(Process *parent, const char *what);
    /// join(); the process does not close before \a work has returned or was dropped.
    bool promiseWork(Process *parent, std::unique_ptr<Work> work, const char *what);
    /// Starts a work that was promised; workLost() drops it instead.
    void submitWork();
    /// Promises a work and starts it.
    bool start(Process *parent, std::unique_ptr<Work> work, const char *what);

    /// Keeps \a binding and tells it what happens; false if the state is beyond \a latest already.
    bool bind(std::shared_ptr<Binding> binding, NodeState latest);
    /// Keeps \a binding of a Running process, unless that has one of the same class already.
    /// Returns the one that it has from here on; null if it is not Running.
    std::shared_ptr<Binding> bindOnce(const std::shared_ptr<Binding> &binding);

    /// The dispatcher of the thread that made it.
    const DispatcherRef &likelyHome() const { return m_firstHome; }

    /// Says what was refused, and why (R15).
    static void refuse(const char *what, const QString &path, const QString &why);

    /// Its announcement waits until what was posted before the close has run. The caller holds the
    /// lock.
    bool waitsForPosts() const;
    /// In a forked child: posted functions that a lost thread was running have failed, and those
    /// whose futures it was to finish.
    void postsLost();

    /// The teardown has completed with \a error; the first call counts.
    void settle(const Error &error);
    /// The future of the teardown is open, and its home is the calling thread. The caller holds the
    /// lock.
    bool hasFutureHere() const;

    // --- StepTarget
    QThread *thread() const override;
    std::optional<DueStep> advance(Step step) override;
    StepEnd run(Step step) override;
    void workDropped() override;
    /// Ends the work with \a error, claimed or not: no thread will run it, or run it to its end.
    void workLost(const Error &error);
    bool endFuture(QDeadlineTimer deadline) override;
    QThreadPool *workPool() const override;
    std::size_t openPosts() const override;

private:
    struct Posts;
    struct Posted;
    struct OpenPost;
    using Bindings = std::vector<std::shared_ptr<Binding>>;

    /// What only some processes have.
    struct RareData
    {
        std::vector<QPromise<void>> closingPromises;
        std::vector<QPromise<Error>> closedPromises;
        QThreadPool *pool = nullptr; ///< For works of this process and below.
        QThreadPool *workPool = nullptr; ///< The own work was given to it.
        std::unique_ptr<Work> work;
        ProcessPtr self; ///< Keeps what make() made until after closed().
        Bindings bindings; ///< First those of which there is one a class.
        std::ptrdiff_t onceBindings = 0; ///< How many those are.
        const std::type_info *type = nullptr; ///< The class of the object if it is a subclass.
        /// The class of a QObject parent that is no Process, when it got this child.
        const std::type_info *ownerType = nullptr;
        DispatcherRef futureHome; ///< Where the teardown ran whose future is open.
        std::shared_ptr<Posts> posts; ///< Made by the first post().
    };

    class LibraryOwned;

    void abandon();
    ~ProcessCore() override;

    bool isObserved() const;
    StepEnd announce();
    void emitSignals(StepScope &scope, Process::State state, Thrown &thrown);
    StepEnd tearDown();
    void tearDownLate();
    StepEnd finish();
    [[nodiscard]] DueStep endSilently(DueSteps &&steps);
    ProcessPtr releaseSelf();
    [[nodiscard]] DueStep runWork();
    /// What becomes of the steps behind a posted function.
    enum class After : std::uint8_t {
        Deliver, ///< They are brought on their way.
        Stay ///< The caller runs them.
    };
    [[nodiscard]] DueStep runPost(After after);
    void rehome();

    /// Nothing if a future will tell.
    std::optional<Error> runTeardown(StepScope::Kind kind);
    template<class T>
    std::optional<Error> follow(QFuture<T> future);
    bool enqueue(Posted &&posted);
    bool runPostsBeforeAnnouncement();
    bool takeLatePosts();
    void callPosted(Posted &posted, Error &error, std::shared_ptr<OpenPost> &open);
    template<class T>
    Error followPost(QFuture<T> future, Posted &posted, std::shared_ptr<OpenPost> &open);
    void settlePost(OpenPost &open, const Error &error);
    [[nodiscard]] DueStep postReturned(bool isOpen, const Error &error, After after);
    std::unique_ptr<Teardown> takeOpenTeardown();
    bool giveBack(std::unique_ptr<Teardown> &teardown);
    void lateTeardownDone(const Error &error);
    struct OwnScopes
    {
        StepScope *step = nullptr;
        StepScope *post = nullptr;
    };
    OwnScopes ownScopes() const;
    void emitRest(StepScope &own, Process::State state, Thrown &thrown);
    void completeAnnouncement(StepScope &own);
    void closeInDestructor();
    void waitInDestructor(Waiter::Goal goal) noexcept;

    RareData &rareData(); ///< The caller holds the lock.
    void tellOfClosing(Thrown &thrown);
    void tellOfClosed(Thrown &thrown);
    /// The caller holds the lock.
    void addBinding(std::shared_ptr<Binding> binding, Bindings &over);
    Bindings releaseBindings();

    /// Valid until the process is Finished; null if its own Finish step has deleted it (R43). Written
    /// under the lock; read as StepTarget::thread() says.
    Process *m_object = nullptr;
    std::unique_ptr<Teardown> m_teardown; ///< Set under the lock; taken by the teardown step.
    RareData *m_rare = nullptr; ///< Made under the lock; owned, unless it is LibraryOwned.
    bool m_hasTeardown = false; ///< One was set. Guarded by the lock.
    bool m_isLibraryOwned = false; ///< Made by make(), and LibraryOwned.
    bool m_isPlaced = false; ///< In the object's thread only.
    /// There are bindings. Written under the lock; the finish looks without it first, and under it
    /// before the end.
    std::atomic<bool> m_isBound = false;
    std::atomic<bool> m_hasPool = false; ///< Written under the lock; see pool().
    std::atomic<Class> m_class = Class::UnderConstruction; ///< See noteClass().
    /// The future of the teardown has finished; the first one wins.
    std::atomic<bool> m_settled = false;
    /// Something was posted. Written under the lock with release, never taken back; the
    /// announcement looks without it first, and is ordered behind all that was posted before the
    /// close.
    std::atomic<bool> m_hasPosts = false;
};

/// Holds a process, without a warning if that cannot be held any more.
class QuietHold
{
public:
    explicit QuietHold(ProcessCore &process) : m_process(&process), m_holds(process.hold()) { }
    Q_DISABLE_COPY_MOVE(QuietHold)
    ~QuietHold()
    {
        if (m_holds)
            m_process->release();
    }
    explicit operator bool() const noexcept { return m_holds; }

private:
    const Ref<ProcessCore> m_process;
    const bool m_holds;
};

} // namespace GoProcess::Private

#endif
