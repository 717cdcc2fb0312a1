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
    std::optional<QString> query; ///< Asks a running indexer instead of being one.
    bool noWindow = false;
};

/// The options, or the status to exit with, after a text that says why.
std::variant<Options, int> parseOptions(int argc, char **argv);

} // namespace Demo

#endif
