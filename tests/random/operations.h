// SPDX-License-Identifier: MIT
// What a random program of the model's tests is made of, and how it prints as C++.

#ifndef GOPROCESS_TESTS_RANDOM_OPERATIONS_H
#define GOPROCESS_TESTS_RANDOM_OPERATIONS_H

#include <ostream>
#include <string>
#include <vector>

namespace RandomPrograms {

enum class Kind {
    Create, ///< A process with a teardown of that outcome; below b if that is an even one.
    Destroy, ///< The destructor of a, where the rules let it return.
    AddChild, ///< a.addChild(b)
    AddChildNoWait,
    WaitFor,
    Go, ///< A work below a, with that outcome; b says what it does.
    ReturnFromWork, ///< Lets a work return.
    Hold, ///< Of a.
    Release, ///< One hold of a, if there is one.
    Close,
    CloseAfterChildren,
    SetTeardown, ///< A second one is refused.
    MoveAway, ///< a to another thread; where several run the program, to that of b.
    FinishFuture, ///< That the teardown of a has returned.
    Wait, ///< For a, where it can end.
    CloseAndWait,
    Deliver, ///< Runs the event loop.
    Helper, ///< Makes a process, closes it and waits for it.
    Intrude, ///< From now on the library is called where it cannot help calling user code.
    // Where several threads run the program:
    DeleteLater, ///< Destroy by deleteLater().
    NewThread, ///< A thread that ends; b says what it comes with.
    EndThread,
    Nest, ///< An event loop in a slot or a teardown.
    Relocate, ///< Moves a process of its own while that is closed.
    Cap, ///< setMaxWorkThreadCount()
    BeClosed, ///< Waits for a process that the message handler closes when it is warned.
    Count
};

/// How a teardown, a work or a future ends.
enum class Outcome {
    None, ///< There is no teardown.
    Succeeds,
    Fails,
    Throws,
    Future, ///< A future, which FinishFuture finishes. A work waits for its process to close.
    Count
};

/// Where an operation is made.
enum class Place {
    Now, ///< When the program comes to it.
    InClosing, ///< In a slot connected to closing() of the process `at`.
    InTeardown, ///< In its teardown.
    InClosed, ///< In a slot connected to its closed().
    Count
};

/// One operation. Processes are numbers, taken modulo how many there are.
struct Operation
{
    Kind kind = Kind::Deliver;
    int a = 0;
    int b = 0;
    Outcome outcome = Outcome::Succeeds;
    Place place = Place::Now;
    int at = 0;
    int thread = 0; ///< Where several threads run the program.
};

using Program = std::vector<Operation>;

const char *nameOf(Kind kind);

/// As a list to put into a test: see tst_randomprograms.cpp.
std::string toCpp(const Program &program);

// For the output of RapidCheck.
std::ostream &operator<<(std::ostream &stream, const Operation &operation);

} // namespace RandomPrograms

#endif
