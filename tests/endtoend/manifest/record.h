// SPDX-License-Identifier: MIT
// A file that is done: its hash, and the state of the file that the hash belongs to.

#ifndef MANIFEST_RECORD_H
#define MANIFEST_RECORD_H

#include "common/filestate.h"

#include <QByteArray>
#include <QByteArrayView>

#include <optional>

namespace Demo {

struct Record
{
    QByteArray name; ///< Absolute.
    QByteArray hash; ///< SHA-256 in 64 hexadecimal digits.
    FileState state;
};

/// The line that sha256sum prints for the file.
QByteArray manifestLine(const Record &record);

/// The line for the journal, which keeps the state as well.
QByteArray journalLine(const Record &record);
/// The record that journalLine() made \a line from (without its newline); nothing for any other line.
std::optional<Record> parseJournalLine(const QByteArray &line);

} // namespace Demo

#endif
