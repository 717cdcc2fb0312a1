// SPDX-License-Identifier: MIT
// What the tests of the demo share: trees of files, runs of the program, and what sha256sum says.

#ifndef DEMOSUPPORT_H
#define DEMOSUPPORT_H

#include <QByteArray>
#include <QByteArrayList>
#include <QDeadlineTimer>
#include <QProcess>
#include <QRandomGenerator>
#include <QString>
#include <QStringList>
#include <QTemporaryDir>

#include <chrono>
#include <csignal>
#include <functional>

namespace DemoSupport {

/// How long a test waits for something that must happen, before it fails.
inline constexpr std::chrono::seconds patience { 60 };

/// A file with \a content, at a name of any bytes; also a new one in place of an old one.
void writeFile(const QByteArray &path, const QByteArray &content);
/// The content of a file; empty if there is none.
QByteArray readFile(const QByteArray &path);
bool exists(const QByteArray &path);

/// The whole lines of \a text, without their newlines.
QByteArrayList linesOf(const QByteArray &text);
QByteArrayList sorted(QByteArrayList lines);

/// Runs \a command in a shell, with \a argument as $1; what it printed. Fails the program if it
/// fails.
QByteArray shell(const QString &command, const QByteArray &argument);
/// What sha256sum says of all regular files below \a folder, sorted by their names.
QByteArray sha256sums(const QByteArray &folder);
/// True if `sha256sum --check` finds nothing wrong with \a manifest. So it is with an empty one.
bool isRight(const QByteArray &manifest);

/// A folder for one test, removed at its end, with names in it.
class Folder
{
public:
    Folder();
    Q_DISABLE_COPY_MOVE(Folder)
    ~Folder();
    /// The absolute path of \a name in the folder.
    QByteArray operator/(const QByteArray &name) const { return m_path + '/' + name; }
    QByteArray path() const { return m_path; }

private:
    QTemporaryDir m_folder;
    QByteArray m_path;
};

/// Fills \a folder, which is made, with \a count files of a few kilobytes in folders within
/// folders, a few of megabytes, and names of all kinds.
void makeTree(const QByteArray &folder, int count, QRandomGenerator &random);

/// A report that the test reads while the program writes it, so that the test knows what is
/// reported as done, and the program gets no further than the test reads.
class ReportPipe
{
public:
    explicit ReportPipe(const QByteArray &path);
    Q_DISABLE_COPY_MOVE(ReportPipe)
    ~ReportPipe();

    /// How many bytes the program can write before the test reads.
    int capacity() const;
    /// Reads until there are \a lineCount lines in all, the program has closed its end, or
    /// \a deadline has passed.
    void read(qsizetype lineCount, QDeadlineTimer deadline = QDeadlineTimer(patience));
    /// Reads until the program has closed its end.
    void readAll();
    /// Reads what a program that has ended left.
    void readRest();
    /// All lines so far.
    QByteArrayList lines() const { return linesOf(m_text); }

private:
    /// Like read(2), without blocking.
    qsizetype readPiece();

    int m_descriptor;
    QByteArray m_text;
    bool m_ended = false;
};

/// \name In the program before it starts
/// @{

/// Lets permissions count for root as well.
void obeyPermissions();
/// No file of it can become larger than 30,000 bytes.
void limitFileSize();
/// No other program sees what it mounts then. Ends it with noMountStatus where that is not allowed.
void enterOwnMounts();
inline constexpr int noMountStatus = 77;
/// @}

/// True if obeyPermissions() keeps this user from \a unreadable.
bool permissionsCount(const QByteArray &unreadable);
/// Where \a process has \a path open, how far it has read it; -1 if it has not.
qint64 positionIn(qint64 process, const QByteArray &path);
/// True if SIGSTOP has halted \a process.
bool isStopped(qint64 process);

#ifdef DEMO_PROGRAM
/// The program that a test is about.
inline QByteArray demoProgram()
{
    return DEMO_PROGRAM;
}
#else
QByteArray demoProgram();
#endif

/// One run of the program.
class Run
{
public:
    /// \a standardError and \a program: files other than a pipe of the test and its own program.
    explicit Run(const QByteArrayList &arguments, const std::function<void()> &beforeExec = nullptr,
                 const QString &standardError = QString(),
                 const QByteArray &program = demoProgram());
    ~Run();

    /// True once the program has printed \a text to standard error; false if it ended without, or
    /// \a deadline has passed.
    bool waitForSentence(const QByteArray &text,
                         QDeadlineTimer deadline = QDeadlineTimer(patience));
    /// Sends \a signal, unless the program has ended.
    void send(int signal) const;
    /// Sends \a signal, on which the program stops. The thread sanitizer loses one in a hundred of
    /// the signals that come just when a thread goes to sleep: its handler is called, the program's
    /// is not. There, SIGTERM follows until the program says that it is stopping; a second one
    /// changes nothing.
    void stop(int signal = SIGTERM);
    /// Sends SIGINT to a program that has said that it is stopping, until it has ended: one that
    /// comes within half a second of the first one is of the same request. True if it has.
    bool interruptAgain();
    qint64 id() const;
    /// True once the program has ended.
    bool isOver();
    /// Waits for the end.
    bool finish();

    /// After the end: the exit status; -1 if a signal ended it.
    int status() const;
    /// After the end: the status and all that was printed, for the message of a test that fails.
    QByteArray story() const;
    const QByteArray &out() const { return m_out; }
    const QByteArray &err() const { return m_err; }
    /// After the end: the number in the line of the summary that begins with \a what; -1 without.
    qint64 count(const QByteArray &what) const;

private:
    QProcess m_process;
    QByteArray m_out;
    QByteArray m_err;
};

} // namespace DemoSupport

#endif
