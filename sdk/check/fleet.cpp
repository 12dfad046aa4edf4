#include "fleet.hpp"

#include <algorithm>

namespace sigrun::check {

fleet::fleet(std::uint32_t pages, std::uint16_t places) : places_(places) {
    const std::uint32_t n = pages * k_slots_per_page;
    const std::uint32_t words = (pages + 63) / 64;
    hot_.resize(n);
    all_.resize(words);
    odd_.resize(words);
    page_cohort_.resize(pages);
    for (std::uint32_t p = 0; p < pages; ++p) {
        page_cohort_[p] = p < pages / 2 ? 0 : 1;
        all_[p / 64] |= 1ull << (p % 64);
        if (p % 2) odd_[p / 64] |= 1ull << (p % 64);
    }
    for (std::uint32_t c = 0; c < 2; ++c) {
        auto& cohort = cohorts_[c];
        cohort.pages_off = c ? pages / 2 : 0;
        cohort.n_pages = c ? pages - pages / 2 : pages / 2;
        cohort.n_runners = cohort.n_pages * k_slots_per_page;
        cohort.protos = 3;
        cohort.places = places;
        cohort.weight = 1024;
    }
    for (std::uint32_t t = 0; t < SIGRUN_TIERS; ++t) {
        idle_[t].resize(pages);
        any_[t].resize(words);
        view_.idle[t] = idle_[t].data();
        view_.page_any[t] = any_[t].data();
    }
    for (std::uint32_t q = 0; q < SIGRUN_LEVELS; ++q) {
        level_[q].resize(pages);
        level_any_[q].resize(words);
        levels_[q] = level_[q].data();
        levels_any_[q] = level_any_[q].data();
    }
    view_.struct_size = sizeof view_;
    view_.abi = 1;
    view_.epoch = 1;
    view_.hot = hot_.data();
    view_.page_cohort = page_cohort_.data();
    view_.cohort = cohorts_.data();
    view_.n_slots = n;
    view_.n_pages = pages;
    view_.n_cohorts = 2;
    view_.page_shift = 6;
    view_.level = levels_.data();
    view_.level_any = levels_any_.data();
    for (std::uint32_t slot = 0; slot < n; ++slot) set_load(slot, 0);
}

void fleet::put(std::vector<std::uint64_t>& plane, std::vector<std::uint64_t>& any, std::uint32_t slot, bool on) {
    const std::uint32_t page = slot / k_slots_per_page;
    const std::uint64_t bit = 1ull << (slot % k_slots_per_page);
    plane[page] = on ? plane[page] | bit : plane[page] & ~bit;
    const std::uint64_t page_bit = 1ull << (page % 64);
    any[page / 64] = plane[page] ? any[page / 64] | page_bit : any[page / 64] & ~page_bit;
}

void fleet::set_load(std::uint32_t slot, std::uint32_t jobs) {
    hot_[slot] = jobs;
    const bool can_take = jobs < places_;
    put(idle_[0], any_[0], slot, can_take);
    const std::uint32_t level = std::min<std::uint32_t>(jobs, SIGRUN_LEVELS - 1);
    for (std::uint32_t q = 0; q < SIGRUN_LEVELS; ++q)
        if (q == level || (level_[q][slot / k_slots_per_page] >> (slot % k_slots_per_page) & 1))
            put(level_[q], level_any_[q], slot, can_take && q == level);
    for (auto& cohort : cohorts_) cohort.level_mask = 0;
    for (std::uint32_t q = 0; q < SIGRUN_LEVELS; ++q)
        for (std::uint32_t p = 0; p < page_cohort_.size(); ++p)
            if (level_[q][p]) cohorts_[page_cohort_[p]].level_mask |= 1ull << q;
}

sigrun_req fleet::request(std::uint64_t random, std::uint16_t alternates, bool all) const noexcept {
    sigrun_req req{};
    req.now_ns = 1'000'000'000 + random;
    req.rng = random * 0x9e3779b97f4a7c15u + 1;
    req.pred_id = all ? 1 : 2;
    req.protos = 3;
    req.prio = 2;
    req.want_k = alternates;
    return req;
}

}  // namespace sigrun::check
