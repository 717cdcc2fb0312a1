// SPDX-License-Identifier: MIT
// What bindings know of a process.

#include <GoProcess/detail/binding.h>

#include "processcore_p.h"

namespace GoProcess::Private {

namespace {

/// A connection that ends with the process.
class BoundConnection final : public Binding
{
public:
    explicit BoundConnection(QMetaObject::Connection connection)
        : m_connection(std::move(connection))
    {
    }
    void finishing() override { QObject::disconnect(m_connection); }
    bool isOver() const override { return !m_connection; }

private:
    // Its state is atomic in Qt: another thread may disconnect it meanwhile.
    const QMetaObject::Connection m_connection;
};

} // namespace

Binding::~Binding() = default;

void Binding::closing() { }

void Binding::finishing() { }

void Binding::closed() { }

bool Binding::isOver() const
{
    return false;
}

ProcessHandle::ProcessHandle(const Process &process) : d(ProcessCore::of(&process))
{
    d->noteClass();
    d->ref();
}

ProcessHandle::ProcessHandle(const ProcessHandle &other) noexcept : d(other.d)
{
    if (d) // GCOVR_EXCL_BR_LINE: compiler
        d->ref();
}

ProcessHandle::~ProcessHandle()
{
    if (d)
        d->deref();
}

ProcessHandle ProcessHandle::of(const Process *process, const char *what)
{
    if (process)
        return ProcessHandle(*process);
    ProcessCore::refuse(what, QString(), QStringLiteral("the process is null"));
    return {};
}

ProcessHandle ProcessHandle::toClose(const Process *process, const char *what)
{
    ProcessHandle handle = of(process, what);
    if (handle && handle.isBackground()) {
        handle.refuse(what, "background() never closes");
        return {};
    }
    return handle;
}

bool ProcessHandle::isBackground() const noexcept
{
    return d->background;
}

bool ProcessHandle::isClosing() const noexcept
{
    return d->state() != NodeState::Running;
}

void ProcessHandle::close() const
{
    d->close();
}

bool ProcessHandle::refuse(const char *what, const char *why) const
{
    ProcessCore::refuse(what, d->path(), QString::fromLatin1(why));
    return false;
}

bool ProcessHandle::bind(std::shared_ptr<Binding> binding) const
{
    return d->bind(std::move(binding), NodeState::Running);
}

std::shared_ptr<Binding> ProcessHandle::bindOnce(const std::shared_ptr<Binding> &binding) const
{
    return d->bindOnce(binding);
}

bool ProcessHandle::bindUntilClosed(std::shared_ptr<Binding> binding) const
{
    return d->bind(std::move(binding), NodeState::Closing);
}

void ProcessHandle::bindConnection(const QMetaObject::Connection &connection) const
{
    auto binding = std::make_shared<BoundConnection>(connection);
    if (!bind(binding)) // GCOVR_EXCL_BR_LINE: race
        binding->finishing(); // GCOVR_EXCL_LINE: race
}

} // namespace GoProcess::Private
