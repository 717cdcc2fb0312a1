// SPDX-License-Identifier: MIT
// Wiring of the subsystems, and what is to be said at the end.

#include "run.h"

#include "common/console.h"
#include "common/names.h"

#include <GoProcess/Periodic>

#include <cstdlib>
#include <utility>

#include <fcntl.h>

namespace Demo {

namespace {

GoProcess::Error checkFolder(const QByteArray &folder)
{
    const FileDescriptor descriptor(::open(folder.constData(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return descriptor.isValid() ? GoProcess::Error() : cannot("read", folder);
}

} // namespace

Run::Run(Task task, Console &console)
    : m_task(std::move(task)),
      m_console(console),
      m_log(console),
      m_storage(m_task.database, m_catalogue, m_log, m_counts),
      m_scanner({ m_task.folder,
                  { Database::ownFiles(m_task.database), ownFiles(m_task.log) },
                  m_catalogue,
                  m_complaints,
                  m_backlog,
                  m_storage,
                  m_log,
                  m_counts }),
      m_search(m_task.database, m_log)
{
    m_root.setName(QStringLiteral("indexer"));
    m_watch.setName(QStringLiteral("watch"));
    wire();
}

void Run::wire()
{
    GoProcess::Process *earlier = nullptr; // the one that closes before
    m_closeTimes.watch(&m_root, 0);
    for (GoProcess::Process *subsystem : { m_search.process(), &m_watch, m_scanner.process(),
                                           m_storage.process(), m_log.process() }) {
        m_root.addChild(subsystem);
        m_closeTimes.watch(subsystem, 1);
        if (earlier)
            subsystem->waitFor(earlier);
        earlier = subsystem;
    }
    connect(&m_storage, &Storage::opened, this, [this] {
        // Who reads that the index is up to date can search it.
        if (m_task.once)
            scan();
        else
            m_search.start();
    });
    connect(&m_search, &Search::started, this, &Run::scan);
    connect(&m_storage, &Storage::caughtUp, this, &Run::caughtUp);
    // Without the storage nothing else is of any use.
    connect(&m_storage, &Storage::failed, &m_root, &GoProcess::Process::close);
    connect(&m_search, &Search::listening, this, &Run::listening);
}

void Run::start()
{
    GoProcess::Error error = prepare();
    if (!error) {
        m_log.say(QStringLiteral("Indexing %1 into %2")
                          .arg(shown(m_task.folder), shown(m_task.database)));
        m_storage.open();
        return;
    }
    m_log.say(error.message());
    m_root.setTeardown([error] { return error; });
    m_root.close();
}

GoProcess::Error Run::prepare()
{
    if (GoProcess::Error error = checkFolder(m_task.folder))
        return error;
    return m_log.open(m_task.log);
}

void Run::scan()
{
    // From now on the processes may be closing, and the scan with them.
    // Only what is safe in the database makes the index up to date.
    m_scanner.scan()->process()->whenClosed().then(
            this, [this](const GoProcess::Error &) { m_storage.catchUp(); });
}

void Run::caughtUp()
{
    if (m_root.isClosing())
        return;
    if (m_task.once)
        m_root.close();
    else
        watch();
}

void Run::watch()
{
    m_log.say(QStringLiteral("The index is up to date; watching for changes"));
    const GoProcess::ProcessPtr beat = GoProcess::every(
            m_task.rescanInterval, [this] { m_scanner.scan()->process()->waitForClosed(); },
            &m_watch);
    beat->setName(QStringLiteral("rescan"));
}

Progress::Numbers Run::progress() const
{
    const qint64 handled = m_counts.indexedFiles.value() + m_counts.droppedFiles.value();
    const qint64 left = m_counts.foundFiles.value() - handled;
    const qint64 bytesLeft =
            m_counts.foundBytes.value() - m_counts.readBytes.value() - m_counts.passedBytes.value();
    const bool isLooking = m_counts.endedWalks.value() < m_counts.begunWalks.value();
    return { m_catalogue.size(), left,    m_counts.readBytes.value(),
             bytesLeft,          handled, m_counts.wholeScans.value() > 0,
             isLooking };
}

QString Run::failure() const
{
    if (m_root.error())
        return m_root.error().message();
    // Files that cannot be read close nothing; only the storage does.
    const QList<GoProcess::ProcessError> errors = m_storage.process()->treeErrors();
    return errors.isEmpty() ? QString() : errors.constFirst().error.message();
}

QString Run::summary() const
{
    return m_closeTimes.tree() + errors() + totals();
}

QString Run::errors() const
{
    const QList<GoProcess::ProcessError> list = m_root.treeErrors();
    QString text = QStringLiteral("errors: %1\n").arg(m_root.treeErrorCount());
    for (const GoProcess::ProcessError &entry : list)
        text += QStringLiteral("  %1: %2\n").arg(entry.path, entry.error.message());
    if (m_root.treeErrorCount() > list.size())
        text += QStringLiteral("  and %1 more\n").arg(m_root.treeErrorCount() - list.size());
    return text;
}

QString Run::totals() const
{
    const auto line = [](const char *what, const Counter &count, const char *unit) {
        return QStringLiteral("%1: %2 %3\n")
                .arg(QLatin1String(what))
                .arg(count.value())
                .arg(QLatin1String(unit));
    };
    return line("known", m_counts.knownFiles, "files of earlier runs")
            + line("indexed", m_counts.indexedFiles, "new or changed files")
            + line("removed", m_counts.removedFiles, "files that are gone")
            + line("unreadable", m_counts.failures, "files and folders")
            + line("links", m_counts.links, "left out")
            + line("others", m_counts.others, "pipes, sockets and devices left out")
            + line("scans", m_counts.wholeScans, "of the whole folder");
}

int Run::exitStatus() const
{
    return m_root.treeErrorCount() > 0 || m_counts.failures.value() > 0 ? EXIT_FAILURE
                                                                        : EXIT_SUCCESS;
}

} // namespace Demo
