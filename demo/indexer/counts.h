// SPDX-License-Identifier: MIT
// What the subsystems have counted so far, for people.

#ifndef INDEXER_COUNTS_H
#define INDEXER_COUNTS_H

#include "common/counter.h"

namespace Demo {

struct Counts
{
    Counter knownFiles; ///< In the database when it was opened.
    Counter foundFiles; ///< New or changed, so that they must be read.
    Counter foundBytes;
    Counter readBytes;
    Counter passedBytes; ///< Of files whose reading failed or was stopped.
    Counter droppedFiles; ///< Found, but could not be read.
    Counter unchangedFiles; ///< Found as they were.
    Counter indexedFiles; ///< Safe in the database, and reported.
    Counter removedFiles; ///< Gone from the folder, and from the database.
    Counter failures; ///< Files and folders that could not be read.
    Counter links; ///< Left out.
    Counter others; ///< Pipes, sockets and devices, left out.
    Counter wholeScans; ///< Scans that have seen the whole folder.
    Counter begunWalks;
    Counter endedWalks; ///< Of those begun.
};

} // namespace Demo

#endif
