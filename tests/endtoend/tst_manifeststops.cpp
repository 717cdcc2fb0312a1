// SPDX-License-Identifier: MIT
// The manifest program stopped and killed at random moments: what it reported as done is in the
// manifest, no line is wrong, and a resumed run ends as one that was never stopped.

#include "demosupport.h"
#include "support/sanitizers.h"

#include <QObject>
#include <QSet>
#include <QTest>

#include <chrono>
#include <csignal>

using namespace DemoSupport;

namespace {

constexpr int fileCount = 1000;
constexpr int stopCount = TestSupport::underSanitizer ? 20 : 50;
constexpr int killCount = TestSupport::underSanitizer ? 10 : 20;
constexpr std::chrono::milliseconds closeTime { 20 }; // about as long as closing takes

/// From the environment, to repeat what another run has found; else a new one.
quint32 seed()
{
    bool ok = false;
    const uint given = qEnvironmentVariable("MANIFEST_TEST_SEED").toUInt(&ok);
    return ok ? given : QRandomGenerator::global()->generate();
}

} // namespace

class tst_ManifestStops : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void stoppedAtRandomMoments();
    void stoppedAgainAndAgain();
    void killedAtRandomMoments();
    void killedWhileAnOldManifestIsThere();

private:
    enum class Moment { ByCount, ByTime };

    QByteArrayList arguments(bool resume = false) const;
    void removeOutput() const;
    QDeadlineTimer randomTime(std::chrono::nanoseconds below);
    void readUntilRandomMoment(ReportPipe &report, Moment moment);
    void compareWithWholeRun(const QByteArrayList &reported);

    const quint32 m_seed = seed();
    QRandomGenerator m_random { m_seed };
    Folder m_folder;
    const QByteArray m_tree = m_folder / "tree";
    const QByteArray m_output = m_folder / "SHA256SUMS";
    const QByteArray m_partial = m_output + ".partial";
    const QByteArray m_reportPath = m_folder / "report";
    QByteArray m_whole; // what a run that is never stopped writes
    std::chrono::nanoseconds m_wholeTime {};
};

QByteArrayList tst_ManifestStops::arguments(bool resume) const
{
    QByteArrayList list { m_tree, "--output", m_output, "--report", m_reportPath };
    if (resume)
        list += "--resume";
    return list;
}

void tst_ManifestStops::removeOutput() const
{
    std::remove(m_output.constData());
    std::remove(m_partial.constData());
}

void tst_ManifestStops::initTestCase()
{
    qInfo("MANIFEST_TEST_SEED=%u repeats this run", m_seed);
    makeTree(m_tree, fileCount, m_random);

    const auto begin = std::chrono::steady_clock::now();
    Run run({ m_tree, "--output", m_output });
    QVERIFY(run.finish());
    m_wholeTime = std::chrono::steady_clock::now() - begin;
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(run.count("reported"), fileCount);
    QVERIFY(!exists(m_partial));
    m_whole = readFile(m_output);
    QCOMPARE(m_whole, sha256sums(m_tree));
}

QDeadlineTimer tst_ManifestStops::randomTime(std::chrono::nanoseconds below)
{
    const std::chrono::nanoseconds time(m_random.bounded(qint64(below.count())));
    return QDeadlineTimer(time, Qt::PreciseTimer);
}

/// After a random number of files, or after a random time, which may be longer than the run.
void tst_ManifestStops::readUntilRandomMoment(ReportPipe &report, Moment moment)
{
    if (moment == Moment::ByCount) {
        report.read(m_random.bounded(fileCount + 1));
    } else {
        report.read(fileCount + 1, randomTime(m_wholeTime));
    }
}

/// Resumes what has reported \a reported, to the end.
void tst_ManifestStops::compareWithWholeRun(const QByteArrayList &reported)
{
    const bool isComplete = !exists(m_partial);
    Run run({ m_tree, "--output", m_output, "--resume" });
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(readFile(m_output), m_whole);
    QVERIFY(!exists(m_partial));
    // What was done is not done again.
    if (!isComplete)
        QVERIFY(run.count("kept") >= reported.size());
}

