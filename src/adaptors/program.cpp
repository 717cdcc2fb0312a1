// SPDX-License-Identifier: MIT
// adopt() of a QProcess.

#include "adoption_p.h"

#include "common/logging_p.h"

#include <GoProcess/adaptors.h>

#include <QDeadlineTimer>
#include <QProcess>
#include <QThread>
#include <QTimer>

#include <algorithm>
#include <csignal>
#include <limits>
#include <optional>
#include <vector>

namespace GoProcess {

namespace Private {

namespace {

using std::chrono::milliseconds;

/// The adopted programs, for the end of the application.
class Programs
{
public:
    /// Never destroyed, as a QProcess may be in static destruction.
    static Programs &instance()
    {
        static auto *const programs = new Programs;
        static const EndOfApplication end;
        return *programs;
    }

    void add(QProcess *program)
    {
        const std::lock_guard lock(m_mutex);
        m_programs.push_back(program);
    }
    void remove(const QProcess *program)
    {
        const std::lock_guard lock(m_mutex);
        m_programs.erase(std::find(m_programs.begin(), m_programs.end(), program));
    }

private:
    struct EndOfApplication
    {
        Q_DISABLE_COPY_MOVE(EndOfApplication)
        EndOfApplication() = default;
        ~EndOfApplication() { instance().killAll(); }
    };

    Programs() = default;
    void killAll();

    Mutex m_mutex;
    std::vector<QProcess *> m_programs; // guarded by m_mutex
};

void Programs::killAll()
{
    if (Forks::isChild()) // GCOVR_EXCL_BR_LINE: rare
        return; // they are the parent's. GCOVR_EXCL_LINE: rare
    Warnings warnings;
    const std::lock_guard lock(m_mutex);
    for (QProcess *program : m_programs) {
        if (program->state() == QProcess::NotRunning) // GCOVR_EXCL_BR_LINE: race
            continue; // GCOVR_EXCL_LINE: race
        warnings.add(
                QStringLiteral("The program %1 still runs at the end of the application, and is "
                               "killed: neither its process nor its QProcess was destroyed")
                        .arg(program->program()));
        program->kill();
    }
}

/// Everything happens in the thread of the QProcess.
class ProgramAdoption final : public Adoption
{
public:
    ProgramAdoption(QProcess *program, milliseconds grace, ProgramEnd how)
        : m_program(program),
          m_grace(std::clamp(grace, milliseconds(0),
                             milliseconds(std::numeric_limits<int>::max()))),
          m_how(how)
    {
        Programs::instance().add(program);
    }

    void watch();

private:
    void listen();
    /// How a run has ended.
    struct Exit
    {
        int code = 0;
        QProcess::ExitStatus status = QProcess::NormalExit;
    };
    /// What was done to end it, in that order.
    enum class Asked : std::uint8_t { Nothing, EndOfInput, Terminate, Kill };

    void stop() override;
    bool finish(QDeadlineTimer deadline) override;
    void stateChanged(QProcess::ProcessState state);
    void errorOccurred(QProcess::ProcessError error);
    void destroyed();
    void ask(Asked what);
    void graceIsOver();
    void endRun();
    Exit exitNow() const { return { m_program->exitCode(), m_program->exitStatus() }; }
    Error result(const Exit &exit) const;
    Error failedToStart() const;
    bool hasObeyed(const Exit &exit) const;
    // GCOVR_EXCL_BR_START: race
    bool isRunning() const { return m_program && m_program->state() != QProcess::NotRunning; }
    // GCOVR_EXCL_BR_STOP

