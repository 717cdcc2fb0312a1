// SPDX-License-Identifier: MIT
// The state core: the graph of processes, its counters and the rules of a close.

#include "graph_p.h"

#include "fork_p.h"
#include "journal_p.h"

#include <QStringList>

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <limits>
#include <new>
#include <unordered_map>
#include <unordered_set>

namespace GoProcess::Private {

namespace {

// Never destroyed: processes may be closed in static destruction (R48).
template<class T>
T &immortal()
{
    static T *const object = new T;
    return *object;
}

/// Where processes without edges find their lock. Several, so that threads do not meet there.
class Nurseries
{
public:
    Component *pick()
    {
        // A thread keeps to one nursery; relaxed, as the number only spreads the threads.
        thread_local const std::size_t index = m_next.fetch_add(1, std::memory_order_relaxed);
        return m_components[index % m_components.size()].get();
    }

    Nurseries();
    bool tryLock();
    void unlock(std::size_t count)
    {
        while (count > 0)
            m_components[--count]->mutex.unlock();
    }
    void unlock() { unlock(m_components.size()); }

private:
    std::array<std::unique_ptr<Component>, 64> m_components;
    std::atomic<std::size_t> m_next = 0;
};

bool Nurseries::tryLock()
{
    for (std::size_t i = 0; i < m_components.size(); ++i) {
        if (!tryLockShortly(m_components[i]->mutex)) {
            unlock(i);
            return false;
        }
    }
    return true;
}

/// Names and first parents are read along a path through many components; a few locks of their own
/// guard them. Innermost of all locks: nothing else is locked under one.
class LabelLocks
{
public:
    Mutex &of(const Node *node)
    {
        return m_mutexes[std::hash<const Node *> {}(node) / alignof(std::max_align_t)
                         % m_mutexes.size()];
    }
    bool tryLock()
    {
        for (std::size_t i = 0; i < m_mutexes.size(); ++i) {
            if (!tryLockShortly(m_mutexes[i])) {
                unlock(i);
                return false;
            }
        }
        return true;
    }
    void unlock(std::size_t count)
    {
        while (count > 0)
            m_mutexes[--count].unlock();
    }
    void unlock() { unlock(m_mutexes.size()); }

private:
    std::array<Mutex, 64> m_mutexes;
};

Mutex &labelLock(const Node *node)
{
    return immortal<LabelLocks>().of(node);
}

/// The edges to further parents, by their ends. Where both ends have many, a search through their books
/// would take long.
///
/// In parts with a lock each, which is innermost like the label locks: the lock of the component alone would
/// not do, as components are joined. What is found stays, as whoever asks has that lock too.
class FurtherEdges
{
public:
    Edge *make(const Node &upper, const Node &lower)
    {
        auto edge = std::make_unique<Edge>();
        Part &part = of(upper, lower);
        const std::lock_guard lock(part.mutex);
        part.edges.emplace(Ends(&upper, &lower), edge.get());
        return edge.release();
    }
    void remove(Edge *edge)
    {
        {
            Part &part = of(*edge->upper, *edge->lower);
            const std::lock_guard lock(part.mutex);
            part.edges.erase(Ends(edge->upper, edge->lower));
        }
        delete edge;
    }
    Edge *find(const Node &upper, const Node &lower)
    {
        Part &part = of(upper, lower);
        const std::lock_guard lock(part.mutex);
        const auto found = part.edges.find(Ends(&upper, &lower));
        return found != part.edges.end() ? found->second : nullptr;
    }
    bool tryLock()
    {
        for (std::size_t i = 0; i < m_parts.size(); ++i) {
            if (!tryLockShortly(m_parts[i].mutex)) {
                unlock(i);
                return false;
            }
        }
        return true;
    }
    void unlock() { unlock(m_parts.size()); }

private:
    using Ends = std::pair<const Node *, const Node *>;
    struct Hash
    {
        std::size_t operator()(const Ends &ends) const
        {
            const std::hash<const Node *> hash;
            return hash(ends.first) / alignof(std::max_align_t) * 31 + hash(ends.second);
        }
    };
    struct Part
    {
        Mutex mutex;
        std::unordered_map<Ends, Edge *, Hash> edges;
    };

    Part &of(const Node &upper, const Node &lower)
    {
        return m_parts[Hash()({ &upper, &lower }) / alignof(std::max_align_t) % m_parts.size()];
    }
    void unlock(std::size_t count)
    {
        while (count > 0)
            m_parts[--count].mutex.unlock();
    }

    std::array<Part, 16> m_parts;
};

Component *rootOf(const std::atomic<Component *> &start)
{
    return start.load(std::memory_order_acquire)->root(); // acquire: as in root()
}

bool lockBefore(const Component *a, const Component *b)
{
    if (a->nursery != b->nursery)
        return a->nursery;
    return std::less<const Component *> {}(a, b);
}

/// All components but the nurseries: for forks, which take their locks. A component enters and leaves
/// it with no order to other locks; whoever holds this one only tries to take others.
struct ComponentList
{
    Mutex mutex;
    Component *first = nullptr;
};

/// All locks of the graph, when the program forks.
class GraphForkPart final : public ForkPart
{
public:
    bool tryLock() override
    {
        if (!tryLockShortly(m_list.mutex))
            return false;
        if (m_nurseries.tryLock()) {
            if (m_labels.tryLock()) {
                if (m_edges.tryLock()) {
                    if (tryLockComponents())
                        return true;
                    m_edges.unlock();
                }
                m_labels.unlock();
            }
            m_nurseries.unlock();
        }
        m_list.mutex.unlock();
        return false;
    }
    void unlock() override
    {
        unlockComponents(nullptr);
        m_edges.unlock();
        m_labels.unlock();
        m_nurseries.unlock();
        m_list.mutex.unlock();
    }
    bool forked() override { return false; }

