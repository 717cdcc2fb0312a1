// SPDX-License-Identifier: MIT
// Measures the library against its baselines in one run: each row several times, the contenders in
// turn, medians and ratios. It says what it has seen, and fails only on bad arguments.

#include "benchmark.h"
#include "grow.h"

#include <QCommandLineParser>
#include <QCoreApplication>
#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QSysInfo>
#include <QTextStream>
#include <QThread>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <malloc.h>

namespace Benchmark {

double allocatedBytes()
{
    const struct mallinfo2 info = mallinfo2();
    return double(info.uordblks + info.hblkhd);
}

} // namespace Benchmark

namespace {

using namespace Benchmark;

/// A number in KiB that the system keeps of this program, such as VmRSS; 0 where it does not tell.
qint64 systemCount(const QByteArray &name)
{
    QFile status(QStringLiteral("/proc/self/status"));
    if (!status.open(QIODevice::ReadOnly))
        return 0;
    const QByteArrayList lines = status.readAll().split('\n');
    for (const QByteArray &line : lines) {
        if (line.startsWith(name + ':'))
            return line.mid(name.size() + 1).simplified().split(' ').first().toLongLong();
    }
    return 0;
}

/// How much memory \a function needs at most, in MiB of the resident set.
double peakOf(const std::function<double()> &function)
{
    malloc_trim(0);
    QFile reset(QStringLiteral("/proc/self/clear_refs"));
    if (reset.open(QIODevice::WriteOnly))
        reset.write("5"); // the peak starts from what is there now
    reset.close();
    const qint64 before = systemCount("VmRSS");
    function();
    return double(std::max<qint64>(0, systemCount("VmHWM") - before)) / 1024;
}

struct Series
{
    QString name;
    std::vector<double> values;
    double peak = 0;

    double at(double part) const
    {
        std::vector<double> sorted = values;
        std::sort(sorted.begin(), sorted.end());
        return sorted[std::size_t(std::lround(part * double(sorted.size() - 1)))];
    }
    double median() const { return at(0.5); }
};

/// The ratio pair by pair, as a machine's speed drifts.
double medianRatio(const Series &a, const Series &b)
{
    Series ratios;
    for (std::size_t i = 0; i < a.values.size(); ++i)
        ratios.values.push_back(a.values[i] / b.values[i]);
    return ratios.median();
}

QString number(double value)
{
    return QString::number(value, 'f', value < 10 ? 2 : value < 1000 ? 1 : 0);
}

QJsonObject toJson(const Series &series)
{
    return { { QStringLiteral("name"), series.name },
             { QStringLiteral("median"), series.median() },
             { QStringLiteral("min"), series.at(0) },
             { QStringLiteral("max"), series.at(1) },
             { QStringLiteral("peakMiB"), series.peak } };
}

class Report
{
public:
    void add(const Row &row, int repeats)
    {
        // Once before, uncounted.
        std::vector<Series> all { { QStringLiteral("GoProcess"), {}, peakOf(row.ours.measure) } };
        for (const Contender &baseline : row.baselines)
            all.push_back({ baseline.name, {}, peakOf(baseline.measure) });
        for (int i = 0; i < repeats; ++i) {
            all[0].values.push_back(row.ours.measure());
            for (std::size_t j = 0; j < row.baselines.size(); ++j)
                all[j + 1].values.push_back(row.baselines[j].measure());
        }

        m_out << '\n' << row.name << ": " << row.what << '\n';
        QJsonArray contenders;
        for (const Series &series : all) {
            m_out << QStringLiteral("  %1 %2 %3  (%4 to %5)  peak %6 MiB")
                             .arg(series.name, -44)
                             .arg(number(series.median()), 10)
                             .arg(row.unit, -12)
                             .arg(number(series.at(0)), number(series.at(1)), number(series.peak));
            if (&series != all.data())
                m_out << QStringLiteral("  ratio %1").arg(number(medianRatio(all[0], series)));
            m_out << '\n';
            contenders.append(toJson(series));
        }
        QJsonArray targets;
        for (const Target &target : row.targets)
            targets.append(judge(target, all, row.unit));
        m_out.flush();
        m_rows.append(QJsonObject { { QStringLiteral("name"), row.name },
                                    { QStringLiteral("what"), row.what },
                                    { QStringLiteral("unit"), row.unit },
                                    { QStringLiteral("results"), contenders },
                                    { QStringLiteral("targets"), targets } });
    }

    void finish()
    {
        m_out << QStringLiteral("\n%1 of %2 targets met\n").arg(m_met).arg(m_met + m_missed);
        m_out.flush();
    }

