// SPDX-License-Identifier: MIT
// Processes without memory. Alone in its program, as it replaces what allocates.

#include "support/family.h"
#include "support/messages.h"
#include "support/testallocator.h"

#include <GoProcess/GoProcess>

#include <QObject>
#include <QString>
#include <QTest>

using GoProcess::Process;

using TestSupport::ExpectWarning;
using TestSupport::Family;

class NoMemory : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void cleanup();

    void r15_anEdgeWithoutMemoryIsRefused();
};

void NoMemory::initTestCase()
{
    TestSupport::begin();
}

void NoMemory::cleanup()
{
    TestSupport::verify();
}

void NoMemory::r15_anEdgeWithoutMemoryIsRefused()
{
    using Add = bool (Process::*)(Process *);
    for (const Add add : { &Process::addChild, &Process::addChildNoWait, &Process::waitFor }) {
        int failed = 0;
        for (bool accepted = false; !accepted;) {
            Family family;
            Process &upper = family.add(QStringLiteral("upper"));
            Process &lower = family.add(QStringLiteral("lower"));
            Process &other = family.add(QStringLiteral("other"));
            // So that the edge is not the first one of the lower process, which costs nothing.
            QVERIFY(other.addChild(&lower));
            const ExpectWarning refused(QStringLiteral("/upper.*no memory.*/other/lower"), 0, 1);
            allocationsAllowed = failed;
            accepted = (upper.*add)(&lower);
            allocationsAllowed = -1;
            QCOMPARE(refused.count(), accepted ? 0 : 1);
            QVERIFY(!upper.isClosing());
            QVERIFY(!lower.isClosing());
            failed += accepted ? 0 : 1;
            QVERIFY((upper.*add)(&lower));
            lower.close();
            QVERIFY(!upper.closeAndWait());
        }
        QVERIFY(failed > 0);
    }
}

QTEST_GUILESS_MAIN(NoMemory)
#include "tst_nomemory.moc"
