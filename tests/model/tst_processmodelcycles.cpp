// SPDX-License-Identifier: MIT
// A ProcessModel of all processes shows those too whose closing edges go round (R9), of which none
// is a root.

#include "support/messages.h"
#include "testedmodel.h"

#include <GoProcess/GoProcess>

#include <QStringList>
#include <QTest>

#include <memory>
#include <optional>

using GoProcess::Process;
using namespace TestSupport;

namespace {

/// The names of the rows below \a parent, fetched: `name(below)`.
QString textOf(GoProcess::ProcessModel &model, const QModelIndex &parent = QModelIndex(),
               int depth = 0)
{
    model.fetchMore(parent);
    QStringList rows;
    for (int row = 0; row < model.rowCount(parent); ++row) {
        const QModelIndex index = model.index(row, 0, parent);
        const QString below = depth < 8 ? textOf(model, index, depth + 1) : QStringLiteral("...");
        rows << index.data().toString() + (below.isEmpty() ? QString() : u'(' + below + u')');
    }
    rows.sort();
    return rows.join(u' ');
}

std::unique_ptr<Process> makeProcess(const char *name)
{
    auto process = std::make_unique<Process>();
    process->setName(QString::fromLatin1(name));
    return process;
}

bool isOneOf(const QString &text, const QStringList &all)
{
    return all.contains(text);
}

} // namespace

class tst_ProcessModelCycles : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { begin(); }
    void init() { m_model.emplace(); }
    void cleanup()
    {
        m_model.reset();
        verify();
    }

    void twoThatCloseEachOtherAreShown();
    void theyAreShownWhenTheyWereRootsBefore();
    void whatHangsBelowACycleIsShown();
    void twoCyclesAreShown();
    void theyGoUnderARootThatComesLater();
    void theyStayWhenOneOfThemCloses();
    void theyGoWhenTheyClose();

private:
    std::optional<TestedModel> m_model;
};

void tst_ProcessModelCycles::twoThatCloseEachOtherAreShown()
{
    const auto a = makeProcess("a");
    const auto b = makeProcess("b");
    a->addChildNoWait(b.get());
    b->addChildNoWait(a.get());
    QTRY_VERIFY(
            isOneOf(textOf(*m_model), { QStringLiteral("a(b(a))"), QStringLiteral("b(a(b))") }));
}

void tst_ProcessModelCycles::theyAreShownWhenTheyWereRootsBefore()
{
    const auto a = makeProcess("a");
    const auto b = makeProcess("b");
    const auto c = makeProcess("c");
    QTRY_COMPARE(textOf(*m_model), QStringLiteral("a b c"));
    a->addChildNoWait(b.get());
    QTRY_COMPARE(textOf(*m_model), QStringLiteral("a(b) c"));
    b->addChildNoWait(c.get());
    QTRY_COMPARE(textOf(*m_model), QStringLiteral("a(b(c))"));
    c->addChildNoWait(a.get());
    QTRY_COMPARE(textOf(*m_model), QStringLiteral("a(b(c(a)))"));
}

void tst_ProcessModelCycles::whatHangsBelowACycleIsShown()
{
    const auto a = makeProcess("a");
    const auto b = makeProcess("b");
    const auto below = makeProcess("below");
    b->addChild(below.get());
    a->addChildNoWait(b.get());
    b->addChildNoWait(a.get());
    QTRY_VERIFY(textOf(*m_model).contains(QLatin1String("below")));
    below->setName(QStringLiteral("other"));
    QTRY_VERIFY(textOf(*m_model).contains(QLatin1String("other")));
    QTRY_COMPARE(m_model->rowCount(), 1);
}

void tst_ProcessModelCycles::twoCyclesAreShown()
{
    const auto a = makeProcess("a");
    const auto b = makeProcess("b");
    a->addChildNoWait(b.get());
    b->addChildNoWait(a.get());
    const auto c = makeProcess("c");
    const auto d = makeProcess("d");
    c->addChildNoWait(d.get());
    d->addChildNoWait(c.get());
    QTRY_COMPARE(m_model->rowCount(), 2);
    QTRY_COMPARE(textOf(*m_model).count(u'('), 4);
}

void tst_ProcessModelCycles::theyGoUnderARootThatComesLater()
{
    const auto a = makeProcess("a");
    const auto b = makeProcess("b");
    a->addChildNoWait(b.get());
    b->addChildNoWait(a.get());
    QTRY_COMPARE(m_model->rowCount(), 1);
    const bool isA = m_model->index(0, 0).data().toString() == QLatin1String("a");
    // Not above the one that stands for the root.
    const auto root = makeProcess("root");
    root->addChildNoWait(isA ? b.get() : a.get());
    QTRY_COMPARE(textOf(*m_model),
                 isA ? QStringLiteral("root(b(a(b)))") : QStringLiteral("root(a(b(a)))"));
}

void tst_ProcessModelCycles::theyStayWhenOneOfThemCloses()
{
    const auto a = makeProcess("a");
    const auto b = makeProcess("b");
    const auto c = makeProcess("c");
    a->addChildNoWait(b.get());
    b->addChildNoWait(a.get());
    b->addChildNoWait(c.get());
    GoProcess::Hold hold = c->hold(); // all are closed, but this one stays
    QTRY_COMPARE(m_model->rowCount(), 1);
    a->closeAndWait();
    b->closeAndWait();
    QTRY_COMPARE(textOf(*m_model), QStringLiteral("c"));
    hold.release();
}

void tst_ProcessModelCycles::theyGoWhenTheyClose()
{
    auto a = makeProcess("a");
    auto b = makeProcess("b");
    a->addChildNoWait(b.get());
    b->addChildNoWait(a.get());
    QTRY_COMPARE(m_model->rowCount(), 1);
    a.reset();
    b.reset();
    QTRY_COMPARE(m_model->rowCount(), 0);
}

QTEST_GUILESS_MAIN(tst_ProcessModelCycles)

#include "tst_processmodelcycles.moc"
