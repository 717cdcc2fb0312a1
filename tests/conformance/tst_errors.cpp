// SPDX-License-Identifier: MIT
// Errors: the own one, exceptions, and those below (R25 to R27). Each test is named after its rule.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "rulesupport.h"
#include "support/eventlog.h"
#include "support/family.h"
#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QException>
#include <QFuture>
#include <QList>
#include <QString>
#include <QStringList>
#include <QTest>
#include <QThreadPool>

#include <functional>
#include <memory>
#include <stdexcept>
#include <system_error>

using namespace Qt::StringLiterals;
using namespace TestSupport;
using GoProcess::Error;
using GoProcess::Process;
using GoProcess::ProcessError;
using GoProcess::ProcessPtr;
using State = GoProcess::Process::State;

namespace {

/// The paths of some errors, sorted.
QStringList sortedPaths(const QList<ProcessError> &errors)
{
    QStringList paths;
    for (const ProcessError &error : errors)
        paths << error.path;
    paths.sort();
    return paths;
}

} // namespace

class tst_Errors : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void r25_emptyUntilClosed();
    void r25_errorOfTheTeardown();
    void r25_errorOfTheWork();
    void r25_workBeforeTeardown();
    void r25_teardownAfterAWorkWithoutError();
    void r25_closeAndWaitReturnsItEveryTime();
    void r25_noErrorStaysNone();
    void errorIsAValue();
    void errorOfAnException_data();
    void errorOfAnException();

    void r26_exceptionsOfTeardowns_data();
    void r26_exceptionsOfTeardowns();
    void r26_exceptionsOfWorks_data();
    void r26_exceptionsOfWorks();
    void r26_exceptionIsKept();
    void r26_exceptionBeforeAFuture();
    void r26_neverReachesTheEventLoop();

    void r27_listsItselfAndAllBelow();
    void r27_nothingFailed();
    void r27_overADiamondOnce();
    void r27_pathByTheFirstParent();
    void r27_recordedWhenTheChildCloses();
    void r27_keptAfterTheChildIsGone();
    void r27_onlyOverWaitingChildEdges();
    void r27_worksToo();
    void r27_the250FailuresAreCountedAndThe100Kept();
};

// R25 — error() is empty until Closed, then the error of the work or of the teardown, for ever.

void tst_Errors::r25_emptyUntilClosed()
{
    EventLog log;
    Counter returning;
    Family family;
    Process &p = family.add(u"p"_s);
    const auto expectNone = [&] { CHECK(!p.error()); };
    connect(&p, &Process::closing, this, expectNone);
    connect(&p, &Process::closed, this, [&] {
        CHECK(p.error().message() == u"failed");
        log.add(u"closed"_s);
    });
    QVERIFY(p.setTeardown([&] {
        expectNone();
        return Error(u"failed"_s);
    }));
    expectNone();
    p.close();
    expectNone();
    QVERIFY(p.waitForClosed(soon()));
    QCOMPARE(p.error().message(), u"failed"_s);
    QCOMPARE(log.take(), (QStringList { u"closed"_s }));

    // A work that has failed waits for its children first.
    Process &below = family.add(u"below"_s);
    const ProcessPtr work = GoProcess::go([&](Process &self) {
        CHECK(self.addChild(&below));
        returning.add();
        return Error(u"failed"_s);
    });
    QVERIFY(returning.waitFor(1));
    QVERIFY(!work->waitForClosed(now()));
    QVERIFY(!work->error());
    QVERIFY(!below.closeAndWait());
    QVERIFY(work->waitForClosed(soon()));
    QCOMPARE(work->error().message(), u"failed"_s);
}

void tst_Errors::r25_errorOfTheTeardown()
{
    const std::error_code code = std::make_error_code(std::errc::no_space_on_device);
    Process p([=] { return Error(code); });
    QVERIFY(p.closeAndWait());
    QCOMPARE(p.error(), Error(code));
    QVERIFY(p.error().code() == code);
}

void tst_Errors::r25_errorOfTheWork()
{
    const ProcessPtr work = GoProcess::go([] { return Error(u"failed"_s); });
    QVERIFY(work->waitForClosed(soon()));
    QCOMPARE(work->error().message(), u"failed"_s);
    QCOMPARE(work->closeAndWait().message(), u"failed"_s);
}

