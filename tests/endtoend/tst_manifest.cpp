// SPDX-License-Identifier: MIT
// The manifest program and its user: what it writes and says, how it ends, and what it makes of bad
// input. How it is stopped is the subject of tst_manifeststops.cpp.

#include "demosupport.h"

#include <QDir>
#include <QFile>
#include <QObject>
#include <QRegularExpression>
#include <QTest>

#include <array>
#include <csignal>
#include <cstdlib>
#include <numeric>
#include <optional>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

using namespace DemoSupport;

namespace {

/// How long the report of what is in \a journal is, in bytes, if no name needs escaping.
qsizetype reportSize(const QByteArray &journal)
{
    const QByteArrayList lines = linesOf(journal);
    return std::accumulate(lines.begin(), lines.end(), qsizetype(0),
                           [](qsizetype size, const QByteArray &line) {
                               const qsizetype name = line.lastIndexOf(' ') + 1;
                               // A hash, two spaces, the name and a newline.
                               return name < 64 ? size : size + 64 + 2 + line.size() - name + 1;
                           });
}

} // namespace

class tst_Manifest : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();
    void cleanup();

    // What it writes and says.
    void writesWhatSha256sumWrites();
    void namesOfAnyBytes();
    void emptyFolder();
    void relativeNames();
    void defaultOutputIsInTheDataFolder();
    void subsystemsCloseInOrder();
    void progressOnATerminal();
    void progressInALog();

    // How it is called and stopped.
    void calledWrongly_data();
    void calledWrongly();
    void help();
    void interruptStops();
    void secondInterruptEndsAtOnce();

    // Resuming.
    void resumeReadsOnlyWhatChanged();
    void resumeAfterATornLine();
    void resumeWithoutAStoppedRun();
    void resumeOfAnotherFolder();
    void withoutResumeItStartsAnew();
    void partialOfAnotherProgram();

    // Bad input.
    void noSuchFolder();
    void folderIsAFile();
    void unreadableFile();
    void unreadableFolder();
    void readError();
    void linksAreNotFollowed();
    void linksThatGoRound();
    void pipesAndSockets();
    void fileChangesWhileItIsRead_data();
    void fileChangesWhileItIsRead();

    // Output.
    void outputInTheFolder();
    void outputCannotBeWritten_data();
    void outputCannotBeWritten();
    void outputFolderCannotBeWritten();
    void fullDisk();
    void journalCannotGrow();
    void reportCannotBeWritten();
    void twoRunsOnOneOutput();

private:
    QByteArray tree() const { return *m_folder / "tree"; }
    QByteArray output() const { return *m_folder / "SHA256SUMS"; }
    QByteArray partial() const { return output() + ".partial"; }
    QByteArray report() const { return *m_folder / "report"; }
    QByteArrayList arguments() const { return { tree(), "--output", output() }; }
    QByteArrayList resumeArguments() const { return arguments() << "--resume"; }
    void makeFiles(int count) const;
    void makeStoppedRun(int fileCount);
    bool waitForRecords(int count) const;

    std::optional<Folder> m_folder;
};

void tst_Manifest::init()
{
    m_folder.emplace();
    ::mkdir(tree().constData(), 0777);
    writeFile(tree() + "/a", "first");
    writeFile(tree() + "/z", "last");
}

void tst_Manifest::cleanup()
{
    m_folder.reset();
}

void tst_Manifest::makeFiles(int count) const
{
    for (int i = 0; i < count; ++i)
        writeFile(tree() + "/file" + QByteArray::number(i), QByteArray::number(i));
}

/// Blocks until so many files are in the journal.
bool tst_Manifest::waitForRecords(int count) const
{
    return QTest::qWaitFor([&] { return readFile(partial()).count('\n') >= count + 2; },
                           int(std::chrono::milliseconds(patience).count()));
}

