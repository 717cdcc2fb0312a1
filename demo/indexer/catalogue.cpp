// SPDX-License-Identifier: MIT
// Comparing scans with what is known.

#include "catalogue.h"

#include <algorithm>
#include <utility>

namespace Demo {

namespace {

bool liesIn(const QByteArray &path, const QByteArray &folder)
{
    return path.startsWith(folder)
            && (path.size() == folder.size() || folder.endsWith('/') || path[folder.size()] == '/');
}

} // namespace

void Catalogue::insert(const QByteArray &path, const FileState &state, int scan)
{
    const std::lock_guard<std::mutex> lock(m_mutex);
    m_entries.insert(path, { state, scan });
}

bool Catalogue::meet(const QByteArray &path, const FileState &state, int scan)
{
    const std::lock_guard<std::mutex> lock(m_mutex);
    // No other thread shares it.
    const auto entry = m_entries.find(path); // clazy:exclude=detaching-member
    if (entry == m_entries.end())
        return true;
    entry->lastMet = scan;
    return entry->state != state;
}

qint64 Catalogue::size() const
{
    const std::lock_guard<std::mutex> lock(m_mutex);
    return m_entries.size();
}

QList<QByteArray> Catalogue::takeMissing(const QByteArray &folder, const QList<QByteArray> &unread,
                                         int scan)
{
    const std::lock_guard<std::mutex> lock(m_mutex);
    QList<QByteArray> missing;
    m_entries.removeIf([&](const std::pair<const QByteArray &, Entry &> &entry) {
        const QByteArray &path = entry.first;
        const bool isMissing = entry.second.lastMet != scan && liesIn(path, folder)
                && std::none_of(unread.begin(), unread.end(),
                                [&](const QByteArray &other) { return liesIn(path, other); });
        if (isMissing)
            missing += path;
        return isMissing;
    });
    return missing;
}

} // namespace Demo