void tst_Errors::r25_workBeforeTeardown()
{
    EventLog log;
    const ProcessPtr work = GoProcess::go([&](Process &self) {
        CHECK(self.setTeardown([&] {
            log.add(u"teardown"_s);
            return Error(u"of the teardown"_s);
        }));
        return Error(u"of the work"_s);
    });
    QVERIFY(work->waitForClosed(soon()));
    QCOMPARE(log.take(), (QStringList { u"teardown"_s }));
    QCOMPARE(work->error().message(), u"of the work"_s);
}

void tst_Errors::r25_teardownAfterAWorkWithoutError()
{
    const ProcessPtr work = GoProcess::go([](Process &self) {
        CHECK(self.setTeardown([] { return Error(u"of the teardown"_s); }));
        return Error();
    });
    QVERIFY(work->waitForClosed(soon()));
    QCOMPARE(work->error().message(), u"of the teardown"_s);
}

void tst_Errors::r25_closeAndWaitReturnsItEveryTime()
{
    Process p([] { return Error(u"failed"_s); });
    const Error first = p.closeAndWait();
    QCOMPARE(first.message(), u"failed"_s);
    for (int i = 0; i < 3; ++i)
        QCOMPARE(p.closeAndWait(), first);
    Thread([&] { CHECK(p.closeAndWait() == first); }).join();
    QCOMPARE(p.error(), first);
}

void tst_Errors::r25_noErrorStaysNone()
{
    Family family;
    Process &p = family.add(u"p"_s, [] { return Error(); });
    Process &child = family.add(u"child"_s, [] { return Error(u"failed"_s); });
    QVERIFY(p.addChild(&child));
    // The error of a child is its own (R27 lists it).
    QVERIFY(!p.closeAndWait());
    QVERIFY(!p.error());
    QVERIFY(child.error());
}

// R26 — An exception that leaves a teardown or a work becomes the process's Error (with the
// exception kept).

namespace {

using Throw = std::function<void()>;

void addExceptions()
{
    QTest::addColumn<Throw>("function");
    QTest::addColumn<QString>("message");
    const auto add = [](const char *name, const QString &message, const Throw &function) {
        QTest::newRow(name) << function << message;
    };
    add("std::exception", u"thrown"_s, [] { throw std::runtime_error("thrown"); });
    add("std::system_error", QString(),
        [] { throw std::system_error(std::make_error_code(std::errc::timed_out), "thrown"); });
    add("Error", u"failed"_s, [] { throw Error(u"failed"_s); });
    add("QString", u"text"_s, [] { throw QString(u"text"_s); });
    add("int", QString(), [] { throw 42; });
    add("QException", QString(), [] { throw QException(); });
}

} // namespace

void tst_Errors::errorIsAValue()
{
    const Error none;
    QVERIFY(!none && !none.isError());
    QCOMPARE(none.message(), QString());
    QVERIFY(!none.code());
    QVERIFY(!none.exception());
    QVERIFY(!Error(std::error_code {}));
    QVERIFY(!Error::fromException(nullptr));

    const Error unknown { QString() };
    QVERIFY(unknown);
    QVERIFY(!unknown.message().isEmpty());
    QVERIFY(!unknown.code());

    const Error full(std::make_error_code(std::errc::no_space_on_device));
    QCOMPARE(full, Error(std::make_error_code(std::errc::no_space_on_device)));
    QVERIFY(full != Error(full.message())); // without the code
    QVERIFY(full != Error(std::make_error_code(std::errc::timed_out)));
    QVERIFY(full != none && none != full);
    QVERIFY(none == Error());
    const auto thrown = std::make_exception_ptr(std::runtime_error("thrown"));
    QVERIFY(Error::fromException(thrown) == Error::fromException(thrown));
    QVERIFY(Error::fromException(thrown) != Error(u"thrown"_s));

    QString text;
    QDebug(&text) << none << Error(u"failed"_s) << ProcessError { u"/app"_s, Error(u"late"_s) };
    QCOMPARE(text.simplified(),
             u"GoProcess::Error() GoProcess::Error(\"failed\") "
             "GoProcess::ProcessError(\"/app\", \"late\")"_s);
}

