// SPDX-License-Identifier: MIT
// A program with Qt Widgets that closes in order: demo/run widgets

#include "window.h"

#include <QApplication>

int main(int argc, char **argv)
{
    const QApplication application(argc, argv);
    Window window;
    window.show();
    return QApplication::exec(); // until the window is closed
}
