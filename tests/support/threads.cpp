// SPDX-License-Identifier: MIT

#include "threads.h"

#include "waits.h"

#include <QCoreApplication>
#include <QEvent>

namespace TestSupport {

Thread::Thread(std::function<void()> function) : m_thread(std::move(function)) { }

Thread &Thread::operator=(Thread &&other) noexcept
{
    join();
    m_thread = std::move(other.m_thread);
    return *this;
}

void Thread::join()
{
    if (m_thread.joinable())
        m_thread.join();
}

EventLoopThread::EventLoopThread() : m_receiver(*this)
{
    m_receiver.moveToThread(this);
    start();
}

EventLoopThread::~EventLoopThread()
{
    stop();
}

void EventLoopThread::post(std::function<void()> function)
{
    // The event is posted under the mutex too, which orders all of it before its delivery.
    const std::lock_guard lock(m_mutex);
    m_functions.push_back(std::move(function));
    QCoreApplication::postEvent(&m_receiver, new QEvent(QEvent::User));
}

void EventLoopThread::flush()
{
    run([] {});
}

void EventLoopThread::stop()
{
    if (isFinished())
        return;
    // From inside, so that what was posted before is not lost.
    post([this] { quit(); });
    waitFor(m_hasEnded, "A thread did not end");
    wait();
}

void EventLoopThread::run()
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

void EventLoopThread::runAndWait(const std::function<void()> &function)
{
    bool done = false;
    post([&] {
        function();
        const std::lock_guard lock(m_mutex);
        done = true;
        m_changed.notify_all();
    });
    waitFor(done, "A thread did not run the function that it was given");
}

void EventLoopThread::waitFor(const bool &condition, const char *failure)
{
    std::unique_lock lock(m_mutex);
    if (!m_changed.wait_for(lock, 2 * patience, [&] { return condition; }))
        qFatal("%s", failure);
}

void EventLoopThread::drain()
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

bool EventLoopThread::Receiver::event(QEvent *event)
{
    if (event->type() != QEvent::User)
        return QObject::event(event);
    m_thread.drain();
    return true;
}

} // namespace TestSupport
