// Whose turn it is.
#include "kernel/job/wait_queue_impl.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::size_t k_groups = 16'384;  // whose lanes and turns are kept
constexpr std::size_t k_first_look = 32;  // heads, or tenants, before a cleverer way is worth its cost

}  // namespace

wait_queue::group& wait_queue::judged_group(const free_place& place) {
    const auto [number, answers] = place.group();
    if (groups_.size() >= k_groups && !groups_.contains(number)) groups_.clear();
    auto [at, fresh] = groups_.try_emplace(number);
    group& g = at->second;
    // Not all groups begin with the same tenant: that one would have a turn more on each of them.
    if (fresh)
        for (auto& t : g.turns) t.tenant = number;
    if (g.answers != answers) {
        g.lanes.reset();
        g.judged = 0;
        g.answers = answers;
    }
    for (auto youngest = by_birth_.rbegin(); youngest != by_birth_.rend(); ++youngest) {
        const lane& l = *lanes_[*youngest];
        if (l.born <= g.judged) break;
        if (place.group_may_match(*l.pred))
            g.lanes.set(*youngest);
        else
            g.lanes.clear(*youngest);
    }
    g.judged = births_;
    return g;
}

void wait_queue::usable_lanes(const group& g, const free_place& place) {
    open_.reset();
    for (const auto& [protocols, lanes] : lanes_allowing_)
        if (place.open_over(protocols)) open_.add(lanes);
    usable_.assign_common(g.lanes, open_);
}

/// The next flow of the ring that has something for the place, from the tenant `from` on.
wait_queue::flow* wait_queue::next_flow(band& b, std::size_t number, std::uint32_t from, bool and_from) {
    const auto begin = and_from ? b.flows.lower_bound(from) : b.flows.upper_bound(from);
    auto at = begin;
    auto step = [&] {
        if (at == b.flows.end()) at = b.flows.begin();
        return at++;
    };
    std::size_t left = b.flows.size();
    for (std::size_t i = 0; left && i < k_first_look; ++i, --left)
        if (const auto f = step(); f->second.lanes.meets(usable_)) return &f->second;
    if (!left) return nullptr;
    if (b.lanes.count_common(usable_) >= left) {
        for (; left; --left)
            if (const auto f = step(); f->second.lanes.meets(usable_)) return &f->second;
        return nullptr;
    }
    // Few lanes, many tenants: the nearest one in each lane.
    const std::uint32_t first = begin == b.flows.end() ? 0 : begin->first;
    std::uint32_t best = 0, best_distance = ~0u;
    bool found = false;
    b.lanes.each_common(usable_, [&](std::uint32_t each) {
        const auto& tenants = lanes_[each]->tenants[number];
        auto next = tenants.lower_bound(first);
        if (next == tenants.end()) next = tenants.begin();
        if (*next - first > best_distance && found) return;  // modulo 2^32: the way round the ring
        best = *next;
        best_distance = best - first;
        found = true;
    });
    return found ? &b.flows.at(best) : nullptr;
}

/// A lane that turns out not to suit this very place is not looked at again.
bool wait_queue::fits(std::uint32_t number, const free_place& place) {
    const lane& l = *lanes_[number];
    if (place.matches(*l.pred) && (l.not_on.empty() || !place.is_one_of(l.not_on))) return true;
    usable_.clear(number);
    return false;
}

waiter* wait_queue::first_that_fits(flow& f, const free_place& place) {
    auto first_of = [&](std::uint32_t its_lane) { return &*f.jobs.at(its_lane).begin(); };
    auto head = f.heads.begin();
    auto look = [&](std::size_t steps) -> waiter* {
        for (; steps && head != f.heads.end(); --steps, ++head)
            if (usable_.has(head->second) && fits(head->second, place)) return first_of(head->second);
        return nullptr;
    };
    if (auto* w = look(k_first_look)) return w;
    if (head == f.heads.end()) return nullptr;
    // Either what fits is rare, or what does not stands in front: never more work than the smaller of both.
    const std::size_t suitable = f.lanes.count_common(usable_);
    if (auto* w = look(suitable)) return w;
    if (head == f.heads.end()) return nullptr;
    candidates_.clear();
    f.lanes.each_common(
        usable_, [&](std::uint32_t each) { candidates_.emplace_back(order_of(*f.jobs.at(each).begin()), each); });
    std::sort(candidates_.begin(), candidates_.end());
    for (const auto& [at, its_lane] : candidates_)
        if (fits(its_lane, place)) return first_of(its_lane);
    return nullptr;
}

waiter* wait_queue::pop_band(std::size_t number, turn& t, const free_place& place) {
    band& b = *bands_[number];
    if (!b.lanes.meets(usable_)) return nullptr;
    // Each round either finds a job or takes all of a flow's lanes out of those that are usable.
    while (flow* f = next_flow(b, number, t.tenant, t.left > 0)) {
        waiter* w = first_that_fits(*f, place);
        if (!w) continue;
        if (t.left && t.tenant == f->tenant->number) {
            --t.left;
        } else {
            t.tenant = f->tenant->number;
            t.left = f->tenant->weight.load(std::memory_order_relaxed) - 1;
        }
        return w;
    }
    return nullptr;
}

void wait_queue::pass(const waiter& w, passed_lanes& into) const {
    std::lock_guard lock(mutex_);
    if (w.queued_) into.lanes_.emplace_back(w.lane_, lanes_[w.lane_]->born);
}

waiter_ptr wait_queue::pop(const free_place& place, time_point now, const passed_lanes& but) {
    std::lock_guard lock(mutex_);
    if (!size_.load(std::memory_order_relaxed)) return nullptr;
    rise(now);
    group& g = judged_group(place);
    usable_lanes(g, place);
    for (const auto& [number, born] : but.lanes_)
        if (const auto& l = lanes_[number]; l && l->born == born) usable_.clear(number);
    for (std::size_t number = 0; number < k_bands; ++number)
        if (waiter* w = pop_band(number, g.turns[number], place)) return take(*w);
    return nullptr;
}

}  // namespace sigrun
