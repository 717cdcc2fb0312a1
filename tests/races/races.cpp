// SPDX-License-Identifier: MIT
// Programs with a race each, of the kinds that users make: see CMakeLists.txt.
//
// Usage: races NAME. What brings two threads together is relaxed, so that it orders nothing.
//
// Locals outlive the event loops here: clazy:excludeall=lambda-in-connect

#include "support/threads.h"

#include <GoProcess/GoProcess>

#include <QCoreApplication>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>

using GoProcess::Process;

using TestSupport::EventLoopThread;
using TestSupport::Thread;

namespace {

/// Brings threads together without ordering what they do.
class Meeting
{
public:
    void arrive() { m_arrived.fetch_add(1, std::memory_order_relaxed); }
    void waitFor(int count) const
    {
        while (m_arrived.load(std::memory_order_relaxed) < count)
            std::this_thread::yield();
    }
    void meet(int count)
    {
        arrive();
        waitFor(count);
    }

private:
    std::atomic<int> m_arrived = 0;
};

/// What the threads race for; not optimized away.
struct Shared
{
    volatile int value = 0;
    void write() { value = value + 1; }
    int read() const { return value; }
};

/// Two works write to the same.
void inWork()
{
    Meeting meeting;
    Shared shared;
    Process root;
    for (int i = 0; i < 2; ++i) {
        root.go([&] {
            meeting.meet(2);
            shared.write();
        });
    }
    root.closeAndWait();
}

/// A slot writes to what the thread that has closed the process reads.
void inSlot()
{
    EventLoopThread elsewhere;
    Meeting closed;
    Meeting written;
    Meeting read;
    Shared shared;
    Process process;
    QObject::connect(
            &process, &Process::closing, &process,
            [&] {
                // With no lock of the library between the write and the read, which would order
                // them.
                closed.waitFor(1);
                shared.write();
                written.arrive();
                read.waitFor(1);
            },
            Qt::DirectConnection);
    process.moveToThread(&elsewhere);
    process.close();
    closed.arrive();
    written.waitFor(1);
    std::printf("%d\n", shared.read());
    read.arrive();
    process.waitForClosed();
}

/// Two processes that do not wait for each other are torn down in two threads.
void inTeardown()
{
    std::array<EventLoopThread, 2> elsewhere;
    Meeting meeting;
    Shared shared;
    Process root;
    std::array<std::unique_ptr<Process>, 2> children;
    for (std::size_t i = 0; i < 2; ++i) {
        children[i] = std::make_unique<Process>([&] {
            meeting.meet(2);
            shared.write();
        });
        root.addChild(children[i].get());
        children[i]->moveToThread(&elsewhere[i]);
    }
    root.closeAndWait();
}

/// A thread reads what a work has written although it has waited only until the work was to end.
void afterTheWrongWait()
{
    Meeting waited;
    Meeting written;
    Meeting read;
    Shared shared;
    Process root;
    root.go([&](Process &self) {
        self.waitForClosing();
        waited.waitFor(1);
        shared.write();
        written.arrive();
        read.waitFor(1);
    });
    root.close();
    root.waitForClosing(); // not waitForClosed()
    waited.arrive();
    written.waitFor(1);
    std::printf("%d\n", shared.read());
    read.arrive();
    root.waitForClosed();
}

/// A process is destroyed while another thread asks for its state.
void deleteAgainstRead()
{
    Meeting meeting;
    auto process = std::make_unique<Process>();
    const Thread reader([&meeting, raw = process.get()] {
        std::printf("%d\n", int(raw->isClosing()));
        meeting.arrive();
    });
    meeting.waitFor(1);
    process.reset();
}

/// Two works lock two mutexes in different order: no deadlock this time.
void lockOrder()
{
    std::mutex first;
    std::mutex second;
    Process root;
    root.go([&] {
        const std::lock_guard outer(first);
        const std::lock_guard inner(second);
    });
    root.closeAndWait();
    Process next;
    next.go([&] {
        const std::lock_guard outer(second);
        const std::lock_guard inner(first);
    });
    next.closeAndWait();
}

/// The same as inWork(), inSlot() and inTeardown(), with the waits that order it.
void none()
{
    EventLoopThread elsewhere;
    Shared shared;
    Process root([&] { shared.write(); });
    Process child([&] { shared.write(); });
    QObject::connect(
            &child, &Process::closing, &child, [&] { shared.write(); }, Qt::DirectConnection);
    root.addChild(&child);
    child.moveToThread(&elsewhere);
    child.go([&] { shared.write(); })->waitForClosed();
    root.closeAndWait();
    std::printf("%d\n", shared.read());
}

struct Race
{
    const char *name;
    void (*run)();
};

constexpr std::array races {
    Race { "inWork", inWork },
    Race { "inSlot", inSlot },
    Race { "inTeardown", inTeardown },
    Race { "afterTheWrongWait", afterTheWrongWait },
    Race { "deleteAgainstRead", deleteAgainstRead },
    Race { "lockOrder", lockOrder },
    Race { "none", none },
};

} // namespace

int main(int argc, char **argv)
{
    const QCoreApplication application(argc, argv);
    for (const Race &race : races) {
        if (argc == 2 && std::strcmp(argv[1], race.name) == 0) {
            race.run();
            return 0;
        }
    }
    std::fprintf(stderr, "Usage: %s NAME\n", argv[0]);
    return 2;
}
