// SPDX-License-Identifier: MIT
// The indexer in the terminal and its user: what it keeps and answers, how it ends, and what it makes
// of bad input. How it is stopped is the subject of tst_indexerstops.cpp.

#include "demosupport.h"
#include "indexsupport.h"

#include "common/console.h"
#include "indexer/catalogue.h"
#include "indexer/counts.h"
#include "indexer/log.h"
#include "indexer/storage.h"

#include <QFile>
#include <QMap>
#include <QObject>
#include <QRegularExpression>
#include <QSignalSpy>
#include <QTest>

#include <csignal>
#include <cstdlib>
#include <optional>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace DemoSupport;
using namespace IndexSupport;

class tst_Indexer : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();
    void cleanup();

    // What it keeps.
    void indexesWhatSha256sumReads();
    void namesOfAnyBytes();
    void logListsWhatIsSafe();
    void nextRunReadsOnlyWhatChanged();
    void otherFoldersStayInTheIndex();
    void rescanFindsChanges();
    void defaultDatabaseIsInTheDataFolder();
    void itsOwnFilesAreNotIndexed();

    // What it answers.
    void queryFindsNames_data();
    void queryFindsNames();
    void queryOfManyFiles();
    void queryWithoutAnIndex();
    void queryWithoutAnIndexer_data();
    void queryWithoutAnIndexer();
    void queryOfAnotherDatabase();
    void queryAfterAKilledIndexer();

    // How it is called and stopped.
    void calledWrongly_data();
    void calledWrongly();
    void help();
    void subsystemsCloseInOrder();
    void interruptStops();
    void secondInterruptEndsAtOnce();

    // Files that cannot be read.
    void noSuchFolder();
    void unreadableFileIsNewsOnlyOnce();
    void unreadableFolderKeepsWhatIsKnown();
    void linksThatGoRound();
    void fileChangesWhileItIsRead_data();
    void fileChangesWhileItIsRead();

    // Databases that cannot be used.
    void notADatabase();
    void databaseOfAnotherProgram();
    void damagedDatabase();
    void databaseNameIsNotUtf8();
    void lockedFromTheBeginning();
    void lockedForAWhile();
    void storageStaysClosed();
    void readOnlyDisk();
    void fullDisk();
    void secondIndexer();
    void logCannotBeWritten();

private:
    QByteArray tree() const { return *m_folder / "tree"; }
    QByteArray database() const { return *m_folder / "index.sqlite"; }
    QByteArray log() const { return *m_folder / "log"; }
    QByteArrayList once() const { return { tree(), "--database", database(), "--once" }; }
    QByteArrayList staying() const
    {
        return { tree(), "--database", database(), "--no-window", "--watch", "--log", log() };
    }
    QByteArrayList rescanning() const { return staying() + QByteArrayList { "--rescan", "1" }; }
    void makeFiles(int count) const;
    bool waitForLog(const QByteArray &text) const;
    void stopWhileLocked(Run &run, int signal, std::optional<Connection> &other);

    std::optional<Folder> m_folder;
};

void tst_Indexer::init()
{
    m_folder.emplace();
    ::mkdir(tree().constData(), 0777);
    writeFile(tree() + "/a", "first");
    writeFile(tree() + "/z", "last");
}

void tst_Indexer::cleanup()
{
    m_folder.reset();
}

void tst_Indexer::makeFiles(int count) const
{
    for (int i = 0; i < count; ++i)
        writeFile(tree() + "/file" + QByteArray::number(i), QByteArray::number(i));
}

/// Blocks until \a text is in the log.
bool tst_Indexer::waitForLog(const QByteArray &text) const
{
    return QTest::qWaitFor([&] { return readFile(log()).contains(text); },
                           int(std::chrono::milliseconds(patience).count()));
}

// ---- What it keeps.

