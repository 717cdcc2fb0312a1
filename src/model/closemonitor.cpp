// SPDX-License-Identifier: MIT
// CloseMonitor: how far the close of a process has come.

#include <GoProcess/closemonitor.h>

#include "changetimer_p.h"
#include "process/processcore_p.h"
#include "sweep_p.h"

#include <QElapsedTimer>
#include <QPointer>

#include <algorithm>
#include <deque>
#include <iterator>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

namespace GoProcess {

using Private::ChangeTimer;
using Private::Graph;
using Private::Node;
using Private::NodeLock;
using Private::NodeRef;
using Private::NodeState;
using Private::ProcessCore;

namespace {

/// A search takes about so many milliseconds at most at a time,
constexpr qint64 searchSlice = 6;
/// and so many children of a process under its lock.
constexpr std::size_t atOnce = 1000;
constexpr qsizetype mostRemaining = 20;

} // namespace

/// Counts what keeps the process open. Everything happens in the thread of the monitor, and the
/// search below the process in slices. It keeps the shared state of processes only while they are
/// open.
class CloseMonitor::Count
{
public:
    explicit Count(CloseMonitor &monitor)
        : m_monitor(monitor), m_changes(&monitor, [this] { update(); })
    {
    }

    void setProcess(Process *other);

    QPointer<Process> process;
    int total = 0;
    int closed = 0;
    QStringList remaining;
    int elapsed = 0;

private:
    struct Open
    {
        std::uint64_t number = 0; ///< Its place in m_byNumber.
        bool isBegun = false; ///< The search for what it waits for.
        bool isSearched = false; ///< All was found; new children come behind the others.
        /// How many of those that it waits for are in the total without having been found.
        std::uint32_t expected = 0;
        std::vector<NodeRef> children; ///< As they were found, while the search goes on.
    };

    using OpenByNode = std::unordered_map<const Node *, Open>;
    using NodeByNumber = std::map<std::uint64_t, NodeRef>;

    /// What was counted before, until it is destroyed, bit by bit.
    struct Old
    {
        std::vector<OpenByNode> open;
        std::vector<NodeByNumber> byNumber;
        std::vector<std::deque<NodeRef>> toSearch;

        bool sweepOne();
    };

    void begin();
    void update();
    void sweep(const QElapsedTimer &time);
    bool takeStep();
    void follow(Node &node);
    void add(const NodeRef &node);
    void find(Open &upper, const std::vector<NodeRef> &nodes);
    void search(Node &node);
    void end();
    QStringList findRemaining() const;

