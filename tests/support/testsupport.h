// SPDX-License-Identifier: MIT
// What the tests share: warnings that fail a test unless announced, an event log that
// any thread may write, threads with an event loop, gates, and waits that fail instead of hanging.
//
// A test class calls TestSupport::begin() in initTestCase() and TestSupport::verify() in cleanup().
//
// Everything that crosses threads here goes through std::mutex and std::condition_variable, which
// thread sanitizers can follow (they cannot follow QSemaphore, nor QSignalSpy across threads).
//
// Classes without signals need no moc: clazy:excludeall=missing-qobject-macro

#ifndef GOPROCESS_TESTS_SUPPORT_TESTSUPPORT_H
#define GOPROCESS_TESTS_SUPPORT_TESTSUPPORT_H

#include <GoProcess/GoProcess>

#include <QByteArray>
#include <QDeadlineTimer>
#include <QObject>
#include <QRegularExpression>
#include <QString>
#include <QStringList>
#include <QThread>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace TestSupport {

/// How long a test waits for something that must happen, before it fails.
inline constexpr std::chrono::seconds patience { 30 };

/// A fresh deadline of that length, for the waits of the library.
inline QDeadlineTimer soon()
{
    return QDeadlineTimer(patience);
}

/// The warning of a process that goes with an error that its program has not asked for: most tests that
/// let something fail do not ask. They need not announce it; those do that prove what it says.
bool isUnreadError(const QString &text);

/// All messages of the test program, and which of them a test has announced.
class Messages
{
public:
    struct Expectation
    {
        QRegularExpression pattern;
        QByteArray category;
        int atLeast = 1;
        int atMost = 1;
        QStringList seen;
    };

    static Messages &instance();

    void install();

    void expect(Expectation *expectation);

    void forget(Expectation *expectation);

    QStringList seen(const Expectation *expectation) const;

    void fail(const QString &failure);

    QStringList takeFailures();

private:
    static void handle(QtMsgType type, const QMessageLogContext &context, const QString &text);

    bool isExpected(const QMessageLogContext &context, const QString &text);

    mutable std::mutex m_mutex;
    bool m_installed = false;
    QtMessageHandler m_previous = nullptr;
    std::vector<Expectation *> m_expectations;
    QStringList m_failures;
};

/// Announces warnings while it lives: exactly \a count that match, in a category. Fewer or more of
/// them fail the test.
class [[nodiscard]] ExpectWarning
{
public:
    explicit ExpectWarning(const QString &pattern, int count = 1,
                           const QByteArray &category = QByteArrayLiteral("goprocess"));
    /// Between \a atLeast and \a atMost of them, where that is up to how threads meet.
    ExpectWarning(const QString &pattern, int atLeast, int atMost,
                  const QByteArray &category = QByteArrayLiteral("goprocess"));
    Q_DISABLE_COPY_MOVE(ExpectWarning)
    ~ExpectWarning();

    /// The warnings that came so far.
    QStringList messages() const;
    int count() const;

private:
    Messages::Expectation m_expectation;
};

/// A pattern for a message that names all of \a paths, in any order.
QString naming(const QStringList &paths);

/// A pattern for a message that names \a processes by their paths as they are now.
QString naming(std::initializer_list<const GoProcess::Process *> processes);

/// Records a failure from any thread; verify() reports it.
void fail(const QString &failure);

/// Call in initTestCase(). Of a close that takes long the library warns when the tests themselves lose
/// patience: a busy machine, or a sanitizer, is slow.
void begin();

/// Call in cleanup(): fails the test if there was a warning that it did not announce, or a failure
/// in some thread.
void verify();

bool check(bool condition, const char *text, const char *file, int line);

/// QVERIFY for slots, works, teardowns and other threads: records the failure and goes on.
#define CHECK(condition) TestSupport::check(bool(condition), #condition, __FILE__, __LINE__)

/// Delivers what is queued for the main thread's event loop, without any wait of the library.
void deliver();

/// Bytes that are allocated now, those of Qt included; 0 where that cannot be known.
std::size_t allocatedBytes();

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

/// Something that happens once or several times, and those who wait for it.
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

/// Disconnects all slots of \a object, those of the library too. Newer Qt warns of it.
bool disconnectAll(QObject &object);

