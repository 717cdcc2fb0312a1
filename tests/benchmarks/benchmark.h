// SPDX-License-Identifier: MIT
// Rows of a benchmark: something of the library beside what a Qt developer would write by hand.

#ifndef GOPROCESS_BENCHMARK_H
#define GOPROCESS_BENCHMARK_H

#include <QList>
#include <QString>

#include <chrono>
#include <functional>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace Benchmark {

/// One way to do something. \a measure does it once and returns the cost, in the unit of the row.
struct Contender
{
    QString name;
    std::function<double()> measure;
};

/// What a row shall reach: at most \a factor times the baseline of that name, or, without a name,
/// at most \a factor in the unit of the row.
struct Target
{
    QString baseline;
    double factor = 0;
};

struct Row
{
    QString name;
    QString what;
    QString unit;
    Contender ours;
    std::vector<Contender> baselines;
    std::vector<Target> targets;
};

/// How much of the full size is done, from the command line.
class Scale
{
public:
    explicit Scale(double factor) : m_factor(factor) { }
    int of(int count) const
    {
        const double scaled = count * m_factor;
        return scaled < 1 ? 1 : scaled > 1e9 ? 1'000'000'000 : int(scaled);
    }

private:
    double m_factor;
};

void addTreeRows(std::vector<Row> &rows, Scale scale);
void addWorkRows(std::vector<Row> &rows, Scale scale);
void addThreadRows(std::vector<Row> &rows, Scale scale);

/// Nanoseconds that \a function takes for each of \a count.
template<class F>
double nanosecondsEach(int count, F &&function)
{
    const auto start = std::chrono::steady_clock::now();
    function();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    return took.count() / count;
}

/// Bytes that are allocated now, those of Qt included.
double allocatedBytes();

} // namespace Benchmark

#endif