    explicit GraphForkPart(Nurseries &nurseries) : m_nurseries(nurseries) { }

private:
    bool tryLockComponents()
    {
        for (Component *component = m_list.first; component; component = component->next()) {
            if (!tryLockShortly(component->mutex)) {
                unlockComponents(component);
                return false;
            }
        }
        return true;
    }
    void unlockComponents(const Component *end)
    {
        for (Component *component = m_list.first; component != end; component = component->next())
            component->mutex.unlock();
    }

    Nurseries &m_nurseries;
    LabelLocks &m_labels = immortal<LabelLocks>();
    FurtherEdges &m_edges = immortal<FurtherEdges>();
    ComponentList &m_list = immortal<ComponentList>();
};

} // namespace

Nurseries::Nurseries()
{
    for (auto &component : m_components)
        component = std::make_unique<Component>(true);
    static auto *const part = new GraphForkPart(*this);
    Forks::add(*part);
}

Component::Component(bool isNursery) : nursery(isNursery)
{
    if (!nursery)
        enlist();
}

Component::~Component()
{
    if (!nursery)
        delist();
}

void Component::enlist()
{
    auto &list = immortal<ComponentList>();
    const std::lock_guard lock(list.mutex);
    m_next = std::exchange(list.first, this);
    if (m_next)
        m_next->m_previous = this;
}

void Component::delist()
{
    auto &list = immortal<ComponentList>();
    const std::lock_guard lock(list.mutex);
    (m_previous ? m_previous->m_next : list.first) = m_next;
    if (m_next)
        m_next->m_previous = m_previous;
}

void Component::deref() noexcept
{
    // A loop, as the end of one link lets go of the next.
    Component *component = this;
    while (component && !component->nursery
           && component->m_refs.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        Component *next = component->forward.load(std::memory_order_relaxed);
        delete component;
        component = next;
    }
}

// --- Locks ---------------------------------------------------------------------------------------

NodeLock::NodeLock(const Node &node)
{
    while (true) {
        Component *component = rootOf(node.m_component);
        component->lock();
        if (rootOf(node.m_component) == component) {
            m_component = component;
            return;
        }
        component->mutex.unlock(); // it was merged meanwhile
    }
}

NodeLock::NodeLock(Node &a, Node &b)
{
    const auto moveIn = [](Node &node, Component *component) {
        component->ref();
        node.m_visit = 0; // numbers of another component mean nothing here
        node.m_component.store(component, std::memory_order_release);
    };

    if (&a == &b) {
        *this = NodeLock(a);
        return;
    }
    std::unique_ptr<Component> fresh; // made before anything is locked, as that may fail
    while (true) {
        Component *first = rootOf(a.m_component);
        Component *second = rootOf(b.m_component);
        if (lockBefore(second, first))
            std::swap(first, second);

        if (first->nursery && second->nursery && !fresh)
            fresh = std::make_unique<Component>();
        first->lock();
        if (second != first)
            second->lock();
        Component *rootA = rootOf(a.m_component);
        Component *rootB = rootOf(b.m_component);
        if (std::minmax(rootA, rootB, lockBefore) != std::minmax(first, second, lockBefore)) {
            if (second != first)
                second->mutex.unlock();
            first->mutex.unlock();
            continue;
        }

        if (rootA->nursery && rootB->nursery) {
            Component *component = fresh.release();
            component->mutex.lock(); // nobody else knows it yet
            moveIn(a, component);
            moveIn(b, component);
            component->deref(); // the nodes hold it now
            m_component = component;
        } else if (rootA->nursery || rootB->nursery) {
            m_component = rootA->nursery ? rootB : rootA;
            moveIn(rootA->nursery ? a : b, m_component);
        } else if (rootA != rootB) {
            // By rank, so that a chain of forwards is at most logarithmic in what it joins.
            m_component = rootA->rank < rootB->rank ? rootB : rootA;
            Component *other = m_component == rootA ? rootB : rootA;
            if (m_component->rank == other->rank)
                ++m_component->rank;
            m_component->visits = std::max(m_component->visits, other->visits) + 1;
            m_component->markings.splice(m_component->markings.end(), other->markings);
            m_component->looks.splice(m_component->looks.end(), other->looks);
            m_component->leaving.splice(m_component->leaving.end(), other->leaving);
            if (other->isUnderWay.load(std::memory_order_relaxed))
                m_component->isUnderWay.store(true, std::memory_order_release);
            m_component->ref();
            other->forward.store(m_component, std::memory_order_release);
        } else {
            m_component = rootA;
        }

        if (first != m_component)
            first->mutex.unlock();
        if (second != first && second != m_component)
            second->mutex.unlock();
        return;
    }
}

NodeLock::NodeLock(Component &component)
{
    while (true) {
        Component *root = component.root();
        root->lock();
        if (root->root() == root) {
            m_component = root;
            return;
        }
        root->mutex.unlock(); // it was merged meanwhile
    }
}

void NodeLock::unlock() noexcept
{
    if (Component *component = std::exchange(m_component, nullptr))
        component->mutex.unlock();
}

// --- Nodes ---------------------------------------------------------------------------------------

Node::Node(bool isBackground)
    : m_component(immortal<Nurseries>().pick()),
      m_closeAfterChildren(false),
      m_announced(false),
      m_hasClosingListeners(false),
      m_hasClosedListeners(false),
      m_areErrorsKept(false),
      m_beginsClose(false),
      m_hasWork(false),
      m_hasOwnWaiters(false),
      background(isBackground)
{
}

Node::~Node()
{
    // Whoever made it watched had a reference or the object, so that came before.
    if (isWatched())
        Journal::forget(*this);
    // A parent whose own QObject is gone has let go of its parent, so this goes one level at most.
    if (Node *parent = m_firstParent.load(std::memory_order_relaxed))
        parent->deref();
    m_component.load(std::memory_order_relaxed)->deref();
}

std::uint64_t Node::id() const noexcept
{
    static std::atomic<std::uint64_t> last = 0;

    // Relaxed: the number stands for itself and orders nothing.
    std::uint64_t id = m_id.load(std::memory_order_relaxed);
    if (id == 0) {
        const std::uint64_t fresh = last.fetch_add(1, std::memory_order_relaxed) + 1;
        if (m_id.compare_exchange_strong(id, fresh, std::memory_order_relaxed))
            id = fresh;
    }
    return id;
}

NodeRef Node::tryRef() noexcept
{
    // Relaxed, as in ref(): the caller keeps the memory from going.
    int refs = m_refs.load(std::memory_order_relaxed);
    while (refs > 0 && !m_refs.compare_exchange_weak(refs, refs + 1, std::memory_order_relaxed)) { }
    if (refs == 0)
        return {};
    NodeRef node(this);
    m_refs.fetch_sub(1, std::memory_order_relaxed); // there are two of ours
    return node;
}

NodeRef Node::firstParent() const
{
    const std::lock_guard lock(labelLock(this));
    // Acquire: what it points to is complete.
    return NodeRef(m_firstParent.load(std::memory_order_acquire));
}

QString Node::name() const
{
    const std::lock_guard lock(labelLock(this));
    return m_name ? *m_name : QString();
}

bool Node::setName(const QString &name)
{
    auto fresh = name.isEmpty() ? nullptr : std::make_unique<const QString>(name);
    {
        const std::lock_guard lock(labelLock(this));
        if (m_name ? *m_name == name : name.isEmpty())
            return false;
        m_name = std::move(fresh);
    }
    Journal::note(*this);
    return true;
}

void Node::forgetParent()
{
    // Nobody makes it a child any more, so a look without the lock is enough to see that there is none.
    // If nobody else refers to it nobody can ask for its parent, and the destructor lets go of that.
    if (!m_firstParent.load(std::memory_order_relaxed) || !isShared())
        return;
    Node *parent = nullptr;
    {
        const std::lock_guard lock(labelLock(this));
        parent = m_firstParent.exchange(nullptr, std::memory_order_relaxed);
    }
    parent->deref();
}

QString Node::path() const
{
    // Beyond this a path says nothing to a reader, and a million of them would fill the memory.
    constexpr std::size_t levels = 1000;

    QStringList names;
    std::unordered_set<const Node *> seen;
    NodeRef kept; // keeps the node that is looked at
    const Node *node = this;
    while (node && std::size_t(names.size()) < levels && seen.insert(node).second) {
        NodeRef parent;
        {
            const std::lock_guard lock(labelLock(node));
            names.append(node->m_name ? *node->m_name
                                      : QLatin1Char('#') + QString::number(node->id()));
            // Acquire: what it points to is complete.
            parent = NodeRef(node->m_firstParent.load(std::memory_order_acquire));
        }
        kept = std::move(parent);
        node = kept.get();
    }

    QString path;
    for (auto name = names.crbegin(); name != names.crend(); ++name)
        path += QLatin1Char('/') + *name;
    return path;
}

// --- Edges ---------------------------------------------------------------------------------------

void Graph::attach(Component &component, Node &upper, Node &lower, bool closes, bool waits)
{
    ++component.visits;
    Edge *edge = lower.m_firstUp ? find(upper, lower) : nullptr;
    if (!edge) {
        edge = lower.m_ownEdge.upper ? immortal<FurtherEdges>().make(upper, lower)
                                     : &lower.m_ownEdge;
        edge->upper = &upper;
        edge->lower = &lower;
        edge->closes = closes;
        linkDown(*edge);
        edge->nextUp = std::exchange(lower.m_firstUp, edge);
        if (edge->nextUp)
            edge->nextUp->previousUp = edge;
        if (closes)
            becomeChild(upper, lower);
    } else if (closes && !edge->closes) {
        unlinkDown(component, *edge);
        edge->closes = true;
        linkDown(*edge); // to the children
        becomeChild(upper, lower);
    }

    if (waits && !edge->waits) {
        edge->waits = true;
        ++upper.m_waits;
        ++upper.m_pending;
    }
    if (lower.m_areErrorsKept)
        tellOfErrors(*edge); // others above have heard of them, and perhaps all
    Journal::note(upper);
    Journal::note(lower);
}

void Graph::becomeChild(Node &upper, Node &lower)
{
    ++upper.m_children;
    if (!lower.m_firstParent.load(std::memory_order_relaxed)) {
        upper.ref();
        lower.m_firstParent.store(&upper, std::memory_order_release);
    }
}

/// Into the books of upper: children at the end, the others at the beginning.
void Graph::linkDown(Edge &edge)
{
    Node &upper = *edge.upper;
    edge.previousDown = edge.closes ? upper.m_lastDown : nullptr;
    edge.nextDown = edge.closes ? nullptr : upper.m_firstDown;
    (edge.previousDown ? edge.previousDown->nextDown : upper.m_firstDown) = &edge;
    (edge.nextDown ? edge.nextDown->previousDown : upper.m_lastDown) = &edge;
}

void Graph::unlinkDown(Component &component, Edge &edge)
{
    if (edge.isNext)
        passOver(component, edge);
    (edge.previousDown ? edge.previousDown->nextDown : edge.upper->m_firstDown) = edge.nextDown;
    (edge.nextDown ? edge.nextDown->previousDown : edge.upper->m_lastDown) = edge.previousDown;
}

void Graph::detach(Component &component, Edge *edge)
{
    ++component.visits;
    Journal::note(*edge->upper);
    Journal::note(*edge->lower);
    if (edge->closes)
        --edge->upper->m_children;
    unlinkDown(component, *edge);
    (edge->previousUp ? edge->previousUp->nextUp : edge->lower->m_firstUp) = edge->nextUp;
    if (edge->nextUp)
        edge->nextUp->previousUp = edge->previousUp;

    if (edge == &edge->lower->m_ownEdge)
        *edge = Edge();
    else
        immortal<FurtherEdges>().remove(edge);
}

Edge *Graph::find(const Node &upper, const Node &lower)
{
    constexpr int few = 16;

    if (lower.m_ownEdge.upper == &upper)
        return const_cast<Edge *>(&lower.m_ownEdge);
    // In step through both books, so that the shorter one bounds the search.
    Edge *down = upper.m_firstDown;
    Edge *up = lower.m_firstUp;
    for (int looked = 0; down && up; ++looked) {
        if (looked == few)
            return immortal<FurtherEdges>().find(upper, lower);
        if (down->lower == &lower)
            return down;
        if (up->upper == &upper)
            return up;
        down = down->nextDown;
        up = up->nextUp;
    }
    return nullptr;
}

/// How many edges a search looks at in a slice, if it begins again when something has happened between two: all that
/// there are, where something happens again and again.
static std::size_t edgesOfASlice(int beginnings)
{
    constexpr int mostBeginnings = 8;
    return beginnings <= mostBeginnings ? GOPROCESS_EDGES_PER_SLICE
                                        : std::numeric_limits<std::size_t>::max();
}

/// One end of a search along waiting edges, which goes from edge to edge.
class Graph::Side
{
public:
    enum class Way : std::uint8_t { Down, Up };

