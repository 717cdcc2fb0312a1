// SPDX-License-Identifier: MIT
// Tells the thread sanitizer about hand-overs through Qt, which is not instrumented.

#ifndef GOPROCESS_TSAN_P_H
#define GOPROCESS_TSAN_P_H

#if defined(__SANITIZE_THREAD__)
#  define GOPROCESS_TSAN
#elif defined(__has_feature)
#  if __has_feature(thread_sanitizer)
#    define GOPROCESS_TSAN
#  endif
#endif

#ifdef GOPROCESS_TSAN
extern "C" void __tsan_acquire(void *address);
extern "C" void __tsan_release(void *address);
#endif

namespace GoProcess::Private {

/// Before an object is given to Qt for another thread.
inline void handOver([[maybe_unused]] void *object)
{
#ifdef GOPROCESS_TSAN
    __tsan_release(object);
#endif
}

/// After Qt brought the object here.
inline void takeOver([[maybe_unused]] void *object)
{
#ifdef GOPROCESS_TSAN
    __tsan_acquire(object);
#endif
}

} // namespace GoProcess::Private

#endif
