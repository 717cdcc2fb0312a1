// SPDX-License-Identifier: MIT
// The command line.

#ifndef MANIFEST_OPTIONS_H
#define MANIFEST_OPTIONS_H

#include <QByteArray>

#include <optional>
#include <variant>

namespace Demo {

/// All names are absolute, and bytes as the user gave them.
struct Options
{
    QByteArray folder;
    QByteArray output;
    QByteArray report; ///< Empty for none.
    bool resume = false;
};

/// The options, or the status to exit with, after a text that says why.
std::variant<Options, int> parseOptions(int argc, char **argv);

} // namespace Demo

#endif
