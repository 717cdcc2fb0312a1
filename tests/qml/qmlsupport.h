// SPDX-License-Identifier: MIT
// What the tests of the QML module share: an engine that finds the module of this build, objects
// made from text, and a log that JavaScript writes.

#ifndef GOPROCESS_QMLSUPPORT_H
#define GOPROCESS_QMLSUPPORT_H

#include "support/messages.h"

#include <GoProcess/GoProcess>

#include <QObject>
#include <QQmlComponent>
#include <QQmlContext>
#include <QQmlEngine>
#include <QString>
#include <QStringList>
#include <QThread>
#include <QUrl>

#include <memory>
#include <utility>

namespace QmlSupport {

/// `log.add("text")` in QML; the events in C++.
class Log : public QObject
{
    Q_OBJECT

public:
    Q_INVOKABLE void add(const QString &event)
    {
        CHECK(QThread::currentThread() == thread());
        events << event;
    }

    QStringList take() { return std::exchange(events, {}); }

    QStringList events;
};

/// An engine that knows the module, `log` and `app`.
class Scene
{
public:
    explicit Scene(Log &log, GoProcess::Process *app = nullptr)
        : engine(std::make_unique<QQmlEngine>())
    {
        engine->addImportPath(QStringLiteral(GOPROCESS_QML_IMPORT_DIR));
        engine->rootContext()->setContextProperty(QStringLiteral("log"), &log);
        engine->rootContext()->setContextProperty(QStringLiteral("app"), app);
    }

    /// The object that \a qml describes; the first line of it is line 1 of `file:///test.qml`.
    /// Imports are added there.
    std::unique_ptr<QObject> make(const QString &qml)
    {
        QQmlComponent component(engine.get());
        component.setData(
                (QStringLiteral("import QtQml; import QtQuick; import GoProcess; ") + qml).toUtf8(),
                QUrl(QStringLiteral("file:///test.qml")));
        std::unique_ptr<QObject> object(component.isReady() ? component.create() : nullptr);
        errors = component.errorString();
        return object;
    }
    /// The same where it is a process.
    std::unique_ptr<GoProcess::Process> makeProcess(const QString &qml)
    {
        std::unique_ptr<QObject> object = make(qml);
        auto *process = qobject_cast<GoProcess::Process *>(object.get());
        if (process)
            object.release();
        else
            TestSupport::fail(QStringLiteral("No process: %1").arg(errors));
        return std::unique_ptr<GoProcess::Process>(process);
    }

    std::unique_ptr<QQmlEngine> engine;
    QString errors;
};

/// What a newer Qt says besides while this lives: that a list has not taken what was appended to
/// it, as one of ours does with what it refuses, or that a value fits no list.
class ListMessagesOfQt
{
    static constexpr int many = 10;

    const TestSupport::ExpectWarning m_refused { QStringLiteral("List didn't append all objects"),
                                                 0, many, "default" };
    const TestSupport::ExpectWarning m_incompatible { QString(), 0, many,
                                                      "qt.qml.list.incompatible" };
};

/// The process that property \a name of \a object holds.
inline GoProcess::Process *processOf(const QObject *object, const char *name)
{
    return object->property(name).value<GoProcess::Process *>();
}

/// Two objects, one of which is a process that uses the other while it closes.
inline QString subsystems()
{
    return QStringLiteral(R"(
    QtObject {
        property QtObject other: QtObject { id: other; objectName: "other" }
        property Process process: Process {
            id: process
            name: "p"
            teardown: () => log.add("teardown " + other.objectName + " " + process.name)
            onClosing: log.add("closing " + other.objectName)
            onClosed: log.add("closed " + other.objectName)
        }
    })");
}

/// What it logs if that is there until the end.
inline QStringList wholeClose()
{
    return { QStringLiteral("closing other"), QStringLiteral("teardown other p"),
             QStringLiteral("closed other") };
}

} // namespace QmlSupport

#endif