void tst_Errors::errorOfAnException_data()
{
    QTest::addColumn<std::exception_ptr>("exception");
    QTest::addColumn<QString>("message");

    QTest::newRow("of the standard")
            << std::make_exception_ptr(std::runtime_error("out of range")) << u"out of range"_s;
    QTest::newRow("text") << std::make_exception_ptr(u"a text"_s) << u"a text"_s;
    QTest::newRow("error") << std::make_exception_ptr(Error(u"an error"_s)) << u"an error"_s;
    QTest::newRow("no text") << std::make_exception_ptr(std::runtime_error(""))
                             << u"Unknown exception"_s;
    QTest::newRow("number") << std::make_exception_ptr(7) << u"Unknown exception"_s;
    QTest::newRow("wrapped by Qt") << std::make_exception_ptr(
            QUnhandledException(std::make_exception_ptr(std::runtime_error("inside"))))
                                   << u"inside"_s;
    QTest::newRow("of Qt, with nothing inside")
            << std::make_exception_ptr(QUnhandledException()) << u"Unknown exception"_s;
}

void tst_Errors::errorOfAnException()
{
    QFETCH(const std::exception_ptr, exception);
    QFETCH(const QString, message);
    const Error error = Error::fromException(exception);
    QVERIFY(error);
    QCOMPARE(error.message(), message);
    QVERIFY(error.exception());
}

void tst_Errors::r26_exceptionsOfTeardowns_data()
{
    addExceptions();
}

void tst_Errors::r26_exceptionsOfTeardowns()
{
    QFETCH(const Throw, function);
    QFETCH(const QString, message);
    EventLog log;
    Process p(function);
    p.setName(u"p"_s);
    log.watch(p);
    const Error error = p.closeAndWait();
    QVERIFY(error);
    QVERIFY(error.exception());
    QVERIFY(!error.message().isEmpty());
    if (!message.isEmpty())
        QCOMPARE(error.message(), message);
    QVERIFY(p.isClosed());
    QCOMPARE(p.error(), error);
    QCOMPARE(log.take(), (QStringList { u"closing p"_s, u"closed p"_s }));
}

void tst_Errors::r26_exceptionsOfWorks_data()
{
    addExceptions();
}

void tst_Errors::r26_exceptionsOfWorks()
{
    QFETCH(const Throw, function);
    QFETCH(const QString, message);
    Family family;
    Process &p = family.add(u"p"_s);
    QThreadPool pool;
    for (QThreadPool *const used : { static_cast<QThreadPool *>(nullptr), &pool }) {
        p.setThreadPool(used);
        const ProcessPtr work = p.go(function);
        QVERIFY(work->waitForClosed(soon()));
        const Error error = work->error();
        QVERIFY(error);
        QVERIFY(error.exception());
        QVERIFY(!error.message().isEmpty());
        if (!message.isEmpty())
            QCOMPARE(error.message(), message);
    }
    QVERIFY(!p.closeAndWait());
    QVERIFY(pool.waitForDone());
}

void tst_Errors::r26_exceptionIsKept()
{
    Process p([] { throw 42; });
    bool caught = false;
    try {
        std::rethrow_exception(p.closeAndWait().exception());
    } catch (int value) {
        caught = value == 42;
    }
    QVERIFY(caught);

    const ProcessPtr work = GoProcess::go(
            [] { throw std::system_error(std::make_error_code(std::errc::timed_out)); });
    QVERIFY(work->waitForClosed(soon()));
    QVERIFY(work->error().code() == std::make_error_code(std::errc::timed_out));
    QVERIFY_THROWS_EXCEPTION(std::system_error, std::rethrow_exception(work->error().exception()));
}

void tst_Errors::r26_exceptionBeforeAFuture()
{
    Process p;
    QVERIFY(p.setTeardown([]() -> QFuture<Error> { throw std::runtime_error("thrown"); },
                          [] { fail(u"finish was called"_s); }));
    QCOMPARE(p.closeAndWait().message(), u"thrown"_s);
}

