// SPDX-License-Identifier: MIT
// What the window shows, how it closes, and its subsystems.

#include "window.h"

#include "durations.h"

#include <GoProcess/Adaptors>
#include <GoProcess/Bindings>
#include <GoProcess/ProcessModel>

#include <QCloseEvent>
#include <QToolBar>
#include <QTreeView>

#include <csignal>

using GoProcess::Process;

Window::Window() : m_index([] { QThread::msleep(800); }) // blocks its own thread, not this one
{
    startSubsystems();
    connect(&m_root, &Process::closed, this, &QWidget::close);
    GoProcess::closeOnSignals(&m_root, { SIGINT, SIGTERM }); // Ctrl-C

    auto *model = new GoProcess::ProcessModel(this);
    auto *view = new QTreeView;
    view->setModel(model);
    view->setColumnWidth(GoProcess::ProcessModel::NameColumn, 240);
    view->setItemDelegateForColumn(GoProcess::ProcessModel::SinceColumn, new Durations(view));
    connect(model, &QAbstractItemModel::rowsInserted, view, &QTreeView::expandAll);
    model->setProcess(&m_root);
    setCentralWidget(view);
    setWindowTitle(tr("Mail"));
    resize(480, 240);

    QToolBar *buttons = addToolBar(tr("Subsystems"));
    const auto subsystems = m_root.findChildren<Process *>(Qt::FindDirectChildrenOnly);
    for (Process *process : subsystems) {
        QAction *close =
                buttons->addAction(tr("Close %1").arg(process->name()), process, &Process::close);
        connect(process, &Process::closing, close, [close] { close->setEnabled(false); });
    }
}

void Window::closeEvent(QCloseEvent *event)
{
    event->setAccepted(m_root.isClosed());
    m_root.close(); // and the window, when it is closed
}

void Window::startSubsystems()
{
    m_root.setName(tr("mail"));
    // A teardown that blocks no window: it works in the thread pool, and its future ends it.
    const auto sayGoodbye = [] {
        return GoProcess::go([] { QThread::msleep(800); })->whenClosed();
    };
    auto *network = new Process(sayGoodbye, &m_root);
    network->setName(tr("network"));
    for (const QString &server : { tr("inbox"), tr("outbox") }) {
        network->go(server, [](Process &self) { // in the thread pool
            while (!self.waitForClosing(QDeadlineTimer(100)))
                continue; // a real one talks to its server
        });
    }

    m_indexThread.start();
    Process *search = GoProcess::adopt(&m_indexThread, &m_root);
    search->setName(tr("search"));
    m_index.setName(tr("index"));
    m_index.moveToThread(&m_indexThread);
    search->addChild(&m_index); // closes while its thread still runs

    auto *storage = new Process(sayGoodbye, &m_root);
    storage->setName(tr("storage"));
    storage->waitFor(network); // which may have something to store until it is closed
    storage->waitFor(search);
}
