// SPDX-License-Identifier: MIT
// What slows the tests of this build.

#ifndef GOPROCESS_TESTS_SUPPORT_SANITIZERS_H
#define GOPROCESS_TESTS_SUPPORT_SANITIZERS_H

namespace TestSupport {

#ifdef __SANITIZE_ADDRESS__
inline constexpr bool underAddressSanitizer = true;
#else
inline constexpr bool underAddressSanitizer = false;
#endif

#ifdef __SANITIZE_THREAD__
inline constexpr bool underThreadSanitizer = true;
#else
inline constexpr bool underThreadSanitizer = false;
#endif

#ifdef GOPROCESS_COVERAGE // set by the preset
inline constexpr bool underCoverage = true;
#else
inline constexpr bool underCoverage = false;
#endif

/// Programs take many times as long.
inline constexpr bool underSanitizer = underAddressSanitizer || underThreadSanitizer;

} // namespace TestSupport

#endif
