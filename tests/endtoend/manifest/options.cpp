// SPDX-License-Identifier: MIT
// Parsing with getopt, which unlike QCommandLineParser leaves names the bytes that they are.

#include "options.h"

#include "common/names.h"

#include <QDir>
#include <QFile>
#include <QStandardPaths>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <getopt.h>
#include <sys/stat.h>

namespace Demo {

namespace {

constexpr int usageStatus = 2;

constexpr std::string_view help =
        R"(Usage: manifest [FOLDER] [--output FILE] [--resume] [--report FILE]

Writes the SHA-256 of every file in FOLDER into a manifest that `sha256sum --check` can read.
FOLDER is /usr/include if none is given, or the home folder where that is missing.

  -o, --output FILE  the manifest; else SHA256SUMS in this program's data folder
  -r, --resume       go on where a stopped run ended
      --report FILE  list each file there once it is safe on disk
  -h, --help         this text

Ctrl-C (SIGINT) or SIGTERM stops it: the manifest then holds all files that were done. A second
Ctrl-C ends it at once. Files are named from the root on, sorted by name. Links are not followed.
Until nothing is missing in the manifest, FILE.partial beside it holds what --resume needs.

Exit status: 0; 1 if a file could not be read or the manifest not be written; 2 if called wrongly;
130 after a second Ctrl-C.
)";

enum LongOption { ReportOption = 1000 };

constexpr std::array longOptions {
    option { "output", required_argument, nullptr, 'o' },
    option { "resume", no_argument, nullptr, 'r' },
    option { "report", required_argument, nullptr, ReportOption },
    option { "help", no_argument, nullptr, 'h' },
    option { nullptr, 0, nullptr, 0 },
};

QByteArray defaultFolder()
{
    struct stat status;
    const char *includes = "/usr/include";
    if (::stat(includes, &status) == 0 && S_ISDIR(status.st_mode))
        return includes;
    return QFile::encodeName(QDir::homePath());
}

QByteArray defaultOutput()
{
    const QString folder = QStandardPaths::writableLocation(QStandardPaths::AppDataLocation);
    QDir().mkpath(folder); // if it cannot, opening the output says so
    return QFile::encodeName(folder) + "/SHA256SUMS";
}

int complain(const char *text)
{
    std::fprintf(stderr, "%s\nTry 'manifest --help'.\n", text);
    return usageStatus;
}

} // namespace

std::variant<Options, int> parseOptions(int argc, char **argv)
{
    Options options;
    for (;;) {
        switch (::getopt_long(argc, argv, "o:rh", longOptions.data(), nullptr)) {
        case 'o':
            options.output = optarg;
            if (options.output.isEmpty() || options.output.endsWith('/'))
                return complain("--output needs the name of a file");
            continue;
        case 'r':
            options.resume = true;
            continue;
        case ReportOption:
            options.report = absolute(optarg);
            continue;
        case 'h':
            std::fputs(help.data(), stdout);
            return EXIT_SUCCESS;
        case -1:
            break;
        default:
            return complain(""); // getopt has said what is wrong
        }
        break;
    }
    if (argc - optind > 1)
        return complain("only one folder, please");

    const QByteArray folder = optind < argc ? QByteArray(argv[optind]) : defaultFolder();
    if (folder.isEmpty())
        return complain("the folder's name is empty");
    options.folder = absolute(folder);
    options.output = absolute(options.output.isEmpty() ? defaultOutput() : options.output);
    return options;
}

} // namespace Demo
