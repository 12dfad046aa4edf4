#include "kernel/metrics/metrics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <thread>

namespace sigrun {
namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(metrics, appear_in_the_text_format_with_help_and_type) {
    metrics m;
    m.get_counter("jobs_total", "Jobs", {{"state", "done"}}).add(3);
    m.get_gauge("runners", "Runners").set(2.5);
    auto text = m.text();
    EXPECT_TRUE(contains(text, "# HELP jobs_total Jobs\n# TYPE jobs_total counter\njobs_total{state=\"done\"} 3\n"))
        << text;
    EXPECT_TRUE(contains(text, "# TYPE runners gauge\nrunners 2.5\n")) << text;
}

TEST(metrics, the_same_name_and_labels_are_the_same_series) {
    metrics m;
    m.get_counter("n_total", "N").add();
    m.get_counter("n_total", "another help").add();
    m.get_counter("n_total", "N", {{"a", "b"}}).add(5);
    EXPECT_TRUE(contains(m.text(), "n_total 2\n"));
    EXPECT_TRUE(contains(m.text(), "n_total{a=\"b\"} 5\n"));
}

TEST(metrics, a_counter_only_grows) {
    metrics m;
    auto c = m.get_counter("n_total", "N");
    c.add(1);
    c.add(-4);
    c.add(std::numeric_limits<double>::quiet_NaN());
    EXPECT_TRUE(contains(m.text(), "n_total 1\n")) << m.text();
}

TEST(metrics, a_gauge_goes_up_and_down) {
    metrics m;
    auto g = m.get_gauge("level", "L");
    g.add(5);
    g.add(-7);
    EXPECT_TRUE(contains(m.text(), "level -2\n"));
}

TEST(metrics, a_histogram_counts_into_its_buckets) {
    metrics m;
    auto h = m.get_histogram("wait_seconds", "W", {0.1, 1, 10});
    for (double v : {0.05, 0.1, 0.5, 100.0}) h.observe(v);
    auto text = m.text();
    EXPECT_TRUE(contains(text, "wait_seconds_bucket{le=\"0.1\"} 2\n")) << text;
    EXPECT_TRUE(contains(text, "wait_seconds_bucket{le=\"1\"} 3\n")) << text;
    EXPECT_TRUE(contains(text, "wait_seconds_bucket{le=\"+Inf\"} 4\n")) << text;
    EXPECT_TRUE(contains(text, "wait_seconds_count 4\n")) << text;
}

TEST(metrics, wrong_names_labels_buckets_and_types_are_refused) {
    metrics m;
    for (auto name : {"", "1st", "with space", "dash-ed", "tab\t"})
        EXPECT_THROW(m.get_counter(name, ""), std::invalid_argument) << name;
    EXPECT_NO_THROW(m.get_counter("a:b_1", ""));
    for (auto label : {"", "1st", "a:b", "__own", "le"})
        EXPECT_THROW(m.get_counter("n_total", "", {{label, "x"}}), std::invalid_argument) << label;
    EXPECT_THROW(m.get_histogram("h", "", {}), std::invalid_argument);
    EXPECT_THROW(m.get_histogram("h", "", {2, 1}), std::invalid_argument);
    EXPECT_THROW(m.get_histogram("h", "", {1, 1}), std::invalid_argument);
    m.get_counter("taken", "");
    EXPECT_THROW(m.get_gauge("taken", ""), std::invalid_argument);
}

TEST(metrics, label_values_are_escaped) {
    metrics m;
    m.get_counter("n_total", "N", {{"path", "a\"b\\c\nd"}}).add();
    EXPECT_TRUE(contains(m.text(), R"(n_total{path="a\"b\\c\nd"} 1)")) << m.text();
}

TEST(metrics, beyond_ten_thousand_series_new_labels_share_one) {
    metrics m;
    for (int i = 0; i < 10'000; ++i) m.get_counter("n_total", "N", {{"i", std::to_string(i)}});
    m.get_counter("n_total", "N", {{"i", "one more"}}).add(2);
    m.get_counter("n_total", "N", {{"i", "another"}}).add(3);
    m.get_counter("n_total", "N", {{"i", "17"}}).add(7);  // a known one keeps its own
    auto text = m.text();
    EXPECT_TRUE(contains(text, "n_total{overflow=\"true\"} 5\n"));
    EXPECT_TRUE(contains(text, "n_total{i=\"17\"} 7\n"));
    EXPECT_FALSE(contains(text, "one more"));
}

TEST(metrics, beyond_a_thousand_names_new_ones_are_refused) {
    metrics m;
    for (int i = 0; i < 1000; ++i) m.get_counter("n" + std::to_string(i), "");
    EXPECT_THROW(m.get_counter("one_more", ""), std::length_error);
    EXPECT_NO_THROW(m.get_counter("n5", ""));
}

TEST(metrics, no_addition_of_many_threads_is_lost) {
    metrics m;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            auto c = m.get_counter("n_total", "N");
            auto h = m.get_histogram("h", "H", {1});
            for (int i = 0; i < 5000; ++i) {
                c.add();
                h.observe(0.5);
            }
        });
    for (auto& t : threads) t.join();
    EXPECT_TRUE(contains(m.text(), "n_total 20000\n"));
    EXPECT_TRUE(contains(m.text(), "h_count 20000\n"));
}

}  // namespace
}  // namespace sigrun
