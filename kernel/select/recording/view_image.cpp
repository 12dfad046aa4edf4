#include "kernel/select/recording/view_image.hpp"

#include <sigrun/cpp/fleet_view.hpp>

#include <cstring>

namespace sigrun {
namespace {

static_assert(sizeof(sigrun_cohort) % 8 == 0 && alignof(sigrun_cohort) == 8);
constexpr std::size_t k_cohort_words = sizeof(sigrun_cohort) / 8;
static_assert(sizeof(sigrun_zone) % 8 == 0 && SIGRUN_ZONES % 4 == 0);
constexpr std::size_t k_zone_words = sizeof(sigrun_zone) / 8;
constexpr std::size_t k_order_row = SIGRUN_ZONES / 4, k_rtt_row = SIGRUN_ZONES / 2;

}  // namespace

view_image::shape view_image::shape_of(const sigrun_view& live) noexcept {
    return {live.epoch, live.n_slots, live.n_pages, live.n_cohorts, live.zone ? live.n_zones : 0};
}

std::size_t view_image::words_of(std::uint16_t section) const noexcept {
    const std::size_t page_words = (shape_.pages + 63u) / 64u;
    if (section == k_hot || section == k_identity) return shape_.slots;
    if (section == k_page_cohort) return (shape_.pages + 1u) / 2u;
    if (section == k_cohort) return shape_.cohorts * k_cohort_words;
    if (section == k_zone_order) return shape_.zones * k_order_row;
    if (section == k_zone_rtt) return shape_.zones * k_rtt_row;
    if (section == k_zone) return shape_.zones * k_zone_words;
    if (section == k_waiting) return shape_.zones ? 1 : 0;
    if (section >= k_level && !levels_) return 0;
    const bool per_page = (section >= k_idle && section < k_page_any) || (section >= k_level && section < k_level_any);
    return per_page ? shape_.pages : page_words;
}

void view_image::set_shape(const shape& s) {
    shape_ = s;
    for (std::uint16_t i = 0; i < k_sections; ++i) words_[i].resize(words_of(i));
    for (std::size_t q = 0; levels_ && q < SIGRUN_LEVELS; ++q) {
        level_[q] = words_[k_level + q].data();
        level_any_[q] = words_[k_level_any + q].data();
    }
}

void view_image::follow(const sigrun_view& live, const std::uint64_t* feasible, const changed_fn& changed) {
    auto put_word = [&](std::uint16_t section, std::size_t i, std::uint64_t now) {
        std::uint64_t& then = words_[section][i];
        if (now != then) changed(section, static_cast<std::uint32_t>(i), then = now);
    };
    auto copy = [&](std::uint16_t section, const std::uint64_t* from) {
        for (std::size_t i = 0; i < words_[section].size(); ++i) put_word(section, i, sdk::load_once(from[i]));
    };
    // Pages and cohorts may have come since the view was described: in the live arrays they are there, in this copy they are not.
    auto copy_page_bits = [&](std::uint16_t section, const std::uint64_t* from) {
        const auto n = words_[section].size();
        for (std::size_t i = 0; i < n; ++i) {
            const bool cut = i + 1 == n && shape_.pages % 64;
            put_word(section, i, sdk::load_once(from[i]) & (cut ? (1ull << shape_.pages % 64) - 1 : ~0ull));
        }
    };
    copy(k_hot, live.hot);
    copy(k_identity, live.identity);
    follow_zones(live, changed);
    for (std::uint16_t t = 0; t < SIGRUN_TIERS; ++t) {
        copy(static_cast<std::uint16_t>(k_idle + t), live.idle[t]);
        copy_page_bits(static_cast<std::uint16_t>(k_page_any + t), live.page_any[t]);
    }
    for (std::uint16_t q = 0; levels_ && q < SIGRUN_LEVELS; ++q) {
        copy(static_cast<std::uint16_t>(k_level + q), live.level[q]);
        copy_page_bits(static_cast<std::uint16_t>(k_level_any + q), live.level_any[q]);
    }
    // Narrower things, a word at a time. A page of a cohort that is not in the copy is feasible for nobody.
    std::vector<std::uint64_t> usable(words_[k_feasible].size(), ~0ull);
    auto cohort_of = [&](std::size_t page) -> std::uint64_t {
        if (page >= shape_.pages) return 0;
        const std::uint32_t cohort = sdk::load_once(live.page_cohort[page]);
        if (cohort < shape_.cohorts) return cohort;
        usable[page / 64] &= ~(1ull << page % 64);
        return 0;
    };
    for (std::size_t i = 0; i < words_[k_page_cohort].size(); ++i)
        put_word(k_page_cohort, i, cohort_of(2 * i) | cohort_of(2 * i + 1) << 32);
    for (std::size_t i = 0; i < usable.size(); ++i) usable[i] &= sdk::load_once(feasible[i]);
    copy_page_bits(k_feasible, usable.data());
    auto& cohorts = words_[k_cohort];
    for (std::size_t c = 0; c < shape_.cohorts; ++c) {
        const sigrun_cohort& from = live.cohort[c];
        sigrun_cohort now{};
        now.pages_off = sdk::load_once(from.pages_off);
        now.n_pages = sdk::load_once(from.n_pages);
        now.n_runners = sdk::load_once(from.n_runners);
        now.size_class = sdk::load_once(from.size_class);
        now.zone = sdk::load_once(from.zone);
        now.protos = sdk::load_once(from.protos);
        now.places = sdk::load_once(from.places);
        now.weight = sdk::load_once(from.weight);
        now.level_mask = sdk::load_once(from.level_mask);
        std::uint64_t words[k_cohort_words];
        std::memcpy(words, &now, sizeof now);
        for (std::size_t w = 0; w < k_cohort_words; ++w)
            if (const std::size_t at = c * k_cohort_words + w; words[w] != cohorts[at])
                changed(k_cohort, static_cast<std::uint32_t>(at), cohorts[at] = words[w]);
    }
}

/// Of each row, the part that is set.
void view_image::follow_zones(const sigrun_view& live, const changed_fn& changed) {
    auto copy = [&](std::uint16_t section, const void* from, std::size_t begin, std::size_t count) {
        const auto* words = static_cast<const std::uint64_t*>(from);
        for (std::size_t i = begin; i < begin + count; ++i) {
            const std::uint64_t now = sdk::load_once(words[i]);
            if (now != words_[section][i]) changed(section, static_cast<std::uint32_t>(i), words_[section][i] = now);
        }
    };
    const std::size_t n = shape_.zones;
    if (!n) return;
    for (std::size_t row = 0; row < n; ++row) {
        copy(k_zone_order, live.zone_order, row * k_order_row, (n + 3) / 4);
        copy(k_zone_rtt, live.zone_rtt_us, row * k_rtt_row, (n + 1) / 2);
    }
    copy(k_zone, live.zone, 0, n * k_zone_words);
    const std::uint64_t waiting = sdk::load_once(*live.waiting);
    if (waiting != words_[k_waiting][0]) changed(k_waiting, 0, words_[k_waiting][0] = waiting);
}

bool view_image::zones_sound() const noexcept {
    for (std::size_t row = 0; row < shape_.zones; ++row)
        for (std::size_t i = 0; i < shape_.zones; ++i)
            if ((words_[k_zone_order][row * k_order_row + i / 4] >> (i % 4 * 16) & 0xffff) >= shape_.zones)
                return false;
    return true;
}

bool view_image::put(std::uint16_t section, std::uint32_t index, std::uint64_t value) noexcept {
    if (section >= k_sections || index >= words_[section].size()) return false;
    words_[section][index] = value;
    return true;
}

bool view_image::sound() const noexcept {
    for (std::uint32_t page = 0; page < shape_.pages; ++page) {
        const std::uint64_t two = words_[k_page_cohort][page / 2];
        if (static_cast<std::uint32_t>(two >> (page % 2 * 32)) >= shape_.cohorts) return false;
    }
    const std::uint32_t last = shape_.pages % 64;
    auto whole = [&](std::uint16_t section) {
        const auto& w = words_[section];
        return !last || w.empty() || !(w.back() >> last);
    };
    for (std::uint16_t t = 0; t < SIGRUN_TIERS; ++t)
        if (!whole(static_cast<std::uint16_t>(k_page_any + t))) return false;
    for (std::uint16_t q = 0; levels_ && q < SIGRUN_LEVELS; ++q)
        if (!whole(static_cast<std::uint16_t>(k_level_any + q))) return false;
    return whole(k_feasible) && zones_sound();
}

sigrun_view view_image::view() const noexcept {
    sigrun_view v{};
    v.struct_size = sizeof v;
    v.abi = 1;
    v.epoch = shape_.epoch;
    v.hot = words_[k_hot].data();
    for (std::size_t t = 0; t < SIGRUN_TIERS; ++t) {
        v.idle[t] = words_[k_idle + t].data();
        v.page_any[t] = words_[k_page_any + t].data();
    }
    v.page_cohort = reinterpret_cast<const std::uint32_t*>(words_[k_page_cohort].data());
    v.cohort = reinterpret_cast<const sigrun_cohort*>(words_[k_cohort].data());
    v.identity = words_[k_identity].data();
    v.n_slots = shape_.slots;
    v.n_pages = shape_.pages;
    v.n_cohorts = shape_.cohorts;
    v.page_shift = 6;
    if (shape_.zones) {
        v.n_zones = shape_.zones;
        v.zone_order = reinterpret_cast<const std::uint16_t*>(words_[k_zone_order].data());
        v.zone_rtt_us = reinterpret_cast<const std::uint32_t*>(words_[k_zone_rtt].data());
        v.zone = reinterpret_cast<const sigrun_zone*>(words_[k_zone].data());
        v.waiting = reinterpret_cast<const std::uint32_t*>(words_[k_waiting].data());
    }
    if (levels_) {
        v.level = level_.data();
        v.level_any = level_any_.data();
    }
    return v;
}

}  // namespace sigrun
