// Jobs that ended, or do not end, change what their runner is expected to cost. On the thread that brought the result;
// no lock but the runner's own.
#include "kernel/base/read_section.hpp"
#include "kernel/select/selector_impl.hpp"

#include <algorithm>
#include <cmath>

namespace sigrun {
namespace {

/// A change of cost that moves no tier and turns no comparison around is not worth a write to shared memory.
constexpr std::int64_t k_least_change = 256 / 32;

double share_of(double log2_256) noexcept { return std::exp2(log2_256 / 256 - 64); }

}  // namespace

void selector::impl::set_cost(slot_ref s, std::uint32_t cost) noexcept {
    atomic_word& word = index.hot(s.slot);
    std::uint64_t w = word.load(), next = 0;
    page_facts page;
    do {
        const auto change = static_cast<std::int64_t>(cost) - hot::cost(w);
        if (hot::generation(w) != s.generation || !(w & hot::k_used)) return;
        if (std::abs(change) < k_least_change && (cost != hot::k_neutral_cost || !change)) return;
        page = index.page(page_of(s.slot));
        next = hot::with_cost(w, cost, page.places);
    } while (!word.compare_exchange_weak(w, next));
    index.settle(s.slot, page, w, next);
}

/// False: the runner is not there any more.
bool selector::impl::change_flags(slot_ref s, std::uint64_t set, std::uint64_t clear) noexcept {
    atomic_word& word = index.hot(s.slot);
    std::uint64_t w = word.load(), next = 0;
    do {
        if (hot::generation(w) != s.generation || !(w & hot::k_used)) return false;
        next = (w & ~clear) | set;
    } while (!word.compare_exchange_weak(w, next));
    index.settle(s.slot, index.page(page_of(s.slot)), w, next);
    return true;
}

void selector::impl::tell_balancer(const job_feedback& f, std::uint32_t slot, std::uint16_t balancer) noexcept {
    if (!balancer) return;
    const read_section reading;
    balancer_set& set = *balancers.load(std::memory_order_acquire);
    const std::size_t which = balancer <= set.size() ? balancer - 1u : set.default_index();
    if (!SIGRUN_HAS(set[which].table, done)) return;
    sigrun_done done{};
    done.slot = slot;
    done.proto = f.protocol;
    done.status = static_cast<std::uint16_t>(f.end.status);
    done.wait_us = static_cast<std::uint64_t>(std::max(f.end.wait_us, 0.0));
    done.exec_us = static_cast<std::uint64_t>(std::max(f.end.exec_us, 0.0));
    done.bytes = f.bytes;
    try {
        dispatcher& d = set.here(index.page_words(), seed, stands_for);
        if (pick_recorder* tape = recorder_for(d, set[which])) [[unlikely]]
            tape->done(done);
        else
            set[which].table->done(d.state(which), &done, 1);
    } catch (...) {
        // No memory for this thread's state: one observation less.
    }
}

void selector::impl::feedback(const job_feedback& f, std::uint16_t balancer) noexcept {
    const slot_ref s = resolve(f.slot);
    if (f.pred) {
        f.pred->jobs().note(f.end);
        note_outcome(f, balancer);
    }
    if (page_of(s.slot) >= index.max_pages()) return;
    if (f.end.status != outcome_status::failed_by_infrastructure && f.end.exec_us > 0)
        zones.note_exec(zone_at(s.slot), static_cast<std::uint64_t>(f.end.exec_us + std::max(f.end.wait_us, 0.0) +
                                                                    std::max(f.end.rtt_us, 0.0)));
    const std::int64_t now = now_ns();
    const std::uint64_t w = index.hot(s.slot).load();
    const bool failed = f.end.status != outcome_status::succeeded;
    bool too_often = false;
    if (f.pred) {
        runner_estimate& e = index.estimate(s.slot);
        const estimate_lock lock(e);
        e.note(f.end, f.pred->jobs(), fleet, now);
        too_often = e.failures_in_a_row >= failures_in_a_row.load(std::memory_order_relaxed);
        set_cost(s, e.cost(fleet, index.page(page_of(s.slot)).weight, now, slow_start()));
    }
    if (w & hot::k_trial) {
        if (f.end.status == outcome_status::failed_by_infrastructure)
            eject(s, ejection_cause::failed_on_trial);
        else if (!failed)
            change_flags(s, 0, hot::k_trial);
    } else if (too_often && !(w & hot::k_out)) {
        eject(s, ejection_cause::failures_in_a_row);
    }
    tell_balancer(f, s.slot, balancer);
}

void selector::impl::straggler(slot_ref s, const predicate& pred, nanoseconds age) noexcept {
    s = resolve(s);
    const double mean_us = pred.jobs().mean_exec_us();
    if (page_of(s.slot) >= index.max_pages() || mean_us <= 0) return;
    constexpr double k_old = 4;  // times the mean
    const double slower = static_cast<double>(age.count()) * 1e-3 / (k_old * mean_us);
    if (slower <= 1) return;
    runner_estimate& e = index.estimate(s.slot);
    const estimate_lock lock(e);
    e.straggler_log2 = std::max(e.straggler_log2, static_cast<float>(std::log2(slower)));
    set_cost(s, e.cost(fleet, index.page(page_of(s.slot)).weight, now_ns(), slow_start()));
}

runner_standing selector::impl::standing(slot_ref s) const noexcept {
    runner_standing out;
    s = resolve(s);
    if (page_of(s.slot) >= index.max_pages()) return out;
    const std::uint64_t w = index.hot(s.slot).load();
    out.ejected = w & hot::k_out;
    out.on_trial = w & hot::k_trial;
    out.relative_cost = share_of(hot::cost(w));
    runner_estimate& e = index.estimate(s.slot);
    const estimate_lock lock(e);
    out.relative_time = std::exp2(e.speed_log2(fleet));
    out.wait_us = e.wait_us;
    out.success = e.success();
    out.slow_start = e.slow_start(now_ns(), slow_start());
    out.samples = e.samples;
    out.ejections = e.ejections;
    return out;
}

}  // namespace sigrun
