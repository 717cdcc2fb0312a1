// SPDX-License-Identifier: MIT
// A plugin that uses the library is closed, unloaded, and gone.

#include "plugin.h"
#include "support/messages.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QLibrary>
#include <QPluginLoader>
#include <QProcess>
#include <QTest>

#include <chrono>

using GoProcess::Process;

class tst_plugin : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    static void initTestCase() { TestSupport::begin(); }
    static void cleanup() { TestSupport::verify(); }

    void unloadedInAHostThatDoesNotUseTheLibrary();
    void unloadedByAProcessOfTheTree();
};

void tst_plugin::unloadedInAHostThatDoesNotUseTheLibrary()
{
    QProcess host;
    host.setProcessChannelMode(QProcess::MergedChannels);
    host.start(QStringLiteral(HOST),
               { QStringLiteral(PLUGIN), QStringLiteral("30"), QStringLiteral(KIND) });
    QVERIFY(host.waitForFinished(int(std::chrono::milliseconds(TestSupport::patience).count())));
    const QByteArray output = host.readAll();
    QVERIFY2(host.exitStatus() == QProcess::NormalExit, output.constData());
    QVERIFY2(host.exitCode() == 0, output.constData());
}

void tst_plugin::unloadedByAProcessOfTheTree()
{
    QList<GoProcess::ProcessError> errors;
    for (int round = 0; round < 20; ++round) {
        QPluginLoader loader;
        loader.setLoadHints({}); // newer Qt heeds them only before the name
        loader.setFileName(QStringLiteral(PLUGIN));
        auto *plugin = qobject_cast<TestPlugin *>(loader.instance());
        QVERIFY2(plugin, qPrintable(loader.errorString()));
        plugin->start(false);
        plugin->leaveExceptions();
        auto *process = qobject_cast<Process *>(plugin->process());
        QVERIFY(process);

        Process root;
        root.setName(QStringLiteral("host"));
        Process unloader(
                [&] {
                    plugin->stop();
                    root.forgetExceptions();
                    CHECK(loader.unload());
                },
                &root);
        QVERIFY(unloader.waitFor(process));
        QVERIFY(root.addChild(process));
        root.close();
        QTRY_VERIFY(root.isClosed());
        errors = root.treeErrors();
        QCOMPARE(errors.size(), 1);
        QVERIFY(errors.first().path.endsWith(QLatin1String("/plugin/failing")));
        QCOMPARE(errors.first().error.message(), QStringLiteral("the plugin has failed"));
        QVERIFY(!errors.first().error.exception());
    }
}

QTEST_GUILESS_MAIN(tst_plugin)
#include "tst_plugin.moc"