void tst_Indexer::indexesWhatSha256sumReads()
{
    QRandomGenerator random(1);
    makeTree(tree() + "/more", 200, random);
    Run run(once());
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(filesIn(database()), filesBelow(tree()));
    QCOMPARE(run.count("indexed"), 202);
    QCOMPARE(run.count("errors"), 0);
    QVERIFY(Connection(database()).isSound());
}

void tst_Indexer::namesOfAnyBytes()
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

    Run run(once() << "--log" << log());
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(filesIn(database()), filesBelow(tree()));
    QCOMPARE(indexedIn(linesOf(readFile(log()))), filesBelow(tree()));
}

void tst_Indexer::logListsWhatIsSafe()
{
    makeFiles(100);
    Run run(once() << "--log" << log());
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(indexedIn(linesOf(readFile(log()))), filesIn(database()));
    QVERIFY(readFile(log()).startsWith("said Indexing " + tree()));
}

void tst_Indexer::nextRunReadsOnlyWhatChanged()
{
    makeFiles(100);
    Run first(once());
    QVERIFY(first.finish());
    QVERIFY2(first.status() == 0, first.story());
    writeFile(tree() + "/file1", "changed");
    std::remove((tree() + "/file2").constData());
    writeFile(tree() + "/new", "new");

    Run run(once() << "--log" << log());
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(run.count("known"), 102);
    QCOMPARE(run.count("indexed"), 2);
    QCOMPARE(run.count("removed"), 1);
    QVERIFY(readFile(log()).contains("removed " + tree() + "/file2\n"));
    QCOMPARE(filesIn(database()), filesBelow(tree()));
}

void tst_Indexer::otherFoldersStayInTheIndex()
{
    const QByteArray other = *m_folder / "tree2"; // whose name begins as the first one's does
    ::mkdir(other.constData(), 0777);
    writeFile(other + "/b", "second");
    for (const QByteArray &folder : { other, tree() }) {
        Run run({ folder, "--database", database(), "--once" });
        QVERIFY(run.finish());
        QVERIFY2(run.status() == 0, run.story());
    }
    QCOMPARE(filesIn(database()), sorted(filesBelow(tree()) + filesBelow(other)));
}

void tst_Indexer::rescanFindsChanges()
{
    Run run(rescanning());
    QVERIFY2(waitForLog("watching for changes"), run.story());
    writeFile(tree() + "/new", "new");
    std::remove((tree() + "/a").constData());
    QVERIFY(waitForLog(tree() + "/new\n"));
    QVERIFY(waitForLog("removed " + tree() + "/a\n"));
    run.stop();
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(filesIn(database()), filesBelow(tree()));
    QVERIFY(run.count("scans") >= 2);
}

void tst_Indexer::defaultDatabaseIsInTheDataFolder()
{
    const QByteArray data = *m_folder / "data";
    Run run({ tree(), "--once" }, [data] { ::setenv("XDG_DATA_HOME", data.constData(), 1); });
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(filesIn(data + "/GoProcess/indexer/index.sqlite"), filesBelow(tree()));
}

void tst_Indexer::itsOwnFilesAreNotIndexed()
{
    const QByteArrayList expected = filesBelow(tree());
    const QByteArray inside = tree() + "/index.sqlite";
    for (int i = 0; i < 2; ++i) {
        Run run({ tree(), "--database", inside, "--once", "--log", tree() + "/log" });
        QVERIFY(run.finish());
        QVERIFY2(run.status() == 0, run.story());
        QCOMPARE(filesIn(inside), expected);
    }
    QVERIFY(!exists(inside + ".lock"));
    QVERIFY(!exists(inside + "-wal"));
}

// ---- What it answers.

