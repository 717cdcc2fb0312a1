// SPDX-License-Identifier: MIT
// Signals by their name, of classes that this library does not link.

#ifndef GOPROCESS_RELAY_P_H
#define GOPROCESS_RELAY_P_H

#include <QByteArrayView>
#include <QObject>

#include <functional>

namespace GoProcess::Private {

/// Calls \a function, in the thread of \a sender, with the arguments of its signal of that name:
/// pointers to them, from 1 on. False if it has no such signal.
QMetaObject::Connection relay(QObject &sender, QByteArrayView signal,
                              std::function<void(void **)> function);

} // namespace GoProcess::Private

#endif
