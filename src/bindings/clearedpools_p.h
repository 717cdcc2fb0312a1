// SPDX-License-Identifier: MIT
// Pools that this library has cleared, and the futures whose functions went with that.

#ifndef GOPROCESS_CLEAREDPOOLS_P_H
#define GOPROCESS_CLEAREDPOOLS_P_H

#include <QFuture>

QT_BEGIN_NAMESPACE
class QThreadPool;
QT_END_NAMESPACE

namespace GoProcess::Private {

/// Called for each unfinished future of a pool that the library begins to watch: if the pool was
/// cleared, the function of the future may be gone, and the adoption of the pool finds out.
void noteWatchedFuture(QThreadPool *pool, const QFuture<void> &future);

} // namespace GoProcess::Private

#endif
