// SPDX-License-Identifier: MIT
// What people have been told already.

#ifndef INDEXER_COMPLAINTS_H
#define INDEXER_COMPLAINTS_H

#include <QByteArray>
#include <QSet>

#include <mutex>

namespace Demo {

/// A file that cannot be read is tried again with each scan, but is news only once. For any thread.
class Complaints
{
public:
    /// True the first time for each \a path.
    bool isFirst(const QByteArray &path)
    {
        const std::lock_guard<std::mutex> lock(m_mutex);
        const qsizetype before = m_paths.size();
        m_paths.insert(path);
        return m_paths.size() > before;
    }

private:
    std::mutex m_mutex;
    QSet<QByteArray> m_paths; // guarded by m_mutex
};

} // namespace Demo

#endif
