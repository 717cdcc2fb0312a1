// SPDX-License-Identifier: MIT
// What the index knows of a file.

#ifndef INDEXER_RECORD_H
#define INDEXER_RECORD_H

#include "common/filestate.h"

#include <QByteArray>

namespace Demo {

struct Record
{
    QByteArray path; ///< Absolute.
    QByteArray hash; ///< SHA-256 in 64 hexadecimal digits.
    FileState state; ///< Of the file when the hash was taken.
};

} // namespace Demo

#endif
