// What waits: lanes, flows, bands, and how jobs rise.
#include "kernel/job/wait_queue_impl.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::size_t k_idle_lanes = 256;     // kept although they are empty: the next job is often like the last
constexpr std::size_t k_rises_at_once = 512;  // so that a pop stays short when many jobs are due together
constexpr std::uint8_t k_highest_risen = 1;   // high: what is critical was said to be

}  // namespace

std::size_t wait_queue::lane_hash::operator()(const lane_key& k) const noexcept {
    const auto& [pred, protocols, source, balancer, only] = k;
    return (((std::hash<const void*>{}(pred)*31 + protocols) * 31 + source) * 31 + balancer) * 31 + only;
}

wait_queue::wait_queue() {
    for (auto& b : bands_) b = std::make_unique<band>();
}
wait_queue::~wait_queue() {
    for (const auto& w : all()) remove(*w);
}

void wait_queue::push(const waiter_ptr& w, wait_terms terms) {
    std::lock_guard lock(mutex_);
    if (std::exchange(w->queued_, true)) return;
    w->since_ = terms.since;
    w->deadline_ = terms.deadline;
    w->seq_ = terms.seq;
    w->lane_ = lane_of(terms);
    w->own_band_ = w->band_ = std::min<std::uint8_t>(terms.band, k_bands - 1);
    w->self_ = w;
    ++lanes_[w->lane_]->jobs;
    insert(*w, terms.tenant);
    plan_rise(*w);
    size_.fetch_add(1, std::memory_order_relaxed);
}

void wait_queue::remove(waiter& w) {
    waiter_ptr last;  // outlives the lock
    std::lock_guard lock(mutex_);
    if (w.queued_) last = take(w);
}

std::uint32_t wait_queue::lane_of(const wait_terms& terms) {
    const std::uint64_t only = terms.not_on.empty() ? 0 : terms.seq;
    auto [known, fresh] =
        lane_numbers_.try_emplace({terms.pred.get(), terms.protocols, terms.source, terms.balancer, only});
    if (!fresh) return known->second;
    if (free_lanes_.empty()) {
        free_lanes_.push_back(static_cast<std::uint32_t>(lanes_.size()));
        lanes_.emplace_back();
    }
    const std::uint32_t number = known->second = free_lanes_.back();
    free_lanes_.pop_back();
    auto& l = lanes_[number] = std::make_unique<lane>();
    l->pred = terms.pred;
    l->protocols = terms.protocols;
    l->source = terms.source;
    l->balancer = terms.balancer;
    l->only = only;
    l->not_on = terms.not_on;
    l->born = ++births_;
    l->at = by_birth_.insert(by_birth_.end(), number);
    lanes_allowing_[terms.protocols].set(number);
    return number;
}

void wait_queue::forget_idle_lanes() {
    while (idle_lanes_.size() > k_idle_lanes) {
        const auto [number, born] = idle_lanes_.front();
        idle_lanes_.pop_front();
        if (const auto& l = lanes_[number]; l && l->born == born && !l->jobs) forget_lane(number);
    }
}

void wait_queue::forget_lane(std::uint32_t number) {
    auto& l = lanes_[number];
    lane_numbers_.erase({l->pred.get(), l->protocols, l->source, l->balancer, l->only});
    lanes_allowing_[l->protocols].clear(number);
    by_birth_.erase(l->at);
    l.reset();
    free_lanes_.push_back(number);
}

void wait_queue::insert(waiter& w, const account_ptr& tenant) {
    band& b = *bands_[w.band_];
    flow& f = b.flows[tenant->number];
    f.tenant = tenant;
    w.tenant_ = tenant.get();
    auto& jobs = f.jobs[w.lane_];
    const order at = order_of(w);
    if (jobs.empty()) {
        f.lanes.set(w.lane_);
        b.lanes.set(w.lane_);
        lanes_[w.lane_]->tenants[w.band_].insert(tenant->number);
        f.heads.insert({at, w.lane_});
    } else if (const order first = order_of(*jobs.begin()); at < first) {
        f.heads.erase({first, w.lane_});
        f.heads.insert({at, w.lane_});
    }
    jobs.insert(w);
}

