// SPDX-License-Identifier: MIT
// ProcessModel: the processes below one, or all, as a live model for views.

#include <GoProcess/processmodel.h>

#include "processrows_p.h"

#include <QHash>
#include <QTime>

namespace GoProcess {

namespace {

QString stateText(Process::State state)
{
    switch (state) { // GCOVR_EXCL_BR_LINE: compiler
    case Process::State::Running:
        return ProcessModel::tr("Running");
    case Process::State::Closing:
        return ProcessModel::tr("Closing");
    case Process::State::Closed:
        break;
    }
    return ProcessModel::tr("Closed");
}

} // namespace

ProcessModel::ProcessModel(QObject *parent)
    : QAbstractItemModel(parent), m_rows(std::make_unique<Rows>(*this))
{
}

ProcessModel::~ProcessModel() = default;

Process *ProcessModel::process() const
{
    return m_rows->process();
}

void ProcessModel::setProcess(Process *process)
{
    m_rows->setProcess(process);
}

QModelIndex ProcessModel::index(int row, int column, const QModelIndex &parent) const
{
    if (!hasIndex(row, column, parent))
        return {};
    return createIndex(row, column, Rows::at(*m_rows->rowOf(parent), row));
}

QModelIndex ProcessModel::parent(const QModelIndex &index) const
{
    return index.isValid() ? m_rows->indexOf(*m_rows->rowOf(index)->above) : QModelIndex();
}

int ProcessModel::rowCount(const QModelIndex &parent) const
{
    return parent.column() > 0 ? 0 : Rows::rowsBelow(*m_rows->rowOf(parent));
}

int ProcessModel::columnCount(const QModelIndex &parent) const
{
    return parent.column() > 0 ? 0 : SinceColumn + 1;
}

bool ProcessModel::hasChildren(const QModelIndex &parent) const
{
    return parent.column() <= 0 && Rows::hasRowsBelow(*m_rows->rowOf(parent));
}

bool ProcessModel::canFetchMore(const QModelIndex &parent) const
{
    return parent.column() <= 0 && Rows::canFetch(*m_rows->rowOf(parent));
}

void ProcessModel::fetchMore(const QModelIndex &parent)
{
    if (canFetchMore(parent))
        m_rows->fetch(*m_rows->rowOf(parent));
}

/// What views without roles show.
QVariant ProcessModel::displayed(const QModelIndex &index) const
{
    const Rows::Row &row = *m_rows->rowOf(index);
    switch (index.column()) {
    case NameColumn:
        return row.node ? row.name : tr("%n more", nullptr, row.more);
    case StateColumn:
        if (!row.node)
            return {};
        // GCOVR_EXCL_BR_START: compiler
        return row.error.isEmpty() ? stateText(row.state) : tr("Failed: %1").arg(row.error);
        // GCOVR_EXCL_BR_STOP
    default:
        return row.node ? QVariant(row.since.time()) : QVariant();
    }
}

QVariant ProcessModel::data(const QModelIndex &index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid)) // GCOVR_EXCL_BR_LINE: guard
        return {}; // GCOVR_EXCL_LINE: guard
    const Rows::Row &row = *m_rows->rowOf(index);
    if (role == Qt::DisplayRole)
        return displayed(index);
    if (role == Qt::ToolTipRole)
        return data(index, PathRole);
    if (!row.node)
        return role == MoreRole ? QVariant(row.more) : QVariant();
    switch (role) {
    case NameRole:
        return row.name;
    case PathRole:
        return row.node->path();
    case StateRole:
        return QVariant::fromValue(row.state);
    case SinceRole:
        return row.since;
    case ThreadRole:
        return row.thread;
    case ErrorRole:
        return row.error;
    case WaitsForRole:
        return row.waitsFor;
    case MoreRole:
        return 0;
    default:
        return {};
    }
}

QVariant ProcessModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole)
        return QAbstractItemModel::headerData(section, orientation, role);
    switch (section) {
    case NameColumn:
        return tr("Process");
    case StateColumn:
        return tr("State");
    case SinceColumn:
        return tr("Time");
    default:
        return {};
    }
}

QHash<int, QByteArray> ProcessModel::roleNames() const
{
    QHash<int, QByteArray> names = QAbstractItemModel::roleNames();
    names.insert({ { NameRole, QByteArrayLiteral("name") },
                   { PathRole, QByteArrayLiteral("path") },
                   { StateRole, QByteArrayLiteral("state") },
                   { SinceRole, QByteArrayLiteral("since") },
                   { ThreadRole, QByteArrayLiteral("thread") },
                   { ErrorRole, QByteArrayLiteral("error") },
                   { WaitsForRole, QByteArrayLiteral("waitsFor") },
                   { MoreRole, QByteArrayLiteral("more") } });
    return names;
}

} // namespace GoProcess
