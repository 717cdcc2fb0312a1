// SPDX-License-Identifier: MIT
// ChangeTimer: calls a function after processes have changed, at most 30 times a second.

#ifndef GOPROCESS_CHANGETIMER_P_H
#define GOPROCESS_CHANGETIMER_P_H

#include "graph/changednodes_p.h"

#include <QObject>
#include <QTimer>

#include <functional>
#include <vector>

namespace GoProcess::Private {

/// Takes the changed nodes in the thread that it lives in. It wakes that thread only when there are
/// some.
class ChangeTimer final : public QObject, private ChangeListener
{
    Q_OBJECT

public:
    /// Calls \a update from the event loop. Lives as long as its \a owner, with which it moves.
    ChangeTimer(QObject *owner, std::function<void()> update);
    ~ChangeTimer() override;

    /// From here on changes are noted; see ChangedNodes::open().
    void open(bool all);
    void close();
    /// See ChangedNodes::take().
    bool take(std::size_t limit, std::vector<NodeRef> &changed);

    /// Calls back when the time has come, though nothing may have changed.
    void updateSoon();

private:
    Q_INVOKABLE void wakeUp();
    void noted() override;

    const std::function<void()> m_update;
    QTimer m_timer;
    bool m_isOpen = false;
};

} // namespace GoProcess::Private

#endif
