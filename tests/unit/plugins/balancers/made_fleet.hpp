// A fleet as a balancer sees it, kept by the test: pages of one cohort each, planes that follow the hot words as the host's do.
#pragma once

#include <sigrun/balancer.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

namespace sigrun::test {

class made_fleet {
public:
    struct kind {
        std::uint16_t places = 1, weight = 1024, protocols = 1;
    };
    static constexpr std::uint32_t k_usual_cost = 256 * 64;

    /// One more page with a free runner at each set bit of `slots`; returns its number.
    std::uint32_t page(std::uint64_t slots, const kind& k) {
        const auto p = static_cast<std::uint32_t>(page_cohort_.size());
        page_cohort_.push_back(p);
        sigrun_cohort c{};
        c.places = k.places;
        c.weight = k.weight;
        c.protos = k.protocols;
        cohorts_.push_back(c);
        hot_.resize(hot_.size() + 64, 0);
        auto grow = [](auto& planes, std::size_t n) {
            for (auto& plane : planes) plane.resize(n, 0);
        };
        grow(idle_, p + 1);
        grow(level_, p + 1);
        grow(any_, p / 64 + 1);
        grow(level_any_, p / 64 + 1);
        feasible.resize(p / 64 + 1, 0);
        feasible[p / 64] |= 1ull << p % 64;
        const auto invcap = static_cast<std::uint64_t>(4096 - 256 * std::log2(static_cast<double>(k.places)));
        index_.resize(hot_.size(), ~0u);
        publish();
        for (std::uint32_t slot = p * 64; slot < p * 64 + 64; ++slot) {
            if (!(slots >> slot % 64 & 1)) continue;
            hot_[slot] = std::uint64_t{k_usual_cost} << 16 | invcap << 32;
            index_[slot] = static_cast<std::uint32_t>(runners_.size());
            runners_.push_back(slot);
            open_.push_back(true);
            settle(slot);
        }
        return p;
    }

    const std::vector<std::uint32_t>& runners() const { return runners_; }
    std::uint32_t jobs(std::uint32_t slot) const { return SIGRUN_HOT_INFLIGHT(hot_[slot]); }
    std::uint32_t places(std::uint32_t slot) const { return cohorts_[slot / 64].places; }
    std::uint32_t weight(std::uint32_t slot) const { return cohorts_[slot / 64].weight; }
    bool is_runner(std::uint32_t slot) const { return slot < index_.size() && index_[slot] != ~0u; }
    bool can_take(std::uint32_t slot) const {
        return is_runner(slot) && open_[index_[slot]] && jobs(slot) < places(slot);
    }
    std::uint32_t tier(std::uint32_t slot) const {
        const double log_r = (SIGRUN_HOT_COST(hot_[slot]) - double{k_usual_cost}) / 256;
        const double load = static_cast<double>(jobs(slot)) / places(slot);
        return static_cast<std::uint32_t>(std::clamp(2 + std::floor(2 * (log_r + load)), 0.0, 7.0));
    }
    std::uint32_t lowest_tier() const {
        std::uint32_t lowest = SIGRUN_TIERS;
        for (std::uint32_t slot : runners_)
            if (can_take(slot) && (feasible[slot >> 12] >> (slot >> 6 & 63u) & 1))
                lowest = std::min(lowest, tier(slot));
        return lowest;
    }

    void set_jobs(std::uint32_t slot, std::uint32_t jobs) {
        hot_[slot] = (hot_[slot] & ~0xffffull) | jobs;
        settle(slot);
    }
    void claim(std::uint32_t slot) { set_jobs(slot, jobs(slot) + 1); }
    void release(std::uint32_t slot) { set_jobs(slot, jobs(slot) - 1); }
    /// 256 * log2 of how much worse than usual it is.
    void set_cost(std::uint32_t slot, int above_usual) {
        const auto cost = static_cast<std::uint64_t>(std::clamp<int>(int{k_usual_cost} + above_usual, 0, 0xffff));
        hot_[slot] = (hot_[slot] & ~0xffff0000ull) | cost << 16;
        settle(slot);
    }
    void set_open(std::uint32_t slot, bool open) {
        open_[index_[slot]] = open;
        settle(slot);
    }
    void set_weight(std::uint32_t page, std::uint16_t weight) {
        cohorts_[page].weight = weight;
        ++view_.epoch;
    }

    const sigrun_view& view() const { return view_; }
    std::vector<std::uint64_t> feasible;  // a bit per page; all of them unless the test says otherwise

private:
    void settle(std::uint32_t slot) {
        const std::uint32_t p = slot / 64;
        const bool can = can_take(slot);
        const std::uint32_t t = tier(slot), level = std::min<std::uint32_t>(jobs(slot), SIGRUN_LEVELS - 1);
        hot_[slot] = (hot_[slot] & ~(7ull << 48)) | std::uint64_t{t} << 48;
        auto put = [&](auto& slots, auto& pages, std::size_t plane, bool on) {
            const std::uint64_t bit = 1ull << slot % 64, page_bit = 1ull << p % 64;
            slots[plane][p] = on ? slots[plane][p] | bit : slots[plane][p] & ~bit;
            pages[plane][p / 64] = slots[plane][p] ? pages[plane][p / 64] | page_bit : pages[plane][p / 64] & ~page_bit;
        };
        for (std::size_t i = 0; i < SIGRUN_TIERS; ++i) put(idle_, any_, i, can && i == t);
        for (std::size_t i = 0; i < SIGRUN_LEVELS; ++i) put(level_, level_any_, i, can && i == level);
    }
    void publish() {
        const std::uint64_t epoch = view_.epoch + 1;
        view_ = {};
        view_.struct_size = sizeof view_;
        view_.abi = 1;
        view_.epoch = epoch;
        view_.hot = hot_.data();
        for (std::size_t t = 0; t < SIGRUN_TIERS; ++t) {
            view_.idle[t] = idle_[t].data();
            view_.page_any[t] = any_[t].data();
        }
        for (std::size_t l = 0; l < SIGRUN_LEVELS; ++l) {
            level_table_[l] = level_[l].data();
            level_any_table_[l] = level_any_[l].data();
        }
        view_.page_cohort = page_cohort_.data();
        view_.cohort = cohorts_.data();
        view_.n_pages = static_cast<std::uint32_t>(page_cohort_.size());
        view_.n_slots = view_.n_pages * 64;
        view_.n_cohorts = view_.n_pages;
        view_.page_shift = 6;
        view_.level = level_table_.data();
        view_.level_any = level_any_table_.data();
    }

    std::vector<std::uint64_t> hot_;
    std::array<std::vector<std::uint64_t>, SIGRUN_TIERS> idle_, any_;
    std::array<std::vector<std::uint64_t>, SIGRUN_LEVELS> level_, level_any_;
    std::array<const std::uint64_t*, SIGRUN_LEVELS> level_table_{}, level_any_table_{};
    std::vector<std::uint32_t> page_cohort_, runners_, index_;
    std::vector<sigrun_cohort> cohorts_;
    std::vector<bool> open_;
    sigrun_view view_{};
};

}  // namespace sigrun::test
