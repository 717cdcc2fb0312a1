// SPDX-License-Identifier: MIT
// The logging category of the library.

#ifndef GOPROCESS_LOGGING_P_H
#define GOPROCESS_LOGGING_P_H

#include <QLoggingCategory>

namespace GoProcess::Private {

Q_DECLARE_LOGGING_CATEGORY(lcProcess)

} // namespace GoProcess::Private

#endif
