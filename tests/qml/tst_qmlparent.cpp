// SPDX-License-Identifier: MIT
// `parentProcess` of a process that lies inside of another one.

#include "qmlsupport.h"
#include "support/messages.h"

#include <GoProcess/GoProcess>

#include <QTest>

using namespace QmlSupport;
using namespace TestSupport;
using GoProcess::Process;

class tst_QmlParent : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void aNestedProcessHasTheParentThatIsWritten_data();
    void aNestedProcessHasTheParentThatIsWritten();
    void theOneAroundItClosesItToo();
    void theOneThatIsWrittenWaitsForIt();
    void itMayBeNullUntilItIsThere();
    void itIsWrittenOnce();
    void itIsTheOneAroundItUnlessWritten();
};

/// `outer` with `inner` inside of it, and `other` beside them.
static QString nested(const QString &inner)
{
    return QStringLiteral(R"(
    Item {
        property Process other: Process { id: other; name: "other"; teardown: () => log.add("other") }
        property Process outer: Process {
            id: outer
            name: "outer"
            teardown: () => log.add("outer")
            Process { id: inner; name: "inner"; teardown: () => log.add("inner"); %1 }
        }
        property Process inner: inner
        property bool isOther: inner.parentProcess === other
        property bool isOuter: inner.parentProcess === outer
        property bool isApp: inner.parentProcess === app
    })")
            .arg(inner);
}

void tst_QmlParent::aNestedProcessHasTheParentThatIsWritten_data()
{
    QTest::addColumn<QString>("written");
    QTest::addColumn<bool>("isApp");
    QTest::newRow("of C++") << QStringLiteral("parentProcess: app") << true;
    QTest::newRow("of QML") << QStringLiteral("parentProcess: other") << false;
    QTest::newRow("by an expression")
            << QStringLiteral("parentProcess: other.name === 'x' ? app : other") << false;
    QTest::newRow("when it is complete")
            << QStringLiteral("Component.onCompleted: parentProcess = app") << true;
}

void tst_QmlParent::aNestedProcessHasTheParentThatIsWritten()
{
    QFETCH(const QString, written);
    QFETCH(const bool, isApp);
    Log log;
    Process app;
    Scene scene(log, &app);
    const std::unique_ptr<QObject> root = scene.make(nested(written));
    QVERIFY2(root, qPrintable(scene.errors));
    QCOMPARE(root->property("isApp").toBool(), isApp);
    QCOMPARE(root->property("isOther").toBool(), !isApp);
    Process *const inner = processOf(root.get(), "inner");
    Process *const parent = isApp ? &app : processOf(root.get(), "other");
    parent->close();
    QVERIFY(inner->isClosing());
    QTRY_VERIFY(parent->isClosed());
    QVERIFY(inner->isClosed());
    QCOMPARE(processOf(root.get(), "outer")->state(), Process::State::Running);
}

void tst_QmlParent::theOneAroundItClosesItToo()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    const std::unique_ptr<QObject> root = scene.make(nested(QStringLiteral("parentProcess: app")));
    QVERIFY2(root, qPrintable(scene.errors));
    processOf(root.get(), "outer")->closeAndWait();
    QCOMPARE(log.events, QStringList({ QStringLiteral("inner"), QStringLiteral("outer") }));
    QCOMPARE(app.state(), Process::State::Running);
}

void tst_QmlParent::theOneThatIsWrittenWaitsForIt()
{
    Log log;
    Scene scene(log);
    const std::unique_ptr<QObject> root =
            scene.make(nested(QStringLiteral("parentProcess: other")));
    QVERIFY2(root, qPrintable(scene.errors));
    processOf(root.get(), "other")->closeAndWait();
    QCOMPARE(log.events, QStringList({ QStringLiteral("inner"), QStringLiteral("other") }));
}

void tst_QmlParent::itMayBeNullUntilItIsThere()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    const std::unique_ptr<QObject> root = scene.make(
            nested(QStringLiteral("property Process target: null; parentProcess: target")));
    QVERIFY2(root, qPrintable(scene.errors));
    QVERIFY(root->property("isOuter").toBool());
    processOf(root.get(), "inner")->setProperty("target", QVariant::fromValue(&app));
    QVERIFY(root->property("isApp").toBool());
    app.close();
    QVERIFY(processOf(root.get(), "inner")->isClosing());
}

void tst_QmlParent::itIsWrittenOnce()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    const std::unique_ptr<QObject> root = scene.make(
            nested(QStringLiteral("property Process target: app; parentProcess: target")));
    QVERIFY2(root, qPrintable(scene.errors));
    Process *const other = processOf(root.get(), "other");
    const ExpectWarning qml(QStringLiteral("^file:///test.qml:8:[0-9]+: QML [^ ]+: "
                                           "parentProcess is written once"),
                            1, "default");
    processOf(root.get(), "inner")->setProperty("target", QVariant::fromValue(other));
    QVERIFY(root->property("isApp").toBool());
    other->close();
    QCOMPARE(processOf(root.get(), "inner")->state(), Process::State::Running);
}

void tst_QmlParent::itIsTheOneAroundItUnlessWritten()
{
    Log log;
    Scene scene(log);
    const std::unique_ptr<QObject> root = scene.make(nested(QString()));
    QVERIFY2(root, qPrintable(scene.errors));
    QVERIFY(root->property("isOuter").toBool());
    processOf(root.get(), "outer")->close();
    QVERIFY(processOf(root.get(), "inner")->isClosing());
}

QTEST_MAIN(tst_QmlParent)

#include "tst_qmlparent.moc"
