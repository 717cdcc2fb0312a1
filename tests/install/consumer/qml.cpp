// SPDX-License-Identifier: MIT
// A small program that imports the QML module as a user of it does. With a static library it links
// the plugin; else the engine finds it, and this program knows nothing of GoProcess.

#include <QCoreApplication>
#include <QQmlComponent>
#include <QQmlEngine>
#include <QTimer>
#include <QUrl>

#include <cstdio>
#include <memory>

#ifdef GOPROCESS_STATIC
#  include <QtPlugin>
#  include <QtQml/qqmlextensionplugin.h>
Q_IMPORT_QML_PLUGIN(GoProcess)
#endif

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