/// Blocks whoever passes until it is opened.
class Gate
{
public:
    Gate() = default;
    Q_DISABLE_COPY_MOVE(Gate)
    /// Nobody may be left at a gate that goes.
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

/// An ordered list of what happened, from any thread. It must outlive what it watches.
class EventLog
{
public:
    EventLog() = default;
    Q_DISABLE_COPY_MOVE(EventLog)

    void add(const QString &event);
    QStringList events() const;
    QStringList take();
    bool contains(const QString &event) const;
    qsizetype count(const QString &event) const;
    /// True if both happened and \a first came before \a second.
    bool inOrder(const QString &first, const QString &second) const;
    /// Blocks until \a event is there; false, and a failure, if it does not come.
    bool waitFor(const QString &event);
    /// Blocks until there are \a count events.
    bool waitForCount(qsizetype count);
    /// True if what happened is exactly \a expected, in that order. Prints both otherwise.
    bool compare(const QStringList &expected) const;

    /// Logs "closing NAME" and "closed NAME", in the thread that emits. The name is the process's
    /// own unless given.
    void watch(GoProcess::Process &process, const QString &as = QString());
    /// The same, and "state Closing NAME" and "state Closed NAME" for stateChanged().
    void watchAll(GoProcess::Process &process, const QString &as = QString());
    /// A teardown that logs "teardown NAME".
    auto teardown(const QString &name)
    {
        return [this, name] { add(QStringLiteral("teardown ") + name); };
    }

    static QString stateName(GoProcess::Process::State state);

private:
    mutable std::mutex m_mutex;
    std::condition_variable m_changed;
    QStringList m_events;
};

/// The processes of a test, with names. Closes all of them before it destroys them, so that a test
/// that fails halfway ends.
class Family
{
public:
    Family() = default;
    Q_DISABLE_COPY_MOVE(Family)
    ~Family();

    GoProcess::Process &add(const QString &name);
    template<class F>
    GoProcess::Process &add(const QString &name, F &&teardown)
    {
        GoProcess::Process &process = add(name);
        process.setTeardown(std::forward<F>(teardown));
        return process;
    }

private:
    std::vector<std::unique_ptr<GoProcess::Process>> m_processes;
};

/// A std::thread that is joined at the end of its scope.
class Thread
{
public:
    Thread() = default;
    explicit Thread(std::function<void()> function);
    Thread(Thread &&) = default;
    Thread &operator=(Thread &&other) noexcept;
    Q_DISABLE_COPY(Thread)
    ~Thread() { join(); }

    void join();

private:
    std::thread m_thread;
};

/// A QThread with a running event loop, which ends it and waits at the end of its scope.
class EventLoopThread : public QThread
{
public:
    EventLoopThread();
    Q_DISABLE_COPY_MOVE(EventLoopThread)
    ~EventLoopThread() override;

    /// Runs \a function in the event loop of the thread, later; the same one after another.
    void post(std::function<void()> function);

    /// Runs \a function in the event loop of the thread and returns what it returns.
    template<class F>
    auto run(F &&function) -> std::invoke_result_t<F &>
    {
        using Result = std::invoke_result_t<F &>;
        if constexpr (std::is_void_v<Result>) {
            runAndWait(std::ref(function));
        } else {
            std::optional<Result> result;
            runAndWait([&] { result.emplace(function()); });
            return std::move(*result);
        }
    }

    /// Returns after everything that was posted to the thread's event loop before was delivered.
    void flush();

    /// Ends the event loop and waits for the thread.
    void stop();

protected:
    void run() override;

private:
    class Receiver final : public QObject
    {
    public:
        explicit Receiver(EventLoopThread &thread) : m_thread(thread) { }
        bool event(QEvent *event) override;

    private:
        EventLoopThread &m_thread;
    };

    void drain();

    void runAndWait(const std::function<void()> &function);

    /// Ends the program if \a condition does not come true: the thread has references to what the
    /// caller would take away.
    void waitFor(const bool &condition, const char *failure);

    std::mutex m_mutex;
    std::condition_variable m_changed;
    std::deque<std::function<void()>> m_functions;
    bool m_hasEnded = false;
    Receiver m_receiver;
};

} // namespace TestSupport

#endif
