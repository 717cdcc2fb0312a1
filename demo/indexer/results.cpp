// SPDX-License-Identifier: MIT
// Matches as people read them.

#include "results.h"

#include "common/names.h"

#include <QDateTime>
#include <QLocale>

namespace Demo {

void Results::set(const Matches &matches)
{
    // Rows stay where they are, and come and go at the end, so that a list that is looked at does not jump.
    const int before = rowCount();
    const int after = int(matches.first.size());
    if (after < before) {
        beginRemoveRows({}, after, before - 1);
        m_matches = matches;
        endRemoveRows();
    } else if (after > before) {
        beginInsertRows({}, before, after - 1);
        m_matches = matches;
        endInsertRows();
    } else {
        m_matches = matches;
    }
    if (const int same = qMin(before, after); same > 0)
        Q_EMIT dataChanged(index(0), index(same - 1));
}

int Results::rowCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : int(m_matches.first.size());
}

QVariant Results::data(const QModelIndex &index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid))
        return {};
    const Match &match = m_matches.first.at(index.row());
    const qsizetype slash = match.path.lastIndexOf('/');
    switch (role) {
    case Name:
    case Qt::DisplayRole:
        return shown(match.path.mid(slash + 1));
    case Folder:
        return shown(slash > 0 ? match.path.left(slash) : QByteArray("/"));
    case Size:
        return QLocale().formattedDataSize(match.size, 1);
    case Modified:
        return QLocale().toString(QDateTime::fromMSecsSinceEpoch(match.modified / 1'000'000),
                                  QLocale::ShortFormat);
    default:
        return {};
    }
}

QHash<int, QByteArray> Results::roleNames() const
{
    return { { Name, "name" }, { Folder, "folder" }, { Size, "size" }, { Modified, "modified" } };
}

} // namespace Demo
