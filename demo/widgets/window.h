// SPDX-License-Identifier: MIT
// The window of a mail program, whose subsystems only pretend to work. It stays until they are closed.

#ifndef WINDOW_H
#define WINDOW_H

#include <GoProcess/Process>

#include <QMainWindow>
#include <QThread>

class Window : public QMainWindow
{
    Q_OBJECT

public:
    Window();

protected:
    void closeEvent(QCloseEvent *event) override;

private:
    void startSubsystems();

    QThread m_indexThread;
    GoProcess::Process m_index; // at home in that thread
    GoProcess::Process m_root; // last, so that all is closed before other members are destroyed
};

#endif
