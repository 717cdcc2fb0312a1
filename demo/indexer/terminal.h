// SPDX-License-Identifier: MIT
// The program without a window.

#ifndef INDEXER_TERMINAL_H
#define INDEXER_TERMINAL_H

#include "run.h"

#include <QByteArray>
#include <QString>

namespace Demo {

// Both need an application, and return the status to exit with.

/// Indexes until the user stops it, or once.
int indexInTerminal(const Task &task);
/// Asks the indexer of \a database for \a pattern; if none is running, looks there itself.
int queryInTerminal(const QByteArray &database, const QString &pattern);

} // namespace Demo

#endif
