// SPDX-License-Identifier: MIT
// How a program that runs in threads makes its processes, and how it ends.
//
// Locals outlive the event loops here: clazy:excludeall=lambda-in-connect

#include "programinthreads.h"

#include "intruder.h"
#include "support/readyfuture.h"

#include <algorithm>
#include <thread>

using GoProcess::Error;
using GoProcess::Process;
using GoProcess::ProcessPtr;

using TestSupport::Thread;

namespace RandomPrograms {

TestSupport::EventLoopThread &ProgramInThreads::loop(int number)
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

/// In the calling thread, and moved to its home before another thread knows it.
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
    // Release pairs with the acquire of the thread that destroys it, which comes after all that
    // users did.
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

// --- The end -------------------------------------------------------------------------------------

/// In a thread of its own: the destructor of each that no other thread holds any more.
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
        // Not in a step, which may be one that it waits for; nor where it is not at home. Others do
        // it then.
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
        // Its destructor would close it only behind that of another one that goes in this thread, and
        // may wait for it.
        process->close();
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
        // Those that no thread destroys are at hand, others may go at any moment.
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
    std::vector<Thread> parts;
    for (int part = 0; part < 4; ++part) {
        const auto isOfPart = [part](const Operation &operation) {
            return operation.thread == part;
        };
        if (std::none_of(program.begin(), program.end(), isOfPart))
            continue;
        ++running;
        parts.emplace_back([this, part, &program, &running] {
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

QString runInThreads(const Program &program)
{
    auto run = std::make_unique<ProgramInThreads>();
    const QString failure = run->run(program);
    if (!failure.isEmpty())
        run.release(); // something may be open that refers to it
    return failure;
}

} // namespace RandomPrograms
