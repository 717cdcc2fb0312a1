// SPDX-License-Identifier: MIT
// A display of the test's own.

#ifndef VIRTUALDISPLAY_H
#define VIRTUALDISPLAY_H

#include "support/sanitizers.h"

#include <QByteArray>

#include <array>
#include <csignal>
#include <cstdio>

/// An X server without a screen, where there is Xvfb; else Qt draws into memory. Made before the
/// application, it also draws without the machine's graphics card.
///
/// It draws into memory under the address sanitizer too: Qt's keyboards of X copy texts that have a
/// length and no end, which strict_string_checks takes for a mistake.
class VirtualDisplay
{
public:
    VirtualDisplay()
    {
        qputenv("QT_QUICK_BACKEND", "software");
        qunsetenv("WAYLAND_DISPLAY");
        qputenv("QT_QPA_PLATFORM", "offscreen");
        if (TestSupport::underAddressSanitizer)
            return;
        m_server = ::popen("echo $$; exec Xvfb -displayfd 1 -screen 0 1280x900x24 -nolisten tcp"
                           " 2>/dev/null",
                           "r");
        m_pid = pid_t(line().toInt());
        const QByteArray number = line();
        if (number.isEmpty())
            return;
        qputenv("DISPLAY", ':' + number);
        qputenv("QT_QPA_PLATFORM", "xcb");
    }
    Q_DISABLE_COPY_MOVE(VirtualDisplay)
    ~VirtualDisplay()
    {
        if (m_pid > 0)
            ::kill(m_pid, SIGTERM);
        if (m_server)
            ::pclose(m_server);
    }

private:
    QByteArray line()
    {
        std::array<char, 32> text {};
        return std::fgets(text.data(), int(text.size()), m_server)
                ? QByteArray(text.data()).trimmed()
                : QByteArray();
    }

    FILE *m_server = nullptr;
    pid_t m_pid = 0;
};

#endif
