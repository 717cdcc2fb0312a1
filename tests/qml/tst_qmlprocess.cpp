// SPDX-License-Identifier: MIT
// Process in QML: its properties, signals and functions, its edges, and what is refused.

#include "qmlsupport.h"
#include "support/messages.h"

#include <GoProcess/GoProcess>

#include <QQmlExpression>
#include <QTest>

#include <initializer_list>

using namespace QmlSupport;
using namespace TestSupport;
using GoProcess::Process;

class tst_QmlProcess : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void nameIsReadWrittenAndNotified();
    void stateIsAnEnumThatNotifies();
    void errorIsAGadgetThatNotifies();
    void signalsAreHandled();
    void closeAfterChildrenLetsThemEnd();
    void aPropertyTakesAProcessOfCpp();
    void processesOfCppHaveTheSameInterface();
    void processesOfCppNotifyBindings();

    void nestedProcessesAreChildren();
    void otherObjectsAreAllowedBesideThem();
    void dataIsReadAndAppendedTo();
    void aChildThatIsRefusedIsNoneAndWarns();

    void waitsForOrdersTeardowns();
    void waitsForIsRead();
    void waitsForMayBeWrittenLate();
    void aChangeOfWaitsForWarns_data();
    void aChangeOfWaitsForWarns();
    void aChangedBindingOfWaitsForWarns();

    void parentProcessMayBeOfCpp();
    void parentProcessIsWhereItIsNested();
    void parentProcessMayBeNullUntilItIsThere();
    void aChangeOfParentProcessWarns();

    void aWrongValueWarnsAndChangesNothing_data();
    void aWrongValueWarnsAndChangesNothing();
    void aWrongValueKeepsTheFileFromLoading_data();
    void aWrongValueKeepsTheFileFromLoading();
};

static const char qmlCategory[] = "default"; // of warnings

/// Runs \a statement in the scope of \a object.
static void run(QObject *object, const QString &statement)
{
    QQmlExpression expression(qmlContext(object), object, statement);
    expression.evaluate();
    QVERIFY2(!expression.hasError(), qPrintable(expression.error().toString()));
}

void tst_QmlProcess::nameIsReadWrittenAndNotified()
{
    Log log;
    Scene scene(log);
    const auto process = scene.makeProcess(
            QStringLiteral("Process { name: \"a\"; onNameChanged: (name) => log.add(name) }"));
    QCOMPARE(process->name(), QStringLiteral("a"));
    run(process.get(), QStringLiteral("name = 'b'"));
    process->setName(QStringLiteral("c"));
    QCOMPARE(process->path(), QStringLiteral("/c"));
    QCOMPARE(log.events.mid(log.events.size() - 2),
             QStringList({ QStringLiteral("b"), QStringLiteral("c") }));
}

