// SPDX-License-Identifier: MIT
// SIGINT and SIGTERM as a Qt signal.

#ifndef DEMO_STOPSIGNALS_H
#define DEMO_STOPSIGNALS_H

#include <GoProcess/Process>

#include <QObject>

namespace Demo {

/// While it lives, SIGINT and SIGTERM emit requested() once; afterwards they are ignored. But a second
/// SIGINT always ends the program at once, with status 130, whatever its threads are doing.
/// There can be only one in a program.
class StopSignals : public QObject
{
    Q_OBJECT

public:
    StopSignals();

Q_SIGNALS:
    void requested();

private:
    GoProcess::Process m_untilSignal; // a signal closes it
};

} // namespace Demo

#endif
