// SPDX-License-Identifier: MIT
// Export macro of the library.

#ifndef GOPROCESS_GLOBAL_H
#define GOPROCESS_GLOBAL_H

#include <QtGlobal>

#if defined(GOPROCESS_STATIC)
#  define GOPROCESS_EXPORT
#elif defined(GOPROCESS_BUILD)
#  define GOPROCESS_EXPORT Q_DECL_EXPORT
#else
#  define GOPROCESS_EXPORT Q_DECL_IMPORT
#endif

#endif
