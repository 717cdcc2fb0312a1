// SPDX-License-Identifier: MIT
// Escaping and joining of file names.

#include "names.h"

#include <QFile>
#include <QList>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>

#include <unistd.h>

namespace Demo {

namespace {

bool isPrintableAscii(char c)
{
    return c >= ' ' && c <= '~';
}

QString withOctals(const QByteArray &name)
{
    QString text;
    for (const char c : name) {
        if (isPrintableAscii(c) && c != '\\')
            text += QLatin1Char(c);
        else
            text += QStringLiteral("\\%1").arg(uchar(c), 3, 8, QLatin1Char('0'));
    }
    return text;
}

} // namespace

QByteArray escaped(const QByteArray &name)
{
    QByteArray text;
    text.reserve(name.size());
    for (const char c : name) {
        switch (c) {
        case '\n':
            text += "\\n";
            break;
        case '\r':
            text += "\\r";
            break;
        case '\\':
            text += "\\\\";
            break;
        default:
            text += c;
        }
    }
    return text;
}

std::optional<QByteArray> unescaped(QByteArrayView text)
{
    QByteArray name;
    name.reserve(text.size());
    for (qsizetype i = 0; i < text.size(); ++i) {
        if (text[i] == '\n' || text[i] == '\r')
            return std::nullopt;
        if (text[i] != '\\') {
            name += text[i];
            continue;
        }
        if (++i == text.size())
            return std::nullopt;
        if (text[i] == 'n')
            name += '\n';
        else if (text[i] == 'r')
            name += '\r';
        else if (text[i] == '\\')
            name += '\\';
        else
            return std::nullopt;
    }
    return name;
}

QString shown(const QByteArray &name)
{
    const QString text = QString::fromUtf8(name);
    const bool printable = std::all_of(text.cbegin(), text.cend(), [](QChar c) {
        return (c.isPrint() || c.isSurrogate()) && c != QChar::ReplacementCharacter && c != u'\\';
    });
    return printable ? text : withOctals(name);
}

QByteArray joined(const QByteArray &folder, const QByteArray &name)
{
    return folder.endsWith('/') ? folder + name : folder + '/' + name;
}

QByteArray absolute(const QByteArray &path)
{
    QByteArray whole = path;
    if (!path.startsWith('/')) {
        std::array<char, PATH_MAX> current;
        if (!::getcwd(current.data(), current.size()))
            return path; // the current folder was removed, so nothing can be opened
        whole = joined(current.data(), path);
    }
    QByteArray result;
    const QList<QByteArray> parts = whole.split('/');
    for (const QByteArray &part : parts) {
        if (!part.isEmpty() && part != ".")
            result += '/' + part;
    }
    return result.isEmpty() ? QByteArrayLiteral("/") : result;
}

QByteArray resolved(const QByteArray &path)
{
    std::array<char, PATH_MAX> buffer;
    if (::realpath(path.constData(), buffer.data()))
        return buffer.data();
    const qsizetype slash = path.lastIndexOf('/');
    if (slash > 0 && ::realpath(path.left(slash).constData(), buffer.data()))
        return joined(buffer.data(), path.mid(slash + 1));
    return path;
}

} // namespace Demo
