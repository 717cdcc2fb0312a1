// SPDX-License-Identifier: MIT
// `teardown` in QML: what a JavaScript function may return and throw, and when it ends.

#include "qmlsupport.h"
#include "support/messages.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QSignalSpy>
#include <QTest>

using namespace QmlSupport;
using namespace TestSupport;
using GoProcess::Process;

class tst_QmlTeardown : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void whatItReturns_data();
    void whatItReturns();
    void itRunsOnceAndAfterTheChildren();
    void itIsAMethodToo();
    void thenablesAreFollowed_data();
    void thenablesAreFollowed();
    void aThenableThatSettlesWithItselfIsAnError();
    void anErrorIsNoWarningOfTheEngine_data();
    void anErrorIsNoWarningOfTheEngine();
    void itEndsWhenThePromiseSettles();
    void itIsWrittenOnce();
    void aProcessWithATeardownRefusesIt();
    void aClosedProcessRunsItStill();
    void anOpenPromiseIsAnErrorInABlockingWait();
    void aDroppedPromiseIsAnError();
    void theTreeKnowsTheError();
};

/// The error that a process with this teardown closes with, in the event loop.
static QString errorOf(const QString &teardown)
{
    Log log;
    Scene scene(log);
    const auto process =
            scene.makeProcess(QStringLiteral("Process { teardown: \n%1\n }").arg(teardown));
    if (!process)
        return QStringLiteral("not loaded: ") + scene.errors;
    process->close();
    if (!QTest::qWaitFor([&] { return process->isClosed(); }, int(patience.count()) * 1000))
        return QStringLiteral("never closed");
    return process->error().message();
}

void tst_QmlTeardown::whatItReturns_data()
{
    QTest::addColumn<QString>("teardown");
    QTest::addColumn<QString>("error");
    const QString none;
    QTest::newRow("nothing") << QStringLiteral("() => { }") << none;
    QTest::newRow("undefined") << QStringLiteral("() => undefined") << none;
    QTest::newRow("null") << QStringLiteral("() => null") << none;
    QTest::newRow("a text") << QStringLiteral("() => \"disk full\"") << QStringLiteral("disk full");
    QTest::newRow("an empty text") << QStringLiteral("() => \"\"") << none;
    QTest::newRow("a number") << QStringLiteral("() => 5") << none;
    QTest::newRow("an object") << QStringLiteral("() => ({ a: 1 })") << none;
    QTest::newRow("then is no function") << QStringLiteral("() => ({ then: 1 })") << none;
    QTest::newRow("a function") << QStringLiteral("function() { return \"x\" }")
                                << QStringLiteral("x");
    QTest::newRow("throws an Error") << QStringLiteral("() => {\nthrow new Error(\"broken\") }")
                                     << QStringLiteral("file:///test.qml:3: Error: broken");
    QTest::newRow("throws a text") << QStringLiteral("() => {\n\nthrow \"broken\" }")
                                   << QStringLiteral("file:///test.qml:4: broken");
    QTest::newRow("throws by itself") << QStringLiteral("() => missing()")
                                      << QStringLiteral("file:///test.qml:2: ReferenceError: "
                                                        "missing is not defined");
}

void tst_QmlTeardown::whatItReturns()
{
    QFETCH(const QString, teardown);
    QFETCH(const QString, error);
    QCOMPARE(errorOf(teardown), error);
}

