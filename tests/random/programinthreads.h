// SPDX-License-Identifier: MIT
// A program that runs in up to four threads at once, on processes at home in three others, and in
// some that end while the program runs. It checks what holds in every interleaving.
//
// programinthreads.cpp makes the processes, and ends the program; programinthreads_operations.cpp
// has what a program may do at any place, and programinthreads_scenes.cpp has closes that it makes
// and awaits in one piece.

#ifndef GOPROCESS_TESTS_RANDOM_PROGRAMINTHREADS_H
#define GOPROCESS_TESTS_RANDOM_PROGRAMINTHREADS_H

#include "endingthreads.h"
#include "history.h"
#include "operations.h"
#include "runners.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QAbstractEventDispatcher>
#include <QCoreApplication>
#include <QEventLoop>
#include <QFuture>
#include <QThread>
#include <QTimer>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace RandomPrograms {

inline constexpr int slots = 6;
inline constexpr int lastingHomes = 3; ///< The others are threads that end.
inline constexpr int mostWorkThreads = 4096; ///< Of the library, unless told otherwise.

/// What the calling thread is in the middle of.
struct Depth
{
    int steps = 0;
    int nestedLoops = 0;
    int helpers = 0; ///< Waits in steps for what needs no other step.
};
inline thread_local Depth depth;

/// Counts while it lives.
class Counting
{
public:
    explicit Counting(int &count) : m_count(count) { ++m_count; }
    Q_DISABLE_COPY_MOVE(Counting)
    ~Counting() { --m_count; }

private:
    int &m_count;
};

/// A queue of functions that the thread of the test runs besides its event loop.
class MainQueue
{
public:
    MainQueue() { m_tick.start(std::chrono::milliseconds(1)); }

    void post(std::function<void()> function)
    {
        {
            const std::lock_guard lock(m_mutex);
            m_functions.push_back(std::move(function));
        }
        wake();
    }
    /// Something happened in another thread that the one of the test may be waiting for.
    void wake() { QCoreApplication::eventDispatcher()->wakeUp(); }
    /// Runs what there is, or waits for a moment.
    void run()
    {
        std::deque<std::function<void()>> functions;
        {
            const std::lock_guard lock(m_mutex);
            functions.swap(m_functions);
        }
        for (const auto &function : functions)
            function();
        QCoreApplication::processEvents(functions.empty() ? QEventLoop::WaitForMoreEvents
                                                          : QEventLoop::AllEvents);
    }

private:
    QTimer m_tick; ///< So that nothing is waited for in vain if no other thread wakes this one.
    std::mutex m_mutex;
    std::deque<std::function<void()>> m_functions;
};

/// A process, its number, and what a program does in its slots.
struct Subject
{
    explicit Subject(int subjectNumber) : number(subjectNumber) { }

    std::vector<Operation> takeLater(Place place)
    {
        const std::lock_guard lock(mutex);
        return std::exchange(later[std::size_t(place)], {});
    }

    const int number;
    bool hasTeardown = false;
    bool fails = false;
    bool mayFail = false; ///< How its future ends depends on which thread comes first.
    bool isDeletedLater = false; ///< Once it is dropped: how it is destroyed.
    GoProcess::Process *self = nullptr; ///< Also during its destructor.
    std::atomic<int> home = 0;
    std::atomic<int> users = 0; ///< Once it is dropped there are no new ones.
    OpenFuture future;
    QFuture<void> closing;
    QFuture<GoProcess::Error> closed;
    std::mutex mutex;
    std::vector<Operation> later[std::size_t(Place::Count)];
    std::unique_ptr<GoProcess::Process> process; ///< The last member, as R47 demands.
};
using SubjectPtr = std::shared_ptr<Subject>;

/// A work that was accepted.
struct Work
{
    GoProcess::ProcessPtr process;
    Outcome outcome = Outcome::Succeeds;
    int parent = 0;
    std::shared_ptr<std::atomic<int>> runs = std::make_shared<std::atomic<int>>(0);
};

class ProgramInThreads
{
public:
    QString run(const Program &program);

private:
    struct Edge
    {
        int upper;
        int lower;
        bool closes;
        bool waits;
        bool isCertain; ///< It was accepted, and the lower one was not Closed after that.
    };

    bool check(bool condition, const char *what, int process);
    SubjectPtr make(Outcome outcome, int home);
    void watch(Subject &subject);
    void runSlot(const Subject &subject, What what, Place place);
    void checkPlace(const Subject &subject);
    SubjectPtr at(int slot);

    void runPart(const Program &program, int thread);
    void take(const Operation &operation);
    void perform(const Operation &operation);
    bool performAlone(const Operation &operation);
    void performOn(const Operation &operation, const SubjectPtr &a, const SubjectPtr &b);
    void create(const Operation &operation);
    void addEdge(const Subject &a, const Subject &b, bool closes, bool waits);
    bool mayReach(int process, int other);
    void close(const Subject &subject);
    void go(const Subject &subject, const Operation &operation);
    GoProcess::Error work(GoProcess::Process &self, const Operation &operation,
                          const std::shared_ptr<TestSupport::Gate> &gate);
    void workThatMoves();
    void hold(const Subject &subject);
    void release(int number);
    void move(const SubjectPtr &subject, const Operation &operation);
    bool moveHere(Subject &subject, const Operation &operation);
    void help();
    void nest();
    void nestInWait();
    void relocate(const Operation &operation);
    void beClosed();
    void makeThread(const Operation &operation);
    void intrude();
    void drop(const Operation &operation);
    void refused();
    void post(int home, std::function<void()> function);
    QThread *threadOf(int home);
    static TestSupport::EventLoopThread &loop(int number);
    bool isLasting(const QThread *thread);

    void destroyThoseThatAreDropped();
    void destroy(const SubjectPtr &subject);
    bool isAnythingOpen();
    void runParts(const Program &program);
    void finishAll();
    void compare();
    void compareEdges();

    Verdict m_verdict;
    History m_history;
    MainQueue m_mainQueue;
    std::shared_ptr<int> m_token = std::make_shared<int>();
    std::atomic<int> m_refused = 0;
    std::atomic<int> m_slotsThatRun = 0;
    std::atomic<bool> m_isOver = false;
    std::atomic<int> m_intrusion = -1;
    std::atomic<int> m_deletions = 0; ///< That are on their way.
    EndingThreads m_endingThreads { m_verdict };
    std::atomic<int> m_destroyersThatRun = 2;

    std::mutex m_mutex; // guards what follows
    std::array<SubjectPtr, slots> m_slots;
    std::vector<SubjectPtr> m_all;
    std::vector<SubjectPtr> m_dropped;
    std::vector<Edge> m_edges;
    std::deque<Work> m_works;
    std::vector<std::pair<int, GoProcess::Hold>> m_holds; ///< With the number of the process.
};

} // namespace RandomPrograms

#endif
