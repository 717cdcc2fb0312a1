// SPDX-License-Identifier: MIT
// What becomes of the runs of onSignal() that are due when it closes.
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/Periodic>

#include <QDeadlineTimer>
#include <QObject>
#include <QString>
#include <QTest>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

using GoProcess::AtClose;
using GoProcess::Error;
using GoProcess::onSignal;
using GoProcess::onSignalGo;
using GoProcess::Process;
using GoProcess::ProcessPtr;

using TestSupport::Counter;
using TestSupport::Gate;
using TestSupport::soon;
using TestSupport::Thread;

using namespace std::chrono_literals;

namespace {

class Sender : public QObject
{
    Q_OBJECT

Q_SIGNALS:
    void fired(int number);
};

void fire(Sender &sender, int count)
{
    for (int i = 0; i < count; ++i)
        Q_EMIT sender.fired(i);
}

} // namespace

class AtCloseOfSignals : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void runsThatAreDueRunBeforeClosed_data() { addForms(); }
    void runsThatAreDueRunBeforeClosed();
    void runsThatAreDueRunBeforeTheParentsTeardown();
    void aRunAfterTheCloseFindsItselfClosing();
    void droppedIfAskedFor_data() { addForms(); }
    void droppedIfAskedFor();
    void signalsAfterTheCloseAreIgnored();
    void aRunThatClosesItsProcessIsNotTheLast();
    void destroyedProcessRunsWhatIsDue();
    void errorsOfRunsAfterTheCloseAreKept();
    void closeAfterChildrenRunsWhatIsDue();
    void closeMeetsTheSignals_data() { addForms(); }
    void closeMeetsTheSignals();

private:
    static void addForms()
    {
        QTest::addColumn<bool>("overlaps");
        QTest::newRow("onSignal") << false;
        QTest::newRow("onSignalGo") << true;
    }
    static ProcessPtr start(bool overlaps, Sender &sender, std::function<void()> work,
                            Process *parent, AtClose atClose)
    {
        return overlaps ? onSignalGo(&sender, &Sender::fired, std::move(work), parent, atClose)
                        : onSignal(&sender, &Sender::fired, std::move(work), parent, atClose);
    }
};

void AtCloseOfSignals::runsThatAreDueRunBeforeClosed()
{
    QFETCH(bool, overlaps);
    Sender sender;
    Gate gate;
    Counter runs;
    const ProcessPtr process = start(
            overlaps, sender,
            [&] {
                gate.pass();
                runs.add();
            },
            nullptr, AtClose::Finish);
    fire(sender, 10);
    process->close();
    QVERIFY(!process->waitForClosed(QDeadlineTimer(1)));
    gate.open();
    QVERIFY(process->waitForClosed(soon()));
    QCOMPARE(runs.count(), 10);
}

void AtCloseOfSignals::runsThatAreDueRunBeforeTheParentsTeardown()
{
    // A journal whose entries are written one by one, and its file.
    Sender sender;
    Gate gate;
    std::atomic<int> written = 0;
    int writtenAtTeardown = -1;
    Process file([&] { writtenAtTeardown = written; });
    onSignal(
            &sender, &Sender::fired,
            [&] {
                gate.pass();
                ++written;
            },
            &file);
    fire(sender, 10);
    file.close();
    gate.open();
    QVERIFY(file.waitForClosed(soon()));
    QCOMPARE(writtenAtTeardown, 10);
}

void AtCloseOfSignals::aRunAfterTheCloseFindsItselfClosing()
{
    Sender sender;
    Gate gate;
    Counter closingRuns;
    const ProcessPtr process = onSignal(&sender, &Sender::fired, [&](Process &self) {
        gate.pass();
        CHECK(self.isClosing());
        CHECK(self.waitForClosing(QDeadlineTimer(0)));
        closingRuns.add();
    });
    fire(sender, 3);
    QVERIFY(gate.waitForArrivals());
    process->close();
    gate.open();
    QVERIFY(process->waitForClosed(soon()));
    QCOMPARE(closingRuns.count(), 3);
}

