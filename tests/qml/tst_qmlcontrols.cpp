// SPDX-License-Identifier: MIT
// The controls of GoProcess.Controls in a window, as users see them and reach them.
//
// Locals outlive the event loops here, and what QML declares has no signals in C++:
// clazy:excludeall=lambda-in-connect,old-style-connect

#include "support/messages.h"

#include <GoProcess/GoProcess>

#include <QAccessible>
#include <QElapsedTimer>
#include <QGuiApplication>
#include <QImage>
#include <QQmlComponent>
#include <QQmlContext>
#include <QQmlEngine>
#include <QQuickItem>
#include <QQuickWindow>
#include <QScopeGuard>
#include <QSet>
#include <QSignalSpy>
#include <QStringList>
#include <QTest>
#include <QUrl>

#include <memory>
#include <vector>

using GoProcess::Error;
using GoProcess::Hold;
using GoProcess::Process;
using namespace TestSupport;

namespace {

/// A window with \a content, which knows `app`.
class Window
{
public:
    explicit Window(Process &app, const QString &content)
    {
        m_engine.addImportPath(QStringLiteral(GOPROCESS_QML_IMPORT_DIR));
        m_engine.rootContext()->setContextProperty(QStringLiteral("app"), &app);
        QQmlComponent component(&m_engine);
        component.setData(QStringLiteral(R"(
            import QtQuick
            import QtQuick.Controls
            import GoProcess
            import GoProcess.Controls
            ApplicationWindow { width: 640; height: 400; visible: true; %1 })")
                                  .arg(content)
                                  .toUtf8(),
                          QUrl(QStringLiteral("file:///window.qml")));
        m_window.reset(qobject_cast<QQuickWindow *>(component.create()));
        if (!m_window)
            TestSupport::fail(component.errorString());
    }

    QQuickWindow *operator->() const { return m_window.get(); }
    QQuickWindow *get() const { return m_window.get(); }

    /// The visible items that show \a text.
    QList<QQuickItem *> items(const QString &text) const
    {
        QList<QQuickItem *> found;
        collect(m_window->contentItem(), text, found);
        return found;
    }
    bool shows(const QString &text) const { return !items(text).isEmpty(); }

    QObject *find(const char *type) const
    {
        const QList<QObject *> all = m_window->findChildren<QObject *>();
        for (QObject *object : all) {
            if (QByteArray(object->metaObject()->className()).startsWith(type))
                return object;
        }
        return nullptr;
    }

private:
    static void collect(QQuickItem *item, const QString &text, QList<QQuickItem *> &found)
    {
        if (!item->isVisible())
            return;
        if (item->inherits("QQuickText") && item->property("text").toString().contains(text))
            found << item;
        const QList<QQuickItem *> children = item->childItems();
        for (QQuickItem *child : children)
            collect(child, text, found);
    }

    QQmlEngine m_engine;
    std::unique_ptr<QQuickWindow> m_window;
};

QString tree()
{
    return QStringLiteral("ProcessTreeView { anchors.fill: parent; process: app }");
}

QString overlay()
{
    return QStringLiteral("ShutdownOverlay { process: app }");
}

/// How many colours the picture of the window has; it is kept as \a name.
qsizetype colorsOf(QQuickWindow *window, const QString &name)
{
    const QImage image = window->grabWindow();
    image.save(QStringLiteral(GOPROCESS_PICTURES "/%1.png").arg(name));
    QSet<QRgb> colors;
    for (int y = 0; y < image.height(); ++y) {
        for (int x = 0; x < image.width(); ++x)
            colors << image.pixel(x, y);
    }
    return colors.size();
}

/// Where the text in \a item ends, seen from the left of the window.
qreal rightOf(QQuickItem *item)
{
    return item->mapToScene({ item->width(), 0 }).x();
}

QString accessibleName(QObject *object)
{
    QAccessibleInterface *interface = QAccessible::queryAccessibleInterface(object);
    return interface ? interface->text(QAccessible::Name) : QString();
}

} // namespace

class tst_QmlControls : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void cleanup() { verify(); }

    void theTreeShowsStates();
    void theTreeShowsErrors();
    void theTreeOpensItsUpperLevels();
    void theTreeLeavesClosedWhatTheUserCloses();
    void theTreeIsReachedByKeys();
    void theTreeHasNames();
    void theTreeFollowsTheDirection();
    void theTreeIsDrawn();
    void theOverlayComesWhenClosingLasts();
    void theOverlayDoesNotComeForAQuickClose();
    void theOverlaySaysWhatIsOpen();
    void theOverlayKeepsInputFromTheWindow();
    void theOverlayHasNames();
    void theOverlayIsDrawn();
    void theWindowOfTheReadme();
    void theVersionIsThatOfTheLibrary();
};

