// SPDX-License-Identifier: MIT
// Coroutines as teardowns (R23), by their shape: of classes of the test's own.

#include "support/eventlog.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <atomic>
#include <coroutine>
#include <exception>
#include <memory>
#include <stdexcept>
#include <utility>

#include <QTest>
#include <QThread>

using GoProcess::Error;
using GoProcess::Process;
using TestSupport::EventLog;
using TestSupport::ExpectWarning;
using TestSupport::soon;

/// Not without a name: the frame of a coroutine of the library has what it awaits.
namespace ForCoroutines {

template<class T>
struct Result
{
    void return_value(T result) { value = std::move(result); }
    T take() { return std::move(value); }
    T value;
};

template<>
struct Result<void>
{
    void return_void() const noexcept { }
    void take() const noexcept { }
};

/// Begins when it is awaited, or at once if \a isEager.
template<class T, bool isEager>
class [[nodiscard]] Task
{
public:
    struct promise_type : Result<T>
    {
        struct Resume
        {
            bool await_ready() const noexcept { return false; }
            std::coroutine_handle<>
            await_suspend(std::coroutine_handle<promise_type> self) const noexcept
            {
                const std::coroutine_handle<> next = self.promise().continuation;
                return next ? next : std::noop_coroutine();
            }
            void await_resume() const noexcept { }
        };

        Task get_return_object()
        {
            return Task(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        auto initial_suspend() const noexcept
        {
            if constexpr (isEager)
                return std::suspend_never();
            else
                return std::suspend_always();
        }
        Resume final_suspend() const noexcept { return {}; }
        void unhandled_exception() noexcept { exception = std::current_exception(); }

        std::coroutine_handle<> continuation;
        std::exception_ptr exception;
    };

    struct Awaiter
    {
        bool await_ready() const noexcept { return handle.done(); }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept
        {
            handle.promise().continuation = awaiting;
            if constexpr (isEager)
                return std::noop_coroutine();
            else
                return handle;
        }
        T await_resume()
        {
            if (handle.promise().exception)
                std::rethrow_exception(handle.promise().exception);
            return handle.promise().take();
        }

        std::coroutine_handle<promise_type> handle;
    };

    explicit Task(std::coroutine_handle<promise_type> handle) : m_handle(handle) { }
    Task(Task &&other) noexcept : m_handle(std::exchange(other.m_handle, {})) { }
    Task &operator=(Task &&) = delete;
    Q_DISABLE_COPY(Task)
    ~Task()
    {
        if (m_handle)
            m_handle.destroy();
    }

    Awaiter operator co_await() &&noexcept { return { m_handle }; }

private:
    std::coroutine_handle<promise_type> m_handle;
};

template<class T = void>
using Lazy = Task<T, false>;
template<class T = void>
using Eager = Task<T, true>;

/// Suspends the coroutine that awaits it until the test resumes it, or destroys it.
class Signal
{
public:
    struct Awaiter
    {
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> handle) const noexcept
        {
            signal->m_handle = handle;
        }
        void await_resume() const noexcept { }

        Signal *signal;
    };

    Signal() = default;
    Q_DISABLE_COPY_MOVE(Signal)
    ~Signal() = default;

    Awaiter wait() noexcept { return { this }; }
    bool isAwaited() const { return m_handle.load() != nullptr; }
    void resume() { take().resume(); }
    void destroy() { take().destroy(); }

private:
    std::coroutine_handle<> take() { return m_handle.exchange({}); }

    std::atomic<std::coroutine_handle<>> m_handle {};
};

/// Can be awaited by a function of its own.
struct Free
{
    Signal *signal;
};

Signal::Awaiter operator co_await(Free awaitable) noexcept
{
    return awaitable.signal->wait();
}

} // namespace ForCoroutines

using namespace ForCoroutines;

namespace {

constexpr QLatin1String failure("not written");

using GoProcess::Private::isTeardown;
static_assert(isTeardown<Lazy<> (*)()> && isTeardown<Eager<Error> (*)()> && isTeardown<Free (*)()>);
static_assert(
        !isTeardown<Lazy<int> (*)()> && !isTeardown<int (*)()> && !isTeardown<Lazy<> (*)(int)>);

} // namespace

class tst_coroutines : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    static void initTestCase() { TestSupport::begin(); }
    static void cleanup() { TestSupport::verify(); }

