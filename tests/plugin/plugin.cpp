// SPDX-License-Identifier: MIT
// A plugin that uses the library: its works, captures, continuations and exceptions are code and
// data of its own.

#include "plugin.h"

#include <GoProcess/Bindings>
#include <GoProcess/GoProcess>
#include <GoProcess/Periodic>

#include <QObject>
#include <QString>
#include <QThread>

#include <csignal>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>

using GoProcess::Process;
using namespace std::chrono_literals;

namespace {

/// Its destructor is code of the plugin, and looks at memory of its own.
struct Capture
{
    std::string text = "captured by a plugin, too long to be kept inside of the string";
    ~Capture()
    {
        if (text.empty())
            std::terminate();
        text.clear();
    }
};

/// An exception that only the plugin knows.
class PluginFailure : public std::runtime_error
{
public:
    using std::runtime_error::runtime_error;

private:
    Capture m_capture;
};

class Subsystem
{
public:
    Subsystem()
    {
        const auto capture = m_capture;
        m_root.setName(QStringLiteral("plugin"));
        for (int i = 0; i < 4; ++i)
            m_root.go([capture](Process &self) { self.waitForClosing(); });
        m_root.go(QStringLiteral("failing"),
                  [capture] { throw PluginFailure("the plugin has failed"); });
        GoProcess::every(
                1ms, [capture] {}, &m_root);
        GoProcess::closeAt(&m_root, QDeadlineTimer(3600s));
        m_root.whenClosed().then([capture](const GoProcess::Error &) {});
        m_thread.start();
        m_inThread.moveToThread(&m_thread);
        m_root.addChild(&m_inThread);
    }
    Q_DISABLE_COPY_MOVE(Subsystem)
    ~Subsystem()
    {
        m_root.closeAndWait();
        if (!m_leavesExceptions)
            m_root.forgetExceptions();
        m_thread.quit();
        m_thread.wait();
    }

    Process *root() { return &m_root; }
    void leaveExceptions() { m_leavesExceptions = true; }

private:
    std::shared_ptr<Capture> m_capture = std::make_shared<Capture>();
    bool m_leavesExceptions = false;
    QThread m_thread;
    Process m_inThread { [capture = m_capture] {} };
    Process m_root { [capture = m_capture] {} };
};

class Plugin : public QObject, public TestPlugin
{
    Q_OBJECT
    Q_PLUGIN_METADATA(IID "goprocess.test.plugin")
    Q_INTERFACES(TestPlugin)

public:
    void start(bool catchSignals) override
    {
        m_subsystem = std::make_unique<Subsystem>();
        if (catchSignals)
            GoProcess::closeOnSignals(m_subsystem->root(), { SIGTERM });
    }
    void leaveExceptions() override { m_subsystem->leaveExceptions(); }
    QObject *process() override { return m_subsystem->root(); }
    void stop() override { m_subsystem.reset(); }

private:
    std::unique_ptr<Subsystem> m_subsystem;
};

} // namespace

#include "plugin.moc"
