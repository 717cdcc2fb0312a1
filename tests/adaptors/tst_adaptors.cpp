// SPDX-License-Identifier: MIT
// adopt() of anything: its arguments, owners and parents.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QPointer>
#include <QTest>
#include <QThread>
#include <QThreadPool>

#include <memory>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::adopt;
using GoProcess::Process;
using GoProcess::ProcessPtr;

class tst_Adaptors : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void nullIsRefused();
    void theParentOwns();
    void withoutAParentTheCallerOwns();
    void underAClosingParent();
    void insideAWorkUnderAClosingParent();
};

// --- All -----------------------------------------------------------------------------------------

void tst_Adaptors::nullIsRefused()
{
    Process parent;
    parent.setName(u"parent"_s);
    const ExpectWarning refused(u"^adopt\\(\\).*/parent.*refused.*null"_s, 3);
    QVERIFY(!adopt(static_cast<QThread *>(nullptr), &parent));
    QVERIFY(!adopt(static_cast<QThreadPool *>(nullptr), &parent));
    QVERIFY(!adopt(static_cast<QIODevice *>(nullptr), &parent));
    const ExpectWarning withoutParent(u"^adopt\\(\\) refused.*null"_s);
    QVERIFY(!adopt(static_cast<QThread *>(nullptr)));
    QVERIFY(parent.children().isEmpty());
}

void tst_Adaptors::theParentOwns()
{
    QThreadPool pool;
    QPointer<Process> process;
    {
        Process parent;
        process = adopt(&pool, &parent);
        QCOMPARE(process->parent(), &parent);
        QVERIFY(!parent.closeAndWait());
        QVERIFY(process->isClosed()); // a child as well
    }
    QVERIFY(!process);
    {
        QObject parent;
        process = adopt(&pool, &parent);
        QVERIFY(!process->isClosing());
    }
    QVERIFY(!process);
}

void tst_Adaptors::withoutAParentTheCallerOwns()
{
    QThreadPool pool;
    const std::unique_ptr<Process> process(adopt(&pool));
    QVERIFY(!process->parent());
    QVERIFY(!process->closeAndWait());
}

void tst_Adaptors::underAClosingParent()
{
    Process parent;
    QVERIFY(!parent.closeAndWait());
    EventLoopThread thread;
    const ExpectWarning refused(u"addChild.*Closed"_s);
    Process *process = adopt(&thread, &parent);
    QVERIFY(process);
    QVERIFY(process->waitForClosed(soon()));
    QVERIFY(thread.wait(soon()));
}

void tst_Adaptors::insideAWorkUnderAClosingParent()
{
    Process parent;
    const GoProcess::Hold hold = parent.hold();
    parent.close();
    const ProcessPtr work = GoProcess::go([&] {
        for (int i = 0; i < 200; ++i) {
            QThreadPool pool;
            const std::unique_ptr<Process> process(adopt(&pool, &parent));
            CHECK(process->waitForClosed(soon()));
            CHECK(!process->error());
        }
    });
    QVERIFY(work->waitForClosed(soon()));
}

QTEST_MAIN(tst_Adaptors)

#include "tst_adaptors.moc"
