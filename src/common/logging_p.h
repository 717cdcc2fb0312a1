// SPDX-License-Identifier: MIT
// What the library logs.

#ifndef GOPROCESS_LOGGING_P_H
#define GOPROCESS_LOGGING_P_H

#include <QString>
#include <QStringList>

namespace GoProcess::Private {

/// Logs \a text as a warning of the category `goprocess`. The message handler is the user's and may
/// call the library: not under a lock.
void warn(const QString &text);
/// Logs \a text as a critical message of that category; not under a lock either.
void warnCritical(const QString &text);
/// The category outlives the static objects that are made after this.
void keepLogging();

/// Warnings that come up under a lock. It is made before that is taken, and gives them when it is
/// destroyed, which is after that was let go.
class Warnings
{
public:
    Warnings() = default;
    Q_DISABLE_COPY_MOVE(Warnings)
    ~Warnings() { give(); }

    void add(const QString &text) { m_texts += text; }
    /// Gives those that there are: as a rule none.
    void give()
    {
        if (!m_texts.isEmpty())
            giveAll();
    }

private:
    void giveAll();

    QStringList m_texts;
};

} // namespace GoProcess::Private

#endif
