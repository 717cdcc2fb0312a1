// SPDX-License-Identifier: MIT
// What a random program of the model's tests is made of, and how it prints as C++.

#include "operations.h"

#include <array>
#include <sstream>

namespace RandomPrograms {

namespace {

constexpr std::array<const char *, std::size_t(Kind::Count)> kinds { "Create",
                                                                     "Destroy",
                                                                     "AddChild",
                                                                     "AddChildNoWait",
                                                                     "WaitFor",
                                                                     "Go",
                                                                     "ReturnFromWork",
                                                                     "Hold",
                                                                     "Release",
                                                                     "Close",
                                                                     "CloseAfterChildren",
                                                                     "SetTeardown",
                                                                     "MoveAway",
                                                                     "FinishFuture",
                                                                     "Wait",
                                                                     "CloseAndWait",
                                                                     "Deliver",
                                                                     "Helper",
                                                                     "Intrude",
                                                                     "DeleteLater",
                                                                     "NewThread",
                                                                     "EndThread",
                                                                     "Nest",
                                                                     "Relocate",
                                                                     "Cap",
                                                                     "BeClosed" };
constexpr std::array<const char *, std::size_t(Outcome::Count)> outcomes { "None", "Succeeds",
                                                                           "Fails", "Throws",
                                                                           "Future" };
constexpr std::array<const char *, std::size_t(Place::Count)> places { "Now", "InClosing",
                                                                       "InTeardown", "InClosed" };

template<class Names, class Value>
const char *nameOf(const Names &names, Value value)
{
    return names[std::size_t(value)];
}

} // namespace

const char *nameOf(Kind kind)
{
    return nameOf(kinds, kind);
}

std::ostream &operator<<(std::ostream &stream, const Operation &operation)
{
    return stream << "{ Kind::" << nameOf(kinds, operation.kind) << ", " << operation.a << ", "
                  << operation.b << ", Outcome::" << nameOf(outcomes, operation.outcome)
                  << ", Place::" << nameOf(places, operation.place) << ", " << operation.at << ", "
                  << operation.thread << " }";
}

std::string toCpp(const Program &program)
{
    std::ostringstream text;
    text << "    const Program program {\n";
    for (const Operation &operation : program)
        text << "        " << operation << ",\n";
    text << "    };\n";
    return text.str();
}

} // namespace RandomPrograms
