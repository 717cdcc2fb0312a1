// SPDX-License-Identifier: MIT
// The end of a thread that is a home: slots of finished(), deferred deletes and destructors of
// thread_local objects still close and wait, and what they wait for runs where they are (R37, R38).
//
// Locals outlive the event loops here, and classes without signals need no moc:
// clazy:excludeall=lambda-in-connect,missing-qobject-macro

#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QDeadlineTimer>
#include <QPromise>
#include <QScopeGuard>
#include <QTest>
#include <QThread>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

using namespace TestSupport;
using GoProcess::Hold;
using GoProcess::Process;

namespace {

/// How often a race is run: enough to meet what was there.
constexpr int repeats = 100;

/// Runs \a inThread in a thread with an event loop and \a atEnd in a slot of its finished(), and
/// returns when that is over.
template<class InThread, class AtEnd>
void runToEnd(InThread &&inThread, AtEnd &&atEnd)
{
    QThread thread;
    QObject object;
    object.moveToThread(&thread);
    QObject::connect(&thread, &QThread::started, &object, inThread);
    QObject::connect(&thread, &QThread::finished, &object, atEnd, Qt::DirectConnection);
    thread.start();
    thread.quit();
    CHECK(thread.wait(QDeadlineTimer(patience)));
}

/// Owns a process whose teardown needs a function of its own to end without the event loop.
class Worker : public QObject
{
public:
    void start()
    {
        m_promise.start();
        m_process = std::make_unique<Process>();
        m_process->setTeardown([this] { return m_promise.future(); },
                               [this] {
                                   CHECK(QThread::currentThread() == thread());
                                   m_promise.finish();
                               });
    }

private:
    QPromise<void> m_promise;
    std::unique_ptr<Process> m_process; // last, as it waits
};

/// Releases a hold when its thread destroys what is thread_local: before Qt 6.8 that is after
/// QThread::wait() may have returned, and the QThread may be gone.
class Last
{
public:
    Last() = default;
    Q_DISABLE_COPY_MOVE(Last)
    ~Last()
    {
        if (m_gate) {
            m_gate->pass();
            m_hold.release();
        }
    }
    void keep(Hold hold, Gate &gate)
    {
        m_hold = std::move(hold);
        m_gate = &gate;
    }

private:
    Hold m_hold;
    Gate *m_gate = nullptr;
};

} // namespace

class tst_ThreadEnds : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void deletedLaterOnFinishedTearsDownInItsThread();
    void workerDeletedOnFinishedEndsItsFuture();
    void destroyedInASlotOfFinishedTearsDownThere();
    void closedInASlotOfFinishedClosesWithoutAWait();
    void closedAtTheEndIsWaitedForElsewhere();
    void threadLocalDestructorClosesAfterTheQThread();
    void threadLocalDestructorWaits();
    void closedAtTheEndOfAnAdoptedThread();
    void threadIsDestroyedWhileItsProcessIsClosed();
    void disconnectedThreadIsKnownToHaveFinished();
    void disconnectedThreadIsNotTakenForAnotherAtItsAddress();
    void connectNotifyOfAThreadMayUseTheLibrary();
};

void tst_ThreadEnds::deletedLaterOnFinishedTearsDownInItsThread()
{
    for (int i = 0; i < repeats; ++i) {
        QThread thread;
        std::atomic<QThread *> tornDownIn = nullptr;
        auto *process = new Process([&] { tornDownIn = QThread::currentThread(); });
        process->moveToThread(&thread);
        connect(&thread, &QThread::finished, process, &QObject::deleteLater);
        thread.start();
        thread.quit();
        QVERIFY(thread.wait(soon()));
        QCOMPARE(tornDownIn.load(), &thread);
    }
}

void tst_ThreadEnds::workerDeletedOnFinishedEndsItsFuture()
{
    for (int i = 0; i < repeats; ++i) {
        QThread thread;
        auto *worker = new Worker;
        worker->moveToThread(&thread);
        connect(&thread, &QThread::started, worker, [worker] { worker->start(); });
        connect(&thread, &QThread::finished, worker, &QObject::deleteLater);
        thread.start();
        thread.quit();
        QVERIFY(thread.wait(soon()));
    }
}

