// SPDX-License-Identifier: MIT
// Runs, their progress, and searches while one types.

#include "session.h"

#include "common/names.h"

#include <QFile>
#include <QLocale>

#include <chrono>
#include <cstdio>
#include <utility>

namespace Demo {

namespace {

using namespace std::chrono_literals;

constexpr int mostMatches = 500;
constexpr auto progressInterval = 100ms;
constexpr qint64 searchInterval = 1000; // ms; while the index changes

} // namespace

Session::Session(const Task &task) : m_query(task.database)
{
    m_sinceSearch.start();
    connect(&m_query, &Query::answered, this, &Session::showMatches);
    connect(&m_query, &Query::failed, this, &Session::setResultsText);
    connect(&m_progressTimer, &QTimer::timeout, this, &Session::showProgress);
    m_progressTimer.start(progressInterval);
    start(task);
}

QString Session::folder() const
{
    return shown(m_run->task().folder);
}

QString Session::database() const
{
    return shown(m_run->task().database);
}

void Session::start(const Task &task)
{
    // The old one goes when nothing shows it any more.
    const std::unique_ptr<Run> old = std::exchange(m_run, std::make_unique<Run>(task, m_console));
    connect(&m_run->log(), &Log::said, this, &Session::said);
    connect(m_run.get(), &Run::listening, this, &Session::search);
    // Later, when nothing of the run is running any more, so that it can be destroyed.
    connect(m_run->root(), &GoProcess::Process::closed, this, &Session::runClosed,
            Qt::QueuedConnection);
    Q_EMIT runChanged();
    m_run->start();
    showProgress();
}

void Session::choose(const QString &folder)
{
    if (folder.isEmpty() || m_isEnding)
        return;
    Task task = m_run->task();
    task.folder = absolute(QFile::encodeName(folder));
    m_nextTask = std::make_unique<Task>(task);
    if (m_run->root()->isClosed())
        runClosed();
    else
        m_run->root()->close();
}

void Session::end()
{
    if (m_isEnding)
        return;
    m_isEnding = true;
    m_nextTask.reset();
    Q_EMIT ending();
    if (m_run->root()->isClosed())
        Q_EMIT ended();
    else
        m_run->root()->close();
}

void Session::runClosed()
{
    if (!m_run->root()->isClosed())
        return; // of an earlier run
    showProgress();
    std::fputs(m_run->summary().toLocal8Bit().constData(), stdout);
    m_exitStatus = m_run->exitStatus();
    if (m_isEnding)
        Q_EMIT ended();
    else if (const std::unique_ptr<Task> task = std::move(m_nextTask))
        start(*task);
}

void Session::showProgress()
{
    const QLocale locale;
    const Progress::Numbers numbers = m_run->progress();
    const qint64 bytes = numbers.readBytes + numbers.leftBytes;
    m_progress = bytes > 0 ? double(numbers.readBytes) / double(bytes) : 0;
    m_isUpToDate = numbers.allFound && numbers.leftFiles <= 0;
    m_progressText = m_isUpToDate
            ? tr("%1 files").arg(locale.toString(numbers.doneFiles))
            : tr("%1 files, %2 read, %3 left%4")
                      .arg(locale.toString(numbers.doneFiles),
                           locale.formattedDataSize(numbers.readBytes),
                           locale.formattedDataSize(qMax(numbers.leftBytes, 0)),
                           numbers.allFound ? QString() : tr(" of what is found so far"));
    Q_EMIT progressed();
    if (changeCount() != m_searchedChange && m_sinceSearch.hasExpired(searchInterval))
        search();
}

qint64 Session::changeCount() const
{
    return m_run->counts().indexedFiles.value() + m_run->counts().removedFiles.value();
}

void Session::setPattern(const QString &pattern)
{
    if (pattern == m_pattern)
        return;
    m_pattern = pattern;
    Q_EMIT patternChanged();
    search();
}

void Session::search()
{
    m_sinceSearch.start();
    m_searchedChange = changeCount();
    if (m_pattern.isEmpty())
        showMatches({});
    else if (!m_run->root()->isClosing())
        m_query.ask(m_pattern, mostMatches);
}

void Session::showMatches(const Matches &matches)
{
    m_results.set(matches);
    const QLocale locale;
    const qint64 more = matches.total - matches.first.size();
    if (m_pattern.isEmpty())
        setResultsText({});
    else if (matches.total == 0)
        setResultsText(tr("No file has such a name"));
    else if (more > 0)
        setResultsText(tr("%1 files; the first %2 are shown")
                               .arg(locale.toString(matches.total),
                                    locale.toString(matches.first.size())));
    else
        setResultsText(tr("%n files", nullptr, int(matches.total)));
}

void Session::setResultsText(const QString &text)
{
    m_resultsText = text;
    Q_EMIT resultsChanged();
}

} // namespace Demo
