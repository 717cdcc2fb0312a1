// SPDX-License-Identifier: MIT
// The window of demo/widgets as its user meets it, and the program around it.
//
// Locals outlive the event loops here: clazy:excludeall=lambda-in-connect

#include "demosupport.h"
#include "support/messages.h"
#include "support/waits.h"
#include "virtualdisplay.h"

#include "widgets/window.h"

#include <GoProcess/Process>
#include <GoProcess/ProcessModel>

#include <QAction>
#include <QApplication>
#include <QCoreApplication>
#include <QHash>
#include <QObject>
#include <QStringList>
#include <QTest>
#include <QTimer>
#include <QToolBar>
#include <QTreeView>

#include <chrono>
#include <csignal>
#include <optional>

using GoProcess::Process;
using namespace std::chrono_literals;

namespace {

constexpr int milliseconds = int(std::chrono::milliseconds(DemoSupport::patience).count());

/// True if \a process has its own handler of \a signal.
bool catches(qint64 process, int signal)
{
    const QByteArray status =
            DemoSupport::readFile("/proc/" + QByteArray::number(process) + "/status");
    const QByteArrayList lines = DemoSupport::linesOf(status);
    for (const QByteArray &line : lines) {
        if (line.startsWith("SigCgt:"))
            return (line.mid(7).trimmed().toULongLong(nullptr, 16) >> (signal - 1)) & 1U;
    }
    return false;
}

} // namespace

class tst_Widgets : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { TestSupport::begin(); }
    void init();
    void cleanup();

    void showsItsSubsystems();
    void staysUntilAllIsClosed_data();
    void staysUntilAllIsClosed();
    void isAliveWhileItCloses();
    void buttonClosesOneSubsystem();
    void eventLoopEndsWhenAllIsClosed_data();
    void eventLoopEndsWhenAllIsClosed();
    void programEndsOnSignal();
    void isShort();

private:
    void open();
    GoProcess::ProcessModel *model() const;
    Process *root() const { return model()->process(); }
    Process *subsystem(const QString &name) const;
    QString stateOf(const QString &name) const;
    void takePicture(const QString &name);

    std::optional<TestSupport::ExpectWarning> m_platform;
    std::optional<Window> m_window;
};

void tst_Widgets::init()
{
    // Where Qt draws into memory it says this of each window.
    m_platform.emplace(QStringLiteral("^This plugin does not support propagateSizeHints"), 0, 100,
                       QByteArrayLiteral("default"));
}

void tst_Widgets::cleanup()
{
    if (m_window) {
        m_window->close();
        QTRY_VERIFY_WITH_TIMEOUT(!m_window->isVisible(), milliseconds);
        m_window.reset();
    }
    m_platform.reset();
    TestSupport::verify();
}

void tst_Widgets::open()
{
    m_window.emplace();
    m_window->show();
    QVERIFY(QTest::qWaitForWindowExposed(&*m_window));
}

GoProcess::ProcessModel *tst_Widgets::model() const
{
    return m_window->findChild<GoProcess::ProcessModel *>();
}

Process *tst_Widgets::subsystem(const QString &name) const
{
    auto *found = root()->findChild<Process *>(name);
    if (!found)
        qFatal("There is no %s", qPrintable(name));
    return found;
}

/// What the window shows of the state; empty without such a row.
QString tst_Widgets::stateOf(const QString &name) const
{
    const QModelIndexList found =
            model()->match(model()->index(0, 0), Qt::DisplayRole, name, 1,
                           Qt::MatchExactly | Qt::MatchWrap | Qt::MatchRecursive);
    return found.isEmpty()
            ? QString()
            : found.first().siblingAtColumn(GoProcess::ProcessModel::StateColumn).data().toString();
}

/// For those who change how it looks.
void tst_Widgets::takePicture(const QString &name)
{
    m_window->grab().save(QStringLiteral(DEMO_PICTURES "/widgets-%1.png").arg(name));
}

void tst_Widgets::showsItsSubsystems()
{
    open();
    const QStringList names { QStringLiteral("network"), QStringLiteral("inbox"),
                              QStringLiteral("outbox"),  QStringLiteral("search"),
                              QStringLiteral("index"),   QStringLiteral("storage") };
    for (const QString &name : names)
        QTRY_COMPARE_WITH_TIMEOUT(stateOf(name), QStringLiteral("Running"), milliseconds);

    // All of them, without a click.
    const auto *view = m_window->findChild<QTreeView *>();
    for (int row = 0; row < model()->rowCount(); ++row) {
        const QModelIndex index = model()->index(row, 0);
        QVERIFY(view->isExpanded(index) || !model()->hasChildren(index));
    }
    takePicture(QStringLiteral("running"));
}

void tst_Widgets::staysUntilAllIsClosed_data()
{
    QTest::addColumn<QString>("slow");
    QTest::addColumn<QString>("quick");
    QTest::newRow("the network is slow") << QStringLiteral("network") << QStringLiteral("search");
    QTest::newRow("the search is slow") << QStringLiteral("search") << QStringLiteral("network");
}

