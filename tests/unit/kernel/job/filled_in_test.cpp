// What a daemon puts into a signed job is taken out again by the runner, or the job is refused.
#include "kernel/job/filled_in.hpp"

#include "kernel/job/job_trace.hpp"
#include "kernel/job/memory_growth.hpp"
#include "kernel/job/need_outputs.hpp"

#include <gtest/gtest.h>

namespace {

using namespace sigrun;

constexpr std::uint64_t k_mib = 1u << 20;
const std::string k_given_trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

json::object doc(std::string_view text) { return parse_object(text).value(); }

void does_not_take(const json::object& offered, const std::string& why) {
    const auto r = as_written(offered);
    ASSERT_FALSE(r) << why;
    EXPECT_NE(r.error().text().find(why), std::string::npos) << r.error().text();
}

TEST(filled_in, what_is_not_changed_is_offered_as_it_is) {
    const std::string document = R"({"command":["a"],"signature":{"key":"x"}})";
    EXPECT_EQ(with_written(document, document), document);
    EXPECT_EQ(as_written(doc(document)).value(), doc(document));
    EXPECT_EQ(with_written(R"({"command":["a"]})", R"({"command":["b"]})"), R"({"command":["b"]})");  // unsigned
}

TEST(filled_in, outputs_memory_and_trace_are_taken_out_again) {
    const std::string document =
        R"({"command":["a"],"signature":{"key":"x"},"env":{"V":"v{needs.b.outputs.v}","A":"1"},)"
        R"("limits":{"memory":"1GiB","pids":5},"retry":{"user":2,"memory_factor":1.5}})";
    job_ties ties;
    ties.needs.push_back({"b", id::make(), need_end::succeeded, {}, R"({"v":"1.2"})"});
    auto offered = with_outputs(document, ties).value();
    offered = with_more_memory(offered, 1.5 * 1.5);
    offered = *with_trace_parent(offered, k_given_trace);
    offered = with_written(document, offered);
    const auto now = doc(offered);
    EXPECT_EQ(now.at("env").at("V").as_string(), "v1.2");
    EXPECT_EQ(as_written(now).value(), doc(document));
}

TEST(filled_in, a_trace_is_taken_out_of_an_environment_that_was_made_for_it) {
    const std::string document = R"({"command":["a"],"signature":{"key":"x"}})";
    const auto offered = with_written(document, *with_trace_parent(document, k_given_trace));
    EXPECT_TRUE(as_written(doc(offered)).value().at("env").as_object().empty());
}

TEST(filled_in, values_stand_only_where_references_were) {
    const auto offered = [](const std::string& value, const std::string& written) {
        json::object o{{"env", {{"A", value}}}, {"signature", {{"written", {{"env", {{"A", written}}}}}}}};
        return o;
    };
    const std::string pattern = "x{needs.a.outputs.k}-{needs.b.outputs.k}y";
    EXPECT_TRUE(as_written(offered("x1-2y", pattern)));
    EXPECT_TRUE(as_written(offered("x-y", pattern)));
    EXPECT_TRUE(as_written(offered("x--y", pattern)));
    for (const char* other : {"x1-2", "1-2y", "x12y", "", "y-x", "xy"}) does_not_take(offered(other, pattern), "env.A");
    does_not_take(offered("evil", "no reference"), "env.A");
    does_not_take(offered("evil", "{needs.broken}"), "env.A");
    does_not_take(offered("evil", "{needs.a.outputs.}"), "env.A");
    auto gone = offered("x1-2y", pattern);
    gone["env"].as_object().erase("A");
    does_not_take(gone, "signature.written.env.A");
}

TEST(filled_in, memory_is_what_retries_make_of_it) {
    const auto offered = [](std::uint64_t memory, const json::value& retry) {
        return json::object{{"limits", {{"memory", memory * k_mib}}},
                            {"retry", retry},
                            {"signature", {{"written", {{"memory", "1000MiB"}}}}}};
    };
    const json::value twice{{"memory_factor", 2}, {"user", 6}};
    for (std::uint64_t fine : {1000, 2000, 4000, 64000}) EXPECT_TRUE(as_written(offered(fine, twice))) << fine;
    for (std::uint64_t wrong : {999, 1001, 3000, 128000}) does_not_take(offered(wrong, twice), "limits.memory");
    does_not_take(offered(2000, json::object()), "limits.memory");
    EXPECT_TRUE(as_written(offered(1500, {{"memory_factor", 1.5}, {"user", 1}})));
    // No more often than it is done again.
    does_not_take(offered(2250, {{"memory_factor", 1.5}, {"user", 1}}), "limits.memory");
    does_not_take(offered(1500, {{"memory_factor", 1.5}}), "limits.memory");
    auto copied = offered(4000, {{"memory_factor", 2}});
    copied["hedge"] = true;
    EXPECT_TRUE(as_written(copied));
}

TEST(filled_in, a_factor_that_makes_nothing_of_it_takes_no_time) {
    for (const double factor : {1.0, 1.0000000000000002, 1.0000001}) {
        EXPECT_TRUE(could_have_grown(1000 * k_mib, 1000 * k_mib, factor, 4'000'000)) << factor;
        EXPECT_FALSE(could_have_grown(1000 * k_mib, 3000 * k_mib, factor, 100)) << factor;
    }
    EXPECT_FALSE(could_have_grown(1000, 500, 0.5, 100));
    EXPECT_FALSE(could_have_grown(1000, 9000, 9, 100));
    EXPECT_TRUE(could_have_grown(1000, 8000, 8, 1));
    EXPECT_TRUE(could_have_grown(1000, 64000, 8, 100));
    EXPECT_FALSE(could_have_grown(1000, 512000, 8, 100));
}

TEST(filled_in, a_trace_is_one) {
    const auto offered = [](const std::string& value) {
        return json::object{{"env", {{"TRACEPARENT", value}}}, {"signature", {{"written", {{"trace", true}}}}}};
    };
    EXPECT_TRUE(as_written(offered(k_given_trace)));
    does_not_take(offered("$(evil)"), "env.TRACEPARENT");
    does_not_take(json::object{{"signature", {{"written", {{"trace", true}}}}}}, "env.TRACEPARENT");
}

TEST(filled_in, nothing_else_can_be_excused) {
    for (const char* written :
         {R"({"command":["a"]})", R"([])", R"({"env":1})", R"({"trace":"yes"})", R"({"memory":{}})"})
        EXPECT_FALSE(as_written(doc(std::string(R"({"signature":{"written":)") + written + "}}"))) << written;
}

}  // namespace
