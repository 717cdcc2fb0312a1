// SPDX-License-Identifier: MIT
// What tools know of the module: its files name every type completely, and qmllint believes them.
//
// Each row has its own expression: clazy:excludeall=use-static-qregularexpression

#include "qmlsupport.h"
#include "support/messages.h"
#include "support/waits.h"

#include <GoProcess/Version>

#include <QDir>
#include <QFile>
#include <QProcess>
#include <QRegularExpression>
#include <QTemporaryDir>
#include <QTest>

using namespace QmlSupport;
using namespace TestSupport;

class tst_QmlModule : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void qmldirNamesTheModule();
    void theVersionIsThatOfTheLibrary_data();
    void theVersionIsThatOfTheLibrary();
    void typesAreComplete_data();
    void typesAreComplete();
    void qmllintFindsNothingInGoodCode();
    void qmllintFindsNothingInTheControls();
    void qmllintFindsMistakes_data();
    void qmllintFindsMistakes();
};

static QString readModuleFile(const QString &name)
{
    QFile file(QStringLiteral(GOPROCESS_QML_IMPORT_DIR "/GoProcess/") + name);
    return file.open(QIODevice::ReadOnly) ? QString::fromUtf8(file.readAll()) : QString();
}

/// The types without what some versions of Qt add for editors, and without needless space.
static QString typesText()
{
    const QRegularExpression added(QStringLiteral(
            "\\b(lineNumber: [0-9]+|isTypeConstant: \\w+|isScoped: \\w+|file: \"[^\"]*\")(; | |(?=\\}))"));
    return readModuleFile(QStringLiteral("GoProcessQml.qmltypes"))
            .simplified()
            .remove(added)
            .replace(QStringLiteral("; }"), QStringLiteral(" }"))
            .simplified();
}

/// The text of the component \a name of the qmltypes.
static QString component(const QString &name)
{
    const QStringList components = typesText().split(QStringLiteral(" Component { "));
    for (const QString &text : components) {
        if (text.contains(QStringLiteral("name: \"%1\" accessSemantics").arg(name)))
            return text;
    }
    return {};
}

void tst_QmlModule::qmldirNamesTheModule()
{
    const QStringList lines =
            readModuleFile(QStringLiteral("qmldir")).split(QLatin1Char('\n'), Qt::SkipEmptyParts);
    QVERIFY(lines.contains(QStringLiteral("module GoProcess")));
    QVERIFY(lines.contains(QStringLiteral("typeinfo GoProcessQml.qmltypes")));
}

void tst_QmlModule::theVersionIsThatOfTheLibrary_data()
{
    QTest::addColumn<QString>("version");
    QTest::addColumn<bool>("isThere");
    const auto row = [](const char *name, int major, int minor, bool isThere) {
        QTest::newRow(name) << QStringLiteral("%1.%2").arg(major).arg(minor) << isThere;
    };
    QTest::newRow("none") << QString() << true;
    row("the library's", GOPROCESS_VERSION_MAJOR, GOPROCESS_VERSION_MINOR, true);
    row("the next minor one", GOPROCESS_VERSION_MAJOR, GOPROCESS_VERSION_MINOR + 1, false);
    row("the next major one", GOPROCESS_VERSION_MAJOR + 1, 0, false);
}

void tst_QmlModule::theVersionIsThatOfTheLibrary()
{
    QFETCH(const QString, version);
    QFETCH(const bool, isThere);
    QQmlEngine engine;
    engine.addImportPath(QStringLiteral(GOPROCESS_QML_IMPORT_DIR));
    QQmlComponent component(&engine);
    component.setData(QStringLiteral("import GoProcess %1\nProcess {}").arg(version).toUtf8(),
                      QUrl());
    QVERIFY2(component.isReady() == isThere, qPrintable(component.errorString()));
}

