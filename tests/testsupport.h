// SPDX-License-Identifier: MIT
// What the tests share: warnings that fail a test unless announced, an event log that
// any thread may write, threads with an event loop, gates, and waits that fail instead of hanging.
//
// A test class calls TestSupport::begin() in initTestCase() and TestSupport::verify() in cleanup().
//
// Everything that crosses threads here goes through std::mutex and std::condition_variable, which
// thread sanitizers can follow (they cannot follow QSemaphore, nor QSignalSpy across threads).
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#ifndef GOPROCESS_TESTSUPPORT_H
#define GOPROCESS_TESTSUPPORT_H

#include <GoProcess/GoProcess>

#include <QByteArray>
#include <QCoreApplication>
#include <QDeadlineTimer>
#include <QEvent>
#include <QObject>
#include <QRegularExpression>
#include <QString>
#include <QStringList>
#include <QTest>
#include <QThread>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdio>
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

#ifdef __GLIBC__
#  include <malloc.h>
#endif

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
inline bool isUnheardError(const QString &text)
{
    return text.contains(QLatin1String("goes, and nobody has asked what failed"));
}

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

    static Messages &instance()
    {
        // Never deleted: threads may still warn while the program ends.
        static auto *const messages = new Messages;
        return *messages;
    }

    void install()
    {
        const std::lock_guard lock(m_mutex);
        if (!m_installed)
            m_previous = qInstallMessageHandler(&Messages::handle);
        m_installed = true;
    }

    void expect(Expectation *expectation)
    {
        const std::lock_guard lock(m_mutex);
        m_expectations.push_back(expectation);
    }

    void forget(Expectation *expectation)
    {
        const std::lock_guard lock(m_mutex);
        for (auto it = m_expectations.begin(); it != m_expectations.end(); ++it) {
            if (*it == expectation) {
                m_expectations.erase(it);
                break;
            }
        }
        if (expectation->seen.size() < expectation->atLeast) {
            m_failures << QStringLiteral("Expected %1 warning(s) that match '%2', saw %3")
                                  .arg(expectation->atLeast)
                                  .arg(expectation->pattern.pattern())
                                  .arg(expectation->seen.size());
        }
    }

    QStringList seen(const Expectation *expectation) const
    {
        const std::lock_guard lock(m_mutex);
        return expectation->seen;
    }

    void fail(const QString &failure)
    {
        const std::lock_guard lock(m_mutex);
        std::fprintf(stderr, "FAILURE: %s\n", qPrintable(failure));
        m_failures << failure;
    }

    QStringList takeFailures()
    {
        const std::lock_guard lock(m_mutex);
        return std::exchange(m_failures, {});
    }

private:
    static void handle(QtMsgType type, const QMessageLogContext &context, const QString &text)
    {
        Messages &self = instance();
        if (type == QtFatalMsg) {
            if (self.m_previous)
                self.m_previous(type, context, text);
            return;
        }
        const std::lock_guard lock(self.m_mutex);
        if (type == QtWarningMsg || type == QtCriticalMsg) {
            if (self.isExpected(context, text))
                return;
            if (isUnheardError(text))
                return;
            self.m_failures << QStringLiteral("Unexpected warning in category '%1': %2")
                                       .arg(QString::fromUtf8(context.category), text);
        }
        std::fprintf(stderr, "%s\n", qPrintable(qFormatLogMessage(type, context, text)));
    }

    bool isExpected(const QMessageLogContext &context, const QString &text)
    {
        const auto match = std::find_if(m_expectations.begin(), m_expectations.end(),
                                        [&](const Expectation *expectation) {
                                            return expectation->seen.size() < expectation->atMost
                                                    && expectation->category == context.category
                                                    && expectation->pattern.match(text).hasMatch();
                                        });
        if (match == m_expectations.end())
            return false;
        (*match)->seen << text;
        return true;
    }

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
                           const QByteArray &category = QByteArrayLiteral("goprocess"))
    {
        m_expectation.pattern.setPattern(pattern);
        m_expectation.pattern.setPatternOptions(QRegularExpression::DotMatchesEverythingOption
                                                | QRegularExpression::CaseInsensitiveOption);
        m_expectation.category = category;
        m_expectation.atLeast = count;
        m_expectation.atMost = count;
        Messages::instance().expect(&m_expectation);
    }
    /// Between \a atLeast and \a atMost of them, where that is up to how threads meet.
    ExpectWarning(const QString &pattern, int atLeast, int atMost,
                  const QByteArray &category = QByteArrayLiteral("goprocess"))
        : ExpectWarning(pattern, atMost, category)
    {
        m_expectation.atLeast = atLeast;
    }
    Q_DISABLE_COPY_MOVE(ExpectWarning)
    ~ExpectWarning() { Messages::instance().forget(&m_expectation); }

    /// The warnings that came so far.
    QStringList messages() const { return Messages::instance().seen(&m_expectation); }
    int count() const { return int(messages().size()); }

