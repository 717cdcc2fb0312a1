// SPDX-License-Identifier: MIT
// An application whose notify() uses the library: it is called for each event that the library makes Qt
// send, so none may be sent under a lock (R17).

#include "testsupport.h"

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QTest>
#include <QThread>

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

} // namespace

class tst_Notify : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void closesInTheFirstEventToAThread();
    void closesInTheFirstEventOfANewThread();
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

int main(int argc, char *argv[])
{
    Application application(argc, argv);
    tst_Notify test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_notify.moc"
