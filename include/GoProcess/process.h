// SPDX-License-Identifier: MIT
// Process: a unit of work with a lifecycle, in a tree of such units.

#ifndef GOPROCESS_PROCESS_H
#define GOPROCESS_PROCESS_H

#include <GoProcess/detail/callable.h>
#include <GoProcess/error.h>
#include <GoProcess/global.h>
#include <GoProcess/hold.h>

#include <QDeadlineTimer>
#include <QFuture>
#include <QList>
#include <QObject>
#include <QString>

#include <chrono>
#include <memory>
#include <type_traits>
#include <utility>

QT_BEGIN_NAMESPACE
class QThreadPool;
QT_END_NAMESPACE

namespace GoProcess {

class Process;

/// Keeps a process that `go` made. Dropping it neither closes the process nor waits for it; the
/// library keeps the process alive until it is Closed.
using ProcessPtr = std::shared_ptr<Process>;

/// A unit of work with a lifecycle: Running, then Closing, then Closed (upstream: `Process`).
///
/// Processes form a tree (a DAG: several parents are allowed). Closing a process closes its
/// children, waits for them and for whatever else it was told to wait for, runs its teardown
/// exactly once, keeps the error, and only then is Closed.
///
/// **Steps and home.** Signals, teardown and futures of a process are delivered as *steps*. They
/// run in the process's *home*, which is `QObject::thread()`: in its event loop, or in a blocking
/// wait of that thread, never inside close() or any other call that changes the tree. Processes
/// that go() makes, or that are constructed inside a work, have no home: their steps run on the
/// library's own thread pool (R34).
///
/// \code
/// Process root([] { qInfo("all is closed"); });
/// Process database([] { qInfo("flushed"); }, &root);
/// Process network(&root);
/// database.waitFor(&network); // is torn down after it
/// network.go([](Process &self) {
///     while (!self.waitForClosing(std::chrono::milliseconds(10))) { /* fetch something */ }
/// });
/// root.close(); // or when the user quits
/// \endcode
///
/// **Slots that throw.** A slot of closing(), closed() or stateChanged() that throws counts as
/// called: the signal behind it is emitted, and the close goes on. Then the exception goes on to
/// QCoreApplication::notify(), or to the caller of the blocking wait that ran the slot, which may
/// wait again. On the library's thread pool, in a destructor and at the end of a thread no caller
/// can catch it: a critical message in the category `goprocess` says so, and it ends there (R52).
///
/// **The end of the program.** When main() has returned, or exit() was called, works that still run
/// are asked to close and waited for up to 5 s; those that do not end are named in a warning, and
/// their threads are left behind (R48). The library does not wait for threads that the program has
/// made itself: the program joins those that may still use the library, or any object of Qt,
/// before, as Qt destroys the QThread of the main thread then. Let works look at isClosing(): one
/// that is left behind goes on while static objects are destroyed. Processes that the program has
/// neither closed nor destroyed are named in a warning, if they have a teardown at or below them
/// (R55).
///
/// **After fork().** In the child every close ends, and what needs a thread of the library is
/// refused if the parent had one (R54).
///
/// **Refused** means: the call returns false (an empty pointer, an invalid Hold), a warning in the
/// logging category `goprocess` says what and why, and nothing has changed (R15).
///
/// Unless said otherwise a member function may be called from any thread while the object lives.
class GOPROCESS_EXPORT Process : public QObject
{
    Q_OBJECT
    Q_PROPERTY(QString name READ name WRITE setName NOTIFY nameChanged FINAL)
    Q_PROPERTY(GoProcess::Process::State state READ state NOTIFY stateChanged FINAL)
    Q_PROPERTY(GoProcess::Error error READ error NOTIFY closed FINAL)

public:
    /// Where a process is in its life. It never goes back (R1).
    enum class State {
        Running, ///< It was not closed yet.
        Closing, ///< Being closed: it waits for others, or its teardown runs.
        Closed ///< Its teardown has completed.
    };
    Q_ENUM(State)

