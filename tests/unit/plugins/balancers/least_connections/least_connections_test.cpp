#include <sigrun/balancer.h>
#include <sigrun/cpp/mock_host.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <vector>

namespace {

using namespace sigrun;

/// A fleet kept by hand: every page is a cohort; the planes are made from the counts.
struct hand_made {
    struct runner {
        std::uint32_t jobs = 0;
        bool live = false;
    };
    std::vector<std::array<runner, 64>> pages;
    std::vector<sigrun_cohort> cohorts;
    std::vector<std::uint64_t> hot, feasible;
    std::array<std::vector<std::uint64_t>, SIGRUN_LEVELS> level, level_any;
    std::vector<std::uint64_t> idle, idle_any, none;
    std::vector<std::uint32_t> page_cohort;
    const std::uint64_t *level_table[SIGRUN_LEVELS]{}, *any_table[SIGRUN_LEVELS]{};
    sigrun_view view{};
    std::uint64_t epoch = 0;

    void make(bool new_epoch) {
        const std::size_t n = pages.size(), words = (n + 63) / 64;
        hot.assign(n * 64, 0);
        idle.assign(n, 0);
        idle_any.assign(words, 0);
        none.assign(n, 0);
        feasible.resize(words, ~0ull);
        for (std::size_t l = 0; l < SIGRUN_LEVELS; ++l) level[l].assign(n, 0), level_any[l].assign(words, 0);
        page_cohort.resize(n);
        for (std::size_t p = 0; p < n; ++p) {
            page_cohort[p] = static_cast<std::uint32_t>(p);
            for (std::size_t b = 0; b < 64; ++b) {
                const runner& s = pages[p][b];
                hot[p * 64 + b] = s.jobs;
                if (!s.live || s.jobs >= cohorts[p].places) continue;
                const std::size_t l = std::min<std::size_t>(s.jobs, SIGRUN_LEVELS - 1);
                level[l][p] |= 1ull << b;
                level_any[l][p / 64] |= 1ull << p % 64;
                idle[p] |= 1ull << b;
                idle_any[p / 64] |= 1ull << p % 64;
            }
        }
        for (std::size_t l = 0; l < SIGRUN_LEVELS; ++l)
            level_table[l] = level[l].data(), any_table[l] = level_any[l].data();
        view = {};
        view.struct_size = sizeof view;
        view.abi = 1;
        view.epoch = epoch += new_epoch;
        view.hot = hot.data();
        for (int t = 0; t < SIGRUN_TIERS; ++t) {
            view.idle[t] = t == 2 ? idle.data() : none.data();
            view.page_any[t] = t == 2 ? idle_any.data() : none.data();
        }
        view.page_cohort = page_cohort.data();
        view.cohort = cohorts.data();
        view.n_pages = static_cast<std::uint32_t>(n);
        view.n_slots = view.n_pages * 64;
        view.n_cohorts = view.n_pages;
        view.page_shift = 6;
        view.level = level_table;
        view.level_any = any_table;
    }
    double load(std::uint32_t slot) const {
        const sigrun_cohort& c = cohorts[slot / 64];
        return pages[slot / 64][slot % 64].jobs / (static_cast<double>(c.places) * c.weight);
    }
};

class least_connections_plugin : public testing::Test {
protected:
    void SetUp() override {
        instance_ = host_.start(host_.create("least_connections"));
        table_ =
            static_cast<const sigrun_balancer*>(instance_->get_interface(instance_, sdk::str(SIGRUN_KIND_BALANCER)));
        ASSERT_TRUE(table_);
        EXPECT_TRUE(table_->caps & SIGRUN_BALANCER_NEEDS_LEVELS);
        tls_ = table_->thread_init(instance_, 1);
    }
    void TearDown() override { table_->thread_fini(instance_, tls_); }
    sigrun_pick pick(const hand_made& fleet, std::uint16_t want, std::uint64_t rng, std::uint16_t protos = 0xffff) {
        sigrun_req req{};
        req.protos = protos;
        req.want_k = want;
        req.rng = rng;
        sigrun_pick out{};
        table_->pick(tls_, &fleet.view, &req, 1, fleet.feasible.data(), &out);
        return out;
    }
    sdk::mock_host host_;
    sigrun_instance* instance_ = nullptr;
    const sigrun_balancer* table_ = nullptr;
    void* tls_ = nullptr;
};

TEST_F(least_connections_plugin, ranks_as_a_full_sort_does_on_random_states) {
    std::mt19937_64 random(11);
    for (int round = 0; round < 400; ++round) {
        hand_made fleet;
        const std::size_t n = 1 + random() % (round % 10 ? 8 : 150);
        const unsigned kinds = round % 3 ? 4 : 200;
        for (std::size_t p = 0; p < n; ++p) {
            sigrun_cohort c{};
            c.places = static_cast<std::uint16_t>(1 + random() % (round % 5 ? 9 : 120));
            c.weight = static_cast<std::uint16_t>(300 * (1 + random() % kinds));
            c.protos = random() % 4 ? 1 : 2;
            fleet.cohorts.push_back(c);
            auto& page = fleet.pages.emplace_back();
            for (auto& s : page) {
                s.live = random() % 3 == 0;
                s.jobs = static_cast<std::uint32_t>(random() % (c.places + 2u));
            }
        }
        for (std::size_t w = 0; w < (n + 63) / 64; ++w) fleet.feasible.push_back(random() | random());
        fleet.make(true);
        const std::uint16_t protos = round % 4 ? 0xffff : 1;
        std::vector<double> loads;
        for (std::uint32_t slot = 0; slot < n * 64; ++slot) {
            const std::uint32_t p = slot / 64;
            const bool can = fleet.idle[p] >> (slot % 64) & 1;
            if (can && (fleet.feasible[p / 64] >> p % 64 & 1) && (fleet.cohorts[p].protos & protos))
                loads.push_back(fleet.load(slot));
        }
        std::sort(loads.begin(), loads.end());
        const sigrun_pick got = pick(fleet, 4, random(), protos);
        ASSERT_EQ(got.n, std::min<std::size_t>(loads.size(), 4)) << round;
        for (std::size_t i = 0; i < got.n; ++i) {
            ASSERT_DOUBLE_EQ(fleet.load(got.slot[i]), loads[i]) << round;
            for (std::size_t k = 0; k < i; ++k) ASSERT_NE(got.slot[i], got.slot[k]);
        }
        if (got.n) {
            EXPECT_EQ(got.reason, SIGRUN_WHY_LEAST_COUNT);
        }
    }
}

TEST_F(least_connections_plugin, a_weight_makes_the_same_count_a_lower_load) {
    hand_made fleet;
    for (std::uint16_t weight : {std::uint16_t{1024}, std::uint16_t{4096}}) {
        sigrun_cohort c{};
        c.places = 8;
        c.weight = weight;
        c.protos = 1;
        fleet.cohorts.push_back(c);
        auto& page = fleet.pages.emplace_back();
        page[0] = {weight == 1024 ? 1u : 3u, true};
    }
    fleet.make(true);
    EXPECT_EQ(pick(fleet, 1, 1).slot[0], 64u);
    fleet.pages[1][0].jobs = 5;
    fleet.make(false);
    EXPECT_EQ(pick(fleet, 1, 1).slot[0], 0u);
}

TEST_F(least_connections_plugin, a_host_without_levels_gets_no_pick) {
    hand_made fleet;
    sigrun_cohort c{};
    c.places = c.weight = c.protos = 1;
    fleet.cohorts.push_back(c);
    fleet.pages.emplace_back()[5].live = true;
    fleet.make(true);
    EXPECT_EQ(pick(fleet, 1, 1).slot[0], 5u);
    fleet.view.level = nullptr;
    EXPECT_EQ(pick(fleet, 1, 1).n, 0);
    fleet.make(true);
    fleet.view.struct_size = offsetof(sigrun_view, level);  // an older host: what lies behind is not ours to read
    EXPECT_EQ(pick(fleet, 1, 1).n, 0);
}

}  // namespace
