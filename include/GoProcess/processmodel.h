// SPDX-License-Identifier: MIT
// ProcessModel: the processes below one, or all, as a live model for views.

#ifndef GOPROCESS_PROCESSMODEL_H
#define GOPROCESS_PROCESSMODEL_H

#include <GoProcess/global.h>
#include <GoProcess/process.h>

#include <QAbstractItemModel>

#include <memory>

namespace GoProcess {

/// A live tree of the processes below one, or of all.
///
/// Rows appear, change and go as processes do, in whatever thread, at most 30 times a second. The
/// processes cost nothing while there is no model, and only what is shown costs anything while
/// there is one. The model may be slow or its thread blocked: nothing waits for it, and nothing
/// piles up.
///
/// - The children of a process are those that it closes (R6, R8), in the order in which they became
///   so. What it only waits for (R7) is in the role `waitsFor`.
/// - A process with several parents has its subtree under the first, and a row without children
///   under each of the others. Closing edges may go round (R9).
/// - A row shows the first 1,000 children, and one more row says how many there are besides (the
///   role `more`). Children are fetched when a view asks for them (canFetchMore()).
/// - A Closed process stays visible for two seconds, so that the user sees how it ended; of those
///   only the last hundred.
///
/// The model is used in its own thread(), which needs an event loop. A large change is taken in
/// slices of a few milliseconds.
class GOPROCESS_EXPORT ProcessModel : public QAbstractItemModel
{
    Q_OBJECT
    // In one line, which clazy can read.
    // clang-format off
    Q_PROPERTY(GoProcess::Process *process READ process WRITE setProcess NOTIFY processChanged FINAL)
    // clang-format on

public:
    /// What a row tells, in each of its columns. The names in QML are in brackets.
    enum Role {
        NameRole = Qt::UserRole + 1, ///< The name, or `#id` where that is empty: text (`name`).
        PathRole, ///< Process::path(): text (`path`).
        StateRole, ///< Process::State (`state`).
        /// When the model saw that it is in this state: QDateTime (`since`). That is within 1/30 s
        /// for what changes while it has a row, else when it got one.
        SinceRole,
        /// Where its steps run: `main`, `pool` for the library's own, else the address of the
        /// QThread: text (`thread`).
        ThreadRole,
        ErrorRole, ///< The message of Process::error(), empty if there is none: text (`error`).
        /// The paths of what it waits for besides its children, at most 20 of them: list of texts
        /// (`waitsFor`).
        WaitsForRole,
        /// How many processes the row stands for that have no rows of their own; 0 for the row of a
        /// process (`more`).
        MoreRole
    };
    Q_ENUM(Role)

    /// What views without roles show.
    enum Column { NameColumn, StateColumn, SinceColumn };
    Q_ENUM(Column)

    /// A model of all processes; see setProcess().
    explicit ProcessModel(QObject *parent = nullptr);
    /// The processes go on.
    ~ProcessModel() override;

    /// The process that was set; null if none was, or if it is gone.
    GoProcess::Process *process() const;
    /// Shows what is below \a process, which may live in any thread, and itself has no row.
    ///
    /// For null and for Process::background() it shows all roots with what is below them. Of
    /// processes that existed before, it knows those that have changed while there was such a
    /// model: make it first.
    void setProcess(GoProcess::Process *process);

    // What Qt's models have is documented there: see QAbstractItemModel.
    /// \cond
    QModelIndex index(int row, int column,
                      const QModelIndex &parent = QModelIndex()) const override;
    QModelIndex parent(const QModelIndex &index) const override;
    using QObject::parent;
    int rowCount(const QModelIndex &parent = QModelIndex()) const override;
    int columnCount(const QModelIndex &parent = QModelIndex()) const override;
    bool hasChildren(const QModelIndex &parent = QModelIndex()) const override;
    bool canFetchMore(const QModelIndex &parent) const override;
    void fetchMore(const QModelIndex &parent) override;
    QVariant data(const QModelIndex &index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation,
                        int role = Qt::DisplayRole) const override;
    QHash<int, QByteArray> roleNames() const override;
    /// \endcond

Q_SIGNALS:
    /// Another process was set, or the one that was set is gone.
    void processChanged();

private:
    class Rows;
    QVariant displayed(const QModelIndex &index) const;

    const std::unique_ptr<Rows> m_rows;
};

} // namespace GoProcess

#endif
