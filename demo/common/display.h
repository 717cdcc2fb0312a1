// SPDX-License-Identifier: MIT
// Whether a window can be opened, asked before Qt is, which aborts the program if it cannot.

#ifndef DEMO_DISPLAY_H
#define DEMO_DISPLAY_H

#include <QString>

#include <vector>

namespace Demo {

/// True if something says where windows go: the environment or, with `-platform` or `-display`, the user.
bool namesDisplay(int argc, char **argv);

/// What was tried in vain, and why, for a sentence: "DISPLAY=:7 does not work (could not connect)".
QString failedDisplay(const QString &reason);
/// "NAME needs a display ...", on standard error: what is wrong, and how to get one.
void sayHowToGetDisplay(const char *name, const QString &problem);

/// Runs \a makeApplication in a child process, and returns true if it came back. \a reason is what that
/// child printed first. To be called before the program has threads.
bool comesBack(void (*makeApplication)(int argc, char **argv), int argc, char **argv,
               QString *reason);

/// True if \a Application, a QGuiApplication, can be made here. It is made, and goes, in a child
/// process: a display that does not answer, or the lack of a plugin, ends only that.
template<class Application>
bool canOpenWindow(int argc, char **argv, QString *reason)
{
    return comesBack([](int count, char **arguments) { Application application(count, arguments); },
                     argc, argv, reason);
}

/// The same for a program that is nothing without a window: if there can be none, it says how to get one.
template<class Application>
bool hasDisplay(const char *name, int argc, char **argv)
{
    QString reason;
    if (!namesDisplay(argc, argv))
        sayHowToGetDisplay(name, QStringLiteral("there is none"));
    else if (!canOpenWindow<Application>(argc, argv, &reason))
        sayHowToGetDisplay(name, failedDisplay(reason));
    else
        return true;
    return false;
}

/// \a argc and \a argv without the options that Qt itself takes in a program with a window, for one that
/// has none. Ends with a null pointer, as argv does.
std::vector<char *> withoutQtOptions(int argc, char **argv);

} // namespace Demo

#endif
