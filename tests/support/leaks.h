// SPDX-License-Identifier: MIT
// Programs that a test starts, and that lose memory on purpose.

#ifndef GOPROCESS_TESTS_SUPPORT_LEAKS_H
#define GOPROCESS_TESTS_SUPPORT_LEAKS_H

#include <QProcessEnvironment>
#include <QString>

namespace TestSupport {

/// The environment of this program, but that the leak sanitizer says nothing.
inline QProcessEnvironment withoutLeakCheck()
{
    QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
    const QString name = QStringLiteral("ASAN_OPTIONS");
    environment.insert(name, environment.value(name) + QStringLiteral(":detect_leaks=0"));
    return environment;
}

} // namespace TestSupport

#endif
