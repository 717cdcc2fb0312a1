// SPDX-License-Identifier: MIT
// Runs a program in one thread, side by side with the rules, which predict every result, every
// state and every refusal, and know of every step whether it may come now.
//
// Processes at home in this thread are followed step by step. Works, and processes that have moved
// away, run their steps by themselves; after each operation the test waits until they have got as
// far as the rules say that they get, so that the next one meets a known state.
//
// Locals outlive the event loops here: clazy:excludeall=lambda-in-connect

#include "history.h"
#include "intruder.h"
#include "model.h"
#include "runners.h"
#include "support/readyfuture.h"
#include "support/waits.h"

#include <QCoreApplication>
#include <QPointer>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>

using GoProcess::Error;
using GoProcess::Hold;
using GoProcess::Process;
using GoProcess::ProcessPtr;

using TestSupport::Gate;

namespace RandomPrograms {

namespace {

constexpr int mostProcesses = 12;

/// Polls for what another thread is about to do.
template<class Condition>
bool comesTrue(Condition &&condition)
{
    if (condition())
        return true;
    const QDeadlineTimer end(patience.load());
    while (!condition()) {
        if (end.hasExpired())
            return false;
        std::this_thread::yield();
    }
    return true;
}

/// A process of the program; its number is that of the rules.
struct Subject
{
    Process *process = nullptr; ///< Null once destroyed.
    ProcessPtr work; ///< Keeps it if it is one.
    int owner = -1;
    std::shared_ptr<OpenFuture> future = std::make_shared<OpenFuture>();
    std::shared_ptr<Gate> gate; ///< That the work waits at.
    Outcome workOutcome = Outcome::None;
    std::vector<Hold> holds;
    std::vector<Operation> later[std::size_t(Place::Count)];
    QFuture<void> closing;
    QFuture<Error> closed;
    bool knownToHaveFinished = false;
};

class ProgramInOneThread
{
public:
    QString run(const Program &program);

private:
    struct Step
    {
        int process;
        Place place;
        bool over = false; ///< The destructor has completed it.
    };

    Subject &of(int process) { return m_subjects[std::size_t(process)]; }
    bool check(bool condition, const char *what, int process);
    template<class Call>
    void expect(bool accepted, const char *what, int process, Call &&call);

    void take(const Operation &operation);
    void perform(const Operation &operation);
    void performOn(const Operation &operation, int a, int b);
    void create(const Operation &operation, int parent);
    void destroy(int process);
    void go(int parent, Outcome outcome);
    void returnFromWork(int process);
    void release(int process);
    void finishFuture(int process, Outcome outcome);
    void moveAway(int process);
    void wait(int process);
    void closeAndWait(int process);
    void help();
    void intrude();
    void deliver();
    void finishAll();
    void compareAtTheEnd();

    void watch(int process);
    std::function<QFuture<Error>()> makeTeardown(int process, Outcome outcome);
    void runSlot(int process, Place place);
    bool isBlocked(int process) const;
    bool isCertainToFinish(int process) const;
    void settle();

