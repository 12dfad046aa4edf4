// The choice of a protocol against an oracle that was written from the formula, in logarithms and with sorting by hand.
#include "kernel/link/rung_score.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

namespace sigrun {
namespace {

using namespace std::chrono_literals;
constexpr std::uint8_t k_valkyrie = 0, k_grpc = 1, k_http = 2, k_websocket = 3;

rung_rules rules_for(const std::string& strategy) {
    rung_rules r;
    r.strategy = strategy;
    r.protocol_weights = {1.2, 1.1, 1.0, 0.9};
    r.urgent = {k_valkyrie, k_grpc, k_websocket, k_http};
    r.relaxed = {k_http, k_valkyrie, k_grpc, k_websocket};
    if (strategy == "valkyrie_first") {
        r.first = k_valkyrie;
        r.relaxed = r.urgent;
    }
    if (strategy == "http_first") {
        r.first = k_http;
        r.urgent = r.relaxed;
    }
    return r;
}

rung_view measured(std::uint8_t protocol, nanoseconds latency, double success = 0.99, std::uint32_t samples = 100) {
    return {protocol, latency, success, 0, samples, false};
}

// ln of the score.
double oracle(const rung_rules& rules, const rung_view& r, const std::vector<rung_view>& all, bool bulky) {
    double us = static_cast<double>(r.latency.count()) / 1000, best = us, fastest = 0;
    for (const auto& x : all) {
        if (x.latency.count()) best = std::min(best, static_cast<double>(x.latency.count()) / 1000);
        fastest = std::max(fastest, x.bytes_per_s);
    }
    const std::map<int, double> prior{{0, 1.2}, {1, 1.1}, {2, 1.0}, {3, 0.9}};
    const double fade = r.samples >= 10 ? 0 : 1 - r.samples / 10.0;
    double sum = std::log(1 + (prior.at(r.protocol) - 1) * fade);
    const double tier = us < 10 ? 1 : us < 100 ? 0.95 : us < 1000 ? 0.9 : 0.85;
    sum += rules.performance_weight / 0.4 * std::log(tier);
    sum += 2 * rules.reliability_weight / 0.3 * std::log(r.success);
    if (std::llround(1000 * (us - best)) >= 5000) sum += rules.latency_weight / 0.2 * std::log(best / us);
    if (bulky && r.bytes_per_s > 0) sum += rules.throughput_weight / 0.1 * std::log(r.bytes_per_s / fastest);
    if (r.protocol == rules.preferred) sum += std::log(1 + rules.preferred_bias);
    return sum;
}

std::vector<rung_view> random_rungs(std::mt19937_64& random, bool enough) {
    std::uniform_real_distribution<double> u(0, 1);
    std::vector<rung_view> all;
    for (std::uint8_t p = 0; p < 4; ++p) {
        if (u(random) < 0.25) continue;
        rung_view r;
        r.protocol = p;
        r.latency = nanoseconds(static_cast<std::int64_t>(std::exp(u(random) * 9 + 8)));  // 3 us to 24 ms
        r.success = 0.3 + 0.7 * u(random);
        r.bytes_per_s = u(random) < 0.5 ? 0 : 1e6 * u(random) + 1;
        r.samples =
            enough ? 10 + static_cast<std::uint32_t>(u(random) * 100) : static_cast<std::uint32_t>(u(random) * 9);
        all.push_back(r);
    }
    std::shuffle(all.begin(), all.end(), random);
    return all;
}

TEST(mission_I4, the_score_equals_an_independent_computation) {
    std::mt19937_64 random(1);
    std::uniform_real_distribution<double> u(0, 1);
    for (int i = 0; i < 20'000; ++i) {
        auto rules = rules_for("performance");
        rules.performance_weight = u(random);
        rules.reliability_weight = u(random);
        rules.latency_weight = u(random);
        rules.throughput_weight = u(random);
        rules.preferred = static_cast<std::uint8_t>(random() % 5);
        const auto all = random_rungs(random, random() % 2 == 0);
        const bool bulky = random() % 2 == 0;
        for (const auto& r : all)
            ASSERT_NEAR(std::log(rung_score(rules, r, all, bulky)), oracle(rules, r, all, bulky), 1e-9);
    }
}

TEST(mission_I4, performance_takes_the_best_score_where_all_are_measured) {
    std::mt19937_64 random(2);
    const auto rules = rules_for("performance");
    for (int i = 0; i < 20'000; ++i) {
        const auto all = random_rungs(random, true);
        const auto order = rank_rungs(rules, all, random() % 2, false, {}, time_point{1h});
        ASSERT_EQ(order.size, all.size());
        auto want = all;
        std::sort(want.begin(), want.end(), [&](const rung_view& a, const rung_view& b) {
            return oracle(rules, a, all, false) > oracle(rules, b, all, false);
        });
        for (std::size_t k = 0; k < want.size(); ++k) ASSERT_EQ(order.protocol[k], want[k].protocol) << i << " " << k;
    }
}

TEST(mission_I2, valkyrie_first_takes_it_whenever_it_is_usable_and_else_the_best_score) {
    std::mt19937_64 random(3);
    const auto rules = rules_for("valkyrie_first");
    for (int i = 0; i < 5'000; ++i) {
        const auto all = random_rungs(random, true);
        if (all.empty()) continue;
        const auto order = rank_rungs(rules, all, false, false, {}, time_point{1h});
        const bool has = std::any_of(all.begin(), all.end(), [](const auto& r) { return r.protocol == k_valkyrie; });
        if (has) {
            ASSERT_EQ(order.protocol[0], k_valkyrie);
        } else {
            const auto best = std::max_element(all.begin(), all.end(), [&](const auto& a, const auto& b) {
                return oracle(rules, a, all, false) < oracle(rules, b, all, false);
            });
            ASSERT_EQ(order.protocol[0], best->protocol);
        }
    }
}

TEST(mission_I3, http_first_takes_it_however_slow_it_is) {
    const std::vector<rung_view> all{measured(k_valkyrie, 10us), measured(k_http, 20ms, 0.5)};
    EXPECT_EQ(rank_rungs(rules_for("http_first"), all, true, true, {}, time_point{1h}).protocol[0], k_http);
    const std::vector<rung_view> without{measured(k_websocket, 1ms), measured(k_grpc, 50us)};
    EXPECT_EQ(rank_rungs(rules_for("http_first"), without, false, false, {}, time_point{1h}).protocol[0], k_grpc);
}

TEST(mission_I5, adaptive_goes_by_the_seeds_rule_until_two_rungs_are_measured) {
    const auto rules = rules_for("adaptive");
    std::vector<rung_view> all{measured(k_http, 1ms, 0.9, 9), measured(k_valkyrie, 50us, 0.9, 100)};
    EXPECT_EQ(rank_rungs(rules, all, true, false, {}, time_point{1h}).protocol[0], k_valkyrie) << "urgent";
    EXPECT_EQ(rank_rungs(rules, all, false, false, {}, time_point{1h}).protocol[0], k_http);
    EXPECT_EQ(rank_rungs(rules, all, false, false, {}, time_point{1h}).why, rung_why::prior);
    all[0].samples = 10;
    EXPECT_EQ(rank_rungs(rules, all, false, false, {}, time_point{1h}).protocol[0], k_valkyrie);
    EXPECT_EQ(rank_rungs(rules, all, false, false, {}, time_point{1h}).why, rung_why::score);
}

TEST(mission_F3, new_work_leaves_the_rung_in_use_at_a_ratio_of_1_2_and_not_below_it) {
    const auto rules = rules_for("performance");
    const time_point now{1h};
    const rung_before before{k_http, now - 10s};
    auto with = [&](std::int64_t valkyrie_ns) {
        const std::vector<rung_view> all{measured(k_http, 400us), measured(k_valkyrie, nanoseconds(valkyrie_ns))};
        return rank_rungs(rules, all, false, false, before, now).protocol[0];
    };
    EXPECT_EQ(with(333'000), k_valkyrie);
    EXPECT_EQ(with(334'000), k_http);
    const std::vector<rung_view> all{measured(k_http, 400us), measured(k_valkyrie, 100us)};
    EXPECT_EQ(rank_rungs(rules, all, false, false, {k_http, now - 9'999ms}, now).protocol[0], k_http) << "the dwell";
    EXPECT_EQ(rank_rungs(rules, all, false, false, {k_http, now - 9'999ms}, now).why, rung_why::kept);
    const std::vector<rung_view> few{measured(k_http, 400us), measured(k_valkyrie, 100us, 0.99, 9)};
    EXPECT_EQ(rank_rungs(rules, few, true, false, {k_http, now - 1h}, now).protocol[0], k_valkyrie) << "prior";
    const std::vector<rung_view> gone{measured(k_valkyrie, 1s)};
    EXPECT_EQ(rank_rungs(rules, gone, false, false, {k_http, now}, now).protocol[0], k_valkyrie) << "lost: at once";
}

TEST(mission_F3, ten_percent_of_noise_changes_nothing_and_ties_are_stable) {
    std::mt19937_64 random(4);
    std::uniform_real_distribution<double> noise(0.95, 1.05);
    const auto rules = rules_for("performance");
    rung_before before;
    time_point now{1h};
    int switches = 0;
    for (int i = 0; i < 10'000; ++i, now += 1s) {
        const std::vector<rung_view> all{
            measured(k_http, nanoseconds(static_cast<std::int64_t>(300'000 * noise(random)))),
            measured(k_valkyrie, nanoseconds(static_cast<std::int64_t>(300'000 * noise(random))))};
        const auto order = rank_rungs(rules, all, false, false, before, now);
        if (order.protocol[0] != before.protocol) {
            ++switches;
            before = {order.protocol[0], now};
        }
    }
    EXPECT_EQ(switches, 1);
}

TEST(mission_C20, protocol_weights_decide_while_nothing_else_does_and_fade) {
    auto rules = rules_for("performance");
    rules.min_samples = 1;
    auto best = [&](std::uint32_t samples) {
        const std::vector<rung_view> all{measured(k_http, 300us, 0.9, samples),
                                         measured(k_valkyrie, 310us, 0.9, samples)};
        return rank_rungs(rules, all, false, false, {}, time_point{1h}).protocol[0];
    };
    EXPECT_EQ(best(1), k_valkyrie);
    EXPECT_EQ(best(10), k_http);
    rules.protocol_weights[k_http] = 2;
    EXPECT_EQ(best(1), k_http);
}

TEST(mission_C24, each_of_the_four_weights_changes_the_order) {
    const time_point now{1h};
    struct {
        const char* what;
        double rung_rules::*weight;
        rung_view a, b;  // a wins with the default, b with `other`
        double other;
    } const cases[] = {
        {"performance", &rung_rules::performance_weight, measured(k_grpc, 99us, 0.99), measured(k_http, 104us, 0.9999),
         0},
        {"latency", &rung_rules::latency_weight, measured(k_grpc, 200us, 0.9), measured(k_http, 400us, 0.99), 0},
        {"reliability", &rung_rules::reliability_weight, measured(k_grpc, 400us, 0.99), measured(k_http, 300us, 0.8),
         0},
    };
    for (const auto& c : cases) {
        auto rules = rules_for("performance");
        if (c.weight == &rung_rules::performance_weight) rules.latency_weight = 0.01;
        const std::vector<rung_view> all{c.a, c.b};
        EXPECT_EQ(rank_rungs(rules, all, false, false, {}, now).protocol[0], c.a.protocol) << c.what;
        rules.*c.weight = c.other;
        EXPECT_EQ(rank_rungs(rules, all, false, false, {}, now).protocol[0], c.b.protocol) << c.what;
    }
    auto rules = rules_for("performance");
    std::vector<rung_view> all{measured(k_grpc, 300us), measured(k_http, 400us)};
    all[0].bytes_per_s = 1e6;
    all[1].bytes_per_s = 1e7;
    EXPECT_EQ(rank_rungs(rules, all, false, true, {}, now).protocol[0], k_http) << "throughput";
    EXPECT_EQ(rank_rungs(rules, all, false, false, {}, now).protocol[0], k_grpc) << "for bulky jobs only";
    rules.throughput_weight = 0;
    EXPECT_EQ(rank_rungs(rules, all, false, true, {}, now).protocol[0], k_grpc);
}

TEST(mission_C22, a_preferred_protocol_gains_its_bias) {
    auto rules = rules_for("performance");
    const std::vector<rung_view> all{measured(k_grpc, 300us), measured(k_http, 350us)};
    EXPECT_EQ(rank_rungs(rules, all, false, false, {}, time_point{1h}).protocol[0], k_grpc);
    rules.preferred = k_http;
    EXPECT_EQ(rank_rungs(rules, all, false, false, {}, time_point{1h}).protocol[0], k_http);
    rules.preferred_bias = 0.1;
    EXPECT_EQ(rank_rungs(rules, all, false, false, {}, time_point{1h}).protocol[0], k_grpc);
}

TEST(mission_Q3, a_rung_that_broke_a_moment_ago_comes_last_under_every_strategy) {
    for (const auto& strategy : rung_strategies()) {
        std::vector<rung_view> all{measured(k_valkyrie, 50us), measured(k_http, 900us)};
        for (auto& r : all) {
            r.held = true;
            const auto order = rank_rungs(rules_for(std::string(strategy.name)), all, true, false, {}, time_point{1h});
            EXPECT_NE(order.protocol[0], r.protocol) << strategy.name;
            r.held = false;
        }
    }
}

TEST(mission_I6, turns_keep_their_order_whatever_is_measured) {
    auto rules = rules_for("round_robin");
    rules.rotate = true;
    std::mt19937_64 random(7);
    for (int i = 0; i < 200; ++i) {
        const auto all = random_rungs(random, i % 2);
        const auto order = rank_rungs(rules, all, true, false, {}, time_point(1h));
        std::vector<std::uint8_t> expected;
        for (const auto p : rules.urgent)
            if (std::any_of(all.begin(), all.end(), [&](const rung_view& v) { return v.protocol == p; }))
                expected.push_back(p);
        EXPECT_EQ(std::vector(order.protocol.begin(), order.protocol.begin() + order.size), expected) << i;
    }
}

TEST(mission_Q3, nothing_usable_gives_an_empty_order) {
    EXPECT_EQ(rank_rungs(rules_for("adaptive"), {}, false, false, {}, time_point{1h}).size, 0);
}

}  // namespace
}  // namespace sigrun
