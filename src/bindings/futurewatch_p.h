// SPDX-License-Identifier: MIT
// Futures that are watched without an event loop, and without their one continuation.

#ifndef GOPROCESS_FUTUREWATCH_P_H
#define GOPROCESS_FUTUREWATCH_P_H

#include <QFuture>

#include <functional>
#include <vector>

QT_BEGIN_NAMESPACE
class QThreadPool;
QT_END_NAMESPACE

namespace GoProcess::Private {

/// Calls \a function once, in the thread of the clock, when \a future has finished. It runs no user
/// code and does not block.
void whenFutureFinished(const QFuture<void> &future, std::function<void()> function);

/// Those of the futures that the library watches whose functions run in \a pool, and have not
/// finished.
std::vector<QFuture<void>> watchedFuturesOf(const QThreadPool *pool);

/// The pool that the function of \a future runs in; null if it does not tell.
QThreadPool *poolOf(const QFuture<void> &future);

} // namespace GoProcess::Private

#endif
