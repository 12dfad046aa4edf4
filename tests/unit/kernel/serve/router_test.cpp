#include "kernel/serve/router.hpp"

#include <sigrun/cpp/error.hpp>
#include <sigrun/cpp/text.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

namespace {

using namespace sigrun;

struct seen_frame {
    std::string json;
    std::uint32_t flags;
    std::string payload{};
};

struct router_test : testing::Test {
    metrics numbers;
    router methods{numbers};
    std::vector<seen_frame> frames;
    sigrun_result answer = SIGRUN_OK;
    bool refuse_next = false;
    sigrun_sink sink{sizeof(sigrun_sink), 0, this, [](void* ctx, const sigrun_frame* f) -> sigrun_result {
                         auto& me = *static_cast<router_test*>(ctx);
                         if (std::exchange(me.refuse_next, false)) return SIGRUN_E_INVALID;
                         if (me.answer == SIGRUN_OK)
                             me.frames.push_back({std::string(sdk::view(f->json)), f->flags,
                                                  std::string(buffer_ref::share(f->payload).view())});
                         return me.answer;
                     }};
    std::uint64_t call_id = 0;
    sdk::error_text error;

    sigrun_result begin(std::string_view method, std::string_view params = {}) {
        sigrun_call call{};
        call.struct_size = sizeof call;
        call.method = sdk::str(method);
        call.params = sdk::str(params);
        return methods.begin(7, call, sink, &call_id, &error.abi, nullptr);
    }
};

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
    EXPECT_EQ(kept->reply("{}"), SIGRUN_E_BUSY);
    EXPECT_FALSE(kept->finished());
    methods.resume(call_id);
    EXPECT_EQ(resumed, 1);
    answer = SIGRUN_OK;
    EXPECT_EQ(kept->last("{}"), SIGRUN_OK);
    EXPECT_TRUE(kept->finished());
}

TEST_F(router_test, a_last_reply_that_meets_a_full_window_is_kept_and_offered_again) {
    answer = SIGRUN_E_BUSY;
    std::weak_ptr<int> streamer;
    methods.add("big", [&](const call_input&, const call_ptr& call) {
        auto held = std::make_shared<int>(1);
        streamer = held;
        call->keep(held);
        auto bytes = buffer_ref::copy_of("payload");
        EXPECT_EQ(call->last("{\"a\":1}", bytes.get()), SIGRUN_PENDING);
        EXPECT_TRUE(call->finished());
        EXPECT_EQ(call->last("{}"), SIGRUN_E_CANCELLED);  // one answer is enough
    });
    ASSERT_EQ(begin("big"), SIGRUN_PENDING);
    methods.resume(call_id);  // still full
    EXPECT_TRUE(frames.empty());
    EXPECT_FALSE(streamer.expired());
    answer = SIGRUN_OK;
    methods.resume(call_id);
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].json, "{\"a\":1}");
    EXPECT_EQ(frames[0].payload, "payload");
    EXPECT_EQ(frames[0].flags, std::uint32_t{SIGRUN_FRAME_LAST});
    EXPECT_TRUE(streamer.expired());  // an answered call holds nothing
    methods.resume(call_id);
    EXPECT_EQ(frames.size(), 1u);
}

TEST_F(router_test, room_that_comes_while_the_last_reply_is_refused_is_not_missed) {
    call_ptr kept;
    methods.add("stream", [&](const call_input&, const call_ptr& call) { kept = call; });
    struct state {
        router& methods;
        std::uint64_t id = 0;
        int offered = 0;
    } p{methods};
    sigrun_sink sink_with_room{sizeof(sigrun_sink), 0, &p, [](void* ctx, const sigrun_frame*) -> sigrun_result {
                                   auto& me = *static_cast<state*>(ctx);
                                   if (++me.offered > 1) return SIGRUN_OK;
                                   me.methods.resume(me.id);  // as another thread would, before BUSY is seen
                                   return SIGRUN_E_BUSY;
                               }};
    sigrun_call call{};
    call.struct_size = sizeof call;
    call.method = sdk::str("stream");
    ASSERT_EQ(methods.begin(7, call, sink_with_room, &p.id, nullptr, nullptr), SIGRUN_PENDING);
    kept->last("{}");
    EXPECT_EQ(p.offered, 2);
}

TEST_F(router_test, an_answer_the_caller_cannot_take_becomes_a_problem) {
    call_ptr kept;
    methods.add("stream", [&](const call_input&, const call_ptr& call) { kept = call; });
    for (std::size_t size : {std::size_t{1} << 20, std::size_t{10}}) {
        frames.clear();
        begin("stream");
        refuse_next = true;
        kept->last(std::string(size, 'x'));
        ASSERT_EQ(frames.size(), 1u);
        EXPECT_EQ(frames[0].flags, std::uint32_t{SIGRUN_FRAME_LAST | SIGRUN_FRAME_ERROR});
        EXPECT_EQ(problem::from_json(frames[0].json).code, size > 100 ? errc::too_large : errc::internal);
    }
    frames.clear();
    begin("stream");
    refuse_next = true;
    kept->reply("part of a stream");  // the caller would wait for ever without an end
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].flags, std::uint32_t{SIGRUN_FRAME_LAST | SIGRUN_FRAME_ERROR});
    EXPECT_EQ(kept->reply("more"), SIGRUN_E_CANCELLED);
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
    ASSERT_EQ(methods.begin(7, call, ending, &p.id, nullptr, nullptr), SIGRUN_PENDING);
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

