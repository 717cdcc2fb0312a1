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
        R"(Usage: indexer [FOLDER] [--database FILE] [--no-window] [--once|--watch] [--log FILE]
       indexer --query PATTERN [--database FILE]

Keeps an index of the files in FOLDER: names, sizes, times and SHA-256, in a SQLite database. It
opens a window where there is a display, and else works in the terminal. Without either, as in a
pipe or a job, it indexes once and ends. FOLDER is /usr/include if none is given, or the home folder
where that is missing.

  -d, --database FILE  the index; else index.sqlite in this program's data folder
  -q, --query PATTERN  look in the index for files whose names contain PATTERN, in which * stands
                       for any text and ? for any character
      --no-window      work in the terminal, also where there is a display
      --once           end after one scan, in the terminal
      --watch          go on after the first scan, also without a terminal
      --rescan SECONDS look for changes this long after the last time; else 60
      --log FILE       write there what happens: a line for each file that is safe in the index
  -h, --help           this text

Closing the window, Ctrl-C (SIGINT) or SIGTERM ends it at any moment: what it has reported as indexed
is in the database, and the next run goes on from there. A second Ctrl-C ends it at once. Links are
not followed. Qt's own options, such as -platform and -reverse, are taken as well.

Exit status: 0; 1 if a file could not be read or the index not be written, or if a query found
nothing; 2 if called wrongly; 130 after a second Ctrl-C.
)";

enum LongOption { NoWindowOption = 1000, OnceOption, WatchOption, RescanOption, LogOption };

constexpr std::array longOptions {
    option { "database", required_argument, nullptr, 'd' },
    option { "query", required_argument, nullptr, 'q' },
    option { "no-window", no_argument, nullptr, NoWindowOption },
    option { "once", no_argument, nullptr, OnceOption },
    option { "watch", no_argument, nullptr, WatchOption },
    option { "rescan", required_argument, nullptr, RescanOption },
    option { "log", required_argument, nullptr, LogOption },
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

QByteArray defaultDatabase()
{
    const QString folder = QStandardPaths::writableLocation(QStandardPaths::AppDataLocation);
    QDir().mkpath(folder); // if it cannot, opening the database says so
    return QFile::encodeName(folder) + "/index.sqlite";
}

} // namespace

std::variant<Options, int> parseOptions(int argc, char **argv, Speech speech)
{
    const auto complain = [speech](const char *text) {
        if (speech == Speech::Loud)
            std::fprintf(stderr, "%s\nTry 'indexer --help'.\n", text);
        return usageStatus;
    };
    opterr = speech == Speech::Loud;
    optind = 0; // from the beginning, whatever was parsed before
    Options options;
    for (;;) {
        switch (::getopt_long(argc, argv, "d:q:h", longOptions.data(), nullptr)) {
        case 'd':
            options.task.database = optarg;
            if (options.task.database.isEmpty() || options.task.database.endsWith('/'))
                return complain("--database needs the name of a file");
            continue;
        case 'q':
            options.query = QString::fromLocal8Bit(optarg);
            if (options.query->isEmpty())
                return complain("--query needs something to look for");
            continue;
        case NoWindowOption:
            options.noWindow = true;
            continue;
        case OnceOption:
            options.task.once = true;
            continue;
        case WatchOption:
            options.watch = true;
            continue;
        case RescanOption: {
            bool isNumber = false;
            const int seconds = QByteArray(optarg).toInt(&isNumber);
            if (!isNumber || seconds < 1)
                return complain("--rescan needs a number of seconds");
            options.task.rescanInterval = std::chrono::seconds(seconds);
            continue;
        }
        case LogOption:
            options.task.log = absolute(optarg);
            continue;
        case 'h':
            if (speech == Speech::Loud)
                std::fputs(help.data(), stdout);
            return EXIT_SUCCESS;
        case -1:
            break;
        default:
            if (speech == Speech::Silent)
                continue;
            return complain(""); // getopt has said what is wrong
        }
        break;
    }
    if (options.task.once && options.watch)
        return complain("--once or --watch, but not both");
    if (argc - optind > 1)
        return complain("only one folder, please");

    const QByteArray folder = optind < argc ? QByteArray(argv[optind]) : defaultFolder();
    if (folder.isEmpty())
        return complain("the folder's name is empty");
    options.task.folder = absolute(folder);
    const QByteArray database = options.task.database;
    options.task.database = resolved(absolute(database.isEmpty() ? defaultDatabase() : database));
    return options;
}

} // namespace Demo
