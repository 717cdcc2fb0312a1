// SPDX-License-Identifier: MIT
// Locals outlive the event loops here:
// clazy:excludeall=lambda-in-connect

#include "support/testsupport.h"

#include <QCoreApplication>
#include <QEvent>
#include <QTest>

#include <algorithm>
#include <cstdio>

#ifdef __GLIBC__
#  include <malloc.h>
#endif

namespace TestSupport {

bool isUnreadError(const QString &text)
{
    return text.contains(QLatin1String("goes, and nobody has asked what failed"));
}

Messages &Messages::instance()
{
    // Never deleted: threads may still warn while the program ends.
    static auto *const messages = new Messages;
    return *messages;
}

void Messages::install()
{
    const std::lock_guard lock(m_mutex);
    if (!m_installed)
        m_previous = qInstallMessageHandler(&Messages::handle);
    m_installed = true;
}

void Messages::expect(Expectation *expectation)
{
    const std::lock_guard lock(m_mutex);
    m_expectations.push_back(expectation);
}

void Messages::forget(Expectation *expectation)
{
    const std::lock_guard lock(m_mutex);
    for (auto it = m_expectations.begin(); it != m_expectations.end(); ++it) {
        if (*it == expectation) {
            m_expectations.erase(it);
            break;
        }
    }
    if (expectation->seen.size() < expectation->atLeast) {
        m_failures << QStringLiteral("Expected %1 warning(s) that match '%2', saw %3")
                              .arg(expectation->atLeast)
                              .arg(expectation->pattern.pattern())
                              .arg(expectation->seen.size());
    }
}

QStringList Messages::seen(const Expectation *expectation) const
{
    const std::lock_guard lock(m_mutex);
    return expectation->seen;
}

void Messages::fail(const QString &failure)
{
    const std::lock_guard lock(m_mutex);
    std::fprintf(stderr, "FAILURE: %s\n", qPrintable(failure));
    m_failures << failure;
}

QStringList Messages::takeFailures()
{
    const std::lock_guard lock(m_mutex);
    return std::exchange(m_failures, {});
}

void Messages::handle(QtMsgType type, const QMessageLogContext &context, const QString &text)
{
    Messages &self = instance();
    if (type == QtFatalMsg) {
        if (self.m_previous)
            self.m_previous(type, context, text);
        return;
    }
    const std::lock_guard lock(self.m_mutex);
    if (type == QtWarningMsg || type == QtCriticalMsg) {
        if (self.isExpected(context, text))
            return;
        if (isUnreadError(text))
            return;
        self.m_failures << QStringLiteral("Unexpected warning in category '%1': %2")
                                   .arg(QString::fromUtf8(context.category), text);
    }
    std::fprintf(stderr, "%s\n", qPrintable(qFormatLogMessage(type, context, text)));
}

bool Messages::isExpected(const QMessageLogContext &context, const QString &text)
{
    const auto match = std::find_if(m_expectations.begin(), m_expectations.end(),
                                    [&](const Expectation *expectation) {
                                        return expectation->seen.size() < expectation->atMost
                                                && expectation->category == context.category
                                                && expectation->pattern.match(text).hasMatch();
                                    });
    if (match == m_expectations.end())
        return false;
    (*match)->seen << text;
    return true;
}

ExpectWarning::ExpectWarning(const QString &pattern, int count, const QByteArray &category)
    : ExpectWarning(pattern, count, count, category)
{
}

ExpectWarning::ExpectWarning(const QString &pattern, int atLeast, int atMost,
                             const QByteArray &category)
{
    m_expectation.pattern.setPattern(pattern);
    m_expectation.pattern.setPatternOptions(QRegularExpression::DotMatchesEverythingOption
                                            | QRegularExpression::CaseInsensitiveOption);
    m_expectation.category = category;
    m_expectation.atLeast = atLeast;
    m_expectation.atMost = atMost;
    Messages::instance().expect(&m_expectation);
}

ExpectWarning::~ExpectWarning()
{
    Messages::instance().forget(&m_expectation);
}

QStringList ExpectWarning::messages() const
{
    return Messages::instance().seen(&m_expectation);
}

int ExpectWarning::count() const
{
    return int(messages().size());
}

QString naming(const QStringList &paths)
{
    QString pattern = QStringLiteral("^");
    for (const QString &path : paths) {
        pattern += QStringLiteral("(?=.*(?<![\\w/#])%1(?![\\w/#]))")
                           .arg(QRegularExpression::escape(path));
    }
    return pattern;
}

QString naming(std::initializer_list<const GoProcess::Process *> processes)
{
    QStringList paths;
    for (const GoProcess::Process *const process : processes)
        paths << process->path();
    return naming(paths);
}

void fail(const QString &failure)
{
    Messages::instance().fail(failure);
}

void begin()
{
    Messages::instance().install();
    GoProcess::setCloseWarning(patience);
}

void verify()
{
    const QStringList failures = Messages::instance().takeFailures();
    if (!failures.isEmpty())
        QFAIL(qPrintable(failures.join(QLatin1Char('\n'))));
}

bool check(bool condition, const char *text, const char *file, int line)
{
    if (!condition) {
        fail(QStringLiteral("%1:%2: '%3' is false")
                     .arg(QString::fromUtf8(file))
                     .arg(line)
                     .arg(QString::fromUtf8(text)));
    }
    return condition;
}

void deliver()
{
    for (int i = 0; i < 3; ++i)
        QCoreApplication::processEvents();
}

std::size_t allocatedBytes()
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
#else
    return 0;
#endif
}

