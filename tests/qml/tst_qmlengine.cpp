// SPDX-License-Identifier: MIT
// How processes of QML end with their engine, and next to those of C++.

#include "qmlsupport.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QQmlIncubationController>
#include <QTest>

using namespace QmlSupport;
using namespace TestSupport;
using GoProcess::Process;

class tst_QmlEngine : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void anEngineGoesWhileProcessesAreOpenThatNoSlotListensTo();
    void anEngineGoesWhileClosing();
    void anEngineGoesWhenClosed();
    void aTeardownOutsideOfTheThreadOfTheEngineIsAnError();
    void processesOfCppAreNotCollected();
    void processesOfCppOutliveTheEngine();
    void aChildOfCppClosesWithIt();
    void aProcessOfQmlMayBeDestroyedByCpp();
    void aTeardownOfCppRunsBeforeAProcessOfQmlIsDestroyed();
    void javaScriptRunsInTheThreadOfTheEngine();
    void aParentInAnotherThreadClosesIt();
    void anEngineGoesWhileALoaderIncubates();
    void anEngineGoesWhileWorksRun();
    void manyAreClosedTogether();
};

void tst_QmlEngine::anEngineGoesWhileProcessesAreOpenThatNoSlotListensTo()
{
    Log log;
    Scene scene(log);
    std::unique_ptr<Process> process = scene.makeProcess(QStringLiteral("Process { }"));
    scene.engine.reset();
    QCOMPARE(process->state(), Process::State::Running);
    process.reset();
}

void tst_QmlEngine::anEngineGoesWhileClosing()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    const std::unique_ptr<QObject> root = scene.make(subsystems());
    Process *process = processOf(root.get(), "process");
    Gate gate;
    GoProcess::ProcessPtr work = process->go([&] { gate.pass(); });
    process->close();
    QTRY_COMPARE(log.events, QStringList { QStringLiteral("closing other") });
    gate.open();
    scene.engine.reset();
    QCOMPARE(log.events, wholeClose());
}

void tst_QmlEngine::anEngineGoesWhenClosed()
{
    Log log;
    Scene scene(log);
    const std::unique_ptr<QObject> root = scene.make(subsystems());
    Process *process = processOf(root.get(), "process");
    process->close();
    QTRY_COMPARE(log.events, wholeClose());
    scene.engine.reset();
    QCOMPARE(log.events, wholeClose());
}

void tst_QmlEngine::aTeardownOutsideOfTheThreadOfTheEngineIsAnError()
{
    Log log;
    Scene scene(log);
    Process app;
    const std::unique_ptr<Process> process =
            scene.makeProcess(QStringLiteral("Process { teardown: () => log.add(\"teardown\") }"));
    EventLoopThread thread;
    process->moveToThread(&thread);
    // Its steps run in the other thread, where JavaScript is not called.
    const GoProcess::Error error = process->closeAndWait();
    QVERIFY2(error.message().contains(QStringLiteral("thread of its engine")),
             qPrintable(error.message()));
    QCOMPARE(log.events, QStringList());
    thread.run([&] { process->moveToThread(QCoreApplication::instance()->thread()); });
}

void tst_QmlEngine::processesOfCppAreNotCollected()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    const std::unique_ptr<QObject> root = scene.make(QStringLiteral(
            "QtObject { property var text: app.name; property Process process: app }"));
    QVERIFY2(root, qPrintable(scene.errors));
    root->setProperty("process", QVariant::fromValue<Process *>(nullptr));
    scene.engine->collectGarbage();
    QCoreApplication::sendPostedEvents(nullptr, QEvent::DeferredDelete);
    QCOMPARE(app.state(), Process::State::Running);
}

void tst_QmlEngine::processesOfCppOutliveTheEngine()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    std::unique_ptr<QObject> root = scene.make(QStringLiteral(
            "QtObject { property Process process: app; "
            "property Connections c: Connections { target: app; function onClosed() { log.add(\"x\") } } "
            "property Process child: Process { parentProcess: app } }"));
    QVERIFY2(root, qPrintable(scene.errors));
    scene.engine.reset();
    root.reset();
    QCOMPARE(app.state(), Process::State::Running);
    app.closeAndWait();
    QCOMPARE(log.events, QStringList());
}

