// SPDX-License-Identifier: MIT
// Wiring of the subsystems, and what is to be said at the end.

#include "run.h"

#include "common/console.h"
#include "common/names.h"

#include <cstdlib>

#include <fcntl.h>
#include <unistd.h>

namespace Demo {

namespace {

GoProcess::Error checkFolder(const QByteArray &folder)
{
    const FileDescriptor descriptor(::open(folder.constData(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return descriptor.isValid() ? GoProcess::Error() : cannot("read", folder);
}

} // namespace

GoProcess::Error Run::open(const Options &options)
{
    // First, so that an earlier manifest stays as it is if there is nothing to read.
    if (GoProcess::Error error = checkFolder(options.folder))
        return error;
    if (GoProcess::Error error = m_journal.open(options.output, options.folder, options.resume))
        return error;
    if (GoProcess::Error error = m_report.open(options.report))
        return error;

    m_writer = std::make_unique<Writer>(m_journal, m_report, m_counts, m_console);
    m_hasher = std::make_unique<Hasher>(m_journal, *m_writer, m_counts, m_console);
    const QList<OwnFiles> ownFiles { { m_journal.folderId(), m_journal.fileNames() },
                                     { m_report.folderId(), m_report.fileNames() } };
    m_walker = std::make_unique<Walker>(options.folder, ownFiles, *m_hasher, m_backlog, m_counts,
                                        m_console);
    wire();

    m_console.say(QStringLiteral("Reading %1, writing %2")
                          .arg(shown(options.folder), shown(options.output)));
    if (options.resume && !m_journal.hadEarlier())
        m_console.say(QStringLiteral("There is no stopped run to resume, so this is a new one"));
    if (!options.resume && m_journal.hadEarlier())
        m_console.say(QStringLiteral("What a stopped run had done is thrown away"));
    return {};
}

void Run::wire()
{
    m_root.setName(QStringLiteral("manifest"));
    m_closeTimes.watch(&m_root, 0);
    for (GoProcess::Process *subsystem :
         { m_walker->process(), m_hasher->process(), m_writer->process() }) {
        m_root.addChild(subsystem);
        m_closeTimes.watch(subsystem, 1);
    }
    m_hasher->process()->waitFor(m_walker->process());
    m_writer->process()->waitFor(m_hasher->process());
    // Without the writer nothing else is of any use.
    QObject::connect(m_writer.get(), &Writer::failed, &m_root, &GoProcess::Process::close);
}

void Run::start()
{
    m_walker->start();
    // Each ends by itself after the one before; the edges are all there by now.
    m_hasher->process()->closeAfterChildren();
    m_writer->process()->closeAfterChildren();
    m_root.closeAfterChildren();
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
    const char *state = "stopped; --resume goes on";
    if (m_counts.isComplete())
        state = "complete";
    else if (m_counts.wholeWalks.value() == 1 && m_counts.failures.value() > 0)
        state = "incomplete; --resume tries again what failed";
    return line("found", m_counts.foundFiles, "files")
            + line("reported", m_counts.reportedFiles, "files")
            + line("kept", m_counts.keptFiles, "files of an earlier run")
            + line("unreadable", m_counts.failures, "files and folders")
            + line("links", m_counts.links, "left out")
            + line("others", m_counts.others, "pipes, sockets and devices left out")
            + line("size", m_counts.reportedBytes, "bytes")
            + QStringLiteral("state: %1\n").arg(QLatin1String(state));
}

int Run::exitStatus() const
{
    return m_root.treeErrorCount() > 0 || m_counts.failures.value() > 0 ? EXIT_FAILURE
                                                                        : EXIT_SUCCESS;
}

} // namespace Demo
