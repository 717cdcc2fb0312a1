// SPDX-License-Identifier: MIT
// The rows of a ProcessModel, and how they follow the processes.

#ifndef GOPROCESS_PROCESSROWS_P_H
#define GOPROCESS_PROCESSROWS_P_H

#include "changetimer_p.h"
#include "process/processcore_p.h"

#include <GoProcess/processmodel.h>

#include <QDateTime>
#include <QElapsedTimer>
#include <QPointer>
#include <QString>
#include <QStringList>

#include <list>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

namespace GoProcess {

/// Everything happens in the thread of the model. Of the processes it keeps the shared state only.
///
/// The books of a process are in the order in which its children came, closed ones leave them, and
/// so the rows of a process follow from the last child that has a row and is still in the books.
class ProcessModel::Rows
{
public:
    struct Row;
    /// Rows of Closed processes and since when they are so, the first one to go first.
    using Closed = std::list<std::pair<QElapsedTimer, Row *>>;

    struct Row
    {
        Private::NodeRef
                node; ///< Null for the one above all others and for rows that say how many more.
        Row *above = nullptr;
        int index = 0; ///< In the rows below the one above.
        std::vector<std::unique_ptr<Row>> below;
        std::unique_ptr<Row> moreRow; ///< Stands behind them if there is one.
        int more = 0; ///< What such a row says.
        bool isFull = false; ///< The one row of its process that has rows below it.
        bool isFetched = false; ///< Follows its children.
        bool isClosed = false; ///< And will be gone soon.
        bool isDue = false; ///< To go now.
        Closed::iterator closed; ///< Valid if it is closed.

        // As it was when the process was looked at last:
        quint32 childCount = 0;
        Process::State state = Process::State::Running;
        QString name;
        QString thread;
        QString error;
        QStringList waitsFor;
        QDateTime since;
    };

    // Ordered, as these may be large: a hash table sometimes moves all that is in it at once.
    using RowsByNode = std::map<const Private::Node *, std::vector<Row *>>;
    using Nodes = std::map<const Private::Node *, Private::NodeRef>;

    /// What was shown before another process was set, until it is destroyed, bit by bit.
    struct Old
    {
        std::vector<std::unique_ptr<Row>> rows;
        std::vector<RowsByNode> byNode;
        std::vector<Nodes> moreRoots;
        std::vector<Private::NodeRef> nodes;

        Old() = default;
        ~Old();
        Q_DISABLE_COPY_MOVE(Old)
        bool sweep(const QElapsedTimer &time);

    private:
        bool sweepOne();
    };

    explicit Rows(ProcessModel &model);
    ~Rows();
    Q_DISABLE_COPY_MOVE(Rows)

    Process *process() const { return m_process; }
    void setProcess(Process *process);

    /// The one above all for an invalid index.
    Row *rowOf(const QModelIndex &index) const
    {
        return index.isValid() ? static_cast<Row *>(index.internalPointer()) : m_top.get();
    }
    QModelIndex indexOf(const Row &row, int column = 0) const;
    static int rowsBelow(const Row &row);
    static Row *at(const Row &above, int index);
    static bool hasRowsBelow(const Row &row);
    static bool canFetch(const Row &row) { return row.isFull && !row.isFetched; }
    void fetch(Row &row);

private:
    /// Views get no further rows below one.
    static constexpr std::size_t mostRows = 1000;
    /// An update takes about so many milliseconds at most, what views do with it included.
    static constexpr qint64 updateSlice = 6;
    /// So many rows come or go at once, between two looks at the time.
    static constexpr std::size_t rowsAtOnce = 100;

    void resetIfNeeded();
    void reset();
    void update();
    void follow(Private::Node &node, const QElapsedTimer &time);
    void followRoot(Private::Node &node);
    static bool isRootNow(const Private::Node &node);
    Row *uppermostRowOf(const Private::Node &node) const;
    void removeUppermost(const Private::Node &node);
    bool isBelowNoRoot(const Private::Node &node) const;
    void checkCycles(const QElapsedTimer &time);
    void look(Row &row);
    void show(Row &row);
    void flushShown();
    void closeRow(Row &row);
    void removeClosed(const QElapsedTimer &time);
    bool chooseFull(Private::Node &node, const QElapsedTimer &time);
    void makeFull(Row &row, bool fetched);

    void fill(Row &row);
    void fillRoots();
    std::vector<Private::NodeRef> nextChildren(Row &row, std::size_t limit) const;
    void insert(Row &above, const std::vector<Private::NodeRef> &nodes);
    void setMore(Row &row, int more);
    void remove(Row &first, int count = 1);
    bool removeBelow(Row &row, const QElapsedTimer &time);
    void forgetBelow(Row &row);
    void forget(Row &row);
    std::vector<Row *> rowsOf(const Private::Node &node) const;

    ProcessModel &m_model;
    QPointer<Process> m_process;
    QMetaObject::Connection m_gone;
    bool m_showsRoots = true;
    /// Rows are being changed, and slots hear of it.
    bool m_isBusy = false;
    bool m_mustReset = false; ///< Another process was set meanwhile.
    std::unique_ptr<Row> m_top; ///< Has no index; its rows are the uppermost ones.
    RowsByNode m_rows; ///< All but the more-rows.
    /// Roots that there is no room for.
    Nodes m_moreRoots;
    /// Each stands for the root that there is not where closing edges go round.
    Nodes m_cycles;
    bool m_mustCheckCycles = false; ///< Something has changed that they may depend on.
    Closed m_closed;
    /// Rows whose change the views do not know: from the first to the last one, below one row.
    std::unordered_map<Row *, std::pair<int, int>> m_shown;
    std::vector<Private::NodeRef> m_changed; ///< Taken from ChangedNodes, the next one last.
    Old m_old;
    Private::ChangeTimer m_changes;
};

} // namespace GoProcess

#endif
