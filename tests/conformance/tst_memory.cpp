// SPDX-License-Identifier: MIT
// What is left of works that have closed, in allocations that were not freed. Alone in its program,
// as it replaces what allocates.

#include "support/messages.h"
#include "support/testallocator.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QObject>
#include <QPointer>
#include <QTest>
#include <QThread>

#include <atomic>
#include <memory>

using GoProcess::Process;
using GoProcess::ProcessPtr;

using namespace TestSupport;

namespace {

constexpr int many = 6000;

/// Runs works whose pointers are dropped at once, until they have closed.
void runWorks(Process &root)
{
    const ProcessPtr all = root.go([](Process &above) {
        for (int i = 0; i < many; ++i)
            CHECK(above.go([] {}) != nullptr);
    });
    QVERIFY(all);
    QVERIFY(all->waitForClosed(soon()));
}

/// True of what is below an allocation for ten works: each that is kept has five or more.
bool isFlatAfter(int before)
{
    return allocationsLeft.load(std::memory_order_relaxed) - before < many / 10;
}

/// The works of a thread that does not come by. The first of them may stay: some wait for it.
void verifyWorksAreFlat(Process &root)
{
    runWorks(root);
    const int before = allocationsLeft.load(std::memory_order_relaxed);
    runWorks(root);
    QTRY_VERIFY_WITH_TIMEOUT(isFlatAfter(before), 10000);
}

/// A thread that has made a process, and is blocked by something else than the library until the
/// end.
class BlockedThread
{
public:
    BlockedThread()
        : m_thread([this] {
              Process process;
              m_process = &process;
              m_made.open();
              m_end.pass();
          })
    {
        m_made.pass();
    }
    Q_DISABLE_COPY_MOVE(BlockedThread)
    ~BlockedThread() { end(); }

    Process &process() { return *m_process; }
    void end()
    {
        m_end.open();
        m_thread.join();
    }

private:
    Process *m_process = nullptr;
    Gate m_made;
    Gate m_end;
    Thread m_thread;
};

} // namespace

class Memory : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void cleanup() { TestSupport::verify(); }

    void r16_worksOfABlockedThreadAreFreed();
    void r16_worksOfAThreadThatWasNotStartedAreFreed();
    void r34_whatSomebodyListensToIsDeletedInItsThread_data();
    void r34_whatSomebodyListensToIsDeletedInItsThread();
};

void Memory::r16_worksOfABlockedThreadAreFreed()
{
    BlockedThread blocked;
    verifyWorksAreFlat(blocked.process());
}

void Memory::r16_worksOfAThreadThatWasNotStartedAreFreed()
{
    QThread thread;
    Process root;
    root.moveToThread(&thread);
    verifyWorksAreFlat(root);
    const ExpectWarning warning(QStringLiteral("was not started"));
    root.close();
    QVERIFY(root.waitForClosed(soon()));
}

void Memory::r34_whatSomebodyListensToIsDeletedInItsThread_data()
{
    QTest::addColumn<bool>("listensToItsEnd");
    QTest::newRow("to closed()") << false;
    QTest::newRow("to destroyed()") << true;
}

void Memory::r34_whatSomebodyListensToIsDeletedInItsThread()
{
    QFETCH(bool, listensToItsEnd);
    BlockedThread blocked;
    Gate connected;
    Gate heard;
    ProcessPtr work = blocked.process().go([&] { connected.pass(); });
    QVERIFY(work);
    const QPointer<Process> object(work.get());
    connect(
            work.get(), &Process::closed, work.get(), [&] { heard.open(); }, Qt::DirectConnection);
    std::atomic<QThread *> destroyer = nullptr;
    if (listensToItsEnd) {
        connect(
                work.get(), &QObject::destroyed, work.get(),
                [&] { destroyer = QThread::currentThread(); }, Qt::DirectConnection);
    }
    QThread *const home = work->thread();
    connected.open();
    heard.pass();
    work.reset();
    runWorks(blocked.process());
    QVERIFY(object);
    blocked.end();
    QVERIFY(!object);
    if (listensToItsEnd)
        QCOMPARE(destroyer.load(), home);
}

QTEST_GUILESS_MAIN(Memory)
#include "tst_memory.moc"
