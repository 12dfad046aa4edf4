#include "zone_walk.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

namespace sigrun::geographic {
namespace {

using sdk::load_once;

/// What one more job would wait for a place in a full zone: its turn among those that wait, at the rate at which places
/// become free there. Infinite where nothing is known of that.
double expected_wait_us(const sigrun_view& view, std::uint32_t zone) noexcept {
    const std::uint32_t places = load_once(view.zone[zone].places), exec = load_once(view.zone[zone].exec_us);
    if (!places || exec == SIGRUN_UNKNOWN_US) return std::numeric_limits<double>::infinity();
    return (static_cast<double>(load_once(*view.waiting)) + 1) * exec / places;
}

}  // namespace

zone_walk::choice zone_walk::walk(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages) noexcept {
    choice out;
    const std::uint16_t* const order = view.zone_order + std::size_t{req.src_zone} * SIGRUN_ZONES;
    const std::uint32_t* const rtt = view.zone_rtt_us + std::size_t{req.src_zone} * SIGRUN_ZONES;
    const bool may_wait = req.flags & SIGRUN_REQ_MAY_WAIT;
    const std::uint32_t words = std::min(zones_.words(), sdk::page_words(view));
    for (std::uint32_t i = 0; i < view.n_zones; ++i) {
        const std::uint32_t zone = load_once(order[i]), distance = load_once(rtt[zone]);
        if (distance == SIGRUN_UNKNOWN_US) break;  // so are the others
        // What follows is at least this far.
        out.rest = distance;
        if (out.idle.found() && distance >= out.idle.cost) return out;
        if (may_wait && out.waiting.found() && distance >= out.waiting.cost) return out;
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
            out.waiting.offer(zone, cost + expected_wait_us(view, zone));
    }
    out.rest = 0;
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
    spill_control& spill = spills_[req.src_zone];
    spill.move_on(req.now_ns, limits_);
    // A page may say that it has an idle place when the last has just been taken: then the zone is looked at anew.
    for (int tries = 0; tries < 3; ++tries) {
        const choice found = walk(view, req, pages);
        const bool away = found.idle.zone != found.home.zone;
        const double elsewhere = found.idle.found() ? found.idle.cost : found.rest;
        if ((req.flags & SIGRUN_REQ_MAY_WAIT) && away && elsewhere > 0 && found.waiting.found() &&
            std::isfinite(found.waiting.cost) && !spill.may_go(found.waiting.cost, elsewhere, limits_)) {
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
    if (out.n) spill.count();
    if (out.n == want) return;
    const bool zoned = out.n > 0;
    draw(view, pages, bits, want, explore, out);
    if (!zoned && out.n) out.reason = SIGRUN_WHY_IDLE_TIER;
}

}  // namespace sigrun::geographic
