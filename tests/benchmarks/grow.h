// SPDX-License-Identifier: MIT
// How costs grow with size.

#ifndef GOPROCESS_GROW_H
#define GOPROCESS_GROW_H

#include <QStringList>

namespace Benchmark {

/// Prints what each shape costs at n, 2n and 4n, as CSV, and at the end which grow faster than
/// linearly; false if there are any. \a wanted: those shapes only.
bool grow(const QStringList &wanted, double scale);

} // namespace Benchmark

#endif