void tst_ThreadEnds::destroyedInASlotOfFinishedTearsDownThere()
{
    for (int i = 0; i < repeats; ++i) {
        std::unique_ptr<Process> process;
        std::atomic<bool> atHome = false;
        runToEnd(
                [&] {
                    process = std::make_unique<Process>([&, home = QThread::currentThread()] {
                        atHome = QThread::currentThread() == home;
                    });
                },
                [&] { process.reset(); });
        QVERIFY(atHome);
    }
}

// No thread waits, so the steps go on where they can once the thread is gone.
void tst_ThreadEnds::closedInASlotOfFinishedClosesWithoutAWait()
{
    std::atomic<Process *> process = nullptr;
    const ExpectWarning warning(QStringLiteral("does not run its steps any more"), 0, 1);
    auto closed = std::make_shared<Counter>();
    auto tornDown = std::make_shared<std::atomic<int>>(0);
    runToEnd(
            [&] {
                process = new Process([tornDown] { ++*tornDown; });
                connect(process, &Process::closed, [closed] { closed->add(); });
            },
            [&] { process.load()->close(); });
    QVERIFY(closed->waitFor(1));
    QCOMPARE(tornDown->load(), 1);
    delete process;
}

void tst_ThreadEnds::closedAtTheEndIsWaitedForElsewhere()
{
    const ExpectWarning warning(QStringLiteral("does not run its steps"), 0, 2 * repeats);
    for (int i = 0; i < repeats; ++i) {
        std::atomic<Process *> process = nullptr;
        runToEnd([&] { process = new Process([] {}); }, [&] { process.load()->close(); });
        QVERIFY(process.load()->waitForClosed(soon()));
        delete process;
    }
}

void tst_ThreadEnds::threadLocalDestructorClosesAfterTheQThread()
{
    for (int i = 0; i < repeats; ++i) {
        Gate gone;
        Process process([] {});
        std::unique_ptr<QThread> thread(QThread::create([&] {
            static thread_local Last
                    last; // before the library has anything there: it goes after that
            CHECK(!process.waitForClosed(QDeadlineTimer(1)));
            last.keep(process.hold(), gone);
            process.close();
        }));
        thread->start();
        if (QT_VERSION >= QT_VERSION_CHECK(6, 8, 0))
            gone.open();
        QVERIFY(thread->wait(soon()));
        thread.reset();
        gone.open();
        QVERIFY(process.waitForClosed(soon()));
    }
}

void tst_ThreadEnds::threadLocalDestructorWaits()
{
    struct Waits
    {
        Waits() = default;
        Q_DISABLE_COPY_MOVE(Waits)
        ~Waits()
        {
            bool isTornDown = false;
            {
                Process own([&] { isTornDown = true; });
                own.close();
                CHECK(own.waitForClosed(soon()));
            }
            CHECK(isTornDown);
            ++*ended; // last, as it may warn
        }
        std::shared_ptr<std::atomic<int>> ended;
    };

    const ExpectWarning warning(QStringLiteral("does not run its steps"), 0, 2 * repeats);
    const auto ended = std::make_shared<std::atomic<int>>(0);
    for (int i = 0; i < repeats; ++i) {
        std::unique_ptr<QThread> thread(QThread::create([&, early = i % 2 == 0] {
            if (!early)
                Process().closeAndWait();
            static thread_local Waits waits;
            waits.ended = ended;
            if (early)
                Process().closeAndWait();
        }));
        thread->start();
        QVERIFY(thread->wait(soon()));
    }
    QVERIFY(pollUntil([&] { return *ended == repeats; }));
}

void tst_ThreadEnds::closedAtTheEndOfAnAdoptedThread()
{
    for (int i = 0; i < repeats; ++i) {
        Gate open;
        open.open();
        auto process = std::make_unique<Process>([] {});
        Thread([&] {
            static thread_local Last last;
            Process own([] {});
            own.closeAndWait();
            last.keep(process->hold(), open);
            process->close();
        }).join();
        QVERIFY(process->waitForClosed(soon()));
    }
}

