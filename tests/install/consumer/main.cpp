// SPDX-License-Identifier: MIT
// A small program as a user of the library writes it: subsystems under one root, closed from the
// event loop, torn down in order. It uses what the library itself is built without (keywords, texts
// from ASCII), so it fails to compile where the library's settings reach it.

#include <GoProcess/GoProcess>

#include <QCoreApplication>
#include <QStringList>
#include <QTimer>

#include <cstdio>
#include <cstring>

#ifdef GOPROCESS_STATIC
static const char kind[] = "static";
#else
static const char kind[] = "shared";
#endif

// A subsystem whose teardown uses its own members, which is what Closing<T> is for.
class Store : public GoProcess::Process
{
public:
    explicit Store(QStringList *log) : m_log(log)
    {
        setName("store");
        setTeardown([this] {
            *m_log << name();
            return m_unsaved == 3 ? GoProcess::Error("3 lines were lost") : GoProcess::Error();
        });
    }

    int m_unsaved = 0;

private:
    QStringList *m_log;
};

class Reporter
{
public slots:
    void report(const QStringList &log) { std::puts(qPrintable(log.join(", "))); }
};

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    if (argc != 2 || std::strcmp(argv[1], kind) != 0) {
        std::fprintf(stderr, "This was built with a %s library.\n", kind);
        return 2;
    }

    QStringList log;
    GoProcess::Process root;
    root.setName("app");
    root.setTeardown([&log] { log << "app"; });

    GoProcess::Closing<Store> store(&log);
    store.m_unsaved = 3;
    if (!root.addChild(&store))
        return 3;

    const GoProcess::ProcessPtr work = root.go("work", [](GoProcess::Process &self) {
        self.waitForClosing();
        return GoProcess::Error(std::make_error_code(std::errc::operation_canceled));
    });

    GoProcess::Hold hold = root.hold();
    QObject::connect(&root, &GoProcess::Process::closing, &app, [&] {
        log << "closing";
        QTimer::singleShot(0, &app, [&] {
            log << "released";
            hold.release();
        });
    });
    QObject::connect(&root, &GoProcess::Process::closed, &app, &QCoreApplication::quit);
    QTimer::singleShot(0, &root, &GoProcess::Process::close);
    app.exec();

    log.removeOne("store"); // in its own order
    Reporter().report(log);
    const bool passed = log == QStringList({ "closing", "released", "app" }) && !hold.isValid()
            && work->isClosed() && work->error().code() == std::errc::operation_canceled
            && store.error().message() == "3 lines were lost" && root.treeErrorCount() == 2
            && GOPROCESS_VERSION >= GOPROCESS_VERSION_CHECK(0, 1, 0);
    return passed ? 0 : 1;
}
