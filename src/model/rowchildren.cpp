// SPDX-License-Identifier: MIT
// The rows below a row of ProcessModel: how they come and go.

#include "processrows_p.h"

#include "process/processcore_p.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace GoProcess {

using Private::Graph;
using Private::Node;
using Private::NodeLock;
using Private::NodeRef;

int ProcessModel::Rows::rowsBelow(const Row &row)
{
    return int(row.below.size()) + (row.moreRow ? 1 : 0);
}

ProcessModel::Rows::Row *ProcessModel::Rows::at(const Row &above, int index)
{
    const auto place = std::size_t(index);
    return place < above.below.size() ? above.below[place].get() : above.moreRow.get();
}

bool ProcessModel::Rows::hasRowsBelow(const Row &row)
{
    return rowsBelow(row) > 0 || (canFetch(row) && row.childCount > 0); // GCOVR_EXCL_BR_LINE: race
}

void ProcessModel::Rows::fetch(Row &row)
{
    row.isFetched = true;
    if (m_isBusy) {
        // Asked for by a slot that hears of rows: these are no times for others.
        m_changed.push_back(row.node);
        m_changes.updateSoon();
        return;
    }
    m_isBusy = true;
    fill(row);
    flushShown();
    m_isBusy = false;
    resetIfNeeded();
    if (!m_changed.empty())
        m_changes.updateSoon();
}

/// Gives rows to children that have none, as far as there is room: to some now, to others when
/// their turn comes.
void ProcessModel::Rows::fill(Row &row)
{
    if (!row.isFetched)
        return;
    if (!row.node) {
        fillRoots();
        return;
    }
    const std::size_t room = mostRows - std::min(mostRows, row.below.size());
    const std::vector<NodeRef> found = nextChildren(row, std::min(room, rowsAtOnce));
    insert(row, found);
    if (found.size() == rowsAtOnce && room > rowsAtOnce)
        m_changed.push_back(row.node);

    std::size_t count = 0;
    {
        const NodeLock lock(*row.node);
        count = Graph::childCount(*row.node);
    }
    row.childCount = quint32(count);
    const auto isOpen = [](const std::unique_ptr<Row> &child) { return !child->isClosed; };
    const auto shown = std::size_t(std::count_if(row.below.cbegin(), row.below.cend(), isOpen));
    setMore(row, row.below.size() < mostRows || count < shown ? 0 : int(count - shown));
}

void ProcessModel::Rows::fillRoots()
{
    const std::size_t room = mostRows - std::min(mostRows, m_top->below.size());
    std::vector<NodeRef> found;
    // GCOVR_EXCL_BR_START: race
    while (!m_moreRoots.empty() && found.size() < std::min(room, rowsAtOnce)) {
        // GCOVR_EXCL_BR_STOP
        found.push_back(std::move(m_moreRoots.begin()->second));
        m_moreRoots.erase(m_moreRoots.begin());
    }
    insert(*m_top, found);
    if (room > rowsAtOnce && !m_moreRoots.empty()) // GCOVR_EXCL_BR_LINE: rare
        // GCOVR_EXCL_START: rare
        m_changed.push_back(m_moreRoots.begin()->second); // when it is followed, others come
    // GCOVR_EXCL_STOP
    setMore(*m_top, int(m_moreRoots.size()));
}

/// The children behind the last one that has a row.
std::vector<NodeRef> ProcessModel::Rows::nextChildren(Row &row, std::size_t limit) const
{
    std::vector<NodeRef> found;
    if (limit == 0)
        return found;
    const auto isNext = [&](const std::unique_ptr<Row> &child) {
        return !child->isClosed && Graph::children(*row.node, child->node.get(), limit, found);
    };
    const auto last = std::find_if(row.below.crbegin(), row.below.crend(), isNext);
    if (last == row.below.crend())
        Graph::children(*row.node, nullptr, limit, found);
    return found;
}

