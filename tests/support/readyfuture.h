// SPDX-License-Identifier: MIT
// Futures that have finished, by one name in every Qt: its own was changed in 6.6.

#ifndef GOPROCESS_TESTS_SUPPORT_READYFUTURE_H
#define GOPROCESS_TESTS_SUPPORT_READYFUTURE_H

#include <QFuture>
#include <QPromise>

namespace TestSupport {

inline QFuture<void> readyFuture()
{
    QPromise<void> promise;
    promise.start();
    promise.finish();
    return promise.future();
}

template<class T>
QFuture<T> readyFuture(const T &result)
{
    QPromise<T> promise;
    promise.start();
    promise.addResult(result);
    promise.finish();
    return promise.future();
}

} // namespace TestSupport

#endif
