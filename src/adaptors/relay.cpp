// SPDX-License-Identifier: MIT
// Signals by their name, of classes that this library does not link.

#include "relay_p.h"

#include <QMetaMethod>

namespace GoProcess::Private {

namespace {

/// Has one slot, behind those of QObject, which takes any arguments, as the one of QSignalSpy. So
/// it needs no moc. clazy:exclude=missing-qobject-macro
class Relay final : public QObject
{
public:
    Relay(QObject &sender, std::function<void(void **)> function)
        : QObject(&sender), m_function(std::move(function))
    {
    }

    static int slot() { return QObject::staticMetaObject.methodCount(); }

    int qt_metacall(QMetaObject::Call call, int method, void **arguments) override
    {
        const int own = QObject::qt_metacall(call, method, arguments);
        if (own != 0 || call != QMetaObject::InvokeMetaMethod) // GCOVR_EXCL_BR_LINE: guard
            return own; // GCOVR_EXCL_LINE: guard
        m_function(arguments);
        return -1;
    }

private:
    const std::function<void(void **)> m_function;
};

} // namespace

QMetaObject::Connection relay(QObject &sender, QByteArrayView signal,
                              std::function<void(void **)> function)
{
    const QMetaObject *meta = sender.metaObject();
    for (int i = meta->methodCount() - 1; i >= 0; --i) {
        const QMetaMethod method = meta->method(i);
        if (method.methodType() == QMetaMethod::Signal && method.name() == signal) {
            auto *relay = new Relay(sender, std::move(function));
            return QMetaObject::connect(&sender, i, relay, Relay::slot(), Qt::DirectConnection,
                                        nullptr);
        }
    }
    return {};
}

} // namespace GoProcess::Private
