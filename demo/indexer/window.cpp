// SPDX-License-Identifier: MIT
// Making the window, and letting it go when everything is closed.

#include "window.h"

#include <GoProcess/Bindings>

#include <QGuiApplication>
#include <QVariant>

#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace Demo {

Window::Window(const Task &task) : m_session(task)
{
    // The widest choice of controls that looks the same everywhere, unless the user has chosen.
    if (!qEnvironmentVariableIsSet("QT_QUICK_CONTROLS_STYLE"))
        qputenv("QT_QUICK_CONTROLS_STYLE", "Fusion");
    m_engine.addImportPath(QStringLiteral(GOPROCESS_QML_IMPORT_DIR));
    m_engine.setInitialProperties(
            { { QStringLiteral("session"), QVariant::fromValue(&m_session) } });
    m_engine.load(QUrl(QStringLiteral("qrc:/indexer/Main.qml")));
    if (m_engine.rootObjects().isEmpty())
        return;
    m_window = qobject_cast<QQuickWindow *>(m_engine.rootObjects().constFirst());
    m_frameGaps = std::make_unique<FrameGaps>(*m_window);
    QObject::connect(&m_session, &Session::ending, m_frameGaps.get(), &FrameGaps::start);
    QObject::connect(&m_session, &Session::ended, m_frameGaps.get(), &FrameGaps::stop);
}

int indexInWindow(const Task &task)
{
    // It ends when all is closed, not with the last window.
    QGuiApplication::setQuitOnLastWindowClosed(false);
    // What is restored at the end: a SIGTERM that comes late does not change how the program ends.
    std::signal(SIGTERM, [](int /*signal*/) {});
    GoProcess::Process interrupted;
    GoProcess::closeOnSignals(&interrupted, { SIGINT }); // a second one ends the program
    GoProcess::Process terminated;
    GoProcess::closeOnSignals(&terminated, { SIGTERM }, GoProcess::FurtherSignal::IsIgnored);
    Window window(task);
    if (!window.window())
        return EXIT_FAILURE; // the engine has said why
    Session &session = window.session();
    for (const GoProcess::Process *signal : { &interrupted, &terminated })
        QObject::connect(signal, &GoProcess::Process::closing, &session, &Session::end);
    QObject::connect(&session, &Session::ended, qApp, [] { QCoreApplication::exit(); });
    QGuiApplication::exec();
    if (const FrameGaps &gaps = window.frameGaps(); gaps.frameCount() > 0)
        std::printf("frames: %d while closing, the longest gap was %d ms\n", gaps.frameCount(),
                    int(gaps.longest().count()));
    return session.exitStatus();
}

} // namespace Demo
