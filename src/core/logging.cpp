// SPDX-License-Identifier: MIT
// The logging category of the library.

#include "logging_p.h"

namespace GoProcess::Private {

Q_LOGGING_CATEGORY(lcProcess, "goprocess")

} // namespace GoProcess::Private
