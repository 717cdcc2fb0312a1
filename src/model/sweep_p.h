// SPDX-License-Identifier: MIT
// Destroys large containers bit by bit, so that no turn of the event loop is long.

#ifndef GOPROCESS_SWEEP_P_H
#define GOPROCESS_SWEEP_P_H

namespace GoProcess::Private {

/// Destroys one element of the last of \a containers; false if there is none.
template<class Containers>
bool sweepLast(Containers &containers)
{
    if (containers.empty())
        return false;
    if (containers.back().empty())
        containers.pop_back();
    else
        containers.back().erase(containers.back().begin());
    return true;
}

} // namespace GoProcess::Private

#endif