bool disconnectAll(QObject &object)
{
    const ExpectWarning warning(QStringLiteral("wildcard call disconnects from destroyed signal"),
                                0, 1, QByteArrayLiteral("default"));
    return object.disconnect();
}

void Counter::add(int count)
{
    const std::lock_guard lock(m_mutex);
    m_count += count;
    m_changed.notify_all();
}

int Counter::count() const
{
    const std::lock_guard lock(m_mutex);
    return m_count;
}

bool Counter::waitFor(int count)
{
    std::unique_lock lock(m_mutex);
    if (m_changed.wait_for(lock, patience, [&] { return m_count >= count; }))
        return true;
    fail(QStringLiteral("Waited for %1 events, saw %2").arg(count).arg(m_count));
    return false;
}

Gate::~Gate()
{
    open();
}

void Gate::open()
{
    const std::lock_guard lock(m_mutex);
    m_open = true;
    m_changed.notify_all();
}

bool Gate::isOpen() const
{
    const std::lock_guard lock(m_mutex);
    return m_open;
}

bool Gate::pass()
{
    std::unique_lock lock(m_mutex);
    ++m_arrivals;
    m_changed.notify_all();
    if (m_changed.wait_for(lock, 2 * patience, [&] { return m_open; }))
        return true;
    fail(QStringLiteral("A gate was never opened"));
    return false;
}

bool Gate::waitForArrivals(int count)
{
    std::unique_lock lock(m_mutex);
    if (m_changed.wait_for(lock, patience, [&] { return m_arrivals >= count; }))
        return true;
    fail(QStringLiteral("Waited for %1 at a gate, saw %2").arg(count).arg(m_arrivals));
    return false;
}

void EventLog::add(const QString &event)
{
    const std::lock_guard lock(m_mutex);
    m_events << event;
    m_changed.notify_all();
}

QStringList EventLog::events() const
{
    const std::lock_guard lock(m_mutex);
    return m_events;
}

QStringList EventLog::take()
{
    const std::lock_guard lock(m_mutex);
    return std::exchange(m_events, {});
}

bool EventLog::contains(const QString &event) const
{
    const std::lock_guard lock(m_mutex);
    return m_events.contains(event);
}

qsizetype EventLog::count(const QString &event) const
{
    const std::lock_guard lock(m_mutex);
    return m_events.count(event);
}

bool EventLog::inOrder(const QString &first, const QString &second) const
{
    const std::lock_guard lock(m_mutex);
    const qsizetype before = m_events.indexOf(first);
    return before >= 0 && before < m_events.indexOf(second);
}

bool EventLog::waitFor(const QString &event)
{
    std::unique_lock lock(m_mutex);
    if (m_changed.wait_for(lock, patience, [&] { return m_events.contains(event); }))
        return true;
    fail(QStringLiteral("'%1' did not happen; what did: %2")
                 .arg(event, m_events.join(QStringLiteral(", "))));
    return false;
}

bool EventLog::waitForCount(qsizetype count)
{
    std::unique_lock lock(m_mutex);
    if (m_changed.wait_for(lock, patience, [&] { return m_events.size() >= count; }))
        return true;
    fail(QStringLiteral("%1 of %2 events happened: %3")
                 .arg(m_events.size())
                 .arg(count)
                 .arg(m_events.join(QStringLiteral(", "))));
    return false;
}

