// SPDX-License-Identifier: MIT
// What ties a process to the thing that it stands for.

#ifndef GOPROCESS_ADOPTION_P_H
#define GOPROCESS_ADOPTION_P_H

#include "process/processcore_p.h"

#include <QDeadlineTimer>
#include <QFuture>
#include <QObject>
#include <QPromise>
#include <QString>

#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace GoProcess::Private {

/// The end of a thing, and of the process that stands for it, whichever of the two comes first.
///
/// Shared by the teardown of the process and the connections to the thing; so it may outlive both.
/// It refers to the process by its shared state, and so never to a QObject that may be gone.
class Adoption : public std::enable_shared_from_this<Adoption>
{
public:
    Adoption() { m_promise.start(); }
    Q_DISABLE_COPY_MOVE(Adoption)
    virtual ~Adoption() = default;

    /// Makes the process, of that \a name unless it is empty.
    Process *makeProcess(const QString &name, QObject *parent);

    /// The thing has ended, with \a error: closes the process, and lets its teardown complete. The
    /// first call counts. From any thread.
    void end(const Error &error = {});
    bool hasEnded() const;
    /// The thing is about to end: closes the process, whose teardown waits for end().
    void closeProcess();

protected:
    /// The teardown, unless the thing has ended: makes it end, without blocking.
    virtual void stop() = 0;
    /// The home is blocked in a wait: ends what would need its event loop. It may block until
    /// \a deadline, but better for a slice only, after which the wait runs steps. False: call it
    /// again.
    virtual bool finish(QDeadlineTimer deadline);

private:
    class Stop;

    // m_ended and m_process are written once, by end() and makeProcess(), under the mutex, which
    // also orders them for their readers. Only the call that has set m_ended finishes the
    // promise, which hands its result over by itself.
    mutable Mutex m_mutex;
    bool m_ended = false;
    Ref<ProcessCore> m_process;
    QPromise<Error> m_promise;
};

/// Calls a function when an object is being destroyed, in the thread of both. QObject::destroyed()
/// does not tell after `object->disconnect()`. Needs no moc. clazy:exclude=missing-qobject-macro
class AtDestruction final : public QObject
{
public:
    AtDestruction(QObject *object, std::function<void()> function)
        : QObject(object), m_function(std::move(function))
    {
    }
    Q_DISABLE_COPY_MOVE(AtDestruction)
    ~AtDestruction() override { m_function(); }

private:
    const std::function<void()> m_function;
};

/// For functions that GuardedPointer::use() calls. Between the end of a thing's own destructor and
/// forget(), in ~QObject, the thing is a QObject to the sanitizer, which looks at its virtual
/// table. Its private data is whole until forget() has returned, and what is called here is not
/// virtual and uses nothing else.
#ifdef __GNUC__
#  define GOPROCESS_ALSO_WHILE_DESTROYED __attribute__((no_sanitize("vptr")))
#else
#  define GOPROCESS_ALSO_WHILE_DESTROYED
#endif

/// A thing that another thread may destroy while it is used.
template<class Thing>
class GuardedPointer
{
public:
    explicit GuardedPointer(Thing *thing) : m_thing(thing) { }

    /// Calls \a function with the thing, unless that is gone; false then. Its destruction waits
    /// meanwhile.
    template<class F>
    bool use(F &&function)
    {
        const std::lock_guard lock(m_mutex);
        if (m_thing) // GCOVR_EXCL_BR_LINE: race
            function(*m_thing);
        return m_thing != nullptr;
    }
    /// Called when it is being destroyed.
    void forget()
    {
        const std::lock_guard lock(m_mutex);
        m_thing = nullptr;
    }

private:
    // Taken by users of the thing and by its destruction, and by nothing else. Recursive: what is
    // called may destroy it.
    std::recursive_mutex m_mutex;
    Thing *m_thing;
};

/// Says why adopt() was refused; returns null.
Process *refuseAdoption(const QString &why, const QObject *parent);

/// Runs \a function in a thread of the library's own pool, where it may block.
void runBlocking(const QString &name, std::function<void()> function);

} // namespace GoProcess::Private

#endif
