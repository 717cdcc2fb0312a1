// SPDX-License-Identifier: MIT
// Where the programs of the demo run: in a terminal, in a narrow or a dumb one, in none, and with a
// display that is missing or does not answer.

#include "demosupport.h"
#include "indexsupport.h"

#include <QElapsedTimer>
#include <QObject>
#include <QRegularExpression>
#include <QTest>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <optional>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace DemoSupport;
using namespace IndexSupport;

namespace {

constexpr int milliseconds = int(std::chrono::milliseconds(patience).count());
constexpr char clearLine[] = "\r\033[K";

void withoutDisplay()
{
    for (const char *name : { "DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM" })
        ::unsetenv(name);
}

/// A program in a terminal of its own, as its session's leader.
class Terminal
{
public:
    Terminal(const QByteArrayList &command, unsigned short columns,
             const std::function<void()> &beforeExec = withoutDisplay)
    {
        const struct winsize size = { 24, columns, 0, 0 };
        m_pid = ::forkpty(&m_master, nullptr, nullptr, &size);
        if (m_pid == 0) {
            ::setenv("TERM", "xterm", 1);
            beforeExec();
            std::vector<char *> arguments;
            for (const QByteArray &argument : command)
                arguments.push_back(const_cast<char *>(argument.constData()));
            arguments.push_back(nullptr);
            ::execv(arguments.front(), arguments.data());
            ::_exit(127);
        }
        if (m_pid < 0)
            qFatal("There is no terminal");
    }
    Q_DISABLE_COPY_MOVE(Terminal)
    ~Terminal()
    {
        if (m_pid > 0) {
            ::kill(m_pid, SIGKILL);
            ::waitpid(m_pid, nullptr, 0);
        }
        ::close(m_master);
    }

    /// Reads until \a isSeen, or the program has ended.
    bool read(const std::function<bool()> &isSeen)
    {
        const QDeadlineTimer deadline(patience);
        while (!isSeen() && !deadline.hasExpired()) {
            struct pollfd wanted = { m_master, POLLIN, 0 };
            if (::poll(&wanted, 1, int(deadline.remainingTime())) <= 0)
                continue;
            std::array<char, 4096> bytes;
            const ssize_t count = ::read(m_master, bytes.data(), bytes.size());
            if (count <= 0)
                break;
            m_text.append(bytes.data(), count);
        }
        return isSeen();
    }
    bool readUntil(const QByteArray &text)
    {
        return read([&] { return m_text.contains(text); });
    }
    void press(char key) const
    {
        if (::write(m_master, &key, 1) != 1)
            qFatal("The terminal takes no keys");
    }
    /// The exit status; -1 if a signal ended it.
    int finish()
    {
        read([] { return false; });
        int status = 0;
        ::waitpid(m_pid, &status, 0);
        m_pid = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

    const QByteArray &text() const { return m_text; }
    /// What was shown in the line that is overwritten, each time.
    QByteArrayList progress() const
    {
        QByteArrayList lines;
        for (qsizetype i = m_text.indexOf(clearLine); i >= 0; i = m_text.indexOf(clearLine, i)) {
            i += qsizetype(sizeof clearLine) - 1;
            const qsizetype end = m_text.indexOf('\r', i);
            if (end < 0)
                break; // perhaps not all of it
            if (m_text.mid(end, 2) != "\r\n") // a sentence
                lines += m_text.mid(i, end - i);
        }
        return lines;
    }

private:
    int m_master = -1;
    pid_t m_pid = -1;
    QByteArray m_text;
};

bool isControl(char c)
{
    return (c >= 0 && c < ' ' && c != '\n') || c == '\177';
}

bool hasControls(const QByteArray &text)
{
    return std::any_of(text.begin(), text.end(), isControl);
}

} // namespace

class tst_Terminal : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();
    void cleanup() { m_folder.reset(); }

    // Without a terminal.
    void indexesOnceInAPipe_data();
    void indexesOnceInAPipe();
    void manifestInAPipe();
    void linesOfALogAreFew();
    void watchStaysInAPipe();
    void noWindowIsNoWatch();

