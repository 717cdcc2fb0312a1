// SPDX-License-Identifier: MIT
// A program with Qt Widgets that closes in order: demo/run widgets

#include "common/display.h"
#include "window.h"

#include <QApplication>

int main(int argc, char **argv)
{
    if (!Demo::hasDisplay<QApplication>("widgets", argc, argv))
        return 1; // it has said what to do; Qt would abort
    const QApplication application(argc, argv);
    Window window;
    window.show();
    return QApplication::exec(); // until the window is closed
}
