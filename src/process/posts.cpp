// SPDX-License-Identifier: MIT
// Functions that were posted to a process: steps of their own, before its teardown.
//
// Each that is accepted counts as a hold until it has returned, and its future has finished: so the
// teardown does not begin before, and the object is not destroyed meanwhile. Of a process one at a
// time is due or runs, in the order in which they were posted. What was posted before a close comes
// before closing(), and the rest behind it, also where steps run on the pool: the announcement runs
// the former first, or waits for the one that runs in another thread (`announces`); the latter wait
// for the announcement (`late`).

#include "processcore_p.h"

#include "common/logging_p.h"
#include "futures_p.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <vector>

namespace GoProcess::Private {

struct ProcessCore::Posted
{
    std::unique_ptr<Teardown> function;
    /// It has run, and its future has finished with that: what is left is to tell, at home.
    std::optional<Error> outcome;
};

/// One that has returned a future.
struct ProcessCore::OpenPost
{
    /// The future has finished. Set by the thread that finishes it, or in a forked child; the first
    /// one wins. Acquire and release: the first one takes the function.
    std::atomic<bool> isSettled = false;
    std::unique_ptr<Teardown> function; ///< What it has captured may be what the future needs.
};

/// Guarded by the lock of the process.
struct ProcessCore::Posts
{
    std::deque<Posted> functions; ///< To run one after another.
    std::deque<Posted> late; ///< To run after closing() was emitted.
    std::vector<std::shared_ptr<OpenPost>> futures;
    std::size_t open = 0; ///< How many hold the process.
    bool isActive = false; ///< The step of the first function is due, or runs.
    bool announces = false; ///< The announcement is due when there are no functions left.
};

bool ProcessCore::post(std::unique_ptr<Teardown> function)
{
    constexpr const char *what = "post()";
    noteClass();
    if (background || !function) {
        refuse(what, path(),
               background ? QStringLiteral("background() never closes")
                          : QStringLiteral("the function is null"));
        return false;
    }

    bool isAccepted = false;
    bool isDue = false;
    {
        const NodeLock lock(*this);
        isAccepted = !Graph::hasBegunTeardown(*this);
        if (isAccepted) {
            if (!rareData().posts)
                m_rare->posts = std::make_shared<Posts>();
            isDue = enqueue({ std::move(function), {} });
            ++m_rare->posts->open;
            Graph::holdLocked(*this);
            m_hasPosts.store(true, std::memory_order_release);
        }
    }
    if (!isAccepted) {
        refuse(what, path(),
               state() == NodeState::Closed ? QStringLiteral("it is Closed")
                                            : QStringLiteral("its teardown has begun"));
        return false;
    }
    if (isDue)
        deliver(*this, Step::Post);
    return true;
}

/// True if its step is due: then the caller brings it on its way. The caller holds the lock.
bool ProcessCore::enqueue(Posted &&posted)
{
    Posts &posts = *m_rare->posts;
    const bool isAnnounced = Graph::isAnnounced(*this);
    const bool isLate = (state() != NodeState::Running && !isAnnounced) || !posts.late.empty();
    (isLate ? posts.late : posts.functions).push_back(std::move(posted));
    // Makes the announcement a step that is run, as if a future or a binding were to be told.
    if (!isAnnounced)
        Graph::setHasClosingListeners(*this, true);
    return !isLate && !std::exchange(posts.isActive, true);
}

std::size_t ProcessCore::openPosts() const
{
    return m_rare && m_rare->posts ? m_rare->posts->open : 0;
}

bool ProcessCore::waitsForPosts() const
{
    return m_rare && m_rare->posts && m_rare->posts->announces;
}

/// Runs what was posted before the close, as closing() comes behind that, and before closing() of
/// what is below (R19). False: the announcement is in other hands, as a function runs in another
/// thread, has moved the process or has destroyed it.
bool ProcessCore::runPostsBeforeAnnouncement()
{
    // A function that runs a nested event loop, or waits, may be waiting for just that.
    for (const StepScope *scope = StepScope::innermost(); scope; scope = scope->outer) {
        if (&scope->node == this && scope->kind == StepScope::Kind::Post && !scope->completed)
            return true;
    }
    const bool hasHome = !hasNoHome();
    const QThread *const home = thread();
    Posts &posts = *m_rare->posts;
    {
        const NodeLock lock(*this);
        if (!posts.isActive)
            return true;
        posts.announces = true; // the thread that runs the last one sees to it, this or another
    }
    while (claim(Step::Post)) {
        static_cast<void>(runPost(After::Stay));
        {
            const NodeLock lock(*this);
            if (!posts.announces)
                return false; // the destructor has taken it
            if (!posts.isActive) {
                posts.announces = false;
                return true;
            }
        }
        // What is claimed keeps the object alive.
        if (hasHome != !hasNoHome() || thread() != home) { // GCOVR_EXCL_BR_LINE: race
            if (claim(Step::Post)) // GCOVR_EXCL_LINE: race
                deliver(*this, Step::Post); // GCOVR_EXCL_LINE: race
            return false; // GCOVR_EXCL_LINE: race
        }
    }
    return false;
}

/// The announcement is made, and what was posted after the close is to run. True if its step is
/// due: then the caller brings it on its way.
bool ProcessCore::takeLatePosts()
{
    const NodeLock lock(*this);
    Posts &posts = *m_rare->posts;
    const bool isDue = !posts.late.empty() && !posts.isActive;
    posts.isActive = posts.isActive || isDue;
    std::move(posts.late.begin(), posts.late.end(), std::back_inserter(posts.functions));
    posts.late.clear();
    return isDue;
}

DueStep ProcessCore::runPost(After after)
{
    const Ref<ProcessCore> self(this);
    Posted posted;
    {
        const NodeLock lock(*this);
        std::deque<Posted> &functions = m_rare->posts->functions;
        posted = std::move(functions.front());
        functions.pop_front();
    }
    Error error;
    std::shared_ptr<OpenPost> open;
    bool isObjectGone = false;
    {
        const StepScope scope(*this, StepScope::Kind::Post);
        callPosted(posted, error, open);
        posted.function
                .reset(); // what was captured goes here, where it ran, and may destroy the object
        isObjectGone = scope.completed;
    }
    if (!isObjectGone)
        return postReturned(open != nullptr, error, after);
    if (error) {
        warn(QStringLiteral("A function that was posted to process \"%1\" has destroyed it, and "
                            "failed: %2")
                     .arg(path(), error.message()));
    }
    return {};
}

/// Leaves its error, or a future that is followed.
void ProcessCore::callPosted(Posted &posted, Error &error, std::shared_ptr<OpenPost> &open)
{
    if (posted.outcome) {
        error = std::move(*posted.outcome);
        return;
    }
    try {
        TeardownResult result = posted.function->run();
        if (auto *failed = std::get_if<Error>(&result))
            error = std::move(*failed);
        else if (auto *future = std::get_if<QFuture<void>>(&result))
            error = followPost(std::move(*future), posted, open);
        else
            error = followPost(std::move(std::get<QFuture<Error>>(result)), posted, open);
    } catch (...) {
        error = Error::fromException(std::current_exception());
    }
}

/// The error of a finished future; settlePost() will be called with that of another one.
template<class T>
Error ProcessCore::followPost(QFuture<T> future, Posted &posted, std::shared_ptr<OpenPost> &open)
{
    if (future.isFinished())
        return errorOf(std::move(future));
    // The function has destroyed the process, which is not told of the end.
    if (StepScope::innermost()->completed) // GCOVR_EXCL_BR_LINE: rare
        return {}; // GCOVR_EXCL_LINE: rare
    open = std::make_shared<OpenPost>();
    open->function = std::move(posted.function);
    {
        const NodeLock lock(*this);
        m_rare->posts->futures.push_back(open);
    }
    const Ref<ProcessCore> self(this);
    whenFinished(future, [self, open](QFuture<T> finished) {
        if (!open->isSettled.load(std::memory_order_acquire))
            self->settlePost(*open, errorOf(std::move(finished), true));
    });
    return {};
}

/// Makes a step of it, as its function is let go of at home.
void ProcessCore::settlePost(OpenPost &open, const Error &error)
{
    if (open.isSettled.exchange(true, std::memory_order_acq_rel)) // GCOVR_EXCL_BR_LINE: race
        return; // GCOVR_EXCL_LINE: race
    bool isDue = false;
    std::shared_ptr<OpenPost> kept; // goes outside of the lock
    {
        const NodeLock lock(*this);
        auto &futures = m_rare->posts->futures;
        const auto found = std::find_if(futures.begin(), futures.end(),
                                        [&](const auto &other) { return other.get() == &open; });
        kept = std::move(*found);
        *found = std::move(futures.back());
        futures.pop_back();
        isDue = enqueue({ std::move(open.function), error });
    }
    if (isDue)
        deliver(*this, Step::Post);
}

/// The function that was the first one has returned. It holds the process as long as \a isOpen.
DueStep ProcessCore::postReturned(bool isOpen, const Error &error, After after)
{
    bool isNextDue = false;
    bool announces = false;
    {
        const NodeLock lock(*this);
        if (error)
            Graph::fail(*this, error); // a work may fail meanwhile
        Posts &posts = *m_rare->posts;
        posts.open -= isOpen ? 0 : 1;
        isNextDue = !posts.functions.empty();
        posts.isActive = isNextDue;
        if (after == After::Deliver && !isNextDue)
            announces = std::exchange(posts.announces, false);
    }
    if (error)
        close();
    if (after == After::Stay) {
        if (isNextDue)
            setDueElsewhere(Step::Post); // while a claimed announcement keeps the object alive
        if (!isOpen)
            release();
        return {};
    }
    DueStep next;
    if (isNextDue || announces)
        next = deliverAtEndOfStep(*this, isNextDue ? Step::Post : Step::Announce);
    if (isOpen)
        return next;
    if (!next.node)
        return deliverAtEndOfStep(*this, Graph::release(*this));
    release();
    return next;
}

void ProcessCore::postsLost()
{
    bool isRunning = false;
    std::vector<std::shared_ptr<OpenPost>> futures;
    {
        const NodeLock lock(*this);
        if (!m_rare || !m_rare->posts)
            return;
        isRunning = m_rare->posts->isActive && !isPostDue() && !StepScope::find(*this);
        futures = m_rare->posts->futures;
    }
    const Error error(QStringLiteral(
            "The program was forked, and the thread of a posted function is not in the child"));
    for (const auto &open : futures)
        settlePost(*open, error);
    if (isRunning)
        StepEnd { postReturned(false, error, After::Deliver), {} }.goOn();
}

} // namespace GoProcess::Private