void tst_QmlEngine::aChildOfCppClosesWithIt()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    const std::unique_ptr<Process> process = scene.makeProcess(QStringLiteral(
            "Process { parentProcess: app; teardown: () => log.add(\"teardown\") }"));
    app.closeAndWait();
    QVERIFY(process->isClosed());
    QCOMPARE(log.events, QStringList { QStringLiteral("teardown") });
}

void tst_QmlEngine::aProcessOfQmlMayBeDestroyedByCpp()
{
    Log log;
    Scene scene(log);
    const std::unique_ptr<QObject> root = scene.make(subsystems());
    delete processOf(root.get(), "process");
    QCOMPARE(log.events, wholeClose());
    QVERIFY(!processOf(root.get(), "process"));
}

void tst_QmlEngine::aTeardownOfCppRunsBeforeAProcessOfQmlIsDestroyed()
{
    Log log;
    Scene scene(log);
    std::unique_ptr<Process> process = scene.makeProcess(QStringLiteral("Process { name: \"x\" }"));
    QVERIFY(process->setTeardown([&] { log.add(QStringLiteral("teardown")); }));
    process.reset();
    QCOMPARE(log.events.size(), 1);
}

void tst_QmlEngine::javaScriptRunsInTheThreadOfTheEngine()
{
    Log log;
    Scene scene(log);
    const std::unique_ptr<QObject> root = scene.make(subsystems());
    Process *process = processOf(root.get(), "process");
    Thread([&] { process->close(); }).join();
    QVERIFY(process->isClosing());
    QCOMPARE(log.events, QStringList());
    QTRY_COMPARE(log.events, wholeClose()); // it fails in another thread
}

void tst_QmlEngine::aParentInAnotherThreadClosesIt()
{
    Log log;
    EventLoopThread thread;
    Process app;
    app.moveToThread(&thread);
    Scene scene(log, &app);
    const std::unique_ptr<Process> process = scene.makeProcess(QStringLiteral(
            "Process { parentProcess: app; teardown: () => log.add(\"teardown\") }"));
    app.close();
    QTRY_VERIFY(app.isClosed());
    QVERIFY(process->isClosed());
    QCOMPARE(log.events, QStringList { QStringLiteral("teardown") });
    thread.run([&] { app.moveToThread(QCoreApplication::instance()->thread()); });
}

void tst_QmlEngine::anEngineGoesWhileALoaderIncubates()
{
    Log log;
    Scene scene(log);
    QQmlIncubationController controller;
    scene.engine->setIncubationController(&controller);
    std::unique_ptr<QObject> root = scene.make(
            QStringLiteral(
                    "Item { Loader { asynchronous: true; sourceComponent: Component { %1 } } }")
                    .arg(subsystems()));
    QVERIFY2(root, qPrintable(scene.errors));
    QCOMPARE(controller.incubatingObjectCount(), 1);
    controller.incubateFor(0); // a part of it
    root.reset();
    scene.engine.reset();
}

void tst_QmlEngine::anEngineGoesWhileWorksRun()
{
    Log log;
    Scene scene(log);
    const std::unique_ptr<QObject> root = scene.make(subsystems());
    Process *process = processOf(root.get(), "process");
    Counter ended;
    process->go([&](Process &self) {
        self.waitForClosing();
        ended.add();
    });
    scene.engine.reset();
    QCOMPARE(ended.count(), 1);
    QCOMPARE(log.events, wholeClose());
}

void tst_QmlEngine::manyAreClosedTogether()
{
    Log log;
    Scene scene(log);
    std::unique_ptr<QObject> root = scene.make(QStringLiteral(R"(
        Item {
            Process {
                id: last
                teardown: () => log.add("last")
            }
            Repeater {
                model: 500
                Item {
                    Process {
                        parentProcess: last
                        teardown: () => log.add("one")
                    }
                }
            }
        })"));
    QVERIFY2(root, qPrintable(scene.errors));
    root.reset();
    QCOMPARE(log.events.size(), 501);
    QCOMPARE(log.events.constLast(), QStringLiteral("last"));
}

QTEST_MAIN(tst_QmlEngine)

#include "tst_qmlengine.moc"
