// SPDX-License-Identifier: MIT
// What the tests of periodic processes share.

#ifndef GOPROCESS_TESTS_PERIODIC_PERIODICSUPPORT_H
#define GOPROCESS_TESTS_PERIODIC_PERIODICSUPPORT_H

#include <GoProcess/Periodic>

#include <QObject>
#include <QTest>

#include <chrono>
#include <functional>
#include <utility>

namespace TestSupport {

/// What periodic processes listen to.
class Sender : public QObject
{
    Q_OBJECT

Q_SIGNALS:
    void fired(int number);
};

inline bool closes(const GoProcess::ProcessPtr &process)
{
    return !process->closeAndWait();
}

/// A function that makes a periodic process of a beat.
using Make = GoProcess::ProcessPtr (*)(std::chrono::milliseconds, std::function<void()>);

template<int which>
GoProcess::ProcessPtr make(std::chrono::milliseconds interval, std::function<void()> work)
{
    switch (which) {
    case 0:
        return GoProcess::every(interval, std::move(work));
    case 1:
        return GoProcess::everyGo(interval, std::move(work));
    case 2:
        return GoProcess::tick(interval, std::move(work));
    default:
        return GoProcess::tickGo(interval, std::move(work));
    }
}

inline void addBeats()
{
    QTest::addColumn<int>("which");
    QTest::newRow("every") << 0;
    QTest::newRow("everyGo") << 1;
    QTest::newRow("tick") << 2;
    QTest::newRow("tickGo") << 3;
}

inline Make beat(int which)
{
    constexpr Make all[] { make<0>, make<1>, make<2>, make<3> };
    return all[which];
}

} // namespace TestSupport

#endif
