// SPDX-License-Identifier: MIT
// What runs on the stack of this thread on behalf of processes.

#ifndef GOPROCESS_FRAME_P_H
#define GOPROCESS_FRAME_P_H

#include <QtGlobal>

#include <cstdint>

QT_BEGIN_NAMESPACE
class QThreadPool;
QT_END_NAMESPACE

namespace GoProcess::Private {

class Node;

/// A step or a work that runs user code in this thread; frames form a stack (R39).
class Frame
{
public:
    enum class Kind : std::uint8_t { Announce, Teardown, Finish, LateTeardown, Work, EndFuture };

    Frame(Node &frameNode, Kind frameKind) noexcept;
    Q_DISABLE_COPY_MOVE(Frame)
    ~Frame();

    static Frame *innermost() noexcept;
    /// The innermost frame of \a node in this thread, or null.
    static Frame *find(const Node &node) noexcept;
    /// True inside a work, however deep.
    static bool isInWork() noexcept;
    /// How many frames are on the stack of this thread.
    static int depth() noexcept;

    Node &node;
    const Kind kind;
    Frame *const outer;
    /// The QObject was destroyed by the user code that this frame runs (R43).
    bool objectGone = false;
    /// The state signal was delivered, the second signal is being emitted.
    bool inSecondSignal = false;
    /// The destructor has completed what this frame had to do.
    bool completed = false;
};

/// What kind of thread this is.
struct ThreadContext
{
    bool isLibraryThread = false; ///< One of the library's own pool.
    QThreadPool *userPool = nullptr; ///< The user's pool whose work runs here.

    static ThreadContext &current() noexcept;
};

} // namespace GoProcess::Private

#endif