private:
    Messages::Expectation m_expectation;
};

/// A pattern for a message that names all of \a paths, in any order.
inline QString naming(const QStringList &paths)
{
    QString pattern = QStringLiteral("^");
    for (const QString &path : paths) {
        pattern += QStringLiteral("(?=.*(?<![\\w/#])%1(?![\\w/#]))")
                           .arg(QRegularExpression::escape(path));
    }
    return pattern;
}

/// A pattern for a message that names \a processes by their paths as they are now.
inline QString naming(std::initializer_list<const GoProcess::Process *> processes)
{
    QStringList paths;
    for (const GoProcess::Process *const process : processes)
        paths << process->path();
    return naming(paths);
}

/// Records a failure from any thread; verify() reports it.
inline void fail(const QString &failure)
{
    Messages::instance().fail(failure);
}

/// Call in initTestCase(). Of a close that takes long the library warns when the tests themselves lose
/// patience: a busy machine, or a sanitizer, is slow.
inline void begin()
{
    Messages::instance().install();
    GoProcess::setCloseWarning(patience);
}

/// Call in cleanup(): fails the test if there was a warning that it did not announce, or a failure
/// in some thread.
inline void verify()
{
    const QStringList failures = Messages::instance().takeFailures();
    if (!failures.isEmpty())
        QFAIL(qPrintable(failures.join(QLatin1Char('\n'))));
}

inline bool check(bool condition, const char *text, const char *file, int line)
{
    if (!condition) {
        fail(QStringLiteral("%1:%2: '%3' is false")
                     .arg(QString::fromUtf8(file))
                     .arg(line)
                     .arg(QString::fromUtf8(text)));
    }
    return condition;
}

/// QVERIFY for slots, works, teardowns and other threads: records the failure and goes on.
#define CHECK(condition) TestSupport::check(bool(condition), #condition, __FILE__, __LINE__)

/// Delivers what is queued for the main thread's event loop, without any wait of the library.
inline void deliver()
{
    for (int i = 0; i < 3; ++i)
        QCoreApplication::processEvents();
}

/// Bytes that are allocated now, those of Qt included; 0 where that cannot be known.
inline std::size_t allocatedBytes()
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
#else
    return 0;
#endif
}

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
    void add(int count = 1)
    {
        const std::lock_guard lock(m_mutex);
        m_count += count;
        m_changed.notify_all();
    }
    int count() const
    {
        const std::lock_guard lock(m_mutex);
        return m_count;
    }
    /// Blocks until \a count is reached; false, and a failure, if that does not happen.
    bool waitFor(int count)
    {
        std::unique_lock lock(m_mutex);
        if (m_changed.wait_for(lock, patience, [&] { return m_count >= count; }))
            return true;
        fail(QStringLiteral("Waited for %1 events, saw %2").arg(count).arg(m_count));
        return false;
    }

private:
    mutable std::mutex m_mutex;
    std::condition_variable m_changed;
    int m_count = 0;
};

/// Disconnects all slots of \a object, those of the library too. Newer Qt warns of it.
inline bool disconnectAll(QObject &object)
{
    const ExpectWarning warning(QStringLiteral("wildcard call disconnects from destroyed signal"),
                                0, 1, QByteArrayLiteral("default"));
    return object.disconnect();
}

/// Blocks whoever passes until it is opened.
class Gate
{
public:
    Gate() = default;
    Q_DISABLE_COPY_MOVE(Gate)
    /// Nobody may be left at a gate that goes.
    ~Gate() { open(); }