    /// A running process (upstream: `WithParent`).
    ///
    /// A \a parent that is a Process also makes this its child, as addChild() does (R8). If that is
    /// refused, the new process is closed at once. A Process \a parent in another thread gets the
    /// child but does not own it; any other QObject \a parent only owns it (R44). Such a parent, a
    /// widget for example, destroys it after its own members, and a critical message says so if it
    /// is open then (R53): closeAndWait() comes first in the destructor of the parent's class.
    explicit Process(QObject *parent = nullptr);

    /// The same with a teardown (upstream: `WithTeardown`); see setTeardown().
    template<class F, std::enable_if_t<Private::isTeardown<F>, int> = 0>
    explicit Process(F &&teardown, QObject *parent = nullptr)
        : Process(Private::makeTeardown(std::forward<F>(teardown)), parent)
    {
    }

    /// The same with a name(), which messages about the process have from the first one on.
    explicit Process(const QString &name, QObject *parent = nullptr);
    /// The same with a name and a teardown.
    template<class F, std::enable_if_t<Private::isTeardown<F>, int> = 0>
    Process(const QString &name, F &&teardown, QObject *parent = nullptr)
        : Process(name, Private::makeTeardown(std::forward<F>(teardown)), parent)
    {
    }

    /// Closes the process and waits until it is Closed, as closeAndWait() does (R41).
    ///
    /// Allowed in a slot connected to its own closing(), closed() or stateChanged(). Fatal in its
    /// own teardown or work, and where closeAndWait() would refuse to wait (R43). A subclass calls
    /// closeAndWait() first in its own destructor, or is used as `Closing<T>` (R47); so does a
    /// class that has a process as a member, if its destructor has a body. An error of this process
    /// or below that the program has not asked for is logged, unless a parent keeps it (R51).
    ~Process() override;

    /// The process that never closes (upstream: `Background()`). It does not track its children. A
    /// call that would close it, or make it wait or be waited for, is refused (R21).
    static Process *background();

    /// The name, empty unless set.
    QString name() const;
    /// Sets the name; called in the process's thread() it also sets objectName. Emits
    /// nameChanged().
    void setName(const QString &name);
    /// The names from a root down by first parents, `/app/network/socket`, with `#id` where a name
    /// is empty. Parents that are destroyed, or too many levels to print, are left out.
    QString path() const;

    /// The state. Lock-free (R5).
    State state() const noexcept;
    /// True once the process was closed; stays true when it is Closed (R4). Lock-free.
    bool isClosing() const noexcept;
    /// True once the teardown has completed. Lock-free.
    bool isClosed() const noexcept;
    /// Empty until Closed; then the error of what was posted, of the work or of the teardown, the
    /// first of these that failed, for ever (R25; upstream: `Err()`, which waits as well).
    Error error() const;
    /// Every failed process that this one closed with: itself, its children added with addChild()
    /// or go(), their children and so on, each once (R27). Grows as children close. The first 100
    /// are kept.
    QList<ProcessError> treeErrors() const;
    /// The number of failed processes, including those beyond the first 100. Beyond 100, a process
    /// with several parents may be counted more than once (R27).
    qsizetype treeErrorCount() const;
    /// Lets go of the exceptions in error() and treeErrors(), and in all copies of these errors;
    /// texts and codes stay (Error::forgetException()). From any thread, at any time; it means the
    /// errors that there are now.
    ///
    /// An exception is an object of its class. Before a plugin is unloaded, close the plugin's
    /// processes and call this on the topmost process that was above them.
    void forgetExceptions();

