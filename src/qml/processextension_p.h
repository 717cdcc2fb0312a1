// SPDX-License-Identifier: MIT
// ProcessExtension: the properties that a Process has in QML only.

#ifndef GOPROCESS_PROCESSEXTENSION_P_H
#define GOPROCESS_PROCESSEXTENSION_P_H

#include <GoProcess/process.h>

#include <QJSValue>
#include <QList>
#include <QObject>
#include <QPointer>
#include <QtQml/qqml.h>
#include <QtQml/qqmllist.h>

#include <memory>

namespace GoProcess::Private {

class TeardownCall;

/// Made by QML for a process of its own when one of these properties is used first, as a child of
/// the process. What is refused gives a QML warning with file and line of the process.
class ProcessExtension final : public QObject
{
    Q_OBJECT
    QML_ANONYMOUS
    QML_ADDED_IN_VERSION(1, 0)
    Q_CLASSINFO("DefaultProperty", "data")
    /// Objects inside of the process; those that are processes become its children (R8).
    Q_PROPERTY(QQmlListProperty<QObject> data READ data NOTIFY dataChanged FINAL)
    /// The processes after which alone the teardown begins (R7). Written once.
    Q_PROPERTY(QQmlListProperty<GoProcess::Process> waitsFor READ waitsFor NOTIFY waitsForChanged
                       FINAL)
    /// The process that this is a child of (R8): the one that it is nested in unless another one is
    /// written, which may be done once. Then it is a child of both.
    Q_PROPERTY(GoProcess::Process *parentProcess READ parentProcess WRITE setParentProcess NOTIFY
                       parentProcessChanged FINAL)
    /// A function that runs once before the process is Closed (R22). It returns nothing, the text
    /// of an error, or a thenable, with whose end the teardown ends (R23). Written once (R24).
    Q_PROPERTY(QJSValue teardown READ teardown WRITE setTeardown NOTIFY teardownChanged FINAL)

public:
    explicit ProcessExtension(QObject *process);
    ~ProcessExtension() override;

    QQmlListProperty<QObject> data();
    QQmlListProperty<Process> waitsFor();
    Process *parentProcess() const;
    void setParentProcess(Process *parent);
    QJSValue teardown() const;
    void setTeardown(const QJSValue &teardown);

Q_SIGNALS:
    void dataChanged();
    void waitsForChanged();
    void parentProcessChanged();
    void teardownChanged();

private:
    /// Writing a list is a clear and many appends, of which none is known to be the last one: what
    /// comes before the event loop goes on is one write, or one that is refused.
    enum class WaitsFor { Unwritten, BeingWritten, Written, Refusing };

    static ProcessExtension *of(Process *process);
    Process *process() const;
    void warn(const QString &text) const;
    void addData(QObject *object);
    void addWaitsFor(Process *other);
    void clearWaitsFor();
    void refuseWaitsFor();
    void setWaitsForState(WaitsFor state);
    void endWriteOfWaitsFor();
    void nestIn(Process *around);
    void showParent(Process *parent);

    QList<QPointer<QObject>> m_data;
    QList<QPointer<Process>> m_waitsFor;
    WaitsFor m_waitsForState = WaitsFor::Unwritten;
    QPointer<Process> m_parentProcess;
    bool m_isParentWritten = false; ///< Even if that parent is gone.
    std::unique_ptr<TeardownCall> m_teardown; ///< Null until written.
};

} // namespace GoProcess::Private

#endif