    Side(Node &start, Way way, Component &component) : m_way(way), m_mark(++component.visits)
    {
        add(start);
    }

    /// Looks at one edge more: Yes where it leads to what \a other has found, No where there is none.
    Reach step(const Side &other)
    {
        while (!m_edge) {
            if (m_next == m_found.size())
                return Reach::No;
            const Node &node = *m_found[m_next++].node;
            m_edge = m_way == Way::Down ? node.m_firstDown : node.m_firstUp;
        }
        const Edge &edge = *m_edge;
        m_edge = m_way == Way::Down ? edge.nextDown : edge.nextUp;
        Node &node = m_way == Way::Down ? *edge.lower : *edge.upper;
        if (!edge.waits || node.m_visit == m_mark)
            return Reach::Unknown;
        // Between two slices a node may lose its mark, as a step of it becomes due: then it is found once more.
        // Those where the sides began are known without.
        const bool isMet = node.m_visit == other.m_mark || &node == other.m_found.front().node;
        add(node);
        return isMet ? Reach::Yes : Reach::Unknown;
    }

    Node *last() const { return m_found.back().node; }
    bool hasFound(const Node *node) const { return place(node) < m_found.size(); }
    /// The way from \a node, which it has found, back to its beginning.
    std::vector<Node *> wayBack(const Node *node) const
    {
        std::vector<Node *> way;
        std::size_t at = place(node);
        for (; at > 0; at = m_found[at].from)
            way.push_back(m_found[at].node);
        way.push_back(m_found[at].node);
        return way;
    }

private:
    struct Found
    {
        Node *node;
        std::size_t from; ///< The one by an edge of which it was found.
    };

