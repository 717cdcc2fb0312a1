// SPDX-License-Identifier: MIT
// What a host knows of the plugin.

#ifndef GOPROCESS_TEST_PLUGIN_H
#define GOPROCESS_TEST_PLUGIN_H

#include <QtPlugin>

class TestPlugin
{
public:
    TestPlugin() = default;
    Q_DISABLE_COPY_MOVE(TestPlugin)
    virtual ~TestPlugin() = default;

    virtual void start(bool catchSignals) = 0;
    /// Its exceptions are the host's to forget.
    virtual void leaveExceptions() = 0;
    /// A GoProcess::Process.
    virtual QObject *process() = 0;
    /// Closes all that it has, and waits.
    virtual void stop() = 0;
};

Q_DECLARE_INTERFACE(TestPlugin, "goprocess.test.plugin")

#endif