    CloseMonitor &m_monitor;
    QMetaObject::Connection m_gone;
    QMetaObject::Connection m_closing;
    NodeRef m_node;
    QElapsedTimer m_time; ///< Valid while it counts.
    OpenByNode m_open;
    NodeByNumber m_byNumber; ///< The open ones as they were found.
    std::uint64_t m_lastNumber = 0;
    std::vector<NodeRef> m_changed; ///< Taken from ChangedNodes, the next one last.
    std::deque<NodeRef> m_toSearch;
    Old m_old;
    ChangeTimer m_changes;
};

void CloseMonitor::Count::setProcess(Process *other)
{
    if (other == process) // GCOVR_EXCL_BR_LINE: guard
        return; // GCOVR_EXCL_LINE: guard
    QObject::disconnect(m_gone);
    QObject::disconnect(m_closing);
    m_changes.close();
    end();
    m_changed.clear();
    m_node = {};
    total = 0;
    closed = 0;
    remaining.clear();
    elapsed = 0;
    process = other;
    if (other && other != Process::background()) {
        m_gone = QObject::connect(other, &QObject::destroyed, &m_monitor,
                                  &CloseMonitor::processChanged);
        // Where it is at home here, this comes before the first of its children closes.
        m_closing = QObject::connect(other, &Process::closing, &m_monitor, [this] { begin(); });
        m_node = NodeRef(ProcessCore::of(other));
        // In this order, so that nothing is missed.
        m_changes.open(false);
        Graph::watch(*m_node);
        begin();
    }
    Q_EMIT m_monitor.processChanged();
    Q_EMIT m_monitor.changed();
}

void CloseMonitor::Count::update()
{
    QElapsedTimer time;
    time.start();
    while (takeStep() && !time.hasExpired(searchSlice)) { }
    if (!m_time.isValid()) {
        sweep(time);
        return;
    }
    elapsed = int(m_time.elapsed());
    if (m_node->isFinished()) {
        // All that it waited for is Closed, whether it was found or not.
        end();
        closed = total;
        m_changes.close();
    } else {
        m_changes.updateSoon();
    }
    remaining = findRemaining();
    sweep(time);
    Q_EMIT m_monitor.changed();
}

/// Destroys a part of what was counted before.
void CloseMonitor::Count::sweep(const QElapsedTimer &time)
{
    while (!time.hasExpired(searchSlice)) {
        if (!m_old.sweepOne())
            return;
    }
    m_changes.updateSoon();
}

bool CloseMonitor::Count::Old::sweepOne()
{
    if (!open.empty() && !open.back().empty()) {
        std::vector<NodeRef> &children = open.back().begin()->second.children;
        if (!children.empty()) {
            children.pop_back();
            return true;
        }
    }
    return Private::sweepLast(open) || Private::sweepLast(byNumber) || Private::sweepLast(toSearch);
}

/// A small part of what there is to do; false if there is nothing.
bool CloseMonitor::Count::takeStep()
{
    constexpr std::size_t some = 256;

    if (m_changed.empty())
        m_changes.take(some, m_changed);
    if (!m_changed.empty()) {
        const NodeRef node = std::move(m_changed.back());
        m_changed.pop_back();
        follow(*node);
        return true;
    }
    if (m_toSearch.empty())
        return false;
    const NodeRef node = std::move(m_toSearch.front());
    m_toSearch.pop_front();
    search(*node);
    return true;
}

/// Begins to count when the process has begun to close.
void CloseMonitor::Count::begin()
{
    if (!m_node || total > 0 || m_node->state() == NodeState::Running) // GCOVR_EXCL_BR_LINE: race
        return;
    m_time.start();
    total = 1;
    add(m_node);
    update();
}

/// A process has changed.
void CloseMonitor::Count::follow(Node &node)
{
    const auto open = m_open.find(&node);
    if (open == m_open.end())
        return;
    if (node.isFinished()) {
        closed += 1 + int(open->second.expected);
        m_byNumber.erase(open->second.number);
        m_open.erase(open);
        return;
    }
    if (!open->second.isSearched)
        return;
    std::vector<NodeRef> fresh;
    Graph::waitedFor(node, atOnce, fresh);
    const auto isNew = [this](const Node &child) { return m_open.count(&child) == 0; };
    std::vector<NodeRef> newest;
    bool areAll = false;
    for (std::size_t at = 0; !areAll;) {
        // Back from the last one that is still there.
        const std::size_t known = newest.size();
        Node *const before = at > 0 ? newest[at - 1].get() : nullptr; // GCOVR_EXCL_BR_LINE: rare
        // GCOVR_EXCL_BR_START: rare
        if (Graph::newestWaitedFor(node, before, atOnce, newest, isNew)) {
            // GCOVR_EXCL_BR_STOP
            areAll = newest.size() < known + atOnce;
            at = newest.size();
        } else {
            --at; // GCOVR_EXCL_LINE: rare
        }
    }
    find(open->second, fresh);
    find(open->second, newest);
}

/// Takes it into the books, unless it is there.
void CloseMonitor::Count::add(const NodeRef &node)
{
    const auto [open, isNew] = m_open.try_emplace(node.get());
    if (!isNew) // GCOVR_EXCL_BR_LINE: race
        return; // GCOVR_EXCL_LINE: race
    open->second.number = ++m_lastNumber;
    m_byNumber.emplace(m_lastNumber, node);
    m_toSearch.push_back(node);
    // If it is Closed by now that was noted, as it was watched before.
}

/// Counts those that \a upper waits for.
void CloseMonitor::Count::find(Open &upper, const std::vector<NodeRef> &nodes)
{
    for (const NodeRef &node : nodes) {
        const bool isCounted = upper.expected > 0;
        if (isCounted)
            --upper.expected;
        if (m_open.count(node.get()) > 0) {
            total -= isCounted ? 1 : 0; // found before, with another process that waits for it
            continue;
        }
        if (node->isFinished()) { // GCOVR_EXCL_BR_LINE: race
            closed += isCounted ? 1 : 0; // about to leave the books. GCOVR_EXCL_LINE: race
            continue; // GCOVR_EXCL_LINE: race
        }
        total += isCounted ? 0 : 1;
        add(node);
    }
}

/// Finds more of what a process waits for.
void CloseMonitor::Count::search(Node &node)
{
    const auto place = m_open.find(&node);
    if (place == m_open.end())
        return;
    Open &open = place->second; // stays where it is while others are added
    std::vector<NodeRef> found;
    if (!open.isBegun) {
        open.isBegun = true;
        {
            const NodeLock lock(node);
            open.expected = Graph::waits(node);
        }
        total += int(open.expected);
        Graph::waitedFor(node, atOnce, found);
        find(open, found);
        found.clear();
    }

    // From the last child on that is still there.
    std::vector<NodeRef> &children = open.children;
    while (!children.empty()
           && !Graph::waitedForChildren(node, children.back().get(), atOnce, found))
        children.pop_back();
    if (children.empty())
        Graph::waitedForChildren(node, nullptr, atOnce, found);
    find(open, found);
    if (found.size() < atOnce) {
        closed += int(std::exchange(open.expected, 0)); // before they could be found
        open.isSearched = true;
        std::exchange(children, {});
        return;
    }
    std::move(found.begin(), found.end(), std::back_inserter(children));
    m_toSearch.emplace_back(&node);
}

void CloseMonitor::Count::end()
{
    m_time.invalidate();
    if (m_open.empty() && m_toSearch.empty())
        return;
    m_old.open.push_back(std::exchange(m_open, {}));
    m_old.byNumber.push_back(std::exchange(m_byNumber, {}));
    m_old.toSearch.push_back(std::exchange(m_toSearch, {}));
    m_changes.updateSoon();
}

/// From the last one that was found: what was found through others is what those wait for.
QStringList CloseMonitor::Count::findRemaining() const
{
    constexpr int mostLooks = 200;

    std::vector<const Node *> last; // of those that wait for others
    QStringList paths;
    int looks = 0;
    for (auto open = m_byNumber.crbegin();
         // GCOVR_EXCL_BR_START: rare
         open != m_byNumber.crend() && looks < mostLooks && paths.size() < mostRemaining;
         // GCOVR_EXCL_BR_STOP
         ++open, ++looks) {
        const Node &node = *open->second;
        const bool waits = [&node] { // GCOVR_EXCL_LINE: compiler
            const NodeLock lock(node);
            return Graph::waitsForOthers(node);
        }();
        if (waits)
            last.push_back(&node);
        else
            paths += node.path();
    }
    // GCOVR_EXCL_BR_START: rare
    for (auto node = last.cbegin(); node != last.cend() && paths.size() < mostRemaining; ++node)
        // GCOVR_EXCL_BR_STOP
        paths += (*node)->path();
    return paths;
}

CloseMonitor::CloseMonitor(QObject *parent)
    : QObject(parent), m_count(std::make_unique<Count>(*this))
{
}

CloseMonitor::~CloseMonitor() = default;

Process *CloseMonitor::process() const
{
    return m_count->process;
}

void CloseMonitor::setProcess(Process *process)
{
    m_count->setProcess(process);
}

int CloseMonitor::total() const
{
    return m_count->total;
}

int CloseMonitor::closed() const
{
    return m_count->closed;
}

double CloseMonitor::progress() const
{
    return m_count->total > 0 ? double(m_count->closed) / m_count->total : 0.0;
}

QStringList CloseMonitor::remaining() const
{
    return m_count->remaining;
}

int CloseMonitor::elapsed() const
{
    return m_count->elapsed;
}

} // namespace GoProcess
