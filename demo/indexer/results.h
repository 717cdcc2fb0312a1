// SPDX-License-Identifier: MIT
// What a search has found, as a list for the window.

#ifndef INDEXER_RESULTS_H
#define INDEXER_RESULTS_H

#include "database.h"

#include <QAbstractListModel>
#include <QByteArray>
#include <QHash>
#include <QVariant>

namespace Demo {

class Results : public QAbstractListModel
{
    Q_OBJECT

public:
    enum Role { Name = Qt::UserRole, Folder, Size, Modified };

    void set(const Matches &matches);
    qint64 total() const { return m_matches.total; }
    /// The whole name of the file in \a row; empty without such a row.
    QByteArray path(int row) const { return m_matches.first.value(row).path; }

    int rowCount(const QModelIndex &parent = {}) const override;
    QVariant data(const QModelIndex &index, int role) const override;
    QHash<int, QByteArray> roleNames() const override;

private:
    Matches m_matches;
};

} // namespace Demo

#endif
