// SPDX-License-Identifier: MIT
// ProcessLoader: closes first and unloads then. And the same by hand, for an engine.

#include "qmlsupport.h"
#include "support/messages.h"

#include <GoProcess/GoProcess>

#include <QFile>
#include <QPointer>
#include <QTemporaryDir>
#include <QTest>

using namespace QmlSupport;
using namespace TestSupport;
using GoProcess::Process;

class tst_ProcessLoader : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void aPromiseEndsBeforeItIsUnloaded_data();
    void aPromiseEndsBeforeItIsUnloaded();
    void somethingElseIsLoadedAfterwards();
    void whatIsWantedAgainIsLoadedAgain();
    void whatHasNoProcessIsUnloadedAtOnce();
    void whatIsClosedByOthersStays();
    void aFileIsLoaded();
    void itTakesTheSizeOfItsItem();
    void anEngineIsLoadedAgainAfterItsProcesses();
};

/// A loader with a \a page, whose teardown lasts until end() is called.
static QString loaderWith(const QString &page)
{
    return QStringLiteral(R"(
    Item {
        id: window
        property alias active: loader.active
        property alias page: loader.item
        property alias isClosing: loader.isClosing
        property int loads: 0
        function showOther() { loader.sourceComponent = other }
        property var settle: null
        property bool isLingering: settle !== null
        function linger() { return new Promise(resolve => window.settle = resolve) }
        function end() { log.add("page closed"); settle(); settle = null }

        ProcessLoader {
            id: loader
            sourceComponent: Component { %1 }
            onLoaded: ++window.loads
        }
        Component { id: other; Process { objectName: "other" } }
    })")
            .arg(page);
}

static QString page()
{
    return QStringLiteral("Process { parentProcess: app; teardown: () => window.linger()\n"
                          "Component.onDestruction: log.add('page gone') }");
}

static std::unique_ptr<QObject> make(Scene &scene, const QString &qml)
{
    std::unique_ptr<QObject> root = scene.make(QStringLiteral("import GoProcess.Controls; ") + qml);
    if (!root)
        fail(scene.errors);
    return root;
}

static QObject *pageOf(const std::unique_ptr<QObject> &root)
{
    return root->property("page").value<QObject *>();
}

static QStringList closedThenGone()
{
    return { QStringLiteral("page closed"), QStringLiteral("page gone") };
}

void tst_ProcessLoader::aPromiseEndsBeforeItIsUnloaded_data()
{
    QTest::addColumn<QString>("content");
    QTest::newRow("a process") << page();
    QTest::newRow("an item with a process")
            << QStringLiteral("Item { property Process process: %1 }").arg(page());
}

void tst_ProcessLoader::aPromiseEndsBeforeItIsUnloaded()
{
    QFETCH(const QString, content);
    Log log;
    Process app;
    Scene scene(log, &app);
    const std::unique_ptr<QObject> root = make(scene, loaderWith(content));
    QVERIFY(pageOf(root));
    root->setProperty("active", false);
    QTRY_VERIFY(root->property("isLingering").toBool());
    QVERIFY(root->property("isClosing").toBool());
    QVERIFY(pageOf(root));
    QMetaObject::invokeMethod(root.get(), "end");
    QTRY_VERIFY(!pageOf(root));
    QTRY_COMPARE(log.events, closedThenGone());
    QVERIFY(!root->property("isClosing").toBool());
    QVERIFY(!app.closeAndWait());
    QCOMPARE(app.treeErrorCount(), 0);
}

void tst_ProcessLoader::somethingElseIsLoadedAfterwards()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    const std::unique_ptr<QObject> root = make(scene, loaderWith(page()));
    QMetaObject::invokeMethod(root.get(), "showOther");
    QTRY_VERIFY(root->property("isLingering").toBool());
    QMetaObject::invokeMethod(root.get(), "end");
    QTRY_COMPARE(root->property("loads").toInt(), 2);
    QCOMPARE(pageOf(root)->objectName(), QStringLiteral("other"));
    QTRY_COMPARE(log.events, closedThenGone());
    QCOMPARE(app.treeErrorCount(), 0);
}

