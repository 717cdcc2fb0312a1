// SPDX-License-Identifier: MIT
// Threads that end with their scope, with and without an event loop.
//
// Classes without signals need no moc: clazy:excludeall=missing-qobject-macro

#ifndef GOPROCESS_TESTS_SUPPORT_THREADS_H
#define GOPROCESS_TESTS_SUPPORT_THREADS_H

#include <QObject>
#include <QThread>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

namespace TestSupport {

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
