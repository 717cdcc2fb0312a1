// SPDX-License-Identifier: MIT
// The child process that tries, and Qt's own options.

#include "display.h"

#include "names.h"
#include "posix.h"

#include <QByteArray>
#include <QStringList>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace Demo {

namespace {

constexpr unsigned patience = 15; // seconds, for a display that neither answers nor refuses

// Qt's documentation of QGuiApplication and QApplication lists them.
constexpr std::array<std::string_view, 15> optionsWithValue {
    "platform",     "platformpluginpath", "platformtheme", "plugin",     "qwindowgeometry",
    "qwindowtitle", "qwindowicon",        "style",         "stylesheet", "session",
    "display",      "geometry",           "fontengine",    "dialogs",    "title",
};
constexpr std::array<std::string_view, 5> optionsWithoutValue {
    "reverse", "nograb", "dograb", "sync", "widgetcount",
};

template<std::size_t Size>
bool isOneOf(const std::array<std::string_view, Size> &names, std::string_view name)
{
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// How many of the arguments from \a argument on are one option of Qt's; 0 if it is none. As Qt
/// does, it takes two dashes for one.
int qtOptionLength(const char *argument, bool isLast)
{
    std::string_view name = argument;
    if (name.size() < 2 || name[0] != '-')
        return 0;
    name.remove_prefix(name[1] == '-' ? 2 : 1);
    if (isOneOf(optionsWithoutValue, name) || name.substr(0, 14) == "qmljsdebugger=")
        return 1;
    if (isOneOf(optionsWithValue, name))
        return isLast ? 1 : 2;
    const std::size_t equals = name.find('=');
    return equals != std::string_view::npos && isOneOf(optionsWithValue, name.substr(0, equals))
            ? 1
            : 0;
}

[[noreturn]] void tryToMake(void (*makeApplication)(int, char **), int argc, char **argv,
                            int report)
{
    // What Qt aborts shall leave no core file, and nothing on the terminal.
    const struct rlimit none = {};
    ::setrlimit(RLIMIT_CORE, &none);
    ::dup2(report, STDOUT_FILENO);
    ::dup2(report, STDERR_FILENO);
    ::alarm(patience);
    makeApplication(argc, argv);
    ::_exit(EXIT_SUCCESS);
}

QByteArray readAll(int descriptor)
{
    QByteArray text;
    std::array<char, 4096> bytes;
    for (;;) {
        const ssize_t size = ::read(descriptor, bytes.data(), bytes.size());
        if (size > 0)
            text.append(bytes.data(), size);
        else if (size == 0 || errno != EINTR)
            return text;
    }
}

} // namespace

bool namesDisplay(int argc, char **argv)
{
    for (const char *name : { "WAYLAND_DISPLAY", "DISPLAY", "QT_QPA_PLATFORM" }) {
        if (!qEnvironmentVariableIsEmpty(name))
            return true;
    }
    return std::any_of(argv + 1, argv + argc, [](const char *argument) {
        std::string_view name = argument;
        name.remove_prefix(std::min(name.find_first_not_of('-'), name.size()));
        name = name.substr(0, name.find('='));
        return argument[0] == '-' && (name == "platform" || name == "display");
    });
}

QString failedDisplay(const QString &reason)
{
    QStringList tried;
    for (const char *name : { "QT_QPA_PLATFORM", "WAYLAND_DISPLAY", "DISPLAY" }) {
        if (!qEnvironmentVariableIsEmpty(name))
            tried += QStringLiteral("%1=%2").arg(QLatin1String(name), qEnvironmentVariable(name));
    }
    const QString subject = tried.isEmpty() ? QStringLiteral("the one that was asked for")
                                            : tried.join(QStringLiteral(" with "));
    return reason.isEmpty() ? QStringLiteral("%1 does not answer").arg(subject)
                            : QStringLiteral("%1 does not work (%2)").arg(subject, reason);
}

void sayHowToGetDisplay(const char *name, const QString &problem)
{
    const QString sentence =
            QStringLiteral("%1 needs a display, but %2: start it in a graphical session, log in"
                           " with `ssh -X`, or install xvfb and put `xvfb-run` before it.\n")
                    .arg(QLatin1String(name), problem);
    std::fputs(sentence.toLocal8Bit().constData(), stderr);
}

bool comesBack(void (*makeApplication)(int, char **), int argc, char **argv, QString *reason)
{
    std::array<int, 2> ends;
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        return true; // so let Qt itself try
    FileDescriptor reading(ends[0]);
    FileDescriptor writing(ends[1]);
    const pid_t child = ::fork();
    if (child < 0)
        return true;
    if (child == 0)
        tryToMake(makeApplication, argc, argv, writing.get());
    writing = FileDescriptor();
    const QByteArray said = readAll(reading.get());
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) { }
    // "qt.qpa.xcb: could not connect to display :7": which part of Qt says it is no concern of the
    // user.
    QByteArray line = said.left(said.indexOf('\n')).trimmed();
    if (line.startsWith("qt."))
        line = line.mid(line.indexOf(": ") + 2);
    *reason = shown(line);
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

std::vector<char *> withoutQtOptions(int argc, char **argv)
{
    std::vector<char *> rest(argv, argv + 1);
    for (int i = 1; i < argc;) {
        if (std::strcmp(argv[i], "--") == 0) { // nothing behind it is an option
            rest.insert(rest.end(), argv + i, argv + argc);
            break;
        }
        const int length = qtOptionLength(argv[i], i + 1 == argc);
        if (length == 0)
            rest.push_back(argv[i]);
        i += std::max(length, 1);
    }
    rest.push_back(nullptr);
    return rest;
}

} // namespace Demo