/// A run that was stopped when some of at least \a fileCount files were done, but not all.
void tst_Manifest::makeStoppedRun(int fileCount)
{
    makeFiles(fileCount);
    ReportPipe pipe(report());
    Run run(arguments() << "--report" << report());
    // While the test does not read the report, the program cannot come to its end; as many lines as
    // the tests look at are there.
    QVERIFY(waitForRecords(10));
    run.stop();
    pipe.readAll();
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QVERIFY2(run.out().contains("state: stopped"), run.story());
    QVERIFY(exists(partial()));
    QVERIFY(isRight(output()));
}

// ---- What it writes and says.

void tst_Manifest::writesWhatSha256sumWrites()
{
    QRandomGenerator random(1);
    makeTree(tree() + "/more", 200, random);
    Run run(arguments());
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(readFile(output()), sha256sums(tree()));
    QCOMPARE(run.count("found"), 202);
    QCOMPARE(run.count("reported"), 202);
    QCOMPARE(run.count("errors"), 0);
    QVERIFY(run.out().contains("state: complete"));
    QVERIFY(!exists(partial()));
}

void tst_Manifest::namesOfAnyBytes()
{
    QByteArray everyByte;
    for (int byte = 1; byte < 256; ++byte) {
        if (byte != '/')
            everyByte += char(byte);
    }
    writeFile(tree() + '/' + everyByte, "every byte");
    const QByteArray folder = tree() + "/fol\nder\\ \xff\r";
    ::mkdir(folder.constData(), 0777);
    writeFile(folder + "/\\n", "a backslash and an n");
    writeFile(folder + "/ leading and trailing ", "spaces");

    Run run(arguments() << "--report" << report());
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(readFile(output()), sha256sums(tree()));
    QCOMPARE(sorted(linesOf(readFile(report()))), sorted(linesOf(readFile(output()))));
    QVERIFY(isRight(output()));
}

void tst_Manifest::emptyFolder()
{
    const QByteArray empty = *m_folder / "empty";
    ::mkdir(empty.constData(), 0777);
    Run run({ empty, "--output", output() });
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QVERIFY(exists(output()));
    QCOMPARE(readFile(output()), QByteArray());
}

void tst_Manifest::relativeNames()
{
    const QByteArray path = m_folder->path();
    Run run({ "./tree//", "-o", "SHA256SUMS" },
            [path] { [[maybe_unused]] const int failed = ::chdir(path.constData()); });
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(readFile(output()), sha256sums(tree()));
}

void tst_Manifest::defaultOutputIsInTheDataFolder()
{
    const QByteArray data = *m_folder / "data";
    Run run({ tree() }, [data] { ::setenv("XDG_DATA_HOME", data.constData(), 1); });
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(readFile(data + "/GoProcess/manifest/SHA256SUMS"), sha256sums(tree()));
}

void tst_Manifest::subsystemsCloseInOrder()
{
    Run run(arguments());
    QVERIFY(run.finish());
    static const QRegularExpression line(
            QStringLiteral("^ *(\\w+) +closed in +[0-9.]+ ms, at +([0-9.]+) ms$"),
            QRegularExpression::MultilineOption);
    QMap<QString, double> times;
    for (auto it = line.globalMatch(QString::fromLatin1(run.out())); it.hasNext();) {
        const QRegularExpressionMatch match = it.next();
        times.insert(match.captured(1), match.captured(2).toDouble());
    }
    const QStringList names { QStringLiteral("hasher"), QStringLiteral("manifest"),
                              QStringLiteral("walker"), QStringLiteral("writer") };
    QCOMPARE(times.keys(), names);
    QVERIFY(times[QStringLiteral("walker")] <= times[QStringLiteral("hasher")]);
    QVERIFY(times[QStringLiteral("hasher")] <= times[QStringLiteral("writer")]);
    QVERIFY(times[QStringLiteral("writer")] <= times[QStringLiteral("manifest")]);
}

