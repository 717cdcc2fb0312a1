// SPDX-License-Identifier: MIT
// ProcessModel and CloseMonitor in QML.
//
// Locals outlive the event loops here: clazy:excludeall=lambda-in-connect

#include "qmlsupport.h"
#include "support/messages.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QTest>

#include <memory>

using GoProcess::CloseMonitor;
using GoProcess::Hold;
using GoProcess::Process;
using GoProcess::ProcessModel;
using namespace QmlSupport;
using namespace TestSupport;

class tst_QmlModel : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void rowsAreDelegates();
    void rolesHaveNames();
    void theProcessIsAProperty();
    void aWrongProcessIsAWarning();
    void theMonitorTellsOfAClose();
    void theMonitorHasNoWritableNumbers();
    void theEngineGoesFirst();
};

void tst_QmlModel::rowsAreDelegates()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    const auto root = scene.make(QStringLiteral(R"(Instantiator {
        model: ProcessModel { process: app }
        delegate: QtObject {
            required property string name
            required property var model
            property bool isClosing: model.state === Process.Closing
            onIsClosingChanged: if (isClosing) log.add(name + " closes")
        }
        onObjectAdded: (index, object) => log.add(object.name + " added")
        onObjectRemoved: (index, object) => log.add(object.name + " removed")
    })"));
    QVERIFY2(root, qPrintable(scene.errors));
    Process child;
    child.setName(QStringLiteral("child"));
    Hold hold = child.hold();
    app.addChild(&child);
    QTRY_COMPARE(log.events, QStringList { QStringLiteral("child added") });
    child.close();
    QTRY_COMPARE(log.events.size(), 2);
    QCOMPARE(log.events.last(), QStringLiteral("child closes"));
    hold.release();
    QTRY_COMPARE(log.events.size(), 3);
    QCOMPARE(log.events.last(), QStringLiteral("child removed"));
}

void tst_QmlModel::rolesHaveNames()
{
    Log log;
    Process app;
    app.setName(QStringLiteral("app"));
    Process child([] { return GoProcess::Error(QStringLiteral("disk full")); }, &app);
    Process other;
    other.setName(QStringLiteral("other"));
    child.waitFor(&other);
    Scene scene(log, &app);
    const auto root = scene.make(QStringLiteral(R"(Instantiator {
        id: rows
        property string text
        model: ProcessModel { process: app }
        delegate: QtObject {
            required property var model
            property string text: [model.path, model.thread, model.waitsFor.join(), model.more,
                                   model.error, model.since <= new Date()].join(" ")
            onTextChanged: rows.text = text
            Component.onCompleted: rows.text = text
        }
    })"));
    QVERIFY2(root, qPrintable(scene.errors));
    QTRY_COMPARE(root->property("text").toString(),
                 QStringLiteral("%1 main /other 0  true").arg(child.path()));
    other.close();
    child.close();
    QTRY_COMPARE(root->property("text").toString(),
                 QStringLiteral("%1 main  0 disk full true").arg(child.path()));
}

void tst_QmlModel::theProcessIsAProperty()
{
    Log log;
    Process app;
    Process other;
    Scene scene(log, &app);
    const auto model = scene.make(QStringLiteral(R"(ProcessModel {
        process: app
        onProcessChanged: log.add("changed")
    })"));
    QVERIFY2(model, qPrintable(scene.errors));
    QCOMPARE(processOf(model.get(), "process"), &app);
    log.take();
    model->setProperty("process", QVariant::fromValue(&other));
    QCOMPARE(log.take(), QStringList { QStringLiteral("changed") });
    QCOMPARE(qobject_cast<ProcessModel *>(model.get())->process(), &other);
}

void tst_QmlModel::aWrongProcessIsAWarning()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    const ExpectWarning warning(QStringLiteral("test.qml:1.*Process"), 2, "default");
    const auto root = scene.make(
            QStringLiteral(R"(QtObject {
        property var model: ProcessModel { process: log }
        property var monitor: CloseMonitor { process: log }
    })")
                    .simplified()
                    .replace(QStringLiteral("} property"), QStringLiteral("}; property")));
    QVERIFY2(root, qPrintable(scene.errors));
}

void tst_QmlModel::theMonitorTellsOfAClose()
{
    Log log;
    Process app;
    app.setName(QStringLiteral("app"));
    Process child(&app);
    child.setName(QStringLiteral("child"));
    Hold hold = child.hold();
    Scene scene(log, &app);
    const auto monitor = scene.make(QStringLiteral(R"(CloseMonitor {
        property string text: [total, closed, progress, remaining.join(), elapsed >= 0].join(" ")
        property int updates: 0
        process: app
        onChanged: ++updates
    })"));
    QVERIFY2(monitor, qPrintable(scene.errors));
    QCOMPARE(processOf(monitor.get(), "process"), &app);
    QCOMPARE(monitor->property("text").toString(), QStringLiteral("0 0 0  true"));
    app.close();
    QTRY_COMPARE(monitor->property("text").toString(),
                 QStringLiteral("2 0 0 /app/child,/app true"));
    hold.release();
    QTRY_COMPARE(monitor->property("text").toString(), QStringLiteral("2 2 1  true"));
    QVERIFY(monitor->property("updates").toInt() >= 2);
}

void tst_QmlModel::theMonitorHasNoWritableNumbers()
{
    Log log;
    Scene scene(log);
    const QStringList names { QStringLiteral("total"), QStringLiteral("closed"),
                              QStringLiteral("progress"), QStringLiteral("remaining"),
                              QStringLiteral("elapsed") };
    for (const QString &name : names) {
        QVERIFY(!scene.make(QStringLiteral("CloseMonitor { %1: 1 }").arg(name)));
        QVERIFY2(scene.errors.contains(QLatin1String("test.qml:1")), qPrintable(scene.errors));
    }
}

void tst_QmlModel::theEngineGoesFirst()
{
    Log log;
    Process app;
    std::unique_ptr<Process> child = std::make_unique<Process>(&app);
    {
        Scene scene(log, &app);
        auto root = scene.make(QStringLiteral(R"(QtObject {
            property var model: ProcessModel { process: app }
            property var monitor: CloseMonitor { process: app }
        })"));
        QVERIFY2(root, qPrintable(scene.errors));
        app.close();
        scene.engine.reset();
        root.reset();
    }
    child.reset();
    QVERIFY(app.waitForClosed(soon()));
}

QTEST_GUILESS_MAIN(tst_QmlModel)

#include "tst_qmlmodel.moc"