void tst_ManifestStops::stoppedAtRandomMoments()
{
    int stoppedCount = 0;
    for (int i = 0; i < stopCount; ++i) {
        removeOutput();
        ReportPipe report(m_reportPath);
        Run run(arguments());
        QVERIFY(run.waitForSentence("Reading "));
        readUntilRandomMoment(report, i % 2 ? Moment::ByCount : Moment::ByTime);
        run.send(SIGTERM);
        report.readAll();
        QVERIFY(run.finish());
        QVERIFY2(run.status() == 0, run.story());

        QCOMPARE(run.count("reported"), report.lines().size());
        QCOMPARE(sorted(linesOf(readFile(m_output))), sorted(report.lines()));
        QVERIFY(isRight(m_output));
        const bool isComplete = report.lines().size() == fileCount;
        QCOMPARE(exists(m_partial), !isComplete);
        stoppedCount += isComplete ? 0 : 1;
        compareWithWholeRun(report.lines());
        if (QTest::currentTestFailed())
            return;
    }
    qInfo("%d of %d runs were stopped before their end", stoppedCount, stopCount);
    QVERIFY(stoppedCount > 0);
}

void tst_ManifestStops::stoppedAgainAndAgain()
{
    removeOutput();
    qsizetype doneBefore = 0;
    for (bool isComplete = false; !isComplete;) {
        ReportPipe report(m_reportPath);
        Run run(arguments(true));
        QVERIFY(run.waitForSentence("Reading "));
        // So many that each run does some files more than the one before, and so the loop ends.
        report.read(doneBefore + 1 + m_random.bounded(fileCount / 4));
        run.send(SIGTERM);
        report.readAll();
        QVERIFY(run.finish());
        QVERIFY2(run.status() == 0, run.story());

        QVERIFY(isRight(m_output));
        const QByteArrayList done = linesOf(readFile(m_output));
        const QSet<QByteArray> doneSet(done.begin(), done.end());
        QCOMPARE(doneSet.size(), done.size());
        const QByteArrayList reported = report.lines();
        for (const QByteArray &line : reported)
            QVERIFY(doneSet.contains(line));
        QVERIFY(done.size() >= doneBefore);
        doneBefore = done.size();
        isComplete = !exists(m_partial);
    }
    QCOMPARE(readFile(m_output), m_whole);
}

void tst_ManifestStops::killedAtRandomMoments()
{
    const QByteArrayList whole = linesOf(m_whole);
    const QSet<QByteArray> wholeSet(whole.begin(), whole.end());
    for (int i = 0; i < killCount; ++i) {
        removeOutput();
        ReportPipe report(m_reportPath);
        Run run(arguments());
        readUntilRandomMoment(report, i % 2 ? Moment::ByCount : Moment::ByTime);
        if (i % 4 >= 2) {
            // While it closes, or soon afterwards.
            run.send(SIGTERM);
            report.read(fileCount + 1, randomTime(closeTime));
        }
        run.send(SIGKILL);
        QVERIFY(run.finish());
        report.readRest();

        // All or nothing.
        QVERIFY(!exists(m_output) || isRight(m_output));
        const QByteArrayList reported = report.lines();
        for (const QByteArray &line : reported)
            QVERIFY(wholeSet.contains(line));
        compareWithWholeRun(report.lines());
        if (QTest::currentTestFailed())
            return;
    }
}

void tst_ManifestStops::killedWhileAnOldManifestIsThere()
{
    removeOutput();
    const QByteArray old = "an old manifest\n";
    for (int i = 0; i < killCount; ++i) {
        writeFile(m_output, old);
        ReportPipe report(m_reportPath);
        Run run(arguments());
        readUntilRandomMoment(report, Moment::ByTime);
        run.send(SIGKILL);
        QVERIFY(run.finish());
        const QByteArray manifest = readFile(m_output);
        QVERIFY(manifest == old || manifest == m_whole);
    }
}

QTEST_GUILESS_MAIN(tst_ManifestStops)
#include "tst_manifeststops.moc"