void tst_QmlControls::theTreeShowsStates()
{
    Process app;
    Process network(&app);
    network.setName(QStringLiteral("network"));
    Hold hold = network.hold();
    Window window(app, tree());
    QVERIFY(QTest::qWaitForWindowExposed(window.get()));
    QTRY_VERIFY(window.shows(QStringLiteral("network")));
    QTRY_VERIFY(window.shows(QStringLiteral("Running")));
    QTRY_VERIFY(window.shows(QStringLiteral(" s")));
    network.close();
    QTRY_VERIFY(window.shows(QStringLiteral("Closing")));
    hold.release();
    QTRY_VERIFY(window.shows(QStringLiteral("Closed")));
    QTRY_VERIFY(!window.shows(QStringLiteral("network")));
}

void tst_QmlControls::theTreeShowsErrors()
{
    Process app;
    Process storage([] { return Error(QStringLiteral("disk full")); }, &app);
    Window window(app, tree());
    QTRY_VERIFY(window.shows(QStringLiteral("Running")));
    storage.close();
    QTRY_VERIFY(window.shows(QStringLiteral("Failed: disk full")));
}

void tst_QmlControls::theTreeOpensItsUpperLevels()
{
    Process app;
    const Process first(&app);
    Process second(const_cast<Process *>(&first));
    second.setName(QStringLiteral("second"));
    Process third(&second);
    third.setName(QStringLiteral("third"));
    Process fourth(&third);
    fourth.setName(QStringLiteral("fourth"));
    Window window(app, tree());
    QTRY_VERIFY(window.shows(QStringLiteral("third")));
    QVERIFY(!window.shows(QStringLiteral("fourth")));
}

void tst_QmlControls::theTreeLeavesClosedWhatTheUserCloses()
{
    Process app;
    Process first(&app);
    first.setName(QStringLiteral("first"));
    Process second(&first);
    second.setName(QStringLiteral("second"));
    Window window(app, tree());
    QTRY_VERIFY(window.shows(QStringLiteral("second")));
    QObject *view = window.find("QQuickTreeView");
    QVERIFY(view);
    QMetaObject::invokeMethod(view, "collapse", Q_ARG(int, 0));
    QMetaObject::invokeMethod(view, "openUpperLevels"); // as it may be, before the layout follows
    QTRY_VERIFY(!window.shows(QStringLiteral("second")));
    Process another(&app);
    another.setName(QStringLiteral("another"));
    Process below(&another);
    below.setName(QStringLiteral("below"));
    QTRY_VERIFY(window.shows(QStringLiteral("below")));
    QVERIFY(!window.shows(QStringLiteral("second")));
}

void tst_QmlControls::theTreeIsReachedByKeys()
{
    Process app;
    Process first(&app);
    first.setName(QStringLiteral("first"));
    Process second(&first);
    second.setName(QStringLiteral("second"));
    Window window(
            app,
            QStringLiteral(
                    "Button { y: 300 } ProcessTreeView { width: 400; height: 300; process: app }"));
    window->requestActivate();
    QVERIFY(QTest::qWaitForWindowActive(window.get()));
    QTRY_VERIFY(window.shows(QStringLiteral("second")));
    auto *view = qobject_cast<QQuickItem *>(window.find("QQuickTreeView"));
    QVERIFY(view);
    for (int i = 0; i < 5 && !view->hasActiveFocus(); ++i)
        QTest::keyClick(window.get(), Qt::Key_Tab);
    QVERIFY(view->hasActiveFocus());
    QTest::keyClick(window.get(), Qt::Key_Down);
    QTRY_VERIFY(view->property("currentRow").toInt() >= 0);
    while (view->property("currentRow").toInt() > 0)
        QTest::keyClick(window.get(), Qt::Key_Up);
    QTest::keyClick(window.get(), Qt::Key_Left);
    QTRY_VERIFY(!window.shows(QStringLiteral("second")));
    QTest::keyClick(window.get(), Qt::Key_Right);
    QTRY_VERIFY(window.shows(QStringLiteral("second")));
}

void tst_QmlControls::theTreeHasNames()
{
    Process app;
    Process network(&app);
    network.setName(QStringLiteral("network"));
    Window window(app, tree());
    QTRY_VERIFY(window.shows(QStringLiteral("network")));
    QCOMPARE(accessibleName(window.find("QQuickTreeView")), QStringLiteral("Processes"));
    QStringList names;
    const QList<QQuickItem *> texts = window.items(QString());
    for (QQuickItem *item : texts) {
        for (QQuickItem *above = item; above; above = above->parentItem())
            names << accessibleName(above);
    }
    QVERIFY2(names.contains(QStringLiteral("network")), qPrintable(names.join(u' ')));
    QVERIFY(names.contains(QStringLiteral("Running")));
}

