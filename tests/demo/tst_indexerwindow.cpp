// SPDX-License-Identifier: MIT
// The indexer's window as its user meets it: real keys and clicks, a real folder and database.
//
// What QML declares has no signals in C++: clazy:excludeall=old-style-connect

#include "demosupport.h"
#include "indexsupport.h"
#include "virtualdisplay.h"

#include "indexer/window.h"

#include <QAbstractItemModel>
#include <QFile>
#include <QGuiApplication>
#include <QImage>
#include <QObject>
#include <QQuickItem>
#include <QQuickWindow>
#include <QSet>
#include <QSignalSpy>
#include <QTest>

#include <csignal>
#include <optional>

#include <sys/stat.h>

using namespace DemoSupport;
using namespace IndexSupport;

namespace {

constexpr int fileCount = 50'000;
constexpr int milliseconds = int(std::chrono::milliseconds(patience).count());

/// How many colours there are in \a image, up to a few.
qsizetype colorCount(const QImage &image)
{
    QSet<QRgb> colors;
    for (int y = 0; y < image.height() && colors.size() < 100; y += 2) {
        for (int x = 0; x < image.width(); x += 2)
            colors.insert(image.pixel(x, y));
    }
    return colors.size();
}

/// True if something in \a item that is visible shows \a text.
bool shows(const QQuickItem *item, const QString &text)
{
    if (!item->isVisible())
        return false;
    if (item->property("text").toString().contains(text))
        return true;
    const QList<QQuickItem *> children = item->childItems();
    return std::any_of(children.begin(), children.end(),
                       [&](const QQuickItem *child) { return shows(child, text); });
}

} // namespace

class tst_IndexerWindow : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();
    void cleanup();

    void closedInTheMiddle();
    void quickCloseShowsNoOverlay();
    void folderThatIsNotThere();
    void resultsFollowTheTyping();
    void programEndsWithItsWindow();

private:
    Demo::Task task(const QByteArray &folder) const;
    void open(const QByteArray &folder);
    QQuickItem *item(const char *name) const;
    bool overlayIsOpen() const;
    void type(const char *field, const QString &text) const;
    QImage takePicture(const QString &name) const;
    bool end();

    QByteArray tree() const { return *m_folder / "tree"; }
    QByteArray database() const { return *m_folder / "index.sqlite"; }
    QByteArray log() const { return *m_folder / "log"; }

    std::optional<Folder> m_folder;
    std::optional<Demo::Window> m_window;
};

void tst_IndexerWindow::init()
{
    m_folder.emplace();
    ::mkdir(tree().constData(), 0777);
    for (const char *name : { "/letter.odt", "/Invoice 1.pdf", "/Invoice 2.pdf" })
        writeFile(tree() + name, name);
}

void tst_IndexerWindow::cleanup()
{
    m_window.reset();
    m_folder.reset();
}

Demo::Task tst_IndexerWindow::task(const QByteArray &folder) const
{
    Demo::Task task;
    task.folder = folder;
    task.database = database();
    task.log = log();
    return task;
}

void tst_IndexerWindow::open(const QByteArray &folder)
{
    m_window.emplace(task(folder));
    QVERIFY(m_window->window());
    m_window->window()->requestActivate();
    QVERIFY(QTest::qWaitForWindowExposed(m_window->window()));
}

QQuickItem *tst_IndexerWindow::item(const char *name) const
{
    auto *found = m_window->window()->findChild<QQuickItem *>(QString::fromLatin1(name));
    if (!found)
        qFatal("The window has no %s", name);
    return found;
}

bool tst_IndexerWindow::overlayIsOpen() const
{
    return m_window->window()
            ->findChild<QObject *>(QStringLiteral("overlay"))
            ->property("opened")
            .toBool();
}

/// Clicks into a field, and types \a text in place of what is there.
void tst_IndexerWindow::type(const char *field, const QString &text) const
{
    const QQuickItem *target = item(field);
    const QPointF middle = target->mapToScene({ target->width() / 2, target->height() / 2 });
    QTest::mouseClick(m_window->window(), Qt::LeftButton, {}, middle.toPoint());
    QTRY_VERIFY_WITH_TIMEOUT(target->hasActiveFocus(), milliseconds);
    QTest::keySequence(m_window->window(), QKeySequence::SelectAll);
    QTRY_COMPARE_WITH_TIMEOUT(target->property("selectedText"), target->property("text"),
                              milliseconds);
    for (const QChar c : text)
        QTest::keyClick(m_window->window(), c.toLatin1());
}

/// Also kept in the build folder.
QImage tst_IndexerWindow::takePicture(const QString &name) const
{
    const QImage image = m_window->window()->grabWindow();
    image.save(QStringLiteral(DEMO_PICTURES "/%1.png").arg(name));
    return image;
}

/// Closes the window as its user does, and waits until the program may end.
bool tst_IndexerWindow::end()
{
    QSignalSpy ended(&m_window->session(), &Demo::Session::ended);
    m_window->window()->close();
    return ended.count() > 0 || ended.wait(milliseconds);
}