    // In a terminal.
    void staysInATerminal();
    void idleLineShowsNoSpeed();
    void narrowTerminal_data();
    void narrowTerminal();
    void dumbTerminal();
    void noColor();
    void estimate();

    // With and without a display.
    void displayDoesNotAnswer_data();
    void displayDoesNotAnswer();
    void needsADisplay_data();
    void needsADisplay();
    void optionsOfQt_data();
    void optionsOfQt();
    void windowTakesOptionsOfQt();

private:
    QByteArray tree() const { return *m_folder / "tree"; }
    QByteArray database() const { return *m_folder / "index.sqlite"; }
    QByteArray log() const { return *m_folder / "log"; }
    QByteArray output() const { return *m_folder / "SHA256SUMS"; }
    QByteArrayList indexing() const { return { tree(), "--database", database() }; }
    QByteArrayList manifest() const
    {
        return { MANIFEST_PROGRAM, tree(), "--output", output(), "--report", log() };
    }
    void makeFiles(int count) const;

    std::optional<Folder> m_folder;
};

void tst_Terminal::init()
{
    m_folder.emplace();
    ::mkdir(tree().constData(), 0777);
    writeFile(tree() + "/a", "first");
    writeFile(tree() + "/z\033[31m\n", "last");
}

void tst_Terminal::makeFiles(int count) const
{
    for (int i = 0; i < count; ++i)
        writeFile(tree() + "/file" + QByteArray::number(i), QByteArray::number(i));
}

// ---- Without a terminal.

void tst_Terminal::indexesOnceInAPipe_data()
{
    QTest::addColumn<bool>("hasInput");
    QTest::newRow("in a pipe") << true;
    QTest::newRow("without input") << false;
}

void tst_Terminal::indexesOnceInAPipe()
{
    QFETCH(const bool, hasInput);
    makeFiles(500);
    Run run(indexing(), [hasInput] {
        withoutDisplay();
        if (!hasInput)
            ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
    });
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(run.count("indexed"), 502);
    QCOMPARE(run.count("scans"), 1);
    QVERIFY2(!hasControls(run.out() + run.err()), run.story());
    QVERIFY2(run.err().contains("--watch"), run.story());
    QCOMPARE(filesIn(database()), filesBelow(tree()));
}

void tst_Terminal::manifestInAPipe()
{
    const QByteArrayList command = manifest();
    Run run(command.mid(1), withoutDisplay, {}, command.first());
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(run.count("reported"), 2);
    QVERIFY2(!hasControls(run.out() + run.err()), run.story());
}

void tst_Terminal::linesOfALogAreFew()
{
    makeFiles(3000);
    QElapsedTimer sinceStart;
    sinceStart.start();
    ReportPipe pipe(log());
    Run run(indexing() << "--log" << log(), withoutDisplay);
    QVERIFY2(run.waitForSentence(" left"), run.story());
    const qint64 seconds = sinceStart.elapsed() / 1000;
    pipe.readAll();
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QVERIFY2(!hasControls(run.err()), run.story());
    QVERIFY(seconds >= 3);
}

void tst_Terminal::watchStaysInAPipe()
{
    Run run(indexing() << "--watch", withoutDisplay);
    QVERIFY2(run.waitForSentence("watching for changes"), run.story());
    run.stop();
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
}

void tst_Terminal::noWindowIsNoWatch()
{
    Run run(indexing() << "--no-window");
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(run.count("scans"), 1);
}

// ---- In a terminal.

void tst_Terminal::staysInATerminal()
{
    Terminal terminal(QByteArrayList { DEMO_PROGRAM } + indexing(), 80);
    QVERIFY2(terminal.readUntil("watching for changes"), terminal.text());
    terminal.press('\003'); // Ctrl-C
    QCOMPARE(terminal.finish(), 0);
    QVERIFY2(terminal.text().contains("Stopping"), terminal.text());
    QCOMPARE(filesIn(database()), filesBelow(tree()));
}

