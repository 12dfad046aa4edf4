#include "kernel/job/job_trace.hpp"

#include <sigrun/cpp/request_context.hpp>

#include <gtest/gtest.h>

namespace sigrun {
namespace {

constexpr std::string_view k_caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

job_tracer sending(double share = 1) {
    return {[](const std::vector<trace_span>&) {}, share};
}

TEST(job_trace, a_callers_trace_goes_on_and_each_attempt_has_a_span_of_its_own) {
    const auto t = sending(0).begin(k_caller);
    ASSERT_TRUE(t);
    EXPECT_EQ(t->trace_id, "0af7651916cd43dd8448eb211c80319c");
    EXPECT_EQ(t->parent, "b7ad6b7169203331");
    EXPECT_TRUE(t->sampled);
    const auto first = t->trace_parent(1), second = t->trace_parent(2);
    EXPECT_TRUE(sdk::is_trace_parent(first)) << first;
    EXPECT_NE(first, second);
    EXPECT_EQ(first, t->trace_parent(1));
    EXPECT_EQ(first.substr(0, 36), k_caller.substr(0, 36));
}

TEST(job_trace, where_no_spans_are_made_the_command_is_within_its_callers) {
    const job_tracer none({}, 1);
    EXPECT_EQ(none.begin(k_caller)->trace_parent(1), k_caller);
    EXPECT_FALSE(none.begin(""));
    // Nor of a trace that its caller does not sample.
    const std::string quiet = std::string(k_caller.substr(0, 53)) + "00";
    EXPECT_EQ(sending().begin(quiet)->trace_parent(3), quiet);
}

TEST(job_trace, a_share_of_the_jobs_begins_a_trace) {
    int begun = 0;
    for (int i = 0; i < 2000; ++i)
        if (const auto t = sending(0.25).begin("")) {
            ++begun;
            EXPECT_TRUE(sdk::is_trace_parent(t->trace_parent(1)));
            EXPECT_TRUE(t->parent.empty());
        }
    EXPECT_NEAR(begun, 500, 150);
    EXPECT_FALSE(sending(0).begin(""));
    EXPECT_TRUE(sending(1).begin(""));
}

TEST(job_trace, it_is_the_same_after_a_restart) {
    for (const std::string_view caller : {k_caller, std::string_view()}) {
        const auto t = sending().begin(caller);
        const auto again = job_trace::from_text(t->text());
        ASSERT_TRUE(again) << t->text();
        EXPECT_EQ(again->text(), t->text());
        EXPECT_EQ(again->trace_parent(7), t->trace_parent(7));
        EXPECT_EQ(again->parent, t->parent);
    }
    for (const std::string_view damaged : {"", "x", "0af7651916cd43dd8448eb211c80319c-zzzzzzzzzzzzzzzz-0-so",
                                           "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"})
        EXPECT_FALSE(job_trace::from_text(damaged)) << damaged;
}

TEST(job_trace, the_variable_is_added_and_nothing_of_the_jobs_own_is_replaced) {
    EXPECT_EQ(*with_trace_parent(R"({"command":["x"]})", "t"), R"({"command":["x"],"env":{"TRACEPARENT":"t"}})");
    EXPECT_EQ(*with_trace_parent(R"({"env":{"A":"1"}})", "t"), R"({"env":{"A":"1","TRACEPARENT":"t"}})");
    EXPECT_FALSE(with_trace_parent(R"({"env":{"TRACEPARENT":"mine"}})", "t"));
    EXPECT_FALSE(with_trace_parent(R"({"secrets":{"TRACEPARENT":"mine"}})", "t"));
    EXPECT_FALSE(with_trace_parent("no document", "t"));
}

}  // namespace
}  // namespace sigrun
