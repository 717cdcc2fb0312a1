// SPDX-License-Identifier: MIT
// How processes that QML made end: while their context is whole, whatever takes them away.

#include "qmlsupport.h"
#include "support/messages.h"

#include <GoProcess/GoProcess>

#include <QFile>
#include <QQmlApplicationEngine>
#include <QTemporaryDir>
#include <QTest>

using namespace QmlSupport;
using namespace TestSupport;
using GoProcess::Process;

class tst_QmlLifetime : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void theContextIsWholeWhenTheRootIsDeleted();
    void theContextIsWholeWhenOnlyTheHandlersListen();
    void theContextIsWholeWhenAnEngineGoes();
    void theContextIsWholeWhenALoaderUnloads();
    void theContextIsWholeWhenARepeaterShrinks();
    void theContextIsWholeWhenDestroyed();
    void theContextIsWholeWhenCollected();
    void theContextIsWholeInAComponentOfWhatMayBeCollected();
    void theContextIsWholeWhenTheObjectHasAParent();
    void theContextIsWholeWhenAnApplicationEngineGoes();
    void aCompositeTypeClosesWhileItsOwnContextIsWhole();
    void aProcessThatIsCollectedIsClosed();
    void aTeardownThatCannotSeeACollectedProcessSaysSo();
    void processesThatWaitForEachOtherGoTogether();
    void aProcessMayUnloadItselfWhileItCloses();
    void aProcessMayUnloadItselfInItsTeardown();
    void aProcessMadeByATeardownClosesToo();
    void anOpenThenableIsAnErrorWhenTheEngineGoes();
    void anOpenThenableIsAnErrorWhenTheProcessIsDestroyed();
    void aThenableThatSettlesAfterTheEndChangesNothing();
};

void tst_QmlLifetime::theContextIsWholeWhenTheRootIsDeleted()
{
    Log log;
    Scene scene(log);
    std::unique_ptr<QObject> root = scene.make(subsystems());
    QVERIFY2(root, qPrintable(scene.errors));
    root.reset();
    QCOMPARE(log.events, wholeClose());
}

