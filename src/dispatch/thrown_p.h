// SPDX-License-Identifier: MIT
// What slots throw: the step that called them is done all the same, and the exception goes on.

#ifndef GOPROCESS_THROWN_P_H
#define GOPROCESS_THROWN_P_H

#include <QString>

#include <exception>

namespace GoProcess::Private {

class Node;

/// Says that the exception which is being handled ends here, where no caller can catch it: on the
/// pool, in a destructor, at the end of a thread. Slots that were called count as told. Called in a
/// catch block.
void logUncaught(const QString &path) noexcept;

/// Keeps what the user code of a step throws until the step is done. The first exception goes on;
/// of those behind it only the log tells, as one at a time can be thrown.
class Thrown
{
public:
    /// Of a step of \a node, which outlives it.
    explicit Thrown(const Node &node) noexcept : m_node(node) { }
    Q_DISABLE_COPY_MOVE(Thrown)
    ~Thrown() = default;

    template<class Function>
    void run(Function &&function)
    {
        try {
            function();
        } catch (...) {
            keep();
        }
    }
    /// What the caller of the step, the event loop or a wait, is to get. Null if nothing was
    /// thrown.
    const std::exception_ptr &first() const noexcept { return m_first; }
    /// For a destructor.
    void log() const noexcept;

private:
    void keep() noexcept;

    const Node &m_node;
    std::exception_ptr m_first;
};

} // namespace GoProcess::Private

#endif
