// SPDX-License-Identifier: MIT
// A small program that shows the controls as a user of them does. It knows nothing of GoProcess:
// the engine finds the plugins, or static ones are linked.

#include <QGuiApplication>
#include <QQmlComponent>
#include <QQmlEngine>
#include <QUrl>

#include <cstdio>
#include <memory>

int main(int argc, char **argv)
{
    QGuiApplication app(argc, argv);
    QQmlEngine engine;
    QQmlComponent component(&engine);
    component.setData("import QtQuick.Controls\n"
                      "import GoProcess\n"
                      "import GoProcess.Controls\n"
                      "ApplicationWindow {\n"
                      "    Process { id: root }\n"
                      "    ProcessTreeView { process: root }\n"
                      "    ShutdownOverlay { process: root }\n"
                      "}\n",
                      QUrl("file:///window.qml"));
    const std::unique_ptr<QObject> window(component.create());
    std::fputs(window ? "shown\n" : qPrintable(component.errorString()), stderr);
    return window ? 0 : 1;
}