void tst_Manifest::progressOnATerminal()
{
    makeFiles(1000);
    const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    QVERIFY(terminal >= 0);
    QCOMPARE(::grantpt(terminal), 0);
    QCOMPARE(::unlockpt(terminal), 0);

    ReportPipe pipe(report());
    Run run(arguments() << "--report" << report(), nullptr,
            QString::fromLatin1(::ptsname(terminal)));
    // While the test does not read the report, the program cannot come to its end, and shows how
    // far it is.
    QByteArray seen;
    const bool shown = QTest::qWaitFor(
            [&] {
                std::array<char, 4096> bytes;
                const ssize_t size = ::read(terminal, bytes.data(), bytes.size());
                if (size > 0)
                    seen.append(bytes.data(), size);
                return seen.count("\r\033[K") >= 3;
            },
            int(std::chrono::milliseconds(patience).count()));
    pipe.readAll();
    QVERIFY(run.finish());
    ::close(terminal);
    QVERIFY2(shown, seen);
    static const QRegularExpression line(
            QStringLiteral("\r\033\\[K[0-9,]+ files, .+/s, [0-9,]+ files and .+ left"));
    QVERIFY2(QString::fromLatin1(seen).contains(line), seen);
    QVERIFY2(run.status() == 0, run.story());
}

void tst_Manifest::progressInALog()
{
    makeFiles(1000);
    ReportPipe pipe(report());
    Run run(arguments() << "--report" << report());
    QVERIFY2(run.waitForSentence(" left"), run.story());
    pipe.readAll();
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QVERIFY(!run.err().contains('\r'));
}

// ---- How it is called and stopped.

void tst_Manifest::calledWrongly_data()
{
    QTest::addColumn<QByteArrayList>("arguments");
    QTest::newRow("unknown option") << QByteArrayList { "--no-such-option" };
    QTest::newRow("output without a file") << QByteArrayList { "/usr", "--output" };
    QTest::newRow("output is a folder's name") << QByteArrayList { "/usr", "--output", "/tmp/" };
    QTest::newRow("two folders") << QByteArrayList { "/usr", "/tmp" };
    QTest::newRow("empty folder") << QByteArrayList { "" };
}

void tst_Manifest::calledWrongly()
{
    QFETCH(const QByteArrayList, arguments);
    Run run(arguments);
    QVERIFY(run.finish());
    QCOMPARE(run.status(), 2);
    QVERIFY(run.err().contains("--help"));
}

void tst_Manifest::help()
{
    Run run({ "--help" });
    QVERIFY(run.finish());
    QCOMPARE(run.status(), 0);
    QVERIFY(run.out().startsWith("Usage: "));
}

void tst_Manifest::interruptStops()
{
    makeFiles(3000);
    ReportPipe pipe(report());
    Run run(arguments() << "--report" << report());
    QVERIFY(waitForRecords(1));
    run.stop(SIGINT);
    QVERIFY2(run.waitForSentence("Stopping"), run.story());
    pipe.readAll();
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(sorted(linesOf(readFile(output()))), sorted(pipe.lines()));
}

void tst_Manifest::secondInterruptEndsAtOnce()
{
    makeFiles(1000);
    const ReportPipe pipe(report());
    Run run(arguments() << "--report" << report());
    // When more is in the journal than fits into the pipe, the writer cannot go on, nor close.
    QVERIFY(QTest::qWaitFor([&] { return reportSize(readFile(partial())) > pipe.capacity(); },
                            int(std::chrono::milliseconds(patience).count())));
    run.stop(SIGINT);
    QVERIFY2(run.waitForSentence("Stopping"), run.story());
    QVERIFY(run.interruptAgain());
    QCOMPARE(run.status(), 130);
}

// ---- Resuming.

void tst_Manifest::resumeReadsOnlyWhatChanged()
{
    makeStoppedRun(3000);
    if (QTest::currentTestFailed())
        return;
    const QByteArrayList done = linesOf(readFile(output()));
    QVERIFY(done.size() > 3);
    const auto nameOf = [&done](qsizetype i) { return done.at(i).mid(66); };
    writeFile(nameOf(0), "changed");
    std::remove(nameOf(1).constData());
    writeFile(tree() + "/new", "new");

    Run run(resumeArguments());
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(readFile(output()), sha256sums(tree()));
    QCOMPARE(run.count("kept"), done.size() - 2);
    QVERIFY(!exists(partial()));
}