    void open()
    {
        const std::lock_guard lock(m_mutex);
        m_open = true;
        m_changed.notify_all();
    }
    bool isOpen() const
    {
        const std::lock_guard lock(m_mutex);
        return m_open;
    }
    /// Blocks the caller until the gate is open.
    bool pass()
    {
        std::unique_lock lock(m_mutex);
        ++m_arrivals;
        m_changed.notify_all();
        if (m_changed.wait_for(lock, 2 * patience, [&] { return m_open; }))
            return true;
        fail(QStringLiteral("A gate was never opened"));
        return false;
    }
    /// Blocks until \a count callers have come to the gate since it was made.
    bool waitForArrivals(int count = 1)
    {
        std::unique_lock lock(m_mutex);
        if (m_changed.wait_for(lock, patience, [&] { return m_arrivals >= count; }))
            return true;
        fail(QStringLiteral("Waited for %1 at a gate, saw %2").arg(count).arg(m_arrivals));
        return false;
    }

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

    void add(const QString &event)
    {
        const std::lock_guard lock(m_mutex);
        m_events << event;
        m_changed.notify_all();
    }
    QStringList events() const
    {
        const std::lock_guard lock(m_mutex);
        return m_events;
    }
    QStringList take()
    {
        const std::lock_guard lock(m_mutex);
        return std::exchange(m_events, {});
    }
    bool contains(const QString &event) const
    {
        const std::lock_guard lock(m_mutex);
        return m_events.contains(event);
    }
    qsizetype count(const QString &event) const
    {
        const std::lock_guard lock(m_mutex);
        return m_events.count(event);
    }
    /// True if both happened and \a first came before \a second.
    bool inOrder(const QString &first, const QString &second) const
    {
        const std::lock_guard lock(m_mutex);
        const qsizetype before = m_events.indexOf(first);
        return before >= 0 && before < m_events.indexOf(second);
    }
    /// Blocks until \a event is there; false, and a failure, if it does not come.
    bool waitFor(const QString &event)
    {
        std::unique_lock lock(m_mutex);
        if (m_changed.wait_for(lock, patience, [&] { return m_events.contains(event); }))
            return true;
        fail(QStringLiteral("'%1' did not happen; what did: %2")
                     .arg(event, m_events.join(QStringLiteral(", "))));
        return false;
    }
    /// Blocks until there are \a count events.
    bool waitForCount(qsizetype count)
    {
        std::unique_lock lock(m_mutex);
        if (m_changed.wait_for(lock, patience, [&] { return m_events.size() >= count; }))
            return true;
        fail(QStringLiteral("%1 of %2 events happened: %3")
                     .arg(m_events.size())
                     .arg(count)
                     .arg(m_events.join(QStringLiteral(", "))));
        return false;
    }
    /// True if what happened is exactly \a expected, in that order. Prints both otherwise.
    bool compare(const QStringList &expected) const
    {
        const QStringList actual = events();
        if (actual == expected)
            return true;
        std::fprintf(stderr, "expected: %s\nactual:   %s\n",
                     qPrintable(expected.join(QStringLiteral(", "))),
                     qPrintable(actual.join(QStringLiteral(", "))));
        return false;
    }

    /// Logs "closing NAME" and "closed NAME", in the thread that emits. The name is the process's
    /// own unless given.
    void watch(GoProcess::Process &process, const QString &as = QString())
    {
        const QString name = as.isEmpty() ? process.name() : as;
        QObject::connect(
                &process, &GoProcess::Process::closing, &process,
                [this, name] { add(QStringLiteral("closing ") + name); }, Qt::DirectConnection);
        QObject::connect(
                &process, &GoProcess::Process::closed, &process,
                [this, name] { add(QStringLiteral("closed ") + name); }, Qt::DirectConnection);
    }
    /// The same, and "state Closing NAME" and "state Closed NAME" for stateChanged().
    void watchAll(GoProcess::Process &process, const QString &as = QString())
    {
        const QString name = as.isEmpty() ? process.name() : as;
        QObject::connect(
                &process, &GoProcess::Process::stateChanged, &process,
                [this, name](GoProcess::Process::State state) {
                    add(QStringLiteral("state %1 %2").arg(stateName(state), name));
                },
                Qt::DirectConnection);
        watch(process, name);
    }
    /// A teardown that logs "teardown NAME".
    auto teardown(const QString &name)
    {
        return [this, name] { add(QStringLiteral("teardown ") + name); };
    }

