#include "bounded_choice.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace sigrun::affinity {
namespace {

using sdk::load_once;

/// 256 * (log2 + 64) of four times the mean cost: a runner that is this slow, or fails this often, is no help to its keys.
constexpr std::uint32_t k_too_costly = 256 * (64 + 2);
constexpr std::uint32_t k_spill_draws = 8, k_spill_pages = 64;

std::uint32_t wanted(const sigrun_req& req) noexcept { return std::clamp<std::uint32_t>(req.want_k, 1, 4); }

}  // namespace

feasible_set& bounded_choice::set_of(const sigrun_view& view, const sigrun_req& req,
                                     const std::uint64_t* pages) noexcept {
    const std::size_t start = req.pred_id % k_sets;  // ids are given in order, so few share a place
    std::size_t at = start;
    while (!sets_[at].is_of(req))
        if ((at = (at + 1) % k_sets) == start) {
            at = next_victim_++ % k_sets;
            break;
        }
    sets_[at].prepare(view, req, pages, members_, builds_);
    sets_[at].count_jobs(view, pages, members_, req.now_ns);
    return sets_[at];
}

const ranking& bounded_choice::order_of(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages,
                                        const feasible_set& set) noexcept {
    memo* const row = &memo_[mix(req.affinity_key ^ req.pred_id) % (k_memos / k_row) * k_row];
    for (std::size_t i = 0; i < k_row; ++i)
        if (row[i].key == req.affinity_key && row[i].build == set.build()) return row[i].order;
    memo& oldest = *std::min_element(row, row + k_row, [](const memo& a, const memo& b) { return a.made < b.made; });
    oldest.order = set.rank(view, pages, members_, req.affinity_key);
    oldest.key = req.affinity_key;
    oldest.build = set.build();
    oldest.made = ++made_;
    return oldest.order;
}

bool bounded_choice::may_take(const sigrun_view& view, const feasible_set& set, std::uint32_t slot,
                              bool explore) const noexcept {
    const std::uint64_t word = load_once(view.hot[slot]);
    if (SIGRUN_HOT_COST(word) >= k_too_costly && !explore) return false;
    return SIGRUN_HOT_INFLIGHT(word) < std::ceil(set.limit(weight_in(view, slot >> 6), bound_));
}

/// A runner that can take a job and is not loaded beyond its share: some random idle ones are tried, then the slots of some
/// pages one by one. If all are too loaded, whoever came last.
std::uint32_t bounded_choice::draw_within(const sigrun_view& view, const std::uint64_t* pages, const feasible_set& set,
                                          sdk::idle_choice& idle, sdk::bit_source& bits,
                                          const sigrun_pick& taken) const noexcept {
    std::uint32_t slot = sdk::idle_choice::k_none;
    for (std::uint32_t i = 0; i < k_spill_draws; ++i) {
        slot = idle.draw(taken.slot, taken.n);
        if (slot == sdk::idle_choice::k_none || may_take(view, set, slot, true)) return slot;
    }
    const std::uint32_t words = sdk::page_words(view), start = bits.below(words);
    std::uint32_t looks = k_spill_pages;
    for (std::uint32_t i = 0; i < words; ++i) {
        const std::uint32_t word = start + i < words ? start + i : start + i - words;
        for (std::uint64_t some = load_once(pages[word]) & sdk::idle_pages(view, word); some && looks;
             some &= some - 1, --looks) {
            const std::uint32_t page = word * 64 + static_cast<std::uint32_t>(std::countr_zero(some));
            for (std::uint64_t rest = sdk::idle_slots(view, page); rest; rest &= rest - 1) {
                const std::uint32_t each = page * 64 + static_cast<std::uint32_t>(std::countr_zero(rest));
                if (std::find(taken.slot, taken.slot + taken.n, each) != taken.slot + taken.n) continue;
                if (may_take(view, set, each, true)) return each;
            }
        }
    }
    return slot;
}

/// Idle runners, lowest tier first; with `set`, ones that are not loaded beyond their share.
void bounded_choice::spill(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages,
                           const feasible_set* set, sigrun_pick& out) const noexcept {
    sdk::bit_source bits(req.rng);
    sdk::idle_choice idle(view, pages, bits);
    while (out.n < wanted(req)) {
        const std::uint32_t slot = set ? draw_within(view, pages, *set, idle, bits, out)
                                       : idle.draw(out.slot, out.n, req.flags & SIGRUN_REQ_EXPLORE);
        if (slot == sdk::idle_choice::k_none) return;
        if (!out.n) out.tier = static_cast<std::uint8_t>(SIGRUN_HOT_TIER(load_once(view.hot[slot])));
        out.slot[out.n++] = slot;
    }
}

void bounded_choice::pick(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages,
                          sigrun_pick& out) noexcept {
    out = {};
    if (view.page_shift != 6 || !view.n_pages) return;
    // An older host has no identities; then a key says nothing.
    const bool has_identity = view.struct_size >= offsetof(sigrun_view, identity) + sizeof view.identity;
    if (!req.affinity_key || !has_identity || !view.identity) {
        spill(view, req, pages, nullptr, out);
        if (out.n) out.reason = req.flags & SIGRUN_REQ_EXPLORE ? SIGRUN_WHY_EXPLORE : SIGRUN_WHY_IDLE_TIER;
        return;
    }
    try {
        members_.refresh(view, req.now_ns);
    } catch (...) {
        return;  // no memory for a fleet that grew; the host has a choice of its own
    }
    feasible_set& set = set_of(view, req, pages);
    const ranking& order = order_of(view, req, pages, set);
    for (std::uint32_t i = 0; i < order.n && out.n < wanted(req); ++i) {
        const std::uint32_t slot = order.slot[i];
        if (load_once(view.identity[slot]) != order.identity[i]) continue;  // it is gone
        const std::uint32_t tier = SIGRUN_HOT_TIER(load_once(view.hot[slot]));
        if (!(sdk::idle_slots(view, tier, slot >> 6) >> (slot & 63u) & 1)) continue;
        if (!may_take(view, set, slot, req.flags & SIGRUN_REQ_EXPLORE)) continue;
        if (!out.n) {
            out.reason = i ? SIGRUN_WHY_AFFINITY_SPILL : SIGRUN_WHY_AFFINITY;
            out.tier = static_cast<std::uint8_t>(tier);
        }
        out.slot[out.n++] = slot;
    }
    if (out.n == wanted(req)) return;
    const bool hit = out.n > 0;
    spill(view, req, pages, &set, out);
    if (!hit && out.n) out.reason = SIGRUN_WHY_AFFINITY_SPILL;
}

}  // namespace sigrun::affinity