void tst_Manifest::resumeAfterATornLine()
{
    makeStoppedRun(3000);
    if (QTest::currentTestFailed())
        return;
    const QByteArray journal = readFile(partial());
    const QByteArray lastLine = linesOf(journal).constLast();
    for (const qsizetype size : { qsizetype(1), lastLine.size() / 2, lastLine.size() - 1 }) {
        writeFile(partial(), journal + lastLine.left(size));
        Run run(resumeArguments());
        QVERIFY(run.finish());
        QVERIFY2(run.status() == 0, run.story());
        QCOMPARE(readFile(output()), sha256sums(tree()));
    }
    // A journal that was torn when it was begun.
    for (const qsizetype size : { qsizetype(0), qsizetype(5), journal.indexOf('\n') + 5 }) {
        writeFile(partial(), journal.left(size));
        Run run(resumeArguments());
        QVERIFY(run.finish());
        QVERIFY2(run.status() == 0, run.story());
        QCOMPARE(readFile(output()), sha256sums(tree()));
    }
}

void tst_Manifest::resumeWithoutAStoppedRun()
{
    Run run(resumeArguments());
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QVERIFY(run.err().contains("no stopped run"));
    QCOMPARE(readFile(output()), sha256sums(tree()));
}

void tst_Manifest::resumeOfAnotherFolder()
{
    makeStoppedRun(3000);
    if (QTest::currentTestFailed())
        return;
    const QByteArray journal = readFile(partial());
    Run run({ m_folder->path(), "--output", output(), "--resume" });
    QVERIFY(run.finish());
    QCOMPARE(run.status(), 1);
    QVERIFY2(run.err().contains("another folder: " + tree()), run.story());
    QCOMPARE(readFile(partial()), journal);
}

void tst_Manifest::withoutResumeItStartsAnew()
{
    makeStoppedRun(3000);
    if (QTest::currentTestFailed())
        return;
    Run run(arguments());
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QVERIFY2(run.err().contains("thrown away"), run.story());
    QCOMPARE(run.count("kept"), 0);
    QCOMPARE(readFile(output()), sha256sums(tree()));
}

void tst_Manifest::partialOfAnotherProgram()
{
    writeFile(partial(), "half of a download");
    Run run(arguments());
    QVERIFY(run.finish());
    QCOMPARE(run.status(), 1);
    QVERIFY2(run.err().contains("not a journal"), run.story());
    QCOMPARE(readFile(partial()), "half of a download");
    QVERIFY(!exists(output()));
}

// ---- Bad input.

void tst_Manifest::noSuchFolder()
{
    writeFile(output(), "an old manifest");
    Run run({ *m_folder / "missing", "--output", output() });
    QVERIFY(run.finish());
    QCOMPARE(run.status(), 1);
    QVERIFY2(run.err().contains("missing: No such file or directory"), run.story());
    QCOMPARE(readFile(output()), "an old manifest");
    QVERIFY(!exists(partial()));
}

void tst_Manifest::folderIsAFile()
{
    Run run({ tree() + "/a", "--output", output() });
    QVERIFY(run.finish());
    QCOMPARE(run.status(), 1);
    QVERIFY2(run.err().contains("Not a directory"), run.story());
}

void tst_Manifest::unreadableFile()
{
    writeFile(tree() + "/secret", "secret");
    ::chmod((tree() + "/secret").constData(), 0);
    if (!permissionsCount(tree() + "/secret"))
        QSKIP("Permissions do not count for this user");
    Run run(arguments(), obeyPermissions);
    QVERIFY(run.finish());
    QCOMPARE(run.status(), 1);
    QVERIFY2(run.err().contains("cannot read " + tree() + "/secret: Permission denied"),
             run.story());
    QVERIFY2(run.out().contains("/manifest/hasher/secret: "), run.story());
    QCOMPARE(run.count("errors"), 1);
    QCOMPARE(run.count("reported"), 2);
    QVERIFY(isRight(output()));

    // Once it can be read, only that one is.
    ::chmod((tree() + "/secret").constData(), 0600);
    Run resumed(resumeArguments());
    QVERIFY(resumed.finish());
    QVERIFY2(resumed.status() == 0, resumed.story());
    QCOMPARE(resumed.count("kept"), 2);
    QCOMPARE(readFile(output()), sha256sums(tree()));
}

