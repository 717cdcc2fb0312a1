// SPDX-License-Identifier: MIT
// What users of a desktop expect of the indexer's window: its keys, files that can be opened, errors that
// are seen, and that it fits the screen, however large things are drawn there.

#include "demosupport.h"
#include "indexsupport.h"
#include "virtualdisplay.h"

#include "indexer/window.h"

#include <QAbstractItemModel>
#include <QClipboard>
#include <QDesktopServices>
#include <QFile>
#include <QGuiApplication>
#include <QImage>
#include <QObject>
#include <QProcess>
#include <QQuickItem>
#include <QQuickWindow>
#include <QScreen>
#include <QSignalSpy>
#include <QTest>
#include <QUrl>

#include <algorithm>
#include <mutex>
#include <optional>

#include <sys/stat.h>

using namespace DemoSupport;

namespace {

constexpr int milliseconds = int(std::chrono::milliseconds(patience).count());

/// What Qt and QML complained about.
struct Warnings
{
    std::mutex mutex;
    QStringList list; // guarded by the mutex
};

Warnings &warnings()
{
    static Warnings all;
    return all;
}

void collect(QtMsgType type, const QMessageLogContext & /*context*/, const QString &message)
{
    if (type == QtDebugMsg || type == QtInfoMsg
        || message.contains(QLatin1String("propagateSizeHints"))) // where Qt draws into memory
        return;
    const std::lock_guard<std::mutex> lock(warnings().mutex);
    warnings().list += message;
}

/// Stands for the desktop's programs.
class Desktop : public QObject
{
    Q_OBJECT

public:
    Desktop() { QDesktopServices::setUrlHandler(QStringLiteral("file"), this, "open"); }
    ~Desktop() override { QDesktopServices::unsetUrlHandler(QStringLiteral("file")); }

    QList<QUrl> opened;

public Q_SLOTS:
    void open(const QUrl &url) { opened += url; }
};

} // namespace

class tst_IndexerDesktop : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();
    void cleanup();

    void missingFolderIsSeen();
    void unwritableDatabaseIsSeen();
    void returnOpensAFile();
    void doubleClickOpensAFile();
    void anyNameOpens();
    void copiesThePath();
    void escapeGoesBack();
    void findKey();
    void quitKey();
    void nothingIsSaidWhileTyping();
    void fitsTheScreen();
    void fitsTheScreenAtTwiceTheSize();
    void mirrored();

private:
    void open(const QByteArray &folder);
    QQuickItem *item(const char *name) const;
    void click(const QQuickItem *target) const;
    void press(const QKeySequence &keys) const { QTest::keySequence(m_window->window(), keys); }
    void type(const QString &text) const;
    int resultCount() { return m_window->session().results()->rowCount(); }
    /// Into the field for the search, and then from there to the first result, when there are
    /// \a count and the first one begins with \a name.
    void goToResult(const QString &pattern, const QString &name, int count);
    void takePicture(const char *name) const;

    QByteArray tree() const { return *m_folder / "tree"; }

    std::optional<Folder> m_folder;
    QByteArray m_database;
    std::optional<Demo::Window> m_window;
};

void tst_IndexerDesktop::init()
{
    m_folder.emplace();
    m_database = *m_folder / "index.sqlite";
    ::mkdir(tree().constData(), 0777);
    for (const char *name : { "/letter.odt", "/Invoice 1.pdf", "/Invoice 2.pdf" })
        writeFile(tree() + name, name);
}

void tst_IndexerDesktop::cleanup()
{
    if (m_window) {
        QSignalSpy ended(&m_window->session(), &Demo::Session::ended);
        m_window->session().end();
        QVERIFY(m_window->session().process()->isClosed() || ended.wait(milliseconds));
    }
    m_window.reset();
    m_folder.reset();
    const std::lock_guard<std::mutex> lock(warnings().mutex);
    QCOMPARE(warnings().list, QStringList());
}

