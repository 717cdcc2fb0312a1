// SPDX-License-Identifier: MIT
// Seconds, minutes and hours.

#include "durations.h"

#include <GoProcess/ProcessModel>

#include <QAbstractScrollArea>
#include <QDateTime>

#include <chrono>

using namespace std::chrono_literals;

namespace {

QString durationText(qint64 seconds)
{
    const qint64 minutes = seconds / 60;
    const qint64 hours = minutes / 60;
    if (hours > 0)
        return Durations::tr("%1 h %2 min").arg(hours).arg(minutes % 60);
    if (minutes > 0)
        return Durations::tr("%1 min %2 s").arg(minutes).arg(seconds % 60);
    return Durations::tr("%1 s").arg(seconds);
}

} // namespace

Durations::Durations(QWidget *view) : QStyledItemDelegate(view)
{
    m_second.start(1s);
    connect(&m_second, &QTimer::timeout, view, [view] {
        if (auto *area = qobject_cast<QAbstractScrollArea *>(view))
            area->viewport()->update();
    });
}

void Durations::initStyleOption(QStyleOptionViewItem *option, const QModelIndex &index) const
{
    QStyledItemDelegate::initStyleOption(option, index);
    const QDateTime since = index.data(GoProcess::ProcessModel::SinceRole).toDateTime();
    if (since.isValid())
        option->text = durationText(qMax(since.secsTo(QDateTime::currentDateTimeUtc()), 0));
}