void tst_Manifest::unreadableFolder()
{
    const QByteArray folder = tree() + "/secret";
    ::mkdir(folder.constData(), 0777);
    writeFile(folder + "/file", "secret");
    ::chmod(folder.constData(), 0);
    if (!permissionsCount(folder))
        QSKIP("Permissions do not count for this user");
    Run run(arguments(), obeyPermissions);
    QVERIFY(run.finish());
    QCOMPARE(run.status(), 1);
    QVERIFY2(run.err().contains("cannot read " + folder + ": Permission denied"), run.story());
    QVERIFY2(run.out().contains("/manifest/walker/walk: "), run.story());
    QCOMPARE(run.count("reported"), 2);
    QVERIFY(isRight(output()));
}

void tst_Manifest::readError()
{
    const QByteArray file = tree() + "/memory";
    writeFile(file, {});
    Run run(arguments(), [file] {
        // The memory of a process is a regular file that cannot be read at its beginning.
        enterOwnMounts();
        if (::mount("/proc/self/mem", file.constData(), nullptr, MS_BIND, nullptr) != 0)
            ::_exit(noMountStatus);
    });
    QVERIFY(run.finish());
    if (run.status() == noMountStatus)
        QSKIP("This user cannot mount anything");
    QCOMPARE(run.status(), 1);
    QVERIFY2(run.err().contains("cannot read " + file + ": Input/output error"), run.story());
    QCOMPARE(run.count("reported"), 2);
    QVERIFY(isRight(output()));
}

void tst_Manifest::linksAreNotFollowed()
{
    const QByteArray outside = *m_folder / "outside";
    ::mkdir(outside.constData(), 0777);
    writeFile(outside + "/file", "outside");
    QCOMPARE(::symlink(outside.constData(), (tree() + "/folder link").constData()), 0);
    QCOMPARE(::symlink((outside + "/file").constData(), (tree() + "/file link").constData()), 0);
    QCOMPARE(::symlink("nowhere", (tree() + "/dangling").constData()), 0);
    Run run(arguments());
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(readFile(output()), sha256sums(tree()));
    QCOMPARE(run.count("links"), 3);
}

void tst_Manifest::linksThatGoRound()
{
    ::mkdir((tree() + "/inner").constData(), 0777);
    QCOMPARE(::symlink("..", (tree() + "/inner/up").constData()), 0);
    QCOMPARE(::symlink(".", (tree() + "/here").constData()), 0);
    QCOMPARE(::symlink("self", (tree() + "/self").constData()), 0);
    QCOMPARE(::symlink("there", (tree() + "/back").constData()), 0);
    QCOMPARE(::symlink("back", (tree() + "/there").constData()), 0);
    Run run(arguments());
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(run.err().count("goes round"), 5);
    QCOMPARE(run.count("links"), 5);
    QCOMPARE(readFile(output()), sha256sums(tree()));
}

void tst_Manifest::pipesAndSockets()
{
    QCOMPARE(::mkfifo((tree() + "/pipe").constData(), 0666), 0);
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    qstrncpy(address.sun_path, (tree() + "/socket").constData(), sizeof address.sun_path);
    QCOMPARE(::bind(listener, reinterpret_cast<const struct sockaddr *>(&address), sizeof address),
             0);
    Run run(arguments());
    QVERIFY(run.finish());
    ::close(listener);
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(run.count("others"), 2);
    QCOMPARE(readFile(output()), sha256sums(tree()));
}

