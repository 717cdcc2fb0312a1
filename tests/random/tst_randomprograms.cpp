// SPDX-License-Identifier: MIT
// Random programs of operations against the rules.
//
// A program that fails is shrunk and printed as C++, to be pasted into regressions() below. How
// many programs there are, and for how long, is up to the environment: see tests/README.md.

#include "intruder.h"
#include "runners.h"
#include "support/messages.h"
#include "support/waits.h"

#include <rapidcheck.h>

#include <QTest>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <mutex>
#include <random>

#ifdef __SANITIZE_ADDRESS__
#  include <sanitizer/common_interface_defs.h>
#elif defined(Q_OS_UNIX)
#  include <csignal>
#  include <unistd.h>
#endif

namespace RandomPrograms {
std::atomic<int> warnings = 0;
std::atomic<int> remarks = 0;
thread_local GoProcess::Process *closedByHandler = nullptr;
std::unique_ptr<Threads> threads;

bool mayWaitLong()
{
    // It takes as long as hundreds of programs do.
    static std::atomic<int> asked = 0;
    return asked++ % 1000 == 50;
}
} // namespace RandomPrograms

using namespace RandomPrograms;

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
        m_heard.clear();
        ++m_count;
    }
    void heard(const QString &warning)
    {
        const std::lock_guard lock(m_mutex);
        m_heard << warning;
    }
    std::string warnings() const
    {
        const std::lock_guard lock(m_mutex);
        return m_heard.join(QLatin1Char('\n')).toStdString();
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
    QStringList m_heard;
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

#ifdef __SANITIZE_ADDRESS__
/// What the sanitizer calls when it has found something.
void printProgram()
{
    std::fprintf(stderr, "%s", Current::instance().text().c_str());
}
#elif defined(Q_OS_UNIX)
void printAndDie(int signal)
{
    const std::string &text = Current::instance().text();
    [[maybe_unused]] const auto written = write(STDERR_FILENO, text.data(), text.size());
    std::signal(signal, SIG_DFL);
    std::raise(signal);
}
#endif

/// The model counts refusals.
void heard(const QString &text)
{
    static const QStringList others { QStringLiteral("does not run its steps"),
                                      QStringLiteral("has blocked its thread"),
                                      QStringLiteral("is blocked in a wait while"),
                                      QStringLiteral("threads for works are blocked") };
    if (TestSupport::isUnreadError(text))
        return;
    if (std::any_of(others.begin(), others.end(),
                    [&text](const QString &other) { return text.contains(other); }))
        ++remarks;
    else if (!Uncounted::isAny()) {
        ++warnings;
        Current::instance().heard(text);
    }
    if (closedByHandler && text.contains(QLatin1String("has blocked its thread")))
        closedByHandler->close();
    Intruder::callFromHandler();
}

void handleMessage(QtMsgType type, const QMessageLogContext &context, const QString &text)
{
    if (type == QtWarningMsg && std::strcmp(context.category, "goprocess") == 0) {
        heard(text);
        return;
    }
    if (text.startsWith(QLatin1String("QObject::disconnect: wildcard call")))
        return; // newer Qt about threads whose slots are all disconnected
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

/// How often each comes. GOPROCESS_RANDOM_WITHOUT names some that do not, separated by commas.
std::vector<Kind> weightedKinds()
{
    constexpr std::pair<int, Kind> weights[] {
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
        { 4, Kind::MoveAway },
        { 3, Kind::FinishFuture },
        { 2, Kind::Wait },
        { 2, Kind::CloseAndWait },
        { 5, Kind::Deliver },
        { 3, Kind::Helper },
        { 2, Kind::Intrude },
        { 2, Kind::DeleteLater },
        { 4, Kind::NewThread },
        { 4, Kind::EndThread },
        { 2, Kind::Nest },
        { 1, Kind::Relocate },
        { 1, Kind::Cap },
        { 1, Kind::BeClosed },
    };
    const QStringList without =
            qEnvironmentVariable("GOPROCESS_RANDOM_WITHOUT").split(QLatin1Char(','));
    std::vector<Kind> kinds;
    for (const auto &[weight, kind] : weights) {
        if (!without.contains(QLatin1String(nameOf(kind))))
            kinds.insert(kinds.end(), std::size_t(weight), kind);
    }
    return kinds;
}

rc::Gen<Kind> anyKind()
{
    static const std::vector<Kind> kinds = weightedKinds();
    return rc::gen::elementOf(kinds);
}

rc::Gen<Operation> anyOperation()
{
    using rc::gen::set;
    // The lengths of programs grow from none, and numbers would with them.
    const auto inRange = [](int from, int to) {
        return rc::gen::resize(rc::kNominalSize, rc::gen::inRange(from, to));
    };
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
    const QString failure = runner(program);
    if (!failure.isEmpty()) {
        // What has failed may have left them blocked.
        static_cast<void>(threads.release());
        threads = std::make_unique<Threads>();
    }
    return failure;
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
        const QDeadlineTimer end(std::chrono::seconds(10));
        for (int i = 0; i < (hasFailed ? repeats : 1) && !(i > 0 && end.hasExpired()); ++i) {
            const QString failure = runOnce(name, runner, program);
            if (!failure.isEmpty()) {
                if (!std::exchange(hasFailed, true))
                    std::cerr << name << ": " << failure.toStdString() << "\nIt has warned:\n"
                              << Current::instance().warnings() << "\n"
                              << toCpp(program);
                patience = std::chrono::seconds(2);
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

class tst_RandomPrograms : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void cleanupTestCase();
    void cleanup();
    void regressions();
    void inOneThread();
    void inThreads();

private:
    std::unique_ptr<Watchdog> m_watchdog;
    int m_programs = 10'000;
    int m_seconds = 0;
};

void tst_RandomPrograms::initTestCase()
{
    qInstallMessageHandler(handleMessage);
    GoProcess::setCloseWarning(std::chrono::minutes(1)); // the watchdog is faster
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_set_death_callback(printProgram);
#elif defined(Q_OS_UNIX)
    for (const int signal : { SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL })
        std::signal(signal, printAndDie);
#endif
    m_programs = fromEnvironment("GOPROCESS_RANDOM_PROGRAMS", m_programs);
    m_seconds = fromEnvironment("GOPROCESS_RANDOM_SECONDS", 0);
    m_watchdog = std::make_unique<Watchdog>();
    threads = std::make_unique<Threads>();
}

void tst_RandomPrograms::cleanupTestCase()
{
    threads.reset();
    m_watchdog.reset();
}

void tst_RandomPrograms::cleanup()
{
    TestSupport::verify();
}

/// Programs that failed once.
void tst_RandomPrograms::regressions()
{
    const Program closedWhileAnnouncing {
        { Kind::Create, 0, 1, Outcome::Future, Place::Now, 0, 0 },
        { Kind::AddChild, 0, 0, Outcome::None, Place::InClosing, 0, 0 },
        { Kind::Close, 0, 0, Outcome::None, Place::Now, 0, 0 },
    };
    QCOMPARE(runInOneThread(closedWhileAnnouncing), QString());

    const Program workThatEndsMeanwhile {
        { Kind::Create, 0, 0, Outcome::Future, Place::Now, 0, 0 },
        { Kind::Go, 0, 0, Outcome::Fails, Place::Now, 0, 0 },
        { Kind::Create, 0, 1, Outcome::Succeeds, Place::Now, 0, 0 },
        { Kind::Close, 0, 0, Outcome::Succeeds, Place::Now, 0, 0 },
        { Kind::Create, 0, 2, Outcome::Future, Place::Now, 0, 0 },
        { Kind::Deliver, 0, 0, Outcome::None, Place::Now, 0, 0 },
        { Kind::AddChild, 1, 1, Outcome::None, Place::InTeardown, 2, 0 },
    };
    QCOMPARE(runInOneThread(workThatEndsMeanwhile), QString());

    // Its QThread goes while it waits in the destructor of a thread_local object.
    const Program threadThatWaitsAtItsEnd {
        { Kind::NewThread, 0, 0, Outcome::None, Place::Now, 0, 0 },
    };
    for (int i = 0; i < 100; ++i)
        QCOMPARE(runInThreads(threadThatWaitsAtItsEnd), QString());
}

void tst_RandomPrograms::inOneThread()
{
    const QDeadlineTimer end(std::chrono::seconds(m_seconds) / 2);
    do {
        QVERIFY(check("runInOneThread", runInOneThread, 1, m_programs / 2));
    } while (m_seconds > 0 && !end.hasExpired());
}

void tst_RandomPrograms::inThreads()
{
    const QDeadlineTimer end(std::chrono::seconds(m_seconds) / 2);
    do {
        QVERIFY(check("runInThreads", runInThreads, 50, m_programs - m_programs / 2));
    } while (m_seconds > 0 && !end.hasExpired());
}

/// The library sends events, which pass this function of its users' as all do.
class Application : public QCoreApplication
{
    Q_OBJECT

public:
    using QCoreApplication::QCoreApplication;

    bool notify(QObject *receiver, QEvent *event) override
    {
        if (event->type() == QEvent::ThreadChange)
            Intruder::call();
        return QCoreApplication::notify(receiver, event);
    }
};

int main(int argc, char *argv[])
{
    const Application application(argc, argv);
    tst_RandomPrograms test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_randomprograms.moc"
