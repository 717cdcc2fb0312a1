// SPDX-License-Identifier: MIT
// What a program that runs in threads may do, in any thread, slot and teardown.
//
// Locals outlive the event loops here: clazy:excludeall=lambda-in-connect

#include "intruder.h"
#include "programinthreads.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <thread>

using GoProcess::Error;
using GoProcess::Hold;
using GoProcess::Process;
using GoProcess::ProcessPtr;

using TestSupport::Gate;

namespace RandomPrograms {

void ProgramInThreads::runPart(const Program &program, int thread)
{
    for (const Operation &operation : program) {
        if (operation.thread == thread)
            take(operation);
    }
}

void ProgramInThreads::take(const Operation &operation)
{
    const SubjectPtr subject = operation.place == Place::Now ? nullptr : at(operation.at);
    if (!subject) {
        perform(operation);
        return;
    }
    const std::lock_guard lock(subject->mutex);
    subject->later[std::size_t(operation.place)].push_back(operation);
}

void ProgramInThreads::perform(const Operation &operation)
{
    if (performAlone(operation))
        return;
    const SubjectPtr a = at(operation.a);
    const SubjectPtr b = at(operation.b);
    if (a && b)
        performOn(operation, a, b);
}

/// Those that need no process; false if it is none of them.
bool ProgramInThreads::performAlone(const Operation &operation)
{
    switch (operation.kind) {
    case Kind::Create:
        create(operation);
        break;
    case Kind::Destroy:
    case Kind::DeleteLater:
        drop(operation);
        break;
    case Kind::Helper:
        help();
        break;
    case Kind::Nest:
        nest();
        break;
    case Kind::Intrude:
        m_intrusion = 4 * operation.a + operation.b % 4;
        break;
    case Kind::NewThread:
        makeThread(operation);
        break;
    case Kind::EndThread:
        m_endingThreads.end(operation.a % EndingThreads::places);
        break;
    case Kind::Relocate:
        if (depth.steps == 0)
            relocate(operation);
        break;
    case Kind::Cap:
        GoProcess::setMaxWorkThreadCount(operation.a % 3 == 0 ? mostWorkThreads : operation.a % 3);
        break;
    case Kind::BeClosed:
        if (depth.steps == 0)
            beClosed();
        break;
    default:
        return false;
    }
    return true;
}

void ProgramInThreads::performOn(const Operation &operation, const SubjectPtr &a,
                                 const SubjectPtr &b)
{
    switch (operation.kind) {
    case Kind::AddChild:
        addEdge(*a, *b, true, true);
        break;
    case Kind::AddChildNoWait:
        addEdge(*a, *b, true, false);
        break;
    case Kind::WaitFor:
        addEdge(*a, *b, false, true);
        break;
    case Kind::Go:
        go(*a, operation);
        break;
    case Kind::Hold:
        hold(*a);
        break;
    case Kind::Release:
        release(a->number);
        break;
    case Kind::Close:
        close(*a);
        break;
    case Kind::CloseAfterChildren:
        a->process->closeAfterChildren();
        break;
    case Kind::SetTeardown:
        // Each has one, or gets none: a second is refused.
        if (a->hasTeardown) {
            refused();
            check(!a->process->setTeardown([] {}), "A second teardown", a->number);
        }
        break;
    case Kind::MoveAway:
        move(a, operation);
        break;
    case Kind::FinishFuture:
        a->future.finish(operation.outcome);
        break;
    case Kind::Wait: {
        const Uncounted uncounted; // in slots it may be refused
        check(!a->process->waitForClosed(QDeadlineTimer(1)) || a->process->isClosed(),
              "A wait for what is open", a->number);
    } break;
    case Kind::CloseAndWait:
        close(*a);
        check(a->process->waitForClosing(QDeadlineTimer(0)), "waitForClosing()", a->number);
        break;
    default:
        std::this_thread::yield();
        break;
    }
}

void ProgramInThreads::create(const Operation &operation)
{
    const SubjectPtr fresh =
            make(operation.outcome, operation.b % (lastingHomes + EndingThreads::places));
    const std::lock_guard lock(m_mutex);
    SubjectPtr &slot = m_slots[std::size_t(operation.a % slots)];
    if (slot)
        m_dropped.push_back(fresh);
    else
        slot = fresh;
}

void ProgramInThreads::addEdge(const Subject &a, const Subject &b, bool closes, bool waits)
{
    Process &upper = *a.process;
    Process &lower = *b.process;
    {
        const std::lock_guard lock(m_mutex);
        m_edges.push_back({ a.number, b.number, closes, waits, false });
    }
    const bool wasClosing = upper.isClosing();
    const bool wasClosed = lower.isClosed();
    const bool accepted = !closes ? upper.waitFor(&lower)
            : waits               ? upper.addChild(&lower)
                                  : upper.addChildNoWait(&lower);
    if (!accepted)
        refused();
    check(accepted || waits, "A refusal of addChildNoWait()", a.number);
    check(!(wasClosing && !closes && accepted), "R11", a.number);
    check(!(wasClosing && closes && accepted && !lower.isClosing() && &upper != &lower), "R12, R13",
          b.number);
    check(!(wasClosed && !closes && accepted && !upper.isClosing()), "R10", a.number);
    if (accepted && !lower.isClosed()) {
        const std::lock_guard lock(m_mutex);
        m_edges.push_back({ a.number, b.number, closes, waits, true });
    } else if (!accepted && !mayReach(b.number, a.number)) {
        // R11, and R13: only once it has begun its teardown, after closing().
        check(upper.isClosing() && (!closes || m_history.has(a.number, What::Closing)),
              "A refusal without a reason", a.number);
    }
}

/// True if \a process may wait for \a other, with the edges that others are adding as well.
bool ProgramInThreads::mayReach(int process, int other)
{
    const std::lock_guard lock(m_mutex);
    std::set<int> reached { process };
    for (bool more = true; more;) {
        more = false;
        for (const Edge &edge : m_edges) {
            if (edge.waits && reached.count(edge.upper))
                more = reached.insert(edge.lower).second || more;
        }
    }
    return reached.count(other) > 0;
}

void ProgramInThreads::close(const Subject &subject)
{
    subject.process->close();
    // Everything that is certainly below (R18).
    const std::lock_guard lock(m_mutex);
    std::set<int> below { subject.number };
    for (bool more = true; more;) {
        more = false;
        for (const Edge &edge : m_edges) {
            if (edge.isCertain && edge.closes && below.count(edge.upper))
                more = below.insert(edge.lower).second || more;
        }
    }
    check(subject.process->isClosing(), "close()", subject.number);
    for (const SubjectPtr &other : m_slots) {
        check(!other || !below.count(other->number) || other->process->isClosing(), "R18",
              subject.number);
    }
}

/// What is refused while the message handler runs is not told to that once more.
void ProgramInThreads::refused()
{
    if (!Intruder::isInHandler())
        ++m_refused;
}

void ProgramInThreads::drop(const Operation &operation)
{
    const std::lock_guard lock(m_mutex);
    SubjectPtr &slot = m_slots[std::size_t(operation.a % slots)];
    if (!slot)
        return;
    slot->isDeletedLater = operation.kind == Kind::DeleteLater;
    m_dropped.push_back(std::exchange(slot, nullptr));
}

void ProgramInThreads::go(const Subject &subject, const Operation &operation)
{
    Work work;
    work.outcome = operation.outcome;
    work.parent = subject.number;
    // Made here, as no sanitizer sees how a connection is handed to another thread.
    const auto gate = std::make_shared<Gate>();
    work.process = subject.process->go(
            QStringLiteral("w"),
            [this, runs = work.runs, operation, gate, token = m_token](Process &self) {
                ++*runs;
                return this->work(self, operation, gate);
            });
    if (!work.process) {
        refused();
        check(subject.process->isClosing() && m_history.has(subject.number, What::Closing),
              "A refusal of go()", subject.number);
        return;
    }
    const std::lock_guard lock(m_mutex);
    m_works.push_back(std::move(work));
}

Error ProgramInThreads::work(Process &self, const Operation &operation,
                             const std::shared_ptr<Gate> &gate)
{
    if (operation.outcome == Outcome::Future)
        self.waitForClosing();
    switch (operation.b % 5) {
    case 1:
        help();
        break;
    case 2: { // it waits for another work, and its thread must not count (R32)
        Process upper;
        const auto runs = std::make_shared<std::atomic<int>>(0);
        upper.go([runs] { ++*runs; });
        check(!upper.closeAndWait() && *runs == 1, "A wait in a work", -1);
        break;
    }
    case 3: // a thread without the library waits for a step that comes after the work
        QObject::connect(
                &self, &Process::closing, &self, [gate] { gate->open(); }, Qt::DirectConnection);
        if (!self.isClosing())
            gate->pass();
        break;
    case 4:
        workThatMoves();
        break;
    default:
        break;
    }
    return conclude(operation.outcome);
}

/// R36: what was made in a work has no home until it gets one.
void ProgramInThreads::workThatMoves()
{
    QThread *const next = &threads->helper;
    std::atomic<QThread *> place = nullptr;
    Process process([&place] { place = QThread::currentThread(); });
    Hold hold = process.hold();
    process.close();
    process.moveToThread(next);
    hold.release();
    check(process.waitForClosed(QDeadlineTimer(patience.load())) && place == next,
          "The teardown of a process that got a home", -1);
}

void ProgramInThreads::hold(const Subject &subject)
{
    Hold hold = subject.process->hold();
    if (!hold) {
        refused();
        check(subject.process->isClosing() && m_history.has(subject.number, What::Closing),
              "A refusal of hold()", subject.number);
        return;
    }
    check(!m_history.has(subject.number, What::TearDown), "A teardown during a hold",
          subject.number);
    const std::lock_guard lock(m_mutex);
    m_holds.emplace_back(subject.number, std::move(hold));
}

/// All holds of a process; of all of them if it is -1.
void ProgramInThreads::release(int number)
{
    std::vector<std::pair<int, Hold>> released;
    {
        const std::lock_guard lock(m_mutex);
        const auto isMeant = [number](const auto &held) {
            return number < 0 || held.first == number;
        };
        const auto first = std::partition(m_holds.begin(), m_holds.end(),
                                          [&](const auto &held) { return !isMeant(held); });
        std::move(first, m_holds.end(), std::back_inserter(released));
        m_holds.erase(first, m_holds.end());
    }
    for (const auto &held : released)
        check(!m_history.has(held.first, What::TearDown), "A teardown during a hold", held.first);
}

void ProgramInThreads::move(const SubjectPtr &subject, const Operation &operation)
{
    const int home = subject->home;
    if (depth.steps > 0)
        moveHere(*subject, operation);
    else if (home < lastingHomes)
        post(home, [this, subject, operation] { moveHere(*subject, operation); });
}

/// Only the thread that is its home may send it away, and another move may have come first.
bool ProgramInThreads::moveHere(Subject &subject, const Operation &operation)
{
    Process &process = *subject.process;
    const int place = operation.b % (lastingHomes + EndingThreads::places) - lastingHomes;
    const EndingThreads::Use use = place < 0 ? EndingThreads::Use() : m_endingThreads.use(place);
    QThread *const next = place < 0 ? threadOf(place + lastingHomes) : use.thread();
    if (!next || process.thread() != QThread::currentThread())
        return false;
    subject.home = place + lastingHomes;
    if (process.thread() != next)
        process.moveToThread(next);
    if (operation.outcome == Outcome::Future) {
        const Uncounted uncounted;
        process.waitForClosed(QDeadlineTimer(1));
    }
    return true;
}

} // namespace RandomPrograms
