// SPDX-License-Identifier: MIT
// adopt() of a QProcess.

#include "adoption_p.h"

#include "core/logging_p.h"

#include <GoProcess/adaptors.h>

#include <QDeadlineTimer>
#include <QPointer>
#include <QProcess>
#include <QThread>
#include <QTimer>

#include <algorithm>
#include <csignal>
#include <limits>
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

    std::mutex m_mutex;
    std::vector<QProcess *> m_programs; // guarded by m_mutex
};

void Programs::killAll()
{
    const std::lock_guard lock(m_mutex);
    for (QProcess *program : m_programs) {
        if (program->state() == QProcess::NotRunning)
            continue;
        qCWarning(lcProcess).noquote()
                << QStringLiteral("The program %1 still runs at the end of the application, and is "
                                  "killed: neither its process nor its QProcess was destroyed")
                           .arg(program->program());
        program->kill();
    }
}

/// Everything happens in the thread of the QProcess.
class ProgramAdoption final : public Adoption
{
public:
    ProgramAdoption(QProcess *program, milliseconds grace)
        : m_program(program),
          m_grace(std::clamp(grace, milliseconds(0), milliseconds(std::numeric_limits<int>::max())))
    {
        Programs::instance().add(program);
    }

    void watch();

private:
    void stop() override;
    void finish() override;
    void kill();
    void destroyed();
    Error result() const;
    bool hasObeyed() const;
    bool isRunning() const { return m_program && m_program->state() != QProcess::NotRunning; }

    QProcess *m_program; ///< Null once it is destroyed.
    const milliseconds m_grace;
    QDeadlineTimer m_killAt;
    bool m_terminated = false;
    bool m_killed = false;
};

void ProgramAdoption::watch()
{
    const auto self = std::static_pointer_cast<ProgramAdoption>(shared_from_this());
    QObject::connect(m_program, &QProcess::finished, m_program,
                     [self](int, QProcess::ExitStatus) { self->end(self->result()); });
    QObject::connect(m_program, &QProcess::errorOccurred, m_program,
                     [self](QProcess::ProcessError error) {
                         if (error == QProcess::FailedToStart)
                             self->end(self->result());
                     });
    QObject::connect(m_program, &QObject::destroyed, [self] { self->destroyed(); });
    if (!isRunning()) {
        if (const Error error = result()) // it has ended before
            end(error);
    }
}

void ProgramAdoption::stop()
{
    if (!isRunning()) {
        end(m_program ? result() : Error());
        return;
    }
    m_terminated = true;
    m_killAt = QDeadlineTimer(m_grace);
    const auto self = std::static_pointer_cast<ProgramAdoption>(shared_from_this());
    QTimer::singleShot(m_grace, m_program, [self] { self->kill(); });
    m_program->terminate();
}

void ProgramAdoption::kill()
{
    if (hasEnded() || !isRunning())
        return; // perhaps it runs again, which is not ours to end
    m_killed = true;
    m_program->kill();
}

void ProgramAdoption::finish()
{
    // Slots of its signals run in these calls, and may destroy it.
    if (isRunning() && !m_program->waitForFinished(int(m_killAt.remainingTime()))) {
        kill();
        if (isRunning())
            m_program->waitForFinished(-1);
    }
    if (!isRunning())
        end(m_program ? result() : Error()); // with blocked signals nobody has
}

void ProgramAdoption::destroyed()
{
    Programs::instance().remove(m_program);
    m_program = nullptr;
    end();
}

/// It has ended by the SIGTERM that it got from here.
bool ProgramAdoption::hasObeyed() const
{
    if (!m_terminated)
        return false;
#ifdef Q_OS_UNIX
    constexpr int byShell = 128;
    const int code = m_program->exitCode();
    return code == (m_program->exitStatus() == QProcess::CrashExit ? SIGTERM : byShell + SIGTERM);
#else
    return true;
#endif
}

Error ProgramAdoption::result() const
{
    const QString name = m_program->program();
    const bool crashed = m_program->exitStatus() == QProcess::CrashExit;
    if (m_program->error() == QProcess::FailedToStart) {
        return QStringLiteral("The program %1 could not be started: %2")
                .arg(name, m_program->errorString());
    }
    if (m_killed && crashed) {
        return QStringLiteral("The program %1 had not ended %2 ms after it was asked to, and was "
                              "killed")
                .arg(name)
                .arg(m_grace.count());
    }
    if (hasObeyed())
        return {};
    if (crashed)
        return QStringLiteral("The program %1 has crashed or was killed").arg(name);
    if (m_program->exitCode() != 0) {
        return QStringLiteral("The program %1 has ended with exit code %2")
                .arg(name)
                .arg(m_program->exitCode());
    }
    return {};
}

} // namespace

} // namespace Private

Process *adopt(QProcess *program, QObject *parent, std::chrono::milliseconds grace)
{
    if (!program)
        return Private::refuseNull("program", parent);
    if (program->thread() != QThread::currentThread() || Private::isHomelessHere()) {
        return Private::refuseAdoption(
                QStringLiteral("a QProcess is adopted in its own thread, and not inside a work"),
                parent);
    }
    const auto adoption = std::make_shared<Private::ProgramAdoption>(program, grace);
    adoption->watch();
    return adoption->makeProcess(parent);
}

} // namespace GoProcess
