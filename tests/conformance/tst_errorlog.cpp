// SPDX-License-Identifier: MIT
// Errors that the program has not asked for are logged once, when it cannot ask for them any more.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/messages.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QTest>

#include <functional>
#include <memory>
#include <stdexcept>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::Error;
using GoProcess::Process;
using GoProcess::ProcessPtr;

static Error diskFull()
{
    return Error(u"disk full"_s);
}

class tst_ErrorLog : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void aWorkWithoutAParent();
    void aWorkBelowAProcessThatIsDestroyed();
    void aTeardownInTheDestructor();
    void onceForAWholeTree();
    void whoAsksIsNotTold_data();
    void whoAsksIsNotTold();
    void whoAsksTheChildIsNotTold();
    void whoIgnoresTheTreeIsTold();
    void aParentThatKeepsItIsAsked();
    void theListIsBounded();
};

/// The pointer was dropped, so it is told when the work has failed, and no event loop is needed.
void tst_ErrorLog::aWorkWithoutAParent()
{
    const ExpectWarning warning(u"Process \"/upload\" goes.*\\n  /upload: disk full$"_s);
    GoProcess::go(u"upload"_s, [] { throw std::runtime_error("disk full"); });
    QVERIFY(pollUntil([&] { return warning.count() == 1; }));
    deliver();
}

void tst_ErrorLog::aWorkBelowAProcessThatIsDestroyed()
{
    const ExpectWarning warning(u"Process \"/document\" goes.*\\n  /document/backup: disk full$"_s);
    Process document;
    document.setName(u"document"_s);
    document.go(u"backup"_s, [] { throw std::runtime_error("disk full"); });
}

void tst_ErrorLog::aTeardownInTheDestructor()
{
    const ExpectWarning warning(u"Process \"/p\" goes.*\\n  /p: disk full$"_s);
    Process process([] { return diskFull(); });
    process.setName(u"p"_s);
}

void tst_ErrorLog::onceForAWholeTree()
{
    const ExpectWarning warning(
            u"Process \"/root\" goes.*\\n  /root/a/b: disk full\\n  /root/a: disk full\\n  /root: disk full$"_s);
    Process root([] { return diskFull(); });
    root.setName(u"root"_s);
    auto *const a = new Process([] { return diskFull(); }, &root);
    a->setName(u"a"_s);
    auto *const b = new Process([] { return diskFull(); }, a);
    b->setName(u"b"_s);
}

void tst_ErrorLog::whoAsksIsNotTold_data()
{
    using Ask = std::function<void(Process &)>;
    QTest::addColumn<Ask>("ask");
    QTest::newRow("error()") << Ask([](Process &p) {
        p.close();
        QVERIFY(p.waitForClosed(soon()));
        QVERIFY(p.error());
    });
    QTest::newRow("property") << Ask([](Process &p) {
        p.close();
        QVERIFY(p.waitForClosed(soon()));
        QVERIFY(p.property("error").value<Error>());
    });
    QTest::newRow("closeAndWait()") << Ask([](Process &p) { QVERIFY(p.closeAndWait()); });
    QTest::newRow("treeErrors()") << Ask([](Process &p) {
        p.close();
        QVERIFY(p.waitForClosed(soon()));
        QCOMPARE(p.treeErrors().size(), 1);
    });
    QTest::newRow("treeErrorCount()") << Ask([](Process &p) {
        p.close();
        QVERIFY(p.waitForClosed(soon()));
        QCOMPARE(p.treeErrorCount(), 1);
    });
    QTest::newRow("whenClosed()") << Ask([](Process &p) { p.whenClosed(); });
    QTest::newRow("whenClosed() of a Closed one") << Ask([](Process &p) {
        p.close();
        QVERIFY(p.waitForClosed(soon()));
        QVERIFY(p.whenClosed().result());
    });
}

void tst_ErrorLog::whoAsksIsNotTold()
{
    QFETCH(const std::function<void(Process &)>, ask);
    Process process([] { return diskFull(); });
    ask(process);
}

void tst_ErrorLog::whoAsksTheChildIsNotTold()
{
    Process root;
    const ProcessPtr work = root.go([] { return diskFull(); });
    QVERIFY(work->waitForClosed(soon()));
    QVERIFY(work->error());
}

/// closeAndWait() has told of the root only.
void tst_ErrorLog::whoIgnoresTheTreeIsTold()
{
    const ExpectWarning warning(u"\\n  /root/upload: disk full$"_s);
    Process root;
    root.setName(u"root"_s);
    root.go(u"upload"_s, [] { return diskFull(); });
    QVERIFY(!root.closeAndWait());
}

void tst_ErrorLog::aParentThatKeepsItIsAsked()
{
    Process root;
    {
        Process child([] { return diskFull(); });
        QVERIFY(root.addChild(&child));
    }
    QCOMPARE(root.treeErrors().size(), 1);
}

void tst_ErrorLog::theListIsBounded()
{
    const ExpectWarning warning(
            u"goes(?=.*asked)[^\\n]*(\\n  /root/#[^\\n]*){20}\\n  and 10 more$"_s);
    Process root;
    root.setName(u"root"_s);
    for (int i = 0; i < 30; ++i)
        new Process([] { return diskFull(); }, &root);
}

QTEST_GUILESS_MAIN(tst_ErrorLog)

#include "tst_errorlog.moc"