    QJsonDocument json(double scale, int repeats) const
    {
        return QJsonDocument(QJsonObject {
                { QStringLiteral("qt"), QString::fromUtf8(qVersion()) },
                { QStringLiteral("system"), QSysInfo::prettyProductName() },
                { QStringLiteral("cores"), QThread::idealThreadCount() },
                { QStringLiteral("scale"), scale },
                { QStringLiteral("repeats"), repeats },
                { QStringLiteral("rows"), m_rows },
        });
    }

private:
    QJsonObject judge(const Target &target, const std::vector<Series> &all, const QString &unit)
    {
        double value = all[0].median();
        QString text = QStringLiteral("at most %1 %2").arg(number(target.factor), unit);
        for (std::size_t i = 1; i < all.size(); ++i) {
            if (all[i].name == target.baseline) {
                value = medianRatio(all[0], all[i]);
                text = QStringLiteral("at most %1 x %2").arg(number(target.factor), all[i].name);
            }
        }
        const bool met = value <= target.factor;
        ++(met ? m_met : m_missed);
        m_out << QStringLiteral("  %1: %2, is %3\n")
                         .arg(met ? QStringLiteral("met") : QStringLiteral("NOT MET"), text,
                              number(value));
        return { { QStringLiteral("baseline"), target.baseline },
                 { QStringLiteral("atMost"), target.factor },
                 { QStringLiteral("is"), value },
                 { QStringLiteral("met"), met } };
    }

    QTextStream m_out { stdout };
    QJsonArray m_rows;
    int m_met = 0;
    int m_missed = 0;
};

[[noreturn]] void giveUp(const QString &why)
{
    std::fprintf(stderr, "%s\n", qPrintable(why));
    std::exit(2);
}

} // namespace

int main(int argc, char **argv)
{
    const QCoreApplication app(argc, argv);
    QCommandLineParser parser;
    parser.setApplicationDescription(
            QStringLiteral("Measures GoProcess against what Qt itself costs, in one run."));
    parser.addHelpOption();
    const QCommandLineOption json(QStringLiteral("json"),
                                  QStringLiteral("Writes the results to FILE, too."),
                                  QStringLiteral("FILE"));
    const QCommandLineOption only(QStringLiteral("row"),
                                  QStringLiteral("Measures this row only; may be given again."),
                                  QStringLiteral("NAME"));
    const QCommandLineOption size(
            QStringLiteral("scale"),
            QStringLiteral("Does that part of the full size, for example 0.01."),
            QStringLiteral("N"), QStringLiteral("1"));
    const QCommandLineOption times(QStringLiteral("repeats"),
                                   QStringLiteral("Measures each row so often (5)."),
                                   QStringLiteral("N"), QStringLiteral("5"));
    const QCommandLineOption bare(
            QStringLiteral("bare"),
            QStringLiteral("Runs the library's part of the rows once and measures nothing: for "
                           "profilers and counters of instructions."));
    const QCommandLineOption list(QStringLiteral("list"), QStringLiteral("Lists the rows."));
    const QCommandLineOption growth(
            QStringLiteral("grow"),
            QStringLiteral(
                    "Prints as CSV what shapes of graphs cost at three sizes, and which of them "
                    "grow faster than linearly; --row and --scale apply."));
    const QCommandLineOption strict(
            QStringLiteral("check"),
            QStringLiteral("With --grow: the exit status is 1 if one does."));
    parser.addOptions({ json, only, size, times, bare, list, growth, strict });
    parser.process(app);

    bool ok = false;
    const double scale = parser.value(size).toDouble(&ok);
    if (!ok || !(scale > 0))
        giveUp(QStringLiteral("--scale wants a number above 0"));
    if (parser.isSet(growth))
        return grow(parser.values(only), scale) || !parser.isSet(strict) ? 0 : 1;
    const int repeats = parser.value(times).toInt(&ok);
    if (!ok || repeats < 1)
        giveUp(QStringLiteral("--repeats wants a number of at least 1"));

    std::vector<Row> rows;
    addTreeRows(rows, Scale(scale));
    addWorkRows(rows, Scale(scale));
    addThreadRows(rows, Scale(scale));
    if (parser.isSet(list)) {
        for (const Row &row : rows)
            std::printf("%-24s %s\n", qPrintable(row.name), qPrintable(row.what));
        return 0;
    }
    const QStringList wanted = parser.values(only);
    for (const QString &name : wanted) {
        if (std::none_of(rows.cbegin(), rows.cend(),
                         [&](const Row &row) { return row.name == name; }))
            giveUp(QStringLiteral("There is no row %1; see --list").arg(name));
    }

    const auto isWanted = [&](const Row &row) {
        return wanted.isEmpty() || wanted.contains(row.name);
    };
    if (parser.isSet(bare)) {
        for (const Row &row : rows) {
            if (isWanted(row))
                row.ours.measure();
        }
        return 0;
    }

    Report report;
    for (const Row &row : rows) {
        if (isWanted(row))
            report.add(row, repeats);
    }
    report.finish();

    if (parser.isSet(json)) {
        QFile file(parser.value(json));
        if (!file.open(QIODevice::WriteOnly) || file.write(report.json(scale, repeats).toJson()) < 0
            || !file.flush())
            giveUp(QStringLiteral("%1 cannot be written: %2")
                           .arg(file.fileName(), file.errorString()));
    }
    return 0;
}
