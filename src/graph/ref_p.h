// SPDX-License-Identifier: MIT
// Counted references to what threads share.

#ifndef GOPROCESS_REF_P_H
#define GOPROCESS_REF_P_H

#include <utility>

namespace GoProcess::Private {

/// A counted reference to a T, whose ref() and deref() count.
template<class T>
class Ref
{
public:
    Ref() noexcept = default;
    explicit Ref(T *object) noexcept : m_object(object)
    {
        if (m_object)
            m_object->ref();
    }
    Ref(const Ref &other) noexcept : Ref(other.m_object) { }
    Ref(Ref &&other) noexcept : m_object(std::exchange(other.m_object, nullptr)) { }
    Ref &operator=(Ref other) noexcept
    {
        std::swap(m_object, other.m_object);
        return *this;
    }
    ~Ref()
    {
        if (m_object)
            m_object->deref();
    }

    T *get() const noexcept { return m_object; }
    T *operator->() const noexcept { return m_object; }
    T &operator*() const noexcept { return *m_object; }
    explicit operator bool() const noexcept { return m_object != nullptr; }

private:
    T *m_object = nullptr;
};

} // namespace GoProcess::Private

#endif
