#include "kernel/metrics/exposition.hpp"

#include "kernel/metrics/series_ring.hpp"
#include "kernel/metrics/traffic.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace sigrun {
namespace {

TEST(exposition, labels_are_escaped_as_prometheus_reads_them) {
    std::string text;
    exposition out(text);
    out.family("x_total", "counter", "What it is");
    out.sample({{"a", "q\"b\\c\nd"}, {"e", ""}}, 1.5);
    out.sample({}, 7);
    EXPECT_EQ(
        text,
        "# HELP x_total What it is\n# TYPE x_total counter\nx_total{a=\"q\\\"b\\\\c\\nd\",e=\"\"} 1.5\nx_total 7\n");
}

TEST(exposition, buckets_of_a_histogram_add_up) {
    latency_counts counts;
    counts.record(10'000);
    counts.record(20'000);
    counts.record(4'000'000'000'000);
    std::string text;
    exposition out(text);
    out.family("t_seconds", "histogram", "t");
    out.histogram({{"p", "x"}}, counts.snapshot());
    EXPECT_NE(text.find("t_seconds_bucket{p=\"x\",le=\"1e-05\"} 1\n"), std::string::npos) << text;
    EXPECT_NE(text.find("t_seconds_bucket{p=\"x\",le=\"3600\"} 2\n"), std::string::npos) << text;
    EXPECT_NE(text.find("t_seconds_bucket{p=\"x\",le=\"+Inf\"} 3\n"), std::string::npos);
    EXPECT_NE(text.find("t_seconds_count{p=\"x\"} 3\n"), std::string::npos);
}

TEST(series_ring, the_oldest_points_go_and_the_memory_stays) {
    series_ring ring(2, 3);
    const auto bytes = ring.bytes();
    for (float i = 0; i < 5; ++i) {
        const float row[] = {i, -i};
        ring.push(row);
    }
    ring.push_nothing();
    EXPECT_EQ(ring.size(), 3u);
    EXPECT_EQ(ring.bytes(), bytes);
    EXPECT_EQ(ring.at(0, 0), 3);
    EXPECT_EQ(ring.at(1, 1), -4);
    EXPECT_TRUE(std::isnan(ring.at(0, 2)));
}

TEST(traffic_board, protocols_beyond_the_limit_share_one_place) {
    traffic_board board;
    auto& first = board.of("http");
    for (std::size_t i = 0; i < 2 * traffic_board::k_most; ++i) board.of("p" + std::to_string(i)).calls.fetch_add(1);
    EXPECT_EQ(&board.of("http"), &first);
    EXPECT_EQ(board.all().size(), traffic_board::k_most + 1);
    EXPECT_EQ(board.all().back()->name, "other");
    EXPECT_EQ(board.all().back()->calls.load(), traffic_board::k_most + 1);
}

}  // namespace
}  // namespace sigrun