    void add(Node &node)
    {
        node.m_visit = m_mark;
        m_found.push_back({ &node, m_next > 0 ? m_next - 1 : 0 });
    }
    std::size_t place(const Node *node) const
    {
        const auto isIt = [node](const Found &found) { return found.node == node; };
        return std::size_t(std::find_if(m_found.cbegin(), m_found.cend(), isIt) - m_found.cbegin());
    }

    const Way m_way;
    const std::uint64_t m_mark;
    std::deque<Found> m_found;
    std::size_t m_next = 0;
    const Edge *m_edge = nullptr;
};

/// Whether one node waits, directly or not, for another one, in slices between which others get the lock. It goes on
/// as long as nothing has happened in the component that it is to know of; what it has found is there then.
class Graph::WaySearch
{
public:
    WaySearch(Node &from, Node &target) : m_from(from), m_target(target) { }

    /// Looks at up to \a limit edges from each end. Unknown: there are more.
    Reach goOn(Component &component, std::size_t limit)
    {
        if (!m_down || component.visits != m_visits) {
            m_down.emplace(m_from, Side::Way::Down, component);
            m_up.emplace(m_target, Side::Way::Up, component);
            ++m_beginnings;
        }
        // From both ends in turn, an edge each: the smaller of the two sides bounds the search, however many
        // edges a single node has.
        Reach reached = Reach::Unknown;
        for (std::size_t looked = 0; looked < limit && reached == Reach::Unknown; ++looked) {
            reached = m_up->step(*m_down);
            if (reached == Reach::Unknown)
                reached = m_down->step(*m_up);
        }
        m_visits = component.visits;
        return reached;
    }
    /// The same by as many as a slice has.
    Reach goOn(Component &component)
    {
        constexpr std::size_t steps =
                4; // each end has its share, and what it finds is all over the memory
        return goOn(component, edgesOfASlice(m_beginnings + 1) / steps + 1);
    }

