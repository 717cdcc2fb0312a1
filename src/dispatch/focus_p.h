// SPDX-License-Identifier: MIT
// What a blocking wait inside a step runs, and in which order.

#ifndef GOPROCESS_FOCUS_P_H
#define GOPROCESS_FOCUS_P_H

#include "dispatcher_p.h"

#include <deque>

namespace GoProcess::Private {

/// The steps that a wait runs in its thread.
///
/// A wait that is made inside a step or a work stands on the stack until it is over. If it ran
/// whatever its thread has, all those that wait in their steps as well would stand on the stack
/// above each other, as many as there are of them; and one of them that waits for one further down
/// could never end. So it runs what it waits for first. The rest is set aside, and it runs of that
/// only when nothing of its own has come for a while: what it waits for may depend on it, by a wait
/// in another thread for example.
///
/// That while is twice as long for each such wait further down on the stack. So the stack grows by
/// one wait at most each time that the thread has been blocked twice as long, and not with the
/// number of steps; and what a wait depends on runs at last, however deep it is.
///
/// Where no step is on the stack it does nothing but to run what the thread has. It belongs to one
/// thread, and no other thread sees it.
class Focus
{
public:
    using Clock = Dispatcher::Clock;

    /// For a wait for \a node, or for nothing that has steps, that ends at \a end.
    Focus(Dispatcher &here, StepTarget *node, Clock::time_point end);
    Q_DISABLE_COPY_MOVE(Focus)
    /// What was set aside goes back.
    ~Focus();

    /// Runs a step; false if there is none to be run now.
    bool runOne() { return m_isNested ? runNested() : m_here.runOne(); }
    /// When runOne() wants to be called again though nothing has come; never for max().
    Clock::time_point nextLook() const;

    /// The oldest of what \a innermost and those further down have set aside; false if there is
    /// nothing.
    static bool takeAside(Focus *innermost, DueStep &due);
    static bool hasAside(const Focus *innermost);

private:
    bool runNested();
    void findDue();
    bool isNeeded(const DueStep &due) const;
    void runNeeded(DueStep &due);

    Dispatcher &m_here;
    StepTarget *const m_node;
    const bool m_isNested;
    Focus *m_outer = nullptr;
    Clock::time_point m_patientUntil; ///< From then on anything is run.
    std::deque<DueStep> m_due; ///< What was due before, and is needed. It stands aside as well.
    std::deque<DueStep> m_aside;
};

} // namespace GoProcess::Private

#endif