void AtCloseOfSignals::droppedIfAskedFor()
{
    QFETCH(bool, overlaps);
    Sender sender;
    Gate gate;
    Counter runs;
    // With one thread a run that was started does not begin before the one before has returned.
    QThreadPool pool;
    pool.setMaxThreadCount(1);
    Process root;
    root.setThreadPool(&pool);
    start(
            overlaps, sender,
            [&] {
                runs.add();
                gate.pass();
            },
            &root, AtClose::Drop);
    fire(sender, 5);
    QVERIFY(gate.waitForArrivals());
    root.close();
    gate.open();
    QVERIFY(root.waitForClosed(soon()));
    QCOMPARE(runs.count(), 1);
}

void AtCloseOfSignals::signalsAfterTheCloseAreIgnored()
{
    Sender sender;
    Gate gate;
    Counter runs;
    const ProcessPtr process = onSignal(&sender, &Sender::fired, [&] {
        gate.pass();
        runs.add();
    });
    fire(sender, 2);
    process->close();
    fire(sender, 5);
    gate.open();
    QVERIFY(process->waitForClosed(soon()));
    fire(sender, 5);
    QCOMPARE(runs.count(), 2);
}

void AtCloseOfSignals::aRunThatClosesItsProcessIsNotTheLast()
{
    Sender sender;
    Gate gate;
    Counter runs;
    ProcessPtr process;
    process = onSignal(&sender, &Sender::fired, [&] {
        gate.pass();
        runs.add();
        process->close();
    });
    fire(sender, 4);
    gate.open();
    QVERIFY(process->waitForClosed(soon()));
    QCOMPARE(runs.count(), 4);
}

void AtCloseOfSignals::destroyedProcessRunsWhatIsDue()
{
    Sender sender;
    Gate gate;
    Counter runs;
    Thread opener;
    {
        Process root;
        onSignal(
                &sender, &Sender::fired,
                [&] {
                    gate.pass();
                    runs.add();
                },
                &root);
        fire(sender, 4);
        QVERIFY(gate.waitForArrivals());
        opener = Thread([&] {
            root.waitForClosing(soon());
            gate.open();
        });
        root.close();
        opener.join();
    }
    QCOMPARE(runs.count(), 4);
}

void AtCloseOfSignals::errorsOfRunsAfterTheCloseAreKept()
{
    Sender sender;
    Gate gate;
    const ProcessPtr process = onSignal(&sender, &Sender::fired, [&]() -> Error {
        gate.pass();
        throw std::runtime_error("the disk is full");
    });
    fire(sender, 3);
    process->close();
    gate.open();
    QVERIFY(process->waitForClosed(soon()));
    QCOMPARE(process->treeErrorCount(), 3);
}

void AtCloseOfSignals::closeAfterChildrenRunsWhatIsDue()
{
    Sender sender;
    Gate gate;
    Counter runs;
    const ProcessPtr process = onSignal(
            &sender, &Sender::fired,
            [&] {
                gate.pass();
                runs.add();
            },
            nullptr, AtClose::Drop);
    fire(sender, 4);
    process->closeAfterChildren(); // closes nothing, and so drops nothing
    gate.open();
    QVERIFY(process->waitForClosed(soon()));
    QCOMPARE(runs.count(), 4);
}

void AtCloseOfSignals::closeMeetsTheSignals()
{
    // Each signal whose emission returned before close() was called has its run.
    QFETCH(bool, overlaps);
    for (int i = 0; i < 100; ++i) {
        Sender sender;
        std::atomic<int> emitted = 0;
        std::atomic<bool> stop = false;
        Counter runs;
        const ProcessPtr process = start(
                overlaps, sender, [&] { runs.add(); }, nullptr, AtClose::Finish);
        Thread emitter([&] {
            while (!stop && emitted < 500) { // each is a run that the close waits for
                Q_EMIT sender.fired(0);
                ++emitted;
            }
        });
        QVERIFY(runs.waitFor(1 + i % 5));
        const int before = emitted;
        process->close();
        stop = true;
        emitter.join();
        QVERIFY(process->waitForClosed(soon()));
        QVERIFY2(runs.count() >= before,
                 qPrintable(QStringLiteral("%1 of %2").arg(runs.count()).arg(before)));
        QVERIFY(runs.count() <= emitted);
    }
}

QTEST_GUILESS_MAIN(AtCloseOfSignals)

#include "tst_atclose.moc"
