// SPDX-License-Identifier: MIT
// A program that does not use the library, and loads a plugin that does.
//
// Usage: host PLUGIN ROUNDS. Prints what went wrong; exits with 0 if nothing did.

#include "plugin.h"

#include <QCoreApplication>
#include <QEventLoop>
#include <QFile>
#include <QPluginLoader>
#include <QTimer>

#include <cstdio>

namespace {

int fail(const char *what, const QString &why)
{
    std::fprintf(stderr, "%s: %s\n", what, qPrintable(why));
    return 1;
}

void processEvents(int milliseconds)
{
    QEventLoop loop;
    QTimer::singleShot(milliseconds, &loop, &QEventLoop::quit);
    loop.exec();
}

/// True, also where the system does not tell.
bool isUnmapped([[maybe_unused]] const QString &file)
{
#ifdef Q_OS_LINUX
    QFile maps(QStringLiteral("/proc/self/maps"));
    if (maps.open(QIODevice::ReadOnly))
        return !maps.readAll().contains(file.toUtf8());
#endif
    return true;
}

} // namespace

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    const QStringList arguments = QCoreApplication::arguments();
    const QString file = arguments.value(1);
    const int rounds = arguments.value(2).toInt();
    for (int round = 0; round < rounds; ++round) {
        QPluginLoader loader;
        loader.setLoadHints(
                {}); // by default unload() leaves it where it is; heeded before the name
        loader.setFileName(file);
        auto *plugin = qobject_cast<TestPlugin *>(loader.instance());
        if (!plugin)
            return fail("load", loader.errorString());
        plugin->start(round % 2 == 1);
        processEvents(5);
        plugin->stop();
        if (!loader.unload())
            return fail("unload", loader.errorString());
        // A static library keeps what it is part of, which is this plugin.
        if (arguments.value(3) == QLatin1String("shared") && !isUnmapped(file))
            return fail("unload", QStringLiteral("the plugin is still there: this tests nothing"));
        processEvents(5);
    }
    return 0;
}