void tst_Errors::r26_neverReachesTheEventLoop()
{
    Family family;
    Process &parent = family.add(u"parent"_s);
    Process &p = family.add(u"p"_s, [] { throw std::runtime_error("thrown"); });
    Process &sibling = family.add(u"sibling"_s);
    QVERIFY(parent.addChild(&p));
    QVERIFY(parent.addChild(&sibling));
    parent.close();
    QTRY_VERIFY(parent.isClosed());
    QVERIFY(sibling.isClosed());
    QCOMPARE(p.error().message(), u"thrown"_s);

    EventLoopThread home;
    auto remote = home.run(
            [] { return std::make_unique<Process>([] { throw std::runtime_error("thrown"); }); });
    QCOMPARE(remote->closeAndWait().message(), u"thrown"_s);
    home.run([&] { remote.reset(); });
}

// R27 — treeErrors() lists, over waiting child edges, every failed process, itself included, once
// each.

void tst_Errors::r27_listsItselfAndAllBelow()
{
    Family family;
    const auto failing = [&](const QString &name) -> Process & {
        return family.add(name, [=] { return Error(u"error of "_s + name); });
    };
    Process &root = failing(u"root"_s);
    Process &good = family.add(u"good"_s);
    Process &bad = failing(u"bad"_s);
    Process &leaf = failing(u"leaf"_s);
    Process &other = failing(u"other"_s);
    QVERIFY(root.addChild(&good));
    QVERIFY(root.addChild(&other));
    QVERIFY(good.addChild(&bad));
    QVERIFY(bad.addChild(&leaf));
    QVERIFY(root.closeAndWait());

    QCOMPARE(root.treeErrorCount(), 4);
    const QList<ProcessError> errors = root.treeErrors();
    QCOMPARE(sortedPaths(errors),
             (QStringList { u"/root"_s, u"/root/good/bad"_s, u"/root/good/bad/leaf"_s,
                            u"/root/other"_s }));
    for (const ProcessError &error : errors) {
        QCOMPARE(error.error.message(), u"error of "_s + error.path.section(u'/', -1));
    }
    QCOMPARE(sortedPaths(good.treeErrors()),
             (QStringList { u"/root/good/bad"_s, u"/root/good/bad/leaf"_s }));
    QCOMPARE(sortedPaths(leaf.treeErrors()), (QStringList { u"/root/good/bad/leaf"_s }));
    QCOMPARE(good.treeErrorCount(), 2);
    QCOMPARE(leaf.treeErrorCount(), 1);
}

void tst_Errors::r27_nothingFailed()
{
    Family family;
    Process &root = family.add(u"root"_s);
    Process &child = family.add(u"child"_s);
    QVERIFY(root.addChild(&child));
    QCOMPARE(root.treeErrorCount(), 0);
    QVERIFY(!root.closeAndWait());
    QCOMPARE(root.treeErrorCount(), 0);
    QVERIFY(root.treeErrors().isEmpty());
}

void tst_Errors::r27_overADiamondOnce()
{
    Family family;
    Process &top = family.add(u"top"_s);
    Process &left = family.add(u"left"_s);
    Process &right = family.add(u"right"_s);
    Process &bottom = family.add(u"bottom"_s, [] { return Error(u"failed"_s); });
    QVERIFY(top.addChild(&left));
    QVERIFY(top.addChild(&right));
    QVERIFY(left.addChild(&bottom));
    QVERIFY(right.addChild(&bottom));
    QVERIFY(top.addChild(&bottom));
    QVERIFY(!top.closeAndWait());
    for (const Process *const process : { &top, &left, &right, &bottom }) {
        QCOMPARE(process->treeErrorCount(), 1);
        QCOMPARE(sortedPaths(process->treeErrors()), (QStringList { u"/top/left/bottom"_s }));
    }
}

void tst_Errors::r27_pathByTheFirstParent()
{
    Family family;
    Process &first = family.add(u"first"_s);
    Process &second = family.add(u"second"_s);
    Process &child = family.add(u"child"_s, [] { return Error(u"failed"_s); });
    QVERIFY(first.addChild(&child));
    QVERIFY(second.addChild(&child));
    QVERIFY(!second.closeAndWait());
    QCOMPARE(sortedPaths(second.treeErrors()), (QStringList { u"/first/child"_s }));
    QCOMPARE(sortedPaths(first.treeErrors()), (QStringList { u"/first/child"_s }));
}