void tst_QmlLifetime::theContextIsWholeWhenOnlyTheHandlersListen()
{
    Log log;
    Scene scene(log);
    std::unique_ptr<QObject> root = scene.make(QStringLiteral(R"(
        QtObject {
            property QtObject other: QtObject { id: other; objectName: "other" }
            property Process process: Process { onClosed: log.add("closed " + other.objectName) }
        })"));
    root.reset();
    QCOMPARE(log.events, QStringList { QStringLiteral("closed other") });
}

void tst_QmlLifetime::theContextIsWholeWhenAnEngineGoes()
{
    Log log;
    Scene scene(log);
    const std::unique_ptr<QObject> root = scene.make(subsystems());
    const Process *process = processOf(root.get(), "process");
    scene.engine.reset();
    QCOMPARE(log.events, wholeClose());
    QVERIFY(process->isClosed());
}

void tst_QmlLifetime::theContextIsWholeWhenALoaderUnloads()
{
    Log log;
    Scene scene(log);
    const std::unique_ptr<QObject> root = scene.make(
            QStringLiteral(
                    "Item { Loader { objectName: \"loader\"; sourceComponent: Component { %1 } "
                    "} function unload() { children[0].active = false } }")
                    .arg(subsystems()));
    QVERIFY2(root, qPrintable(scene.errors));
    QMetaObject::invokeMethod(root.get(), "unload");
    QCOMPARE(log.events, wholeClose());
}

void tst_QmlLifetime::theContextIsWholeWhenARepeaterShrinks()
{
    Log log;
    Scene scene(log);
    const std::unique_ptr<QObject> root = scene.make(QStringLiteral(R"(
        Item {
            id: root
            property int count: 3
            Repeater {
                model: root.count
                Item {
                    id: item
                    Process { teardown: () => log.add("teardown " + item.objectName) }
                    objectName: "item " + index
                }
            }
        })"));
    QVERIFY2(root, qPrintable(scene.errors));
    root->setProperty("count", 0);
    QTRY_COMPARE(log.events.size(), 3);
    log.events.sort();
    QCOMPARE(log.events,
             QStringList({ QStringLiteral("teardown item 0"), QStringLiteral("teardown item 1"),
                           QStringLiteral("teardown item 2") }));
}

void tst_QmlLifetime::theContextIsWholeWhenDestroyed()
{
    Log log;
    Scene scene(log);
    const std::unique_ptr<QObject> root = scene.make(
            QStringLiteral(
                    "QtObject { property Component component: Component { %1 }\n"
                    "property var object; function make() { object = component.createObject() }"
                    "function destroyIt() { object.destroy() } }")
                    .arg(subsystems()));
    QVERIFY2(root, qPrintable(scene.errors));
    QMetaObject::invokeMethod(root.get(), "make");
    QMetaObject::invokeMethod(root.get(), "destroyIt");
    QTRY_COMPARE(log.events, wholeClose());
}

void tst_QmlLifetime::theContextIsWholeWhenCollected()
{
    Log log;
    Scene scene(log);
    const std::unique_ptr<QObject> root =
            scene.make(QStringLiteral("QtObject { property Component component: Component { %1 }\n"
                                      "function make() { component.createObject() } }")
                               .arg(subsystems()));
    QVERIFY2(root, qPrintable(scene.errors));
    QMetaObject::invokeMethod(root.get(), "make");
    scene.engine->collectGarbage();
    QVERIFY(log.events.isEmpty());
    QTRY_COMPARE(log.events, wholeClose());
}

void tst_QmlLifetime::theContextIsWholeInAComponentOfWhatMayBeCollected()
{
    Log log;
    Scene scene(log);
    const std::unique_ptr<QObject> root = scene.make(
            QStringLiteral(
                    "QtObject { property Component component: Component { Item { id: window\n"
                    "function unload() { loader.active = false }\n"
                    "Loader { id: loader; sourceComponent: Component { %1 } } } }\n"
                    "property var window; function make() { window = component.createObject() }"
                    "function unload() { window.unload() } }")
                    .arg(subsystems()));
    QVERIFY2(root, qPrintable(scene.errors));
    QMetaObject::invokeMethod(root.get(), "make");
    QMetaObject::invokeMethod(root.get(), "unload");
    QCOMPARE(log.events, wholeClose());
}

void tst_QmlLifetime::theContextIsWholeWhenTheObjectHasAParent()
{
    Log log;
    Scene scene(log);
    QObject parent;
    {
        std::unique_ptr<QObject> root = scene.make(subsystems());
        root->setParent(&parent);
        root.release();
    }
    qDeleteAll(parent.children());
    QCOMPARE(log.events, wholeClose());
}

void tst_QmlLifetime::theContextIsWholeWhenAnApplicationEngineGoes()
{
    Log log;
    {
        QQmlApplicationEngine engine;
        engine.addImportPath(QStringLiteral(GOPROCESS_QML_IMPORT_DIR));
        engine.rootContext()->setContextProperty(QStringLiteral("log"), &log);
        engine.loadData(
                (QStringLiteral("import QtQml; import GoProcess;") + subsystems()).toUtf8());
        QCOMPARE(engine.rootObjects().size(), 1);
    }
    QCOMPARE(log.events, wholeClose());
}

void tst_QmlLifetime::aCompositeTypeClosesWhileItsOwnContextIsWhole()
{
    Log log;
    Scene scene(log);
    // In a file, where newer versions of Qt look for the types that it declares.
    const QTemporaryDir folder;
    QFile file(folder.filePath(QStringLiteral("Main.qml")));
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.write(R"(
        import QtQml
        import GoProcess
        QtObject {
            id: root
            objectName: "root"
            component Subsystem: Process {
                id: store
                property QtObject inner: QtObject { id: inner; objectName: "inner" }
                teardown: () => log.add(store.name + " " + inner.objectName)
            }
            property Process a: Subsystem { name: "a"; onClosed: log.add("a " + root.objectName) }
        })");
    file.close();
    QQmlComponent component(scene.engine.get(), QUrl::fromLocalFile(file.fileName()));
    std::unique_ptr<QObject> root(component.create());
    QVERIFY2(root, qPrintable(component.errorString()));
    root.reset();
    QCOMPARE(log.events, QStringList({ QStringLiteral("a inner"), QStringLiteral("a root") }));
}

void tst_QmlLifetime::aProcessThatIsCollectedIsClosed()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    const std::unique_ptr<QObject> root = scene.make(QStringLiteral(R"(
        QtObject {
            property Component component: Component {
                Process { parentProcess: app; teardown: () => log.add("teardown") }
            }
            function make() { component.createObject() }
        })"));
    QVERIFY2(root, qPrintable(scene.errors));
    QMetaObject::invokeMethod(root.get(), "make");
    app.closeAfterChildren();
    scene.engine->collectGarbage();
    QTRY_VERIFY(app.isClosed());
    QCOMPARE(log.events, QStringList { QStringLiteral("teardown") });
}

/// Qt hides the properties of what it will delete, before a program can run JavaScript.
void tst_QmlLifetime::aTeardownThatCannotSeeACollectedProcessSaysSo()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    const std::unique_ptr<QObject> root = scene.make(QStringLiteral(R"(
        QtObject {
            property Component component: Component {
                Process { property string text: "x"; parentProcess: app; teardown: () => text }
            }
            function make() { component.createObject() }
        })"));
    QVERIFY2(root, qPrintable(scene.errors));
    QMetaObject::invokeMethod(root.get(), "make");
    app.closeAfterChildren();
    scene.engine->collectGarbage();
    QTRY_VERIFY(app.isClosed());
    QCOMPARE(app.treeErrorCount(), 1);
    const QString error = app.treeErrors().constFirst().error.message();
    QVERIFY2(error.contains(QStringLiteral("garbage collector took the process")),
             qPrintable(error));
}

void tst_QmlLifetime::processesThatWaitForEachOtherGoTogether()
{
    Log log;
    Scene scene(log);
    std::unique_ptr<QObject> root = scene.make(QStringLiteral(R"(
        Item {
            Process { id: first; waitsFor: [second]; teardown: () => log.add("first") }
            Process { id: second; waitsFor: [inner.item.process]; teardown: () => log.add("second") }
            Loader {
                id: inner
                sourceComponent: Item {
                    property Process process: Process { teardown: () => log.add("inner") }
                }
            }
        })"));
    QVERIFY2(root, qPrintable(scene.errors));
    root.reset();
    QCOMPARE(log.events,
             QStringList({ QStringLiteral("inner"), QStringLiteral("second"),
                           QStringLiteral("first") }));
}

// A wait that could only end after itself is refused; the process goes on when its step has
// returned.
void tst_QmlLifetime::aProcessMayUnloadItselfWhileItCloses()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    const std::unique_ptr<QObject> root = scene.make(QStringLiteral(R"(
        Item {
            Loader {
                id: loader
                sourceComponent: Component {
                    Process {
                        parentProcess: app
                        teardown: () => log.add("teardown")
                        onClosing: loader.active = false
                    }
                }
            }
        })"));
    QVERIFY2(root, qPrintable(scene.errors));
    const ExpectWarning refused(QStringLiteral("closeAndWait.*refused"));
    app.close();
    QTRY_VERIFY(app.isClosed());
    if (log.events.isEmpty()) {
        // Newer versions of Qt end the context at once: its teardown cannot run, which is an Error.
        QCOMPARE(app.treeErrorCount(), 1);
        const QString error = app.treeErrors().constFirst().error.message();
        QVERIFY2(error.contains(QStringLiteral("context of the process was gone")),
                 qPrintable(error));
        return;
    }
    QCOMPARE(log.events, QStringList { QStringLiteral("teardown") });
    QCOMPARE(app.treeErrorCount(), 0);
}

void tst_QmlLifetime::aProcessMayUnloadItselfInItsTeardown()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    const std::unique_ptr<QObject> root = scene.make(QStringLiteral(R"(
        Item {
            Loader {
                id: loader
                sourceComponent: Component {
                    Process {
                        parentProcess: app
                        teardown: () => { loader.active = false; log.add("teardown") }
                    }
                }
            }
        })"));
    QVERIFY2(root, qPrintable(scene.errors));
    const ExpectWarning refused(QStringLiteral("closeAndWait.*refused"));
    app.close();
    QTRY_VERIFY(app.isClosed());
    QCOMPARE(log.events, QStringList { QStringLiteral("teardown") });
    QCOMPARE(app.treeErrorCount(), 0);
}

void tst_QmlLifetime::aProcessMadeByATeardownClosesToo()
{
    Log log;
    Scene scene(log);
    const std::unique_ptr<QObject> root = scene.make(QStringLiteral(R"(
        QtObject {
            id: root
            property Component component: Component {
                Process { teardown: () => log.add("second") }
            }
            property var second
            property Process first: Process {
                teardown: () => { root.second = component.createObject(root); log.add("first") }
            }
        })"));
    QVERIFY2(root, qPrintable(scene.errors));
    scene.engine.reset();
    QCOMPARE(log.events, QStringList({ QStringLiteral("first"), QStringLiteral("second") }));
}

void tst_QmlLifetime::anOpenThenableIsAnErrorWhenTheEngineGoes()
{
    Log log;
    Scene scene(log);
    const std::unique_ptr<Process> process = scene.makeProcess(
            QStringLiteral("Process { teardown: () => new Promise(() => log.add(\"open\")) }"));
    process->close();
    QTRY_COMPARE(log.events, QStringList { QStringLiteral("open") });
    QVERIFY(!process->isClosed());
    scene.engine.reset();
    QVERIFY(process->isClosed());
    QVERIFY2(process->error().message().contains(QStringLiteral("still open")),
             qPrintable(process->error().message()));
}

void tst_QmlLifetime::anOpenThenableIsAnErrorWhenTheProcessIsDestroyed()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    std::unique_ptr<Process> process = scene.makeProcess(QStringLiteral(
            "Process { parentProcess: app; teardown: () => new Promise(() => {}) }"));
    process.reset();
    app.closeAndWait();
    QCOMPARE(app.treeErrorCount(), 1);
    QVERIFY(app.treeErrors().constFirst().error.message().contains(QStringLiteral("still open")));
}

void tst_QmlLifetime::aThenableThatSettlesAfterTheEndChangesNothing()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    const std::unique_ptr<QObject> root = scene.make(QStringLiteral(R"(
        QtObject {
            id: root
            property var settle
            property Component component: Component {
                Process {
                    parentProcess: app
                    teardown: () => new Promise((resolve) => root.settle = resolve)
                }
            }
            property Process process: component.createObject(root)
            function end() { process.destroy() }
            function settleLate() { settle("late"); Promise.resolve().then(() => log.add("later")) }
        })"));
    QVERIFY2(root, qPrintable(scene.errors));
    QMetaObject::invokeMethod(root.get(), "end");
    QTRY_COMPARE(app.treeErrorCount(), 1);
    QMetaObject::invokeMethod(root.get(), "settleLate");
    QTRY_COMPARE(log.events, QStringList { QStringLiteral("later") });
    QCOMPARE(app.treeErrorCount(), 1);
}

QTEST_MAIN(tst_QmlLifetime)

#include "tst_qmllifetime.moc"
