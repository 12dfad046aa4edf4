#include <sigrun/cpp/mock_host.hpp>

#include <gtest/gtest.h>

#include <sys/socket.h>

#include <future>

namespace sdk = sigrun::sdk;
using namespace std::chrono_literals;

namespace {

sigrun_fn call_function() {
    return [](void* ctx) { (*static_cast<std::function<void()>*>(ctx))(); };
}

}  // namespace

TEST(mock_host, op_is_completed_once_and_a_second_completion_is_counted) {
    sdk::mock_host host;
    auto op = host.mint();
    EXPECT_FALSE(host.completed(op));
    EXPECT_EQ(host.open_ops(), 1u);
    EXPECT_THROW(host.wait(op, 1ms), std::runtime_error);
    std::thread other([&] { host.get().complete_text(op, SIGRUN_E_IO, "disk"); });
    auto outcome = host.wait(op);
    other.join();
    EXPECT_EQ(outcome.result, SIGRUN_E_IO);
    EXPECT_EQ(outcome.text, "disk");
    EXPECT_EQ(host.double_completions(), 0u);
    host.get().complete_text(op, SIGRUN_OK, "again");
    host.get().complete(77, SIGRUN_OK);
    EXPECT_EQ(host.double_completions(), 2u);
    EXPECT_EQ(host.wait(op).text, "disk");
    EXPECT_EQ(host.live_buffers(), 0u);
    EXPECT_EQ(host.open_ops(), 0u);
}

TEST(mock_host, forgotten_op_must_not_be_completed) {
    sdk::mock_host host;
    auto op = host.mint();
    host.forget(op);
    EXPECT_EQ(host.open_ops(), 0u);
    host.get().complete(op, SIGRUN_OK);
    EXPECT_EQ(host.double_completions(), 1u);
}

TEST(mock_host, buffers_are_counted_and_keep_their_bounds) {
    sdk::mock_host host;
    {
        sdk::buffer a(host.get(), "hello");
        auto b = sdk::buffer::share(host.get(), a.get());
        EXPECT_EQ(host.live_buffers(), 1u);
        EXPECT_EQ(b.content(), "hello");
        EXPECT_EQ(host.get().buffers()->set_len(a.get(), 6), SIGRUN_E_INVALID);
    }
    EXPECT_EQ(host.live_buffers(), 0u);
}

TEST(mock_host, each_lane_runs_what_is_posted_on_a_thread_of_its_own) {
    sdk::mock_host host;
    for (std::uint32_t lane : {SIGRUN_LANE_CTL, SIGRUN_LANE_IO, SIGRUN_LANE_WORK}) {
        std::promise<std::thread::id> ran;
        std::function<void()> f = [&] { ran.set_value(std::this_thread::get_id()); };
        ASSERT_EQ(host.get().sched()->post(host.abi(), lane, call_function(), &f), SIGRUN_OK);
        EXPECT_NE(ran.get_future().get(), std::this_thread::get_id());
    }
    EXPECT_EQ(host.get().sched()->post(host.abi(), 9, call_function(), nullptr), SIGRUN_E_INVALID);
}

TEST(mock_host, periodic_timer_runs_until_stopped_and_never_after_done) {
    sdk::mock_host host;
    std::atomic<int> runs{0};
    std::promise<void> third, done;
    std::function<void()> tick = [&] {
        if (++runs == 3) third.set_value();
    };
    std::function<void()> finished = [&] { done.set_value(); };
    std::uint64_t id = 0;
    ASSERT_EQ(host.get().sched()->timer(host.abi(), 0, 1'000'000, call_function(), &tick, &id), SIGRUN_OK);
    third.get_future().wait();
    ASSERT_EQ(host.get().sched()->stop(host.abi(), id, call_function(), &finished), SIGRUN_OK);
    done.get_future().wait();
    int before = runs;
    std::promise<void> later;
    std::function<void()> after = [&] { later.set_value(); };
    host.get().sched()->timer(host.abi(), 5'000'000, 0, call_function(), &after, nullptr);
    later.get_future().wait();
    EXPECT_EQ(runs, before);
    EXPECT_EQ(host.get().sched()->stop(host.abi(), 999, nullptr, nullptr), SIGRUN_E_NOT_FOUND);
}