void tst_Indexer::queryFindsNames_data()
{
    QTest::addColumn<QByteArray>("pattern");
    QTest::addColumn<QByteArrayList>("names");
    QTest::newRow("part") << QByteArray("port")
                          << QByteArrayList { "Report 1.txt", "report 22.odt" };
    QTest::newRow("another case") << QByteArray("REPORT 1") << QByteArrayList { "Report 1.txt" };
    QTest::newRow("any text") << QByteArray("re*odt") << QByteArrayList { "report 22.odt" };
    QTest::newRow("any character") << QByteArray("t ?.") << QByteArrayList { "Report 1.txt" };
    QTest::newRow("percent") << QByteArray("%") << QByteArrayList { "100%" };
    QTest::newRow("underscore") << QByteArray("_") << QByteArrayList { "a_b" };
    QTest::newRow("quote") << QByteArray("'") << QByteArrayList { "it's" };
    QTest::newRow("newline") << QByteArray("line\\012") << QByteArrayList { "line\\nbreak" };
    QTest::newRow("not UTF-8") << QByteArray("\\377") << QByteArrayList { "not \xff utf8" };
    QTest::newRow("nothing") << QByteArray("missing") << QByteArrayList {};
}

void tst_Indexer::queryFindsNames()
{
    QFETCH(const QByteArray, pattern);
    QFETCH(const QByteArrayList, names);
    for (const char *name :
         { "Report 1.txt", "report 22.odt", "100%", "a_b", "it's", "line\nbreak", "not \xff utf8" })
        writeFile(tree() + '/' + name, name);
    Run indexer(staying());
    QVERIFY2(waitForLog("watching for changes"), indexer.story());

    Run query({ "--query", pattern, "--database", database() });
    QVERIFY(query.finish());
    QVERIFY2(query.status() == (names.isEmpty() ? 1 : 0), query.story());
    QByteArrayList paths;
    for (const QByteArray &name : names)
        paths += tree() + '/' + name;
    QCOMPARE(sorted(linesOf(query.out())), sorted(paths));
}

void tst_Indexer::queryOfManyFiles()
{
    makeFiles(3000);
    Run indexer(staying());
    QVERIFY2(waitForLog("watching for changes"), indexer.story());
    Run query({ "--query", "file", "--database", database() });
    QVERIFY(query.finish());
    QCOMPARE(query.status(), 0);
    QCOMPARE(linesOf(query.out()).size(), 3000);
}

void tst_Indexer::queryWithoutAnIndex()
{
    Run query({ "--query", "file", "--database", database() });
    QVERIFY(query.finish());
    QCOMPARE(query.status(), 1);
    QVERIFY2(query.err().contains("no indexer is running on " + database()), query.story());
    QVERIFY(!exists(database()));
}

void tst_Indexer::queryWithoutAnIndexer_data()
{
    QTest::addColumn<bool>("isReadOnly");
    QTest::newRow("the index is there") << false;
    QTest::newRow("on a disk that is read-only") << true;
}

void tst_Indexer::queryWithoutAnIndexer()
{
    QFETCH(const bool, isReadOnly);
    const QByteArray folder = *m_folder / "index %20 ?#";
    ::mkdir(folder.constData(), 0777);
    const QByteArray index = folder + "/index.sqlite";
    Run indexer({ tree(), "--database", index, "--once" });
    QVERIFY(indexer.finish());
    QVERIFY2(indexer.status() == 0, indexer.story());
    const QByteArray before = readFile(index);
    if (isReadOnly) {
        ::chmod(index.constData(), 0444);
        ::chmod(folder.constData(), 0555);
    }

    Run query({ "--query", "z", "--database", index }, obeyPermissions);
    QVERIFY(query.finish());
    QVERIFY2(query.status() == 0, query.story());
    QCOMPARE(query.out(), tree() + "/z\n");
    Run other({ "--query", "nothing", "--database", index }, obeyPermissions);
    QVERIFY(other.finish());
    QCOMPARE(other.status(), 1);
    QVERIFY2(other.err().contains("No file has such a name"), other.story());
    QCOMPARE(readFile(index), before); // it only reads
}

