// SPDX-License-Identifier: MIT
// Warnings, which fail a test unless it announces them, and failures in any thread.
//
// A test class calls begin() in initTestCase() and verify() in cleanup(). What is seen here goes
// through std::mutex, which thread sanitizers can follow.

#ifndef GOPROCESS_TESTS_SUPPORT_MESSAGES_H
#define GOPROCESS_TESTS_SUPPORT_MESSAGES_H

#include <QByteArray>
#include <QMessageLogContext>
#include <QObject>
#include <QRegularExpression>
#include <QString>
#include <QStringList>

#include <initializer_list>
#include <mutex>
#include <vector>

namespace GoProcess {
class Process;
}

namespace TestSupport {

/// The warning of a process that goes with an error that its program has not asked for: most tests
/// that let something fail do not ask. They need not announce it; those do that prove what it says.
bool isUnreadError(const QString &text);

/// All messages of the test program, and which of them a test has announced.
class Messages
{
public:
    struct Expectation
    {
        QRegularExpression pattern;
        QByteArray category;
        int atLeast = 1;
        int atMost = 1;
        QStringList seen;
    };

    static Messages &instance();

    void install();

    void expect(Expectation *expectation);

    void forget(Expectation *expectation);

    QStringList seen(const Expectation *expectation) const;

    void fail(const QString &failure);

    QStringList takeFailures();

private:
    static void handle(QtMsgType type, const QMessageLogContext &context, const QString &text);

    bool isExpected(const QMessageLogContext &context, const QString &text);

    mutable std::mutex m_mutex;
    bool m_installed = false;
    QtMessageHandler m_previous = nullptr;
    std::vector<Expectation *> m_expectations;
    QStringList m_failures;
};

/// Announces warnings while it lives: exactly \a count that match, in a category. Fewer or more of
/// them fail the test.
class [[nodiscard]] ExpectWarning
{
public:
    explicit ExpectWarning(const QString &pattern, int count = 1,
                           const QByteArray &category = QByteArrayLiteral("goprocess"));
    /// Between \a atLeast and \a atMost of them, where that is up to how threads meet.
    ExpectWarning(const QString &pattern, int atLeast, int atMost,
                  const QByteArray &category = QByteArrayLiteral("goprocess"));
    Q_DISABLE_COPY_MOVE(ExpectWarning)
    ~ExpectWarning();

    /// The warnings that came so far.
    QStringList messages() const;
    int count() const;

private:
    Messages::Expectation m_expectation;
};

/// A pattern for a message that names all of \a paths, in any order.
QString naming(const QStringList &paths);

/// A pattern for a message that names \a processes by their paths as they are now.
QString naming(std::initializer_list<const GoProcess::Process *> processes);

/// Records a failure from any thread; verify() reports it.
void fail(const QString &failure);

/// Call in initTestCase(). Of a close that takes long the library warns when the tests themselves
/// lose patience: a busy machine, or a sanitizer, is slow.
void begin();

/// Call in cleanup(): fails the test if there was a warning that it did not announce, or a failure
/// in some thread.
void verify();

bool check(bool condition, const char *text, const char *file, int line);

/// QVERIFY for slots, works, teardowns and other threads: records the failure and goes on.
#define CHECK(condition) TestSupport::check(bool(condition), #condition, __FILE__, __LINE__)

/// Disconnects all slots of \a object, those of the library too. Newer Qt warns of it.
bool disconnectAll(QObject &object);

} // namespace TestSupport

#endif
