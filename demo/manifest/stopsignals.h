// SPDX-License-Identifier: MIT
// SIGINT and SIGTERM as a Qt signal.

#ifndef MANIFEST_STOPSIGNALS_H
#define MANIFEST_STOPSIGNALS_H

#include "posix.h"

#include <QObject>
#include <QSocketNotifier>

#include <memory>

namespace Manifest {

/// While it lives, SIGINT and SIGTERM emit requested(); afterwards they are ignored. But a second
/// SIGINT always ends the program at once, with status 130, whatever its threads are doing.
/// There can be only one in a program.
class StopSignals : public QObject
{
    Q_OBJECT

public:
    StopSignals();
    ~StopSignals() override;

Q_SIGNALS:
    void requested();

private:
    void read();

    FileDescriptor m_writeEnd;
    FileDescriptor m_readEnd;
    std::unique_ptr<QSocketNotifier> m_notifier;
};

} // namespace Manifest

#endif
