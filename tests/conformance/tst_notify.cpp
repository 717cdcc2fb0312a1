// SPDX-License-Identifier: MIT
// An application whose notify() uses the library: it is called for each event that the library
// makes Qt send, so none may be sent under a lock (R17). Nor may a thread's connectNotify() be
// called under one.

#include "support/messages.h"
#include "support/threads.h"
#include "support/waits.h"

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QEvent>
#include <QMetaMethod>
#include <QTest>
#include <QThread>

#include <atomic>
#include <utility>

using namespace TestSupport;
using GoProcess::Process;

namespace {

class Application : public QCoreApplication
{
public:
    using QCoreApplication::QCoreApplication;

    bool notify(QObject *receiver, QEvent *event) override
    {
        if (Process *process = target.exchange(nullptr)) {
            // Elsewhere, as what this thread holds it may hold twice.
            Thread([process] { process->close(); }).join();
        }
        return QCoreApplication::notify(receiver, event);
    }

    static inline std::atomic<Process *> target = nullptr;
};

/// A thread that closes a process, and another one when the library connects to it.
class ClosingThread : public QThread
{
public:
    ClosingThread(Process &process, Process &other) : m_process(process), m_other(other) { }

    bool isConnected() const { return m_isConnected; }

protected:
    void run() override { m_process.close(); }
    void connectNotify(const QMetaMethod &signal) override
    {
        QThread::connectNotify(signal);
        if (!std::exchange(m_isConnected, true))
            Thread([this] { m_other.close(); }).join();
    }

private:
    Process &m_process;
    Process &m_other;
    bool m_isConnected = false;
};

} // namespace

class tst_Notify : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void closesInTheFirstEventToAThread();
    void closesInTheFirstEventOfANewThread();
    void closesWhereAThreadIsMetThatClosesForOthers();
};

void tst_Notify::closesInTheFirstEventToAThread()
{
    EventLoopThread thread;
    Process process([] {});
    Process other([] {});
    QVERIFY(process.addChild(&other));
    process.QObject::moveToThread(&thread); // the library learns of the thread by the close
    other.QObject::moveToThread(&thread);
    Application::target = &other;
    process.close();
    QVERIFY(process.waitForClosed(soon()));
    Application::target = nullptr;
}

void tst_Notify::closesInTheFirstEventOfANewThread()
{
    EventLoopThread thread;
    Process other([] {});
    Process process([] {});
    QVERIFY(process.addChild(&other));
    Application::target = &other;
    process.moveToThread(&thread);
    other.moveToThread(&thread);
    process.close();
    QVERIFY(process.waitForClosed(soon()));
    Application::target = nullptr;
}

// A step whose home does not run any goes to the thread that closes, which the library may not know
// yet.
void tst_Notify::closesWhereAThreadIsMetThatClosesForOthers()
{
    Process other([] {});
    Process process([] {});
    QVERIFY(process.addChild(&other));
    process.moveToThread(nullptr);
    const ExpectWarning warning(QStringLiteral("it has none"));
    ClosingThread thread(process, other);
    thread.start();
    QVERIFY(thread.wait(soon()));
    QVERIFY(thread.isConnected());
    QVERIFY(process.waitForClosed(soon()));
}

int main(int argc, char *argv[])
{
    Application application(argc, argv);
    tst_Notify test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_notify.moc"
