// SPDX-License-Identifier: MIT
// Runs what a program can do only once, or what ends it, in a child process: the program
// "scenarios", whose path the build gives as the string GOPROCESS_SCENARIOS.

#ifndef GOPROCESS_TESTS_CONFORMANCE_SCENARIO_H
#define GOPROCESS_TESTS_CONFORMANCE_SCENARIO_H

#include "support/messages.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QProcess>
#include <QString>
#include <QStringList>

#include <chrono>
#include <cstdio>

namespace TestSupport {

/// A finished child process.
struct Outcome
{
    bool crashed = true;
    int exitCode = -1;
    QStringList output;
    QString messages;
};

inline Outcome outcome(QProcess &process)
{
    Outcome result;
    // It may have finished while a test ran the event loop.
    if (process.state() != QProcess::NotRunning
        && !process.waitForFinished(int(2 * std::chrono::milliseconds(patience).count()))) {
        fail(QStringLiteral("A scenario did not end: ") + process.errorString());
        process.kill();
        process.waitForFinished();
        return result;
    }
    result.crashed = process.exitStatus() == QProcess::CrashExit;
    result.exitCode = process.exitCode();
    result.output = QString::fromUtf8(process.readAllStandardOutput())
                            .split(QLatin1Char('\n'), Qt::SkipEmptyParts);
    result.messages = QString::fromUtf8(process.readAllStandardError());
    return result;
}

inline Outcome runScenario(const QString &name)
{
    QProcess process;
    process.start(QStringLiteral(GOPROCESS_SCENARIOS), { name });
    return outcome(process);
}

/// True if \a outcome is a normal end without any message. Prints what there is otherwise.
inline bool isClean(const Outcome &outcome, int exitCode = 0)
{
    if (!outcome.crashed && outcome.exitCode == exitCode && outcome.messages.isEmpty())
        return true;
    std::fprintf(stderr, "status %d%s, output:\n%s\nmessages:\n%s\n", outcome.exitCode,
                 outcome.crashed ? " (crashed)" : "",
                 qPrintable(outcome.output.join(QLatin1Char('\n'))), qPrintable(outcome.messages));
    return false;
}

} // namespace TestSupport

#endif
