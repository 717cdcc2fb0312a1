// SPDX-License-Identifier: MIT
// The command line.

#ifndef INDEXER_OPTIONS_H
#define INDEXER_OPTIONS_H

#include "run.h"

#include <QByteArray>
#include <QString>

#include <optional>
#include <variant>

namespace Demo {

struct Options
{
    Task task;
    std::optional<QString> query; ///< Asks the index instead of keeping it.
    bool noWindow = false;
    bool watch = false; ///< Goes on after the first scan, whether a user looks on or not.
};

/// A silent parser says nothing, and passes over options that it does not know: the caller has
/// yet to find out whose they are.
enum class Speech { Silent, Loud };

/// The options, or the status to exit with, after a text that says why. It sorts \a argv.
std::variant<Options, int> parseOptions(int argc, char **argv, Speech speech);

} // namespace Demo

#endif
