// The times of a job document.
#include "kernel/job/spec.hpp"
#include "unit/kernel/select/fleet.hpp"

#include <gtest/gtest.h>

namespace {

using namespace sigrun;
using namespace sigrun::test;
using namespace std::chrono_literals;

result<spec_ptr> parsed_times(const std::string& members) {
    const auto select = make_selector({scripted::make("first", propose_nothing)});
    return parse_job_spec("{\"command\":[\"true\"]" + members + "}", *select, {});
}

TEST(spec_times, timeouts_that_are_not_named_have_their_defaults) {
    const auto spec = parsed_times("").value();
    EXPECT_EQ(spec->queue_timeout, 0s);
    EXPECT_EQ(spec->start_timeout, 1min);
    EXPECT_FALSE(spec->names_start_timeout);
    EXPECT_EQ(spec->run_timeout, 1h);
    EXPECT_EQ(spec->silent_timeout, 0s);
    EXPECT_EQ(spec->total_timeout, 0s);
}

TEST(spec_times, each_timeout_is_read_from_its_own_field) {
    const auto spec =
        parsed_times(R"(,"timeouts":{"queue":"1s","start":"2s","run":"3s","silent":"4s","total":"5s"})").value();
    EXPECT_EQ(spec->queue_timeout, 1s);
    EXPECT_EQ(spec->start_timeout, 2s);
    EXPECT_TRUE(spec->names_start_timeout);
    EXPECT_EQ(spec->run_timeout, 3s);
    EXPECT_EQ(spec->silent_timeout, 4s);
    EXPECT_EQ(spec->total_timeout, 5s);
}

TEST(spec_times, a_timeout_that_nobody_knows_is_refused_with_those_there_are) {
    const auto refused = parsed_times(R"(,"timeouts":{"forever":"1s"})");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().field, "timeouts.forever");
    EXPECT_EQ(refused.error().expected, "one of queue, start, run, silent, total");
}

TEST(spec_times, a_call_has_no_output_and_no_timeout_for_it) {
    const auto refused = parsed_times(R"(,"kind":"call","timeouts":{"silent":"4s"})");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().field, "timeouts.silent");
}

TEST(spec_times, a_start_is_a_time_or_a_delay) {
    EXPECT_EQ(parsed_times("").value()->start_at_ns, 0);
    EXPECT_EQ(parsed_times(R"(,"start_at":"2026-01-01T01:00:00+01:00")").value()->start_at_ns,
              1'767'225'600'000'000'000);
    EXPECT_EQ(parsed_times(R"(,"delay":"90s")").value()->delay, 90s);
    const auto both = parsed_times(R"(,"delay":"90s","start_at":"2026-01-01T00:00:00Z")");
    ASSERT_FALSE(both);
    EXPECT_EQ(both.error().field, "delay");
    EXPECT_EQ(both.error().expected, "either start_at or delay");
}

TEST(spec_times, a_delay_is_within_a_year_and_before_the_total_time_is_over) {
    EXPECT_TRUE(parsed_times(R"(,"delay":"8784h")"));
    EXPECT_EQ(parsed_times(R"(,"delay":"8784h1s")").error().field, "delay");
    EXPECT_EQ(parsed_times(R"(,"delay":"2s","timeouts":{"total":"2s"})").error().field, "timeouts.total");
    EXPECT_TRUE(parsed_times(R"(,"delay":"2s","timeouts":{"total":"3s"})"));
}

}  // namespace