void tst_Indexer::queryOfAnotherDatabase()
{
    {
        Connection other(database());
        QVERIFY(other.run("CREATE TABLE files (path TEXT)"));
    }
    Run query({ "--query", "z", "--database", database() });
    QVERIFY(query.finish());
    QCOMPARE(query.status(), 1);
    QVERIFY2(query.err().contains("is a database of another program"), query.story());
}

void tst_Indexer::queryAfterAKilledIndexer()
{
    {
        Run killed(staying());
        QVERIFY2(waitForLog("watching for changes"), killed.story());
        killed.send(SIGKILL);
        QVERIFY(killed.finish());
    }
    std::remove(log().constData());
    Run indexer(staying());
    QVERIFY2(waitForLog("watching for changes"), indexer.story());
    Run query({ "--query", "z", "--database", database() });
    QVERIFY(query.finish());
    QVERIFY2(query.status() == 0, query.story());
    QCOMPARE(query.out(), tree() + "/z\n");
}

// ---- How it is called and stopped.

void tst_Indexer::calledWrongly_data()
{
    QTest::addColumn<QByteArrayList>("arguments");
    QTest::newRow("unknown option") << QByteArrayList { "--no-such-option" };
    QTest::newRow("database without a file") << QByteArrayList { "/usr", "--database" };
    QTest::newRow("database is a folder's name")
            << QByteArrayList { "/usr", "--database", "/tmp/" };
    QTest::newRow("two folders") << QByteArrayList { "/usr", "/tmp" };
    QTest::newRow("empty folder") << QByteArrayList { "" };
    QTest::newRow("empty query") << QByteArrayList { "--query", "" };
    QTest::newRow("once and for ever") << QByteArrayList { "--once", "--watch" };
    QTest::newRow("no time") << QByteArrayList { "--rescan", "0" };
}

void tst_Indexer::calledWrongly()
{
    QFETCH(const QByteArrayList, arguments);
    Run run(arguments);
    QVERIFY(run.finish());
    QCOMPARE(run.status(), 2);
    QVERIFY(run.err().contains("--help"));
}

void tst_Indexer::help()
{
    Run run({ "--help" });
    QVERIFY(run.finish());
    QCOMPARE(run.status(), 0);
    QVERIFY(run.out().startsWith("Usage: "));
}

void tst_Indexer::subsystemsCloseInOrder()
{
    makeFiles(100);
    Run run(staying());
    QVERIFY2(waitForLog("watching for changes"), run.story());
    run.stop();
    QVERIFY(run.finish());
    static const QRegularExpression line(
            QStringLiteral("^ *(\\w+) +closed in +[0-9.]+ ms, at +([0-9.]+) ms$"),
            QRegularExpression::MultilineOption);
    QMap<QString, double> times;
    for (auto it = line.globalMatch(QString::fromLatin1(run.out())); it.hasNext();) {
        const QRegularExpressionMatch match = it.next();
        times.insert(match.captured(1), match.captured(2).toDouble());
    }
    double last = 0;
    for (const char *name : { "search", "watch", "scanner", "storage", "log", "indexer" }) {
        QVERIFY2(times.contains(QString::fromLatin1(name)), run.story());
        QVERIFY2(times[QString::fromLatin1(name)] >= last, run.story());
        last = times[QString::fromLatin1(name)];
    }
    QCOMPARE(times.size(), 6);
}

void tst_Indexer::interruptStops()
{
    makeFiles(3000);
    ReportPipe pipe(log());
    Run run(staying());
    pipe.read(10); // while the test does not read on, the program cannot come to its end
    run.stop(SIGINT);
    pipe.readAll();
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QVERIFY2(run.err().contains("Stopping"), run.story());
    QCOMPARE(indexedIn(pipe.lines()), filesIn(database()));
}

/// Stops \a run, which rescans, when it has found files and \a other has locked its database.
void tst_Indexer::stopWhileLocked(Run &run, int signal, std::optional<Connection> &other)
{
    QVERIFY2(waitForLog("watching for changes"), run.story());
    other.emplace(database());
    QVERIFY(other->run("BEGIN IMMEDIATE"));
    makeFiles(10);
    QVERIFY2(waitForLog("waiting for it"), run.story());
    run.stop(signal);
    QVERIFY2(waitForLog("Stopping"), run.story());
}

