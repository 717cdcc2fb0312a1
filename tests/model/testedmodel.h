// SPDX-License-Identifier: MIT
#ifndef GOPROCESS_TESTS_MODEL_TESTEDMODEL_H
#define GOPROCESS_TESTS_MODEL_TESTEDMODEL_H

#include "support/messages.h"

#include <GoProcess/ProcessModel>

#include <QAbstractItemModelTester>

/// A model that the tester of Qt watches: a signal that does not fit its rows fails the test.
class TestedModel : public GoProcess::ProcessModel
{
public:
    explicit TestedModel(GoProcess::Process *process = nullptr) { setProcess(process); }

private:
    // Without Qt Gui, the tester of newer Qt looks for the type of its pixmaps once, and finds
    // none.
    const TestSupport::ExpectWarning m_untyped { QStringLiteral("invalid type, type id: 4097$"), 0,
                                                 1, QByteArrayLiteral("default") };
    QAbstractItemModelTester m_tester { this,
                                        QAbstractItemModelTester::FailureReportingMode::Warning };
};

#endif
