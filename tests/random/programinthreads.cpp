// SPDX-License-Identifier: MIT
// Runs a program in up to four threads at once, on processes at home in three others, and in some that end
// while the program runs, and checks what holds in every interleaving.
//
// Locals outlive the event loops here: clazy:excludeall=lambda-in-connect

#include "endingthreads.h"
#include "history.h"
#include "intruder.h"
#include "runners.h"
#include "support/readyfuture.h"
#include "support/threads.h"
#include "support/waits.h"

#include <QAbstractEventDispatcher>
#include <QCoreApplication>
#include <QEventLoop>
#include <QThread>
#include <QTimer>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <iterator>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

using GoProcess::Error;
using GoProcess::Hold;
using GoProcess::Process;
using GoProcess::ProcessPtr;

using TestSupport::EventLoopThread;
using TestSupport::Gate;
using TestSupport::Thread;

namespace RandomPrograms {

namespace {

constexpr int slots = 6;
constexpr int lastingHomes = 3; ///< The others are threads that end.
constexpr int mostWorkThreads = 4096; ///< Of the library, unless told otherwise.

/// What the calling thread is in the middle of.
struct Depth
{
    int steps = 0;
    int nestedLoops = 0;
    int helpers = 0; ///< Waits in steps for what needs no other step.
};
thread_local Depth depth;

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
    QTimer m_tick; ///< So that nothing is waited for in vain if nobody wakes the thread.
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
    bool mayFail = false; ///< How its future ends is up to who comes first.
    bool isDeletedLater = false; ///< Once it is dropped: how it is destroyed.
    Process *self = nullptr; ///< Also during its destructor.
    std::atomic<int> home = 0;
    std::atomic<int> users = 0; ///< Once it is dropped there are no new ones.
    OpenFuture future;
    QFuture<void> closing;
    QFuture<Error> closed;
    std::mutex mutex;
    std::vector<Operation> later[std::size_t(Place::Count)];
    std::unique_ptr<Process> process; ///< The last member, as R47 demands.
};
using SubjectPtr = std::shared_ptr<Subject>;

/// A work that was accepted.
struct Work
{
    ProcessPtr process;
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
    Error work(Process &self, const Operation &operation, const std::shared_ptr<Gate> &gate);
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
    std::vector<std::pair<int, Hold>> m_holds; ///< With the number of the process.
};

EventLoopThread &loop(int number)
{
    return number == 0 ? threads->first : threads->second;
}

bool ProgramInThreads::check(bool condition, const char *what, int process)
{
    return m_verdict.check(condition,
                           QStringLiteral("%1 of process %2 (what happened: %3)")
                                   .arg(QLatin1String(what))
                                   .arg(process)
                                   .arg(m_history.describe()));
}

// --- Processes -----------------------------------------------------------------------------------

/// In the calling thread, and moved to its home before anybody else knows it.
SubjectPtr ProgramInThreads::make(Outcome outcome, int home)
{
    SubjectPtr subject;
    {
        const std::lock_guard lock(m_mutex);
        subject = std::make_shared<Subject>(int(m_all.size()));
        m_all.push_back(subject);
    }
    Subject &self = *subject;
    self.process = std::make_unique<Process>();
    self.self = self.process.get();
    self.process->setName(QString::number(self.number));
    self.hasTeardown = outcome != Outcome::None;
    self.fails = fails(outcome);
    self.mayFail = outcome == Outcome::Future;
    if (self.hasTeardown) {
        const auto tearDown = [this, outcome, raw = &self, token = m_token]() -> QFuture<Error> {
            runSlot(*raw, What::TearDown, Place::InTeardown);
            if (outcome == Outcome::Future)
                return raw->future.future();
            return TestSupport::readyFuture(conclude(outcome));
        };
        if (self.number % 2 == 0) {
            self.process->setTeardown(tearDown);
        } else {
            self.process->setTeardown(tearDown,
                                      [raw = &self] { raw->future.finish(Outcome::Succeeds); });
        }
    }
    watch(self);
    // Else its steps would run in a thread that has no event loop.
    if (!moveHere(self, { Kind::MoveAway, 0, home }))
        moveHere(self, { Kind::MoveAway, 0, home % lastingHomes });
    return subject;
}

void ProgramInThreads::watch(Subject &subject)
{
    Process *const process = subject.process.get();
    Subject *const raw = &subject;
    subject.closing = process->whenClosing();
    subject.closed = process->whenClosed();
    QObject::connect(
            process, &Process::stateChanged, process,
            [this, raw, process](Process::State state) {
                const bool isClosed = state == Process::State::Closed;
                check(process->state() == state, "The state in stateChanged()", raw->number);
                m_history.add(raw->number, isClosed ? What::IsClosed : What::IsClosing);
            },
            Qt::DirectConnection);
    QObject::connect(
            process, &Process::closing, process,
            [this, raw] { runSlot(*raw, What::Closing, Place::InClosing); }, Qt::DirectConnection);
    QObject::connect(
            process, &Process::closed, process,
            [this, raw] { runSlot(*raw, What::Closed, Place::InClosed); }, Qt::DirectConnection);
}

/// What happens in a slot or a teardown, and what the program does there.
void ProgramInThreads::runSlot(const Subject &subject, What what, Place place)
{
    ++m_slotsThatRun;
    const Counting step(depth.steps);
    const Uncounted::Suspension counted;
    m_history.add(subject.number, what);
    checkPlace(subject);
    for (const Operation &operation : const_cast<Subject &>(subject).takeLater(place))
        perform(operation);
    --m_slotsThatRun;
    m_mainQueue.wake();
}

/// R34, R37: where it runs, and that a wait in a step runs those first that it needs.
void ProgramInThreads::checkPlace(const Subject &subject)
{
    const QThread *const home = subject.self->thread();
    if (isLasting(home))
        check(home == QThread::currentThread(), "A step elsewhere than at home", subject.number);
    if (isLasting(QThread::currentThread()))
        check(depth.helpers == 0, "A step in a wait that did not need it", subject.number);
}

/// The process in a slot, for as long as the caller needs it.
SubjectPtr ProgramInThreads::at(int slot)
{
    const std::lock_guard lock(m_mutex);
    const SubjectPtr &subject = m_slots[std::size_t(slot % slots)];
    if (!subject)
        return {};
    // Release pairs with the acquire of who destroys it: that comes after all that users did.
    subject->users.fetch_add(1, std::memory_order_relaxed);
    return SubjectPtr(subject.get(), [keep = subject](Subject *self) {
        self->users.fetch_sub(1, std::memory_order_release);
    });
}

QThread *ProgramInThreads::threadOf(int home)
{
    return home == 0 ? QCoreApplication::instance()->thread() : &loop(home - 1);
}

bool ProgramInThreads::isLasting(const QThread *thread)
{
    return thread == threadOf(0) || thread == threadOf(1) || thread == threadOf(2);
}

void ProgramInThreads::post(int home, std::function<void()> function)
{
    if (home == 0)
        m_mainQueue.post(std::move(function));
    else
        loop(home - 1).post(std::move(function));
}

// --- Operations, in any thread -------------------------------------------------------------------

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
    case 3: // a thread that the library knows nothing about waits for a step, which may come after the work
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

/// What needs nobody else: any thread may wait for it, in the middle of whatever (R37, R39).
void ProgramInThreads::help()
{
    bool isTornDown = false;
    Process helper([&isTornDown] { isTornDown = true; });
    int others = 0;
    const Counting wait(depth.steps > 0 ? depth.helpers : others);
    const bool isClosed = !helper.closeAndWait();
    check(isClosed && isTornDown, "A process that waits for nothing", -1);
}

/// R40: a step may run an event loop, in which the closes of its thread go on.
void ProgramInThreads::nest()
{
    constexpr int deepest = 2;
    if (depth.steps == 0 || depth.nestedLoops == deepest || !isLasting(QThread::currentThread()))
        return;
    const Counting nested(depth.nestedLoops);
    QEventLoop loop;
    Process process([] {});
    QObject::connect(&process, &Process::closed, &loop, &QEventLoop::quit);
    process.close();
    QTimer::singleShot(patience.load(), &loop, &QEventLoop::quit);
    loop.exec();
    check(process.isClosed(), "A close in a nested event loop", -1);
    nestInWait();
}

/// R40: the same in a step that a wait runs, of what another thread has closed while this one slept.
void ProgramInThreads::nestInWait()
{
    std::array<Process, 2> lower;
    Process upper;
    bool isFirst = true;
    for (std::size_t i = 0; i < lower.size(); ++i) {
        upper.addChild(&lower[i]);
        QObject::connect(
                &lower[i], &Process::closing, &lower[i],
                [this, &isFirst, other = &lower[1 - i]] {
                    if (!std::exchange(isFirst, false))
                        return;
                    bool isTold = false;
                    QEventLoop loop;
                    QObject::connect(
                            other, &Process::closing, &loop,
                            [&] {
                                isTold = true;
                                loop.quit();
                            },
                            Qt::DirectConnection);
                    QTimer::singleShot(patience.load(), &loop, &QEventLoop::quit);
                    loop.exec();
                    check(isTold, "closing() in a nested event loop in a wait", -1);
                },
                Qt::DirectConnection);
    }
    Thread closer([&upper] {
        std::this_thread::sleep_for(std::chrono::microseconds(100)); // until the other one sleeps
        upper.close();
    });
    upper.waitForClosed();
}

/// R36: whoever closes it meanwhile, its new home runs its steps, without any help of the old one.
void ProgramInThreads::relocate(const Operation &operation)
{
    /// Waits in moveToThread(), for those that are closed before.
    class Child final : public QObject
    {
    public:
        Child(Process &process, Verdict &verdict)
            : QObject(&process), m_process(process), m_verdict(verdict)
        {
        }
        bool event(QEvent *event) override
        {
            if (event->type() == QEvent::ThreadChange && m_process.isClosing()) {
                m_verdict.check(m_process.waitForClosed(QDeadlineTimer(patience.load())),
                                QStringLiteral("A wait in moveToThread()"));
            }
            return QObject::event(event);
        }

    private:
        Process &m_process;
        Verdict &m_verdict;
    };

    OpenFuture future;
    Process process;
    if (operation.b % 3 == 2)
        process.setTeardown([&future] { return future.future(); },
                            [&future] { future.finish(Outcome::Succeeds); });
    else
        process.setTeardown([] {});

    std::atomic<bool> begins = false;
    Thread other;
    const auto moveWhile = [&](std::function<void()> function) {
        other = Thread([&begins, function = std::move(function)] {
            begins = true;
            function();
        });
        while (!begins) { }
        for (int i = 0; i < 40 * operation.a && !process.isClosing(); ++i) { }
        process.moveToThread(&threads->helper);
    };
    switch (operation.b % 3) {
    case 0:
        new Child(process, m_verdict);
        process.close();
        process.moveToThread(&threads->helper);
        break;
    case 1:
        moveWhile([&] { process.close(); });
        break;
    default:
        process.close();
        help(); // runs what is due here: from here on the teardown waits for its future
        moveWhile([&] {
            for (int i = 0; i < 100 * operation.at; ++i)
                std::atomic_signal_fence(std::memory_order_seq_cst);
            future.finish(Outcome::Succeeds);
        });
        process.waitForClosed(QDeadlineTimer(1)); // its new home ends it, whoever else could
    }
    const QDeadlineTimer end(patience.load());
    while (!process.isClosed() && !end.hasExpired())
        std::this_thread::yield();
    check(process.isClosed(), "A process that moved while it was closed", -1);
    process.waitForClosed();
}

/// Whoever hears that a wait takes long may end it.
void ProgramInThreads::beClosed()
{
    if (!mayWaitLong())
        return;
    Process process([] {});
    closedByHandler = &process;
    check(process.waitForClosed(QDeadlineTimer(std::chrono::seconds(10))),
          "A wait for what the message handler closed", -1);
    closedByHandler = nullptr;
}

void ProgramInThreads::makeThread(const Operation &operation)
{
    EndingThreadPlan plan;
    plan.isStarted = operation.b % 4 != 3;
    plan.isDisconnected = operation.b % 4 == 2;
    plan.workers = operation.b % 4 == 1 ? 2 : 0;
    plan.isLibraryFirst = operation.b < 4;
    if (const SubjectPtr held = operation.at % 2 == 0 ? at(operation.at) : nullptr) {
        const Uncounted uncounted; // it may have begun its teardown
        plan.hold = held->process->hold();
    }
    m_endingThreads.make(operation.a % EndingThreads::places, std::move(plan));
}

/// Where the library calls code of its users.
void ProgramInThreads::intrude()
{
    const int what = m_intrusion;
    const SubjectPtr subject = what < 0 ? nullptr : at(what / 4);
    if (!subject)
        return;
    Process &process = *subject->process;
    static_cast<void>(process.path());
    static_cast<void>(process.treeErrors());
    switch (what % 4) {
    case 1:
        process.waitForClosed(QDeadlineTimer(1));
        break;
    case 2:
        if (!process.isClosing()) // refused, the message would come by no handler
            process.hold().release();
        break;
    case 3:
        process.close();
        break;
    default:
        break;
    }
}

// --- The end -------------------------------------------------------------------------------------

/// In a thread of its own: the destructor of each that nobody else holds any more.
void ProgramInThreads::destroyThoseThatAreDropped()
{
    for (bool last = false;;) {
        SubjectPtr subject;
        {
            const std::lock_guard lock(m_mutex);
            for (auto dropped = m_dropped.begin(); dropped != m_dropped.end(); ++dropped) {
                if ((*dropped)->users.load(std::memory_order_acquire) == 0) {
                    subject = std::move(*dropped);
                    m_dropped.erase(dropped);
                    break;
                }
            }
            if (!subject && ((m_dropped.empty() && last) || m_verdict.hasFailed()))
                break;
        }
        if (subject) {
            destroy(subject);
        } else {
            last = m_isOver; // those that were dropped before that are seen in one more round
            std::this_thread::sleep_for(std::chrono::microseconds(200)); // others may hold them
        }
    }
    --m_destroyersThatRun;
    m_mainQueue.wake();
}

void ProgramInThreads::destroy(const SubjectPtr &subject)
{
    const int home = subject->home;
    if (!subject->isDeletedLater || home == 0 || home >= lastingHomes) {
        subject->process.reset();
        return;
    }
    ++m_deletions;
    post(home, [this, subject] {
        // Not in a step, which may be one that it waits for; nor where it is not at home. Others do it then.
        if (depth.steps > 0 || subject->process->thread() != QThread::currentThread()) {
            subject->isDeletedLater = false;
            --m_deletions;
            const std::lock_guard lock(m_mutex);
            m_dropped.push_back(subject);
            return;
        }
        Process *const process = subject->process.release();
        QObject::connect(
                process, &QObject::destroyed, process, [this] { --m_deletions; },
                Qt::DirectConnection);
        process->deleteLater();
    });
}

/// Closes all, ends what keeps it open, and runs the event loop until nothing is.
void ProgramInThreads::finishAll()
{
    // A slot that has just run may have made more: so twice.
    const QDeadlineTimer end(patience.load());
    for (int quietRounds = 0; quietRounds < 2;) {
        m_endingThreads.endAll();
        release(-1);
        // Those that nobody destroys are at hand, others may go at any moment.
        for (int slot = 0; slot < slots; ++slot) {
            if (const SubjectPtr subject = at(slot))
                subject->process->close();
        }
        const bool open = isAnythingOpen();
        m_mainQueue.run();
        quietRounds = open || m_slotsThatRun > 0 ? 0 : quietRounds + 1;
        if (!check(!end.hasExpired(), "Something is open at the end, as of process 0 and others",
                   0))
            return;
    }
}

/// Ends the futures as well.
bool ProgramInThreads::isAnythingOpen()
{
    std::vector<SubjectPtr> all;
    std::vector<ProcessPtr> works;
    {
        const std::lock_guard lock(m_mutex);
        all = m_all;
        for (const Work &work : m_works)
            works.push_back(work.process);
    }
    bool open = m_deletions > 0;
    for (const SubjectPtr &subject : all) {
        subject->future.finish(Outcome::Succeeds);
        open = open || !m_history.has(subject->number, What::Closed);
    }
    for (const ProcessPtr &work : works)
        open = open || !work->isClosed();
    if (!open)
        m_endingThreads.setQuiet();
    return open || m_endingThreads.hasAny();
}

void ProgramInThreads::compare()
{
    for (const SubjectPtr &subject : m_all) {
        const Subject &self = *subject;
        check(m_history.isLife(self.number, self.hasTeardown), "The order of life", self.number);
        check(self.closing.isFinished() && self.closed.isFinished(), "The futures", self.number);
        check(self.closed.isResultReadyAt(0)
                      && (self.mayFail || self.closed.resultAt(0).isError() == self.fails),
              "The error in the future", self.number);
    }
    for (const Work &work : m_works) {
        check(*work.runs == 1, "The times that a work of it ran", work.parent);
        check(work.process->error().isError() == fails(work.outcome), "The error of a work",
              work.parent);
    }
    compareEdges();
    check(warnings == m_refused, "The number of warnings", -1);
}

void ProgramInThreads::compareEdges()
{
    for (const Edge &edge : m_edges) {
        if (!edge.isCertain || !edge.waits)
            continue;
        const Subject &upper = *m_all[std::size_t(edge.upper)];
        const Subject &lower = *m_all[std::size_t(edge.lower)];
        check(m_history.inOrder(lower.number, What::Closed, upper.number,
                                upper.hasTeardown ? What::TearDown : What::IsClosed),
              "A teardown before what it waits for", upper.number);
        if (!edge.closes || !upper.process)
            continue;
        QStringList failed; // R27
        const auto errors = upper.process->treeErrors();
        for (const GoProcess::ProcessError &error : errors)
            failed += error.path.section(QLatin1Char('/'), -1);
        check(!lower.fails || failed.contains(QString::number(lower.number)), "treeErrors()",
              upper.number);
    }
}

void ProgramInThreads::runParts(const Program &program)
{
    std::atomic<int> running = 0;
    std::vector<Thread> threads;
    for (int part = 0; part < 4; ++part) {
        const auto isOfPart = [part](const Operation &operation) {
            return operation.thread == part;
        };
        if (std::none_of(program.begin(), program.end(), isOfPart))
            continue;
        ++running;
        threads.emplace_back([this, part, &program, &running] {
            runPart(program, part);
            --running;
            m_mainQueue.wake();
        });
    }
    while (running > 0)
        m_mainQueue.run();
}

QString ProgramInThreads::run(const Program &program)
{
    warnings = 0;
    Intruder::set([this] { intrude(); });
    for (int i = 0; i < slots; ++i)
        m_slots[std::size_t(i)] = make(Outcome(i % int(Outcome::Count)), i % 3);
    std::vector<std::thread> destroyers;
    for (int i = 0; i < 2; ++i)
        destroyers.emplace_back([this] { destroyThoseThatAreDropped(); });
    destroyers.emplace_back([this] { m_endingThreads.reap(m_isOver); });
    runParts(program);
    finishAll();
    m_isOver = true;
    GoProcess::setMaxWorkThreadCount(mostWorkThreads);
    check(Intruder::clear(QDeadlineTimer(patience.load())), "A call inside the library", -1);
    if (m_verdict.hasFailed()) {
        // They may be blocked for ever.
        for (std::thread &destroyer : destroyers)
            destroyer.detach();
        return m_verdict.failure();
    }
    while (m_destroyersThatRun > 0)
        m_mainQueue.run(); // what has been posted keeps processes that shall be destroyed
    for (std::thread &destroyer : destroyers)
        destroyer.join();
    for (int i = 0; i < 2; ++i)
        loop(i).flush();
    m_mainQueue.run();
    compare();

    m_slots = {};
    m_works.clear();
    m_all.clear();
    check(m_token.use_count() == 1, "What was captured is not destroyed", -1);
    return m_verdict.failure();
}

} // namespace

QString runInThreads(const Program &program)
{
    auto run = std::make_unique<ProgramInThreads>();
    const QString failure = run->run(program);
    if (!failure.isEmpty())
        run.release(); // something may be open that refers to it
    return failure;
}

} // namespace RandomPrograms
