// SPDX-License-Identifier: MIT
// The journal: locking, loading, appending, and turning it into a manifest.

#include "journal.h"

#include "common/names.h"

#include <QFile>

#include <algorithm>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace Demo {

namespace {

constexpr QByteArrayView magic("manifest journal 1\n");
constexpr mode_t fileMode = 0666; // less the user's umask
constexpr qsizetype bufferSize = 1'048'576; // bytes

bool stillHolds(const Record &record)
{
    struct stat status;
    return ::lstat(record.name.constData(), &status) == 0 && S_ISREG(status.st_mode)
            && stateOf(status) == record.state;
}

/// Calls \a onLine for each whole line from where \a file is; returns where the last one ends.
template<class OnLine>
qint64 readLines(QFile &file, OnLine &&onLine)
{
    qint64 end = file.pos();
    for (QByteArray line = file.readLine(); line.endsWith('\n'); line = file.readLine()) {
        end += line.size();
        line.chop(1);
        onLine(line);
    }
    return end;
}

} // namespace

GoProcess::Error Journal::open(const QByteArray &output, const QByteArray &folder, bool resume)
{
    const qsizetype slash = output.lastIndexOf('/');
    const QByteArray outputFolder = slash == 0 ? "/" : output.left(slash);
    m_output = output;
    m_manifestName = output.mid(slash + 1);
    m_partialName = m_manifestName + ".partial";
    m_newName = m_partialName + ".new";

    m_folder = FileDescriptor(::open(outputFolder.constData(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat status;
    if (!m_folder.isValid() || ::fstat(m_folder.get(), &status) != 0)
        return cannot("write into", outputFolder);
    m_folderId = idOf(status);

    if (::fstatat(m_folder.get(), m_manifestName.constData(), &status, AT_SYMLINK_NOFOLLOW) == 0
        && !S_ISREG(status.st_mode)) {
        return QStringLiteral("cannot write %1: it exists and is not a regular file")
                .arg(shown(output));
    }
    if (GoProcess::Error error = lock())
        return error;
    return load(magic.toByteArray() + escaped(folder) + '\n', resume);
}

QList<QByteArray> Journal::fileNames() const
{
    return { m_manifestName, m_partialName, m_newName };
}

GoProcess::Error Journal::lock()
{
    const QByteArray name = m_output + ".partial";
    for (;;) {
        m_file = FileDescriptor(::openat(
                m_folder.get(), m_partialName.constData(),
                O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, fileMode));
        struct stat opened;
        if (!m_file.isValid() || ::fstat(m_file.get(), &opened) != 0)
            return cannot("write", name);
        if (!S_ISREG(opened.st_mode)) {
            return QStringLiteral("cannot write %1: it exists and is not a regular file")
                    .arg(shown(name));
        }
        if (::flock(m_file.get(), LOCK_EX | LOCK_NB) != 0) {
            if (errno == EWOULDBLOCK)
                return QStringLiteral("another run is writing %1").arg(shown(m_output));
            return cannot("lock", name);
        }
        // The run that had the lock may have removed the file meanwhile: then it locks nothing.
        struct stat current;
        if (::fstatat(m_folder.get(), m_partialName.constData(), &current, AT_SYMLINK_NOFOLLOW) == 0
            && idOf(current) == idOf(opened)) {
            return {};
        }
    }
}

GoProcess::Error Journal::load(const QByteArray &header, bool resume)
{
    QFile file;
    if (!file.open(m_file.get(), QIODevice::ReadOnly))
        return QStringLiteral("cannot read %1.partial: %2")
                .arg(shown(m_output), file.errorString());
    const QByteArray start = file.read(magic.size());
    if (!magic.startsWith(start)) {
        return QStringLiteral("%1.partial is not a journal of this program; move it away or choose "
                              "another output")
                .arg(shown(m_output));
    }
    const QByteArray ofFolder = start + file.readLine();
    m_hadEarlier = ofFolder.endsWith('\n') && file.pos() < file.size();
    if (!resume || !m_hadEarlier)
        return begin(header);
    if (ofFolder != header) {
        return QStringLiteral("%1.partial is of a run over another folder: %2")
                .arg(shown(m_output), QString::fromUtf8(ofFolder.mid(start.size()).trimmed()));
    }

    m_earlierEnd = readLines(file, [this](const QByteArray &line) {
        if (const std::optional<Record> record = parseJournalLine(line))
            m_earlier.insert(record->name, *record); // the last one counts
    });
    // What follows was torn by the end of that run.
    if (::ftruncate(m_file.get(), m_earlierEnd) != 0 || ::fsync(m_file.get()) != 0)
        return cannot("write", m_output + ".partial");
    return {};
}

GoProcess::Error Journal::begin(const QByteArray &header)
{
    if (::ftruncate(m_file.get(), 0) != 0 || !writeAll(m_file.get(), header)
        || ::fsync(m_file.get()) != 0 || !syncFolder(m_folder.get())) {
        return cannot("write", m_output + ".partial");
    }
    m_earlierEnd = header.size();
    return {};
}

GoProcess::Error Journal::append(const QList<Record> &records)
{
    QByteArray lines;
    for (const Record &record : records)
        lines += journalLine(record);
    if (!writeAll(m_file.get(), lines) || ::fdatasync(m_file.get()) != 0)
        return cannot("write", m_output + ".partial");
    return {};
}

GoProcess::Error Journal::writeManifest()
{
    QList<Record> records;
    if (GoProcess::Error error = readRecords(&records))
        return error;
    if (GoProcess::Error error = writeLines(records, m_output + ".partial.new")) {
        ::unlinkat(m_folder.get(), m_newName.constData(), 0);
        return error;
    }
    if (::renameat(m_folder.get(), m_newName.constData(), m_folder.get(),
                   m_manifestName.constData())
                != 0
        || !syncFolder(m_folder.get())) {
        return cannot("write", m_output);
    }
    return {};
}

GoProcess::Error Journal::remove()
{
    if (::unlinkat(m_folder.get(), m_partialName.constData(), 0) != 0
        || !syncFolder(m_folder.get())) {
        return cannot("remove", m_output + ".partial");
    }
    return {};
}

GoProcess::Error Journal::readRecords(QList<Record> *records)
{
    QHash<QByteArray, Record> done;
    QFile file;
    if (file.open(m_file.get(), QIODevice::ReadOnly) && file.seek(m_earlierEnd)) {
        readLines(file, [&done](const QByteArray &line) {
            if (const std::optional<Record> record = parseJournalLine(line))
                done.insert(record->name, *record);
        });
    }
    if (file.error() != QFileDevice::NoError)
        return QStringLiteral("cannot read %1.partial: %2")
                .arg(shown(m_output), file.errorString());

    // What this run did not come to may have changed or gone since an earlier run read it.
    for (const Record &record : std::as_const(m_earlier)) {
        if (!done.contains(record.name) && stillHolds(record))
            done.insert(record.name, record);
    }
    *records = QList<Record>(done.cbegin(), done.cend());
    std::sort(records->begin(), records->end(),
              [](const Record &a, const Record &b) { return a.name < b.name; });
    return {};
}

GoProcess::Error Journal::writeLines(const QList<Record> &records, const QByteArray &fileName)
{
    ::unlinkat(m_folder.get(), m_newName.constData(), 0); // left by a run that was killed
    const FileDescriptor file(::openat(m_folder.get(), m_newName.constData(),
                                       O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, fileMode));
    if (!file.isValid())
        return cannot("write", fileName);
    QByteArray lines;
    for (const Record &record : records) {
        lines += manifestLine(record);
        if (lines.size() < bufferSize)
            continue;
        if (!writeAll(file.get(), lines))
            return cannot("write", fileName);
        lines.clear();
    }
    if (!writeAll(file.get(), lines) || ::fsync(file.get()) != 0)
        return cannot("write", fileName);
    return {};
}

} // namespace Demo
