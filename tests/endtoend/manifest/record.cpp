// SPDX-License-Identifier: MIT
// The lines of manifest and journal.

#include "record.h"

#include "common/names.h"

#include <QList>

#include <algorithm>
#include <array>

namespace Demo {

namespace {

constexpr qsizetype hashDigits = 64;
constexpr int fieldsBeforeName = 5;

bool isHash(const QByteArray &text)
{
    return text.size() == hashDigits && std::all_of(text.cbegin(), text.cend(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

} // namespace

QByteArray manifestLine(const Record &record)
{
    const QByteArray name = escaped(record.name);
    // A backslash before the hash says that the name is an escaped one.
    const QByteArray mark = name.size() == record.name.size() ? "" : "\\";
    return mark + record.hash + "  " + name + '\n';
}

QByteArray journalLine(const Record &record)
{
    const FileState &state = record.state;
    return record.hash + ' ' + QByteArray::number(state.inode) + ' '
            + QByteArray::number(state.size) + ' ' + QByteArray::number(state.modified) + ' '
            + QByteArray::number(state.changed) + ' ' + escaped(record.name) + '\n';
}

std::optional<Record> parseJournalLine(const QByteArray &line)
{
    QList<QByteArray> fields;
    qsizetype begin = 0;
    while (fields.size() < fieldsBeforeName) {
        const qsizetype end = line.indexOf(' ', begin);
        if (end < 0)
            return std::nullopt;
        fields += line.mid(begin, end - begin);
        begin = end + 1;
    }
    const std::optional<QByteArray> name = unescaped(QByteArrayView(line).sliced(begin));
    if (!name || !name->startsWith('/') || !isHash(fields.first()))
        return std::nullopt;

    std::array<bool, 4> isNumber {};
    const FileState state { fields[1].toULongLong(&isNumber[0]), fields[2].toLongLong(&isNumber[1]),
                            fields[3].toLongLong(&isNumber[2]),
                            fields[4].toLongLong(&isNumber[3]) };
    if (!std::all_of(isNumber.cbegin(), isNumber.cend(), [](bool ok) { return ok; }))
        return std::nullopt;
    return Record { *name, fields.first(), state };
}

} // namespace Demo
