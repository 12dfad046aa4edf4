#include "ring.hpp"

#include "stride.hpp"

#include <algorithm>

namespace sigrun::round_robin {

using sdk::load_once;

/// The runner's weight times that of the best protocol it shares with the request; 0 if there is none.
std::uint64_t ring::weight_of(const walk& w, std::uint32_t page) const noexcept {
    const sigrun_cohort& c = w.view.cohort[load_once(w.view.page_cohort[page])];
    const auto usable = static_cast<std::uint16_t>(load_once(c.protos) & w.protos);
    return std::uint64_t{load_once(c.weight)} * weights_.best(usable);
}

std::uint32_t ring::scaled(const walk& w, cursor& c, std::uint32_t page) const noexcept {
    const std::uint32_t cohort = load_once(w.view.page_cohort[page]);
    if (cohort == c.cohort) return c.share;
    const std::uint64_t weight = weight_of(w, page);
    // A heavier one than before has come since the last turn.
    c.heaviest = std::max(c.heaviest, weight);
    c.heaviest_of_turn = std::max(c.heaviest_of_turn, weight);
    c.cohort = cohort;
    c.share = !weight ? 0
              : weight == c.heaviest
                  ? k_full
                  : static_cast<std::uint32_t>(std::max<std::uint64_t>(weight * k_full / c.heaviest, 1));
    return c.share;
}

void ring::survey(const walk& w, cursor& c) const noexcept {
    for (std::uint32_t word = 0; word < w.words; ++word)
        for (std::uint64_t rest = load_once(w.pages[word]); rest; rest &= rest - 1)
            c.heaviest =
                std::max(c.heaviest, weight_of(w, word * 64 + static_cast<std::uint32_t>(std::countr_zero(rest))));
}

/// The next turn. What was heavier than all that were met on this one counts no more.
void ring::come_round(cursor& c) noexcept {
    if (c.heaviest_of_turn) c.heaviest = c.heaviest_of_turn;
    c.heaviest_of_turn = 0;
    c.cohort = ~0u;
}

/// Draws the first slot in proportion to the weights: neither the order of the slots nor gaps between them
/// count.
bool ring::start(const walk& w, cursor& c, std::uint64_t rng) const noexcept {
    sdk::bit_source bits(rng);
    survey(w, c);
    std::uint64_t total = 0;
    std::uint32_t chosen = 0;
    std::uint64_t chosen_idle = 0;
    for (std::uint32_t word = 0; word < w.words; ++word)
        for (std::uint64_t rest = load_once(w.pages[word]) & sdk::idle_pages(w.view, word); rest; rest &= rest - 1) {
            const std::uint32_t page = word * 64 + static_cast<std::uint32_t>(std::countr_zero(rest));
            const std::uint64_t idle = sdk::idle_slots(w.view, page);
            const std::uint64_t share = std::uint64_t{sdk::count_bits(idle)} * scaled(w, c, page);
            if (!share) continue;
            total += share;
            // A draw below `total`, 53 random bits wide: this page replaces the choice with probability share
            // / total.
            const double draw = static_cast<double>(bits.next() >> 11) * 0x1p-53;
            if (draw * static_cast<double>(total) < static_cast<double>(share)) {
                chosen = page;
                chosen_idle = idle;
            }
        }
    if (!total) return false;
    c.slot = chosen * 64 + sdk::random_bit(chosen_idle, bits);
    c.turn = bits.below(k_full);
    c.turn += turns_until_taken(scaled(w, c, chosen), c.slot, c.turn);
    c.started = true;
    return true;
}

/// Most steps of a walk stay in one page.
bool ring::advance_in_page(const walk& w, cursor& c) const noexcept {
    const std::uint32_t page = c.slot >> 6, word = c.slot >> 12, bit = c.slot & 63u;
    if (bit == 63 || word >= w.words || !(load_once(w.pages[word]) >> (page & 63u) & 1)) return false;
    std::uint64_t idle = sdk::idle_slots(w.view, page) & (~0ull << (bit + 1));
    if (!idle) return false;
    const std::uint32_t weight = scaled(w, c, page);
    for (; weight && idle; idle &= idle - 1) {
        const std::uint32_t slot = page * 64 + static_cast<std::uint32_t>(std::countr_zero(idle));
        if (weight != k_full && !taken(weight, slot, c.turn)) continue;
        c.slot = slot;
        return true;
    }
    return false;
}

/// To the next slot that can take a job and is not passed over on this turn.
bool ring::advance(const walk& w, cursor& c) const noexcept {
    if (advance_in_page(w, c)) return true;
    std::uint32_t word = c.slot >> 12, page = c.slot >> 6;
    std::uint64_t later_slots = (c.slot & 63u) == 63 ? 0 : ~0ull << ((c.slot & 63u) + 1);
    if (word >= w.words) word = page = 0, later_slots = ~0ull;
    std::uint64_t later_pages = ~0ull << (page & 63u);
    std::uint32_t turn = c.turn, fewest = ~0u;
    // The rest of this turn, then whole turns: the second jumps to the first one in which some slot is taken,
    // so the third finds it. What lies beyond is a fleet that became busy while it was walked.
    for (int round = 0; round < 4; ++round) {
        for (; word < w.words; ++word, later_pages = ~0ull) {
            std::uint64_t rest = load_once(w.pages[word]) & sdk::idle_pages(w.view, word) & later_pages;
            for (; rest; rest &= rest - 1) {
                const std::uint32_t here = word * 64 + static_cast<std::uint32_t>(std::countr_zero(rest));
                std::uint64_t idle = sdk::idle_slots(w.view, here);
                if (here == page) idle &= later_slots;
                if (!idle) continue;
                const std::uint32_t weight = scaled(w, c, here);
                if (!weight) continue;
                for (; idle; idle &= idle - 1) {
                    const std::uint32_t slot = here * 64 + static_cast<std::uint32_t>(std::countr_zero(idle));
                    const std::uint32_t wait = turns_until_taken(weight, slot, turn);
                    if (!wait) {
                        c.slot = slot;
                        c.turn = turn;
                        return true;
                    }
                    fewest = std::min(fewest, wait);
                }
            }
        }
        // Once around without a taker, counted from where nothing was masked: skip the turns in which nobody
        // is taken.
        turn += round > 0 && fewest != ~0u ? fewest : 1;
        come_round(c);
        fewest = ~0u;
        word = 0;
        page = ~0u;
        later_pages = ~0ull;
    }
    return false;
}

void ring::pick(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages, sigrun_pick& out) noexcept {
    out.n = 0;
    if (view.page_shift != 6) return;
    const walk w{view, pages, req.protos, sdk::page_words(view)};
    cursor& c = cursors_[(req.pred_id * 0x9e3779b1u + req.protos) % k_cursors];
    if (!c.used || c.pred_id != req.pred_id || c.protos != req.protos) {
        c = {};
        c.pred_id = req.pred_id;
        c.protos = req.protos;
        c.used = true;
    }
    if (c.epoch != view.epoch) {
        c.epoch = view.epoch;
        c.cohort = ~0u;
    }
    if (!(c.started ? advance(w, c) : start(w, c, req.rng))) return;
    out.slot[0] = c.slot;
    out.n = 1;
    out.reason = SIGRUN_WHY_STRIDE;
    // Alternates are those that would come next; they keep their place in the walk.
    for (cursor next = c; out.n < std::min<std::uint32_t>(req.want_k, 4) && advance(w, next);) {
        if (next.slot == out.slot[0]) break;
        out.slot[out.n++] = next.slot;
    }
}

}  // namespace sigrun::round_robin