bool EventLog::compare(const QStringList &expected) const
{
    const QStringList actual = events();
    if (actual == expected)
        return true;
    std::fprintf(stderr, "expected: %s\nactual:   %s\n",
                 qPrintable(expected.join(QStringLiteral(", "))),
                 qPrintable(actual.join(QStringLiteral(", "))));
    return false;
}

void EventLog::watch(GoProcess::Process &process, const QString &as)
{
    const QString name = as.isEmpty() ? process.name() : as;
    QObject::connect(
            &process, &GoProcess::Process::closing, &process,
            [this, name] { add(QStringLiteral("closing ") + name); }, Qt::DirectConnection);
    QObject::connect(
            &process, &GoProcess::Process::closed, &process,
            [this, name] { add(QStringLiteral("closed ") + name); }, Qt::DirectConnection);
}

void EventLog::watchAll(GoProcess::Process &process, const QString &as)
{
    const QString name = as.isEmpty() ? process.name() : as;
    QObject::connect(
            &process, &GoProcess::Process::stateChanged, &process,
            [this, name](GoProcess::Process::State state) {
                add(QStringLiteral("state %1 %2").arg(stateName(state), name));
            },
            Qt::DirectConnection);
    watch(process, name);
}

QString EventLog::stateName(GoProcess::Process::State state)
{
    switch (state) {
    case GoProcess::Process::State::Running:
        return QStringLiteral("Running");
    case GoProcess::Process::State::Closing:
        return QStringLiteral("Closing");
    case GoProcess::Process::State::Closed:
        return QStringLiteral("Closed");
    }
    return QStringLiteral("?");
}

Family::~Family()
{
    for (const auto &process : m_processes)
        process->close();
    while (!m_processes.empty())
        m_processes.pop_back();
}

GoProcess::Process &Family::add(const QString &name)
{
    m_processes.push_back(std::make_unique<GoProcess::Process>());
    m_processes.back()->setName(name);
    return *m_processes.back();
}

Thread::Thread(std::function<void()> function) : m_thread(std::move(function)) { }

Thread &Thread::operator=(Thread &&other) noexcept
{
    join();
    m_thread = std::move(other.m_thread);
    return *this;
}

void Thread::join()
{
    if (m_thread.joinable())
        m_thread.join();
}

EventLoopThread::EventLoopThread() : m_receiver(*this)
{
    m_receiver.moveToThread(this);
    start();
}

EventLoopThread::~EventLoopThread()
{
    stop();
}

void EventLoopThread::post(std::function<void()> function)
{
    // The event is posted under the mutex too, which orders all of it before its delivery.
    const std::lock_guard lock(m_mutex);
    m_functions.push_back(std::move(function));
    QCoreApplication::postEvent(&m_receiver, new QEvent(QEvent::User));
}

void EventLoopThread::flush()
{
    run([] {});
}

void EventLoopThread::stop()
{
    if (isFinished())
        return;
    // From inside, so that what was posted before is not lost.
    post([this] { quit(); });
    waitFor(m_hasEnded, "A thread did not end");
    wait();
}

void EventLoopThread::run()
{
    {
        const std::lock_guard lock(m_mutex);
        m_hasEnded = false;
    }
    exec();
    const std::lock_guard lock(m_mutex);
    m_hasEnded = true;
    m_changed.notify_all();
}

void EventLoopThread::runAndWait(const std::function<void()> &function)
{
    bool done = false;
    post([&] {
        function();
        const std::lock_guard lock(m_mutex);
        done = true;
        m_changed.notify_all();
    });
    waitFor(done, "A thread did not run the function that it was given");
}

void EventLoopThread::waitFor(const bool &condition, const char *failure)
{
    std::unique_lock lock(m_mutex);
    if (!m_changed.wait_for(lock, 2 * patience, [&] { return condition; }))
        qFatal("%s", failure);
}

void EventLoopThread::drain()
{
    for (;;) {
        std::function<void()> function;
        {
            const std::lock_guard lock(m_mutex);
            if (m_functions.empty())
                return;
            function = std::move(m_functions.front());
            m_functions.pop_front();
        }
        function();
    }
}

bool EventLoopThread::Receiver::event(QEvent *event)
{
    if (event->type() != QEvent::User)
        return QObject::event(event);
    m_thread.drain();
    return true;
}

} // namespace TestSupport