void ProcessModel::Rows::insert(Row &above, const std::vector<NodeRef> &nodes)
{
    if (nodes.empty())
        return;
    const int first = int(above.below.size());
    flushShown();
    m_model.beginInsertRows(indexOf(above), first, first + int(nodes.size()) - 1);
    for (const NodeRef &node : nodes) {
        auto row = std::make_unique<Row>();
        row->node = node;
        row->above = &above;
        row->index = int(above.below.size());
        look(*row);
        std::vector<Row *> &rows = m_rows[node.get()];
        row->isFull = rows.empty();
        // What has none yet shows them as they come.
        row->isFetched = row->isFull && row->childCount == 0;
        if (!rows.empty())
            m_changed.push_back(node); // to choose among them
        rows.push_back(row.get());
        above.below.push_back(std::move(row));
    }
    if (above.moreRow)
        above.moreRow->index = int(above.below.size());
    m_model.endInsertRows();
}

void ProcessModel::Rows::setMore(Row &row, int more)
{
    const int place = int(row.below.size());
    if (more == 0 && row.moreRow) {
        flushShown();
        m_model.beginRemoveRows(indexOf(row), place, place);
        row.moreRow.reset();
        m_model.endRemoveRows();
    } else if (more > 0 && !row.moreRow) {
        flushShown();
        m_model.beginInsertRows(indexOf(row), place, place);
        row.moreRow = std::make_unique<Row>();
        row.moreRow->above = &row;
        row.moreRow->index = place;
        row.moreRow->more = more;
        m_model.endInsertRows();
    } else if (row.moreRow && row.moreRow->more != more) { // GCOVR_EXCL_BR_LINE: race
        row.moreRow->more = more;
        show(*row.moreRow);
    }
}

void ProcessModel::Rows::remove(Row &first, int count)
{
    Row &above = *first.above;
    const auto begin = above.below.begin() + first.index;
    const auto end = begin + count;
    flushShown();
    m_model.beginRemoveRows(indexOf(above), first.index, first.index + count - 1);
    for (auto row = begin; row != end; ++row) {
        forgetBelow(**row);
        forget(**row);
    }
    above.below.erase(begin, end);
    for (std::size_t i = 0; i < above.below.size(); ++i)
        above.below[i]->index = int(i);
    if (above.moreRow)
        above.moreRow->index = int(above.below.size());
    m_model.endRemoveRows();
}

/// Removes what is below a row, the lowest ones first, as long as there is time; false if some are
/// left.
bool ProcessModel::Rows::removeBelow(Row &row, const QElapsedTimer &time)
{
    Row *next = &row;
    while (true) {
        while (!next->below.empty())
            next = next->below.back().get();
        if (next == &row)
            break;
        if (time.hasExpired(updateSlice))
            return false;
        Row &above = *next->above;
        const int end = next->index + 1;
        int first = next->index;
        while (first > 0 && end - first < int(rowsAtOnce)
               && above.below[std::size_t(first - 1)]->below.empty())
            --first;
        remove(*above.below[std::size_t(first)], end - first);
        next = &above;
    }
    setMore(row, 0);
    return true;
}

/// Destroys all rows below one, however deep they lie.
void ProcessModel::Rows::forgetBelow(Row &row)
{
    std::vector<std::unique_ptr<Row>> rows = std::exchange(row.below, {});
    row.moreRow.reset();
    while (!rows.empty()) {
        const std::unique_ptr<Row> last = std::move(rows.back());
        rows.pop_back();
        std::move(last->below.begin(), last->below.end(), std::back_inserter(rows));
        forget(*last);
    }
}

void ProcessModel::Rows::forget(Row &row)
{
    if (row.isClosed)
        m_closed.erase(row.closed);
    const auto rows = m_rows.find(row.node.get());
    rows->second.erase(std::find(rows->second.begin(), rows->second.end(), &row));
    const bool wasLast = rows->second.empty();
    if (wasLast)
        m_rows.erase(rows);
    // Another row of it takes over, or it has become a root.
    if (wasLast ? m_showsRoots && !row.node->isFinished() : row.isFull)
        m_changed.push_back(row.node);
}

std::vector<ProcessModel::Rows::Row *> ProcessModel::Rows::rowsOf(const Node &node) const
{
    const auto rows = m_rows.find(&node);
    return rows == m_rows.end() ? std::vector<Row *>() : rows->second;
}

QModelIndex ProcessModel::Rows::indexOf(const Row &row, int column) const
{
    if (&row == m_top.get())
        return {};
    return m_model.createIndex(row.index, column, &row);
}

} // namespace GoProcess
