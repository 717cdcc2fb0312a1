// SPDX-License-Identifier: MIT
// Reading a file, and noticing whether it stayed the same meanwhile.

#ifndef DEMO_STEADYFILE_H
#define DEMO_STEADYFILE_H

#include "filestate.h"
#include "posix.h"

#include <GoProcess/Error>

#include <QByteArray>

#include <functional>
#include <utility>

namespace Demo {

/// A file whose hash only counts if no program touched the file while it was read.
class SteadyFile
{
public:
    explicit SteadyFile(QByteArray name) : m_name(std::move(name)) { }

    GoProcess::Error open();
    /// As it was when it was opened.
    const FileState &state() const { return m_state; }

    /// Called after each piece with its size in bytes; false stops the reading.
    using OnRead = std::function<bool(qint64 bytes)>;
    struct Hash
    {
        QByteArray digits; ///< Empty if it failed or was stopped.
        GoProcess::Error error;
    };
    /// The SHA-256 of the content; an error if it cannot be read, vanished or changed.
    Hash hash(const OnRead &onRead) const;

private:
    GoProcess::Error checkUnchanged() const;

    const QByteArray m_name;
    FileDescriptor m_file;
    FileState m_state;
};

} // namespace Demo

#endif
