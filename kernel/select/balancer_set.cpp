#include "kernel/select/balancer_set.hpp"

#include "kernel/base/id.hpp"

#include <algorithm>
#include <utility>

namespace sigrun {
namespace {

constexpr std::size_t k_max_balancers = 255;  // an explain record has a byte for it

std::atomic<std::uint64_t> next_set_id{1};
std::atomic<std::uint32_t> next_thread_id{1};

// The last set this thread used: found without the cost of a thread_local object with a destructor.
struct last_used {
    std::uint64_t set = 0;
    dispatcher* here = nullptr;
};
thread_local constinit last_used last_here{};

/// All dispatchers of this thread; closes them when the thread ends.
struct own_dispatchers {
    std::vector<std::pair<std::uint64_t, std::shared_ptr<dispatcher>>> all;
    ~own_dispatchers() {
        last_here = {};
        for (auto& [id, d] : all) d->close();
    }
};
thread_local own_dispatchers own;

}  // namespace

dispatcher::dispatcher(const balancer_set& set, std::uint32_t page_words, std::uint64_t seed)
    : masked(page_words), set_(set), untold_(set.size()), random_(seed ? seed : random_u64()) {
    const std::uint32_t thread = next_thread_id.fetch_add(1, std::memory_order_relaxed);
    for (std::size_t i = 0; i < set.size(); ++i) {
        const loaded_balancer& b = set[i];
        states_.push_back(SIGRUN_HAS(b.table, thread_init) ? b.table->thread_init(b.owner->abi(), thread) : nullptr);
    }
}

std::uint64_t dispatcher::random() noexcept {  // splitmix64
    std::uint64_t z = (random_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void dispatcher::note_pick(std::size_t balancer, bool missed) noexcept {
    constexpr std::uint64_t k_tell_after = 16;
    std::uint64_t& untold = untold_[balancer];
    if (++untold < k_tell_after && !missed) return;
    set_[balancer].calls->add(std::exchange(untold, 0), missed);
}

void dispatcher::close() noexcept {
    // While the set is alive its destructor waits here for a thread that is closing, and the other way round.
    std::lock_guard lock(closing_);
    if (closed_.exchange(true)) return;
    for (std::size_t i = 0; i < states_.size(); ++i)
        if (const loaded_balancer& b = set_[i]; SIGRUN_HAS(b.table, thread_fini))
            b.table->thread_fini(b.owner->abi(), states_[i]);
}

balancer_set::balancer_set() : id_(next_set_id.fetch_add(1)) {}

balancer_set::~balancer_set() {
    for (auto& d : dispatchers_) d->close();
}

namespace {

result<loaded_balancer> check_balancer(std::shared_ptr<instance> i) {
    const auto* table = i->table<sigrun_balancer>(SIGRUN_KIND_BALANCER);
    if (!SIGRUN_HAS(table, pick) || table->abi != 1)
        return bad_value("balancer " + i->name(), "a table of \"" SIGRUN_KIND_BALANCER "\" with the slot pick",
                         table ? "abi " + std::to_string(table->abi) : "none");
    std::string name = i->name();
    return loaded_balancer{std::move(i), table, std::move(name)};
}

}  // namespace

result<std::unique_ptr<balancer_set>> balancer_set::with(const std::shared_ptr<instance>& old,
                                                         const std::shared_ptr<instance>& now) const {
    SIGRUN_TRY(fresh, check_balancer(now));
    auto set = copy();
    for (auto& each : set->loaded_)
        if (each.owner == old) {
            each.owner = fresh.owner;
            each.table = fresh.table;
            each.calls = fresh.calls;
            each.conduct = fresh.conduct;
        }
    return set;
}

std::unique_ptr<balancer_set> balancer_set::copy() const {
    auto set = std::unique_ptr<balancer_set>(new balancer_set);
    set->loaded_ = loaded_;
    set->default_ = default_index();
    return set;
}

result<std::unique_ptr<balancer_set>> balancer_set::with_added(const std::shared_ptr<instance>& now) const {
    SIGRUN_TRY(fresh, check_balancer(now));
    auto set = copy();
    for (auto& each : set->loaded_)
        if (each.name == fresh.name) {
            if (!each.removed) return bad_value("balancer", "a name that is not in use", fresh.name);
            each = fresh;
            return set;
        }
    if (set->loaded_.size() >= k_max_balancers)
        return problem{errc::busy, "there are too many balancers", "balancer",
                       "at most " + std::to_string(k_max_balancers), fresh.name};
    set->loaded_.push_back(std::move(fresh));
    return set;
}

result<std::unique_ptr<balancer_set>> balancer_set::without(const std::shared_ptr<instance>& old) const {
    auto set = copy();
    const loaded_balancer& standard = set->loaded_[default_];
    if (standard.owner == old)
        return problem{errc::conflict, "it is the default balancer", "balancer.default_algorithm", "another balancer",
                       old->name()};
    for (auto& each : set->loaded_)
        if (each.owner == old) {
            each.owner = standard.owner;
            each.table = standard.table;
            each.calls = standard.calls;
            each.conduct = standard.conduct;
            each.removed = true;
        }
    return set;
}

call_counts balancer_set::counts(const instance& which) const noexcept {
    for (const auto& each : loaded_)
        if (each.owner.get() == &which) return each.calls->total();
    return {};
}

result<std::unique_ptr<balancer_set>> balancer_set::create(std::vector<std::shared_ptr<instance>> instances,
                                                           std::string_view default_name) {
    auto set = std::unique_ptr<balancer_set>(new balancer_set);
    for (auto& i : instances) {
        if (!i || i->kind() != SIGRUN_KIND_BALANCER) continue;
        SIGRUN_TRY(one, check_balancer(std::move(i)));
        if (set->size() >= k_max_balancers) break;
        set->loaded_.push_back(std::move(one));
    }
    set->default_ = set->find(default_name);
    if (set->default_ == set->size()) {
        std::string known;
        for (const std::string& name : set->names()) known += (known.empty() ? "" : ", ") + name;
        return bad_value("default_algorithm", known.empty() ? "a balancer plugin to be loaded" : "one of " + known,
                         "\"" + std::string(default_name) + "\"");
    }
    return set;
}

std::size_t balancer_set::chooser() const noexcept {
    if (const std::size_t i = default_index(); i < loaded_.size() && loaded_[i].chooses()) return i;
    std::size_t i = 0;
    while (i < loaded_.size() && (loaded_[i].removed || !loaded_[i].chooses())) ++i;
    return i;
}

std::size_t balancer_set::first_picking() const noexcept {
    std::size_t i = 0;
    while (i < loaded_.size() && !can_pick(i)) ++i;
    return i;
}

std::uint32_t balancer_set::threads() {
    std::lock_guard lock(mutex_);
    const auto open = [](const auto& d) { return !d->closed(); };
    return static_cast<std::uint32_t>(std::count_if(dispatchers_.begin(), dispatchers_.end(), open));
}

std::size_t balancer_set::find(std::string_view name) const noexcept {
    auto by = [&](auto member) {
        return static_cast<std::size_t>(
            std::find_if(loaded_.begin(), loaded_.end(),
                         [&](const loaded_balancer& b) { return !b.removed && ((*b.owner).*member)() == name; }) -
            loaded_.begin());
    };
    const std::size_t named = by(&instance::name);
    return named < loaded_.size() ? named : by(&instance::component);
}

bool balancer_set::set_default(std::string_view name) noexcept {
    const std::size_t i = find(name);
    if (i < loaded_.size()) default_.store(i, std::memory_order_relaxed);
    return i < loaded_.size();
}

std::vector<std::string> balancer_set::names() const {
    std::vector<std::string> out;
    for (const auto& b : loaded_)
        if (!b.removed) out.push_back(b.name);
    return out;
}

bool balancer_set::needs_levels() const noexcept {
    return std::any_of(loaded_.begin(), loaded_.end(),
                       [](const loaded_balancer& b) { return b.table->caps & SIGRUN_BALANCER_NEEDS_LEVELS; });
}

dispatcher& balancer_set::here(std::uint32_t page_words, std::uint64_t seed, const std::uint32_t* stands_for) {
    if (last_here.set == id_) return *last_here.here;
    if (!stands_for) return enter(page_words, seed);
    while (dispatchers_.size() <= *stands_for) dispatchers_.push_back(make(page_words, seed));
    return *dispatchers_[*stands_for];
}

std::shared_ptr<dispatcher> balancer_set::make(std::uint32_t page_words, std::uint64_t seed) {
    // The nth thread has its own sequence: threads that draw alike would all choose the same runners.
    const std::uint64_t nth = entered_.fetch_add(1, std::memory_order_relaxed);
    const std::uint64_t own_seed = seed ? std::max<std::uint64_t>(seed + nth * 0xd1342543de82ef95u, 1) : 0;
    return std::make_shared<dispatcher>(*this, page_words, own_seed);
}

dispatcher& balancer_set::enter(std::uint32_t page_words, std::uint64_t seed) {
    auto known = std::find_if(own.all.begin(), own.all.end(), [&](const auto& d) { return d.first == id_; });
    if (known == own.all.end()) {
        std::erase_if(own.all, [](const auto& d) { return d.second->closed(); });
        auto made = make(page_words, seed);
        {
            std::lock_guard lock(mutex_);
            std::erase_if(dispatchers_, [](const auto& d) { return d->closed(); });
            dispatchers_.push_back(made);
        }
        known = own.all.insert(own.all.end(), {id_, std::move(made)});
    }
    last_here = {id_, known->second.get()};
    return *last_here.here;
}

}  // namespace sigrun
