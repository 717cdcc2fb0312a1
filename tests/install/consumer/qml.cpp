// SPDX-License-Identifier: MIT
// A small program that imports the QML module as a user of it does. It knows nothing of GoProcess:
// the engine finds the plugin, or a static one is linked.

#include <QCoreApplication>
#include <QQmlComponent>
#include <QQmlEngine>
#include <QTimer>
#include <QUrl>

#include <cstdio>
#include <memory>

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    QQmlEngine engine;
    QObject::connect(&engine, &QQmlEngine::quit, &app, &QCoreApplication::quit);
    QQmlComponent component(&engine);
    component.setData("import GoProcess\n"
                      "Process {\n"
                      "    id: root\n"
                      "    onClosed: { console.log(root.error.message); Qt.quit() }\n"
                      "    teardown: () => Promise.resolve('saved')\n"
                      "    Process { teardown: () => console.log('child') }\n"
                      "}\n",
                      QUrl("file:///root.qml"));
    const std::unique_ptr<QObject> root(component.create());
    if (!root) {
        std::fputs(qPrintable(component.errorString()), stderr);
        return 1;
    }
    QMetaObject::invokeMethod(root.get(), "close", Qt::QueuedConnection);
    return app.exec();
}