void tst_IndexerWindow::closedInTheMiddle()
{
    const QByteArray large = *m_folder / "Documents";
    ::mkdir(large.constData(), 0777);
    for (int i = 0; i < fileCount; ++i) {
        const QByteArray folder = large + "/project " + QByteArray::number(i / 500);
        if (i % 500 == 0)
            ::mkdir(folder.constData(), 0777);
        writeFile(folder + "/report " + QByteArray::number(i) + ".odt", QByteArray::number(i));
    }
    open(tree());
    if (QTest::currentTestFailed())
        return;

    // Choose, and type while the index grows.
    type("folder", QFile::decodeName(large));
    QTest::keyClick(m_window->window(), Qt::Key_Return);
    QTRY_COMPARE_WITH_TIMEOUT(m_window->session().folder(), QFile::decodeName(large), milliseconds);
    type("pattern", QStringLiteral("report *7"));
    QTRY_VERIFY_WITH_TIMEOUT(m_window->session().results()->rowCount() >= 100, milliseconds);
    const QImage open = takePicture(QStringLiteral("open"));
    QVERIFY(colorCount(open) >= 20);
    QVERIFY(!overlayIsOpen());

    // Another program has locked the database, so that what was found cannot be written yet.
    Connection other(database());
    QVERIFY(QTest::qWaitFor([&] { return other.run("BEGIN IMMEDIATE"); }, milliseconds));
    QTRY_VERIFY_WITH_TIMEOUT(readFile(log()).contains("waiting for it"), milliseconds);
    QSignalSpy ended(&m_window->session(), &Demo::Session::ended);
    m_window->window()->close();
    QTRY_VERIFY_WITH_TIMEOUT(overlayIsOpen(), milliseconds);
    const QQuickItem *content = m_window->window()->contentItem();
    QTRY_VERIFY_WITH_TIMEOUT(shows(content, QStringLiteral("/indexer/storage")), milliseconds);
    QTRY_VERIFY_WITH_TIMEOUT(m_window->frameGaps().frameCount() >= 30, milliseconds);
    const QImage closing = takePicture(QStringLiteral("closing"));
    QVERIFY(colorCount(closing) >= 20);
    QVERIFY(closing != open);
    QVERIFY(m_window->window()->isVisible());
    QCOMPARE(ended.count(), 0);

    QVERIFY(other.run("ROLLBACK"));
    QVERIFY(ended.count() > 0 || ended.wait(milliseconds));
    const Demo::FrameGaps &gaps = m_window->frameGaps();
    qInfo("%d frames while closing, the longest gap was %d ms", gaps.frameCount(),
          int(gaps.longest().count()));
    QVERIFY(gaps.longest() < std::chrono::seconds(1));

    // In the middle, and nothing that was reported is lost.
    const QByteArrayList files = filesIn(database());
    QCOMPARE(indexedIn(linesOf(readFile(log()))).size() > 0, true);
    QVERIFY(files.size() < fileCount);
    const QSet<QByteArray> there(files.begin(), files.end());
    const QByteArrayList reported = indexedIn(linesOf(readFile(log())));
    for (const QByteArray &line : reported)
        QVERIFY2(there.contains(line), line);
    QCOMPARE(m_window->session().exitStatus(), 0);
}

void tst_IndexerWindow::quickCloseShowsNoOverlay()
{
    open(tree());
    QTRY_VERIFY_WITH_TIMEOUT(m_window->session().isUpToDate(), milliseconds);
    QSignalSpy opened(m_window->window()->findChild<QObject *>(QStringLiteral("overlay")),
                      SIGNAL(aboutToShow()));
    QVERIFY(end());
    QCOMPARE(opened.count(), 0);
    QCOMPARE(m_window->session().exitStatus(), 0);
}

void tst_IndexerWindow::folderThatIsNotThere()
{
    open(*m_folder / "missing");
    QTRY_VERIFY_WITH_TIMEOUT(
            item("sentence")->property("text").toString().contains(QStringLiteral("No such file")),
            milliseconds);
    // The window stays, and takes another one.
    type("folder", QFile::decodeName(tree()));
    QTest::keyClick(m_window->window(), Qt::Key_Return);
    QTRY_COMPARE_WITH_TIMEOUT(m_window->session().folder(), QFile::decodeName(tree()),
                              milliseconds);
    QTRY_VERIFY_WITH_TIMEOUT(m_window->session().isUpToDate(), milliseconds);
    QVERIFY(end());
    QCOMPARE(filesIn(database()), filesBelow(tree()));
}

void tst_IndexerWindow::resultsFollowTheTyping()
{
    open(tree());
    const QAbstractItemModel *results = m_window->session().results();
    type("pattern", QStringLiteral("inv"));
    QTRY_COMPARE_WITH_TIMEOUT(results->rowCount(), 2, milliseconds);
    QCOMPARE(results->index(0, 0).data().toString(), QStringLiteral("Invoice 1.pdf"));
    type("pattern", QStringLiteral("inv*2"));
    QTRY_COMPARE_WITH_TIMEOUT(results->rowCount(), 1, milliseconds);
    QCOMPARE(results->index(0, 0).data().toString(), QStringLiteral("Invoice 2.pdf"));
    type("pattern", QStringLiteral("nothing"));
    QTRY_COMPARE_WITH_TIMEOUT(results->rowCount(), 0, milliseconds);
    QTRY_VERIFY_WITH_TIMEOUT(
            shows(m_window->window()->contentItem(), QStringLiteral("No file has such a name")),
            milliseconds);
    QVERIFY(end());
}

void tst_IndexerWindow::programEndsWithItsWindow()
{
    Run run({ tree(), "--database", database(), "--log", log() });
    QVERIFY2(QTest::qWaitFor([&] { return readFile(log()).contains("watching for changes"); },
                             milliseconds),
             run.story());
    run.send(SIGTERM);
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QVERIFY2(run.out().contains("scanner"), run.story());
    QCOMPARE(filesIn(database()), filesBelow(tree()));
}

int main(int argc, char **argv)
{
    const VirtualDisplay display;
    QGuiApplication application(argc, argv);
    tst_IndexerWindow test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_indexerwindow.moc"
