// SPDX-License-Identifier: MIT
// Runs the tests of this folder that are written in QML, with Qt Quick Test.

#include <GoProcess/Process>

#include <QObject>
#include <QQmlContext>
#include <QQmlEngine>
#include <QtQuickTest>

#include <memory>

using GoProcess::Process;

/// Gives the tests processes of C++.
class Cpp : public QObject
{
    Q_OBJECT

public:
    /// A process that C++ owns, for as long as this lives.
    Q_INVOKABLE GoProcess::Process *makeProcess()
    {
        auto *process = new Process(this);
        QQmlEngine::setObjectOwnership(process, QQmlEngine::CppOwnership);
        return process;
    }
    Q_INVOKABLE bool closeAndWait(GoProcess::Process *process) { return !process->closeAndWait(); }
};

class Setup : public QObject
{
    Q_OBJECT

public Q_SLOTS:
    void qmlEngineAvailable(QQmlEngine *engine)
    {
        engine->addImportPath(QStringLiteral(GOPROCESS_QML_IMPORT_DIR));
        engine->rootContext()->setContextProperty(QStringLiteral("cpp"), &m_cpp);
    }

private:
    Cpp m_cpp;
};

QUICK_TEST_MAIN_WITH_SETUP(qmlquick, Setup)

#include "main.moc"
