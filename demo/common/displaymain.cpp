// SPDX-License-Identifier: MIT
// A program that ends with 0 if a window can be opened, and else says how to get a display for what its
// first argument names: demo/run asks it before it starts Qt's program `qml`.

#include "common/display.h"

#include <QGuiApplication>

#include <cstdlib>

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : argv[0];
    return Demo::hasDisplay<QGuiApplication>(name, argc, argv) ? EXIT_SUCCESS : EXIT_FAILURE;
}