    static QString stateName(GoProcess::Process::State state)
    {
        switch (state) {
        case GoProcess::Process::State::Running:
            return QStringLiteral("Running");
        case GoProcess::Process::State::Closing:
            return QStringLiteral("Closing");
        case GoProcess::Process::State::Closed:
            return QStringLiteral("Closed");
        }
        return QStringLiteral("?");
    }

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
    ~Family()
    {
        for (const auto &process : m_processes)
            process->close();
        while (!m_processes.empty())
            m_processes.pop_back();
    }

    GoProcess::Process &add(const QString &name)
    {
        m_processes.push_back(std::make_unique<GoProcess::Process>());
        m_processes.back()->setName(name);
        return *m_processes.back();
    }
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
    template<class F, std::enable_if_t<std::is_invocable_v<std::decay_t<F> &>, int> = 0>
    explicit Thread(F &&function) : m_thread(std::forward<F>(function))
    {
    }
    Thread(Thread &&) = default;
    Thread &operator=(Thread &&other) noexcept
    {
        join();
        m_thread = std::move(other.m_thread);
        return *this;
    }
    Q_DISABLE_COPY(Thread)
    ~Thread() { join(); }

    void join()
    {
        if (m_thread.joinable())
            m_thread.join();
    }

private:
    std::thread m_thread;
};

/// A QThread with a running event loop, which ends it and waits at the end of its scope.
class EventLoopThread : public QThread
{
public:
    EventLoopThread() : m_receiver(*this)
    {
        m_receiver.moveToThread(this);
        start();
    }
    Q_DISABLE_COPY_MOVE(EventLoopThread)
    ~EventLoopThread() override { stop(); }

    /// Runs \a function in the event loop of the thread, later; the same one after another.
    void post(std::function<void()> function)
    {
        // The event is posted under the mutex too, which orders all of it before its delivery.
        const std::lock_guard lock(m_mutex);
        m_functions.push_back(std::move(function));
        QCoreApplication::postEvent(&m_receiver, new QEvent(QEvent::User));
    }

    /// Runs \a function in the event loop of the thread and returns what it returns.
    template<class F>
    auto run(F &&function) -> std::invoke_result_t<F &>
    {
        using Result = std::invoke_result_t<F &>;
        if constexpr (std::is_void_v<Result>) {
            runAndWait(function);
        } else {
            std::optional<Result> result;
            runAndWait([&] { result.emplace(function()); });
            return std::move(*result);
        }
    }

    /// Returns after everything that was posted to the thread's event loop before was delivered.
    void flush()
    {
        run([] {});
    }

    /// Ends the event loop and waits for the thread.
    void stop()
    {
        if (isFinished())
            return;
        // From inside, so that what was posted before is not lost.
        post([this] { quit(); });
        waitFor([this] { return m_hasEnded; }, "A thread did not end");
        wait();
    }

protected:
    void run() override
    {
        {
            const std::lock_guard lock(m_mutex);
            m_hasEnded = false;
        }
        exec();
        const std::lock_guard lock(m_mutex);
        m_hasEnded = true;
        m_changed.notify_all();
    }

private:
    class Receiver final : public QObject
    {
    public:
        explicit Receiver(EventLoopThread &thread) : m_thread(thread) { }
        bool event(QEvent *event) override
        {
            if (event->type() != QEvent::User)
                return QObject::event(event);
            m_thread.drain();
            return true;
        }

    private:
        EventLoopThread &m_thread;
    };

    void drain()
    {
        for (;;) {
            std::function<void()> function;
            {
                const std::lock_guard lock(m_mutex);
                if (m_functions.empty())
                    return;
                function = std::move(m_functions.front());
                m_functions.pop_front();
            }
            function();
        }
    }

    template<class F>
    void runAndWait(F &&function)
    {
        bool done = false;
        post([&] {
            function();
            const std::lock_guard lock(m_mutex);
            done = true;
            m_changed.notify_all();
        });
        waitFor([&] { return done; }, "A thread did not run the function that it was given");
    }

    /// Ends the program if \a condition does not come true: the thread has references to what the
    /// caller would take away.
    template<class Condition>
    void waitFor(Condition &&condition, const char *failure)
    {
        std::unique_lock lock(m_mutex);
        if (!m_changed.wait_for(lock, 2 * patience, condition))
            qFatal("%s", failure);
    }

    std::mutex m_mutex;
    std::condition_variable m_changed;
    std::deque<std::function<void()>> m_functions;
    bool m_hasEnded = false;
    Receiver m_receiver;
};

} // namespace TestSupport

#endif
