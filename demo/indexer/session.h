// SPDX-License-Identifier: MIT
// What the window shows and asks for: one run after another, and searches in them.

#ifndef INDEXER_SESSION_H
#define INDEXER_SESSION_H

#include "query.h"
#include "results.h"
#include "run.h"

#include "common/console.h"

#include <GoProcess/Process>

#include <QAbstractItemModel>
#include <QElapsedTimer>
#include <QObject>
#include <QString>
#include <QTimer>
#include <QUrl>

#include <memory>

namespace Demo {

class Session : public QObject
{
    Q_OBJECT
    Q_PROPERTY(GoProcess::Process *process READ process NOTIFY runChanged FINAL)
    Q_PROPERTY(QString folder READ folder NOTIFY runChanged FINAL)
    Q_PROPERTY(QString database READ database CONSTANT FINAL)
    Q_PROPERTY(QString sentence READ sentence NOTIFY said FINAL)
    Q_PROPERTY(QString failure READ failure NOTIFY failureChanged FINAL)
    Q_PROPERTY(QString progressText READ progressText NOTIFY progressed FINAL)
    Q_PROPERTY(double progress READ progress NOTIFY progressed FINAL)
    Q_PROPERTY(bool isUpToDate READ isUpToDate NOTIFY progressed FINAL)
    Q_PROPERTY(QString pattern READ pattern WRITE setPattern NOTIFY patternChanged FINAL)
    Q_PROPERTY(QAbstractItemModel *results READ results CONSTANT FINAL)
    Q_PROPERTY(QString resultsText READ resultsText NOTIFY resultsChanged FINAL)
    Q_PROPERTY(bool isEnding READ isEnding NOTIFY ending FINAL)

public:
    /// Starts the first run.
    explicit Session(const Task &task);

    GoProcess::Process *process() const { return m_run->root(); }
    QString folder() const;
    QString database() const;
    QString sentence() const { return m_run->log().lastSentence(); }
    /// Why nothing is indexed any more, though the user has not ended it; empty while all is well.
    QString failure() const { return m_failure; }
    QString progressText() const { return m_progressText; }
    /// From 0 to 1.
    double progress() const { return m_progress; }
    bool isUpToDate() const { return m_isUpToDate; }
    QString pattern() const { return m_pattern; }
    void setPattern(const QString &pattern);
    QAbstractItemModel *results() { return &m_results; }
    QString resultsText() const { return m_resultsText; }
    bool isEnding() const { return m_isEnding; }
    /// The program's exit status.
    int exitStatus() const { return m_exitStatus; }

    /// Closes the run, and then starts one over \a folder. A file that is no folder, or not there,
    /// is an error of that run.
    Q_INVOKABLE void choose(const QString &folder);
    Q_INVOKABLE void chooseUrl(const QUrl &folder) { choose(folder.toLocalFile()); }
    /// The same over the folder that there is.
    Q_INVOKABLE void tryAgain();
    /// Opens the file in \a row of the results, or the folder that it is in, with the program that
    /// the desktop has for it.
    Q_INVOKABLE void openFile(int row);
    Q_INVOKABLE void openFolderOf(int row);
    /// Puts the path of the file in \a row into the clipboard.
    Q_INVOKABLE void copyPath(int row);
    /// Closes the run, and then emits ended().
    Q_INVOKABLE void end();

Q_SIGNALS:
    void runChanged();
    void said();
    void failureChanged();
    void progressed();
    void patternChanged();
    void resultsChanged();
    void ending();
    void ended();

private:
    void start(const Task &task);
    void startNext(const Task &task);
    void runClosed();
    void setFailure(const QString &text);
    void openInDesktop(const QByteArray &path);
    void showProgress();
    void search();
    /// How often the index has changed.
    qint64 changeCount() const;
    void showMatches(const Matches &matches);
    void setResultsText(const QString &text);

    Console m_console;
    std::unique_ptr<Run> m_run;
    std::unique_ptr<Task> m_nextTask; // as soon as the run is closed
    Query m_query;
    Results m_results;
    QTimer m_progressTimer;
    QElapsedTimer m_sinceSearch;
    qint64 m_searchedChange = 0; // what the last search has seen
    QString m_failure;
    QString m_progressText;
    double m_progress = 0;
    bool m_isUpToDate = false;
    QString m_pattern;
    QString m_resultsText;
    bool m_isEnding = false;
    int m_exitStatus = 0;
};

} // namespace Demo

#endif
