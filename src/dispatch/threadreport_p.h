// SPDX-License-Identifier: MIT
// What each thread runs on behalf of processes, to be read from other threads.

#ifndef GOPROCESS_THREADREPORT_P_H
#define GOPROCESS_THREADREPORT_P_H

#include "stepscope_p.h"

#include <QString>

#include <array>
#include <chrono>
#include <vector>

QT_BEGIN_NAMESPACE
class QThread;
QT_END_NAMESPACE

namespace GoProcess::Private {

/// The steps and works on the stack of a thread. That thread writes it, any thread reads it. It is
/// used again by another thread and never freed, so that no reader finds it gone.
///
/// A reader only compares the nodes that it finds here with those that it keeps alive. What it
/// reads is as old as a look at another thread always is: the pointer to the node is written last,
/// with release, and read first, so that its kind and its begin are those of this or of a later
/// scope.
class ThreadReport
{
public:
    using Clock = std::chrono::steady_clock;

    /// What runs of a process, and where.
    struct Running
    {
        StepScope::Kind kind;
        Clock::time_point since;
        qint64 threadId;
    };

    /// Of the calling thread; made on demand. Null at the very end of the thread.
    static ThreadReport *current() noexcept;
    /// The calling thread gets none any more: it has destroyed its thread_local objects.
    static void forgo() noexcept;

    void begin(const Node &node, StepScope::Kind kind) noexcept;
    void end() noexcept;

    /// What runs of \a node.
    static std::vector<Running> running(const Node &node);
    /// The kernel's number of \a thread, which is only compared; 0 if it is not known.
    static qint64 idOf(const QThread *thread);
    /// The kernel's name of a thread of this program; empty if it is not known.
    static QString nameOf(qint64 threadId);

private:
    struct Entry
    {
        std::atomic<const Node *> node = nullptr;
        std::atomic<StepScope::Kind> kind = StepScope::Kind::Announce;
        std::atomic<Clock::rep> since = 0;
    };
    struct EndOfThread;
    struct All;

    static All &all();
    static ThreadReport *take();

    std::array<Entry, 12> m_entries; ///< Deeper ones are not reported.
    std::size_t m_depth = 0; ///< Of the thread itself.
    // Written when a thread takes it and when that ends, under the lock of all, as is what reads
    // them.
    qint64 m_threadId = 0;
    const QThread *m_thread = nullptr;
    bool m_isTaken = false;
};

} // namespace GoProcess::Private

#endif