void tst_Indexer::secondInterruptEndsAtOnce()
{
    Run run(rescanning());
    // As long as the database is locked, the storage cannot go on, nor close.
    std::optional<Connection> other;
    stopWhileLocked(run, SIGINT, other);
    if (QTest::currentTestFailed())
        return;
    QVERIFY(run.interruptAgain());
    QCOMPARE(run.status(), 130);
    QVERIFY(other->run("ROLLBACK"));
    QVERIFY(other->isSound());
}

// ---- Files that cannot be read.

void tst_Indexer::noSuchFolder()
{
    Run run({ *m_folder / "missing", "--database", database(), "--once" });
    QVERIFY(run.finish());
    QCOMPARE(run.status(), 1);
    QVERIFY2(run.err().contains("missing: No such file or directory"), run.story());
    QVERIFY(!exists(database()));
}

void tst_Indexer::unreadableFileIsNewsOnlyOnce()
{
    writeFile(tree() + "/secret", "secret");
    ::chmod((tree() + "/secret").constData(), 0);
    if (!permissionsCount(tree() + "/secret"))
        QSKIP("Permissions do not count for this user");
    Run run(rescanning(), obeyPermissions);
    QVERIFY2(waitForLog("watching for changes"), run.story());
    // A new file tells that a further scan has been there.
    writeFile(tree() + "/new", "new");
    QVERIFY(waitForLog(tree() + "/new\n"));
    run.stop();
    QVERIFY(run.finish());
    QCOMPARE(run.status(), 1);
    QCOMPARE(run.err().count("cannot read " + tree() + "/secret: Permission denied"), 1);
    QVERIFY2(run.out().contains("/indexer/scanner/scan/secret: "), run.story());
    QCOMPARE(run.count("errors"), 1);
    QCOMPARE(run.count("indexed"), 3);
}

void tst_Indexer::unreadableFolderKeepsWhatIsKnown()
{
    const QByteArray folder = tree() + "/secret";
    ::mkdir(folder.constData(), 0777);
    writeFile(folder + "/file", "secret");
    const QByteArrayList expected = filesBelow(tree());
    Run first(once());
    QVERIFY(first.finish());
    ::chmod(folder.constData(), 0);
    if (!permissionsCount(folder))
        QSKIP("Permissions do not count for this user");
    Run run(once(), obeyPermissions);
    QVERIFY(run.finish());
    QCOMPARE(run.status(), 1);
    QVERIFY2(run.err().contains("cannot read " + folder + ": Permission denied"), run.story());
    QCOMPARE(filesIn(database()), expected);
}

void tst_Indexer::linksThatGoRound()
{
    ::mkdir((tree() + "/inner").constData(), 0777);
    QCOMPARE(::symlink("..", (tree() + "/inner/up").constData()), 0);
    QCOMPARE(::symlink("self", (tree() + "/self").constData()), 0);
    Run run(once());
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(run.err().count("goes round"), 2);
    QCOMPARE(run.count("links"), 2);
    QCOMPARE(filesIn(database()), filesBelow(tree()));
}

void tst_Indexer::fileChangesWhileItIsRead_data()
{
    QTest::addColumn<QByteArray>("change");
    QTest::addColumn<QByteArray>("sentence");
    QTest::newRow("grows") << QByteArray("echo >> $1") << QByteArray("changed while it was read");
    QTest::newRow("vanishes") << QByteArray("rm $1") << QByteArray("vanished while it was read");
}