void tst_ProcessLoader::whatIsWantedAgainIsLoadedAgain()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    const std::unique_ptr<QObject> root = make(scene, loaderWith(page()));
    const QPointer<QObject> first = pageOf(root);
    root->setProperty("active", false);
    QTRY_VERIFY(root->property("isLingering").toBool());
    root->setProperty("active", true);
    QMetaObject::invokeMethod(root.get(), "end");
    QTRY_COMPARE(root->property("loads").toInt(), 2);
    QTRY_VERIFY(!first);
    QVERIFY(pageOf(root));
    QCOMPARE(log.events, closedThenGone());
    QVERIFY(!root->property("isClosing").toBool());
    QCOMPARE(qobject_cast<Process *>(pageOf(root))->state(), Process::State::Running);
    root->setProperty("active", false);
    QTRY_VERIFY(root->property("isLingering").toBool());
    QMetaObject::invokeMethod(root.get(), "end");
    QTRY_VERIFY(!pageOf(root));
    QCOMPARE(app.treeErrorCount(), 0);
}

void tst_ProcessLoader::whatHasNoProcessIsUnloadedAtOnce()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    const std::unique_ptr<QObject> root =
            make(scene, loaderWith(QStringLiteral("Item { objectName: 'item' }")));
    QCOMPARE(pageOf(root)->objectName(), QStringLiteral("item"));
    root->setProperty("active", false);
    QTRY_VERIFY(!pageOf(root));
}

void tst_ProcessLoader::whatIsClosedByOthersStays()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    const std::unique_ptr<QObject> root = make(scene, loaderWith(page()));
    app.close();
    QTRY_VERIFY(root->property("isLingering").toBool());
    QMetaObject::invokeMethod(root.get(), "end");
    QTRY_VERIFY(app.isClosed());
    QCoreApplication::processEvents();
    QVERIFY(pageOf(root));
    QCOMPARE(root->property("loads").toInt(), 1);
    root->setProperty("active", false);
    QTRY_VERIFY(!pageOf(root));
}

void tst_ProcessLoader::aFileIsLoaded()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    const QTemporaryDir folder;
    QFile file(folder.filePath(QStringLiteral("Page.qml")));
    QVERIFY(file.open(QIODevice::WriteOnly));
    file.write("import GoProcess\nProcess { objectName: \"file\" }\n");
    file.close();
    const std::unique_ptr<QObject> root =
            make(scene,
                 QStringLiteral("Item { property alias page: loader.item\n"
                                "ProcessLoader { id: loader; source: \"%1\" } }")
                         .arg(QUrl::fromLocalFile(file.fileName()).toString()));
    QTRY_VERIFY(pageOf(root));
    QCOMPARE(pageOf(root)->objectName(), QStringLiteral("file"));
}

void tst_ProcessLoader::itTakesTheSizeOfItsItem()
{
    Log log;
    Process app;
    Scene scene(log, &app);
    const std::unique_ptr<QObject> root = make(
            scene, QStringLiteral("ProcessLoader { sourceComponent: Item { implicitWidth: 70 } }"));
    QCOMPARE(root->property("width").toInt(), 70);
}

/// src/doc/qml.md tells how.
void tst_ProcessLoader::anEngineIsLoadedAgainAfterItsProcesses()
{
    Log log;
    Process app;
    auto scene = std::make_unique<Scene>(log, &app);
    Process session(&app);
    scene->engine->rootContext()->setContextProperty(QStringLiteral("session"), &session);
    std::unique_ptr<QObject> root = scene->make(QStringLiteral(
            "Process { parentProcess: session\n"
            "teardown: () => new Promise(f => Qt.callLater(() => { log.add('closed'); f() })) }"));
    QVERIFY2(root, qPrintable(scene->errors));
    bool isReloaded = false;
    connect(
            &session, &Process::closed, this,
            [&] {
                root.reset();
                scene = std::make_unique<Scene>(log, &app);
                isReloaded = true;
            },
            Qt::QueuedConnection);
    session.close();
    QTRY_VERIFY(isReloaded);
    QCOMPARE(log.events, QStringList { QStringLiteral("closed") });
    QCOMPARE(app.treeErrorCount(), 0);
}

QTEST_MAIN(tst_ProcessLoader)

#include "tst_processloader.moc"