    /// Sets what runs once before the process is Closed, after all that it waits for
    /// (upstream: `SetTeardown`).
    ///
    /// \a teardown is any callable without arguments, move-only ones too, that returns `void`,
    /// Error, `QFuture<void>` or `QFuture<Error>`; with a future (one to which the program attaches
    /// no continuation) the process is Closed when it finishes, and no thread is blocked meanwhile
    /// (R23). An exception becomes the error (R26).
    ///
    /// In C++20 a coroutine will do as well, such as `[]() -> QCoro::Task<> { ... }` or
    /// `QCoro::Task<Error>`, of any library: a callable that returns an object which `co_await`
    /// takes in any coroutine, and of which nothing or an Error comes. It stands for a future that
    /// finishes when the coroutine has ended, in the thread in which that happens; an exception, or
    /// that the coroutine is destroyed before, is an error. The callable, and what a lambda has
    /// captured, lives as long. GoProcess depends on no such library for that.
    ///
    /// Allowed once, while Running or Closing; refused (false) the second time and after
    /// teardown has begun. Set on a Closed process it still runs once, at home, and its error is
    /// logged (R24).
    template<class F>
    bool setTeardown(F &&teardown)
    {
        static_assert(Private::isTeardown<F>,
                      "A teardown takes no arguments and returns void, GoProcess::Error, "
                      "QFuture<void>, QFuture<GoProcess::Error> or, in C++20, a coroutine");
        return setTeardownImpl(Private::makeTeardown(std::forward<F>(teardown)));
    }

    /// The same for a teardown whose future needs the event loop of its home.
    ///
    /// If that thread is blocked in a wait of this library and finds the future unfinished, it
    /// calls \a finish once, there, which ends the future without the event loop (as
    /// QProcess::waitForFinished() can).
    template<class F, class G>
    bool setTeardown(F &&teardown, G &&finish)
    {
        static_assert(Private::isTeardown<F>,
                      "A teardown takes no arguments and returns void, GoProcess::Error, "
                      "QFuture<void>, QFuture<GoProcess::Error> or, in C++20, a coroutine");
        static_assert(std::is_invocable_v<std::decay_t<G> &>, "finish takes no arguments");
        return setTeardownImpl(
                Private::makeTeardown(std::forward<F>(teardown), std::forward<G>(finish)));
    }

    /// Runs \a function once, soon, as a step: at home, in order with the other steps, and before
    /// the teardown (R49). The counterpart of the teardown at the start: to open in the home what
    /// the teardown closes there.
    ///
    /// \a function is what a teardown may be (R23): any callable without arguments that returns
    /// `void`, Error, `QFuture<void>` or `QFuture<Error>`, or in C++20 a coroutine. If it fails (an
    /// Error, an exception, the same in its future), that closes the process and becomes its
    /// error(), unless its work has failed before (R25, R26). The functions of one process run one
    /// after another, in the order of the calls. The teardown waits for their futures; the
    /// functions behind do not. What was posted before the process is closed runs before closing()
    /// is emitted, the rest after it. All of it runs, also behind a function that has failed: ask
    /// isClosing() where that matters. The function is destroyed at home when it has returned and
    /// its future has finished.
    ///
    /// From any thread, also in another posted function, before or after moveToThread(): it runs
    /// where the home is then (R36), by the event loop or in a blocking wait there (R37). A
    /// function may destroy the process: then it counts as returned, and the rest of the close
    /// happens in the destructor (R43). Never blocks and runs no user code (R17). Refused (false)
    /// once teardown has begun, on a Closed process, and for null (R15).
    template<class F>
    bool post(F &&function)
    {
        static_assert(Private::isTeardown<F>,
                      "A posted function takes no arguments and returns void, GoProcess::Error, "
                      "QFuture<void>, QFuture<GoProcess::Error> or, in C++20, a coroutine");
        return postImpl(Private::makeTeardown(std::forward<F>(function)));
    }

    /// Makes \a child close when this closes, and this wait for \a child before its teardown (R8;
    /// upstream: `AddChild`).
    ///
    /// A Closed \a child adds nothing and returns true (R10). While this is Closing, \a child is
    /// closed at once and waited for; refused once teardown has begun (R13), and where a process
    /// would wait for itself (R14). Never blocks and runs no user code (R17).
    bool addChild(Process *child);

    /// Makes \a child close when this closes, without waiting for it (R6; upstream:
    /// `AddChildNoWait`). If this is Closing or Closed, \a child is Closing on return (R12).
    /// Refused (false) for null and for background().
    bool addChildNoWait(Process *child);

    /// Makes the teardown of this begin only after \a other is Closed (R7; upstream: `WaitFor`).
    ///
    /// The call itself does not block. If \a other is Closed already, this is closed (R10). Refused
    /// when this is Closing or Closed (R11), and where a process would wait for itself (R14).
    bool waitFor(Process *other);

