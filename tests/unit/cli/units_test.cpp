#include "kernel/app/sigrun/units.hpp"

#include "kernel/app/sigrun/latency_histogram.hpp"
#include "kernel/base/clock.hpp"
#include "kernel/base/rfc3339.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace sigrun::cli {
namespace {

constexpr std::int64_t k_s = 1'000'000'000;

TEST(units, ages_have_one_unit_and_never_look_into_the_future) {
    EXPECT_EQ(age(0, k_s / 2), "now");
    EXPECT_EQ(age(0, 59 * k_s), "59s");
    EXPECT_EQ(age(0, 150 * k_s), "2m");
    EXPECT_EQ(age(0, 3 * 3600 * k_s), "3h");
    EXPECT_EQ(age(0, 72 * 3600 * k_s), "3d");
    EXPECT_EQ(age(10 * k_s, 0), "now");
}

TEST(units, spans_have_three_digits) {
    EXPECT_EQ(span_of_time(412), "412 ns");
    EXPECT_EQ(span_of_time(83'240), "83.2 us");
    EXPECT_EQ(span_of_time(1'000'000), "1 ms");
    EXPECT_EQ(span_of_time(1'240'000'000), "1.24 s");
    EXPECT_EQ(span_of_time(200 * k_s), "3m 20s");
    EXPECT_EQ(span_of_time(7500 * k_s), "2h 5m");
    EXPECT_EQ(span_of_time(-5), "-5 ns");
}

TEST(units, times_are_read_back_from_what_the_kernel_writes) {
    const std::int64_t when = 1'767'225'600'123'000'000;
    EXPECT_EQ(parse_rfc3339(to_rfc3339(when)), when);
    EXPECT_EQ(parse_rfc3339("2026-01-01T01:00:00+01:00"), 1'767'225'600 * k_s);
    EXPECT_EQ(parse_rfc3339("2025-12-31T23:30:00-00:30"), 1'767'225'600 * k_s);
}

TEST(units, what_is_no_time_is_refused) {
    for (const char* text : {"", "yesterday", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z",
                             "2026-01-01T00:00:00", "2026-01-01T00:00:00.", "2026-01-01T00:00:00Zx",
                             "2026-01-01T00:00:00+1:00", "2026/01/01T00:00:00Z"})
        EXPECT_FALSE(parse_rfc3339(text)) << text;
    EXPECT_EQ(age_of("", 5), "");
}

TEST(units, numbers_are_grouped) {
    EXPECT_EQ(grouped(0), "0");
    EXPECT_EQ(grouped(999), "999");
    EXPECT_EQ(grouped(1000), "1,000");
    EXPECT_EQ(grouped(1234567), "1,234,567");
}

TEST(units, facts_take_the_unit_from_the_end_of_their_key) {
    EXPECT_EQ(fact_text("memory.total_bytes", json::value(25'282'715'648)), "23.5 GiB");
    EXPECT_EQ(fact_text("nic[0].speed_bps", json::value(1'000'000'000)), "1 Gb/s");
    EXPECT_EQ(fact_text("perf.mem_triad_bps", json::value(250'000'000'000)), "31.2 GB/s") << "of memory in bytes";
    EXPECT_EQ(fact_text("perf.disk_rand_iops", json::value(61'800)), "61.8 kIOPS");
    EXPECT_EQ(fact_text("perf.mem_latency_ns", json::value(112.4)), "112 ns");
    EXPECT_EQ(fact_text("perf.fsync_p50_us", json::value(238)), "238 us");
    EXPECT_EQ(fact_text("perf.noise_ratio", json::value(0.024)), "2.4 %");
    EXPECT_EQ(fact_text("cpu.max_hz", json::value(3'350'000'000)), "3.35 GHz");
    EXPECT_EQ(fact_text("net.controller_rtt_us", json::value(1500)), "1.5 ms");
    EXPECT_EQ(fact_text("host.boot_time_s", json::value(1'767'225'600)), "1767225600");
    EXPECT_EQ(fact_text("cpu.effective_cores", json::value(1.5)), "1.5");
    EXPECT_EQ(fact_text("cpu.smt", json::value(true)), "yes");
    EXPECT_EQ(fact_text("x_bytes", json::value(-1)), "-1");
    EXPECT_EQ(fact_text("x_us", json::value(1e300)).find("us"), std::string::npos);
}

TEST(units, lists_and_records_are_flat) {
    EXPECT_EQ(fact_text("cpu.features", json::array{"avx", "avx2"}), "avx avx2");
    EXPECT_EQ(fact_text("x", json::array{}), "(none)");
    EXPECT_EQ(fact_text("lang", json::value({{"name", "gcc"}, {"version", "12"}, {"path", nullptr}})),
              "name=gcc version=12");
}

TEST(latency_histogram, quantiles_stay_within_two_percent_of_the_sorted_truth) {
    std::mt19937_64 random(7);
    std::lognormal_distribution<double> shape(11, 2);
    latency_histogram h;
    std::vector<std::uint64_t> truth;
    for (int i = 0; i < 20'000; ++i) {
        const auto ns = static_cast<std::uint64_t>(shape(random));
        h.record(ns);
        truth.push_back(ns);
    }
    std::sort(truth.begin(), truth.end());
    EXPECT_EQ(h.count(), truth.size());
    for (double q : {0.0, 0.5, 0.9, 0.99, 0.999, 1.0}) {
        const auto exact =
            static_cast<double>(truth[static_cast<std::size_t>(q * static_cast<double>(truth.size() - 1))]);
        EXPECT_NEAR(static_cast<double>(h.quantile(q)), exact, exact * 0.02 + 1) << q;
    }
}

TEST(latency_histogram, takes_nothing_and_everything) {
    latency_histogram h;
    EXPECT_EQ(h.quantile(0.5), 0u);
    h.record(0);
    EXPECT_EQ(h.quantile(0.5), 0u);
    h.record(~std::uint64_t{0});
    EXPECT_EQ(h.count(), 2u);
    EXPECT_GT(h.quantile(1.0), std::uint64_t{3600} * k_s);
}

}  // namespace
}  // namespace sigrun::cli