void tst_IndexerDesktop::open(const QByteArray &folder)
{
    Demo::Task task;
    task.folder = folder;
    task.database = m_database;
    m_window.emplace(task);
    QVERIFY(m_window->window());
    m_window->window()->requestActivate();
    QVERIFY(QTest::qWaitForWindowExposed(m_window->window()));
}

QQuickItem *tst_IndexerDesktop::item(const char *name) const
{
    auto *found = m_window->window()->findChild<QQuickItem *>(QString::fromLatin1(name));
    if (!found)
        qFatal("The window has no %s", name);
    return found;
}

void tst_IndexerDesktop::click(const QQuickItem *target) const
{
    const QPointF middle = target->mapToScene({ target->width() / 2, target->height() / 2 });
    QTest::mouseClick(m_window->window(), Qt::LeftButton, {}, middle.toPoint());
}

void tst_IndexerDesktop::type(const QString &text) const
{
    for (const QChar c : text)
        QTest::keyClick(m_window->window(), c.toLatin1());
}

void tst_IndexerDesktop::goToResult(const QString &pattern, const QString &name, int count)
{
    QTRY_VERIFY_WITH_TIMEOUT(m_window->session().isUpToDate(), milliseconds);
    click(item("pattern"));
    type(pattern);
    const QAbstractItemModel *results = m_window->session().results();
    QTRY_VERIFY_WITH_TIMEOUT(m_window->session().pattern() == pattern && resultCount() == count
                                     && results->index(0, 0).data().toString().startsWith(name),
                             milliseconds);
    QTest::keyClick(m_window->window(), Qt::Key_Return);
    QTRY_VERIFY_WITH_TIMEOUT(item("results")->hasActiveFocus(), milliseconds);
}

/// For those who change how it looks.
void tst_IndexerDesktop::takePicture(const char *name) const
{
    m_window->window()->grabWindow().save(
            QStringLiteral(DEMO_PICTURES "/%1.png").arg(QLatin1String(name)));
}

void tst_IndexerDesktop::missingFolderIsSeen()
{
    const QByteArray missing = *m_folder / "missing";
    open(missing);
    QTRY_VERIFY_WITH_TIMEOUT(item("failure")->isVisible(), milliseconds);
    const QString text = item("failureText")->property("text").toString();
    QVERIFY2(text.contains(QStringLiteral("missing: No such file")), qPrintable(text));
    QVERIFY(item("failure")->height() > 30);
    QVERIFY(!item("progressText")->isVisible());
    takePicture("missing");

    // Put right, it goes on.
    ::mkdir(missing.constData(), 0777);
    click(item("tryAgain"));
    QTRY_VERIFY_WITH_TIMEOUT(m_window->session().isUpToDate(), milliseconds);
    QVERIFY(!item("failure")->isVisible());
}

void tst_IndexerDesktop::unwritableDatabaseIsSeen()
{
    m_database = *m_folder / "no such folder/index.sqlite";
    open(tree());
    QTRY_VERIFY_WITH_TIMEOUT(item("failure")->isVisible(), milliseconds);
    const QString text = item("failureText")->property("text").toString();
    QVERIFY2(text.contains(QStringLiteral("cannot write")), qPrintable(text));
    takePicture("unwritable");
}

void tst_IndexerDesktop::returnOpensAFile()
{
    const Desktop desktop;
    open(tree());
    goToResult(QStringLiteral("inv"), QStringLiteral("Invoice 1"), 2);
    QVERIFY(desktop.opened.isEmpty());
    QTest::keyClick(m_window->window(), Qt::Key_Down);
    QTest::keyClick(m_window->window(), Qt::Key_Return);
    QTRY_COMPARE_WITH_TIMEOUT(desktop.opened.size(), 1, milliseconds);
    QCOMPARE(QFile::encodeName(desktop.opened.first().toLocalFile()), tree() + "/Invoice 2.pdf");
    takePicture("results");
}

