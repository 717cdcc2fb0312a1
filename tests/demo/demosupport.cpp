// SPDX-License-Identifier: MIT
// Trees of files, runs of the program, and sha256sum.

#include "demosupport.h"

#include "support/sanitizers.h"

#include <QDir>
#include <QFile>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <limits>
#include <vector>

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace DemoSupport {

namespace {

QByteArray randomBytes(qsizetype size, QRandomGenerator &random)
{
    std::vector<quint32> words(size_t(size) / sizeof(quint32) + 1);
    random.fillRange(words.data(), qsizetype(words.size()));
    return QByteArray(reinterpret_cast<const char *>(words.data()), size);
}

QByteArray randomName(int number, QRandomGenerator &random)
{
    static const QByteArrayList kinds { "plain",        "with space",    "new\nline", "back\\slash",
                                        "return\rhere", "not \xff utf8", "ümläut",    "tab\t" };
    // Most names are plain ones.
    const qsizetype kind = random.bounded(4) ? 0 : qsizetype(random.bounded(kinds.size()));
    return kinds.at(kind) + QByteArray::number(number);
}

qsizetype randomSize(int number, QRandomGenerator &random)
{
    if (number % 1000 == 500)
        return 3'000'000;
    return random.bounded(4 * 1024);
}

} // namespace

void writeFile(const QByteArray &path, const QByteArray &content)
{
    const int file = ::open(path.constData(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0 || ::write(file, content.constData(), size_t(content.size())) != content.size())
        qFatal("%s cannot be written", path.constData());
    ::close(file);
}

QByteArray readFile(const QByteArray &path)
{
    const int descriptor = ::open(path.constData(), O_RDONLY | O_CLOEXEC);
    QFile file;
    if (descriptor < 0 || !file.open(descriptor, QIODevice::ReadOnly, QFileDevice::AutoCloseHandle))
        return {};
    return file.readAll();
}

bool exists(const QByteArray &path)
{
    return ::access(path.constData(), F_OK) == 0;
}

QByteArrayList linesOf(const QByteArray &text)
{
    QByteArrayList lines = text.split('\n');
    lines.removeLast(); // what follows the last newline
    return lines;
}

QByteArrayList sorted(QByteArrayList lines)
{
    std::sort(lines.begin(), lines.end());
    return lines;
}

QByteArray shell(const QString &command, const QByteArray &argument)
{
    QProcess process;
    process.start(QStringLiteral("bash"),
                  { QStringLiteral("-c"), QStringLiteral("set -euo pipefail; ") + command,
                    QStringLiteral("bash"), QFile::decodeName(argument) });
    if (!process.waitForFinished(-1) || process.exitStatus() != QProcess::NormalExit
        || process.exitCode() != 0) {
        qFatal("%s: %s", qPrintable(command), process.readAllStandardError().constData());
    }
    return process.readAllStandardOutput();
}

QByteArray sha256sums(const QByteArray &folder)
{
    return shell(QStringLiteral("find \"$1\" -type f -print0 | LC_ALL=C sort --zero-terminated | "
                                "xargs --null --no-run-if-empty sha256sum"),
                 folder);
}

bool isRight(const QByteArray &manifest)
{
    if (!exists(manifest))
        return false;
    if (readFile(manifest).isEmpty())
        return true; // which sha256sum takes for a mistake
    QProcess check;
    check.setProcessChannelMode(QProcess::ForwardedErrorChannel);
    check.start(QStringLiteral("sha256sum"),
                { QStringLiteral("--check"), QStringLiteral("--strict"), QStringLiteral("--quiet"),
                  QFile::decodeName(manifest) });
    return check.waitForFinished(-1) && check.exitStatus() == QProcess::NormalExit
            && check.exitCode() == 0;
}

Folder::Folder() : m_path(QFile::encodeName(QDir(m_folder.path()).canonicalPath())) { }

Folder::~Folder()
{
    // QTemporaryDir cannot remove names that are not UTF-8.
    shell(QStringLiteral("chmod --recursive u+rwx \"$1\"; rm --recursive --force \"$1\""), m_path);
}

void makeTree(const QByteArray &folder, int count, QRandomGenerator &random)
{
    QByteArrayList folders { folder };
    ::mkdir(folder.constData(), 0777);
    for (int i = 0; i < count; ++i) {
        if (i % 25 == 24) {
            folders +=
                    folders.at(random.bounded(folders.size())) + "/folder " + randomName(i, random);
            ::mkdir(folders.last().constData(), 0777);
        }
        writeFile(folders.at(random.bounded(folders.size())) + '/' + randomName(i, random),
                  randomBytes(randomSize(i, random), random));
    }
}

ReportPipe::ReportPipe(const QByteArray &path)
{
    ::unlink(path.constData());
    if (::mkfifo(path.constData(), 0666) != 0)
        qFatal("%s cannot be made", path.constData());
    // Opened here first, so that the program does not wait for a reader.
    m_descriptor = ::open(path.constData(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    // The least there is, so that the program is never far ahead of the test.
    ::fcntl(m_descriptor, F_SETPIPE_SZ, 1);
}

ReportPipe::~ReportPipe()
{
    ::close(m_descriptor);
}

int ReportPipe::capacity() const
{
    return ::fcntl(m_descriptor, F_GETPIPE_SZ);
}

void ReportPipe::read(qsizetype lineCount, QDeadlineTimer deadline)
{
    while (!m_ended && m_text.count('\n') < lineCount && !deadline.hasExpired()) {
        struct pollfd wanted
        {
            m_descriptor, POLLIN, 0
        };
        if (::poll(&wanted, 1, int(deadline.remainingTime())) <= 0)
            continue; // interrupted, or the deadline has passed
        const ssize_t size = readPiece();
        m_ended = size == 0;
    }
}

void ReportPipe::readAll()
{
    read(std::numeric_limits<qsizetype>::max());
    if (!m_ended)
        qFatal("The program did not end its report");
}

void ReportPipe::readRest()
{
    while (readPiece() > 0) { }
}

qsizetype ReportPipe::readPiece()
{
    std::array<char, 4096> bytes;
    const ssize_t size = ::read(m_descriptor, bytes.data(), bytes.size());
    if (size > 0)
        m_text.append(bytes.data(), size);
    return size;
}

void obeyPermissions()
{
    ::prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE);
    ::prctl(PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH);
}

bool permissionsCount(const QByteArray &unreadable)
{
    QProcess test;
    test.setChildProcessModifier(obeyPermissions);
    test.start(QStringLiteral("test"), { QStringLiteral("-r"), QFile::decodeName(unreadable) });
    return test.waitForFinished() && test.exitCode() != 0;
}

void limitFileSize()
{
    const struct rlimit limit
    {
        30'000, 30'000
    }; // bytes
    ::setrlimit(RLIMIT_FSIZE, &limit);
    std::signal(SIGXFSZ, SIG_IGN);
}

void enterOwnMounts()
{
    if (::unshare(CLONE_NEWNS) != 0
        || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        ::_exit(noMountStatus);
    }
}

qint64 positionIn(qint64 process, const QByteArray &path)
{
    const QString folder = QStringLiteral("/proc/%1/fd").arg(process);
    const QStringList descriptors = QDir(folder).entryList(QDir::Files | QDir::System);
    for (const QString &descriptor : descriptors) {
        if (QFile::symLinkTarget(folder + u'/' + descriptor) != QFile::decodeName(path))
            continue;
        const QByteArray info = readFile(
                QStringLiteral("/proc/%1/fdinfo/%2").arg(process).arg(descriptor).toLatin1());
        return info.startsWith("pos:") ? info.mid(4, info.indexOf('\n') - 4).trimmed().toLongLong()
                                       : -1;
    }
    return -1;
}

bool isStopped(qint64 process)
{
    const QByteArray stat = readFile("/proc/" + QByteArray::number(process) + "/stat");
    return stat.mid(stat.lastIndexOf(')') + 2, 1) == "T";
}

Run::Run(const QByteArrayList &arguments, const std::function<void()> &beforeExec,
         const QString &standardError, const QByteArray &program)
{
    QStringList list;
    for (const QByteArray &argument : arguments)
        list += QFile::decodeName(argument);
    if (beforeExec)
        m_process.setChildProcessModifier(beforeExec);
    if (!standardError.isEmpty())
        m_process.setStandardErrorFile(standardError);
    m_process.start(QFile::decodeName(program), list);
    if (!m_process.waitForStarted())
        qFatal("%s does not start", program.constData());
}

Run::~Run()
{
    if (m_process.state() == QProcess::NotRunning)
        return;
    m_process.kill();
    m_process.waitForFinished();
}

bool Run::waitForSentence(const QByteArray &text, QDeadlineTimer deadline)
{
    m_process.setReadChannel(QProcess::StandardError);
    while (!m_err.contains(text) && !deadline.hasExpired()) {
        const bool isOver = m_process.state() == QProcess::NotRunning;
        m_process.waitForReadyRead(int(deadline.remainingTime()));
        m_err += m_process.readAllStandardError();
        if (isOver)
            break;
    }
    return m_err.contains(text);
}

void Run::send(int signal) const
{
    if (const auto pid = pid_t(id()); pid > 0)
        ::kill(pid, signal);
}

void Run::stop(int signal)
{
    send(signal);
    constexpr std::chrono::seconds answer { 5 };
    constexpr int repeats = TestSupport::underThreadSanitizer ? 3 : 0;
    for (int i = 0; i < repeats && !waitForSentence("Stopping", answer) && !isOver(); ++i)
        send(SIGTERM);
}

bool Run::interruptAgain()
{
    constexpr std::chrono::milliseconds pause { 50 };
    for (const QDeadlineTimer deadline(patience); !deadline.hasExpired();) {
        send(SIGINT);
        if (m_process.waitForFinished(int(pause.count())))
            return finish();
    }
    return false;
}

qint64 Run::id() const
{
    return m_process.processId();
}

bool Run::isOver()
{
    return m_process.state() == QProcess::NotRunning || m_process.waitForFinished(0);
}

bool Run::finish()
{
    if (m_process.state() != QProcess::NotRunning
        && !m_process.waitForFinished(int(std::chrono::milliseconds(patience).count()))) {
        return false;
    }
    m_out += m_process.readAllStandardOutput();
    m_err += m_process.readAllStandardError();
    return true;
}

int Run::status() const
{
    return m_process.exitStatus() == QProcess::NormalExit ? m_process.exitCode() : -1;
}

QByteArray Run::story() const
{
    return "status " + QByteArray::number(status()) + '\n' + m_err + m_out;
}

qint64 Run::count(const QByteArray &what) const
{
    const QByteArrayList lines = linesOf(m_out);
    for (const QByteArray &line : lines) {
        if (line.startsWith(what + ": "))
            return line.split(' ').value(1).toLongLong();
    }
    return -1;
}

} // namespace DemoSupport
