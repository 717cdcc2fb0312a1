// SPDX-License-Identifier: MIT
// Calls of the library in the middle of its own work: from message handlers,
// QCoreApplication::notify() and what else of its users' code it cannot help calling. It holds no
// lock there (R17).

#ifndef GOPROCESS_TESTS_RANDOM_INTRUDER_H
#define GOPROCESS_TESTS_RANDOM_INTRUDER_H

#include <QDeadlineTimer>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace RandomPrograms {

/// Warnings of the calling thread are not counted while one lives: it makes calls that may be
/// refused.
class Uncounted
{
public:
    Uncounted() { ++depth(); }
    Q_DISABLE_COPY_MOVE(Uncounted)
    ~Uncounted() { --depth(); }
    static bool isAny() { return depth() > 0; }

    /// They are, in a step that such a call runs.
    class Suspension
    {
    public:
        Suspension() : m_depth(std::exchange(depth(), 0)) { }
        Q_DISABLE_COPY_MOVE(Suspension)
        ~Suspension() { depth() = m_depth; }

    private:
        const int m_depth;
    };

private:
    static int &depth()
    {
        static thread_local int count = 0;
        return count;
    }
};

class Intruder
{
public:
    /// The program that runs says what is called.
    static void set(std::function<void()> function)
    {
        auto fresh = std::make_shared<Intruder>();
        fresh->m_function = std::move(function);
        const std::lock_guard lock(mutex());
        current() = std::move(fresh);
    }
    /// From here on nothing is called. False if a call has not returned in time.
    static bool clear(QDeadlineTimer deadline)
    {
        std::shared_ptr<Intruder> last;
        {
            const std::lock_guard lock(mutex());
            last = std::exchange(current(), nullptr);
        }
        while (last && last->m_calls > 0 && !deadline.hasExpired())
            std::this_thread::yield();
        return !last || last->m_calls == 0;
    }
    static void call()
    {
        bool &isInside = here().isInside;
        if (isInside)
            return;
        std::shared_ptr<Intruder> intruder;
        {
            const std::lock_guard lock(mutex());
            intruder = current();
            if (!intruder)
                return;
            ++intruder->m_calls;
        }
        const Uncounted uncounted;
        isInside = true;
        intruder->m_function();
        isInside = false;
        --intruder->m_calls;
    }

    static void callFromHandler()
    {
        here().isInHandler = true;
        call();
        here().isInHandler = false;
    }
    static bool isInHandler() { return here().isInHandler; }

private:
    struct Here
    {
        bool isInside = false;
        bool isInHandler = false;
    };
    static Here &here()
    {
        static thread_local Here instance;
        return instance;
    }
    // Never destroyed: threads may still call at the end of the program.
    static std::mutex &mutex()
    {
        static auto *const instance = new std::mutex;
        return *instance;
    }
    static std::shared_ptr<Intruder> &current()
    {
        static auto *const instance = new std::shared_ptr<Intruder>;
        return *instance;
    }

    std::function<void()> m_function;
    std::atomic<int> m_calls = 0;
};

} // namespace RandomPrograms

#endif