void tst_QmlProcess::stateIsAnEnumThatNotifies()
{
    Log log;
    Scene scene(log);
    const auto process = scene.makeProcess(QStringLiteral(R"(
        Process {
            property string text: state === Process.Running ? "running"
                                : state === Process.State.Closing ? "closing" : "closed"
            onTextChanged: log.add(text)
            onStateChanged: (state) => log.add("state " + state)
        })"));
    QCOMPARE(process->property("text").toString(), QStringLiteral("running"));
    process->close();
    QTRY_VERIFY(process->isClosed());
    QCOMPARE(process->property("text").toString(), QStringLiteral("closed"));
    QVERIFY(log.events.contains(QStringLiteral("closing")));
    QVERIFY(log.events.contains(QStringLiteral("state 1")));
    QVERIFY(log.events.contains(QStringLiteral("state 2")));
}

void tst_QmlProcess::errorIsAGadgetThatNotifies()
{
    Log log;
    Process app([] { return GoProcess::Error(QStringLiteral("disk full")); });
    Scene scene(log, &app);
    const auto object = scene.make(QStringLiteral(R"(
        QtObject {
            property Process process: app
            property string text: process.error.message
            property error last: process.error
        })"));
    QVERIFY2(object, qPrintable(scene.errors));
    QCOMPARE(object->property("text").toString(), QString());
    app.close();
    QTRY_COMPARE(object->property("text").toString(), QStringLiteral("disk full"));
    QCOMPARE(object->property("last").value<GoProcess::Error>(), app.error());
}

void tst_QmlProcess::signalsAreHandled()
{
    Log log;
    Scene scene(log);
    const auto process = scene.makeProcess(QStringLiteral(R"(
        Process {
            id: process
            onClosing: log.add("closing " + state)
            onClosed: log.add("closed " + state)
            Component.onCompleted: close()
            property Connections connections: Connections {
                target: process
                function onClosed() { log.add("connections") }
            }
        })"));
    QTRY_COMPARE(log.events,
                 QStringList({ QStringLiteral("closing 1"), QStringLiteral("closed 2"),
                               QStringLiteral("connections") }));
}

void tst_QmlProcess::closeAfterChildrenLetsThemEnd()
{
    Log log;
    Scene scene(log);
    const auto process = scene.makeProcess(
            QStringLiteral("Process { property Process child: inner; Process { id: inner }\n"
                           "Component.onCompleted: closeAfterChildren() }"));
    QCOMPARE(process->state(), Process::State::Running);
    Process *child = processOf(process.get(), "child");
    QCOMPARE(child->state(), Process::State::Running);
    child->close();
    QTRY_VERIFY(process->isClosed());
}

void tst_QmlProcess::aPropertyTakesAProcessOfCpp()
{
    Log log;
    Process app;
    app.setName(QStringLiteral("app"));
    Scene scene(log, &app);
    const auto object = scene.make(QStringLiteral(
            "QtObject { property Process process: app; property string n: process.name }"));
    QVERIFY2(object, qPrintable(scene.errors));
    QCOMPARE(processOf(object.get(), "process"), &app);
    QCOMPARE(object->property("n").toString(), QStringLiteral("app"));
}

void tst_QmlProcess::processesOfCppHaveTheSameInterface()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    const auto object = scene.make(QStringLiteral(R"(
        Connections {
            target: app
            function onClosing() { log.add("closing") }
            function onClosed() { log.add("closed '" + app.error.message + "'") }
            function onStateChanged(state) { log.add("state " + state) }
            function onNameChanged(name) { log.add("name " + name) }
            Component.onCompleted: { app.name = "x"; app.closeAfterChildren() }
        })"));
    QVERIFY2(object, qPrintable(scene.errors));
    QTRY_COMPARE(log.events,
                 QStringList({ QStringLiteral("name x"), QStringLiteral("state 1"),
                               QStringLiteral("closing"), QStringLiteral("state 2"),
                               QStringLiteral("closed ''") }));
}

void tst_QmlProcess::processesOfCppNotifyBindings()
{
    for (const bool isBound : { true, false }) {
        Log log;
        Process app;
        Scene scene(log, &app);
        const auto object = scene.make(isBound ? QStringLiteral(R"(
            QtObject {
                property bool ended: app.state === Process.Closed
                onEndedChanged: log.add("ended")
            })")
                                               : QStringLiteral(R"(
            QtObject { Component.onCompleted: app.closed.connect(() => log.add("ended")) })"));
        QVERIFY2(object, qPrintable(scene.errors));
        app.close();
        QTRY_COMPARE(log.events, QStringList({ QStringLiteral("ended") }));
    }
}

// --- data ----------------------------------------------------------------------------------------

void tst_QmlProcess::nestedProcessesAreChildren()
{
    Log log;
    Scene scene(log);
    const auto process = scene.makeProcess(QStringLiteral(R"(
        Process {
            name: "root"
            teardown: () => log.add("root")
            Process {
                id: middle
                name: "middle"
                teardown: () => log.add("middle")
                Process { id: inner; name: "inner"; teardown: () => log.add("inner") }
            }
            property Process innermost: inner
        })"));
    QCOMPARE(processOf(process.get(), "innermost")->path(), QStringLiteral("/root/middle/inner"));
    process->closeAndWait();
    QCOMPARE(log.events,
             QStringList({ QStringLiteral("inner"), QStringLiteral("middle"),
                           QStringLiteral("root") }));
}

void tst_QmlProcess::otherObjectsAreAllowedBesideThem()
{
    Log log;
    Scene scene(log);
    const auto process = scene.makeProcess(QStringLiteral(R"(
        Process {
            Timer { running: true; interval: 1; onTriggered: log.add("timer") }
            Process { teardown: () => log.add("child") }
            Item { Process { teardown: () => log.add("no child") } }
        })"));
    QTRY_COMPARE(log.events, QStringList { QStringLiteral("timer") });
    process->closeAndWait();
    QCOMPARE(log.events, QStringList({ QStringLiteral("timer"), QStringLiteral("child") }));
}

void tst_QmlProcess::dataIsReadAndAppendedTo()
{
    Log log;
    Scene scene(log);
    const auto process = scene.makeProcess(QStringLiteral(R"(
        Process {
            id: root
            QtObject { objectName: "first" }
            property Process late: Process { teardown: () => log.add("late") }
            Component.onCompleted: {
                data.push(late)
                log.add(data.length + " " + data[0].objectName + " " + (data[1] === late))
                log.add(late.parentProcess === root)
            }
        })"));
    process->closeAndWait();
    QCOMPARE(log.events,
             QStringList({ QStringLiteral("2 first true"), QStringLiteral("true"),
                           QStringLiteral("late") }));
}

void tst_QmlProcess::aChildThatIsRefusedIsNoneAndWarns()
{
    Log log;
    Scene scene(log);
    const auto process = scene.makeProcess(
            QStringLiteral("Process { id: root; property Process late: Process { }\n"
                           "function add() { data.push(late); log.add(data.length) } }"));
    process->closeAndWait();
    const ExpectWarning core(QStringLiteral("addChild.*refused"));
    const ExpectWarning qml(QStringLiteral("^file:///test.qml:1:[0-9]+: QML [^ ]+: .*child"), 1,
                            qmlCategory);
    const ListMessagesOfQt qt;
    QMetaObject::invokeMethod(process.get(), "add");
    QCOMPARE(log.events, QStringList { QStringLiteral("0") });
    QCOMPARE(processOf(process.get(), "late")->state(), Process::State::Running);
}

// --- waitsFor ------------------------------------------------------------------------------------

static QString ordered()
{
    return QStringLiteral(R"(
    Process {
        property Process third: a
        Process { id: a; name: "a"; waitsFor: [b, c]; teardown: () => log.add("a") }
        Process { id: b; name: "b"; waitsFor: [c]; teardown: () => log.add("b") }
        Process { id: c; name: "c"; teardown: () => log.add("c") }
        property Process other: Process { name: "other" }
        property list<QtObject> seen: third.waitsFor
    })");
}

void tst_QmlProcess::waitsForOrdersTeardowns()
{
    Log log;
    Scene scene(log);
    const auto process = scene.makeProcess(ordered());
    process->closeAndWait();
    QCOMPARE(log.events,
             QStringList({ QStringLiteral("c"), QStringLiteral("b"), QStringLiteral("a") }));
}

void tst_QmlProcess::waitsForIsRead()
{
    Log log;
    Scene scene(log);
    const auto process = scene.makeProcess(ordered());
    run(process.get(),
        QStringLiteral("log.add(third.waitsFor.length + third.waitsFor[0].name + "
                       "third.waitsFor[1].name)"));
    QCOMPARE(log.events, QStringList { QStringLiteral("2bc") });
}

void tst_QmlProcess::waitsForMayBeWrittenLate()
{
    Log log;
    Scene scene(log);
    const auto process = scene.makeProcess(QStringLiteral(
            "Process { property Process a: Process { teardown: () => log.add('a') }\n"
            "teardown: () => log.add('root') }"));
    run(process.get(), QStringLiteral("waitsFor = [a]"));
    process->close();
    QCOMPARE(log.events, QStringList());
    processOf(process.get(), "a")->close();
    QTRY_COMPARE(log.events, QStringList({ QStringLiteral("a"), QStringLiteral("root") }));
}

void tst_QmlProcess::aChangeOfWaitsForWarns_data()
{
    QTest::addColumn<QString>("change");
    QTest::newRow("another") << QStringLiteral("third.waitsFor = [other]");
    QTest::newRow("others") << QStringLiteral("third.waitsFor = [other, other]");
    QTest::newRow("none") << QStringLiteral("third.waitsFor = []");
    QTest::newRow("one more") << QStringLiteral("third.waitsFor.push(other)");
}

void tst_QmlProcess::aChangeOfWaitsForWarns()
{
    QFETCH(const QString, change);
    Log log;
    Scene scene(log);
    const auto process = scene.makeProcess(ordered());
    QCoreApplication::processEvents(); // the write is over
    for (int i = 0; i < 2; ++i) {
        const ExpectWarning qml(
                QStringLiteral("^file:///test.qml:4:[0-9]+: QML [^ ]+: waitsFor is written once"),
                1, qmlCategory);
        const ListMessagesOfQt qt;
        run(process.get(), change);
        run(process.get(), QStringLiteral("log.add(third.waitsFor.length)"));
        QCoreApplication::processEvents();
    }
    QCOMPARE(log.take(), QStringList({ QStringLiteral("2"), QStringLiteral("2") }));
    process->closeAndWait(); // it does not wait for the other
    QCOMPARE(log.events.constLast(), QStringLiteral("a"));
}

void tst_QmlProcess::aChangedBindingOfWaitsForWarns()
{
    Process other;
    Log log;
    Scene scene(log);
    const auto process = scene.makeProcess(QStringLiteral(R"(
        Process {
            property Process first: Process { }
            waitsFor: [first]
        })"));
    const ExpectWarning qml(
            QStringLiteral("^file:///test.qml:2:[0-9]+: QML [^ ]+: waitsFor is written once"), 1,
            qmlCategory);
    const ListMessagesOfQt qt;
    process->setProperty("first", QVariant::fromValue(&other));
}

// --- parentProcess -------------------------------------------------------------------------------

void tst_QmlProcess::parentProcessMayBeOfCpp()
{
    Log log;
    Process app;
    app.setName(QStringLiteral("app"));
    Scene scene(log, &app);
    const auto process = scene.makeProcess(QStringLiteral(
            "Process { name: \"child\"; parentProcess: app; onClosed: log.add(\"x\")\n"
            "property bool same: parentProcess === app }"));
    QCOMPARE(process->path(), QStringLiteral("/app/child"));
    QCOMPARE(process->property("same").toBool(), true);
    app.close();
    QVERIFY(process->isClosing());
    QTRY_VERIFY(app.isClosed());
    QCOMPARE(log.events, QStringList { QStringLiteral("x") });
}

void tst_QmlProcess::parentProcessIsWhereItIsNested()
{
    Log log;
    Scene scene(log);
    const auto process = scene.makeProcess(
            QStringLiteral("Process { id: root; property bool same: child.parentProcess === root\n"
                           "property bool none: root.parentProcess === null\n"
                           "Process { id: child } }"));
    QCOMPARE(process->property("same").toBool(), true);
    QCOMPARE(process->property("none").toBool(), true);
}

void tst_QmlProcess::parentProcessMayBeNullUntilItIsThere()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    const auto process = scene.makeProcess(
            QStringLiteral("Process { property Process target: null; parentProcess: target\n"
                           "onParentProcessChanged: log.add(\"changed\") }"));
    QCOMPARE(log.events, QStringList());
    process->setProperty("target", QVariant::fromValue(&app));
    QCOMPARE(log.events, QStringList { QStringLiteral("changed") });
    app.close();
    QVERIFY(process->isClosing());
}

void tst_QmlProcess::aChangeOfParentProcessWarns()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    const auto process = scene.makeProcess(
            QStringLiteral("Process { parentProcess: app; property Process other: Process { } }"));
    for (const QString &change :
         { QStringLiteral("parentProcess = other"), QStringLiteral("parentProcess = null") }) {
        const ExpectWarning qml(QStringLiteral("^file:///test.qml:1:[0-9]+: QML [^ ]+: "
                                               "parentProcess is written once"),
                                1, qmlCategory);
        run(process.get(), change);
        run(process.get(), QStringLiteral("log.add(parentProcess === app)"));
    }
    QCOMPARE(log.events, QStringList({ QStringLiteral("true"), QStringLiteral("true") }));
    processOf(process.get(), "other")->close();
    QCOMPARE(process->state(), Process::State::Running);
}

// --- Wrong values --------------------------------------------------------------------------------

void tst_QmlProcess::aWrongValueWarnsAndChangesNothing_data()
{
    QTest::addColumn<QString>("wrong");
    QTest::addColumn<QString>("warning");
    QTest::addColumn<QString>("coreWarning");
    const QString none;
    QTest::newRow("waits for itself")
            << QStringLiteral("waitsFor: [root]") << QStringLiteral("waitsFor: .* cannot wait")
            << QStringLiteral("it would wait for itself: /root -> /root");
    QTest::newRow("waits for its parent")
            << QStringLiteral("Process { name: \"child\"; waitsFor: [root] }")
            << QStringLiteral("waitsFor: .* cannot wait")
            << QStringLiteral("/root/child -> /root -> /root/child|/root -> /root/child -> /root");
    QTest::newRow("waits for null")
            << QStringLiteral("waitsFor: [null]") << QStringLiteral("waitsFor: .*null") << none;
    QTest::newRow("waits for an item") << QStringLiteral("Item { id: item }\nwaitsFor: [item]")
                                       << QStringLiteral("waitsFor: .*no process") << none;
    QTest::newRow("is its own parent") << QStringLiteral("parentProcess: root")
                                       << QStringLiteral("parentProcess: .*cannot be a child")
                                       << QStringLiteral("it would wait for itself");
    QTest::newRow("the parent is an item")
            << QStringLiteral("Item { id: item }\nparentProcess: item")
            << QStringLiteral("Unable to assign QQuickItem to GoProcess::Process") << none;
    QTest::newRow("teardown is a number")
            << QStringLiteral("teardown: 5") << QStringLiteral("teardown: this is no function: 5")
            << none;
    QTest::newRow("teardown is null") << QStringLiteral("teardown: null")
                                      << QStringLiteral("teardown: this is no function") << none;
}

void tst_QmlProcess::aWrongValueWarnsAndChangesNothing()
{
    QFETCH(const QString, wrong);
    QFETCH(const QString, warning);
    QFETCH(const QString, coreWarning);
    Log log;
    Scene scene(log);
    const ExpectWarning core(coreWarning, coreWarning.isEmpty() ? 0 : 1);
    const ExpectWarning qml(QStringLiteral("^file:///test.qml:[0-9]+:[0-9]+: .*") + warning, 1,
                            qmlCategory);
    const ListMessagesOfQt qt;
    const auto process = scene.makeProcess(
            QStringLiteral("Process { id: root; name: \"root\"\n%1 }").arg(wrong));
    QVERIFY(process);
    run(process.get(),
        QStringLiteral("log.add(waitsFor.length + ' ' + parentProcess + ' ' + typeof teardown)"));
    QCOMPARE(log.events, QStringList { QStringLiteral("0 null undefined") });
    QCOMPARE(process->state(), Process::State::Running);
    QVERIFY(!process->closeAndWait());
}

void tst_QmlProcess::aWrongValueKeepsTheFileFromLoading_data()
{
    QTest::addColumn<QString>("wrong");
    QTest::newRow("state is read-only") << QStringLiteral("state: Process.Closed");
    QTest::newRow("error is read-only") << QStringLiteral("error: \"x\"");
    QTest::newRow("a parent of another type") << QStringLiteral("parentProcess: Item { }");
    QTest::newRow("waits for another type") << QStringLiteral("waitsFor: [ Item { } ]");
    QTest::newRow("no such property") << QStringLiteral("waitFor: []");
}

void tst_QmlProcess::aWrongValueKeepsTheFileFromLoading()
{
    QFETCH(const QString, wrong);
    Log log;
    Scene scene(log);
    QVERIFY(!scene.make(QStringLiteral("Process { %1 }").arg(wrong)));
    // Newer versions of Qt tell the column too.
    QVERIFY2(scene.errors.startsWith(QStringLiteral("file:///test.qml:1 "))
                     || scene.errors.startsWith(QStringLiteral("file:///test.qml:1:")),
             qPrintable(scene.errors));
}

QTEST_MAIN(tst_QmlProcess)

#include "tst_qmlprocess.moc"
