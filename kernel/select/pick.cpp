// One pick: feasible pages -> balancer -> claim; what the balancer proposes is never trusted.
#include "kernel/base/clock.hpp"
#include "kernel/base/read_section.hpp"
#include "kernel/select/selector_impl.hpp"

#include <sigrun/cpp/fleet_view.hpp>

#include <time.h>

#include <algorithm>

namespace sigrun {
namespace {

constexpr int k_explore_bits = 7;            // one pick of 128 disregards what runners cost
constexpr std::uint8_t k_no_protocol = 255;  // the protocol is chosen after the runner, by its link

std::int64_t read_ns(clockid_t which) noexcept {
    timespec t{};
    ::clock_gettime(which, &t);
    return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

/// Where a job of this priority may look for a place.
int planes_for(const pick_request& r) noexcept {
    constexpr std::uint16_t k_high = 1;
    return r.priority <= k_high ? hot::k_kept + 1 : SIGRUN_TIERS;
}

/// In time of the processor: a thread that had to wait for one is not slow.
void timed_pick(const loaded_balancer& b, void* state, const sigrun_view& view, const sigrun_req& req,
                const std::uint64_t* pages, sigrun_pick& proposed) noexcept {
    const std::int64_t began = read_ns(CLOCK_THREAD_CPUTIME_ID);
    b.table->pick(state, &view, &req, 1, pages, &proposed);
    b.conduct->took(read_ns(CLOCK_THREAD_CPUTIME_ID) - began);
}

std::size_t place_of(const balancer_set& set, const pick_request& r) noexcept {
    return r.balancer && r.balancer <= set.size() ? r.balancer - 1u : set.default_index();
}

}  // namespace

// The coarse clocks are good enough for deadlines and ages, and four times cheaper than the exact ones.
std::int64_t selector::impl::now_ns() const noexcept {
    return time ? nanoseconds(time->now().time_since_epoch()).count() : read_ns(CLOCK_MONOTONIC_COARSE);
}
std::int64_t selector::impl::wall_ns() const noexcept {
    return time ? time->wall_ns() : read_ns(CLOCK_REALTIME_COARSE);
}

sigrun_view selector::impl::describe() const noexcept {
    sigrun_view v;
    index.describe(v);
    zones.describe(v);
    v.epoch = epoch.load(std::memory_order_acquire);
    v.layout = layout.load(std::memory_order_acquire);
    v.n_pages = n_pages.load(std::memory_order_acquire);
    v.n_slots = v.n_pages * 64;
    v.n_cohorts = n_cohorts.load(std::memory_order_acquire);
    return v;
}

const std::uint64_t* selector::impl::feasible_pages(const pick_request& r, dispatcher& d) const noexcept {
    const atomic_word* pages = r.pred->pages();
    // Who has no protocol at all is in no tier.
    if (r.protocols == 0xffff) return reinterpret_cast<const std::uint64_t*>(pages);
    const std::uint32_t words = (d.view.n_pages + 63) / 64;
    for (std::uint32_t w = 0; w < words; ++w)
        d.masked[w] = pages[w].load(std::memory_order_relaxed) & protocols.word(w, r.protocols);
    return d.masked.data();
}

void selector::impl::fill(pick_result& out, const pick_request& r, std::uint32_t slot,
                          const claimed& c) const noexcept {
    out.outcome = pick_outcome::picked;
    out.slot = {slot, c.generation};
    out.explain.slot = slot;
    out.explain.pred_id = r.pred->id();
    out.explain.protocol = k_no_protocol;
    out.explain.tier = c.tier;
}

bool selector::impl::ask_balancer(const balancer_set& set, std::size_t which, const pick_request& r, dispatcher& d,
                                  const std::uint64_t* pages, std::uint16_t want, pick_result& out) noexcept {
    const loaded_balancer& b = set[which];
    sigrun_req req{};
    req.affinity_key = r.affinity_key;
    req.now_ns = static_cast<std::uint64_t>(now_ns());
    req.rng = d.random();
    if (d.random() >> (64 - k_explore_bits) == 0) req.flags = SIGRUN_REQ_EXPLORE;
    req.pred_id = r.pred->id();
    req.src_zone = r.source_zone;
    req.protos = r.protocols;
    req.prio = r.priority;
    if (r.may_wait) req.flags |= SIGRUN_REQ_MAY_WAIT;
    req.want_k = want;
    sigrun_pick proposed{};
    if (pick_recorder* tape = recorder_for(d, b)) [[unlikely]]
        tape->pick(d.view, req, pages, proposed);
    else if (!seed && (b.conduct->suspected() || d.times_this_one())) [[unlikely]]  // a simulation must repeat itself
        timed_pick(b, d.state(which), d.view, req, pages, proposed);
    else
        b.table->pick(d.state(which), &d.view, &req, 1, pages, &proposed);
    const std::uint32_t n = std::min<std::uint32_t>(proposed.n, std::size(proposed.slot));
    if (r.may_wait && !n && proposed.reason == SIGRUN_WHY_WAIT) {
        out.outcome = pick_outcome::queued;
        out.explain.reason = SIGRUN_WHY_WAIT;
        return true;
    }
    for (std::uint32_t i = 0; i < n; ++i) {
        const claimed c = claim(r, proposed.slot[i], planes_for(r));
        if (!c.done) continue;
        fill(out, r, proposed.slot[i], c);
        out.explain.score = proposed.score_q;
        out.explain.policy = static_cast<std::uint8_t>(which + 1);
        out.explain.reason = i ? static_cast<std::uint8_t>(SIGRUN_WHY_RETRY_ALTERNATE) : proposed.reason;
        out.explain.rank = static_cast<std::uint8_t>(i);
        out.explain.confidence = static_cast<std::uint8_t>(proposed.conf >> 8);
        return true;
    }
    return false;
}

bool selector::impl::some_free(const std::uint64_t* pages, const dispatcher& d) const noexcept {
    const std::uint32_t words = (d.view.n_pages + 63) / 64;
    for (std::uint32_t w = 0; w < words; ++w)
        if (sdk::load_once(pages[w]) & index.all().pages(0, w)) return true;
    return false;
}

pick_outcome selector::impl::why_none(const pick_request& r) const noexcept {
    for (page_walk walk(*r.pred, n_pages.load(std::memory_order_acquire)); walk.more();) {
        const std::uint32_t page = walk.next();
        std::uint64_t match = r.pred->slots(page) & index.live(page).load();
        if (!match) continue;
        // A runner without any link may get one that suits; a runner with other links will not run this job.
        const protocol_mask has = index.page(page).protocols;
        if (has && !(has & r.protocols)) continue;
        for (std::uint32_t i = 0; i < r.n_excluded; ++i)
            if (const std::uint32_t e = current_slot(r.excluded[i]); page_of(e) == page) match &= ~bit_of(e);
        if (match) return pick_outcome::queued;
    }
    return pick_outcome::unschedulable;
}

bool selector::impl::could_run(const pick_request& r) const noexcept {
    for (page_walk walk(*r.pred, n_pages.load(std::memory_order_acquire)); walk.more();) {
        const std::uint32_t page = walk.next();
        std::uint64_t match = r.pred->slots(page) & index.live(page).load();
        if (!match || !(index.page(page).protocols & r.protocols)) continue;
        for (std::uint32_t i = 0; i < r.n_excluded; ++i)
            if (const std::uint32_t e = current_slot(r.excluded[i]); page_of(e) == page) match &= ~bit_of(e);
        for (; match; match &= match - 1)
            if (const std::uint64_t w =
                    index.hot(page * 64 + static_cast<std::uint32_t>(std::countr_zero(match))).load();
                (w & hot::k_open) && !(w & hot::k_out))
                return true;
    }
    return false;
}

pick_result selector::impl::pick(const pick_request& r) noexcept {
    pick_result out;
    if (!r.pred) return out;
    const read_section reading;
    balancer_set& set = *balancers.load(std::memory_order_acquire);
    dispatcher* here = nullptr;
    try {
        here = &set.here(index.page_words(), seed, stands_for);
    } catch (...) {
        out.outcome = pick_outcome::queued;  // no memory for this thread's state
        return out;
    }
    dispatcher& d = *here;
    if (d.view.epoch != epoch.load(std::memory_order_acquire)) d.view = describe();
    const std::uint64_t* pages = feasible_pages(r, d);
    d.view.match = r.pred->match();
    const bool plain = !r.n_excluded && !r.pred->any_mixed();
    const std::size_t named = place_of(set, r), chosen = decider(set, r, d, named);
    const std::size_t which = chosen < set.size() ? chosen : named;  // nobody to choose from: it proposes nothing
    balancer_conduct& conduct = *set[which].conduct;
    // Lost to another thread, or some proposals may not fit: alternates, then the built-in choice.
    if (!conduct.suspended() && ((!r.n_excluded && ask_balancer(set, which, r, d, pages, 1, out)) ||
                                 (some_free(pages, d) && ask_balancer(set, which, r, d, pages, 4, out)))) {
        d.note_pick(which, false);
        if (plain) conduct.proposed(true);
        return out;
    }
    // Where all are busy there is nothing to look for, but in what is kept for urgent jobs.
    const bool worthwhile = planes_for(r) > SIGRUN_TIERS || some_free(pages, d);
    if (worthwhile && fall_back(r, d, pages, planes_for(r), out)) {
        // What is kept for urgent jobs no balancer could have proposed.
        const bool missed = out.explain.tier < SIGRUN_TIERS;
        d.note_pick(which, missed);
        if (plain && missed && !conduct.suspended()) conduct.proposed(false);
        return out;
    }
    if (r.pred->ages() && ages.due(wall_ns())) {
        // It may be that something matches because time has passed: what nobody knows any more.
        constexpr std::size_t k_some = 256;
        std::unique_lock lock(mutex, std::try_to_lock);
        if (lock) judge_aged(k_some);
        if (lock.owns_lock()) lock.unlock();
        if (fall_back(r, d, pages, planes_for(r), out)) return out;
    }
    if (panics(*r.pred) && fall_back(r, d, pages, hot::k_planes, out)) return out;
    out.outcome = why_none(r);
    return out;
}

}  // namespace sigrun