void tst_QmlControls::theTreeFollowsTheDirection()
{
    Process app;
    Process network(&app);
    network.setName(QStringLiteral("network"));
    const auto left = [](const Window &window, const char *text) {
        const QList<QQuickItem *> items = window.items(QString::fromLatin1(text));
        return items.isEmpty() ? -1.0 : items.first()->mapToScene({ 0, 0 }).x();
    };
    const auto restore = qScopeGuard([] { QGuiApplication::setLayoutDirection(Qt::LeftToRight); });
    const QString failed = QStringLiteral("Failed: no space is left on the disk");
    Process storage([] { return Error(QStringLiteral("no space is left on the disk")); }, &app);
    // The name in its column, and the word beside its coloured dot.
    {
        const Window window(app, tree());
        QTRY_VERIFY(left(window, "Running") > 0);
        QVERIFY(left(window, "network") < 100);
    }
    QGuiApplication::setLayoutDirection(Qt::RightToLeft);
    const Window window(app, tree());
    QTRY_VERIFY(left(window, "Running") > 0);
    QTRY_VERIFY(rightOf(window.items(QStringLiteral("network")).constFirst()) > 300);
    // Columns follow it too, and so does the header.
    QVERIFY(left(window, "network") > left(window, "Running"));
    QTRY_VERIFY(left(window, "Process") > left(window, "State"));
    storage.close();
    QTRY_VERIFY(window.shows(failed));
    colorsOf(window.get(), QStringLiteral("tree-rtl"));
}

void tst_QmlControls::theTreeIsDrawn()
{
    Process app;
    app.setName(QStringLiteral("indexer"));
    Process search(&app);
    search.setName(QStringLiteral("search"));
    Process scanner(&app);
    scanner.setName(QStringLiteral("scanner"));
    Process storage([] { return Error(QStringLiteral("disk full")); }, &app);
    storage.setName(QStringLiteral("storage"));
    std::vector<std::unique_ptr<Process>> files;
    for (int i = 0; i < 5; ++i) {
        files.push_back(std::make_unique<Process>(&scanner));
        files.back()->setName(QStringLiteral("file %1").arg(i));
    }
    Hold hold = files.front()->hold();
    Window window(app, tree());
    QVERIFY(QTest::qWaitForWindowExposed(window.get()));
    QTRY_VERIFY(window.shows(QStringLiteral("file 4")));
    storage.close();
    files.front()->close();
    QTRY_VERIFY(window.shows(QStringLiteral("Failed")));
    QTRY_VERIFY(window.shows(QStringLiteral("Closing")));
    QVERIFY(colorsOf(window.get(), QStringLiteral("tree")) > 20);
    hold.release();
}

void tst_QmlControls::theOverlayComesWhenClosingLasts()
{
    Process app;
    Hold hold = app.hold();
    Window window(app, overlay());
    QObject *popup = window.find("ShutdownOverlay");
    QVERIFY(popup);
    QTRY_VERIFY(!popup->property("visible").toBool());
    QElapsedTimer time;
    time.start();
    app.close();
    QTRY_VERIFY(popup->property("visible").toBool());
    QVERIFY(time.elapsed() >= 300);
    hold.release();
    QTRY_VERIFY(!popup->property("visible").toBool());
}

void tst_QmlControls::theOverlayDoesNotComeForAQuickClose()
{
    Process app;
    const Process child(&app);
    Window window(app, overlay());
    QObject *popup = window.find("ShutdownOverlay");
    QVERIFY(popup);
    const QSignalSpy shown(popup, SIGNAL(aboutToShow()));
    app.close();
    QTRY_VERIFY(app.isClosed());
    QTRY_VERIFY(!popup->property("isClosing").toBool());
    QCOMPARE(shown.count(), 0);
}

void tst_QmlControls::theOverlaySaysWhatIsOpen()
{
    Process app;
    app.setName(QStringLiteral("app"));
    Process storage(&app);
    storage.setName(QStringLiteral("storage"));
    Hold hold = storage.hold();
    Window window(app, overlay());
    app.close();
    QTRY_VERIFY(window.shows(QStringLiteral("/app/storage")));
    QVERIFY(window.shows(QStringLiteral("Closing")));
    QTRY_VERIFY(window.shows(QStringLiteral("0 of 2 closed")));
    hold.release();
    QTRY_VERIFY(!window.shows(QStringLiteral("/app/storage")));
}

