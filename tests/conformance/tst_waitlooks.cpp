// SPDX-License-Identifier: MIT
// What a blocking wait looks at, beside the steps that it runs. Alone in its program, as it
// replaces what allocates: a look at everything that a wait waits for makes a list of that.

#include "support/messages.h"
#include "support/testallocator.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QObject>
#include <QPromise>
#include <QTest>
#include <QThread>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

using GoProcess::Process;

using namespace TestSupport;

class WaitLooks : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void r37_threadsThatComeAndGoDoNotMakeAWaitLookAtAll_data();
    void r37_threadsThatComeAndGoDoNotMakeAWaitLookAtAll();
    void r23_aWaitThatHasToFinishDoesSoWhileOthersClose();
};

void WaitLooks::r37_threadsThatComeAndGoDoNotMakeAWaitLookAtAll_data()
{
    QTest::addColumn<bool>("isStarted");
    QTest::newRow("that end") << true;
    QTest::newRow("that were not started") << false;
}

/// Another thread lets threads come and go while this one waits for many processes.
void WaitLooks::r37_threadsThatComeAndGoDoNotMakeAWaitLookAtAll()
{
    constexpr std::size_t open = 50000;
    constexpr int threads = 20;

    QFETCH(bool, isStarted);
    const ExpectWarning warning(QStringLiteral("was not started"), 0, threads);
    Process root;
    std::vector<std::unique_ptr<Process>> all;
    for (std::size_t i = 0; i < open; ++i) {
        all.push_back(std::make_unique<Process>());
        QVERIFY(root.addChild(all.back().get()));
    }
    std::size_t looked = 0;
    std::vector<std::unique_ptr<Process>> visitors; // at home in this thread
    for (int i = 0; i <= threads; ++i)
        visitors.push_back(std::make_unique<Process>([] {}));
    Thread other([&] {
        // One closes between two of the threads: the waiting thread has been awake, and has looked
        // around.
        for (int i = 0; i <= threads; ++i) {
            visitors[std::size_t(i)]->close();
            while (!visitors[std::size_t(i)]->isClosed())
                std::this_thread::yield();
            if (i == 0)
                looked = allocatedWatched.load(std::memory_order_relaxed);
            if (i == threads)
                break;
            if (isStarted) {
                Thread([] {
                    Process process([] {});
                    CHECK(!process.closeAndWait());
                }).join();
            } else {
                QThread thread;
                Process process([] {});
                process.moveToThread(&thread);
                CHECK(!process.closeAndWait());
            }
        }
        looked = allocatedWatched.load(std::memory_order_relaxed) - looked;
        root.close();
    });
    isWatched = true;
    QVERIFY(root.waitForClosed(soon()));
    isWatched = false;
    other.join();
    // One list of them all is as long.
    QVERIFY2(looked < open * sizeof(void *), qPrintable(QString::number(looked)));
}

/// Each of the others makes the next one due, so that there is always one, until the function was
/// called.
void WaitLooks::r23_aWaitThatHasToFinishDoesSoWhileOthersClose()
{
    constexpr std::size_t most = 200000;

    QPromise<void> promise;
    promise.start();
    bool hasFinished = false;
    std::vector<std::unique_ptr<Process>> others;
    std::function<void()> closeNext = [&] {
        if (hasFinished || others.size() == most)
            return;
        others.push_back(std::make_unique<Process>(std::cref(closeNext)));
        others.back()->close();
    };
    Process process;
    QVERIFY(process.setTeardown(
            [&] {
                closeNext();
                return promise.future();
            },
            [&] {
                hasFinished = true;
                promise.finish();
            }));
    const GoProcess::Error error = process.closeAndWait();
    // The last one may be due yet.
    for (const auto &other : others)
        QVERIFY(other->waitForClosed(soon()));
    QVERIFY(!error.isError());
    QVERIFY(hasFinished);
    QVERIFY(others.size() < most);
}

QTEST_GUILESS_MAIN(WaitLooks)
#include "tst_waitlooks.moc"
