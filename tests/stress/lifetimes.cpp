// SPDX-License-Identifier: MIT
// A program whose processes live longer than its applications, and longer than main().
//
// Prints "end of main", and "all closed" from the last static object to go; says what is wrong on
// the standard error, and exits with 1.

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QTimer>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

using GoProcess::Process;

namespace {

constexpr int rounds = 30;
constexpr int statics = 20;

std::atomic<int> staticTeardowns = 0;
std::atomic<int> staticWorks = 0;

void check(bool condition, const char *what)
{
    if (condition)
        return;
    std::fprintf(stderr, "%s\n", what);
    std::_Exit(1);
}

/// Destroyed last, as it is made first.
struct Epilogue
{
    Epilogue() = default;
    Q_DISABLE_COPY_MOVE(Epilogue)
    ~Epilogue()
    {
        check(staticTeardowns == statics, "A static process was not torn down exactly once");
        check(staticWorks == statics, "A work of a static process was lost");
        std::puts("all closed");
        std::fflush(stdout);
    }
};

/// Some tree that is closed from another thread, before, during or after the event loop.
class Tree
{
public:
    Tree()
    {
        for (auto &child : m_children) {
            child = std::make_unique<Process>([this] { ++m_teardowns; });
            m_root.addChild(child.get());
        }
        m_root.go([this](Process &self) {
            self.waitForClosing();
            ++m_teardowns;
        });
    }
    Process &root() { return m_root; }
    bool closedOnce() const
    {
        return m_root.isClosed() && m_teardowns == int(m_children.size()) + 1;
    }

private:
    std::atomic<int> m_teardowns = 0;
    std::array<std::unique_ptr<Process>, 10> m_children;
    Process m_root; // the last member: closed first
};

void liveThroughAnApplication(int argc, char **argv, int round)
{
    Tree before;
    Tree during;
    std::thread closer;
    {
        QCoreApplication application(argc, argv);
        closer = std::thread([&] {
            before.root().close();
            during.root().close();
        });
        QObject::connect(&during.root(), &Process::closed, &application, &QCoreApplication::quit);
        // Some applications go before all is closed.
        if (round % 2 && !during.root().isClosed())
            QTimer::singleShot(0, &application, &QCoreApplication::quit);
        else if (!during.root().isClosed())
            QTimer::singleShot(std::chrono::seconds(20), &application, &QCoreApplication::quit);
        QCoreApplication::exec();
        closer.join();
    }
    check(!before.root().closeAndWait() && !during.root().closeAndWait(), "A tree failed");
    check(before.closedOnce() && during.closedOnce(), "A tree was not torn down exactly once");
}

} // namespace

int main(int argc, char **argv)
{
    static const Epilogue epilogue;
    static std::array<std::unique_ptr<Process>, statics> processes;
    for (auto &process : processes) {
        process = std::make_unique<Process>([] { ++staticTeardowns; });
        process->go([](Process &self) {
            self.waitForClosing();
            ++staticWorks;
        });
    }
    for (int round = 0; round < rounds; ++round)
        liveThroughAnApplication(argc, argv, round);
    std::puts("end of main");
    std::fflush(stdout);
    return 0;
}
