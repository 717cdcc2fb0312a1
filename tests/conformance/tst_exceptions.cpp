// SPDX-License-Identifier: MIT
// Errors that keep an exception, until they are told to forget it.

#include "support/messages.h"

#include <GoProcess/GoProcess>

#include <atomic>
#include <system_error>
#include <thread>

#include <QTest>

using GoProcess::Error;
using GoProcess::Process;

namespace {

std::atomic<int> alive = 0;

class Counted : public std::system_error
{
public:
    Counted() : std::system_error(std::make_error_code(std::errc::no_space_on_device), "disk")
    {
        ++alive;
    }
    Counted(const Counted &other) : std::system_error(other) { ++alive; }
    Counted(Counted &&) = delete;
    Counted &operator=(const Counted &) = delete;
    Counted &operator=(Counted &&) = delete;
    ~Counted() override { --alive; }
};

} // namespace

class tst_exceptions : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    static void initTestCase() { TestSupport::begin(); }
    static void cleanup() { TestSupport::verify(); }

    static void forgettingKeepsTextAndCode();
    static void forgettingInOneThreadWhileAnotherAsks();
};

void tst_exceptions::forgettingKeepsTextAndCode()
{
    Process root;
    const auto work = root.go(QStringLiteral("save"), [] { throw Counted(); });
    Process other([] { throw Counted(); }, &root);
    root.closeAndWait();
    const Error copy = work->error();
    const auto text = copy.message();
    QVERIFY(text.startsWith(QLatin1String("disk")));
    QVERIFY(copy.exception());
    QCOMPARE(alive.load(), 2);

    root.forgetExceptions();
    QCOMPARE(alive.load(), 0);
    QVERIFY(!copy.exception());
    QCOMPARE(copy, work->error());
    QVERIFY(copy.isError());
    QCOMPARE(copy.message(), text);
    QVERIFY(copy.code() == std::errc::no_space_on_device);
    QCOMPARE(root.treeErrors().size(), 2);
    QCOMPARE(root.treeErrorCount(), 2);
    QCOMPARE(root.treeErrors().constFirst().error.message(), text);
    QVERIFY(other.error());
    root.forgetExceptions(); // once more forgets nothing
    Process().forgetExceptions();
    QCOMPARE(root.treeErrors().size(), 2);
}

void tst_exceptions::forgettingInOneThreadWhileAnotherAsks()
{
    for (int round = 0; round < 50; ++round) {
        Process root;
        root.go([] { throw Counted(); });
        root.closeAndWait();
        const Error error = root.treeErrors().constFirst().error;
        std::thread asker([error] {
            for (int i = 0; i < 100; ++i) {
                if (const std::exception_ptr exception = error.exception())
                    CHECK(Error::fromException(exception).message() == error.message());
            }
        });
        root.forgetExceptions();
        asker.join();
        QVERIFY(!error.exception());
    }
    QCOMPARE(alive.load(), 0);
}

QTEST_GUILESS_MAIN(tst_exceptions)
#include "tst_exceptions.moc"
