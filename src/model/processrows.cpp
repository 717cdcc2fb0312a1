// SPDX-License-Identifier: MIT
// The rows of a ProcessModel, and how they follow the processes.

#include "processrows_p.h"

#include "sweep_p.h"

#include <QCoreApplication>
#include <QThread>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <unordered_set>
#include <utility>

namespace GoProcess {

using Private::Graph;
using Private::Node;
using Private::NodeLock;
using Private::NodeRef;
using Private::ProcessCore;

namespace {

/// So many Closed processes stay visible,
constexpr std::size_t mostClosed = 100;
/// for so many milliseconds.
constexpr qint64 closedFor = 2000;
constexpr std::size_t mostWaitedFor = 20;

QString threadText(const ProcessCore &data, const QThread *thread)
{
    if (data.hasNoHome())
        return QStringLiteral("pool");
    const QCoreApplication *app = QCoreApplication::instance();
    if (app && thread == app->thread()) // GCOVR_EXCL_BR_LINE: rare
        return QStringLiteral("main");
    return QStringLiteral("0x%1").arg(quintptr(thread), 0, 16);
}

} // namespace

ProcessModel::Rows::Rows(ProcessModel &model)
    : m_model(model), m_changes(&model, [this] { update(); })
{
    reset();
}

ProcessModel::Rows::~Rows()
{
    m_changes.close();
    forgetBelow(*m_top);
}

void ProcessModel::Rows::setProcess(Process *process)
{
    if (process == Process::background())
        process = nullptr;
    if (process == m_process && m_showsRoots == !process) // GCOVR_EXCL_BR_LINE: rare
        return;
    QObject::disconnect(m_gone);
    if (process) {
        m_gone = QObject::connect(process, &QObject::destroyed, &m_model,
                                  &ProcessModel::processChanged);
    }
    m_process = process;
    m_showsRoots = !process;
    m_mustReset = true;
    if (!m_isBusy) // GCOVR_EXCL_BR_LINE: rare
        resetIfNeeded();
    Q_EMIT m_model.processChanged();
}

void ProcessModel::Rows::resetIfNeeded()
{
    if (!std::exchange(m_mustReset, false))
        return;
    m_model.beginResetModel();
    reset();
    m_model.endResetModel();
}

/// Begins anew with what the process has now. Many rows take long to be destroyed: that is for
/// later.
void ProcessModel::Rows::reset()
{
    if (m_top) {
        m_old.rows.push_back(std::move(m_top));
        m_old.byNode.push_back(std::exchange(m_rows, {}));
        m_old.moreRoots.push_back(std::exchange(m_moreRoots, {}));
        m_old.nodes.insert(m_old.nodes.end(), std::make_move_iterator(m_changed.begin()),
                           std::make_move_iterator(m_changed.end()));
    }
    m_cycles.clear();
    m_mustCheckCycles = false;
    m_closed.clear();
    m_changed.clear();
    m_top = std::make_unique<Row>();
    m_top->isFull = true;
    m_top->isFetched = true;
    // First, so that nothing is missed.
    m_changes.open(m_showsRoots);
    if (!m_process)
        return;
    m_top->node = NodeRef(ProcessCore::of(m_process));
    m_rows[m_top->node.get()] = { m_top.get() };
    Graph::watch(*m_top->node);
    // The rows come with the first update, as they would if the processes came now.
    m_changed.push_back(m_top->node);
    m_changes.updateSoon();
}

// --- Updates -------------------------------------------------------------------------------------

void ProcessModel::Rows::update()
{
    constexpr std::size_t atOnce = 256;

    QElapsedTimer time;
    time.start();
    m_isBusy = true;
    removeClosed(time);
    while (!time.hasExpired(updateSlice) && !m_mustReset) { // GCOVR_EXCL_BR_LINE: rare
        if (m_changed.empty())
            m_changes.take(atOnce, m_changed);
        if (m_changed.empty())
            break;
        const NodeRef node = std::move(m_changed.back());
        m_changed.pop_back();
        follow(*node, time);
    }
    if (!m_mustReset) // GCOVR_EXCL_BR_LINE: rare
        checkCycles(time);
    flushShown();
    m_isBusy = false;
    resetIfNeeded();
    const bool isOldGone = m_old.sweep(time);
    // GCOVR_EXCL_BR_START: rare
    if (time.hasExpired(updateSlice) || !isOldGone || !m_changed.empty() || !m_closed.empty())
        // GCOVR_EXCL_BR_STOP
        m_changes.updateSoon();
}

ProcessModel::Rows::Old::~Old()
{
    while (sweepOne()) { } // one after another, however deep they lie
}

/// Destroys a part of it; true if nothing is left.
bool ProcessModel::Rows::Old::sweep(const QElapsedTimer &time)
{
    while (!time.hasExpired(updateSlice)) {
        if (!sweepOne())
            return true;
    }
    return false;
}

bool ProcessModel::Rows::Old::sweepOne()
{
    if (!rows.empty()) {
        const std::unique_ptr<Row> last = std::move(rows.back());
        rows.pop_back();
        std::move(last->below.begin(), last->below.end(), std::back_inserter(rows));
        return true;
    }
    if (!nodes.empty()) {
        nodes.pop_back();
        return true;
    }
    return Private::sweepLast(byNode) || Private::sweepLast(moreRoots);
}

/// Brings the rows of a process up to date that has changed.
void ProcessModel::Rows::follow(Node &node, const QElapsedTimer &time)
{
    if (m_showsRoots)
        followRoot(node);
    for (Row *row : rowsOf(node)) {
        if (row == m_top.get())
            continue;
        if (node.isFinished())
            closeRow(*row);
        else
            look(*row);
        show(*row);
    }
    if (!chooseFull(node, time)) { // GCOVR_EXCL_BR_LINE: race
        m_changed.emplace_back(&node); // goes on from there. GCOVR_EXCL_LINE: race
        return; // GCOVR_EXCL_LINE: race
    }
    for (Row *row : rowsOf(node)) {
        if (row->isFull)
            fill(*row);
    }
}

/// Adds or removes its row among the uppermost ones.
void ProcessModel::Rows::followRoot(Node &node)
{
    if (node.background)
        return;
    m_mustCheckCycles = m_mustCheckCycles || !m_cycles.empty();
    const bool isOpen = !node.isFinished();
    const bool isRoot = isOpen && isRootNow(node);
    if (isRoot || !isOpen)
        m_cycles.erase(&node);
    const Row *row = uppermostRowOf(node);
    const bool hasRows = m_rows.count(&node) > 0;
    const bool isCycle = isOpen && !isRoot && (row || !hasRows) && isBelowNoRoot(node);
    if (isCycle)
        m_cycles.emplace(&node, NodeRef(&node));
    if ((isRoot || isCycle) && !hasRows)
        m_moreRoots.emplace(&node, NodeRef(&node));
    else
        m_moreRoots.erase(&node);
    if (isOpen && !isRoot && !isCycle)
        removeUppermost(node);
    fillRoots();
}

bool ProcessModel::Rows::isRootNow(const Node &node)
{
    const NodeLock lock(node);
    return !node.isFinished() && !Graph::isChildOfAny(node);
}

/// Null if it has none.
ProcessModel::Rows::Row *ProcessModel::Rows::uppermostRowOf(const Node &node) const
{
    const std::vector<Row *> rows = rowsOf(node);
    const auto row = std::find_if(rows.cbegin(), rows.cend(),
                                  [this](const Row *each) { return each->above == m_top.get(); });
    return row == rows.cend() ? nullptr : *row;
}

void ProcessModel::Rows::removeUppermost(const Node &node)
{
    m_cycles.erase(&node);
    m_moreRoots.erase(&node);
    if (Row *row = uppermostRowOf(node))
        remove(*row);
}

/// True if nothing that is uppermost closes it, directly or not: then closing edges go round above
/// it (R9), and one of those processes stands for a root.
bool ProcessModel::Rows::isBelowNoRoot(const Node &node) const
{
    // A process with so many above it is taken to be below a root.
    constexpr std::size_t mostLooks = 1000;

    // Its own rows say nothing if it is uppermost: others have theirs because of it.
    const bool isShown = uppermostRowOf(node) != nullptr;
    std::unordered_set<const Node *> seen { &node };
    std::vector<NodeRef> above;
    Graph::parents(node, mostLooks, above);
    const bool isBelowAny = !above.empty();
    while (!above.empty()) {
        const NodeRef upper = std::move(above.back());
        above.pop_back();
        if (!seen.insert(upper.get()).second)
            continue;
        const bool isUppermost = m_moreRoots.count(upper.get()) > 0
                || m_cycles.count(upper.get()) > 0 || (!isShown && m_rows.count(upper.get()) > 0);
        const std::size_t before = above.size();
        Graph::parents(*upper, mostLooks, above);
        if (isUppermost || above.size() == before || seen.size() + above.size() > 2 * mostLooks)
            return false;
    }
    return isBelowAny;
}

/// A process that stands for a root that does not exist leaves its place when there is one.
void ProcessModel::Rows::checkCycles(const QElapsedTimer &time)
{
    if (!m_mustCheckCycles || time.hasExpired(updateSlice))
        return;
    m_mustCheckCycles = false;
    std::vector<NodeRef> nodes;
    for (const auto &[node, ref] : m_cycles)
        nodes.push_back(ref);
    for (const NodeRef &node : nodes) {
        m_cycles.erase(node.get()); // else it would find itself there
        if (node->isFinished() || isRootNow(*node)) // GCOVR_EXCL_BR_LINE: race
            continue; // GCOVR_EXCL_LINE: race
        if (isBelowNoRoot(*node))
            m_cycles.emplace(node.get(), node);
        else
            removeUppermost(*node);
    }
}

/// Takes what the process is now into the row.
void ProcessModel::Rows::look(Row &row)
{
    auto &data = static_cast<ProcessCore &>(*row.node);
    QString thread = row.thread;
    Process::State state = Process::State::Running;
    {
        const NodeLock lock(data);
        state = Process::State(data.state());
        // The object may be gone once the process is finished, and not before: that needs the lock.
        if (!data.isFinished())
            thread = threadText(data, data.thread());
        row.childCount = Graph::childCount(data);
    }
    if (row.since.isNull() || row.state != state)
        row.since = QDateTime::currentDateTime();
    row.state = state;
    row.thread = thread;
    row.error = state == Process::State::Closed ? data.error().message() : QString();
    row.name = data.name();
    if (row.name.isEmpty())
        row.name = QLatin1Char('#') + QString::number(data.id());

    std::vector<NodeRef> waitedFor;
    Graph::waitedFor(data, mostWaitedFor, waitedFor);
    row.waitsFor.clear();
    for (const NodeRef &other : waitedFor)
        row.waitsFor += other->path();
}

/// Tells the views that a row may have changed, at the end of the update or before rows move.
void ProcessModel::Rows::show(Row &row)
{
    const auto [range, isNew] = m_shown.try_emplace(row.above, row.index, row.index);
    if (!isNew) {
        auto &[first, last] = range->second;
        first = std::min(first, row.index);
        last = std::max(last, row.index);
    }
}

void ProcessModel::Rows::flushShown()
{
    for (const auto &[above, range] : std::exchange(m_shown, {})) {
        const auto &[first, last] = range;
        Q_EMIT m_model.dataChanged(m_model.index(first, 0, indexOf(*above)),
                                   m_model.index(last, SinceColumn, indexOf(*above)));
    }
}

// --- Closed processes ----------------------------------------------------------------------------

void ProcessModel::Rows::closeRow(Row &row)
{
    if (row.isClosed)
        return;
    look(row);
    row.isClosed = true;
    row.closed = m_closed.emplace(m_closed.end(), QElapsedTimer(), &row);
    row.closed->first.start();
    // Whatever was not fetched of it is gone.
    if (!row.isFetched && row.isFull)
        row.isFetched = true;
}

/// Neighbours go together, as views take much longer over a row than this.
void ProcessModel::Rows::removeClosed(const QElapsedTimer &time)
{
    std::size_t over = m_closed.size() - std::min(m_closed.size(), mostClosed);
    for (const auto &[since, row] : m_closed) {
        if (over == 0 && !since.hasExpired(closedFor))
            break;
        row->isDue = true;
        over -= std::min<std::size_t>(over, 1);
    }
    while (!m_closed.empty() && m_closed.front().second->isDue && !time.hasExpired(updateSlice)) {
        Row &next = *m_closed.front().second;
        if (!removeBelow(next, time))
            return;
        Row &above = *next.above;
        const auto mayGo = [&above](int index) {
            const Row &row = *above.below[std::size_t(index)];
            return row.isDue && row.below.empty();
        };
        int first = next.index;
        int end = first + 1;
        while (end < int(above.below.size()) && end - first < int(rowsAtOnce) && mayGo(end))
            ++end;
        while (first > 0 && end - first < int(rowsAtOnce) && mayGo(first - 1))
            --first;
        remove(*above.below[std::size_t(first)], end - first);
        fill(above);
    }
}

// --- Which row has the children ------------------------------------------------------------------

/// The row under the first parent becomes the full one, if there are several and it is not below
/// the one that is so. False if there was not enough time for that.
bool ProcessModel::Rows::chooseFull(Node &node, const QElapsedTimer &time)
{
    const std::vector<Row *> rows = rowsOf(node);
    if (rows.empty())
        return true;
    const auto isFull = [](const Row *row) { return row->isFull; };
    const auto full = std::find_if(rows.cbegin(), rows.cend(), isFull);
    if (full != rows.cend() && rows.size() == 1)
        return true;

    const NodeRef parent = node.firstParent();
    const auto isUnderFirst = [&parent](const Row *row) {
        return row->above && row->above->node.get() == parent.get();
    };
    const auto first = std::find_if(rows.cbegin(), rows.cend(), isUnderFirst);
    if (full == rows.cend()) {
        makeFull(first == rows.cend() ? *rows.front() : **first, true);
        return true;
    }
    if (first == rows.cend() || *first == *full)
        return true;
    for (const Row *row = *first; row; row = row->above) {
        if (row == *full)
            return true;
    }
    if (!removeBelow(**full, time)) // GCOVR_EXCL_BR_LINE: rare
        return false; // GCOVR_EXCL_LINE: rare
    const bool fetched = (*full)->isFetched;
    (*full)->isFull = false;
    makeFull(**first, fetched);
    return true;
}

void ProcessModel::Rows::makeFull(Row &row, bool fetched)
{
    row.isFull = true;
    row.isFetched = fetched;
    show(row);
}

// --- Children ------------------------------------------------------------------------------------

// --- Removal -------------------------------------------------------------------------------------

} // namespace GoProcess
