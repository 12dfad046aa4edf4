#include "kernel/job/demand.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::size_t index(demand_kind k) noexcept { return static_cast<std::size_t>(k); }

}  // namespace

void demand_cell::enter(demand_kind as, wait_ages::step since, bool picky) {
    if (as == demand_kind::none) return;
    if (as == demand_kind::queued) {
        std::lock_guard lock(mutex_);
        ages_.add(since);
        if (picky) picky_.fetch_add(1, std::memory_order_relaxed);
    }
    jobs_[index(as)].fetch_add(1, std::memory_order_relaxed);
}

void demand_cell::leave(demand_kind as, wait_ages::step since, bool picky) noexcept {
    if (as == demand_kind::none) return;
    jobs_[index(as)].fetch_sub(1, std::memory_order_relaxed);
    if (as != demand_kind::queued) return;
    std::lock_guard lock(mutex_);
    ages_.remove(since);
    if (picky) picky_.fetch_sub(1, std::memory_order_relaxed);
}

bool demand_cell::reading::empty() const noexcept {
    return std::all_of(jobs.begin(), jobs.end(), [](std::uint64_t n) { return n == 0; });
}

demand_cell::reading demand_cell::read(time_point then) const {
    reading out;
    for (std::size_t i = 0; i < k_demand_kinds; ++i) out.jobs[i] = jobs_[i].load(std::memory_order_relaxed);
    std::lock_guard lock(mutex_);
    const auto queued = out.of(demand_kind::queued);
    out.waited = queued - std::min(ages_.since_after(then), queued);
    out.picky = std::min<std::uint64_t>(picky_.load(std::memory_order_relaxed), queued);
    if (const auto oldest = ages_.oldest()) out.oldest = *oldest;
    return out;
}

bool demand_cell::idle() const noexcept {
    return std::all_of(jobs_.begin(), jobs_.end(),
                       [](const auto& n) { return n.load(std::memory_order_relaxed) == 0; });
}

std::size_t demand_board::key_hash::operator()(const key& k) const noexcept {
    const auto& [pred, queue, tenant, protocol] = k;
    return ((std::hash<const void*>{}(pred)*31 + queue) * 31 + tenant) * 31 + std::hash<std::string>{}(protocol);
}

demand_ptr demand_board::of(const predicate_ptr& pred, const std::string& kind, const std::string& protocol,
                            const account_ptr& queue, const account_ptr& tenant) {
    const key which{pred.get(), queue->number, tenant->number, protocol};
    auto& s = shards_[(key_hash{}(which) >> 8) % shards_.size()];
    std::lock_guard lock(s.mutex);
    auto& known = s.cells[which];
    if (auto cell = known.lock()) return cell;
    auto made = std::make_shared<demand_cell>(pred, kind, protocol, queue, tenant);
    known = made;
    // Those that nobody holds go at a cost that doubles away.
    if (s.cells.size() >= s.sweep_at) {
        std::erase_if(s.cells, [](const auto& each) { return each.second.expired(); });
        s.sweep_at = std::max<std::size_t>(64, 2 * s.cells.size());
    }
    return made;
}

std::vector<demand_ptr> demand_board::busy() const {
    std::vector<demand_ptr> out;
    for (const auto& s : shards_) {
        std::vector<demand_ptr>
            all;  // outlives the lock: whoever drops the last reference to a cell drops its predicate
        std::lock_guard lock(s.mutex);
        for (const auto& [which, cell] : s.cells)
            if (auto alive = cell.lock()) all.push_back(std::move(alive));
        std::copy_if(all.begin(), all.end(), std::back_inserter(out), [](const auto& c) { return !c->idle(); });
    }
    return out;
}

void demand_place::move(demand_cell* in, demand_kind to, time_point since, bool picky) {
    const auto step = wait_ages::step_of(since);
    if (!in || (to == as_ && (to != demand_kind::queued || (step == since_ && picky == picky_)))) return;
    in->leave(as_, since_, picky_);
    as_ = to;
    since_ = step;
    picky_ = picky;
    in->enter(as_, since_, picky_);
}

}  // namespace sigrun
