// SPDX-License-Identifier: MIT
// A file that lists what was reported as done, for a test that holds the program to it.

#ifndef MANIFEST_REPORT_H
#define MANIFEST_REPORT_H

#include "common/posix.h"
#include "record.h"

#include <GoProcess/Error>

#include <QByteArray>
#include <QList>

namespace Demo {

/// Gets the manifest's line of each file once that file is safe on disk, in that order.
class Report
{
public:
    /// Replaces what \a name, which is absolute, has listed before. An empty one: no report.
    GoProcess::Error open(const QByteArray &name);

    GoProcess::Error append(const QList<Record> &records);

    /// The folder with the report, and its name in there, if there is one.
    FileId folderId() const { return m_folderId; }
    QList<QByteArray> fileNames() const;

private:
    QByteArray m_name;
    FileId m_folderId;
    FileDescriptor m_file;
};

} // namespace Demo

#endif