    Verdict m_verdict;
    Rules m_rules;
    History m_history;
    std::deque<Subject> m_subjects;
    std::vector<Step *> m_stack; ///< The slots and teardowns of this thread that run.
    int m_expectedWarnings = 0;
    int m_intrusion = -1;
    bool m_isGoing = false; ///< A go() is under way.
    int m_helpers = 0; ///< Waits in steps for what needs no other step.
    std::shared_ptr<int> m_token = std::make_shared<int>(); ///< In all that users give away.
};

bool ProgramInOneThread::check(bool condition, const char *what, int process)
{
    return m_verdict.check(condition,
                           QStringLiteral("%1 of process %2 (what happened: %3)")
                                   .arg(QLatin1String(what))
                                   .arg(process)
                                   .arg(m_history.describe()));
}

/// Makes an operation of the library, and compares it with what the rules have said.
template<class Call>
void ProgramInOneThread::expect(bool accepted, const char *what, int process, Call &&call)
{
    if (!accepted)
        ++m_expectedWarnings;
    check(call() == accepted, what, process);
    check(warnings == m_expectedWarnings, "The number of warnings after an operation", process);
}

// --- Operations ----------------------------------------------------------------------------------

void ProgramInOneThread::take(const Operation &operation)
{
    if (operation.place == Place::Now || m_subjects.empty()) {
        perform(operation);
        return;
    }
    const int at = operation.at % m_rules.count();
    // No slot watches a work: it would be connected too late.
    of(of(at).work ? 0 : at).later[std::size_t(operation.place)].push_back(operation);
}

void ProgramInOneThread::perform(const Operation &operation)
{
    if (m_verdict.hasFailed())
        return;
    const int count = m_rules.count();
    if (operation.kind == Kind::Create || count == 0) {
        if (count < mostProcesses)
            create(operation, count > 0 && operation.b % 2 == 0 ? operation.b / 2 % count : -1);
    } else if (operation.kind == Kind::Deliver || operation.kind == Kind::Nest) {
        deliver();
    } else if (operation.kind == Kind::Helper) {
        help();
    } else if (operation.kind == Kind::Intrude) {
        m_intrusion = operation.a;
    } else {
        const int a = operation.a % count;
        const int b = operation.b % count;
        if (of(a).process && of(b).process)
            performOn(operation, a, b);
    }
    settle();
}

void ProgramInOneThread::performOn(const Operation &operation, int a, int b)
{
    Process &process = *of(a).process;
    Process *const other = of(b).process;
    switch (operation.kind) {
    case Kind::Destroy:
        destroy(a);
        break;
    case Kind::AddChild:
        expect(m_rules.addChild(a, b), "addChild()", a, [&] { return process.addChild(other); });
        break;
    case Kind::AddChildNoWait:
        expect(m_rules.addChildNoWait(a, b), "addChildNoWait()", a,
               [&] { return process.addChildNoWait(other); });
        break;
    case Kind::WaitFor:
        expect(m_rules.waitFor(a, b), "waitFor()", a, [&] { return process.waitFor(other); });
        break;
    case Kind::Go:
        if (m_rules.count() < mostProcesses)
            go(a, operation.outcome);
        break;
    case Kind::ReturnFromWork:
        returnFromWork(a);
        break;
    case Kind::Hold:
        expect(m_rules.hold(a), "hold()", a, [&] {
            of(a).holds.push_back(process.hold());
            return of(a).holds.back().isValid();
        });
        break;
    case Kind::Release:
        release(a);
        break;
    case Kind::Close:
        m_rules.close(a);
        process.close();
        break;
    case Kind::CloseAfterChildren:
        m_rules.closeAfterChildren(a);
        process.closeAfterChildren();
        break;
    case Kind::SetTeardown:
        if (m_rules.state(a) != State::Closed && !of(a).work) {
            const bool accepted = m_rules.setTeardown(a, fails(operation.outcome),
                                                      operation.outcome == Outcome::Future);
            expect(accepted, "setTeardown()", a,
                   [&] { return process.setTeardown(makeTeardown(a, operation.outcome)); });
        }
        break;
    case Kind::MoveAway:
        moveAway(a);
        break;
    case Kind::FinishFuture:
        finishFuture(a, operation.outcome);
        break;
    case Kind::Wait:
        wait(a);
        break;
    case Kind::CloseAndWait:
        closeAndWait(a);
        break;
    default:
        break;
    }
}

std::function<QFuture<Error>()> ProgramInOneThread::makeTeardown(int process, Outcome outcome)
{
    return [this, process, outcome, future = of(process).future,
            token = m_token]() -> QFuture<Error> {
        m_history.add(process, What::TearDown);
        const bool atHome = QThread::currentThread() == QCoreApplication::instance()->thread();
        if (atHome) {
            check(m_rules.mayTearDown(process), "Teardown, too early or twice,", process);
            m_rules.tearingDown(process);
            runSlot(process, Place::InTeardown);
            m_rules.tornDown(process);
        }
        if (outcome == Outcome::Future)
            return future->future();
        return TestSupport::readyFuture(conclude(outcome));
    };
}

void ProgramInOneThread::create(const Operation &operation, int parent)
{
    if (parent >= 0 && !of(parent).process)
        parent = -1;
    const int number = m_rules.create();
    m_subjects.emplace_back();
    Subject &self = m_subjects.back();
    const Outcome outcome = operation.outcome;
    if (outcome != Outcome::None)
        m_rules.setTeardown(number, fails(outcome), outcome == Outcome::Future);
    Process *const upper = parent < 0 ? nullptr : of(parent).process;
    if (upper && upper->thread() == QThread::currentThread())
        self.owner = parent;
    if (upper && !m_rules.addChild(parent, number)) { // R44
        ++m_expectedWarnings;
        m_rules.close(number);
    }
    self.process = outcome == Outcome::None ? new Process(upper)
                                            : new Process(makeTeardown(number, outcome), upper);
    self.process->setName(QString::number(number));
    watch(number);
    check(warnings == m_expectedWarnings, "The number of warnings of the constructor", number);
}

void ProgramInOneThread::watch(int number)
{
    Process *const process = of(number).process;
    of(number).closing = process->whenClosing();
    of(number).closed = process->whenClosed();
    const auto atHome = [] {
        return QThread::currentThread() == QCoreApplication::instance()->thread();
    };
    QObject::connect(
            process, &Process::stateChanged, process,
            [this, number, atHome](Process::State state) {
                const bool isClosed = state == Process::State::Closed;
                m_history.add(number, isClosed ? What::IsClosed : What::IsClosing);
                if (!atHome() || !isClosed)
                    return;
                check(m_rules.mayFinish(number), "Closed, too early or twice,", number);
                m_rules.finishing(number);
            },
            Qt::DirectConnection);
    QObject::connect(
            process, &Process::closing, process,
            [this, number, atHome] {
                m_history.add(number, What::Closing);
                if (!atHome())
                    return;
                check(m_rules.mayAnnounce(number), "closing(), too early or twice,", number);
                m_rules.announcing(number);
                runSlot(number, Place::InClosing);
            },
            Qt::DirectConnection);
    QObject::connect(
            process, &Process::closed, process,
            [this, number, atHome] {
                m_history.add(number, What::Closed);
                if (atHome())
                    runSlot(number, Place::InClosed);
            },
            Qt::DirectConnection);
}

void ProgramInOneThread::runSlot(int process, Place place)
{
    Step step { process, place };
    check(m_helpers == 0, "A step in a wait that did not need it", process);
    m_stack.push_back(&step);
    const auto operations = std::exchange(of(process).later[std::size_t(place)], {});
    if (!operations.empty())
        settle(); // what the step before this one has set going elsewhere
    for (const Operation &operation : operations)
        perform(operation);
    m_stack.pop_back();
    if (place == Place::InClosing && !step.over)
        m_rules.announced(process);
    if (place == Place::InClosed)
        m_rules.finished(process);
    // The library is a little behind the rules until it has returned from the signal.
}

void ProgramInOneThread::go(int parent, Outcome outcome)
{
    // One work that waits is what the smallest pool has room for at once.
    const bool anyWaits = std::any_of(m_subjects.begin(), m_subjects.end(), [](const Subject &one) {
        return one.gate && !one.gate->isOpen();
    });
    auto gate = std::make_shared<Gate>();
    if (anyWaits)
        gate->open();
    const int number = m_rules.go(parent);
    if (number >= 0) {
        m_subjects.emplace_back();
        if (anyWaits)
            m_rules.workReturned(number, fails(outcome));
    }
    ProcessPtr work;
    m_isGoing = true;
    expect(number >= 0, "go()", parent, [&] {
        work = of(parent).process->go(QString::number(number),
                                      [gate, outcome, token = m_token](Process &) {
                                          gate->pass();
                                          return conclude(outcome);
                                      });
        return work != nullptr;
    });
    m_isGoing = false;
    if (number < 0 || !work) {
        gate->open();
        return;
    }
    Subject &self = of(number);
    self.process = work.get();
    self.work = std::move(work);
    self.gate = std::move(gate);
    self.workOutcome = outcome;
    self.closing = self.process->whenClosing();
    self.closed = self.process->whenClosed();
}

void ProgramInOneThread::returnFromWork(int process)
{
    Subject &self = of(process);
    if (!self.gate || self.gate->isOpen())
        return;
    m_rules.workReturned(process, fails(self.workOutcome));
    self.gate->open();
    // It may have to wait for others, and then nothing tells that it has returned but its captures.
    check(comesTrue([&] { return self.gate.use_count() == 1; }), "A work did not return", process);
}

void ProgramInOneThread::release(int process)
{
    if (of(process).holds.empty())
        return;
    Hold hold = std::move(of(process).holds.back());
    of(process).holds.pop_back();
    if (hold)
        m_rules.release(process);
    hold.release();
}

void ProgramInOneThread::finishFuture(int process, Outcome outcome)
{
    if (!m_rules.hasOpenFuture(process))
        return;
    if (outcome == Outcome::Future)
        outcome = Outcome::Succeeds;
    of(process).future->finish(outcome);
    m_rules.futureFinished(process, fails(outcome) || outcome == Outcome::None);
}

void ProgramInOneThread::moveAway(int process)
{
    Process *const self = of(process).process;
    if (!m_stack.empty() || m_rules.isElsewhere(process) || of(process).owner >= 0
        || !self->children().isEmpty())
        return;
    m_rules.moveAway(process);
    self->moveToThread(&threads->first);
}

void ProgramInOneThread::destroy(int process)
{
    Step *const step = m_stack.empty() ? nullptr : m_stack.back();
    const bool inOwnSlot = step && step->process == process && m_stack.size() == 1;
    if (of(process).work || !of(process).process->children().isEmpty() || (step && !inOwnSlot)
        || (step && step->place == Place::InTeardown))
        return;
    if (step && step->place == Place::InClosed) { // R43
        delete std::exchange(of(process).process, nullptr);
        return;
    }
    Rules future = m_rules;
    future.close(process);
    if (step)
        future.announced(process);
    std::swap(future, m_rules);
    if (!isCertainToFinish(process)) {
        std::swap(future, m_rules);
        return;
    }
    if (step)
        step->over = true;
    delete std::exchange(of(process).process, nullptr);
    check(m_rules.hasFinished(process), "The destructor has not closed", process);
}

/// R39: it could only end after what is on the stack.
bool ProgramInOneThread::isBlocked(int process) const
{
    return std::any_of(m_stack.begin(), m_stack.end(), [&](const Step *step) {
        return !step->over && m_rules.waitsFor(process, step->process);
    });
}

/// True if a wait for it ends, whatever the slots do that have operations left.
bool ProgramInOneThread::isCertainToFinish(int process) const
{
    const auto isHarmless = [](const Operation &operation) {
        switch (operation.kind) {
        case Kind::AddChildNoWait:
        case Kind::Close:
        case Kind::CloseAfterChildren:
        case Kind::CloseAndWait:
        case Kind::Deliver:
        case Kind::Helper:
        case Kind::Nest:
        case Kind::Release:
        case Kind::Wait:
            return true;
        default:
            return false;
        }
    };
    for (const Subject &subject : m_subjects) {
        for (const auto &operations : subject.later) {
            if (!std::all_of(operations.begin(), operations.end(), isHarmless))
                return false;
        }
    }
    return m_rules.wouldFinish(process);
}

void ProgramInOneThread::wait(int process)
{
    Process &self = *of(process).process;
    const bool inClosed = std::any_of(m_stack.begin(), m_stack.end(), [&](const Step *step) {
        return step->process == process && step->place == Place::InClosed;
    });
    check(self.waitForClosing(QDeadlineTimer(0)) == (m_rules.state(process) != State::Running),
          "waitForClosing()", process);
    if (inClosed || m_rules.hasFinished(process)) { // R3
        check(self.waitForClosed(), "waitForClosed() after closed()", process);
    } else if (isBlocked(process)) {
        ++m_expectedWarnings;
        check(!self.waitForClosed(), "waitForClosed() that could not end", process);
    } else if (isCertainToFinish(process)) {
        check(self.waitForClosed(QDeadlineTimer(patience.load())), "waitForClosed()", process);
        check(m_rules.hasFinished(process), "A wait returned before the end", process);
    } else {
        check(!self.waitForClosed(QDeadlineTimer(0)), "waitForClosed() of an open one", process);
    }
    check(warnings == m_expectedWarnings, "The number of warnings of a wait", process);
}

void ProgramInOneThread::closeAndWait(int process)
{
    m_rules.close(process);
    of(process).process->close();
    settle();
    if (m_rules.hasFinished(process) || (!isBlocked(process) && isCertainToFinish(process))) {
        const Error error = of(process).process->closeAndWait();
        check(m_rules.hasFinished(process), "closeAndWait() returned before the end", process);
        check(error.isError() == m_rules.hasFailed(process), "The result of closeAndWait()",
              process);
    }
}

/// What needs no other thread: it can be waited for in the middle of any step (R37, R39).
void ProgramInOneThread::help()
{
    bool isTornDown = false;
    Process helper([&isTornDown] { isTornDown = true; });
    const int nested = m_stack.empty() ? 0 : 1;
    m_helpers += nested;
    const bool isClosed = !helper.closeAndWait();
    m_helpers -= nested;
    check(isClosed && isTornDown, "The helper", -1);
    check(warnings == m_expectedWarnings, "The number of warnings of a helper", -1);
}

/// Where the library calls code of its users: it has refused something, and changed nothing.
void ProgramInOneThread::intrude()
{
    const int count = m_rules.count();
    if (m_intrusion < 0 || count == 0
        || QThread::currentThread() != QCoreApplication::instance()->thread())
        return;
    const int number = m_intrusion % count;
    Process *const process = of(number).process;
    if (!process)
        return;
    static_cast<void>(process->path());
    static_cast<void>(process->waitForClosing(QDeadlineTimer(0)));
    // What is closed inside of go() may have begun its teardown elsewhere before that has added the
    // work.
    if (m_intrusion % 2 == 1 && !m_isGoing) {
        m_rules.close(number);
        process->close();
    }
}

/// Runs the event loop until the rules see no step that is due.
void ProgramInOneThread::deliver()
{
    const QDeadlineTimer end(patience.load());
    do {
        QCoreApplication::processEvents();
        settle();
        if (!check(!end.hasExpired(), "A step that is due did not run", -1))
            return;
    } while (m_rules.anyStepDue() && !m_verdict.hasFailed());
    QCoreApplication::processEvents(); // and none that is not
}

/// Waits until what runs by itself is where the rules say, and compares all states.
void ProgramInOneThread::settle()
{
    for (int i = 0; i < m_rules.count() && !m_verdict.hasFailed(); ++i) {
        Subject &self = of(i);
        if (!self.process || !m_rules.isElsewhere(i))
            continue;
        if (m_rules.hasFinished(i) && !self.knownToHaveFinished) {
            self.knownToHaveFinished = threads->helper.run([&self] {
                return self.process->waitForClosed(QDeadlineTimer(patience.load()));
            });
            check(self.knownToHaveFinished, "An end that has to come did not", i);
        }
        if (m_rules.hasOpenFuture(i))
            check(comesTrue([&] { return m_history.has(i, What::TearDown); }), "No teardown", i);
    }
    for (int i = 0; i < m_rules.count() && !m_verdict.hasFailed(); ++i) {
        // A work that has returned may be about to say so.
        const Process *const process = of(i).process;
        if (process)
            check(comesTrue([&] { return int(process->state()) == int(m_rules.state(i)); }),
                  "The state", i);
    }
}

// --- The end -------------------------------------------------------------------------------------

/// Ends everything that keeps processes open, until nothing is.
void ProgramInOneThread::finishAll()
{
    constexpr int rounds = 100; // slots may make new holds and works, but each operation runs once
    const auto allFinished = [&] {
        for (int i = 0; i < m_rules.count(); ++i) {
            if (!m_rules.hasFinished(i))
                return false;
        }
        return true;
    };
    for (int round = 0; round < rounds && !allFinished() && !m_verdict.hasFailed(); ++round) {
        for (int i = 0; i < m_rules.count(); ++i) {
            if (!of(i).process)
                continue;
            performOn({ Kind::Close }, i, i);
            performOn({ Kind::ReturnFromWork }, i, i);
            performOn({ Kind::FinishFuture, 0, 0, Outcome::Succeeds }, i, i);
            while (!of(i).holds.empty())
                release(i);
            settle();
        }
        deliver();
    }
    check(allFinished(), "Something is open at the end, as of process 0 and others", 0);
}

void ProgramInOneThread::compareAtTheEnd()
{
    for (int i = 0; i < m_rules.count(); ++i) {
        Subject &self = of(i);
        if (!self.work)
            check(m_history.isLife(i, m_rules.hasTeardown(i)), "The order of life", i);
        check(self.closing.isFinished() && self.closed.isFinished(), "The futures", i);
        check(self.closed.isResultReadyAt(0)
                      && self.closed.resultAt(0).isError() == m_rules.hasFailed(i),
              "The error in the future", i);
        if (!self.process)
            continue;
        check(self.process->error().isError() == m_rules.hasFailed(i), "error()", i);
        std::set<int> failed;
        const auto errors = self.process->treeErrors();
        for (const GoProcess::ProcessError &error : errors)
            failed.insert(error.path.section(QLatin1Char('/'), -1).toInt());
        check(failed == m_rules.failedBelow(i), "treeErrors()", i);
    }
}

QString ProgramInOneThread::run(const Program &program)
{
    warnings = 0;
    remarks = 0;
    Intruder::set([this] { intrude(); });
    for (const Operation &operation : program) {
        if (!m_verdict.hasFailed())
            take(operation);
    }
    if (!m_verdict.hasFailed())
        finishAll();
    if (!m_verdict.hasFailed())
        compareAtTheEnd();
    check(Intruder::clear(QDeadlineTimer(patience.load())), "A call inside the library", -1);
    check(remarks == 0, "A warning that is no refusal", -1);

    if (m_verdict.hasFailed()) {
        for (Subject &subject : m_subjects) {
            if (subject.gate)
                subject.gate->open();
        }
        return m_verdict.failure();
    }
    for (auto subject = m_subjects.rbegin(); subject != m_subjects.rend(); ++subject) {
        if (!subject->work)
            delete std::exchange(subject->process, nullptr); // children first
        subject->work.reset();
    }
    QCoreApplication::processEvents();
    check(m_token.use_count() == 1, "What was captured is not destroyed", -1);
    return m_verdict.failure();
}

} // namespace

QString runInOneThread(const Program &program)
{
    auto run = std::make_unique<ProgramInOneThread>();
    const QString failure = run->run(program);
    if (!failure.isEmpty()) {
        // Something may be open that refers to it, and has steps that are due.
        run.release();
        QCoreApplication::processEvents();
    }
    return failure;
}

} // namespace RandomPrograms
