// SPDX-License-Identifier: MIT
// The indexer stopped and killed at random moments: what it reported as indexed is in the database,
// all batches are whole, and a run that goes on ends as one that was never stopped.

#include "demosupport.h"
#include "indexsupport.h"
#include "support/sanitizers.h"

#include <QObject>
#include <QSet>
#include <QTest>

#include <chrono>
#include <csignal>
#include <initializer_list>

using namespace DemoSupport;
using namespace IndexSupport;

namespace {

constexpr int fileCount = 1000;
constexpr int stopCount = TestSupport::underSanitizer ? 20 : 50;
constexpr int killCount = TestSupport::underSanitizer ? 10 : 25;
constexpr std::chrono::milliseconds closeTime { 20 }; // about as long as closing takes

/// From the environment, to repeat what another run has found; else a new one.
quint32 seed()
{
    bool ok = false;
    const uint given = qEnvironmentVariable("INDEXER_TEST_SEED").toUInt(&ok);
    return ok ? given : QRandomGenerator::global()->generate();
}

} // namespace

class tst_IndexerStops : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void stoppedAtRandomMoments();
    void killedAtRandomMoments();
    void stoppedAgainAndAgain();

private:
    QByteArrayList arguments() const;
    void removeDatabase() const;
    QDeadlineTimer randomTime(std::chrono::nanoseconds below);
    void readUntilRandomMoment(ReportPipe &log, int turn);

    const quint32 m_seed = seed();
    QRandomGenerator m_random { m_seed };
    Folder m_folder;
    const QByteArray m_tree = m_folder / "tree";
    const QByteArray m_database = m_folder / "index.sqlite";
    const QByteArray m_logPath = m_folder / "log";
    QByteArrayList m_whole; // what a run that is never stopped has in its index
    std::chrono::nanoseconds m_wholeTime {};
};

QByteArrayList tst_IndexerStops::arguments() const
{
    return { m_tree, "--database", m_database, "--once", "--log", m_logPath };
}

void tst_IndexerStops::removeDatabase() const
{
    for (const char *suffix : { "", "-wal", "-shm", ".lock" })
        std::remove((m_database + suffix).constData());
}

void tst_IndexerStops::initTestCase()
{
    qInfo("INDEXER_TEST_SEED=%u repeats this run", m_seed);
    makeTree(m_tree, fileCount, m_random);

    const auto begin = std::chrono::steady_clock::now();
    Run run({ m_tree, "--database", m_database, "--once" });
    QVERIFY(run.finish());
    m_wholeTime = std::chrono::steady_clock::now() - begin;
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(run.count("indexed"), fileCount);
    m_whole = filesIn(m_database);
    QCOMPARE(m_whole, filesBelow(m_tree));
}

QDeadlineTimer tst_IndexerStops::randomTime(std::chrono::nanoseconds below)
{
    const std::chrono::nanoseconds time(m_random.bounded(qint64(below.count())));
    return QDeadlineTimer(time, Qt::PreciseTimer);
}

/// After a random number of files, or after a random time, which may be longer than the run.
void tst_IndexerStops::readUntilRandomMoment(ReportPipe &log, int turn)
{
    if (turn % 2)
        log.read(m_random.bounded(fileCount + 1));
    else
        log.read(2 * fileCount, randomTime(m_wholeTime));
}

void tst_IndexerStops::stoppedAtRandomMoments()
{
    int stoppedCount = 0;
    for (int i = 0; i < stopCount; ++i) {
        removeDatabase();
        ReportPipe log(m_logPath);
        Run run(arguments());
        log.read(1); // it has begun
        readUntilRandomMoment(log, i);
        run.send(SIGTERM);
        log.readAll();
        QVERIFY(run.finish());
        QVERIFY2(run.status() == 0, run.story());

        // Exactly what was reported is there.
        const QByteArrayList reported = indexedIn(log.lines());
        QCOMPARE(run.count("indexed"), reported.size());
        Connection database(m_database);
        QVERIFY(database.run("PRAGMA user_version")); // it opens
        QCOMPARE(exists(m_database) && reported.size() > 0 ? database.files() : reported, reported);
        QVERIFY(database.isSound());
        stoppedCount += reported.size() < fileCount ? 1 : 0;
        if (QTest::currentTestFailed())
            return;
    }
    qInfo("%d of %d runs were stopped before their end", stoppedCount, stopCount);
    QVERIFY(stoppedCount > 0);
}

void tst_IndexerStops::killedAtRandomMoments()
{
    const QSet<QByteArray> whole(m_whole.cbegin(), m_whole.cend());
    int killedCount = 0;
    for (int i = 0; i < killCount; ++i) {
        removeDatabase();
        ReportPipe log(m_logPath);
        Run run(arguments());
        readUntilRandomMoment(log, i);
        if (i % 4 >= 2) {
            // While it closes, or soon afterwards.
            run.send(SIGTERM);
            log.read(2 * fileCount, randomTime(closeTime));
        }
        run.send(SIGKILL);
        QVERIFY(run.finish());
        log.readRest();
        killedCount += run.status() == -1 ? 1 : 0;

        const QByteArrayList reported = indexedIn(log.lines());
        if (!reported.isEmpty()) {
            Connection database(m_database);
            QVERIFY(database.isSound());
            const QByteArrayList files = database.files();
            const QSet<QByteArray> there(files.begin(), files.end());
            for (const QByteArray &line : reported)
                QVERIFY2(there.contains(line), line);
            QVERIFY(whole.contains(there));
        }
        // The next run goes on from there.
        Run next({ m_tree, "--database", m_database, "--once" });
        QVERIFY(next.finish());
        QVERIFY2(next.status() == 0, next.story());
        QVERIFY(next.count("known") >= reported.size());
        QCOMPARE(next.count("known") + next.count("indexed"), fileCount);
        QCOMPARE(filesIn(m_database), m_whole);
    }
    qInfo("%d of %d runs were killed before their end", killedCount, killCount);
    QVERIFY(killedCount > 0);
}

void tst_IndexerStops::stoppedAgainAndAgain()
{
    removeDatabase();
    qsizetype doneBefore = 0;
    while (doneBefore < fileCount) {
        ReportPipe log(m_logPath);
        Run run(arguments());
        // The first line says that it begins, and so each run does some files, and the loop ends.
        log.read(2 + m_random.bounded(fileCount / 4));
        run.send(SIGTERM);
        log.readAll();
        QVERIFY(run.finish());
        QVERIFY2(run.status() == 0, run.story());
        const QByteArrayList files = filesIn(m_database);
        QCOMPARE(files.size(), doneBefore + indexedIn(log.lines()).size());
        QVERIFY(files.size() > doneBefore);
        doneBefore = files.size();
    }
    QCOMPARE(filesIn(m_database), m_whole);
}

QTEST_GUILESS_MAIN(tst_IndexerStops)
#include "tst_indexerstops.moc"