void tst_Indexer::fileChangesWhileItIsRead()
{
    QFETCH(const QByteArray, change);
    QFETCH(const QByteArray, sentence);
    const QByteArray large = tree() + "/large";
    for (qint64 size = 64'000'000;; size *= 2) {
        writeFile(large, {});
        QCOMPARE(::truncate(large.constData(), size), 0);
        std::remove(database().constData());
        Run run(once());
        // Halted while it reads the file, or else the file was too small.
        qint64 position = -1;
        QVERIFY(QTest::qWaitFor(
                [&] {
                    position = positionIn(run.id(), large);
                    return position > 0 || run.isOver();
                },
                int(std::chrono::milliseconds(patience).count())));
        run.send(SIGSTOP);
        QVERIFY(QTest::qWaitFor([&] { return run.isOver() || isStopped(run.id()); }));
        position = positionIn(run.id(), large);
        if (position <= 0 || position >= size) {
            run.send(SIGKILL);
            QVERIFY(size < (qint64(1) << 34));
            continue;
        }

        shell(QString::fromLatin1(change), large);
        run.send(SIGCONT);
        QVERIFY(run.finish());
        QCOMPARE(run.status(), 1);
        QVERIFY2(run.err().contains(large + ' ' + sentence), run.story());
        QCOMPARE(run.count("indexed"), 2);
        break;
    }
    // The next run makes up for it.
    Run run(once());
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(filesIn(database()), filesBelow(tree()));
}

// ---- Databases that cannot be used.

void tst_Indexer::notADatabase()
{
    const QByteArray content = "half of a download " + QByteArray(1000, 'x');
    writeFile(database(), content);
    Run run(once());
    QVERIFY(run.finish());
    QCOMPARE(run.status(), 1);
    QVERIFY2(run.err().contains(database() + " is not a database"), run.story());
    QVERIFY2(run.out().contains("/indexer/storage/database: "), run.story());
    QCOMPARE(readFile(database()), content);
}

void tst_Indexer::databaseOfAnotherProgram()
{
    QVERIFY(Connection(database()).run("CREATE TABLE songs (title TEXT)"));
    const QByteArray content = readFile(database());
    Run run(once());
    QVERIFY(run.finish());
    QCOMPARE(run.status(), 1);
    QVERIFY2(run.err().contains("is a database of another program"), run.story());
    QCOMPARE(readFile(database()), content);
}

void tst_Indexer::damagedDatabase()
{
    makeFiles(1000);
    Run first(once());
    QVERIFY(first.finish());
    QByteArray content = readFile(database());
    for (qsizetype page = 4096; page < content.size(); page += 4096)
        content.replace(page, 100, QByteArray(100, '\xee'));
    writeFile(database(), content);
    Run run(once());
    QVERIFY(run.finish());
    QCOMPARE(run.status(), 1);
    QVERIFY2(run.err().contains(database() + " is damaged"), run.story());
}

void tst_Indexer::databaseNameIsNotUtf8()
{
    // QProcess cannot pass such a name.
    const QByteArray printed = shell(
            QStringLiteral("! " DEMO_PROGRAM " \"$1\" --once --database \"$1\"/$'\\xff' 2>&1"),
            tree());
    QVERIFY2(printed.contains("its name is not UTF-8"), printed);
}

void tst_Indexer::lockedFromTheBeginning()
{
    Run first(once());
    QVERIFY(first.finish());
    Connection other(database());
    QVERIFY(other.run("BEGIN IMMEDIATE"));
    Run run(once());
    QVERIFY(run.finish());
    QCOMPARE(run.status(), 1);
    QVERIFY2(run.err().contains(database() + " is locked by another program"), run.story());
    QVERIFY(other.run("ROLLBACK"));
}

void tst_Indexer::lockedForAWhile()
{
    Run run(rescanning());
    std::optional<Connection> other;
    stopWhileLocked(run, SIGTERM, other);
    if (QTest::currentTestFailed())
        return;
    // It closes only when it has written what it found.
    QVERIFY(other->run("ROLLBACK"));
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(indexedIn(linesOf(readFile(log()))), filesIn(database()));
}

