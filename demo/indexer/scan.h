// SPDX-License-Identifier: MIT
// One scan: a walk that starts a work for each file that is new or has changed.

#ifndef INDEXER_SCAN_H
#define INDEXER_SCAN_H

#include "common/backlog.h"
#include "common/walk.h"

#include <GoProcess/RateLimiter>

#include <QByteArray>
#include <QList>

namespace Demo {

class Catalogue;
class Complaints;
class Log;
class Storage;
struct Counts;
struct Record;

/// What scans work with. All of it must outlive them.
struct ScanContext
{
    QByteArray folder; ///< Absolute.
    QList<OwnFiles> ownFiles; ///< Left out.
    Catalogue &catalogue;
    Complaints &complaints;
    Backlog &backlog;
    Storage &storage;
    Log &log;
    Counts &counts;
};

/// The process is a limiter: as many files are read at once as there are cores. It closes by itself when
/// all files are handed to the storage.
class Scan : private Walk::Visitor
{
public:
    /// \a number is at least 1, and of no other scan with the same catalogue.
    Scan(const ScanContext &context, int number);

    GoProcess::Process *process() { return &m_limiter; }
    /// Begins, as a child of \a parent.
    void start(GoProcess::Process *parent);

private:
    GoProcess::Error walk();
    void removeMissing();
    GoProcess::Error index(const QByteArray &path, qint64 size, Backlog::Place &place,
                           const GoProcess::Process &self);
    GoProcess::Error takeHash(Record *record, qint64 size, const GoProcess::Process &self);

    bool goesOn() const override { return !m_limiter.isClosing(); }
    void visitFile(const QByteArray &path, const struct stat &status) override;
    void visitLink(const QByteArray &path, bool goesRound) override;
    void visitOther() override;
    void failed(const QByteArray &path, const GoProcess::Error &error) override;

    const ScanContext &m_context;
    const int m_number;

    // Of the walk alone, which is one work in one thread.
    QList<QByteArray> m_unread;
    GoProcess::Error m_firstError;

    // Last, so that it closes before anything that its works use is gone.
    GoProcess::RateLimiter m_limiter;
};

} // namespace Demo

#endif
