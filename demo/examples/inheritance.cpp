// SPDX-License-Identifier: MIT
// Inheritance: a class that is a process, and whose teardown uses its members. Its destructor
// closes and waits first, as these members are gone in ~Process. Without a destructor, Closing<T>
// does so.

#include <GoProcess/Closing>

#include <QStringList>

#include <cstdio>
#include <memory>

class Cache : public GoProcess::Process
{
    Q_OBJECT

public:
    explicit Cache(QObject *parent = nullptr) : Process(QStringLiteral("cache"), parent)
    {
        setTeardown([this] { std::printf("cache: %d entries saved\n", int(m_entries->size())); });
    }
    ~Cache() override
    {
        closeAndWait();
        std::puts("cache: entries destroyed");
        m_entries.reset();
    }
    void put(const QString &entry) { m_entries->append(entry); }

private:
    std::unique_ptr<QStringList> m_entries = std::make_unique<QStringList>();
};

class Log : public GoProcess::Process
{
    Q_OBJECT

public:
    Log() : Process([this] { std::printf("log: %s\n", qPrintable(m_lines.join(u','))); }) { }

private:
    const QStringList m_lines { QStringLiteral("started") };
};

int main()
{
    GoProcess::Closing<Log> log; // closes before the members of Log go
    Cache cache;
    log.waitFor(&cache);
    cache.put(QStringLiteral("entry"));
}

#include "inheritance.moc"