/// What a scan of the run before asks for late must not keep the next run from the database.
void tst_Indexer::storageStaysClosed()
{
    for (int i = 0; i < 20; ++i) {
        Demo::Console console;
        Demo::Log messages(console);
        Demo::Catalogue catalogue;
        Demo::Counts counts;
        Demo::Storage storage(database(), catalogue, messages, counts);
        QSignalSpy opened(&storage, &Demo::Storage::opened);
        storage.open();
        QTRY_COMPARE_WITH_TIMEOUT(opened.count(), 1,
                                  int(std::chrono::milliseconds(patience).count()));
        QVERIFY(exists(database() + ".lock"));

        GoProcess::Hold thread = storage.process()->hold();
        storage.process()->close();
        QTRY_VERIFY_WITH_TIMEOUT(!exists(database() + ".lock"),
                                 int(std::chrono::milliseconds(patience).count()));
        storage.catchUp();
        thread.release();
        QVERIFY(storage.process()->waitForClosed(QDeadlineTimer(patience)));
        QVERIFY(!exists(database() + ".lock"));
    }
}

void tst_Indexer::readOnlyDisk()
{
    const QByteArray disk = *m_folder / "disk";
    ::mkdir(disk.constData(), 0777);
    Run run({ tree(), "--database", disk + "/index.sqlite", "--once" }, [disk] {
        enterOwnMounts();
        if (::mount("tmpfs", disk.constData(), "tmpfs", MS_RDONLY, nullptr) != 0)
            ::_exit(noMountStatus);
    });
    QVERIFY(run.finish());
    if (run.status() == noMountStatus)
        QSKIP("This user cannot mount anything");
    QCOMPARE(run.status(), 1);
    QVERIFY2(run.err().contains("Read-only file system"), run.story());
}

void tst_Indexer::fullDisk()
{
    makeFiles(3000);
    const QByteArray disk = *m_folder / "disk";
    ::mkdir(disk.constData(), 0777);
    Run run({ tree(), "--database", disk + "/index.sqlite", "--once", "--log", log() }, [disk] {
        enterOwnMounts();
        if (::mount("tmpfs", disk.constData(), "tmpfs", 0, "size=300k") != 0)
            ::_exit(noMountStatus);
    });
    QVERIFY(run.finish());
    if (run.status() == noMountStatus)
        QSKIP("This user cannot mount a small disk");
    QCOMPARE(run.status(), 1);
    QVERIFY2(run.err().contains("the disk"), run.story());
    QVERIFY2(run.out().contains("/indexer/storage/database: "), run.story());
    QCOMPARE(run.count("indexed"), indexedIn(linesOf(readFile(log()))).size());
}

void tst_Indexer::secondIndexer()
{
    Run first(staying());
    QVERIFY2(waitForLog("watching for changes"), first.story());
    // The same database by another name.
    QCOMPARE(::symlink("index.sqlite", (*m_folder / "link").constData()), 0);
    Run second({ tree(), "--database", *m_folder / "link", "--once" });
    QVERIFY(second.finish());
    QCOMPARE(second.status(), 1);
    QVERIFY2(second.err().contains("another indexer is using " + database()), second.story());
    first.stop();
    QVERIFY(first.finish());
    QVERIFY2(first.status() == 0, first.story());
}

void tst_Indexer::logCannotBeWritten()
{
    Run run(once() << "--log"
                   << "/dev/full");
    QVERIFY(run.finish());
    QCOMPARE(run.status(), 1);
    QVERIFY2(run.err().contains("cannot write /dev/full: No space left on device"), run.story());

    Run elsewhere(once() << "--log" << *m_folder / "missing/log");
    QVERIFY(elsewhere.finish());
    QCOMPARE(elsewhere.status(), 1);
    QVERIFY2(elsewhere.err().contains("missing/log: No such file or directory"), elsewhere.story());
}

QTEST_GUILESS_MAIN(tst_Indexer)
#include "tst_indexer.moc"