    /// Once there is one, in the slice that has found it: the way from the one node to the other.
    std::vector<Node *> way() const
    {
        // The side that has come to what the other one had found added it last.
        Node *const met = m_down->hasFound(m_up->last()) ? m_up->last() : m_down->last();
        std::vector<Node *> way = m_down->wayBack(met);
        std::reverse(way.begin(), way.end());
        const std::vector<Node *> rest = m_up->wayBack(met);
        way.insert(way.end(), rest.cbegin() + 1, rest.cend());
        return way;
    }

private:
    Node &m_from;
    Node &m_target;
    std::optional<Side> m_down;
    std::optional<Side> m_up;
    std::uint64_t m_visits = 0; ///< Those of the component, at the end of the last slice.
    int m_beginnings = 0;
};

/// The same at once; both are in \a component, which is locked.
Graph::Reach Graph::reach(Node &from, Node &target, Component &component, std::size_t limit)
{
    return WaySearch(from, target).goOn(component, limit);
}

/// False in the usual case, which costs nothing: \a lower waits for nothing, or nothing is above \a upper.
bool Graph::mayCloseCycle(const Node &upper, const Node &lower)
{
    return (lower.m_waits > 0 && upper.m_firstUp) || &upper == &lower;
}

/// Whether an edge from \a upper to \a lower closes a cycle: then \a result refuses it. Unknown: others have had the
/// lock meanwhile, so the caller looks again at all that it has looked at. \a search keeps what is known.
Graph::Reach Graph::lookForCycle(Node &upper, Node &lower, EdgeChange &result,
                                 std::unique_ptr<WaySearch> &search)
{
    constexpr std::size_t few = std::min(64, GOPROCESS_EDGES_PER_SLICE);

    Component &component = result.change.m_lock.component();
    if (&upper == &lower) {
        refuse(result, { &upper });
        return Reach::Yes;
    }
    if (!search) {
        WaySearch look(lower, upper);
        Reach reached = look.goOn(component, few);
        if (reached == Reach::Yes)
            refuse(result, look.way());
        // If upper waits for lower already, if only in the end, another edge changes nothing. Such a shortcut
        // is often one of few edges in a graph where the way around is long.
        else if (reached == Reach::Unknown && reach(upper, lower, component, few) == Reach::Yes)
            reached = Reach::No;
        if (reached != Reach::Unknown)
            return reached;
        search = std::make_unique<WaySearch>(lower, upper);
    }
    const Reach reached = search->goOn(component);
    if (reached == Reach::Unknown) {
        result.change.unlock();
        component.letOthersIn(); // it stays, as it is that of both nodes
        result.change = Change(NodeLock(upper, lower));
    } else if (reached == Reach::Yes) {
        refuse(result, search->way());
    }
    return reached;
}

/// As the nodes of \a way, which leads from lower to upper, would be a cycle with the new edge.
void Graph::refuse(EdgeChange &result, const std::vector<Node *> &way)
{
    constexpr std::size_t half = 50; // of a longer one those at both ends, for the message

    result.refusal = Refusal::Cycle;
    auto cycle = std::make_unique<std::vector<NodeRef>>();
    cycle->emplace_back(way.back());
    for (std::size_t i = 0; i < way.size(); ++i) {
        if (i == half && way.size() > 2 * half) {
            cycle->emplace_back(); // here is a gap
            i = way.size() - half;
        }
        cycle->emplace_back(way[i]);
    }
    result.cycle = std::move(cycle);
}

EdgeChange Graph::addChild(Node &upper, Node &lower)
{
    if (lower.background)
        return { {}, Refusal::Background, {} };
    if (upper.background || lower.state() == NodeState::Closed)
        return {};

    EdgeChange result { Change(NodeLock(upper, lower)), Refusal::None, {} };
    std::unique_ptr<WaySearch> search;
    while (true) {
        if (lower.state() == NodeState::Closed)
            return result;
        if (hasBegunTeardown(upper)) {
            result.refusal = Refusal::TeardownBegun;
            return result;
        }
        if (mayCloseCycle(upper, lower)) {
            const Reach reached = lookForCycle(upper, lower, result, search);
            if (reached == Reach::Unknown)
                continue;
            if (reached == Reach::Yes)
                return result;
        }
        attach(result.change.m_lock.component(), upper, lower, true, true);
        if (upper.state() == NodeState::Closing)
            mark(lower, result.change, false);
        return result;
    }
}

EdgeChange Graph::addChildNoWait(Node &upper, Node &lower)
{
    if (lower.background)
        return { {}, Refusal::Background, {} };
    if (upper.background || &upper == &lower || lower.state() == NodeState::Closed)
        return {};

    EdgeChange result { Change(NodeLock(upper, lower)), Refusal::None, {} };
    if (upper.state() != NodeState::Running)
        mark(lower, result.change);
    else if (lower.state() != NodeState::Closed)
        attach(result.change.m_lock.component(), upper, lower, true, false);
    return result;
}

EdgeChange Graph::waitFor(Node &upper, Node &lower)
{
    if (lower.background || upper.background)
        return { {}, Refusal::Background, {} };

    EdgeChange result { Change(NodeLock(upper, lower)), Refusal::None, {} };
    std::unique_ptr<WaySearch> search;
    while (true) {
        if (upper.state() != NodeState::Running) {
            result.refusal = Refusal::NotRunning;
            return result;
        }
        if (lower.state() == NodeState::Closed) {
            mark(upper, result.change);
            return result;
        }
        if (mayCloseCycle(upper, lower)) {
            const Reach reached = lookForCycle(upper, lower, result, search);
            if (reached == Reach::Unknown)
                continue;
            if (reached == Reach::Yes)
                return result;
        }
        attach(result.change.m_lock.component(), upper, lower, false, true);
        return result;
    }
}

// --- Closing -------------------------------------------------------------------------------------

/// One reason less to wait; the last one out begins the teardown.
void Graph::countDown(Node &node, Change &change)
{
    if (--node.m_pending == 0) {
        wake(node, Waiter::Goal::TeardownBegun);
        change.add(node);
    }
}

void Graph::closeIfLeft(Node &node, Change &change)
{
    if (node.m_closeAfterChildren && node.m_waits == 0)
        mark(node, change);
}

Change Graph::close(Node &node)
{
    // Whatever its state is, another thread may still be marking what is below (R18).
    if (node.state() == NodeState::Closed && !isUnderWay(node))
        return {};
    Change change { NodeLock(node) };
    mark(node, change);
    return change;
}

Change Graph::closeAfterChildren(Node &node)
{
    Change change { NodeLock(node) };
    node.m_closeAfterChildren = true;
    closeIfLeft(node, change);
    return change;
}

Change Graph::workReturned(Node &node)
{
    Change change { NodeLock(node) };
    node.m_hasWork = false;
    node.m_closeAfterChildren = true;
    closeIfLeft(node, change);
    countDown(node, change);
    return change;
}

bool Graph::hold(Node &node)
{
    const NodeLock lock(node);
    if (hasBegunTeardown(node))
        return false;
    ++node.m_pending;
    return true;
}

Change Graph::release(Node &node)
{
    Change change { NodeLock(node) };
    countDown(node, change);
    return change;
}

void Graph::addAudience(Node &node)
{
    if (node.m_hasAudience.load(std::memory_order_acquire))
        return;
    const NodeLock lock(node);
    addAudienceLocked(node);
}

/// True if nobody is to be told of anything. Needs the lock.
bool Graph::isUnheard(const Node &node)
{
    return !node.m_hasAudience.load(std::memory_order_relaxed) && !node.m_hasClosingListeners
            && !node.m_hasClosedListeners;
}

/// Closed, unless there is an error: parents are to be told of it. Needs the lock.
bool Graph::tryClose(Node &node, Change &change)
{
    if (node.m_error || node.m_treeErrors)
        return false;
    // Release: as in setClosed().
    node.m_state.store(NodeState::Closed, std::memory_order_release);
    leaveBooks(node, change);
    return true;
}

std::optional<Change> Graph::announceUnheard(Node &node)
{
    Change change { NodeLock(node) };
    if (!isUnheard(node))
        return std::nullopt;
    announceLocked(node, change);
    return change;
}

void Graph::announceUnheard(Node &node, Change &change)
{
    if (change.m_first != &node || hasBegunTeardown(node) || !isUnheard(node))
        return;
    static_cast<void>(change.take());
    announceLocked(node, change);
}

void Graph::announceLocked(Node &node, Change &change)
{
    node.m_announced = true;
    if (--node.m_pending == 0) {
        wake(node, Waiter::Goal::TeardownBegun);
        if (!tryClose(node, change))
            change.add(node);
    }
}

std::optional<Change> Graph::finishUnheard(Node &node)
{
    Change change { NodeLock(node) };
    if (!isUnheard(node) || !tryClose(node, change))
        return std::nullopt;
    return change;
}

std::optional<Change> Graph::announced(Node &node)
{
    Change change { NodeLock(node) };
    if (node.m_hasClosingListeners)
        return std::nullopt;
    node.m_announced = true;
    countDown(node, change);
    return change;
}

void Graph::setClosed(Node &node)
{
    // Release: who sees Closed sees the error.
    const auto close = [&node] {
        node.m_state.store(NodeState::Closed, std::memory_order_release);
    };

    // What failed below has told this node before it could get here. Without a failure nothing is
    // changed that others look at together with the state.
    if (!node.m_error && !node.m_treeErrors) {
        close();
        return;
    }
    NodeLock lock(node);
    Edge *told = nullptr;
    while (!tellOfErrors(node, told)) {
        Component &component = lock.component();
        lock.unlock();
        component.letOthersIn(); // it stays, as it is that of the node
        lock = NodeLock(node);
    }
    close();
}

/// Enters what failed into the books of the node and of its parents (R27), in a slice from behind \a told on, which
/// it moves on. True at the end.
///
/// Between two slices the edges to those that were told stay, as the node leaves these books later and in this
/// thread; and who adds an edge tells of the errors there.
bool Graph::tellOfErrors(Node &node, Edge *&told)
{
    if (!told && node.m_error) {
        try {
            if (!node.m_treeErrors)
                node.m_treeErrors = std::make_unique<TreeErrors>();
            // A path may be long, and is for those that are kept.
            const QString path = node.m_treeErrors->isFull() ? QString() : node.path();
            node.m_treeErrors->add({ node.id(), { path, node.m_error } });
        } catch (const std::bad_alloc &) {
            // Without memory the books are not complete; the close is.
        }
        if (!node.m_treeErrors)
            return true;
    }
    std::size_t left = GOPROCESS_EDGES_PER_SLICE;
    for (Edge *edge = told ? told->nextUp : node.m_firstUp; edge; edge = edge->nextUp) {
        const std::size_t cost = tellOfErrors(*edge);
        if (edge->isTold)
            told = edge;
        left -= std::min(left, cost);
        if (left == 0 && told == edge)
            return false;
    }
    return true;
}

/// The same at one edge, unless it was there already or has no part in that. In edges that a search looks at, it
/// costs what is returned.
std::size_t Graph::tellOfErrors(Edge &edge)
{
    constexpr std::size_t comparisons = 64; // in the time that a search needs for an edge

    if (!edge.closes || !edge.waits || edge.isTold)
        return 1;
    edge.isTold = true;
    std::unique_ptr<TreeErrors> &errors = edge.upper->m_treeErrors;
    const TreeErrors &below = *edge.lower->m_treeErrors;
    std::size_t cost = 4;
    try {
        if (!errors)
            errors = std::make_unique<TreeErrors>();
        cost += std::size_t(errors->entries.size() * below.entries.size()) / comparisons;
        errors->add(below);
        edge.lower->m_areErrorsKept = true;
    } catch (const std::bad_alloc &) {
        // as above
    }
    return cost;
}

std::optional<Change> Graph::finish(Node &node)
{
    Change change { NodeLock(node) };
    if (node.m_hasClosedListeners)
        return std::nullopt;
    leaveBooks(node, change);
    return change;
}

/// The node is Closed and everybody was told: those that waited go on.
void Graph::leaveBooks(Node &node, Change &change)
{
    // Release: who sees it may destroy the QObject, which nobody touches from here.
    node.m_finished.store(true, std::memory_order_release);
    Journal::note(node);
    wake(node, Waiter::Goal::Closed);
    leave(node, change);
}

/// Out of the books above, or as many of them as the slice allows.
void Graph::leave(Node &node, Change &change)
{
    constexpr std::size_t cost = 4; // of an edge, as it may be that of a close

    while (Edge *edge = node.m_firstUp) {
        if (change.m_left == 0 && leavesLater(node, change))
            return;
        change.m_left -= std::min(change.m_left, cost);
        Node &upper = *edge->upper;
        const bool waited = edge->waits;
        detach(change.m_lock.component(), edge);
        if (waited) {
            --upper.m_waits;
            closeIfLeft(upper, change);
            countDown(upper, change);
        }
    }
}

// --- Waiting -------------------------------------------------------------------------------------

/// The waits that the calling thread is in, the innermost first.
static thread_local Waiter *ownWaits = nullptr;

bool Graph::addWaiter(Node &node, Waiter &waiter)
{
    const auto reached = [&] {
        switch (waiter.goal) {
        case Waiter::Goal::Closing:
            return node.state() != NodeState::Running;
        case Waiter::Goal::TeardownBegun:
            return hasBegunTeardown(node);
        case Waiter::Goal::Closed:
            return node.isFinished();
        case Waiter::Goal::LateTeardown:
            break;
        }
        return !node.hasLateTeardown();
    };

    const NodeLock lock(node);
    if (reached())
        return false;
    forgetLostWaiters(node);
    waiter.next = std::exchange(node.m_waiters, &waiter);
    waiter.waitedFor = &node;
    waiter.outer = std::exchange(ownWaits, &waiter);
    return true;
}

/// Under the lock. In a forked child the list still has the waits of threads that are gone, and their
/// stacks with them: it is made anew of those of the thread that forked, without a look at it.
void Graph::forgetLostWaiters(Node &node)
{
    if (!Forks::isChild() || node.m_hasOwnWaiters)
        return;
    node.m_hasOwnWaiters = true;
    node.m_waiters = nullptr;
    for (Waiter *waiter = ownWaits; waiter; waiter = waiter->outer) {
        if (waiter->waitedFor == &node)
            waiter->next = std::exchange(node.m_waiters, waiter);
    }
}

void Graph::removeWaiter(Node &node, Waiter &waiter)
{
    {
        const NodeLock lock(node);
        forgetLostWaiters(node);
        Waiter **place = &node.m_waiters;
        while (*place && *place != &waiter)
            place = &(*place)->next;
        if (*place)
            *place = waiter.next;
    }
    Waiter **own = &ownWaits;
    while (*own && *own != &waiter)
        own = &(*own)->outer;
    if (*own)
        *own = waiter.outer;
}

bool Graph::hasWaiters(const Node &node)
{
    const NodeLock lock(node);
    if (Forks::isChild())
        return false; // which asks for those of other threads
    const Waiter *waiter = node.m_waiters;
    while (waiter && waiter->goal != Waiter::Goal::Closed)
        waiter = waiter->next;
    return waiter;
}

void Graph::wakeWaiters(Node &node, Waiter::Goal goal)
{
    forgetLostWaiters(node);
    for (Waiter *waiter = node.m_waiters; waiter; waiter = waiter->next) {
        if (waiter->goal == goal)
            waiter->wake();
    }
}

void Graph::setLateTeardown(Node &node, bool pending)
{
    const NodeLock lock(node);
    // Release: who sees that it has completed may destroy the QObject.
    node.m_late.store(pending, std::memory_order_release);
    if (!pending)
        wake(node, Waiter::Goal::LateTeardown);
}

void Graph::abandon(Node &node)
{
    node.m_state.store(NodeState::Closed, std::memory_order_release);
    node.m_finished.store(true, std::memory_order_release);
}

bool Graph::waitsFor(Node &node, Node &other)
{
    if (&node == &other)
        return true;
    WaySearch search(node, other);
    while (NodeLock lock = lockIfJoined(node, other)) {
        Component &component = lock.component();
        if (const Reach reached = search.goOn(component); reached != Reach::Unknown)
            return reached == Reach::Yes;
        lock.unlock();
        component.letOthersIn(); // it stays, as it is that of both nodes
    }
    return false;
}

bool Graph::mayWaitFor(Node &node, Node &other)
{
    constexpr std::size_t few = 64;
    if (&node == &other)
        return true;
    const NodeLock lock = lockIfJoined(node, other);
    return lock && reach(node, other, lock.component(), few) != Reach::No;
}

/// Nothing if neither waits for the other, as they are in separate graphs; if these are being joined just now, the
/// answer is as old as the question.
NodeLock Graph::lockIfJoined(Node &node, const Node &other)
{
    if (rootOf(node.m_component) != rootOf(other.m_component))
        return {};
    NodeLock lock(node);
    if (rootOf(other.m_component) != &lock.component() || lock.component().nursery)
        return {};
    return lock;
}

/// A search up from a node, in slices as a WaySearch. It finds parents before their children.
class Graph::Climb
{
public:
    explicit Climb(Node &start) : m_start(start) { }