    /// Runs \a work on a thread pool, as a child of this (R28; upstream: `Go`, `GoChild`).
    ///
    /// \a work takes the child (`Process &`) or nothing and returns `void` or Error. The child is
    /// Closed after \a work has returned and its own children are Closed (R29). An exception
    /// becomes its error (R26). Returns an empty pointer if refused: once teardown of this has
    /// begun (R13). The child may be Closed before go() returns. Use whenClosed() unless it does
    /// not matter that a signal was missed.
    ///
    /// Keep the pointer as long as the child is the receiver or the context of a connection. The
    /// child is deleted after closed(), when the program has no pointer to it any more: in its
    /// thread(), which is that of this (R34). If that thread was not started, or is blocked while
    /// thousands of objects wait there to be deleted, other threads delete those to whose signals
    /// the program was never connected.
    template<class F>
    ProcessPtr go(F &&work)
    {
        return go(QString(), std::forward<F>(work));
    }
    /// The same with a name for the child.
    template<class F>
    ProcessPtr go(const QString &name, F &&work)
    {
        static_assert(Private::isWork<F>,
                      "A work takes GoProcess::Process& or nothing and returns void or "
                      "GoProcess::Error");
        return goImpl(this, name, Private::makeWork(std::forward<F>(work)));
    }

    /// The pool that works of this run on; null for the library's own, which grows (R31).
    QThreadPool *threadPool() const;
    /// Makes works of this, and of processes that go() makes under it afterwards, run on \a pool,
    /// which must outlive them; null for the library's own again (R32).
    void setThreadPool(QThreadPool *pool);

    /// Moves the home of the process to \a thread, from the home that it has (R36).
    ///
    /// As QObject::moveToThread(), which does the same but for one thing: called by this name the
    /// library gets to know \a thread while that certainly exists, so that the thread may be
    /// destroyed by one thread while another one closes the process.
#if QT_VERSION >= QT_VERSION_CHECK(6, 7, 0)
    bool moveToThread(QThread *thread);
#else
    void moveToThread(QThread *thread);
#endif

    /// A token: teardown does not begin while it lives (R46). Refused once teardown has begun: then
    /// the token is invalid.
    [[nodiscard]] Hold hold();

    /// Blocks until the process is Closing; false if \a deadline passed first or the wait was
    /// refused.
    ///
    /// Runs the steps whose home is the calling thread meanwhile, and nothing else: no events,
    /// timers or sockets (R37; upstream: `<-Closing()`).
    bool waitForClosing(QDeadlineTimer deadline = QDeadlineTimer::Forever) const;
    /// Blocks until the process is Closed; false if \a deadline passed first or the wait was
    /// refused.
    ///
    /// It does not close the process. Runs steps meanwhile, as waitForClosing() does. Refused where
    /// it could only end after itself: in a step or work of the process, or of one that it waits
    /// for (R39; upstream: `<-Closed()`).
    bool waitForClosed(QDeadlineTimer deadline = QDeadlineTimer::Forever) const;
    /// close(), waitForClosed() and error() in one; a true result means that something failed
    /// (upstream: `Close()`). Where the wait is refused the process is closed all the same, and
    /// the returned Error says so.
    Error closeAndWait();

