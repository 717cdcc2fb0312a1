// SPDX-License-Identifier: MIT
// Version of the library; CMakeLists.txt reads it from here.

#ifndef GOPROCESS_VERSION_H
#define GOPROCESS_VERSION_H

#define GOPROCESS_VERSION_MAJOR 0
#define GOPROCESS_VERSION_MINOR 1
#define GOPROCESS_VERSION_PATCH 0

/// The version as text, "0.1.0".
#define GOPROCESS_VERSION_STR "0.1.0"

/// A version as one number that can be compared, in the way of QT_VERSION_CHECK.
#define GOPROCESS_VERSION_CHECK(major, minor, patch) (((major) << 16) | ((minor) << 8) | (patch))

/// The version of these headers, for `#if GOPROCESS_VERSION >= GOPROCESS_VERSION_CHECK(0, 1, 0)`.
#define GOPROCESS_VERSION \
  GOPROCESS_VERSION_CHECK(GOPROCESS_VERSION_MAJOR, GOPROCESS_VERSION_MINOR, GOPROCESS_VERSION_PATCH)

#endif
