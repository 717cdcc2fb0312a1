// SPDX-License-Identifier: MIT
// SHA-256 of a file that may be changed by others.

#include "steadyfile.h"

#include "names.h"

#include <QCryptographicHash>
#include <QThread>

#include <array>
#include <ctime>

#include <fcntl.h>
#include <unistd.h>

namespace Demo {

namespace {

constexpr size_t pieceSize = 131'072; // bytes
constexpr qint64 longestTick = 20'000'000; // ns; the kernel's clock ticks every 1 to 10 ms

qint64 kernelTime()
{
    struct timespec time;
    return ::clock_gettime(CLOCK_REALTIME_COARSE, &time) == 0 ? nanoseconds(time) : 0;
}

/// True if a further change now could bear the same time as the last one.
bool couldChangeUnseen(const FileState &state)
{
    const qint64 now = kernelTime();
    return state.changed >= now && state.changed < now + longestTick;
}

} // namespace

GoProcess::Error SteadyFile::open()
{
    // Neither waits for the other end of a pipe that took the file's place, nor follows a link.
    m_file = FileDescriptor(
            ::open(m_name.constData(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    if (!m_file.isValid())
        return cannot("read", m_name);

    struct stat status;
    for (int i = 0;; ++i) {
        if (::fstat(m_file.get(), &status) != 0)
            return cannot("read", m_name);
        m_state = stateOf(status);
        if (i == longestTick / 1'000'000 || !couldChangeUnseen(m_state))
            break;
        QThread::msleep(1); // until the clock has ticked, so that a change from now on shows
    }
    if (!S_ISREG(status.st_mode))
        return QStringLiteral("%1 changed before it was read").arg(shown(m_name));
    return {};
}

SteadyFile::Hash SteadyFile::hash(const OnRead &onRead) const
{
    QCryptographicHash sha256(QCryptographicHash::Sha256);
    std::array<char, pieceSize> piece;
    for (;;) {
        const ssize_t count = ::read(m_file.get(), piece.data(), piece.size());
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return { {}, cannot("read", m_name) };
        if (count == 0)
            break;
        sha256.addData(QByteArrayView(piece.data(), count));
        if (!onRead(count))
            return {};
    }
    if (GoProcess::Error error = checkUnchanged())
        return { {}, error };
    return { sha256.result().toHex(), {} };
}

GoProcess::Error SteadyFile::checkUnchanged() const
{
    // By its name, so that a file put in its place shows as well.
    struct stat status;
    if (::lstat(m_name.constData(), &status) == 0) {
        if (S_ISREG(status.st_mode) && stateOf(status) == m_state)
            return {};
        return QStringLiteral("%1 changed while it was read").arg(shown(m_name));
    }
    if (errno == ENOENT || errno == ENOTDIR)
        return QStringLiteral("%1 vanished while it was read").arg(shown(m_name));
    return cannot("read", m_name);
}

} // namespace Demo