    /// A future of its own for each call, finished when the process is Closing: after closing() was
    /// emitted, or at once. Continuations run at home.
    ///
    /// The library keeps a future that the program has dropped until then, in some 500 bytes, as it
    /// may have a continuation to run. Code that asks again and again keeps one future, or uses
    /// isClosing(). The same is true of whenClosed().
    QFuture<void> whenClosing() const;
    /// A future of its own for each call, finished with error() when the process is Closed: after
    /// closed() was emitted, or at once. Continuations run at home.
    QFuture<Error> whenClosed() const;

public Q_SLOTS:
    /// Closes the process (upstream: `go p.Close()`).
    ///
    /// May be called any number of times. Never blocks and runs no user code: when it returns, the
    /// process and everything reachable over child edges is Closing (R18), and signals, teardowns
    /// and futures follow as steps (R17).
    void close();
    /// Closes the process once all that it waits for has closed by itself; closes none of them
    /// (R20; upstream: `CloseAfterChildren`, which also waits).
    void closeAfterChildren();

Q_SIGNALS:
    /// Emitted once, at home, after the state is Closing and before teardown (R2).
    void closing(QPrivateSignal);
    /// Emitted once, at home, after teardown has completed and the state is Closed (R3).
    ///
    /// To end the program, connect it to QCoreApplication::quit() with Qt::QueuedConnection. It may
    /// come before `exec()`: in a wait there, in processEvents(), or because the start has failed.
    /// A direct quit() has no effect then, and the event loop runs for ever; a queued one ends it
    /// at once.
    void closed(QPrivateSignal);
    /// Emitted at home before closing() and before closed().
    void stateChanged(GoProcess::Process::State state, QPrivateSignal);
    /// Emitted by setName() in the thread that called it.
    void nameChanged(const QString &name);

protected:
    /// Follows moveToThread() (R36).
    bool event(QEvent *event) override;
    /// Notes that a signal has a receiver. A subclass that overrides it calls this one.
    void connectNotify(const QMetaMethod &signal) override;

private:
    friend class Hold;
    friend class Private::ProcessCore;
    template<class F>
    friend ProcessPtr go(const QString &name, F &&work);

    explicit Process(Private::ProcessCore &data);
    Process(std::unique_ptr<Private::Teardown> teardown, QObject *parent);
    Process(const QString &name, std::unique_ptr<Private::Teardown> teardown, QObject *parent);

    bool setTeardownImpl(std::unique_ptr<Private::Teardown> teardown);
    bool postImpl(std::unique_ptr<Private::Teardown> function);
    void setFirstName(const QString &name);
    void join(QObject *parent);
    bool isUnconnected() const;
    static void deleteAtHome(Process *process);
    static ProcessPtr goImpl(Process *parent, const QString &name,
                             std::unique_ptr<Private::Work> work);

    Private::ProcessCore *const d;
};

/// Runs \a work on the library's thread pool as a process without a parent (upstream: `Go`).
template<class F>
ProcessPtr go(const QString &name, F &&work)
{
    static_assert(
            Private::isWork<F>,
            "A work takes GoProcess::Process& or nothing and returns void or GoProcess::Error");
    return Process::goImpl(nullptr, name, Private::makeWork(std::forward<F>(work)));
}
/// The same without a name.
template<class F>
ProcessPtr go(F &&work)
{
    return go(QString(), std::forward<F>(work));
}

/// How many works may run at once in the library's own pool; 4096 unless set. Works beyond that
/// queue, with a warning (R31). A work that is blocked in a wait of the library does not count
/// meanwhile. From any thread.
GOPROCESS_EXPORT int maxWorkThreadCount();
/// Sets maxWorkThreadCount(), from any thread; below 1 counts as 1.
GOPROCESS_EXPORT void setMaxWorkThreadCount(int count);

/// How long a close may last before a warning says what it waits for; 5 s unless set, 0 for never
/// (R50). From any thread.
GOPROCESS_EXPORT std::chrono::milliseconds closeWarning();
/// Sets closeWarning(), from any thread; below 0 counts as 0 (R50).
///
/// A warning in the category `goprocess` tells of a close that has not ended after \a patience, and
/// once more after six times \a patience, whether a thread waits for the close or none does. A
/// close begins at a process: by close() and its like, by a binding, by its destructor, or when its
/// work has returned. The warning comes a tenth of \a patience later, at most 100 ms, so that a
/// close is not told of twice if it is part of another one that is due by then.
///
/// It names what the close waits for in the end: works, teardowns and slots that run, with their
/// threads, unfinished futures, holds, threads that do not run steps, and processes that are not
/// closing; 20 of them, and how many more there are. Closes that are under way count from when they
/// began. The warning of a blocking wait (R37) comes all the same.
GOPROCESS_EXPORT void setCloseWarning(std::chrono::milliseconds patience);

} // namespace GoProcess

#endif