void tst_Widgets::staysUntilAllIsClosed()
{
    QFETCH(const QString, slow);
    QFETCH(const QString, quick);
    open();
    QStringList closed;
    const QObject listener;
    const auto subsystems = root()->findChildren<Process *>(Qt::FindDirectChildrenOnly);
    for (Process *process : subsystems) {
        connect(process, &Process::closed, &listener,
                [&closed, process] { closed += process->name(); });
    }

    connect(root(), &Process::closed, &listener, [&closed] { closed += QStringLiteral("mail"); });

    // One of them takes as long as the test wants it to.
    GoProcess::Hold hold = subsystem(slow)->hold();
    QVERIFY(!m_window->close());
    QVERIFY(root()->isClosing());
    QTRY_COMPARE_WITH_TIMEOUT(closed, QStringList(quick), milliseconds);
    // The storage has not begun its teardown, or this would be refused.
    QVERIFY(subsystem(QStringLiteral("storage"))->hold());

    // Again, which changes nothing.
    QVERIFY(!m_window->close());
    QVERIFY(m_window->isVisible());
    QTRY_COMPARE_WITH_TIMEOUT(stateOf(slow), QStringLiteral("Closing"), milliseconds);
    QTRY_COMPARE_WITH_TIMEOUT(stateOf(QStringLiteral("storage")), QStringLiteral("Closing"),
                              milliseconds);
    takePicture(QStringLiteral("closing"));
    QCOMPARE(closed, QStringList(quick));

    hold.release();
    QTRY_VERIFY_WITH_TIMEOUT(!m_window->isVisible(), milliseconds);
    QCOMPARE(closed,
             QStringList({ quick, slow, QStringLiteral("storage"), QStringLiteral("mail") }));
}

void tst_Widgets::isAliveWhileItCloses()
{
    open();
    // A frozen window would let none of these through while a subsystem closes.
    int beats = 0;
    QHash<QString, int> beatsAt; // when each had closed; all take their time
    QTimer heart;
    connect(&heart, &QTimer::timeout, &heart, [&beats] { ++beats; });
    heart.start(1ms);

    const QStringList names { QStringLiteral("network"), QStringLiteral("search"),
                              QStringLiteral("storage") };
    for (const QString &name : names) {
        connect(subsystem(name), &Process::closed, &heart,
                [&beatsAt, &beats, name] { beatsAt[name] = beats; });
    }
    m_window->close();
    QTRY_VERIFY_WITH_TIMEOUT(!m_window->isVisible(), milliseconds);

    constexpr int many = 20;
    const int network = beatsAt.value(names.at(0));
    const int search = beatsAt.value(names.at(1));
    QVERIFY2(network >= many, qPrintable(QString::number(network)));
    QVERIFY2(search >= many, qPrintable(QString::number(search)));
    const int storage = beatsAt.value(names.at(2)) - qMax(network, search);
    QVERIFY2(storage >= many, qPrintable(QString::number(storage)));
}

void tst_Widgets::buttonClosesOneSubsystem()
{
    open();
    auto *buttons = m_window->findChild<QToolBar *>();
    const QList<QAction *> actions = buttons->actions();
    QCOMPARE(actions.size(), 3);
    QAction *const action = actions.at(1);
    QCOMPARE(action->text(), QStringLiteral("Close search"));
    Process *const search = subsystem(QStringLiteral("search"));
    QTest::mouseClick(buttons->widgetForAction(action), Qt::LeftButton);
    QTRY_VERIFY_WITH_TIMEOUT(search->isClosed(), milliseconds);
    QVERIFY(!action->isEnabled());
    QVERIFY(actions.first()->isEnabled());
    QVERIFY(!root()->isClosing());
    QVERIFY(!subsystem(QStringLiteral("storage"))->isClosing());
    QVERIFY(m_window->isVisible());
}

void tst_Widgets::eventLoopEndsWhenAllIsClosed_data()
{
    QTest::addColumn<bool>("quits");
    QTest::newRow("the user closes the window") << false;
    QTest::newRow("the program quits") << true;
}

void tst_Widgets::eventLoopEndsWhenAllIsClosed()
{
    QFETCH(const bool, quits);
    open();
    QTimer::singleShot(0ms, &*m_window, [&] {
        if (quits)
            QCoreApplication::quit();
        else
            m_window->close();
    });
    QCOMPARE(QApplication::exec(), 0);
    QVERIFY(root()->isClosed());
    QVERIFY(!m_window->isVisible());
}

void tst_Widgets::programEndsOnSignal()
{
    DemoSupport::Run run({});
    QVERIFY2(QTest::qWaitFor([&] { return catches(run.id(), SIGTERM); }, milliseconds),
             run.story());
    run.stop();
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QVERIFY2(!run.err().contains("goprocess"), run.story());
}

void tst_Widgets::isShort()
{
    qsizetype lines = 0;
    for (const char *file : { "/main.cpp", "/window.cpp", "/window.h" })
        lines += DemoSupport::linesOf(DemoSupport::readFile(WIDGETS_FOLDER + QByteArray(file)))
                         .size();
    QVERIFY(lines > 0 && lines <= 130);
}

int main(int argc, char **argv)
{
    const VirtualDisplay display;
    const QApplication application(argc, argv);
    tst_Widgets test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_widgets.moc"
