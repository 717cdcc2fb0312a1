// SPDX-License-Identifier: MIT
// Runs, their progress, and searches while one types.

#include "session.h"

#include "common/names.h"

#include <QClipboard>
#include <QDesktopServices>
#include <QFile>
#include <QGuiApplication>
#include <QLocale>
#include <QUrl>

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
    setFailure({});
    Q_EMIT runChanged();
    m_run->start();
    showProgress();
}

void Session::choose(const QString &folder)
{
    if (folder.isEmpty())
        return;
    Task task = m_run->task();
    task.folder = absolute(QFile::encodeName(folder));
    startNext(task);
}

void Session::tryAgain()
{
    startNext(m_run->task()); // the bytes of the folder's name, whatever they show as
}

void Session::startNext(const Task &task)
{
    if (m_isEnding)
        return;
    m_nextTask = std::make_unique<Task>(task);
    if (m_run->root()->isClosed())
        runClosed();
    else
        m_run->root()->close();
}

void Session::openFile(int row)
{
    openInDesktop(m_results.path(row));
}

void Session::openFolderOf(int row)
{
    const QByteArray path = m_results.path(row);
    openInDesktop(path.left(qMax(path.lastIndexOf('/'), path.isEmpty() ? 0 : 1)));
}

void Session::openInDesktop(const QByteArray &path)
{
    if (path.isEmpty())
        return;
    // A name is bytes, which need not be UTF-8.
    const QUrl url = QUrl::fromEncoded("file://" + path.toPercentEncoding("/"));
    if (!QDesktopServices::openUrl(url))
        m_run->log().say(tr("There is no program that opens %1").arg(shown(path)));
}

void Session::copyPath(int row)
{
    const QByteArray path = m_results.path(row);
    if (path.isEmpty())
        return;
    const QString text = QFile::decodeName(path);
    QGuiApplication::clipboard()->setText(QFile::encodeName(text) == path ? text : shown(path));
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
    else
        setFailure(m_run->failure());
}

void Session::setFailure(const QString &text)
{
    m_failure = text;
    Q_EMIT failureChanged();
}

void Session::showProgress()
{
    const QLocale locale;
    const Progress::Numbers numbers = m_run->progress();
    const qint64 bytes = numbers.readBytes + numbers.leftBytes;
    m_progress = bytes > 0 ? double(numbers.readBytes) / double(bytes) : 0;
    m_isUpToDate = numbers.isIdle();
    m_progressText = tr("%1 files").arg(locale.toString(numbers.doneFiles));
    if (!m_isUpToDate) {
        m_progressText += tr(", %1 read, %2 left")
                                  .arg(locale.formattedDataSize(numbers.readBytes, 1),
                                       locale.formattedDataSize(qMax(numbers.leftBytes, 0), 1));
        if (!numbers.allFound || numbers.isLooking)
            m_progressText += tr(", still looking for more");
    }
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
