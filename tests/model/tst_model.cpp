// SPDX-License-Identifier: MIT
// Random programs of operations against the rules.
//
// A program that fails is shrunk and printed as C++, to be pasted into regressions() below. How many
// programs there are, and for how long, is up to the environment: see tests/README.md.

#include "support.h"

#include <rapidcheck.h>

#include <QTest>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <mutex>
#include <random>

#ifdef Q_OS_UNIX
#  include <csignal>
#  include <unistd.h>
#endif

namespace Model {
std::atomic<int> warnings = 0;
std::unique_ptr<Threads> threads;
} // namespace Model

using namespace Model;

namespace {

/// The program that runs, for those that hang or crash.
class Current
{
public:
    static Current &instance()
    {
        static auto *const current = new Current;
        return *current;
    }

    void begin(const char *runner, const Program &program)
    {
        const std::lock_guard lock(m_mutex);
        m_text = "The program that ran, by " + std::string(runner) + "():\n" + toCpp(program);
        ++m_count;
    }
    /// Without the lock, as the program is about to end anyway.
    const std::string &text() const { return m_text; }
    int count() const
    {
        const std::lock_guard lock(m_mutex);
        return m_count;
    }

private:
    mutable std::mutex m_mutex;
    std::string m_text;
    int m_count = 0;
};

/// Ends the test with a message if one program takes a minute.
class Watchdog
{
public:
    Watchdog()
        : m_thread([this] {
              std::unique_lock lock(m_mutex);
              int last = -1;
              while (!m_changed.wait_for(lock, std::chrono::seconds(60), [&] { return m_done; })) {
                  const int count = Current::instance().count();
                  if (count == std::exchange(last, count)) {
                      std::fprintf(stderr, "It hangs. %s", Current::instance().text().c_str());
                      std::_Exit(1);
                  }
              }
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
    TestSupport::Thread m_thread; // the last member: joined first
};

#ifdef Q_OS_UNIX
void printAndDie(int signal)
{
    const std::string &text = Current::instance().text();
    [[maybe_unused]] const auto written = write(STDERR_FILENO, text.data(), text.size());
    std::signal(signal, SIG_DFL);
    std::raise(signal);
}
#endif

void handleMessage(QtMsgType type, const QMessageLogContext &context, const QString &text)
{
    if (type == QtWarningMsg && std::strcmp(context.category, "goprocess") == 0) {
        // The model counts refusals.
        if (!TestSupport::isUnheardError(text))
            ++warnings;
        return;
    }
    std::fprintf(stderr, "%s\n", qPrintable(text));
    if (type == QtWarningMsg || type == QtCriticalMsg)
        TestSupport::fail(QStringLiteral("Unexpected warning: ") + text);
}

int fromEnvironment(const char *name, int otherwise)
{
    bool ok = false;
    const int value = qEnvironmentVariableIntValue(name, &ok);
    return ok ? value : otherwise;
}

// --- Programs ------------------------------------------------------------------------------------

rc::Gen<Kind> anyKind()
{
    return rc::gen::weightedElement<Kind>({
            { 6, Kind::Create },
            { 3, Kind::Destroy },
            { 8, Kind::AddChild },
            { 4, Kind::AddChildNoWait },
            { 6, Kind::WaitFor },
            { 4, Kind::Go },
            { 3, Kind::ReturnFromWork },
            { 4, Kind::Hold },
            { 4, Kind::Release },
            { 6, Kind::Close },
            { 4, Kind::CloseAfterChildren },
            { 2, Kind::SetTeardown },
            { 2, Kind::MoveAway },
            { 3, Kind::FinishFuture },
            { 2, Kind::Wait },
            { 2, Kind::CloseAndWait },
            { 5, Kind::Deliver },
    });
}

rc::Gen<Operation> anyOperation()
{
    using rc::gen::inRange;
    using rc::gen::set;
    using rc::gen::weightedElement;
    return rc::gen::build<Operation>(
            set(&Operation::kind, anyKind()), set(&Operation::a, inRange(0, 8)),
            set(&Operation::b, inRange(0, 8)),
            set(&Operation::outcome,
                rc::gen::element(Outcome::None, Outcome::Succeeds, Outcome::Fails, Outcome::Throws,
                                 Outcome::Future)),
            set(&Operation::place,
                weightedElement<Place>({ { 7, Place::Now },
                                         { 1, Place::InClosing },
                                         { 1, Place::InTeardown },
                                         { 1, Place::InClosed } })),
            set(&Operation::at, inRange(0, 8)), set(&Operation::thread, inRange(0, 4)));
}

rc::Gen<Program> anyProgram()
{
    // RapidCheck lets lengths grow to 100, where most operations would meet what is Closed.
    return rc::gen::scale(0.3, rc::gen::container<Program>(anyOperation()));
}

using Runner = QString (*)(const Program &);

QString runOnce(const char *name, Runner runner, const Program &program)
{
    Current::instance().begin(name, program);
    return runner(program);
}

/// Checks \a count random programs; false, and the shrunk program is printed, if one fails.
bool check(const char *name, Runner runner, int repeats, int count)
{
    bool hasFailed = false;
    Program smallest;
    QString reason;
    const auto property = [&] {
        const Program program = *anyProgram().as("program");
        // Once one has failed, those that are like it may need some luck to fail as well.
        for (int i = 0; i < (hasFailed ? repeats : 1); ++i) {
            const QString failure = runOnce(name, runner, program);
            if (!failure.isEmpty()) {
                hasFailed = true;
                patience = std::chrono::milliseconds(300);
                smallest = program;
                reason = failure;
                RC_FAIL(failure.toStdString());
            }
        }
    };

    rc::detail::TestParams params = rc::detail::configuration().testParams;
    params.maxSuccess = count;
    if (!qEnvironmentVariableIsSet("RC_PARAMS"))
        params.seed = std::random_device()();
    const auto result =
            rc::detail::checkTestable(property, rc::detail::TestMetadata { name, name }, params);
    if (!hasFailed) {
        std::cerr << name << ": " << count << " programs\n";
        return true;
    }
    std::cerr << name << ": RC_PARAMS=\"seed=" << params.seed << "\"\n";
    rc::detail::printResultMessage(result, std::cerr);
    std::cerr << "\n\n"
              << reason.toStdString() << "\nTo be pasted into a test:\n"
              << toCpp(smallest) << "    QCOMPARE(" << name << "(program), QString());\n";
    return false;
}

} // namespace

class tst_Model : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void cleanupTestCase();
    void cleanup();
    void regressions();
    void stepByStep();
    void together();

private:
    std::unique_ptr<Watchdog> m_watchdog;
    int m_programs = 10'000;
    int m_seconds = 0;
};

void tst_Model::initTestCase()
{
    qInstallMessageHandler(handleMessage);
    GoProcess::setCloseWarning(std::chrono::minutes(1)); // the watchdog is faster
#ifdef Q_OS_UNIX
    for (const int signal : { SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL })
        std::signal(signal, printAndDie);
#endif
    m_programs = fromEnvironment("GOPROCESS_MODEL_PROGRAMS", m_programs);
    m_seconds = fromEnvironment("GOPROCESS_MODEL_SECONDS", 0);
    m_watchdog = std::make_unique<Watchdog>();
    threads = std::make_unique<Threads>();
}

void tst_Model::cleanupTestCase()
{
    threads.reset();
    m_watchdog.reset();
}

void tst_Model::cleanup()
{
    TestSupport::verify();
}

/// Programs that failed once.
void tst_Model::regressions()
{
    const Program closedWhileAnnouncing {
        { Kind::Create, 0, 1, Outcome::Future, Place::Now, 0, 0 },
        { Kind::AddChild, 0, 0, Outcome::None, Place::InClosing, 0, 0 },
        { Kind::Close, 0, 0, Outcome::None, Place::Now, 0, 0 },
    };
    QCOMPARE(runStepByStep(closedWhileAnnouncing), QString());

    const Program workThatEndsMeanwhile {
        { Kind::Create, 0, 0, Outcome::Future, Place::Now, 0, 0 },
        { Kind::Go, 0, 0, Outcome::Fails, Place::Now, 0, 0 },
        { Kind::Create, 0, 1, Outcome::Succeeds, Place::Now, 0, 0 },
        { Kind::Close, 0, 0, Outcome::Succeeds, Place::Now, 0, 0 },
        { Kind::Create, 0, 2, Outcome::Future, Place::Now, 0, 0 },
        { Kind::Deliver, 0, 0, Outcome::None, Place::Now, 0, 0 },
        { Kind::AddChild, 1, 1, Outcome::None, Place::InTeardown, 2, 0 },
    };
    QCOMPARE(runStepByStep(workThatEndsMeanwhile), QString());
}

void tst_Model::stepByStep()
{
    const QDeadlineTimer end(std::chrono::seconds(m_seconds) / 2);
    do {
        QVERIFY(check("runStepByStep", runStepByStep, 1, m_programs / 2));
    } while (m_seconds > 0 && !end.hasExpired());
}

void tst_Model::together()
{
    const QDeadlineTimer end(std::chrono::seconds(m_seconds) / 2);
    do {
        QVERIFY(check("runTogether", runTogether, 50, m_programs - m_programs / 2));
    } while (m_seconds > 0 && !end.hasExpired());
}

QTEST_GUILESS_MAIN(tst_Model)
#include "tst_model.moc"
