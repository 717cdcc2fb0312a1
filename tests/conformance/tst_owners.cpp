// SPDX-License-Identifier: MIT
// Processes whose QObject parent is no Process: a parent that destroys its members first and an
// open process last is told of it.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/eventlog.h"
#include "support/messages.h"

#include <GoProcess/GoProcess>

#include <QTest>
#include <QTimer>

#include <memory>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::Process;

namespace {

/// Has a member that the teardown uses.
class Document : public QObject
{
public:
    explicit Document(EventLog &log) : m_process(new Process(this)), m_log(log)
    {
        m_process->setName(u"document"_s);
    }
    Q_DISABLE_COPY_MOVE(Document)
    ~Document() override
    {
        if (closesFirst)
            m_process->closeAndWait();
        m_log.add(u"members go"_s);
    }

    Process &process() { return *m_process; }

    bool closesFirst = false;

private:
    Process *const m_process;
    EventLog &m_log;
};

const QString leftOpen =
        u"Process \"/document\" was left open by its QObject parent of class .*Document"_s;

} // namespace

class tst_Owners : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void aTeardownIsToldOf();
    void aConnectionIsToldOf();
    void withoutEitherThereIsNothingToTell();
    void closingFirstIsRight();
    void deletedByHandIsRight();
    void aPlainParentHasNoMembers();
};

void tst_Owners::aTeardownIsToldOf()
{
    const ExpectWarning warning(leftOpen);
    EventLog log;
    {
        Document document(log);
        document.process().setTeardown(log.teardown(u"document"_s));
    }
    QVERIFY(log.compare(
            { u"members go"_s, u"teardown document"_s })); // it is closed all the same (R41)
}

void tst_Owners::aConnectionIsToldOf()
{
    const ExpectWarning warning(leftOpen);
    EventLog log;
    {
        Document document(log);
        log.watch(document.process());
    }
    QVERIFY(log.compare({ u"members go"_s, u"closing document"_s, u"closed document"_s }));
}

void tst_Owners::withoutEitherThereIsNothingToTell()
{
    EventLog log;
    {
        const Document document(log);
    }
    QVERIFY(log.compare({ u"members go"_s }));
}

void tst_Owners::closingFirstIsRight()
{
    EventLog log;
    {
        Document document(log);
        document.process().setTeardown(log.teardown(u"document"_s));
        document.closesFirst = true;
    }
    QVERIFY(log.compare({ u"teardown document"_s, u"members go"_s }));
}

void tst_Owners::deletedByHandIsRight()
{
    EventLog log;
    {
        Document document(log);
        auto *const other = new Process(log.teardown(u"other"_s), &document);
        delete other;
    }
    QVERIFY(log.compare({ u"teardown other"_s, u"members go"_s }));
}

void tst_Owners::aPlainParentHasNoMembers()
{
    EventLog log;
    {
        QObject owner;
        new Process(log.teardown(u"p"_s), &owner);
    }
    QVERIFY(log.compare({ u"teardown p"_s }));
}

QTEST_GUILESS_MAIN(tst_Owners)

#include "tst_owners.moc"
