// SPDX-License-Identifier: MIT
// For how long a process has been in its state, in a view of Qt Widgets.

#ifndef DURATIONS_H
#define DURATIONS_H

#include <QStyledItemDelegate>
#include <QTimer>

/// Shows in the column "Time" of a ProcessModel what ProcessTreeView of QML shows there: not since when,
/// but for how long. It counts on while the view is visible.
class Durations : public QStyledItemDelegate
{
    Q_OBJECT

public:
    /// \a view owns it.
    explicit Durations(QWidget *view);

protected:
    void initStyleOption(QStyleOptionViewItem *option, const QModelIndex &index) const override;

private:
    QTimer m_second;
};

#endif
