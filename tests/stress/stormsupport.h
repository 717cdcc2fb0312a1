// SPDX-License-Identifier: MIT
// What the storms share: a watchdog, refusals that are counted, processes that count their steps,
// and rounds.

#ifndef GOPROCESS_TESTS_STRESS_STORMSUPPORT_H
#define GOPROCESS_TESTS_STRESS_STORMSUPPORT_H

#include "support/messages.h"
#include "support/sanitizers.h"
#include "support/threads.h"

#include <GoProcess/Process>

#include <QDeadlineTimer>
#include <QMessageLogContext>
#include <QObject>
#include <QString>
#include <QTest>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

namespace TestSupport {

/// Aborts the program with a message if a test takes longer than a minute.
class Watchdog
{
public:
    explicit Watchdog(const char *test)
        : m_thread([this, test] {
              std::unique_lock lock(m_mutex);
              if (m_changed.wait_for(lock, std::chrono::seconds(60), [&] { return m_done; }))
                  return;
              std::fprintf(stderr, "%s hangs\n", test);
              std::abort();
          })
    {
    }
    Q_DISABLE_COPY_MOVE(Watchdog)
    ~Watchdog()
    {
        const std::lock_guard lock(m_mutex);
        m_done = true;
        m_changed.notify_all();
    }

private:
    std::mutex m_mutex;
    std::condition_variable m_changed;
    bool m_done = false;
    Thread m_thread; // the last member: joined first, after the destructor has let it go
};

/// How many warnings the library gave: one for each refusal (R15). Others fail the test.
inline std::atomic<int> warnings = 0;

struct LastWarning
{
    std::mutex mutex;
    QString text;
};

inline LastWarning &lastWarning()
{
    static LastWarning last;
    return last;
}

/// For a test that expected none, or another number.
inline QString describeWarnings()
{
    const std::lock_guard lock(lastWarning().mutex);
    return QStringLiteral("%1 warnings; the last one: %2")
            .arg(warnings.load())
            .arg(lastWarning().text);
}

/// Fails the test unless the library gave as many warnings as that.
#define VERIFY_WARNINGS(count) \
  QVERIFY2(TestSupport::warnings == (count), qPrintable(TestSupport::describeWarnings()))

inline void handleMessage(QtMsgType type, const QMessageLogContext &context, const QString &text)
{
    // What says that a wait takes too long (R37) is no refusal, and a sanitizer makes it take long.
    const bool isLong = text.contains(QStringLiteral("event loop"));
    if (type == QtWarningMsg && std::strcmp(context.category, "goprocess") == 0 && !isLong) {
        ++warnings;
        const std::lock_guard lock(lastWarning().mutex);
        lastWarning().text = text;
        return;
    }
    std::fprintf(stderr, "%s\n", qPrintable(qFormatLogMessage(type, context, text)));
    if ((type == QtWarningMsg && !(isLong && underSanitizer)) || type == QtCriticalMsg)
        fail(QStringLiteral("Unexpected warning: ") + text);
}

/// A process that counts its steps.
class Counted
{
public:
    Counted()
    {
        QObject::connect(
                &process, &GoProcess::Process::closing, &process, [this] { ++m_closing; },
                Qt::DirectConnection);
        QObject::connect(
                &process, &GoProcess::Process::closed, &process, [this] { ++m_closed; },
                Qt::DirectConnection);
        process.setTeardown([this] { ++m_teardown; });
    }
    Q_DISABLE_COPY_MOVE(Counted)

    bool closedOnce() const
    {
        return process.isClosed() && m_closing == 1 && m_teardown == 1 && m_closed == 1;
    }
    bool isUntouched() const
    {
        return !process.isClosing() && m_closing == 0 && m_teardown == 0 && m_closed == 0;
    }

private:
    std::atomic<int> m_closing = 0;
    std::atomic<int> m_teardown = 0;
    std::atomic<int> m_closed = 0;

public:
    GoProcess::Process process; ///< The last member, as R47 demands.
};

/// Plays \a round again and again for about that long, until something failed.
template<class Round>
void play(std::chrono::milliseconds duration, Round &&round)
{
    const QDeadlineTimer end(duration);
    do {
        warnings = 0;
        round();
    } while (!end.hasExpired() && !QTest::currentTestFailed());
}

/// How long most storms last.
inline constexpr std::chrono::milliseconds aWhile { 600 };

template<class Container>
bool allClosedOnce(const Container &all)
{
    return std::all_of(all.begin(), all.end(), [](const Counted &one) { return one.closedOnce(); });
}

} // namespace TestSupport

#endif