void tst_Terminal::idleLineShowsNoSpeed()
{
    Terminal terminal(QByteArrayList { DEMO_PROGRAM } + indexing(), 80);
    QVERIFY2(terminal.readUntil("watching for changes"), terminal.text());
    const QByteArray idle = QByteArray(clearLine) + "2 files";
    QVERIFY2(terminal.read([&] { return terminal.text().endsWith(idle); }), terminal.text());
    const auto idleSince = terminal.text().size();
    terminal.press('\003');
    QCOMPARE(terminal.finish(), 0);
    // Nothing came after it while there was nothing to do.
    const QByteArray rest = terminal.text().mid(idleSince);
    QVERIFY2(!rest.contains("/s"), rest);
}

void tst_Terminal::narrowTerminal_data()
{
    QTest::addColumn<QByteArray>("program");
    QTest::newRow("indexer") << QByteArray(DEMO_PROGRAM);
    QTest::newRow("manifest") << QByteArray(MANIFEST_PROGRAM);
}

void tst_Terminal::narrowTerminal()
{
    QFETCH(const QByteArray, program);
    makeFiles(3000);
    ReportPipe pipe(log());
    const QByteArrayList command = program == MANIFEST_PROGRAM
            ? manifest()
            : QByteArrayList { program } + indexing() + QByteArrayList { "--log", log() };
    constexpr unsigned short columns = 40;
    Terminal terminal(command, columns);
    // While the test does not read, the program cannot come to its end; a line that says the same
    // comes once.
    const bool isShown = terminal.read([&] {
        pipe.read(pipe.lines().size() + 1, QDeadlineTimer(0));
        return terminal.progress().size() >= 3;
    });
    const QByteArrayList lines = terminal.progress(); // before the terminal adds its ^C
    terminal.press('\003');
    pipe.readAll();
    QCOMPARE(terminal.finish(), 0);
    QVERIFY2(isShown, terminal.text());
    for (const QByteArray &line : lines)
        QVERIFY2(line.size() < columns, line);
    // What there is room for.
    QVERIFY2(terminal.text().contains(" files"), terminal.text());
}

void tst_Terminal::dumbTerminal()
{
    makeFiles(3000);
    ReportPipe pipe(log());
    Terminal terminal(manifest(), 80, [] { ::setenv("TERM", "dumb", 1); });
    QVERIFY2(terminal.readUntil(" left"), terminal.text());
    terminal.press('\003');
    pipe.readAll();
    QCOMPARE(terminal.finish(), 0);
    // The terminal itself makes "\r\n" of each newline.
    QVERIFY2(!hasControls(QByteArray(terminal.text()).replace("\r\n", "\n").replace("^C", "")),
             terminal.text());
}

void tst_Terminal::noColor()
{
    Terminal terminal(QByteArrayList { DEMO_PROGRAM } + indexing(), 80, [] {
        withoutDisplay();
        ::setenv("NO_COLOR", "1", 1);
    });
    QVERIFY2(terminal.readUntil("watching for changes"), terminal.text());
    terminal.press('\003');
    QCOMPARE(terminal.finish(), 0);
    static const QRegularExpression color(QStringLiteral("\033\\[[0-9;]*m"));
    QVERIFY2(!QString::fromLatin1(terminal.text()).contains(color), terminal.text());
}

/// A file that takes its time, and is the only one.
void tst_Terminal::estimate()
{
    const QByteArray large = tree() + "/large";
    writeFile(large, "");
    QCOMPARE(::truncate(large.constData(), off_t(16) << 30), 0); // takes no room on the disk
    Terminal terminal({ MANIFEST_PROGRAM, tree(), "--output", output() }, 120);
    static const QRegularExpression about(
            QStringLiteral("1 files and [0-9.]+ GiB left, (about [0-9]+ (s|min)|a few seconds)"));
    QVERIFY2(terminal.read([&] { return QString::fromLatin1(terminal.text()).contains(about); }),
             terminal.text());
    terminal.press('\003');
    QCOMPARE(terminal.finish(), 0);
}

// ---- With and without a display.