    QProcess *m_program; ///< Null once it is destroyed.
    const milliseconds m_grace;
    const ProgramEnd m_how;
    QDeadlineTimer m_graceEnd;
    QMetaObject::Connection m_listening; ///< False after the program's disconnect().
    QString m_name; ///< Of the program that runs, as the next run may be of another one.
    Asked m_asked = Asked::Nothing;
    bool m_hasRun = false; ///< The run was seen to run, so that it has not failed to start.
    /// How the run has ended. Taken before slots of the program hear of it: one of finished() may
    /// start the QProcess anew before this object hears of that signal.
    std::optional<Exit> m_exit;
};

void ProgramAdoption::listen()
{
    const auto self = std::static_pointer_cast<ProgramAdoption>(shared_from_this());
    QObject::connect(m_program, &QProcess::stateChanged, m_program,
                     [self](QProcess::ProcessState state) { self->stateChanged(state); });
    m_listening = QObject::connect(m_program, &QProcess::finished, m_program,
                                   [self](int code, QProcess::ExitStatus status) {
                                       self->m_exit = Exit { code, status };
                                       self->endRun();
                                   });
    QObject::connect(m_program, &QProcess::errorOccurred, m_program,
                     [self](QProcess::ProcessError error) { self->errorOccurred(error); });
    QObject::connect(m_program, &QObject::destroyed, [self] { self->destroyed(); });
}

void ProgramAdoption::watch()
{
    listen();
    const auto self = std::static_pointer_cast<ProgramAdoption>(shared_from_this());
    new AtDestruction(m_program, [self] { self->destroyed(); });
    m_name = m_program->program();
    m_hasRun = m_program->state() == QProcess::Running;
    if (isRunning())
        return;
    // It has ended before, or waits for its next run.
    const Error error =
            m_program->error() == QProcess::FailedToStart ? failedToStart() : result(exitNow());
    if (error)
        end(error);
}

void ProgramAdoption::stateChanged(QProcess::ProcessState state)
{
    if (hasEnded() || m_exit)
        return; // of the next run
    m_name = m_program->program();
    if (state == QProcess::Running)
        m_hasRun = true;
    else if (state == QProcess::NotRunning && m_hasRun)
        m_exit = exitNow();
}

void ProgramAdoption::errorOccurred(QProcess::ProcessError error)
{
    if (error == QProcess::FailedToStart && !m_hasRun && !hasEnded()) // GCOVR_EXCL_BR_LINE: race
        end(failedToStart());
}

void ProgramAdoption::stop()
{
    if (m_exit || !isRunning()) {
        endRun();
        return;
    }
    if (!m_listening)
        listen();
    ask(m_how == ProgramEnd::EndOfInput ? Asked::EndOfInput : Asked::Terminate);
}

/// Asks the program to end, and sees after the grace whether it has.
void ProgramAdoption::ask(Asked what)
{
    m_asked = what;
    m_graceEnd = QDeadlineTimer(m_grace);
    if (what != Asked::Kill) {
        const auto self = std::static_pointer_cast<ProgramAdoption>(shared_from_this());
        QTimer::singleShot(m_grace, m_program, [self, what] {
            if (self->m_asked == what) // GCOVR_EXCL_BR_LINE: race
                self->graceIsOver();
        });
    }
    switch (what) { // GCOVR_EXCL_BR_LINE: compiler
    case Asked::Nothing: // GCOVR_EXCL_LINE: compiler
        break; // GCOVR_EXCL_LINE: compiler
    case Asked::EndOfInput:
        m_program->closeWriteChannel();
        break;
    case Asked::Terminate:
        m_program->terminate();
        break;
    case Asked::Kill:
        m_program->kill();
        break;
    }
}

void ProgramAdoption::graceIsOver()
{
    if (hasEnded())
        return; // perhaps it runs again, which is not ours to end
    if (m_exit || !isRunning()) // GCOVR_EXCL_BR_LINE: race
        endRun(); // its signals were blocked, and so have not told
    else
        ask(m_asked == Asked::EndOfInput ? Asked::Terminate : Asked::Kill);
}

/// In slices, as other programs may have to be killed meanwhile, and the wait has steps to run.
bool ProgramAdoption::finish(QDeadlineTimer deadline)
{
    constexpr qint64 slice = 10; // ms

    if (!hasEnded() && !m_exit && isRunning()) { // GCOVR_EXCL_BR_LINE: race
        const bool isKilled = m_asked == Asked::Kill;
        if (!isKilled && m_graceEnd.hasExpired())
            graceIsOver();
        const QDeadlineTimer end = isKilled ? deadline : std::min(m_graceEnd, deadline);
        const qint64 left = end.isForever() ? slice : std::min(slice, end.remainingTime());
        // Slots of its signals run in this call, and may destroy it.
        if (isRunning()) // GCOVR_EXCL_BR_LINE: race
            m_program->waitForFinished(int(std::max<qint64>(left, 0)));
    }
    if (!hasEnded() && (m_exit || !isRunning())) // GCOVR_EXCL_BR_LINE: race
        endRun(); // GCOVR_EXCL_LINE: race
    return hasEnded();
}

void ProgramAdoption::destroyed()
{
    if (!m_program)
        return;
    Programs::instance().remove(m_program);
    m_program = nullptr;
    end();
}

/// The run is over.
void ProgramAdoption::endRun()
{
    if (!m_exit && m_program && !hasEnded()) { // GCOVR_EXCL_BR_LINE: race
        if (m_program->error() == QProcess::FailedToStart) { // GCOVR_EXCL_BR_LINE: race
            end(failedToStart()); // GCOVR_EXCL_LINE: race
            return; // GCOVR_EXCL_LINE: race
        }
        m_exit = exitNow();
    }
    end(m_program && m_exit ? result(*m_exit) : Error()); // GCOVR_EXCL_BR_LINE: race
}

Error ProgramAdoption::failedToStart() const
{
    return QStringLiteral("The program %1 could not be started: %2")
            .arg(m_name, m_program->errorString());
}

/// It has ended by the SIGTERM that it got from here.
bool ProgramAdoption::hasObeyed([[maybe_unused]] const Exit &exit) const
{
    if (m_asked < Asked::Terminate)
        return false;
#ifdef Q_OS_UNIX
    constexpr int byShell = 128;
    return exit.code == (exit.status == QProcess::CrashExit ? SIGTERM : byShell + SIGTERM);
#else
    return true;
#endif
}

Error ProgramAdoption::result(const Exit &exit) const
{
    const bool crashed = exit.status == QProcess::CrashExit;
    if (m_asked == Asked::Kill && crashed) { // GCOVR_EXCL_BR_LINE: race
        return QStringLiteral("The program %1 had not ended %2 ms after it was asked to, and was "
                              "killed")
                .arg(m_name)
                .arg(m_grace.count());
    }
    if (hasObeyed(exit))
        return {};
    if (crashed)
        return QStringLiteral("The program %1 has crashed or was killed").arg(m_name);
    if (exit.code != 0)
        return QStringLiteral("The program %1 has ended with exit code %2")
                .arg(m_name)
                .arg(exit.code);
    return {};
}

} // namespace

} // namespace Private

Process *adopt(QProcess *program, QObject *parent, std::chrono::milliseconds grace, ProgramEnd how)
{
    return adopt(QString(), program, parent, grace, how);
}

Process *adopt(const QString &name, QProcess *program, QObject *parent,
               std::chrono::milliseconds grace, ProgramEnd how)
{
    if (!program)
        return Private::refuseNull("program", parent);
    if (program->thread() != QThread::currentThread() || Private::isThreadWithoutHomes()) {
        return Private::refuseAdoption(
                QStringLiteral("a QProcess is adopted in its own thread, and not inside a work"),
                parent);
    }
    const auto adoption = std::make_shared<Private::ProgramAdoption>(program, grace, how);
    adoption->watch();
    return adoption->makeProcess(name, parent);
}

} // namespace GoProcess
