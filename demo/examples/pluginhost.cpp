// SPDX-License-Identifier: MIT
// A plugin that is loaded and unloaded: by then all of its processes are closed, and none of its
// code runs any more. A host need not use the library; this one unloads in the teardown of a
// process.

#include <GoProcess/Process>

#include <QCoreApplication>
#include <QPluginLoader>
#include <QTimer>

#include <cstdio>

using GoProcess::Process;

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    QPluginLoader loader;
    loader.setLoadHints({}); // by default, unload() would leave the plugin where it is
    loader.setFileName(QCoreApplication::applicationDirPath() + QStringLiteral("/example_plugin"));
    if (!loader.instance()) {
        std::fprintf(stderr, "%s\n", qPrintable(loader.errorString()));
        return 1;
    }
    std::puts("host: the plugin is loaded");

    Process root([] { std::puts("host: closed"); });
    Process plugins(
            [&loader] { // unload() destroys the object of the plugin, and then unmaps its code
                std::puts(loader.unload() ? "host: the plugin is unloaded" : "host: it stays");
            },
            &root);
    QObject::connect(&root, &Process::closed, &app, &QCoreApplication::quit, Qt::QueuedConnection);
    QTimer::singleShot(0, &root, &Process::close);
    return QCoreApplication::exec();
}
