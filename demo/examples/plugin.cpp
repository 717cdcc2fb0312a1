// SPDX-License-Identifier: MIT
// A plugin with works of its own, which pluginhost.cpp loads and unloads. Its object is destroyed
// before its code goes: the process, its last member, closes then and waits for what still runs.

#include <GoProcess/Process>

#include <QObject>

#include <cstdio>

using GoProcess::Process;

class Plugin : public QObject
{
    Q_OBJECT
    Q_PLUGIN_METADATA(IID "goprocess.example.plugin")

public:
    Plugin()
    {
        m_root.go([](Process &self) {
            self.waitForClosing(); // a real one does something meanwhile
            std::puts("plugin: its work has ended");
        });
    }

private:
    Process m_root { [] { std::puts("plugin: closed"); } };
};

#include "plugin.moc"
