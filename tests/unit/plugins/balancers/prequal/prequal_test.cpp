#include "unit/plugins/balancers/common_checks.hpp"

#include <thread>

namespace {

using namespace sigrun;
using namespace sigrun::test;

/// A job there that took so long.
void result(balancer_rig& rig, std::uint32_t slot, std::uint64_t exec_us, std::uint16_t status = 0) {
    sigrun_done d{};
    d.slot = slot;
    d.exec_us = exec_us;
    d.status = status;
    rig.done(d);
}
/// Picks until every runner has some results of its own, which its load did not change.
void learn(balancer_rig& rig, const made_fleet& fleet, const std::map<std::uint32_t, std::uint64_t>& exec_us) {
    for (int i = 0; i < 100 * static_cast<int>(exec_us.size()); ++i) {
        const auto got = rig.pick(fleet, 1, SIGRUN_REQ_EXPLORE);
        if (got.n) result(rig, got.slot[0], exec_us.at(got.slot[0]));
    }
}

TEST(prequal, the_first_pick_after_a_restart_favours_nobody) {
    balancer_rig rig("prequal");
    made_fleet fleet;
    add_uneven_pages(fleet, 1);
    EXPECT_SHARES(first_picks(rig, fleet, 5000), equal_shares(fleet));
    fleet.page(0x1f, {.places = 4});
    fleet.set_open(0, false);
    EXPECT_SHARES(first_picks(rig, fleet, 5000), equal_shares(fleet));
}

TEST(prequal, equal_runners_have_about_equal_shares) {
    balancer_rig rig("prequal");
    made_fleet fleet;
    fleet.page(0xffff, {.places = 4});
    job_stream jobs(rig, fleet, 0.6, 4);
    const auto went = jobs.run(40'000);
    // Not more equal: who had short jobs by chance is preferred for a while.
    for (std::uint32_t slot : fleet.runners()) EXPECT_NEAR(share_of(went, {slot}), 1.0 / 16, 0.02) << slot;
}

TEST(prequal, of_cold_runners_the_fastest_of_hot_ones_the_least_loaded) {
    balancer_rig rig("prequal");
    made_fleet fleet;
    fleet.page(0x3ff, {.places = 100});
    std::map<std::uint32_t, std::uint64_t> exec_us;
    for (std::uint32_t slot = 0; slot < 10; ++slot) exec_us[slot] = 1000 + 500 * slot;
    learn(rig, fleet, exec_us);
    // With ten runners the pool has nearly all of them at any time.
    std::map<std::uint32_t, int> seen;
    for (int i = 0; i < 1000; ++i) {
        const auto got = rig.pick(fleet);
        ++seen[got.slot[0]];
        EXPECT_EQ(got.reason, SIGRUN_WHY_HCL_COLD);
        result(rig, got.slot[0], exec_us[got.slot[0]]);
    }
    EXPECT_GT(seen[0], 600);
    EXPECT_GT(seen[0] + seen[1] + seen[2], 900);
    // The fastest one is busier than nine tenths of them: hot.
    fleet.set_jobs(0, 50);
    for (std::uint32_t slot = 1; slot < 10; ++slot) fleet.set_jobs(slot, 10);
    seen.clear();
    for (int i = 0; i < 1200; ++i) {
        const auto got = rig.pick(fleet);
        if (i >= 200) ++seen[got.slot[0]];
        result(rig, got.slot[0], exec_us[got.slot[0]]);
    }
    EXPECT_LT(seen[0], 10);
    EXPECT_GT(seen[1], 500);
    // All of the page that suits are hotter than what was seen before.
    fleet.page(0b11, {.places = 100});
    fleet.set_jobs(64, 90);
    fleet.set_jobs(65, 80);
    fleet.feasible[0] = 0b10;
    for (int i = 0; i < 3; ++i) {
        const auto got = rig.pick(fleet, 2);
        ASSERT_EQ(got.n, 2);
        EXPECT_EQ(got.slot[0], 65u);
        EXPECT_EQ(got.reason, SIGRUN_WHY_HCL_HOT);
    }
}

TEST(prequal, the_quantile_decides_who_is_hot) {
    for (const auto& [q, taken] : {std::pair{"1", 0u}, std::pair{"0", 1u}}) {
        balancer_rig rig("prequal", {{"hot_quantile", q}});
        made_fleet fleet;
        fleet.page(0b11, {.places = 10});
        fleet.set_jobs(0, 4);  // faster, and has more to do
        fleet.set_jobs(1, 2);
        learn(rig, fleet, {{0, 1000}, {1, 2000}});
        const auto seen = count_picks(rig, fleet, 200);
        EXPECT_GT(seen.contains(taken) ? seen.at(taken) : 0, 150) << q;
    }
}

TEST(prequal, a_runner_without_news_is_tried_again) {
    balancer_rig rig("prequal");
    made_fleet fleet;
    fleet.page(0b111, {.places = 10});
    learn(rig, fleet, {{0, 1000}, {1, 1000}, {2, 9000}});
    for (int i = 0; i < 100; ++i) {
        const auto got = rig.pick(fleet);
        EXPECT_NE(got.slot[0], 2u);
        result(rig, got.slot[0], 1000);
    }
    rig.now_ns += 11'000'000'000;
    for (int i = 0; i < 200; ++i) {
        const auto got = rig.pick(fleet);
        result(rig, got.slot[0], 1000);
        if (got.slot[0] == 2) return;
    }
    FAIL() << "it was not";
}

TEST(prequal, only_who_can_take_the_job_is_picked) {
    balancer_rig rig("prequal");
    made_fleet fleet;
    EXPECT_EQ(rig.pick(fleet).n, 0);
    fleet.page(0xff, {.places = 2});
    fleet.page(0xff, {.places = 2});
    learn(rig, fleet, [&] {
        std::map<std::uint32_t, std::uint64_t> all;
        for (std::uint32_t slot : fleet.runners()) all[slot] = slot < 64 ? 100 : 5000;
        return all;
    }());
    // The rig checks each pick. The fast ones are in the pool and may not be used.
    fleet.feasible[0] = 0b10;
    for (int i = 0; i < 50; ++i) EXPECT_EQ(rig.pick(fleet, 4).n, 4);
    for (std::uint32_t slot : fleet.runners()) fleet.set_jobs(slot, 2);
    EXPECT_EQ(rig.pick(fleet, 4).n, 0);
    EXPECT_EQ(rig.pick(fleet, 4, SIGRUN_REQ_EXPLORE).n, 0);
    fleet.set_jobs(70, 1);
    for (int i = 0; i < 50; ++i) {
        const auto got = rig.pick(fleet, 4);
        ASSERT_EQ(got.n, 1);
        EXPECT_EQ(got.slot[0], 70u);
    }
}

TEST(prequal, exploring_takes_anybody) {
    balancer_rig rig("prequal");
    made_fleet fleet;
    fleet.page(0xff, {.places = 20});
    for (std::uint32_t slot = 0; slot < 8; ++slot) fleet.set_jobs(slot, 2 * slot);
    EXPECT_SHARES(count_picks(rig, fleet, 10'000, SIGRUN_REQ_EXPLORE), equal_shares(fleet));
    EXPECT_EQ(rig.pick(fleet, 1, SIGRUN_REQ_EXPLORE).reason, SIGRUN_WHY_EXPLORE);
}

TEST(prequal, mission_A3_a_slow_runner_loses_its_excess_share_and_gets_it_back) {
    balancer_rig rig("prequal");
    made_fleet fleet;
    fleet.page(0xffff, {});
    job_stream jobs(rig, fleet, 0.5, 1);
    jobs.run(2000);
    jobs.at(3).slowness = 4;
    jobs.run(500);
    const double fair = 1.0 / 16, by_speed = 0.25 / 15.25;
    EXPECT_LE(share_of(jobs.run(5000), {3}), by_speed + 0.1 * (fair - by_speed));
    jobs.at(3).slowness = 1;
    jobs.run(20'000);
    EXPECT_GE(share_of(jobs.run(10'000), {3}), fair / 2);
}

TEST(prequal, mission_A3_runners_that_fail_at_once_are_avoided) {
    balancer_rig rig("prequal");
    expect_failing_runners_are_avoided(rig);
}

TEST(prequal, threads_share_what_they_know) {
    sdk::mock_host host;
    sigrun_instance* instance = host.start(host.create("prequal"));
    const auto* table =
        static_cast<const sigrun_balancer*>(instance->get_interface(instance, sdk::str(SIGRUN_KIND_BALANCER)));
    EXPECT_TRUE(table->caps & SIGRUN_BALANCER_NEEDS_FEEDBACK);
    EXPECT_FALSE(table->caps & SIGRUN_BALANCER_DETERMINISTIC);
    made_fleet fleet;
    fleet.page(0xffff, {.places = 100});
    auto work = [&](unsigned seed, bool slow, std::map<std::uint32_t, int>* seen) {
        void* tls = table->thread_init(instance, seed);
        std::mt19937_64 random(seed);
        for (int i = 0; i < 5000; ++i) {
            sigrun_req req{};
            req.now_ns = 1'000'000'000;
            req.want_k = 1;
            req.rng = random();
            sigrun_pick out{};
            table->pick(tls, &fleet.view(), &req, 1, fleet.feasible.data(), &out);
            if (seen) ++(*seen)[out.slot[0]];
            sigrun_done d{};
            d.slot = out.slot[0];
            d.exec_us = out.slot[0] < 8 ? 1000 : slow ? 8000 : 1000;
            table->done(tls, &d, 1);
        }
        table->thread_fini(instance, tls);
    };
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 3; ++i) threads.emplace_back(work, i, true, nullptr);
    for (auto& t : threads) t.join();
    // A thread that never saw anybody finish avoids the slow half.
    std::map<std::uint32_t, int> seen;
    void* tls = table->thread_init(instance, 9);
    std::mt19937_64 random(9);
    int slow = 0;
    for (int i = 0; i < 500; ++i) {
        sigrun_req req{};
        req.now_ns = 1'000'000'000;
        req.want_k = 1;
        req.rng = random();
        sigrun_pick out{};
        table->pick(tls, &fleet.view(), &req, 1, fleet.feasible.data(), &out);
        slow += out.slot[0] >= 8;
    }
    table->thread_fini(instance, tls);
    EXPECT_LT(slow, 25);
}

TEST(prequal, wrong_options_are_refused) {
    sdk::mock_host host;
    EXPECT_THROW(host.create("prequal", {{"hot_quantile", "1.1"}}), sdk::failure);
    EXPECT_THROW(host.create("prequal", {{"hot_quantile", "-0.1"}}), sdk::failure);
}

}  // namespace