TEST_F(router_test, stop_answers_once_and_the_call_can_still_be_ended) {
    call_ptr kept;
    int done = 0;
    methods.add("stream", [&](const call_input&, const call_ptr& call) { kept = call; });
    begin("stream");
    answer = SIGRUN_E_BUSY;
    methods.stop();
    answer = SIGRUN_OK;
    EXPECT_EQ(kept->last("{}"), SIGRUN_E_CANCELLED);  // a job that settles after the stop
    EXPECT_TRUE(frames.empty());
    methods.resume(call_id);
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(problem::from_json(frames[0].json).code, errc::unavailable);
    EXPECT_EQ(kept->last("{}"), SIGRUN_E_CANCELLED);
    methods.end(
        call_id, [](void* p) { ++*static_cast<int*>(p); }, &done);
    EXPECT_EQ(done, 1);
    EXPECT_EQ(frames.size(), 1u);
}

// What a plugin keeps for one call: freed by the last reply or by the end, as Valkyrie and HTTP do it.
struct caller {
    std::atomic<bool> inside{false}, over{false};
    std::atomic<int> frames{0}, overlaps{0}, late{0};
    std::unique_ptr<int> freed_by_last{new int(1)};  // ASan and TSan see a frame that comes after it
    std::mt19937 random;
    sigrun_sink sink{sizeof(sigrun_sink), 0, this, [](void* ctx, const sigrun_frame* f) -> sigrun_result {
                         auto& me = *static_cast<caller*>(ctx);
                         if (me.inside.exchange(true)) ++me.overlaps;
                         if (me.over) ++me.late;
                         sigrun_result r = SIGRUN_OK;
                         if (me.freed_by_last && *me.freed_by_last && me.random() % 3 == 0) r = SIGRUN_E_BUSY;
                         if (r == SIGRUN_OK) ++me.frames;
                         if (r == SIGRUN_OK && (f->flags & SIGRUN_FRAME_LAST)) {
                             me.over = true;
                             me.freed_by_last.reset();
                         }
                         me.inside = false;
                         return r;
                     }};
};

TEST_F(router_test, streams_settling_jobs_stop_resume_and_end_race_without_a_late_or_overlapping_frame) {
    std::mutex mutex;
    std::vector<call_ptr> open;
    methods.add("stream", [&](const call_input&, const call_ptr& call) {
        std::lock_guard lock(mutex);
        open.push_back(call);
    });
    std::vector<std::unique_ptr<caller>> callers;
    std::vector<std::uint64_t> ids;
    constexpr std::size_t k_calls = 400;
    for (std::size_t i = 0; i < k_calls; ++i) {
        callers.push_back(std::make_unique<caller>());
        callers.back()->random.seed(static_cast<unsigned>(i));
        sigrun_call call{};
        call.struct_size = sizeof call;
        call.method = sdk::str("stream");
        ids.emplace_back();
        ASSERT_EQ(methods.begin(7, call, callers.back()->sink, &ids.back(), nullptr, nullptr), SIGRUN_PENDING);
    }
    std::atomic<bool> go{false};
    std::vector<std::thread> threads;
    auto each = [&](auto what) {
        threads.emplace_back([&, what] {
            while (!go) std::this_thread::yield();
            for (std::size_t i = 0; i < k_calls; ++i) what(i);
        });
    };
    each([&](std::size_t i) {
        for (int n = 0; n < 5; ++n) open[i]->reply("{\"part\":1}");
    });
    each([&](std::size_t i) { open[i]->last("{\"settled\":true}"); });
    each([&](std::size_t i) { methods.resume(ids[i]); });
    each([&](std::size_t i) {
        if (i == k_calls / 4) methods.stop();
    });
    std::atomic<std::size_t> ended{0};
    each([&](std::size_t i) {
        if (i % 2) return;
        struct note {
            caller& of;
            std::atomic<std::size_t>& ended;
        };
        methods.end(
            ids[i],
            [](void* p) {
                std::unique_ptr<note> n(static_cast<note*>(p));
                if (n->of.inside) ++n->of.overlaps;
                n->of.over = true;
                ++n->ended;
            },
            new note{*callers[i], ended});
    });
    go = true;
    for (auto& t : threads) t.join();
    EXPECT_EQ(ended, k_calls / 2);
    for (std::size_t i = 0; i < k_calls; ++i) {
        while (i % 2 && !callers[i]->over) methods.resume(ids[i]);  // what is kept arrives in the end
        open[i]->reply("{}");
        EXPECT_EQ(callers[i]->overlaps, 0) << i;
        EXPECT_EQ(callers[i]->late, 0) << i;
    }
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