void tst_Errors::r27_recordedWhenTheChildCloses()
{
    Family family;
    Process &root = family.add(u"root"_s);
    Process &child = family.add(u"child"_s, [] { return Error(u"failed"_s); });
    QVERIFY(root.addChild(&child));
    QVERIFY(child.closeAndWait());
    QCOMPARE(root.state(), State::Running);
    QTRY_COMPARE(root.treeErrorCount(), 1);
    // As it was then.
    child.setName(u"renamed"_s);
    QCOMPARE(sortedPaths(root.treeErrors()), (QStringList { u"/root/child"_s }));
    // One that had failed before it was added is not.
    Process &early = family.add(u"early"_s, [] { return Error(u"failed"_s); });
    QVERIFY(early.closeAndWait());
    QVERIFY(root.addChild(&early));
    QVERIFY(!root.closeAndWait());
    QCOMPARE(root.treeErrorCount(), 1);
}

void tst_Errors::r27_keptAfterTheChildIsGone()
{
    Family family;
    Process &root = family.add(u"root"_s);
    {
        Process child([] { return Error(u"failed"_s); });
        child.setName(u"child"_s);
        QVERIFY(root.addChild(&child));
    }
    QCOMPARE(root.treeErrorCount(), 1);
    QVERIFY(!root.closeAndWait());
    QCOMPARE(sortedPaths(root.treeErrors()), (QStringList { u"/root/child"_s }));
    QCOMPARE(root.treeErrors().constFirst().error.message(), u"failed"_s);
}

void tst_Errors::r27_onlyOverWaitingChildEdges()
{
    Family family;
    Process &root = family.add(u"root"_s);
    Process &noWait = family.add(u"noWait"_s, [] { return Error(u"failed"_s); });
    Process &other = family.add(u"other"_s, [] { return Error(u"failed"_s); });
    QVERIFY(root.addChildNoWait(&noWait));
    QVERIFY(root.waitFor(&other));
    QVERIFY(noWait.closeAndWait());
    QVERIFY(other.closeAndWait());
    QVERIFY(!root.closeAndWait());
    QCOMPARE(root.treeErrorCount(), 0);
    QCOMPARE(other.treeErrorCount(), 1);
}

void tst_Errors::r27_worksToo()
{
    Family family;
    Process &root = family.add(u"root"_s);
    // The program does not keep what go returns.
    root.go(u"returns"_s, [] { return Error(u"failed"_s); });
    root.go(u"throws"_s, [] { throw std::runtime_error("thrown"); });
    root.go(u"nested"_s,
            [](Process &self) { self.go(u"inner"_s, [] { return Error(u"failed"_s); }); });
    QVERIFY(!root.closeAndWait());
    QCOMPARE(sortedPaths(root.treeErrors()),
             (QStringList { u"/root/nested/inner"_s, u"/root/returns"_s, u"/root/throws"_s }));
    QCOMPARE(root.treeErrorCount(), 3);
}

void tst_Errors::r27_the250FailuresAreCountedAndThe100Kept()
{
    Family family;
    Process &top = family.add(u"top"_s);
    Process &root = family.add(u"root"_s);
    QVERIFY(top.addChild(&root));
    for (int i = 0; i < 250; ++i) {
        Process &child =
                family.add(u'c' + QString::number(i), [=] { return Error(QString::number(i)); });
        QVERIFY(root.addChild(&child));
        QVERIFY(child.closeAndWait());
    }
    QVERIFY(!top.closeAndWait());
    for (const Process *const process : { &root, &top }) {
        QCOMPARE(process->treeErrorCount(), 250);
        const QList<ProcessError> errors = process->treeErrors();
        QCOMPARE(errors.size(), 100);
        // The first: those that closed first.
        for (int i = 0; i < 100; ++i) {
            QCOMPARE(errors[i].path, u"/top/root/c"_s + QString::number(i));
            QCOMPARE(errors[i].error.message(), QString::number(i));
        }
    }
}

QTEST_GUILESS_MAIN(tst_Errors)

#include "tst_errors.moc"