waiter_ptr wait_queue::take(waiter& w) {
    band& b = *bands_[w.band_];
    const auto found = b.flows.find(w.tenant_->number);
    flow& f = found->second;
    const auto cell = f.jobs.find(w.lane_);
    auto& jobs = cell->second;
    lane& l = *lanes_[w.lane_];
    const bool was_first = &w == &*jobs.begin();
    if (was_first) f.heads.erase({order_of(w), w.lane_});
    waiter_ptr out = std::move(w.self_);
    jobs.erase(jobs.iterator_to(w));
    if (jobs.empty()) {
        f.jobs.erase(cell);
        f.lanes.clear(w.lane_);
        l.tenants[w.band_].erase(f.tenant->number);
        if (l.tenants[w.band_].empty()) b.lanes.clear(w.lane_);
        if (f.jobs.empty()) b.flows.erase(found);
    } else if (was_first) {
        f.heads.insert({order_of(*jobs.begin()), w.lane_});
    }
    if (w.in_rising_.is_linked()) rising_.erase(rising_.iterator_to(w));
    w.queued_ = false;
    size_.fetch_sub(1, std::memory_order_relaxed);
    if (--l.jobs == 0) {
        if (l.only) {
            forget_lane(w.lane_);
            return out;
        }
        idle_lanes_.emplace_back(w.lane_, l.born);
        forget_idle_lanes();
    }
    return out;
}

void wait_queue::plan_rise(waiter& w) {
    if (w.in_rising_.is_linked()) rising_.erase(rising_.iterator_to(w));
    w.rises_at_ = time_point::max();
    if (ageing_ <= nanoseconds(0) || w.band_ <= k_highest_risen) return;
    w.rises_at_ = w.since_ + ageing_ * (w.own_band_ - w.band_ + 1);
    rising_.insert(w);
}

void wait_queue::rise(time_point now) {
    for (std::size_t i = 0; i < k_rises_at_once && !rising_.empty() && rising_.begin()->rises_at_ <= now; ++i) {
        waiter& w = *rising_.begin();
        // Out of one band and into the next; it stays in its lane.
        lane& l = *lanes_[w.lane_];
        ++l.jobs;
        const account_ptr tenant = bands_[w.band_]->flows.at(w.tenant_->number).tenant;
        w.self_ = take(w);
        w.queued_ = true;
        size_.fetch_add(1, std::memory_order_relaxed);
        --w.band_;
        insert(w, tenant);
        plan_rise(w);
    }
}

void wait_queue::set_ageing(nanoseconds step) {
    std::lock_guard lock(mutex_);
    if (std::exchange(ageing_, step) == step) return;
    for (const auto& b : bands_)
        for (auto& [number, f] : b->flows)
            for (auto& [in_lane, jobs] : f.jobs)
                for (waiter& w : jobs) plan_rise(w);
}

std::vector<waiter_ptr> wait_queue::all() const {
    std::lock_guard lock(mutex_);
    std::vector<waiter_ptr> out;
    for (const auto& b : bands_)
        for (const auto& [number, f] : b->flows)
            for (const auto& [in_lane, jobs] : f.jobs)
                for (const waiter& w : jobs) out.push_back(w.self_);
    return out;
}

std::optional<place_in_line> wait_queue::place_of(const waiter& w, std::size_t most) const {
    std::lock_guard lock(mutex_);
    if (!w.queued_) return std::nullopt;
    place_in_line out;
    out.band = w.band_;
    out.rises_at = w.rises_at_;
    const lane& l = *lanes_[w.lane_];
    auto jobs_of = [&](std::size_t number, std::uint32_t tenant) -> const auto& {
        return bands_[number]->flows.at(tenant).jobs.at(w.lane_);
    };
    for (std::size_t b = 0; b < w.band_; ++b)
        for (const std::uint32_t tenant : l.tenants[b]) out.before += jobs_of(b, tenant).size();
    std::size_t own = 0;
    for (const waiter& one : jobs_of(w.band_, w.tenant_->number)) {
        if (&one == &w || own == most) break;
        ++own;
    }
    out.before += own;
    auto weight_of = [](const wait_account& a) {
        return std::max<std::size_t>(1, a.weight.load(std::memory_order_relaxed));
    };
    const std::size_t rounds = own / weight_of(*w.tenant_) + 1;  // turns of its tenant until it is next
    for (const std::uint32_t tenant : l.tenants[w.band_]) {
        if (tenant == w.tenant_->number) continue;
        const std::size_t jobs = jobs_of(w.band_, tenant).size();
        out.others += jobs;
        ++out.other_tenants;
        out.turns_before += std::min(jobs, rounds * weight_of(*bands_[w.band_]->flows.at(tenant).tenant));
    }
    return out;
}

std::vector<waiter_ptr> wait_queue::heads(std::size_t limit) {
    std::lock_guard lock(mutex_);
    std::vector<waiter_ptr> out;
    for (std::size_t left = lanes_.size(); left && out.size() < limit; --left) {
        if (cursor_ >= lanes_.size()) cursor_ = 0;
        const std::uint32_t number = cursor_++;
        if (!lanes_[number] || !lanes_[number]->jobs) continue;
        for (std::size_t b = 0; b < k_bands; ++b) {
            const auto& tenants = lanes_[number]->tenants[b];
            if (tenants.empty()) continue;
            out.push_back(bands_[b]->flows.at(*tenants.begin()).jobs.at(number).begin()->self_);
            break;
        }
    }
    return out;
}

}  // namespace sigrun