void tst_Manifest::fileChangesWhileItIsRead_data()
{
    QTest::addColumn<QByteArray>("change");
    QTest::addColumn<QByteArray>("sentence");
    QTest::newRow("grows") << QByteArray("echo >> $1") << QByteArray("changed while it was read");
    QTest::newRow("overwritten, with its old time")
            << QByteArray("touch -r $1 $1.time; echo x | dd of=$1 conv=notrunc status=none; "
                          "touch -r $1.time $1; rm $1.time")
            << QByteArray("changed while it was read");
    QTest::newRow("replaced") << QByteArray("echo > $1.new; mv $1.new $1")
                              << QByteArray("changed while it was read");
    QTest::newRow("truncated") << QByteArray(": > $1") << QByteArray("changed while it was read");
    QTest::newRow("vanishes") << QByteArray("rm $1") << QByteArray("vanished while it was read");
}

void tst_Manifest::fileChangesWhileItIsRead()
{
    QFETCH(const QByteArray, change);
    QFETCH(const QByteArray, sentence);
    const QByteArray large = tree() + "/large";
    for (qint64 size = 64'000'000;; size *= 2) {
        writeFile(large, {});
        QCOMPARE(::truncate(large.constData(), size), 0);
        Run run(arguments());
        // Halted while it reads the file, or else the file was too small.
        qint64 position = -1;
        QVERIFY(QTest::qWaitFor(
                [&] {
                    position = positionIn(run.id(), large);
                    return position > 0 || exists(output());
                },
                int(std::chrono::milliseconds(patience).count())));
        run.send(SIGSTOP);
        QVERIFY(QTest::qWaitFor([&] { return isStopped(run.id()) || exists(output()); }));
        position = positionIn(run.id(), large);
        if (position <= 0 || position >= size) {
            std::remove(output().constData());
            QVERIFY(size < (qint64(1) << 34));
            continue;
        }

        shell(QString::fromLatin1(change), large);
        run.send(SIGCONT);
        QVERIFY(run.finish());
        QCOMPARE(run.status(), 1);
        QVERIFY2(run.err().contains(large + ' ' + sentence), run.story());
        QCOMPARE(run.count("reported"), 2);
        QVERIFY(!readFile(output()).contains(large));
        QVERIFY(isRight(output()));
        break;
    }
    // The next run makes up for it.
    Run run(resumeArguments());
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(readFile(output()), sha256sums(tree()));
}

// ---- Output.

void tst_Manifest::outputInTheFolder()
{
    const QByteArray inside = tree() + "/SHA256SUMS";
    const QByteArray expected = sha256sums(tree());
    for (int i = 0; i < 2; ++i) {
        Run run({ tree(), "--output", inside, "--report", tree() + "/report" });
        QVERIFY(run.finish());
        QVERIFY2(run.status() == 0, run.story());
        QCOMPARE(readFile(inside), expected);
    }
    // The same through another name of the folder.
    const QByteArray link = *m_folder / "link";
    QCOMPARE(::symlink("tree", link.constData()), 0);
    std::remove((tree() + "/report").constData());
    Run run({ tree(), "--output", link + "/SHA256SUMS" });
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(readFile(inside), expected);
}

void tst_Manifest::outputCannotBeWritten_data()
{
    QTest::addColumn<QByteArray>("name");
    QTest::addColumn<QByteArray>("sentence");
    QTest::newRow("no such folder")
            << QByteArray("missing/SHA256SUMS") << QByteArray("No such file or directory");
    QTest::newRow("folder is a file")
            << QByteArray("tree/a/SHA256SUMS") << QByteArray("Not a directory");
    QTest::newRow("is a folder") << QByteArray("tree") << QByteArray("not a regular file");
    QTest::newRow("is a device") << QByteArray("/dev/full") << QByteArray("not a regular file");
    QTest::newRow("name is too long") << QByteArray(300, 'x') << QByteArray("File name too long");
}

