// SPDX-License-Identifier: MIT
// What the subsystems have counted so far, for the progress line and the summary.

#ifndef MANIFEST_COUNTS_H
#define MANIFEST_COUNTS_H

#include "common/counter.h"
#include "common/progress.h"

namespace Demo {

struct Counts
{
    Counter foundFiles;
    Counter foundBytes;
    Counter readBytes; ///< Hashed.
    Counter passedBytes; ///< Of files that need not be read, or whose reading failed.
    Counter keptFiles; ///< Taken over from an earlier run.
    Counter reportedFiles; ///< Safe on disk.
    Counter reportedBytes;
    Counter failures; ///< Files and folders that could not be read.
    Counter links; ///< Left out.
    Counter others; ///< Pipes, sockets and devices, left out.
    Counter wholeWalks; ///< 1 when the walker has seen the whole folder.

    /// True if every file of the folder is safe on disk.
    bool isComplete() const noexcept
    {
        return wholeWalks.value() == 1 && failures.value() == 0
                && reportedFiles.value() == foundFiles.value();
    }

    Progress::Numbers progress() const
    {
        return { reportedFiles.value(),
                 foundFiles.value() - reportedFiles.value() - failures.value(),
                 readBytes.value(),
                 foundBytes.value() - readBytes.value() - passedBytes.value(),
                 reportedFiles.value() + failures.value(),
                 wholeWalks.value() > 0,
                 wholeWalks.value() == 0 };
    }
};

} // namespace Demo

#endif