void tst_IndexerDesktop::doubleClickOpensAFile()
{
    const Desktop desktop;
    open(tree());
    goToResult(QStringLiteral("letter"), QStringLiteral("letter"), 1);
    const QPointF first = item("results")->mapToScene({ 40, 20 });
    QTest::mouseDClick(m_window->window(), Qt::LeftButton, {}, first.toPoint());
    QTRY_COMPARE_WITH_TIMEOUT(desktop.opened.size(), 1, milliseconds);
    QCOMPARE(QFile::encodeName(desktop.opened.first().toLocalFile()), tree() + "/letter.odt");
}

void tst_IndexerDesktop::anyNameOpens()
{
    const QByteArray name = tree() + "/odd #%41?\xff.txt";
    writeFile(name, "odd");
    const Desktop desktop;
    open(tree());
    goToResult(QStringLiteral("odd"), QStringLiteral("odd"), 1);
    QTest::keyClick(m_window->window(), Qt::Key_Return);
    QTRY_COMPARE_WITH_TIMEOUT(desktop.opened.size(), 1, milliseconds);
    const QByteArray path = desktop.opened.first().toEncoded().mid(7);
    QCOMPARE(QByteArray::fromPercentEncoding(path), name);
    m_window->session().openFolderOf(0);
    QCOMPARE(QFile::encodeName(desktop.opened.last().toLocalFile()), tree());
}

void tst_IndexerDesktop::copiesThePath()
{
    open(tree());
    goToResult(QStringLiteral("letter"), QStringLiteral("letter"), 1);
    press(QKeySequence::Copy);
    QTRY_COMPARE_WITH_TIMEOUT(QGuiApplication::clipboard()->text(),
                              QFile::decodeName(tree() + "/letter.odt"), milliseconds);
}

void tst_IndexerDesktop::escapeGoesBack()
{
    open(tree());
    goToResult(QStringLiteral("inv"), QStringLiteral("Invoice 1"), 2);
    QTest::keyClick(m_window->window(), Qt::Key_Escape);
    QTRY_VERIFY_WITH_TIMEOUT(item("pattern")->hasActiveFocus(), milliseconds);
    QCOMPARE(m_window->session().pattern(), QStringLiteral("inv"));
    QTest::keyClick(m_window->window(), Qt::Key_Escape);
    QTRY_COMPARE_WITH_TIMEOUT(m_window->session().pattern(), QString(), milliseconds);

    // A folder that was typed and not chosen.
    click(item("folder"));
    type(QStringLiteral("x"));
    QTest::keyClick(m_window->window(), Qt::Key_Escape);
    QTRY_COMPARE_WITH_TIMEOUT(item("folder")->property("text").toString(),
                              QFile::decodeName(tree()), milliseconds);
}

void tst_IndexerDesktop::findKey()
{
    open(tree());
    goToResult(QStringLiteral("inv"), QStringLiteral("Invoice 1"), 2);
    press(QKeySequence(Qt::CTRL | Qt::Key_F));
    QTRY_VERIFY_WITH_TIMEOUT(item("pattern")->hasActiveFocus(), milliseconds);
    type(QStringLiteral("letter")); // in place of what was there
    QTRY_COMPARE_WITH_TIMEOUT(m_window->session().pattern(), QStringLiteral("letter"),
                              milliseconds);
}

void tst_IndexerDesktop::quitKey()
{
    open(tree());
    QSignalSpy ended(&m_window->session(), &Demo::Session::ended);
    press(QKeySequence(Qt::CTRL | Qt::Key_Q));
    QVERIFY(ended.count() > 0 || ended.wait(milliseconds));
    QVERIFY(m_window->session().process()->isClosed());
}