void tst_QmlModule::typesAreComplete_data()
{
    QTest::addColumn<QString>("type");
    QTest::addColumn<QString>("pattern");
    const QString process = QStringLiteral("GoProcess::Process");
    const QString extension = QStringLiteral("GoProcess::Private::ProcessExtension");
    const auto row = [](const char *name, const QString &type, const char *pattern) {
        QTest::newRow(name) << type << QString::fromLatin1(pattern);
    };
    row("version", process, "exports: \\[\"GoProcess/Process 0.1\"");
    row("base class", process, "prototype: \"QObject\"");
    row("extension", process, "extension: \"GoProcess::Private::ProcessExtension\"");
    row("State", process, "name: \"State\" values: \\[\"Running\", \"Closing\", \"Closed\"\\]");
    row("name", process,
        "Property { name: \"name\" type: \"QString\" [^}]*write: \"setName\" notify: \"nameChanged\"");
    row("state", process,
        "Property { name: \"state\" type: \"GoProcess::Process::State\" [^}]*notify: \"stateChanged\" "
        "[^}]*isReadonly: true");
    row("error", process,
        "Property { name: \"error\" type: \"GoProcess::Error\" [^}]*notify: \"closed\" "
        "[^}]*isReadonly: true");
    row("closing", process, "Signal { name: \"closing\" }");
    row("closed", process, "Signal { name: \"closed\" }");
    row("stateChanged", process,
        "Signal { name: \"stateChanged\" Parameter { name: \"state\"; type: "
        "\"GoProcess::Process::State\" } }");
    row("nameChanged", process,
        "Signal { name: \"nameChanged\" Parameter { name: \"name\"; type: \"QString\" } }");
    row("close", process, "Method { name: \"close\" }");
    row("closeAfterChildren", process, "Method { name: \"closeAfterChildren\" }");
    const QString model = QStringLiteral("GoProcess::ProcessModel");
    row("model", model, "exports: \\[\"GoProcess/ProcessModel 0.1\"");
    row("model: base class", model, "prototype: \"QAbstractItemModel\"");
    row("model: process", model,
        "Property { name: \"process\" type: \"GoProcess::Process\" isPointer: true "
        "[^}]*write: \"setProcess\" notify: \"processChanged\"");
    row("model: Role", model, "Enum { name: \"Role\" values: \\[ \"NameRole\", \"PathRole\"");
    row("model: processChanged", model, "Signal { name: \"processChanged\" }");
    const QString monitor = QStringLiteral("GoProcess::CloseMonitor");
    row("monitor", monitor, "exports: \\[\"GoProcess/CloseMonitor 0.1\"");
    row("monitor: base class", monitor, "prototype: \"QObject\"");
    row("monitor: process", monitor,
        "Property { name: \"process\" type: \"GoProcess::Process\" isPointer: true "
        "[^}]*write: \"setProcess\" notify: \"processChanged\"");
    row("monitor: total", monitor,
        "Property { name: \"total\" type: \"int\" [^}]*isReadonly: true");
    row("monitor: closed", monitor,
        "Property { name: \"closed\" type: \"int\" [^}]*notify: \"changed\" [^}]*isReadonly: true");
    row("monitor: progress", monitor,
        "Property { name: \"progress\" type: \"double\" [^}]*notify: \"changed\" "
        "[^}]*isReadonly: true");
    row("monitor: remaining", monitor,
        "Property { name: \"remaining\" type: \"QStringList\" [^}]*isReadonly: true");
    row("monitor: elapsed", monitor,
        "Property { name: \"elapsed\" type: \"int\" [^}]*isReadonly: true");
    row("monitor: changed", monitor, "Signal { name: \"changed\" }");
    row("default property", extension, "defaultProperty: \"data\"");
    row("data", extension, "Property { name: \"data\" type: \"QObject\" isList: true");
    row("waitsFor", extension,
        "Property { name: \"waitsFor\" type: \"GoProcess::Process\" isList: true "
        "[^}]*notify: \"waitsForChanged\"");
    row("parentProcess", extension,
        "Property { name: \"parentProcess\" type: \"GoProcess::Process\" isPointer: true "
        "[^}]*write: \"setParentProcess\" notify: \"parentProcessChanged\"");
    row("teardown", extension,
        "Property { name: \"teardown\" type: \"QJSValue\" [^}]*write: \"setTeardown\" "
        "notify: \"teardownChanged\"");
    row("error is a value", QStringLiteral("GoProcess::Error"),
        "accessSemantics: \"value\" exports: \\[\"GoProcess/error 0.1\"");
    row("message", QStringLiteral("GoProcess::Error"),
        "Property { name: \"message\" type: \"QString\" [^}]*isReadonly: true");
}

