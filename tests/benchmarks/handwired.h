// SPDX-License-Identifier: MIT
// A tree that closes in order as one wires it by hand with signals and slots.

#ifndef GOPROCESS_HANDWIRED_H
#define GOPROCESS_HANDWIRED_H

#include <QObject>

namespace Benchmark {

class HandWired : public QObject
{
    Q_OBJECT

public:
    void adopt(HandWired &child)
    {
        ++m_open;
        connect(this, &HandWired::closing, &child, &HandWired::close);
        connect(&child, &HandWired::closed, this, &HandWired::childClosed);
    }

public Q_SLOTS:
    void close()
    {
        Q_EMIT closing();
        if (m_open == 0)
            Q_EMIT closed();
    }

Q_SIGNALS:
    void closing();
    void closed();

private:
    void childClosed()
    {
        if (--m_open == 0)
            Q_EMIT closed();
    }

    int m_open = 0;
};

} // namespace Benchmark

#endif