/// Many results that become few, while some that are not seen are still being made.
void tst_IndexerDesktop::nothingIsSaidWhileTyping()
{
    for (int i = 0; i < 2000; ++i)
        writeFile(tree() + "/report " + QByteArray::number(i) + ".odt", QByteArray::number(i));
    open(tree());
    QTRY_VERIFY_WITH_TIMEOUT(m_window->session().isUpToDate(), milliseconds);
    for (int i = 0; i < 5; ++i) {
        click(item("pattern"));
        press(QKeySequence::SelectAll);
        type(QStringLiteral("r"));
        QTRY_VERIFY_WITH_TIMEOUT(resultCount() >= 500, milliseconds);
        QTest::keyClick(m_window->window(), Qt::Key_Return);
        QTest::keyClick(m_window->window(), Qt::Key_End);
        QTest::keyClick(m_window->window(), Qt::Key_PageDown);
        click(item("pattern"));
        press(QKeySequence::SelectAll);
        type(QStringLiteral("letter"));
        QTRY_COMPARE_WITH_TIMEOUT(resultCount(), 1, milliseconds);
    }
} // cleanup() looks for what was said

void tst_IndexerDesktop::fitsTheScreen()
{
    open(tree());
    QTRY_VERIFY_WITH_TIMEOUT(m_window->session().isUpToDate(), milliseconds);
    const QQuickWindow *window = m_window->window();
    const QSize room = window->screen()->availableSize();
    QVERIFY(window->width() <= room.width());
    QVERIFY(window->height() <= room.height());
    QVERIFY(window->minimumWidth() <= room.width());

    const QQuickItem *processes = item("tree");
    const auto all = processes->findChildren<QQuickItem *>();
    const auto table = std::find_if(all.begin(), all.end(), [](const QQuickItem *child) {
        return child->inherits("QQuickTreeView");
    });
    QVERIFY(table != all.end());
    QTRY_VERIFY_WITH_TIMEOUT((*table)->property("rows").toInt() >= 5, milliseconds);
    QTRY_VERIFY_WITH_TIMEOUT((*table)->property("contentWidth").toReal() <= (*table)->width(),
                             milliseconds);
    QVERIFY(processes->height() >= 80);

    // The panes keep away from what lies between them.
    const QQuickItem *left = item("leftPane");
    const QRectF leftArea = left->mapRectToScene(QRectF(0, 0, left->width(), left->height()));
    const QRectF rightArea =
            processes->mapRectToScene(QRectF(0, 0, processes->width(), processes->height()));
    QVERIFY(!leftArea.adjusted(-10, -10, 10, 10).intersects(rightArea));
    QVERIFY(rightArea.right() <= window->width());
    const QQuickItem *content = processes->parentItem()->parentItem();
    QVERIFY(content);
    QVERIFY(processes->mapRectToItem(content, processes->boundingRect()).bottom()
            <= content->height() + 1);
    takePicture(window->devicePixelRatio() > 1 ? "scaled" : "fits");
}

void tst_IndexerDesktop::fitsTheScreenAtTwiceTheSize()
{
    QProcess scaled;
    QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
    environment.insert(QStringLiteral("QT_SCALE_FACTOR"), QStringLiteral("2"));
    scaled.setProcessEnvironment(environment);
    scaled.setProcessChannelMode(QProcess::MergedChannels);
    scaled.start(QCoreApplication::applicationFilePath(), { QStringLiteral("fitsTheScreen") });
    QVERIFY(scaled.waitForFinished(milliseconds));
    QVERIFY2(scaled.exitStatus() == QProcess::NormalExit && scaled.exitCode() == 0,
             scaled.readAll());
}

void tst_IndexerDesktop::mirrored()
{
    QGuiApplication::setLayoutDirection(Qt::RightToLeft);
    open(tree());
    QTRY_VERIFY_WITH_TIMEOUT(m_window->session().isUpToDate(), milliseconds);
    takePicture("mirrored");
    const qreal folder = item("folder")->mapToScene({ 0, 0 }).x();
    QGuiApplication::setLayoutDirection(Qt::LeftToRight);
    // What is left of it stands right of it now.
    QVERIFY(folder > 60);
}

int main(int argc, char **argv)
{
    const VirtualDisplay display;
    qInstallMessageHandler(collect);
    QGuiApplication application(argc, argv);
    {
        const std::lock_guard<std::mutex> lock(warnings().mutex);
        warnings().list.clear(); // of the machine's themes and plugins
    }
    tst_IndexerDesktop test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_indexerdesktop.moc"
