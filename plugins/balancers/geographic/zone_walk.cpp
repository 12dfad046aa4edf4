#include "zone_walk.hpp"

#include <algorithm>
#include <cstddef>

namespace sigrun::geographic {
namespace {

using sdk::load_once;

/// How many of a zone's places become free in a microsecond while all are taken; 0 where nothing is known of that.
double places_per_us(const sigrun_view& view, std::uint32_t zone) noexcept {
    const std::uint32_t places = load_once(view.zone[zone].places), exec = load_once(view.zone[zone].exec_us);
    return exec == SIGRUN_UNKNOWN_US ? 0.0 : static_cast<double>(places) / std::max(exec, 1u);
}

}  // namespace

void zone_walk::first_free::add(double cost, double rate) noexcept {
    // A zone that is further than the wait is worth does not shorten it.
    if (rate <= 0 || cost >= cost_) return;
    rate_ += rate;
    weighted_ += rate * cost;
    cost_ = (before_ + 1 + weighted_) / rate_;
}

zone_walk::choice zone_walk::walk(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages) noexcept {
    choice out;
    const std::uint16_t* const order = view.zone_order + std::size_t{req.src_zone} * SIGRUN_ZONES;
    const std::uint32_t* const rtt = view.zone_rtt_us + std::size_t{req.src_zone} * SIGRUN_ZONES;
    const bool may_wait = req.flags & SIGRUN_REQ_MAY_WAIT;
    const std::uint32_t words = std::min(zones_.words(), sdk::page_words(view));
    first_free waiting(load_once(*view.waiting));
    for (std::uint32_t i = 0; i < view.n_zones; ++i) {
        const std::uint32_t zone = load_once(order[i]), distance = load_once(rtt[zone]);
        if (distance == SIGRUN_UNKNOWN_US) break;  // so are the others
        // What follows is at least this far.
        out.all_seen = distance < out.idle.cost && !(may_wait && distance >= waiting.cost());
        if (!out.all_seen) break;
        bool feasible = false, idle = false;
        for (std::uint32_t w = 0; w < words && !idle; ++w) {
            const std::uint64_t here = zones_.word(zone, w);
            idle = here & idle_[w];
            feasible |= (here & load_once(pages[w])) != 0;
        }
        if (!feasible && !idle) continue;
        const double cost = distance + (zone == req.src_zone ? 0.0 : load_once(view.zone[zone].egress_us));
        out.home.offer(zone, cost);
        if (idle)
            out.idle.offer(zone, cost);
        else
            waiting.add(cost, places_per_us(view, zone));
    }
    out.waiting = waiting.cost();
    return out;
}

void zone_walk::draw(const sigrun_view& view, const std::uint64_t* pages, sdk::bit_source& bits, std::uint32_t want,
                     bool any_tier, sigrun_pick& out) const noexcept {
    sdk::idle_choice idle(view, pages, bits);
    while (out.n < want) {
        const std::uint32_t slot = idle.draw(out.slot, out.n, any_tier);
        if (slot == sdk::idle_choice::k_none) return;
        if (!out.n) out.tier = static_cast<std::uint8_t>(SIGRUN_HOT_TIER(load_once(view.hot[slot])));
        out.slot[out.n++] = slot;
    }
}

void zone_walk::pick(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages,
                     sigrun_pick& out) noexcept {
    out = {};
    if (view.page_shift != 6 || !view.n_pages) return;
    const std::uint32_t want = std::clamp<std::uint32_t>(req.want_k, 1, 4);
    const bool explore = req.flags & SIGRUN_REQ_EXPLORE;
    sdk::bit_source bits(req.rng);
    // An older host knows no zones, and of some sources nobody knows where they are: then all zones are equal.
    const bool has_zones = view.struct_size >= offsetof(sigrun_view, waiting) + sizeof view.waiting;
    if (!has_zones || !view.zone_order || req.src_zone >= view.n_zones) {
        draw(view, pages, bits, want, explore, out);
        if (out.n) out.reason = explore ? SIGRUN_WHY_EXPLORE : SIGRUN_WHY_IDLE_TIER;
        return;
    }
    const std::uint32_t words = sdk::page_words(view);
    try {
        zones_.refresh(view, req.now_ns);
        if (words > idle_.size()) idle_.resize(2 * std::size_t{words}), mask_.resize(2 * std::size_t{words});
    } catch (...) {
        return;  // no memory for a fleet that grew; the host has a choice of its own
    }
    for (std::uint32_t w = 0; w < words; ++w) idle_[w] = load_once(pages[w]) & sdk::idle_pages(view, w);
    // A page may say that it has an idle place when the last has just been taken: then the zone is looked at anew.
    for (int tries = 0; tries < 3; ++tries) {
        const choice found = walk(view, req, pages);
        const bool away = found.idle.zone != found.home.zone;
        // Worth it only for what is expected to come sooner than the way there and back takes. Where nothing is idle, or only
        // where nobody knows how far it is, there is no such comparison: the job takes what it gets.
        const bool beyond = !found.idle.found() && found.all_seen;
        if ((req.flags & SIGRUN_REQ_MAY_WAIT) && !beyond && found.waiting < found.idle.cost) {
            out.reason = SIGRUN_WHY_WAIT;
            return;
        }
        if (!found.idle.found()) break;
        for (std::uint32_t w = 0; w < words; ++w) mask_[w] = idle_[w] & zones_.word(found.idle.zone, w);
        draw(view, mask_.data(), bits, want, explore, out);
        if (out.n) {
            out.reason = away ? SIGRUN_WHY_ZONE_SPILL : SIGRUN_WHY_ZONE;
            break;
        }
        for (std::uint32_t w = 0; w < words; ++w) idle_[w] &= ~mask_[w];
    }
    // Further alternates, and zones of which nobody knows how far they are.
    if (out.n == want) return;
    const bool zoned = out.n > 0;
    draw(view, pages, bits, want, explore, out);
    if (!zoned && out.n) out.reason = SIGRUN_WHY_IDLE_TIER;
}

}  // namespace sigrun::geographic