TEST(mock_host, watch_reports_a_readable_descriptor_until_stopped) {
    sdk::mock_host host;
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    struct watcher {
        std::promise<char> got;
    } w;
    std::uint64_t id = 0;
    auto on_ready = [](void* ctx, std::int32_t fd, std::uint32_t events) {
        char c = 0;
        if ((events & SIGRUN_FD_READ) && read(fd, &c, 1) == 1) static_cast<watcher*>(ctx)->got.set_value(c);
    };
    ASSERT_EQ(host.get().sched()->fd_watch(host.abi(), pair[0], SIGRUN_FD_READ, on_ready, &w, &id), SIGRUN_OK);
    ASSERT_EQ(write(pair[1], "x", 1), 1);
    EXPECT_EQ(w.got.get_future().get(), 'x');
    std::promise<void> done;
    std::function<void()> finished = [&] { done.set_value(); };
    host.get().sched()->stop(host.abi(), id, call_function(), &finished);
    done.get_future().wait();
    close(pair[0]);
    close(pair[1]);
}

TEST(mock_host, own_threads_are_counted_while_they_live) {
    sdk::mock_host host;
    {
        sdk::thread_scope scope(host.get(), "test");
        EXPECT_EQ(host.live_threads(), 1u);
    }
    EXPECT_EQ(host.live_threads(), 0u);
}

TEST(mock_host, log_lines_and_metrics_are_kept) {
    sdk::mock_host host;
    host.get().log(SIGRUN_LOG_WARNING, "port ", 7, " is odd");
    ASSERT_EQ(host.log_lines().size(), 1u);
    EXPECT_EQ(host.log_lines()[0], "warning: port 7 is odd");

    auto* metric = host.get().service<sigrun_svc_metric>(SIGRUN_SVC_METRIC);
    sigrun_str label[] = {sdk::str("kind"), sdk::str("a")};
    auto* counter = metric->counter(host.abi(), sdk::str("things_total"), sdk::str("Things."), label, 1);
    EXPECT_EQ(counter, metric->counter(host.abi(), sdk::str("things_total"), sdk::str("Things."), label, 1));
    metric->add(counter, 2);
    metric->add(counter, -1);
    EXPECT_EQ(host.metric("things_total{kind=a}"), 2.0);
    EXPECT_EQ(host.metric("things_total"), std::nullopt);
    EXPECT_EQ(metric->gauge(host.abi(), sdk::str("9bad"), sdk::str(""), nullptr, 0), nullptr);
}

TEST(mock_host, call_without_handler_is_refused_with_text) {
    sdk::mock_host host;
    sdk::error_text error;
    sigrun_call call{};
    sdk::recording_sink replies;
    std::uint64_t id = 0;
    auto* calls = host.get().service<sigrun_svc_call>(SIGRUN_SVC_CALL);
    EXPECT_EQ(calls->begin(host.abi(), 1, &call, replies.abi(), &id, &error.abi), SIGRUN_E_UNSUPPORTED);
    EXPECT_NE(error.text().find("on_call"), std::string_view::npos);
    EXPECT_THROW(host.create("anything"), sdk::failure) << "no plugin is linked here";
}

TEST(recording_sink, keeps_a_deep_copy_and_refuses_when_told) {
    sdk::mock_host host;
    sdk::recording_sink sink;
    {
        sdk::buffer payload(host.get(), "bytes");
        std::string json = "{\"a\":1}", job = "job-1", token = "t";
        sigrun_attempt attempt{sizeof attempt, 3, sdk::str(job), sdk::str(token)};
        sigrun_frame frame{};
        frame.struct_size = sizeof frame;
        frame.kind = SIGRUN_STATE;
        frame.flags = SIGRUN_FRAME_LAST;
        frame.offset = 9;
        frame.attempt = &attempt;
        frame.json = sdk::str(json);
        frame.payload = payload.get();
        EXPECT_EQ(sink.abi()->on_frame(sink.abi()->ctx, &frame), SIGRUN_OK);
        sink.set_result(SIGRUN_E_BUSY);
        EXPECT_EQ(sink.abi()->on_frame(sink.abi()->ctx, &frame), SIGRUN_E_BUSY);
    }
    EXPECT_EQ(host.live_buffers(), 0u);
    auto f = sink.wait_for([](const auto& frame) { return frame.kind == SIGRUN_STATE; });
    EXPECT_EQ(f.job, "job-1");
    EXPECT_EQ(f.attempt, 3u);
    EXPECT_EQ(f.payload, "bytes");
    EXPECT_EQ(f.json, "{\"a\":1}");
    EXPECT_EQ(f.offset, 9u);
    EXPECT_EQ(sink.frames().size(), 1u);
    EXPECT_EQ(sink.refused(), 1u);
    EXPECT_THROW(sink.wait_for([](const auto& frame) { return frame.kind == SIGRUN_BYE; }, 1ms), std::runtime_error);
}
