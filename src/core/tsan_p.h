// SPDX-License-Identifier: MIT
// Tells the thread sanitizer about hand-overs through Qt, which is not instrumented.

#ifndef GOPROCESS_TSAN_P_H
#define GOPROCESS_TSAN_P_H

#include <utility>

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

/// A value in something that Qt brings to another thread, as the closure of a continuation is.
template<class T>
class Parcel
{
public:
    explicit Parcel(T value) : m_value(std::move(value)) { handOver(this); }
    Parcel(const Parcel &other) : m_value(other.get()) { handOver(this); }
    Parcel &operator=(const Parcel &) = delete;
    ~Parcel() { takeOver(this); }

    const T &get() const
    {
        takeOver(const_cast<Parcel *>(this));
        return m_value;
    }

private:
    const T m_value;
};

} // namespace GoProcess::Private

#endif