// One thread destroys a QThread that has finished, another one closes a process that lives there.
void tst_ThreadEnds::threadIsDestroyedWhileItsProcessIsClosed()
{
    const int rounds = 20 * repeats;
    const ExpectWarning warning(QStringLiteral("does not run its steps"), 0, 2 * rounds);
    std::atomic<int> turn = 0;
    std::atomic<Process *> target = nullptr;
    std::atomic<bool> isOver = false;
    const auto end = qScopeGuard([&] { isOver = true; });
    Thread closer([&] {
        for (int i = 1; i <= rounds; ++i) {
            // It is to be there in the nanoseconds in which the thread is destroyed.
            for (int spins = 1; turn != i; ++spins) {
                if (isOver)
                    return;
                if (spins % 10'000 == 0)
                    std::this_thread::yield();
            }
            target.load()->close();
            turn = -i;
        }
    });
    for (int i = 1; i <= rounds; ++i) {
        auto thread = std::make_unique<QThread>();
        thread->start();
        Process process;
        process.setTeardown([] {});
        process.moveToThread(thread.get());
        thread->quit();
        QVERIFY(thread->wait(soon()));
        target = &process;
        turn = i;
        for (int spin = 0; spin < (i * 7) % 400; ++spin)
            std::atomic_signal_fence(std::memory_order_seq_cst);
        thread.reset();
        QVERIFY(pollUntil([&] { return turn == -i; }));
    }
}

// QObject::disconnect() cuts all connections of an object, those of the library too.
void tst_ThreadEnds::disconnectedThreadIsKnownToHaveFinished()
{
    const ExpectWarning warning(QStringLiteral("does not run its steps"), 1, 1);
    std::atomic<int> tornDown = 0;
    QThread thread;
    Process known;
    known.moveToThread(&thread);
    thread.start();
    QVERIFY(!known.closeAndWait());
    QVERIFY(disconnectAll(thread));
    Process process([&] { ++tornDown; });
    process.moveToThread(&thread);
    thread.quit();
    QVERIFY(thread.wait(soon()));
    process.close();
    QVERIFY(process.waitForClosed(soon()));
    QCOMPARE(tornDown.load(), 1);
}

void tst_ThreadEnds::disconnectedThreadIsNotTakenForAnotherAtItsAddress()
{
    std::optional<QThread> thread(std::in_place);
    {
        Process known;
        known.moveToThread(&*thread);
        thread->start();
        QVERIFY(!known.closeAndWait());
    }
    QVERIFY(disconnectAll(*thread));
    thread->quit();
    QVERIFY(thread->wait(soon()));
    thread.emplace();
    thread->start();

    std::atomic<QThread *> tornDownIn = nullptr;
    Process process([&] { tornDownIn = QThread::currentThread(); });
    process.moveToThread(&*thread);
    process.close();
    QVERIFY(process.waitForClosed(soon()));
    QCOMPARE(tornDownIn.load(), &*thread);
    thread->quit();
    QVERIFY(thread->wait(soon()));
}

// It is a virtual function of the user, which the library calls when it connects to the thread
// (R17).
void tst_ThreadEnds::connectNotifyOfAThreadMayUseTheLibrary()
{
    class Notified : public QThread
    {
    public:
        explicit Notified(Process &process) : m_process(process) { }
        int calls = 0;

    protected:
        void connectNotify(const QMetaMethod &) override
        {
            ++calls;
            m_process.hold().release();
            CHECK(!m_process.waitForClosing(QDeadlineTimer(1)));
            Thread([] { Process().closeAndWait(); }).join();
        }

    private:
        Process &m_process;
    };

    const ExpectWarning warning(QStringLiteral("does not run its steps"), 0, 1);
    Process root;
    Process other;
    QVERIFY(root.addChild(&other));
    Notified thread(other);
    {
        QObject owner;
        auto *process = new Process(&owner);
        QVERIFY(root.addChild(process));
        owner.moveToThread(&thread); // so that the first step finds a thread that it does not know
        process->close();
        QVERIFY(thread.calls > 0);
        QVERIFY(process->waitForClosed(soon()));
    }
}

QTEST_GUILESS_MAIN(tst_ThreadEnds)
#include "tst_threadends.moc"
