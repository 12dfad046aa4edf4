#include "kernel/serve/call_context.hpp"

#include <sigrun/cpp/request_context.hpp>

#include <gtest/gtest.h>

#include <set>

namespace sigrun {
namespace {

constexpr std::string_view k_trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

struct taken {
    std::string request_id, trace_parent, params;
};
taken take(std::string_view params) {
    std::string room;
    auto got = take_context(params, room);
    if (!got) return {"", "", got.error().text()};
    return {got->request_id, got->trace_parent, std::string(params)};
}

TEST(call_context, params_without_it_are_left_as_they_are) {
    for (const std::string_view params : {"", "{}", R"({"id":"x"})", R"(  {"id":"x"})"}) {
        std::string room;
        auto view = params;
        ASSERT_TRUE(take_context(view, room));
        EXPECT_EQ(view.data(), params.data());
        EXPECT_EQ(view, params);
    }
}

TEST(call_context, what_a_protocol_puts_in_front_is_taken_off_to_the_byte) {
    for (const std::string_view params : {"", "{}", "{ }", R"({"id":"x"})", R"({"id":"a\"b","n":1})"}) {
        const auto got = take(sdk::with_request_context(params, "r-1", k_trace));
        EXPECT_EQ(got.request_id, "r-1") << params;
        EXPECT_EQ(got.trace_parent, k_trace);
        EXPECT_EQ(got.params.find("request_id"), std::string::npos) << got.params;
        if (params.size() > 3) {
            EXPECT_EQ(got.params, params);
        }
    }
}

TEST(call_context, a_caller_may_put_it_anywhere_and_wins) {
    const auto got = take(sdk::with_request_context(R"({"id":"x", "request_id" : "mine"})", "theirs", ""));
    EXPECT_EQ(got.request_id, "mine");
    EXPECT_EQ(got.params, R"({"id":"x"})");
}

TEST(call_context, a_wrong_request_id_is_a_problem_and_a_wrong_traceparent_is_none) {
    EXPECT_NE(take(R"({"request_id":"a b"})").params.find("request_id: expected 1 to 128"), std::string::npos);
    EXPECT_NE(take(R"({"request_id":7})").request_id, "");  // digits are an id
    EXPECT_NE(take(R"({"request_id":["x"]})").params.find("request_id: expected"), std::string::npos);
    EXPECT_EQ(take(R"({"id":1,"traceparent":"00-zz"})").trace_parent, "");
    EXPECT_EQ(take(R"({"id":1,"traceparent":"00-zz"})").params, R"({"id":1})");
}

TEST(call_context, the_forms_of_w3c_trace_context) {
    EXPECT_TRUE(sdk::is_trace_parent(k_trace));
    EXPECT_TRUE(sdk::is_trace_parent(std::string("cc") + std::string(k_trace.substr(2)) + "-what-comes-later"));
    for (const std::string_view wrong : {"", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
                                         "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                         "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                         "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                                         "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                                         "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
                                         "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
        EXPECT_FALSE(sdk::is_trace_parent(wrong)) << wrong;
}

TEST(call_context, names_that_are_made_up_differ) {
    std::set<std::string> seen;
    for (int i = 0; i < 1000; ++i) seen.insert(new_request_id());
    EXPECT_EQ(seen.size(), 1000u);
    EXPECT_TRUE(sdk::is_request_id(*seen.begin()));
}

TEST(call_context, a_problem_names_its_request_once) {
    EXPECT_EQ(sdk::problem_with_request_id(R"({"code":"x"})", "r"), R"({"code":"x","request_id":"r"})");
    EXPECT_EQ(sdk::problem_with_request_id("{}", "r"), R"({"request_id":"r"})");
    EXPECT_EQ(sdk::problem_with_request_id(R"({"code":"x","request_id":"q"})", "r"),
              R"({"code":"x","request_id":"q"})");
    EXPECT_EQ(sdk::problem_with_request_id("no json", "r"), "no json");
}

}  // namespace
}  // namespace sigrun