void tst_QmlControls::theOverlayKeepsInputFromTheWindow()
{
    Process app;
    Hold hold = app.hold();
    Window window(app,
                  QStringLiteral("Button { id: button; anchors.fill: parent; text: \"press\"; "
                                 "property int clicks: 0; onClicked: ++clicks } ")
                          + overlay());
    QVERIFY(QTest::qWaitForWindowExposed(window.get()));
    QObject *button = window.find("Button");
    QVERIFY(button);
    QTest::mouseClick(window.get(), Qt::LeftButton, {}, { 5, 5 });
    QTRY_COMPARE(button->property("clicks").toInt(), 1);
    app.close();
    QObject *popup = window.find("ShutdownOverlay");
    QTRY_VERIFY(popup->property("opened").toBool());
    QTest::mouseClick(window.get(), Qt::LeftButton, {}, { 5, 5 });
    QTest::keyClick(window.get(), Qt::Key_Escape);
    QVERIFY(popup->property("opened").toBool());
    QCOMPARE(button->property("clicks").toInt(), 1);
    hold.release();
    QTRY_VERIFY(!popup->property("visible").toBool());
}

void tst_QmlControls::theOverlayHasNames()
{
    Process app;
    Hold hold = app.hold();
    Window window(app, overlay());
    app.close();
    QTRY_VERIFY(window.shows(QStringLiteral("Closing")));
    QStringList names;
    for (QQuickItem *above = window.items(QStringLiteral("Closing")).constFirst(); above;
         above = above->parentItem())
        names << accessibleName(above);
    QVERIFY(names.contains(QStringLiteral("Closing…")));
    hold.release();
}

void tst_QmlControls::theOverlayIsDrawn()
{
    Process app;
    app.setName(QStringLiteral("indexer"));
    std::vector<std::unique_ptr<Process>> files;
    std::vector<Hold> holds;
    for (int i = 0; i < 25; ++i) {
        files.push_back(std::make_unique<Process>(&app));
        files.back()->setName(QStringLiteral("file %1").arg(i));
        if (i > 0)
            holds.push_back(files.back()->hold());
    }
    Window window(app, tree() + QLatin1Char(' ') + overlay());
    QVERIFY(QTest::qWaitForWindowExposed(window.get()));
    QTRY_VERIFY(window.shows(QStringLiteral("file 10")));
    app.close();
    QObject *popup = window.find("ShutdownOverlay");
    QTRY_VERIFY(popup->property("opened").toBool());
    QTRY_VERIFY(window.shows(QStringLiteral("and 5 more")));
    QVERIFY(colorsOf(window.get(), QStringLiteral("overlay")) > 20);
    holds.clear();
}

void tst_QmlControls::theWindowOfTheReadme()
{
    Process app;
    app.setName(QStringLiteral("app"));
    Process storage(&app);
    Hold hold = storage.hold();
    QQmlEngine engine;
    engine.addImportPath(QStringLiteral(GOPROCESS_QML_IMPORT_DIR));
    QQmlComponent component(&engine, QUrl::fromLocalFile(QStringLiteral(GOPROCESS_README_WINDOW)));
    QVERIFY2(component.isReady(), qPrintable(component.errorString()));
    const std::unique_ptr<QObject> root(component.createWithInitialProperties(
            { { QStringLiteral("app"), QVariant::fromValue(&app) } }));
    auto *window = qobject_cast<QQuickWindow *>(root.get());
    QVERIFY2(window, qPrintable(component.errorString()));
    QVERIFY(QTest::qWaitForWindowExposed(window));
    QVERIFY(!window->close());
    QVERIFY(app.isClosing());
    QVERIFY(window->isVisible());
    hold.release();
    QTRY_VERIFY(!window->isVisible());
    QVERIFY(app.isClosed());
}

void tst_QmlControls::theVersionIsThatOfTheLibrary()
{
    QQmlEngine engine;
    engine.addImportPath(QStringLiteral(GOPROCESS_QML_IMPORT_DIR));
    QQmlComponent component(&engine);
    component.setData(QStringLiteral("import GoProcess.Controls %1.%2\nProcessTreeView {}")
                              .arg(GOPROCESS_VERSION_MAJOR)
                              .arg(GOPROCESS_VERSION_MINOR)
                              .toUtf8(),
                      QUrl());
    QVERIFY2(component.isReady(), qPrintable(component.errorString()));
}

QTEST_MAIN(tst_QmlControls)

#include "tst_qmlcontrols.moc"