void tst_Manifest::outputCannotBeWritten()
{
    QFETCH(const QByteArray, name);
    QFETCH(const QByteArray, sentence);
    Run run({ tree(), "--output", name.startsWith('/') ? name : *m_folder / name });
    QVERIFY(run.finish());
    QCOMPARE(run.status(), 1);
    QVERIFY2(run.err().contains(sentence), run.story());
}

void tst_Manifest::outputFolderCannotBeWritten()
{
    const QByteArray locked = *m_folder / "locked";
    ::mkdir(locked.constData(), 0);
    if (!permissionsCount(locked))
        QSKIP("Permissions do not count for this user");
    ::chmod(locked.constData(), 0555);
    Run run({ tree(), "--output", locked + "/SHA256SUMS" }, obeyPermissions);
    QVERIFY(run.finish());
    QCOMPARE(run.status(), 1);
    QVERIFY2(
            run.err().contains("cannot write " + locked + "/SHA256SUMS.partial: Permission denied"),
            run.story());
}

void tst_Manifest::fullDisk()
{
    makeFiles(1000);
    const QByteArray disk = *m_folder / "disk";
    ::mkdir(disk.constData(), 0777);
    Run run({ tree(), "--output", disk + "/SHA256SUMS" }, [disk] {
        enterOwnMounts();
        if (::mount("tmpfs", disk.constData(), "tmpfs", 0, "size=64k") != 0)
            ::_exit(noMountStatus);
    });
    QVERIFY(run.finish());
    if (run.status() == noMountStatus)
        QSKIP("This user cannot mount a small disk");
    QCOMPARE(run.status(), 1);
    QVERIFY2(run.err().contains(".partial: No space left on device"), run.story());
    QVERIFY2(run.out().contains("/manifest/writer: "), run.story());
    QVERIFY2(run.out().contains("state: stopped"), run.story());
}

void tst_Manifest::journalCannotGrow()
{
    makeFiles(1000);
    Run run(arguments() << "--report" << report(), limitFileSize);
    QVERIFY(run.finish());
    QCOMPARE(run.status(), 1);
    QVERIFY2(run.err().contains(partial() + ": File too large"), run.story());
    QVERIFY2(run.out().contains("/manifest/writer: "), run.story());
    QVERIFY(isRight(output()));
    // What was reported as done is there.
    const QByteArrayList done = linesOf(readFile(output()));
    const QByteArrayList reported = linesOf(readFile(report()));
    QCOMPARE(run.count("reported"), reported.size());
    for (const QByteArray &line : reported)
        QVERIFY(done.contains(line));

    Run resumed(resumeArguments());
    QVERIFY(resumed.finish());
    QVERIFY2(resumed.status() == 0, resumed.story());
    QVERIFY(resumed.count("kept") >= reported.size());
    QCOMPARE(readFile(output()), sha256sums(tree()));
}

void tst_Manifest::reportCannotBeWritten()
{
    Run run(arguments() << "--report"
                        << "/dev/full");
    QVERIFY(run.finish());
    QCOMPARE(run.status(), 1);
    QVERIFY2(run.err().contains("cannot write /dev/full: No space left on device"), run.story());

    Run elsewhere(arguments() << "--report" << *m_folder / "missing/report");
    QVERIFY(elsewhere.finish());
    QCOMPARE(elsewhere.status(), 1);
    QVERIFY2(elsewhere.err().contains("missing/report: No such file or directory"),
             elsewhere.story());
}

void tst_Manifest::twoRunsOnOneOutput()
{
    makeFiles(1000);
    ReportPipe pipe(report());
    Run first(arguments() << "--report" << report());
    QVERIFY2(first.waitForSentence("Reading "), first.story());
    Run second(arguments());
    QVERIFY(second.finish());
    QCOMPARE(second.status(), 1);
    QVERIFY2(second.err().contains("another run is writing " + output()), second.story());
    pipe.readAll();
    QVERIFY(first.finish());
    QVERIFY2(first.status() == 0, first.story());
    QCOMPARE(readFile(output()), sha256sums(tree()));
}

QTEST_GUILESS_MAIN(tst_Manifest)
#include "tst_manifest.moc"
