// SPDX-License-Identifier: MIT
// What trees cost: to build, to close and to delete, by shape and size.

#include "benchmark.h"
#include "handwired.h"

#include <GoProcess/GoProcess>

#include <QObject>

#include <memory>
#include <random>
#include <vector>

using GoProcess::Error;
using GoProcess::Process;

namespace Benchmark {

namespace {

using Processes = std::vector<std::unique_ptr<Process>>;

/// Makes \a count processes, each a child of the one whose number \a parentOf gives, then closes
/// and deletes them. Process 0 is the root.
template<class ParentOf>
double tree(int count, ParentOf &&parentOf)
{
    return nanosecondsEach(count, [&] {
        Processes all;
        all.reserve(std::size_t(count));
        for (int i = 0; i < count; ++i) {
            all.push_back(std::make_unique<Process>());
            if (i > 0)
                all[std::size_t(parentOf(i))]->addChild(all.back().get());
        }
        all[0]->closeAndWait();
    });
}

double wide(int count)
{
    return tree(count, [](int) { return 0; });
}

double deep(int count)
{
    return tree(count, [](int i) { return i - 1; });
}

double objects(int count)
{
    return nanosecondsEach(count, [&] {
        std::vector<std::unique_ptr<QObject>> all;
        all.reserve(std::size_t(count));
        for (int i = 0; i < count; ++i)
            all.push_back(std::make_unique<QObject>());
    });
}

/// The wide tree as it is wired without a library: the parent tells each child to close, and each
/// child tells the parent when it has.
double handWired(int count)
{
    return nanosecondsEach(count, [&] {
        std::vector<std::unique_ptr<HandWired>> all;
        all.reserve(std::size_t(count));
        for (int i = 0; i < count; ++i) {
            all.push_back(std::make_unique<HandWired>());
            if (i > 0)
                all[0]->adopt(*all.back());
        }
        all[0]->close();
    });
}

double bytesEach(int count)
{
    Processes all;
    all.reserve(std::size_t(count));
    Process root;
    const double before = allocatedBytes();
    for (int i = 0; i < count; ++i) {
        all.push_back(std::make_unique<Process>());
        root.addChild(all.back().get());
    }
    const double bytes = (allocatedBytes() - before) / count;
    root.closeAndWait();
    return bytes;
}

double bytesOfObject(int count)
{
    std::vector<std::unique_ptr<QObject>> all;
    all.reserve(std::size_t(count));
    const double before = allocatedBytes();
    for (int i = 0; i < count; ++i)
        all.push_back(std::make_unique<QObject>());
    return (allocatedBytes() - before) / count;
}

/// Children that come and go under a process that stays.
double oneAfterAnother(int count)
{
    Process root;
    return nanosecondsEach(count, [&] {
        for (int i = 0; i < count; ++i) {
            Process child;
            root.addChild(&child);
            child.closeAndWait();
        }
    });
}

double growthOfTheParent(int count)
{
    Process root;
    const auto run = [&](int children) {
        for (int i = 0; i < children; ++i) {
            Process child;
            root.addChild(&child);
            child.closeAndWait();
        }
    };
    run(count / 10 + 1);
    const double before = allocatedBytes();
    run(count);
    return allocatedBytes() - before;
}

double whenClosed(int count)
{
    std::vector<QFuture<Error>> futures;
    futures.reserve(std::size_t(count));
    Process process;
    return nanosecondsEach(count, [&] {
        for (int i = 0; i < count; ++i)
            futures.push_back(process.whenClosed());
        process.closeAndWait();
    });
}

/// A random graph in which each process waits for a few with higher numbers, then edges that need a
/// search for a cycle.
double cycleChecks(int count, int checks)
{
    std::mt19937 random(7); // the same graph every time
    const auto upTo = [&](int from, int to) {
        return std::size_t(std::uniform_int_distribution<int>(from, to)(random));
    };
    Processes all;
    for (int i = 0; i < count; ++i)
        all.push_back(std::make_unique<Process>());
    for (int i = 0; i + 1 < count; ++i) {
        for (int edge = 0; edge < 2; ++edge)
            all[std::size_t(i)]->waitFor(all[upTo(i + 1, count - 1)].get());
    }
    const double each = nanosecondsEach(checks, [&] {
        for (int i = 0; i < checks; ++i) {
            const std::size_t from = upTo(0, count - 2);
            all[from]->waitFor(all[upTo(int(from) + 1, count - 1)].get());
        }
    });
    for (auto &process : all)
        process->close();
    for (auto &process : all)
        process->waitForClosed();
    return each;
}

} // namespace

void addTreeRows(std::vector<Row> &rows, Scale scale)
{
    const int full = scale.of(1'000'000);
    const QString ns = QStringLiteral("ns each");
    const QString object = QStringLiteral("new QObject, delete");
    const QString wired = QStringLiteral("two connect() by hand");
    const QString theWide = QStringLiteral("wide tree");

    rows.push_back(
            { QStringLiteral("wide"),
              QStringLiteral("%1 children of one process: construct, add, close, delete").arg(full),
              ns,
              { {}, [=] { return wide(full); } },
              { { object, [=] { return objects(full); } },
                { wired, [=] { return handWired(full); } } },
              { { object, 4 }, { wired, 1.0 / 3 } } });
    rows.push_back({ QStringLiteral("deep"),
                     QStringLiteral("a chain of %1: the same").arg(full),
                     ns,
                     { {}, [=] { return deep(full); } },
                     { { theWide, [=] { return wide(full); } } },
                     { { theWide, 1.5 } } });
    rows.push_back({ QStringLiteral("tenary"),
                     QStringLiteral("a tree of %1 with ten children each: the same").arg(full),
                     ns,
                     { {}, [=] { return tree(full, [](int i) { return (i - 1) / 10; }); } },
                     { { theWide, [=] { return wide(full); } } },
                     {} });
    rows.push_back(
            { QStringLiteral("memory"),
              QStringLiteral("an open process with its edge and its QObject"),
              QStringLiteral("bytes"),
              { {}, [=] { return bytesEach(full / 10 + 1); } },
              { { QStringLiteral("new QObject"), [=] { return bytesOfObject(full / 10 + 1); } } },
              { { {}, 400 } } });
    rows.push_back({ QStringLiteral("churn"),
                     QStringLiteral("%1 children of one process, one after another").arg(full),
                     ns,
                     { {}, [=] { return oneAfterAnother(full); } },
                     { { object, [=] { return objects(full); } } },
                     {} });
    rows.push_back({ QStringLiteral("churn-memory"),
                     QStringLiteral("what a process keeps of %1 children that have come and gone")
                             .arg(full),
                     QStringLiteral("bytes"),
                     { {}, [=] { return growthOfTheParent(full); } },
                     {},
                     { { {}, 4096 } } });
    rows.push_back({ QStringLiteral("when-closed"),
                     QStringLiteral("%1 futures of whenClosed(), delivered").arg(full / 10 + 1),
                     ns,
                     { {}, [=] { return whenClosed(full / 10 + 1); } },
                     {},
                     {} });
    rows.push_back({ QStringLiteral("cycle-check"),
                     QStringLiteral("an edge between inner nodes of a random graph of %1")
                             .arg(scale.of(100'000)),
                     ns,
                     { {}, [=] { return cycleChecks(scale.of(100'000), scale.of(1000)); } },
                     {},
                     {} });
    for (int size = 1000; size < full; size *= 10) {
        rows.push_back({ QStringLiteral("wide-%1").arg(size),
                         QStringLiteral("the wide tree with %1 children").arg(size),
                         ns,
                         { {}, [=] { return wide(size); } },
                         { { object, [=] { return objects(size); } } },
                         {} });
        rows.push_back({ QStringLiteral("deep-%1").arg(size),
                         QStringLiteral("the chain of %1").arg(size),
                         ns,
                         { {}, [=] { return deep(size); } },
                         { { theWide, [=] { return wide(size); } } },
                         {} });
    }
}

} // namespace Benchmark
