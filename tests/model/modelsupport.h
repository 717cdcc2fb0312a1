// SPDX-License-Identifier: MIT
// What the tests of ProcessModel share.

#ifndef GOPROCESS_TESTS_MODEL_MODELSUPPORT_H
#define GOPROCESS_TESTS_MODEL_MODELSUPPORT_H

#include <GoProcess/Process>
#include <GoProcess/ProcessModel>

#include <QModelIndex>
#include <QString>
#include <QStringList>

#include <memory>

namespace TestSupport {

/// The rows below \a parent as text, fetched: `name(below)`.
inline QString textOf(GoProcess::ProcessModel &model, const QModelIndex &parent = QModelIndex(),
                      int depth = 0)
{
    model.fetchMore(parent);
    QStringList rows;
    for (int row = 0; row < model.rowCount(parent); ++row) {
        const QModelIndex index = model.index(row, 0, parent);
        const QString below = depth < 8 ? textOf(model, index, depth + 1) : QStringLiteral("...");
        rows << index.data().toString() + (below.isEmpty() ? QString() : u'(' + below + u')');
    }
    return rows.join(u' ');
}

inline QString textOf(const QModelIndex &index, int role)
{
    return index.data(role).toString();
}

inline std::unique_ptr<GoProcess::Process> makeProcess(const char *name, QObject *parent = nullptr)
{
    auto process = std::make_unique<GoProcess::Process>(parent);
    process->setName(QString::fromLatin1(name));
    return process;
}

} // namespace TestSupport

#endif
