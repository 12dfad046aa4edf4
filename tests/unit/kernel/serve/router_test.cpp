#include "kernel/serve/router.hpp"

#include <sigrun/cpp/error.hpp>
#include <sigrun/cpp/text.hpp>

#include <gtest/gtest.h>

#include <thread>

namespace {

using namespace sigrun;

struct seen_frame {
    std::string json;
    std::uint32_t flags;
};

struct fixture : testing::Test {
    metrics numbers;
    router methods{numbers};
    std::vector<seen_frame> frames;
    sigrun_result answer = SIGRUN_OK;
    sigrun_sink sink{sizeof(sigrun_sink), 0, this, [](void* ctx, const sigrun_frame* f) -> sigrun_result {
                         auto& me = *static_cast<fixture*>(ctx);
                         if (me.answer == SIGRUN_OK) me.frames.push_back({std::string(sdk::view(f->json)), f->flags});
                         return me.answer;
                     }};
    std::uint64_t call_id = 0;
    sdk::error_text error;

    sigrun_result begin(std::string_view method, std::string_view params = {}) {
        sigrun_call call{};
        call.struct_size = sizeof call;
        call.method = sdk::str(method);
        call.params = sdk::str(params);
        return methods.begin(7, call, sink, &call_id, &error.abi);
    }
};
using router_test = fixture;

TEST_F(router_test, a_method_that_answers_at_once_leaves_nothing_behind) {
    methods.add("echo", [](const call_input& in, const call_ptr& call) { call->last(in.params); });
    EXPECT_EQ(begin("echo", "{\"a\":1}"), SIGRUN_OK);
    EXPECT_EQ(call_id, 0u);
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].json, "{\"a\":1}");
    EXPECT_EQ(frames[0].flags, std::uint32_t{SIGRUN_FRAME_LAST});
}

TEST_F(router_test, an_unknown_method_names_the_nearest_one) {
    methods.add("jobs.submit", [](const call_input&, const call_ptr& call) { call->last("{}"); });
    EXPECT_EQ(begin("jobs.submt"), SIGRUN_E_NOT_FOUND);
    EXPECT_NE(error.text().find("jobs.submit"), std::string_view::npos);
    EXPECT_TRUE(frames.empty());
}

TEST_F(router_test, a_method_that_throws_is_answered_as_internal) {
    methods.add("bad", [](const call_input&, const call_ptr&) { throw std::runtime_error("oops"); });
    EXPECT_EQ(begin("bad"), SIGRUN_OK);
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].flags, std::uint32_t{SIGRUN_FRAME_LAST | SIGRUN_FRAME_ERROR});
    EXPECT_EQ(problem::from_json(frames[0].json).code, errc::internal);
}

TEST_F(router_test, resume_reaches_the_call_that_was_told_busy) {
    call_ptr kept;
    int resumed = 0;
    methods.add("stream", [&](const call_input&, const call_ptr& call) {
        kept = call;
        call->on_resume([&] { ++resumed; });
    });
    EXPECT_EQ(begin("stream"), SIGRUN_PENDING);
    answer = SIGRUN_E_BUSY;
    EXPECT_EQ(kept->last("{}"), SIGRUN_E_BUSY);
    EXPECT_FALSE(kept->finished());
    methods.resume(call_id);
    EXPECT_EQ(resumed, 1);
    answer = SIGRUN_OK;
    EXPECT_EQ(kept->last("{}"), SIGRUN_OK);
    EXPECT_TRUE(kept->finished());
}

TEST_F(router_test, after_end_no_reply_reaches_the_sink_and_done_runs_once) {
    call_ptr kept;
    int ended = 0, done = 0;
    methods.add("stream", [&](const call_input&, const call_ptr& call) {
        kept = call;
        call->on_end([&] { ++ended; });
    });
    begin("stream");
    methods.end(
        call_id, [](void* p) { ++*static_cast<int*>(p); }, &done);
    EXPECT_EQ(kept->last("{}"), SIGRUN_E_CANCELLED);
    EXPECT_TRUE(frames.empty());
    EXPECT_EQ(ended, 1);
    EXPECT_EQ(done, 1);
    methods.end(
        call_id, [](void* p) { ++*static_cast<int*>(p); }, &done);
    EXPECT_EQ(done, 2);  // of a call that is gone: done at once
}

TEST_F(router_test, end_during_a_reply_waits_for_it) {
    call_ptr kept;
    methods.add("stream", [&](const call_input&, const call_ptr& call) { kept = call; });
    begin("stream");
    struct probe {
        router& methods;
        std::uint64_t id;
        bool done = false, done_inside = false;
    } p{methods, call_id};
    sigrun_sink ending{sizeof(sigrun_sink), 0, &p, [](void* ctx, const sigrun_frame*) -> sigrun_result {
                           auto& me = *static_cast<probe*>(ctx);
                           me.methods.end(
                               me.id, [](void* c) { static_cast<probe*>(c)->done = true; }, ctx);
                           me.done_inside = me.done;
                           return SIGRUN_OK;
                       }};
    sigrun_call call{};
    call.struct_size = sizeof call;
    call.method = sdk::str("stream");
    ASSERT_EQ(methods.begin(7, call, ending, &p.id, nullptr), SIGRUN_PENDING);
    kept->reply("{}");
    EXPECT_FALSE(p.done_inside);
    EXPECT_TRUE(p.done);
}

TEST_F(router_test, stop_tells_the_calls_that_wait) {
    methods.add("stream", [](const call_input&, const call_ptr&) {});
    begin("stream");
    methods.stop();
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(problem::from_json(frames[0].json).code, errc::unavailable);
    EXPECT_EQ(begin("stream"), SIGRUN_E_IO);
}

TEST(params, unknown_wrong_and_out_of_range_values_are_named) {
    EXPECT_EQ(parse_params("{\"idd\":1}", {"id"}).error().code, errc::unknown_field);
    auto o = parse_params("{\"n\":\"12\",\"b\":\"yes\",\"d\":\"3s\"}", {"n", "b", "d"}).value();
    EXPECT_EQ(number_param(o, "n", 0, 0, 100).value(), 12u);
    EXPECT_EQ(number_param(o, "n", 0, 0, 10).error().field, "n");
    EXPECT_TRUE(bool_param(o, "b", false).value());
    EXPECT_EQ(duration_param(o, "d", {}).value(), std::chrono::seconds(3));
    EXPECT_EQ(duration_param(o, "n", {}).error().field, "n");
    EXPECT_EQ(required_text(o, "missing").error().field, "missing");
}

}  // namespace