    /// False at the end.
    bool goOn(Component &component, std::vector<NodeRef> &found);

private:
    /// A node on the way up.
    struct Place
    {
        NodeRef node;
        const Edge *edge;
        bool hasFirstParent;
    };

    void add(Node &node)
    {
        node.m_visit = m_mark;
        m_way.push_back({ NodeRef(&node), node.m_firstUp, true });
    }
    void addIfWanted(Node &node)
    {
        if (node.m_visit != m_mark && node.state() == NodeState::Closing && !node.m_announced)
            add(node);
    }

    Node &m_start;
    std::vector<Place> m_way;
    std::vector<NodeRef>
            m_left; ///< May be the last references, which are not to go under the lock.
    std::uint64_t m_mark = 0;
    std::uint64_t m_visits = 0; ///< Those of the component, at the end of the last slice.
    int m_beginnings = 0;
};

bool Graph::Climb::goOn(Component &component, std::vector<NodeRef> &found)
{
    if (m_beginnings == 0 || component.visits != m_visits) {
        ++m_beginnings;
        for (Place &place : m_way)
            m_left.push_back(std::move(place.node));
        m_way.clear();
        for (NodeRef &node : found)
            m_left.push_back(std::move(node));
        found.clear();
        m_mark = ++component.visits;
        add(m_start);
    }
    for (std::size_t left = edgesOfASlice(m_beginnings); left > 0 && !m_way.empty(); --left) {
        Place &last = m_way.back();
        if (last.edge) {
            const Edge &edge = *std::exchange(last.edge, last.edge->nextUp);
            if (edge.closes)
                addIfWanted(*edge.upper);
        } else if (std::exchange(last.hasFirstParent, false)) {
            // What does not wait has left its books; its first parent is known all the same. It is in the
            // component, as they were joined once, and nothing parts what was.
            if (NodeRef parent = last.node->firstParent()) {
                addIfWanted(*parent);
                m_left.push_back(std::move(parent));
            }
        } else {
            if (last.node.get() != &m_start)
                found.push_back(std::move(last.node));
            m_way.pop_back();
        }
    }
    m_visits = component.visits;
    return !m_way.empty();
}

void Graph::unannouncedAbove(Node &node, std::vector<NodeRef> &found)
{
    Climb climb(node);
    while (true) {
        NodeLock lock(node);
        Component &component = lock.component();
        if (component.nursery || !climb.goOn(component, found))
            return; // nothing is above it, or nothing more
        lock.unlock();
        component.letOthersIn(); // it stays, as it is that of the node
    }
}

// --- Looking -------------------------------------------------------------------------------------

void Graph::waitedFor(Node &node, std::size_t limit, std::vector<NodeRef> &found)
{
    const NodeLock lock(node);
    for (Edge *edge = node.m_firstDown; edge && !edge->closes && limit > 0; edge = edge->nextDown) {
        watch(*edge->lower);
        found.emplace_back(edge->lower);
        --limit;
    }
}

bool Graph::isChildOfAny(const Node &node)
{
    Edge *edge = node.m_firstUp;
    while (edge && !edge->closes)
        edge = edge->nextUp;
    return edge != nullptr;
}

void Graph::parents(const Node &node, std::size_t limit, std::vector<NodeRef> &found)
{
    const NodeLock lock(node);
    const Edge *edge = node.m_firstUp;
    for (; edge && limit > 0; edge = edge->nextUp) {
        if (!edge->closes)
            continue;
        found.emplace_back(edge->upper);
        --limit;
    }
}

TreeErrors Graph::treeErrors(const Node &node)
{
    const NodeLock lock(node);
    return node.m_treeErrors ? *node.m_treeErrors : TreeErrors();
}

void TreeErrors::add(const Entry &entry)
{
    const bool known = std::any_of(entries.cbegin(), entries.cend(),
                                   [&](const Entry &other) { return other.id == entry.id; });
    if (known)
        return;
    if (entries.size() < kept)
        entries.append(entry);
    else
        ++uncounted;
}

void TreeErrors::add(const TreeErrors &other)
{
    if (entries.isEmpty()) {
        entries = other.entries; // shares them: a chain keeps them once
        uncounted += other.uncounted;
        return;
    }
    for (const Entry &entry : other.entries)
        add(entry);
    uncounted += other.uncounted;
}

} // namespace GoProcess::Private
