// SPDX-License-Identifier: MIT
// The rules of processes once more, written to be read: what the library is compared with.
//
// It knows no threads and no time. Processes are numbers. Each function is one operation, and says
// whether it is accepted; each step that the library runs is reported to it by the functions that
// begin with "may", which say whether the rules allow it now, and those that say that it has run.

#ifndef GOPROCESS_TESTS_RANDOM_MODEL_H
#define GOPROCESS_TESTS_RANDOM_MODEL_H

#include <set>
#include <vector>

namespace RandomPrograms {

enum class State { Running, Closing, Closed };

class Rules
{
public:
    // --- Operations. False: refused (R15).
    /// A process whose home is the thread of the test.
    int create();
    bool addChild(int upper, int lower);
    bool addChildNoWait(int upper, int lower);
    bool waitFor(int upper, int lower);
    /// The number of the child, or -1.
    int go(int parent);
    void workReturned(int process, bool failed);
    bool hold(int process);
    void release(int process);
    void close(int process);
    void closeAfterChildren(int process);
    bool setTeardown(int process, bool failsAtOnce, bool returnsFuture);
    void futureFinished(int process, bool failed);
    /// From now on its steps run by themselves, in another thread.
    void moveAway(int process);

    // --- Steps of processes at home in the thread of the test
    bool mayAnnounce(int process) const;
    void announcing(int process);
    void announced(int process);
    bool mayTearDown(int process) const;
    void tearingDown(int process);
    void tornDown(int process);
    bool mayFinish(int process) const;
    void finishing(int process); ///< The state is Closed.
    void finished(int process); ///< closed() was emitted, and those that waited go on.

    // --- Questions
    int count() const { return int(m_processes.size()); }
    State state(int process) const { return of(process).state; }
    bool hasFinished(int process) const { return of(process).finished; }
    bool hasBegunTeardown(int process) const { return of(process).begun; }
    bool hasTeardown(int process) const { return of(process).hasTeardown; }
    bool hasOpenFuture(int process) const { return of(process).futureOpen; }
    bool isElsewhere(int process) const { return of(process).elsewhere; }
    bool hasFailed(int process) const { return of(process).failed; }
    const std::set<int> &failedBelow(int process) const { return of(process).failedBelow; }
    /// True if \a process waits for \a other, directly or not, or is it.
    bool waitsFor(int process, int other) const;
    /// True if a step at home may run now.
    bool anyStepDue() const;
    /// True if the steps that are due, and those that follow from them, close it.
    bool wouldFinish(int process) const;

private:
    struct Process
    {
        State state = State::Running;
        int reachedFrom = -1; ///< The parent through which the close reached it (R19).
        bool announcing = false;
        bool announced = false;
        int holds = 0; ///< Works count, too.
        bool closesAfterChildren = false;
        bool begun = false; ///< It has begun its teardown: nothing is left to wait for.
        bool hasTeardown = false;
        bool teardownFails = false;
        bool teardownReturnsFuture = false;
        bool tearingDown = false;
        bool tornDown = false;
        bool futureOpen = false;
        bool finished = false;
        bool elsewhere = false;
        bool failed = false;
        std::set<int> failedBelow; ///< Itself included (R27).
    };
    struct Edge
    {
        int upper;
        int lower;
        bool closes;
        bool waits;
    };

    Process &of(int process) { return m_processes[std::size_t(process)]; }
    const Process &of(int process) const { return m_processes[std::size_t(process)]; }
    bool waitsForAnything(int process) const;
    void connect(int upper, int lower, bool closes, bool waits);
    void closeFrom(int process, int parent);
    void settle();
    bool runStepElsewhere(int process);

    std::vector<Process> m_processes;
    std::vector<Edge> m_edges; ///< To processes that have not finished.
};

} // namespace RandomPrograms

#endif