void tst_Terminal::displayDoesNotAnswer_data()
{
    QTest::addColumn<QByteArray>("variable");
    QTest::addColumn<QByteArray>("value");
    QTest::newRow("X11") << QByteArray("DISPLAY") << QByteArray(":987");
    QTest::newRow("Wayland") << QByteArray("WAYLAND_DISPLAY") << QByteArray("not-there");
    QTest::newRow("a plugin that is missing")
            << QByteArray("QT_QPA_PLATFORM") << QByteArray("not-there");
}

void tst_Terminal::displayDoesNotAnswer()
{
    QFETCH(const QByteArray, variable);
    QFETCH(const QByteArray, value);
    const auto setDisplay = [variable, value] {
        withoutDisplay();
        ::setenv(variable.constData(), value.constData(), 1);
    };
    Run run(indexing(), setDisplay);
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(filesIn(database()), filesBelow(tree()));
#ifdef INDEXER_WINDOW
    QVERIFY2(run.err().contains("No window can be opened: " + variable + '=' + value), run.story());
#endif
    QVERIFY2(!run.err().contains("This application failed"), run.story());
}

void tst_Terminal::needsADisplay_data()
{
    QTest::addColumn<QByteArrayList>("command");
    QTest::addColumn<QByteArray>("display");
    for (const char *display : { "", ":987" }) {
        QTest::addRow("widgets with '%s'", display)
                << QByteArrayList { WIDGETS_PROGRAM } << QByteArray(display);
        QTest::addRow("hello with '%s'", display)
                << QByteArrayList { DISPLAY_PROGRAM, "hello" } << QByteArray(display);
    }
}

void tst_Terminal::needsADisplay()
{
    QFETCH(const QByteArrayList, command);
    QFETCH(const QByteArray, display);
    const auto setDisplay = [display] {
        withoutDisplay();
        if (!display.isEmpty())
            ::setenv("DISPLAY", display.constData(), 1);
    };
    Run run(command.mid(1), setDisplay, {}, command.first());
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 1, run.story());
    QCOMPARE(run.err().count('\n'), 1);
    QVERIFY2(run.err().contains(" needs a display, but "), run.story());
    QVERIFY2(run.err().contains(display), run.story());
    QVERIFY2(run.err().contains("xvfb-run"), run.story());
}

void tst_Terminal::optionsOfQt_data()
{
    QTest::addColumn<QByteArrayList>("options");
    QTest::newRow("reverse") << QByteArrayList { "-reverse" };
    QTest::newRow("platform") << QByteArrayList { "-platform", "offscreen" };
    QTest::newRow("style with =") << QByteArrayList { "-style=Fusion" };
    QTest::newRow("two dashes") << QByteArrayList { "--style", "Fusion" };
}

/// Where there is no window they change nothing, and are no mistake.
void tst_Terminal::optionsOfQt()
{
    QFETCH(const QByteArrayList, options);
    Run run(options + indexing() << "--once", withoutDisplay);
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QCOMPARE(filesIn(database()), filesBelow(tree()));
    // Behind two dashes there are none.
    Run folder(QByteArrayList { "--database", database(), "--once", "--" } + options.first(1),
               withoutDisplay);
    QVERIFY(folder.finish());
    QVERIFY2(folder.status() == 1, folder.story());
    QVERIFY2(folder.err().contains("No such file or directory"), folder.story());
}

void tst_Terminal::windowTakesOptionsOfQt()
{
#ifdef INDEXER_WINDOW
    Run run(QByteArrayList { "-platform", "offscreen", "-reverse", "-style", "Basic" } + indexing()
                    << "--log" << log(),
            withoutDisplay);
    QVERIFY2(QTest::qWaitFor([&] { return readFile(log()).contains("watching for changes"); },
                             milliseconds),
             run.story());
    run.stop();
    QVERIFY(run.finish());
    QVERIFY2(run.status() == 0, run.story());
    QVERIFY2(run.out().contains("scanner"), run.story());
#else
    QSKIP("This build has no window");
#endif
}

QTEST_GUILESS_MAIN(tst_Terminal)

#include "tst_terminal.moc"