void tst_QmlModule::typesAreComplete()
{
    QFETCH(const QString, type);
    QFETCH(const QString, pattern);
    const QString text = component(type);
    const QRegularExpression expression(
            QString(pattern)
                    .replace(QLatin1String("{ "), QLatin1String("\\{ "))
                    .replace(QLatin1String(" }"), QLatin1String(" \\}")));
    QVERIFY2(expression.match(text).hasMatch(), qPrintable(text));
}

/// What qmllint prints about a file; empty if nothing.
static QString lintFile(const QString &path)
{
    QProcess process;
    process.setProcessChannelMode(QProcess::MergedChannels);
    process.start(QStringLiteral(GOPROCESS_QMLLINT),
                  { QStringLiteral("-I"), QStringLiteral(GOPROCESS_QML_IMPORT_DIR), path });
    if (!process.waitForFinished(int(patience.count()) * 1000))
        return QStringLiteral("qmllint does not end");
    const QString output = QString::fromUtf8(process.readAll());
    return process.exitCode() != 0 && output.isEmpty() ? QStringLiteral("failed") : output;
}

/// The same about a file with this text.
static QString lint(const QString &qml)
{
    const QTemporaryDir folder;
    QFile file(folder.filePath(QStringLiteral("Main.qml")));
    if (!file.open(QIODevice::WriteOnly))
        return QStringLiteral("cannot write");
    file.write(qml.toUtf8());
    file.close();
    return lintFile(file.fileName());
}

static QString file(const QString &line)
{
    return QStringLiteral(R"(import QtQml
import GoProcess

Process {
    id: root

    required property Process app
    property error last: app.error
    property var settle

    name: "root"
    parentProcess: app
    waitsFor: [settings]
    teardown: () => new Promise(resolve => root.settle = resolve)
    onClosing: console.log(root.state === Process.Closing, root.last.message)
    onClosed: console.log(root.error.message)
    onStateChanged: state => console.log(state)

    Process {
        id: settings

        teardown: function() {
            return "disk full";
        }
    }
    Timer {
        onTriggered: root.closeAfterChildren()
    }
    Component.onCompleted: {
        app.close();
        console.log(settings.parentProcess === root, root.waitsFor.length, root.data.length);
    }
    %1
}
)")
            .arg(line);
}

void tst_QmlModule::qmllintFindsNothingInGoodCode()
{
    QCOMPARE(lint(file(QString())), QString());
}

void tst_QmlModule::qmllintFindsNothingInTheControls()
{
#ifdef GOPROCESS_CONTROLS_SOURCE_DIR
    const QString folder = QStringLiteral(GOPROCESS_CONTROLS_SOURCE_DIR "/");
    for (const char *name :
         { "ProcessCell.qml", "ProcessLoader.qml", "ProcessTreeView.qml", "ShutdownOverlay.qml" })
        QCOMPARE(lintFile(folder + QString::fromLatin1(name)), QString());
    QCOMPARE(lintFile(QStringLiteral(GOPROCESS_README_WINDOW)), QString());
#else
    QSKIP("The controls were not built");
#endif
}

void tst_QmlModule::qmllintFindsMistakes_data()
{
    QTest::addColumn<QString>("line");
    QTest::addColumn<QString>("mistake");
    QTest::newRow("property") << QStringLiteral("waitFor: []") << QStringLiteral("waitFor");
    QTest::newRow("signal") << QStringLiteral("onClose: console.log()")
                            << QStringLiteral("onClose");
    QTest::newRow("function") << QStringLiteral("function f() { root.finish() }")
                              << QStringLiteral("finish");
    QTest::newRow("gadget") << QStringLiteral("function f() { return root.error.text }")
                            << QStringLiteral("text");
}

void tst_QmlModule::qmllintFindsMistakes()
{
    QFETCH(const QString, line);
    QFETCH(const QString, mistake);
    const QString found = lint(file(line));
    QVERIFY2(found.contains(mistake), qPrintable(found));
}

QTEST_MAIN(tst_QmlModule)

#include "tst_qmlmodule.moc"