    static void closedWhenItHasEnded_data();
    static void closedWhenItHasEnded();
    static void itsErrorIsTheError_data();
    static void itsErrorIsTheError();
    static void destroyedItIsAnError();
    static void whatItCapturedLivesAsLong();
    static void isGoneWhenTheProcessIsClosed();
    static void resumedInAnotherThread();
    static void anyThingThatCanBeAwaited_data();
    static void anyThingThatCanBeAwaited();
    static void finishEndsItInABlockedWait();
    static void posted();
    static void onAClosedProcess();
};

void tst_coroutines::closedWhenItHasEnded_data()
{
    QTest::addColumn<bool>("isLazy");
    QTest::addColumn<bool>("suspends");
    QTest::newRow("lazy") << true << true;
    QTest::newRow("eager") << false << true;
    QTest::newRow("lazy, without a suspension") << true << false;
    QTest::newRow("eager, without a suspension") << false << false;
}

void tst_coroutines::closedWhenItHasEnded()
{
    QFETCH(const bool, isLazy);
    QFETCH(const bool, suspends);
    EventLog log;
    Signal signal;
    Process process;
    log.watch(process, QStringLiteral("p"));
    if (isLazy) {
        QVERIFY(process.setTeardown([&]() -> Lazy<> {
            log.add(QStringLiteral("begin"));
            if (suspends)
                co_await signal.wait();
            log.add(QStringLiteral("end"));
        }));
    } else {
        QVERIFY(process.setTeardown([&]() -> Eager<> {
            log.add(QStringLiteral("begin"));
            if (suspends)
                co_await signal.wait();
            log.add(QStringLiteral("end"));
        }));
    }
    process.close();
    TestSupport::deliver();
    if (suspends) {
        QVERIFY(signal.isAwaited());
        QVERIFY(!process.isClosed());
        signal.resume();
        TestSupport::deliver();
    }
    QVERIFY(process.isClosed());
    QVERIFY(!process.error());
    QVERIFY(log.compare({ QStringLiteral("closing p"), QStringLiteral("begin"),
                          QStringLiteral("end"), QStringLiteral("closed p") }));
}

void tst_coroutines::itsErrorIsTheError_data()
{
    QTest::addColumn<bool>("throws");
    QTest::addColumn<bool>("suspends");
    QTest::newRow("an Error") << false << true;
    QTest::newRow("an Error at once") << false << false;
    QTest::newRow("an exception") << true << true;
    QTest::newRow("an exception at once") << true << false;
}

void tst_coroutines::itsErrorIsTheError()
{
    QFETCH(const bool, throws);
    QFETCH(const bool, suspends);
    Signal signal;
    Process process([&]() -> Lazy<Error> {
        if (suspends)
            co_await signal.wait();
        if (throws)
            throw std::runtime_error("not written");
        co_return Error(failure);
    });
    process.close();
    TestSupport::deliver();
    if (suspends)
        signal.resume();
    QVERIFY(process.waitForClosed(soon()));
    QCOMPARE(process.error().message(), failure);
    QCOMPARE(bool(process.error().exception()), throws);
}

/// Who awaits it directly is the library itself, so that no other code destroys what it has.
void tst_coroutines::destroyedItIsAnError()
{
    Signal signal;
    Process process([&] { return Free { &signal }; });
    process.close();
    TestSupport::deliver();
    QVERIFY(!process.isClosed());
    signal.destroy();
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(process.error().message().contains(QLatin1String("cancelled")));
}

