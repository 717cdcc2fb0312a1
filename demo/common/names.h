// SPDX-License-Identifier: MIT
// Names of files are bytes: how they are written into lines, and how people see them.

#ifndef DEMO_NAMES_H
#define DEMO_NAMES_H

#include <QByteArray>
#include <QByteArrayView>
#include <QString>

#include <optional>

namespace Demo {

/// \a name without what would break a line: `\n`, `\r` and `\\` as sha256sum writes them.
QByteArray escaped(const QByteArray &name);
/// The name that escaped() made \a text from; nothing if it cannot have made it.
std::optional<QByteArray> unescaped(QByteArrayView text);

/// \a name for people: if it is not printable UTF-8, what is not printable ASCII in it as `\ooo`.
QString shown(const QByteArray &name);

/// \a name below \a folder.
QByteArray joined(const QByteArray &folder, const QByteArray &name);
/// \a path from the root on, whatever the current folder is; without `.` and doubled slashes.
QByteArray absolute(const QByteArray &path);
/// \a path, which is absolute, without links, as far as it exists but for its last part.
QByteArray resolved(const QByteArray &path);

} // namespace Demo

#endif
