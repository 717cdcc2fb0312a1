// SPDX-License-Identifier: MIT
// The rules of processes once more, written to be read: what the library is compared with.

#include "model.h"

#include <algorithm>
#include <deque>

namespace RandomPrograms {

// --- Operations ----------------------------------------------------------------------------------

int Rules::create()
{
    m_processes.emplace_back();
    return count() - 1;
}

bool Rules::addChild(int upper, int lower)
{
    if (state(lower) == State::Closed) // R10
        return true;
    if (of(upper).begun || waitsFor(lower, upper)) // R13, R14
        return false;
    connect(upper, lower, true, true);
    if (state(upper) == State::Closing) // R13
        closeFrom(lower, upper);
    settle();
    return true;
}

bool Rules::addChildNoWait(int upper, int lower)
{
    if (upper == lower || state(lower) == State::Closed)
        return true;
    if (state(upper) == State::Running)
        connect(upper, lower, true, false); // R6
    else
        closeFrom(lower, -1); // R12
    settle();
    return true;
}

bool Rules::waitFor(int upper, int lower)
{
    if (state(upper) != State::Running) // R11
        return false;
    if (state(lower) == State::Closed) { // R10
        close(upper);
        return true;
    }
    if (waitsFor(lower, upper)) // R14
        return false;
    connect(upper, lower, false, true); // R7
    return true;
}

int Rules::go(int parent)
{
    if (of(parent).begun) // R13
        return -1;
    const int child = create();
    of(child).elsewhere = true; // R34
    of(child).holds = 1; // R29
    addChild(parent, child);
    return child;
}

void Rules::workReturned(int process, bool failed)
{
    of(process).failed = failed;
    of(process).closesAfterChildren = true; // R29
    --of(process).holds;
    settle();
}

bool Rules::hold(int process)
{
    if (of(process).begun) // R46
        return false;
    ++of(process).holds;
    return true;
}

void Rules::release(int process)
{
    --of(process).holds;
    settle();
}

void Rules::close(int process)
{
    closeFrom(process, -1);
    settle();
}

void Rules::closeAfterChildren(int process)
{
    of(process).closesAfterChildren = true; // R20
    settle();
}

bool Rules::setTeardown(int process, bool failsAtOnce, bool returnsFuture)
{
    Process &self = of(process);
    if (self.hasTeardown || self.begun) // R24
        return false;
    self.hasTeardown = true;
    self.teardownFails = failsAtOnce;
    self.teardownReturnsFuture = returnsFuture;
    return true;
}

void Rules::futureFinished(int process, bool failed)
{
    of(process).futureOpen = false;
    of(process).failed = of(process).failed || failed;
    settle();
}

void Rules::moveAway(int process)
{
    of(process).elsewhere = true;
    settle();
}

void Rules::connect(int upper, int lower, bool closes, bool waits)
{
    // Two processes have one edge, however often it is added.
    for (Edge &edge : m_edges) {
        if (edge.upper == upper && edge.lower == lower) {
            edge.closes = edge.closes || closes;
            edge.waits = edge.waits || waits;
            return;
        }
    }
    m_edges.push_back({ upper, lower, closes, waits });
}

/// R18: a process and everything below it, parents before children.
void Rules::closeFrom(int process, int parent)
{
    if (state(process) != State::Running)
        return;
    of(process).state = State::Closing;
    of(process).reachedFrom = parent;
    std::deque<int> reached { process };
    for (; !reached.empty(); reached.pop_front()) {
        for (const Edge &edge : m_edges) {
            if (edge.upper == reached.front() && edge.closes
                && state(edge.lower) == State::Running) {
                of(edge.lower).state = State::Closing;
                of(edge.lower).reachedFrom = edge.upper;
                reached.push_back(edge.lower);
            }
        }
    }
}

/// What follows at once from what has just happened.
void Rules::settle()
{
    bool changed = true;
    while (changed) {
        changed = false;
        for (int i = 0; i < count(); ++i) {
            Process &self = of(i);
            if (self.state == State::Running && self.closesAfterChildren && !waitsForAnything(i)) {
                closeFrom(i, -1);
                changed = true;
            }
            if (self.state == State::Closing && self.announced && self.holds == 0 && !self.begun
                && !waitsForAnything(i)) {
                self.begun = true;
                changed = true;
            }
            if (self.elsewhere && runStepElsewhere(i))
                changed = true;
        }
    }
}

bool Rules::runStepElsewhere(int process)
{
    Process &self = of(process);
    if (self.state == State::Closing && !self.announced) {
        self.announced = true;
        return true;
    }
    if (self.begun && !self.tornDown) {
        tornDown(process);
        return true;
    }
    if (self.tornDown && !self.futureOpen && !self.finished) {
        finishing(process);
        finished(process);
        return true;
    }
    return false;
}

// --- Steps ---------------------------------------------------------------------------------------

bool Rules::mayAnnounce(int process) const
{
    const Process &self = of(process);
    if (self.state != State::Closing || self.announcing) // R2
        return false;
    const int parent = self.reachedFrom;
    return parent < 0 || of(parent).elsewhere || of(parent).announcing; // R19
}

void Rules::announcing(int process)
{
    of(process).announcing = true;
}

void Rules::announced(int process)
{
    of(process).announced = true;
    settle();
}

bool Rules::mayTearDown(int process) const
{
    return of(process).begun && !of(process).tearingDown; // R19, R22
}

void Rules::tearingDown(int process)
{
    of(process).tearingDown = true;
}

void Rules::tornDown(int process)
{
    Process &self = of(process);
    self.tornDown = true;
    self.failed = self.failed || self.teardownFails; // R25
    self.futureOpen = self.teardownReturnsFuture; // R23
}

bool Rules::mayFinish(int process) const
{
    const Process &self = of(process);
    return self.begun && self.state == State::Closing && (self.tornDown || !self.hasTeardown)
            && !self.futureOpen; // R3
}

void Rules::finishing(int process)
{
    of(process).state = State::Closed;
    of(process).tornDown = true;
    if (of(process).failed)
        of(process).failedBelow.insert(process);
    for (const Edge &edge : m_edges) { // R27
        if (edge.lower == process && edge.closes && edge.waits)
            of(edge.upper)
                    .failedBelow.insert(of(process).failedBelow.begin(),
                                        of(process).failedBelow.end());
    }
}

void Rules::finished(int process)
{
    of(process).finished = true;
    m_edges.erase(std::remove_if(m_edges.begin(), m_edges.end(),
                                 [&](const Edge &edge) { return edge.lower == process; }),
                  m_edges.end()); // R16
    settle();
}

// --- Questions -----------------------------------------------------------------------------------

bool Rules::waitsForAnything(int process) const
{
    return std::any_of(m_edges.begin(), m_edges.end(),
                       [&](const Edge &edge) { return edge.upper == process && edge.waits; });
}

bool Rules::waitsFor(int process, int other) const
{
    std::set<int> found { process };
    std::deque<int> left { process };
    for (; !left.empty(); left.pop_front()) {
        for (const Edge &edge : m_edges) {
            if (edge.upper == left.front() && edge.waits && found.insert(edge.lower).second)
                left.push_back(edge.lower);
        }
    }
    return found.count(other) > 0;
}

bool Rules::anyStepDue() const
{
    for (int i = 0; i < count(); ++i) {
        const Process &self = of(i);
        if (self.elsewhere)
            continue;
        if (self.state == State::Closing && !self.announcing)
            return true;
        if (mayFinish(i) || (mayTearDown(i) && self.hasTeardown))
            return true;
    }
    return false;
}

bool Rules::wouldFinish(int process) const
{
    Rules future = *this;
    bool changed = true;
    while (changed) {
        changed = false;
        for (int i = 0; i < count(); ++i) {
            Process &self = future.of(i);
            if (self.elsewhere)
                continue;
            // What is announcing or tearing down now is on the stack, and does not go on.
            if (self.state == State::Closing && !self.announcing) {
                future.announcing(i);
                future.announced(i);
                changed = true;
            }
            if (self.begun && self.hasTeardown && !self.tearingDown) {
                future.tearingDown(i);
                future.tornDown(i);
                changed = true;
            }
            if (future.mayFinish(i)) {
                future.finishing(i);
                future.finished(i);
                changed = true;
            }
        }
    }
    return future.hasFinished(process);
}

} // namespace RandomPrograms