void tst_coroutines::whatItCapturedLivesAsLong()
{
    Signal signal;
    QString seen;
    Process process;
    QVERIFY(process.setTeardown(
            [text = std::make_unique<QString>(failure), &signal, &seen]() -> Lazy<> {
                co_await signal.wait();
                seen = *text; // of the lambda: its coroutine has only a pointer to that
            }));
    process.close();
    TestSupport::deliver();
    signal.resume();
    QVERIFY(process.waitForClosed(soon()));
    QCOMPARE(seen, failure);
}

void tst_coroutines::isGoneWhenTheProcessIsClosed()
{
    EventLog log;
    struct Local
    {
        explicit Local(EventLog &events) : log(events) { }
        Q_DISABLE_COPY_MOVE(Local)
        ~Local() { log.add(QStringLiteral("local")); }
        EventLog &log;
    };
    Signal signal;
    Process process([&]() -> Eager<> {
        const Local local(log);
        co_await signal.wait();
    });
    log.watch(process, QStringLiteral("p"));
    process.close();
    TestSupport::deliver();
    signal.resume();
    QVERIFY(process.waitForClosed(soon()));
    QVERIFY(log.compare(
            { QStringLiteral("closing p"), QStringLiteral("local"), QStringLiteral("closed p") }));
}

void tst_coroutines::resumedInAnotherThread()
{
    for (int i = 0; i < 50; ++i) {
        Signal signal;
        std::atomic<QThread *> endedIn = nullptr;
        // It stays here, and the process has another that calls it: the thread sanitizer does not
        // see that a future which finishes before it is looked at tells what the coroutine has
        // read.
        const auto coroutine = [&]() -> Lazy<> {
            co_await signal.wait();
            endedIn = QThread::currentThread();
        };
        Process process([&] { return coroutine(); });
        bool closedHere = false;
        QObject::connect(
                &process, &Process::closed, &process, [&] { closedHere = true; },
                Qt::DirectConnection);
        process.close();
        TestSupport::Thread resumer([&] {
            if (TestSupport::pollUntil([&] { return signal.isAwaited(); }))
                signal.resume();
        });
        // A wait would say that the event loop may be what the coroutine needs.
        QTRY_VERIFY(process.isClosed());
        resumer.join();
        QVERIFY(endedIn.load() != QThread::currentThread());
        QVERIFY(closedHere);
    }
}

void tst_coroutines::anyThingThatCanBeAwaited_data()
{
    QTest::addColumn<bool>("isFree");
    QTest::newRow("by a function of its own") << true;
    QTest::newRow("as it is") << false;
}

void tst_coroutines::anyThingThatCanBeAwaited()
{
    QFETCH(const bool, isFree);
    Signal signal;
    Process process;
    if (isFree)
        QVERIFY(process.setTeardown([&] { return Free { &signal }; }));
    else
        QVERIFY(process.setTeardown([&] { return signal.wait(); }));
    process.close();
    TestSupport::deliver();
    QVERIFY(!process.isClosed());
    signal.resume();
    TestSupport::deliver();
    QVERIFY(process.isClosed());
}

void tst_coroutines::finishEndsItInABlockedWait()
{
    Signal signal;
    Process process;
    QVERIFY(process.setTeardown([&]() -> Lazy<> { co_await signal.wait(); },
                                [&] { signal.resume(); }));
    QVERIFY(!process.closeAndWait());
}

void tst_coroutines::posted()
{
    Signal signal;
    Process process;
    QVERIFY(process.post([text = std::make_unique<QString>(failure), &signal]() -> Lazy<Error> {
        co_await signal.wait();
        co_return Error(*text);
    }));
    TestSupport::deliver();
    QVERIFY(!process.isClosing());
    signal.resume();
    QTRY_VERIFY(process.isClosed());
    QCOMPARE(process.error().message(), failure);
}

void tst_coroutines::onAClosedProcess()
{
    const ExpectWarning warning(QStringLiteral("set on the Closed process .* failed: not written"));
    Process process;
    QVERIFY(!process.closeAndWait());
    QVERIFY(process.setTeardown([]() -> Lazy<Error> { co_return Error(failure); }));
    TestSupport::deliver();
}

QTEST_GUILESS_MAIN(tst_coroutines)
#include "tst_coroutines.moc"
