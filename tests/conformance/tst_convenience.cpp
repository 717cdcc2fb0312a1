// SPDX-License-Identifier: MIT
// What saves a line: names in the constructor, works with a const process, literals as errors.

#include "support/messages.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QDeadlineTimer>
#include <QTest>

using GoProcess::Error;
using GoProcess::Process;

class tst_convenience : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    static void initTestCase() { TestSupport::begin(); }
    static void cleanup() { TestSupport::verify(); }

    static void namedByTheConstructor();
    static void namedInTheFirstRefusal();
    static void constructorsStayUnambiguous();
    static void worksTakeAConstProcess();
    static void literalsAreErrors();
};

void tst_convenience::namedByTheConstructor()
{
    bool tornDown = false;
    Process root(QStringLiteral("app"));
    auto *child = new Process(QStringLiteral("net"), &root);
    Process withTeardown(
            QStringLiteral("db"), [&tornDown] { tornDown = true; }, &root);
    QCOMPARE(root.name(), QStringLiteral("app"));
    QCOMPARE(root.objectName(), QStringLiteral("app"));
    QCOMPARE(child->path(), QStringLiteral("/app/net"));
    QCOMPARE(child->parent(), &root);
    QCOMPARE(withTeardown.path(), QStringLiteral("/app/db"));
    QVERIFY(!root.closeAndWait());
    QVERIFY(tornDown);
    QVERIFY(child->isClosed());
}

void tst_convenience::namedInTheFirstRefusal()
{
    Process root(QStringLiteral("app"));
    root.closeAndWait();
    const TestSupport::ExpectWarning warning(
            QStringLiteral("addChild\\(\\) of process \"/app\" refused.*\"/late\""));
    Process late(QStringLiteral("late"), &root); // R44
    QVERIFY(late.isClosing());
}

void tst_convenience::constructorsStayUnambiguous()
{
    QObject owner;
    Process none(nullptr);
    const Process braces({});
    auto *owned = new Process(&owner);
    Process nameless(QString {});
    Process noParent(QStringLiteral("name"), nullptr);
    QCOMPARE(owned->parent(), &owner);
    QVERIFY(nameless.name().isEmpty());
    QVERIFY(noParent.name() == QLatin1String("name"));
    QVERIFY(none.name().isEmpty() && braces.name().isEmpty());
}

void tst_convenience::worksTakeAConstProcess()
{
    Process root;
    const auto work = root.go([](const Process &self) -> Error {
        const bool closing = self.waitForClosing();
        const bool closed = self.waitForClosed(QDeadlineTimer(TestSupport::patience));
        return closing && !closed ? Error() : Error("closed inside of its own work");
    });
    const TestSupport::ExpectWarning warning(QStringLiteral("waitForClosed\\(\\).*refused")); // R39
    QVERIFY(!root.closeAndWait());
}

void tst_convenience::literalsAreErrors()
{
    Process root([]() -> Error { return "of a teardown: \u00e9"; });
    const auto work = root.go([]() -> Error { return QStringLiteral("of a work"); });
    QCOMPARE(root.closeAndWait().message(), QStringLiteral("of a teardown: \u00e9"));
    QCOMPARE(work->error().message(), QStringLiteral("of a work"));
    const char *const text = nullptr;
    QVERIFY(Error(text).isError());
    QCOMPARE(Error("").message(), Error(QString()).message());
}

QTEST_GUILESS_MAIN(tst_convenience)
#include "tst_convenience.moc"
