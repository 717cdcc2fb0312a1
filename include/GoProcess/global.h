// SPDX-License-Identifier: MIT
// The namespace of the library, and the macro that exports what is public.

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

/// The library: processes, and what is made of them. The type Process is where to begin.
///
/// What a function does, and from which threads it may be called, stands at each. The rules that a
/// comment cites, as (R13), are in src/doc/rules.md.
namespace GoProcess {
}

#endif
