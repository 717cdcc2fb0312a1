// SPDX-License-Identifier: MIT
// What bindings know of a process: a handle on its shared state, and what the process tells them.
// Everything here is private to the library; use Bindings and Periodic.

#ifndef GOPROCESS_DETAIL_BINDING_H
#define GOPROCESS_DETAIL_BINDING_H

#include <GoProcess/global.h>

#include <QObject>

#include <memory>
#include <utility>

namespace GoProcess {

class Process;

namespace Private {

class ProcessCore;

/// Something that goes along with a process and is told how far that has come.
///
/// Each function is called at most once, by the steps of the process.
class GOPROCESS_EXPORT Binding
{
public:
    Binding() = default;
    Q_DISABLE_COPY_MOVE(Binding)
    virtual ~Binding();

    /// After closing() was emitted.
    virtual void closing();
    /// After teardown, before the process is Closed: lets go of everything.
    virtual void finishing();
    /// The process is Closed; its signals and futures have not told so yet.
    virtual void closed();
    /// There is nothing left to do, so that the process need not keep it. Called under a lock.
    virtual bool isOver() const;
};

/// A counted reference to the shared state of a process. It keeps neither the QObject alive nor the
/// process open, and can be used in any thread whatever has become of them.
class GOPROCESS_EXPORT ProcessHandle
{
public:
    ProcessHandle() noexcept = default;
    /// Of a \a process that exists.
    explicit ProcessHandle(const Process &process);
    ProcessHandle(const ProcessHandle &other) noexcept;
    ProcessHandle(ProcessHandle &&other) noexcept : d(std::exchange(other.d, nullptr)) { }
    ProcessHandle &operator=(ProcessHandle other) noexcept
    {
        std::swap(d, other.d);
        return *this;
    }
    ~ProcessHandle();

    /// Of a process that a binding shall close; empty if that is refused: for null, and for the
    /// process that never closes.
    static ProcessHandle toClose(const Process *process, const char *what);
    /// Empty for null, which is refused.
    static ProcessHandle of(const Process *process, const char *what);

    explicit operator bool() const noexcept { return d != nullptr; }
    ProcessCore *data() const noexcept { return d; }

    bool isBackground() const noexcept;
    bool isClosing() const noexcept;
    void close() const;
    /// Says that \a what was refused because \a why, which is ASCII (R15). Returns false.
    bool refuse(const char *what, const char *why) const;

    /// Makes \a binding go along with the process while that is Running; false if it is not.
    bool bind(std::shared_ptr<Binding> binding) const;
    /// bind(), unless a binding of the same class is bound already. Returns the one that is bound
    /// then; null if the process is not Running.
    std::shared_ptr<Binding> bindOnce(const std::shared_ptr<Binding> &binding) const;
    /// Makes \a binding go along with the process until that is Closed; false if it is.
    bool bindUntilClosed(std::shared_ptr<Binding> binding) const;
    /// Disconnects \a connection before the process is Closed.
    void bindConnection(const QMetaObject::Connection &connection) const;

private:
    ProcessCore *d = nullptr;
};

/// A slot that closes a process.
struct CloseProcess
{
    ProcessHandle process;

    void operator()() const { process.close(); }
};

} // namespace Private
} // namespace GoProcess

#endif
