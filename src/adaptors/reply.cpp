// SPDX-License-Identifier: MIT
// adopt() of a QNetworkReply, whose class this library knows by name only.

#include "adoption_p.h"
#include "relay_p.h"

#include <GoProcess/adaptors.h>

#include <QCoreApplication>
#include <QDeadlineTimer>
#include <QEvent>
#include <QIODevice>
#include <QThread>
#include <QTimer>

#include <algorithm>
#include <limits>
#include <thread>
#include <utility>

namespace GoProcess::Private {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

/// Sees the queued calls to a reply. Needs no moc. clazy:exclude=missing-qobject-macro
class Calls final : public QObject
{
public:
    explicit Calls(QObject *reply) : QObject(reply) { reply->installEventFilter(this); }

    bool eventFilter(QObject *, QEvent *event) override
    {
        m_any = m_any || event->type() == QEvent::MetaCall;
        return false;
    }
    /// True if there was one since it was asked.
    bool takeAny() { return std::exchange(m_any, false); }

private:
    bool m_any = false;
};

/// Everything happens in the thread of the reply.
class ReplyAdoption final : public Adoption
{
public:
    ReplyAdoption(QIODevice *reply, milliseconds grace)
        : m_reply(reply),
          m_grace(std::clamp(grace, milliseconds(0), milliseconds(std::numeric_limits<int>::max())))
    {
    }

    void watch();

private:
    void listen();
    void stop() override;
    bool finish(QDeadlineTimer deadline) override;
    void abort();
    void destroyed();

    QIODevice *m_reply; ///< Null once it is destroyed.
    const milliseconds m_grace;
    QDeadlineTimer m_abortAt;
    QMetaObject::Connection m_listening; ///< False after the reply's disconnect().
    Calls *m_calls = nullptr; ///< In a blocked wait. A child of the reply.
    microseconds m_pause =
            microseconds(0); ///< How long a blocked wait sleeps before it looks again.
    Error m_error; ///< The first.
};

void ReplyAdoption::watch()
{
    listen();
    const auto self = std::static_pointer_cast<ReplyAdoption>(shared_from_this());
    new AtDestruction(m_reply, [self] { self->destroyed(); });
}

void ReplyAdoption::listen()
{
    const auto self = std::static_pointer_cast<ReplyAdoption>(shared_from_this());
    relay(*m_reply, "errorOccurred", [self](void **) {
        if (!self->m_error)
            self->m_error = Error(self->m_reply->errorString());
    });
    m_listening = relay(*m_reply, "finished", [self](void **) { self->end(self->m_error); });
    QObject::connect(m_reply, &QObject::destroyed, [self] { self->destroyed(); });
}

void ReplyAdoption::stop()
{
    if (!m_reply) // GCOVR_EXCL_BR_LINE: race
        return; // GCOVR_EXCL_LINE: race
    if (!m_listening) // GCOVR_EXCL_BR_LINE: guard
        listen(); // GCOVR_EXCL_LINE: guard
    m_abortAt = QDeadlineTimer(m_grace);
    const auto self = std::static_pointer_cast<ReplyAdoption>(shared_from_this());
    QTimer::singleShot(m_grace, m_reply, [self] { self->abort(); });
}

void ReplyAdoption::abort()
{
    if (hasEnded())
        return;
    if (!m_error) { // GCOVR_EXCL_BR_LINE: guard
        m_error = Error(
                QStringLiteral("The reply had not finished %1 ms after it was asked to, and was "
                               "aborted")
                        .arg(m_grace.count()));
    }
    // It tells that it has finished, unless it had when it was adopted, as a mere QIODevice.
    QMetaObject::invokeMethod(m_reply, "abort", Qt::DirectConnection);
    end();
}

/// The transfer goes on in a thread of Qt's, which tells the reply by queued calls. There is no
/// wait for them, so this looks now and then: soon if there was one, as an upload takes one for
/// each piece.
bool ReplyAdoption::finish(QDeadlineTimer deadline)
{
    constexpr microseconds shortest(100);
    constexpr microseconds longest(5000);

    if (hasEnded()) // GCOVR_EXCL_BR_LINE: race
        return true; // GCOVR_EXCL_LINE: race
    if (!m_calls)
        m_calls = new Calls(m_reply);
    // Slots of its signals run in this call, and may destroy it.
    QCoreApplication::sendPostedEvents(m_reply, QEvent::MetaCall);
    if (!hasEnded() && m_abortAt.hasExpired())
        abort();
    if (hasEnded())
        return true;
    m_pause = m_calls->takeAny() ? shortest : std::clamp(2 * m_pause, shortest, longest);
    const milliseconds left(std::max<qint64>(1, std::min(m_abortAt, deadline).remainingTime()));
    std::this_thread::sleep_for(std::min<microseconds>(m_pause, left));
    return false;
}

void ReplyAdoption::destroyed()
{
    if (!m_reply)
        return;
    m_reply = nullptr;
    end(Error(QStringLiteral("The reply was destroyed before it had finished")));
}

} // namespace

Process *adoptReply(const QString &name, QIODevice *reply, const ReplyState &state, QObject *parent,
                    milliseconds grace)
{
    if (reply->thread() != QThread::currentThread() || isThreadWithoutHomes()) {
        return refuseAdoption(
                QStringLiteral("a reply is adopted in its own thread, and not inside a work"),
                parent);
    }
    const auto adoption = std::make_shared<ReplyAdoption>(reply, grace);
    if (state.isFinished)
        adoption->end(state.error);
    else
        adoption->watch();
    return adoption->makeProcess(name, parent);
}

} // namespace GoProcess::Private