void tst_QmlTeardown::itRunsOnceAndAfterTheChildren()
{
    Log log;
    Scene scene(log);
    const auto process = scene.makeProcess(QStringLiteral(R"(
        Process {
            id: root
            teardown: () => log.add("teardown " + root.state)
            onClosing: log.add("closing")
            onClosed: log.add("closed")
            Process { onClosed: log.add("child") }
        })"));
    process->close();
    process->close();
    process->closeAndWait();
    QCOMPARE(log.events,
             QStringList({ QStringLiteral("closing"), QStringLiteral("child"),
                           QStringLiteral("teardown 1"), QStringLiteral("closed") }));
}

void tst_QmlTeardown::itIsAMethodToo()
{
    Log log;
    Scene scene(log);
    const auto process = scene.makeProcess(QStringLiteral(
            "Process { id: root; function flush() { log.add(\"flush\"); return \"late\" }\n"
            "teardown: flush\nproperty bool same: root.teardown === root.flush }"));
    QCOMPARE(process->closeAndWait().message(), QStringLiteral("late"));
    QCOMPARE(log.events, QStringList { QStringLiteral("flush") });
}

void tst_QmlTeardown::thenablesAreFollowed_data()
{
    QTest::addColumn<QString>("teardown");
    QTest::addColumn<QString>("error");
    const QString none;
    QTest::newRow("fulfilled") << QStringLiteral("() => Promise.resolve()") << none;
    QTest::newRow("fulfilled with a text") << QStringLiteral("() => Promise.resolve(\"disk full\")")
                                           << QStringLiteral("disk full");
    QTest::newRow("fulfilled with an empty text")
            << QStringLiteral("() => Promise.resolve(\"\")") << none;
    QTest::newRow("a chain") << QStringLiteral(
            "() => Promise.resolve().then(() => Promise.resolve(\"x\"))")
                             << QStringLiteral("x");
    QTest::newRow("a thenable of a thenable")
            << QStringLiteral("() => ({ then: f => f({ then: g => g(\"x\") }) })")
            << QStringLiteral("x");
    QTest::newRow("settles at once") << QStringLiteral("() => ({ then: (f, r) => f() })") << none;
    QTest::newRow("settles twice")
            << QStringLiteral("() => ({ then: (f, r) => { f(\"a\"); r(\"b\") } })")
            << QStringLiteral("a");
    QTest::newRow("needs its object")
            << QStringLiteral("() => ({ text: \"x\", then: function(f) { f(this.text) } })")
            << QStringLiteral("x");
    QTest::newRow("rejected with an Error")
            << QStringLiteral("() => Promise.reject(\nnew Error(\"broken\"))")
            << QStringLiteral("file:///test.qml:3: Error: broken");
    QTest::newRow("thrown in a promise")
            << QStringLiteral("() => new Promise(() => {\n\nthrow new TypeError(\"broken\") })")
            << QStringLiteral("file:///test.qml:4: TypeError: broken");
    QTest::newRow("thrown later")
            << QStringLiteral("() => Promise.resolve().then(() => {\nmissing() })")
            << QStringLiteral("file:///test.qml:3: ReferenceError: missing is not defined");
    QTest::newRow("then throws") << QStringLiteral(
            "() => ({ then: () => {\nthrow Error(\"x\") } })")
                                 << QStringLiteral("file:///test.qml:3: Error: x");
    QTest::newRow("then throws a text") << QStringLiteral("() => ({ then: () => { throw \"x\" } })")
                                        << QStringLiteral("file:///test.qml: x");
    QTest::newRow("then throws after it has settled")
            << QStringLiteral("() => ({ then: f => { f(\"a\"); throw Error(\"x\") } })")
            << QStringLiteral("a");
    QTest::newRow("reading then throws")
            << QStringLiteral("() => ({ get then() {\nthrow Error(\"x\") } })")
            << QStringLiteral("file:///test.qml:3: Error: x");
    QTest::newRow("reading then throws a text")
            << QStringLiteral("() => ({ get then() { throw \"x\" } })")
            << QStringLiteral("file:///test.qml: x");
    QTest::newRow("rejected with a text") << QStringLiteral("() => Promise.reject(\"offline\")")
                                          << QStringLiteral("file:///test.qml: offline");
    QTest::newRow("rejected with nothing")
            << QStringLiteral("() => Promise.reject()")
            << QStringLiteral("file:///test.qml: The promise of the teardown was rejected");
    QTest::newRow("a timer") << QStringLiteral(
            "() => new Promise(f => Qt.callLater(() => f(\"x\")))")
                             << QStringLiteral("x");
}

void tst_QmlTeardown::thenablesAreFollowed()
{
    QFETCH(const QString, teardown);
    QFETCH(const QString, error);
    QCOMPARE(errorOf(teardown), error);
}

void tst_QmlTeardown::aThenableThatSettlesWithItselfIsAnError()
{
    const QString error =
            errorOf(QStringLiteral("() => { const a = { then: f => f(a) }; return a }"));
    QVERIFY(!error.isEmpty()); // the stack of JavaScript was full; Qt does not always say so
}

/// It is the Error of the process: who listens to warnings of the engine would hear of it twice.
void tst_QmlTeardown::anErrorIsNoWarningOfTheEngine_data()
{
    QTest::addColumn<QString>("teardown");
    QTest::newRow("rejected with a text") << QStringLiteral("() => Promise.reject(\"offline\")");
    QTest::newRow("rejected with an Error") << QStringLiteral("() => Promise.reject(Error(\"x\"))");
    QTest::newRow("thrown") << QStringLiteral("() => { throw Error(\"x\") }");
    QTest::newRow("thrown by then") << QStringLiteral("() => ({ then: () => { throw \"x\" } })");
}

void tst_QmlTeardown::anErrorIsNoWarningOfTheEngine()
{
    QFETCH(const QString, teardown);
    Log log;
    Scene scene(log);
    const QSignalSpy warnings(scene.engine.get(), &QQmlEngine::warnings);
    const auto process =
            scene.makeProcess(QStringLiteral("Process { teardown: %1 }").arg(teardown));
    process->close();
    QTRY_VERIFY(process->isClosed());
    QVERIFY(process->error());
    QCOMPARE(warnings.size(), 0);
}

void tst_QmlTeardown::itEndsWhenThePromiseSettles()
{
    Log log;
    Scene scene(log);
    const auto process = scene.makeProcess(QStringLiteral(R"(
        Process {
            property var settle
            teardown: () => new Promise(f => { settle = f; log.add("open") })
            function end() { settle("partly") }
        })"));
    process->close();
    QTRY_COMPARE(log.events, QStringList { QStringLiteral("open") });
    scene.engine->collectGarbage();
    QCoreApplication::processEvents();
    QCOMPARE(process->state(), Process::State::Closing);
    QMetaObject::invokeMethod(process.get(), "end");
    QTRY_VERIFY(process->isClosed());
    QCOMPARE(process->error().message(), QStringLiteral("partly"));
}

void tst_QmlTeardown::itIsWrittenOnce()
{
    Log log;
    Scene scene(log);
    const auto process = scene.makeProcess(
            QStringLiteral("Process { teardown: () => log.add(\"first\")\n"
                           "function change() { teardown = () => log.add(\"second\") } }"));
    {
        const ExpectWarning qml(QStringLiteral("^file:///test.qml:1:[0-9]+: .*teardown is written"),
                                1, "default");
        QMetaObject::invokeMethod(process.get(), "change");
    }
    process->closeAndWait();
    QCOMPARE(log.events, QStringList { QStringLiteral("first") });
}

void tst_QmlTeardown::aProcessWithATeardownRefusesIt()
{
    Log log;
    Scene scene(log);
    const auto process = scene.makeProcess(QStringLiteral(
            "Process { function change() { teardown = () => log.add(\"JavaScript\") } }"));
    QVERIFY(process->setTeardown([&] { log.add(QStringLiteral("C++")); }));
    {
        const ExpectWarning core(QStringLiteral("setTeardown.*refused"));
        const ExpectWarning qml(QStringLiteral("^file:///test.qml:1:[0-9]+: .*teardown: "), 1,
                                "default");
        QMetaObject::invokeMethod(process.get(), "change");
    }
    process->closeAndWait();
    QCOMPARE(log.events, QStringList { QStringLiteral("C++") });
}

void tst_QmlTeardown::aClosedProcessRunsItStill()
{
    Log log;
    Scene scene(log);
    const auto process = scene.makeProcess(
            QStringLiteral("Process { function change() { teardown = () => log.add(\"late\") } }"));
    process->closeAndWait();
    QMetaObject::invokeMethod(process.get(), "change");
    QTRY_COMPARE(log.events, QStringList { QStringLiteral("late") });
}

void tst_QmlTeardown::anOpenPromiseIsAnErrorInABlockingWait()
{
    Log log;
    Scene scene(log);
    const auto process =
            scene.makeProcess(QStringLiteral("Process { teardown: () => new Promise(() => {}) }"));
    const GoProcess::Error error = process->closeAndWait();
    QVERIFY2(error.message().contains(QStringLiteral("still open")), qPrintable(error.message()));
}

void tst_QmlTeardown::aDroppedPromiseIsAnError()
{
    Log log;
    Scene scene(log);
    const auto process = scene.makeProcess(QStringLiteral(
            "Process { teardown: () => { log.add(\"open\"); return new Promise(() => {}) } }"));
    process->close();
    QTRY_COMPARE(log.events, QStringList { QStringLiteral("open") });
    scene.engine->collectGarbage();
    QTRY_VERIFY(process->isClosed());
    QVERIFY2(process->error().message().contains(QStringLiteral("dropped")),
             qPrintable(process->error().message()));
}

void tst_QmlTeardown::theTreeKnowsTheError()
{
    Log log;
    Process app;
    app.setName(QStringLiteral("app"));
    Scene scene(log, &app);
    const auto process = scene.makeProcess(QStringLiteral(
            "Process { name: \"store\"; parentProcess: app; teardown: () => \"disk full\" }"));
    app.closeAndWait();
    QCOMPARE(app.treeErrorCount(), 1);
    QCOMPARE(app.treeErrors().constFirst().path, QStringLiteral("/app/store"));
    QCOMPARE(app.treeErrors().constFirst().error.message(), QStringLiteral("disk full"));
}

QTEST_MAIN(tst_QmlTeardown)

#include "tst_qmlteardown.moc"
