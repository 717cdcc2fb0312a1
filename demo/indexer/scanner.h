// SPDX-License-Identifier: MIT
// The subsystem that reads the files.

#ifndef INDEXER_SCANNER_H
#define INDEXER_SCANNER_H

#include "scan.h"

#include <GoProcess/Process>

#include <memory>
#include <mutex>

namespace Demo {

/// Scans the folder, one scan after another.
class Scanner
{
public:
    explicit Scanner(ScanContext context);

    GoProcess::Process *process() { return &m_process; }

    /// Starts a scan; while one runs, that one. Any thread, before the process is Closed.
    std::shared_ptr<Scan> scan();

private:
    const ScanContext m_context;
    std::mutex m_mutex;
    int m_scanCount = 0; // guarded by m_mutex
    std::shared_ptr<Scan> m_scan; // guarded by m_mutex; the last one

    // Last, so that it closes before the last scan is destroyed.
    GoProcess::Process m_process;
};

} // namespace Demo

#endif
