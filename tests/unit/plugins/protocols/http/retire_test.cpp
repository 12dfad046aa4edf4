// A newer generation has taken over: how the requests and streams of the old one's connections end.
#include "served_plugin.hpp"

#include <gtest/gtest.h>

#include <dirent.h>

#include <atomic>

namespace sigrun::http::testing {
namespace {

constexpr std::string_view k_get = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

std::size_t open_descriptors() {
    std::size_t n = 0;
    auto* folder = opendir("/proc/self/fd");
    while (readdir(folder)) ++n;
    closedir(folder);
    return n;
}

void expect_nothing_left(served_plugin& sut) {
    sut.destroy();
    EXPECT_EQ(sut.host.live_threads(), 0u);
    EXPECT_EQ(sut.host.live_buffers(), 0u);
    EXPECT_EQ(sut.host.open_ops(), 0u);
    EXPECT_EQ(sut.host.double_completions(), 0u);
}

sigrun_result stays_open(const seen_call&, sigrun_error*) { return SIGRUN_PENDING; }

TEST(http_retire, an_idle_connection_is_kept_until_its_next_answer_which_is_the_last) {
    served_plugin sut;
    sut.on("health.live", "{}");
    auto s = sut.connect();
    s.send(k_get);
    EXPECT_EQ(s.read_response().header("Connection"), "");
    const auto done = sut.retire(k_long);
    sut.get("/healthz");  // the plugin's thread has been through everything that retiring does at once
    EXPECT_FALSE(sut.host.completed(done));
    s.send(k_get);
    const auto last = s.read_response();
    EXPECT_EQ(last.status, 200);
    EXPECT_EQ(last.header("Connection"), "close");
    EXPECT_EQ(s.read_to_end(), "");
    s.close();
    EXPECT_EQ(sut.host.wait(done).result, SIGRUN_OK);
    expect_nothing_left(sut);
}

TEST(http_retire, without_connections_it_is_done_at_once_and_a_second_time_changes_nothing) {
    served_plugin sut;
    sut.on("health.live", "{}");
    EXPECT_EQ(sut.host.wait(sut.retire(k_long)).result, SIGRUN_OK);
    const auto again = sut.host.mint();
    EXPECT_EQ(sut.table->serve->retire(sut.instance, 0, again), SIGRUN_E_EXISTS);
    sut.host.forget(again);
    const auto late = sut.get("/healthz");  // the kernel handed over one that it had accepted before
    EXPECT_EQ(late.status, 200);
    EXPECT_EQ(late.header("Connection"), "close");
    expect_nothing_left(sut);
}

TEST(http_retire, requests_that_are_answered_read_or_on_their_way_get_their_answers) {
    served_plugin sut;
    sut.on("jobs.get", stays_open);
    sut.on("jobs.submit", R"({"id":"j"})");
    auto busy = sut.connect();
    busy.send("GET /v1/jobs/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const auto call = sut.wait_call(1);
    auto slow = sut.connect();
    const auto head =
        sdk::concat("POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n", k_json_type, "Content-Length: 2\r\n\r\n");
    slow.send(head + "{");
    const auto done = sut.retire(k_long);
    slow.send("}");
    const auto created = slow.read_response();
    EXPECT_EQ(created.status, 201);
    EXPECT_EQ(created.header("Connection"), "close");
    EXPECT_EQ(slow.read_to_end(), "");
    give_reply(sut.host.get(), call.replies, SIGRUN_FRAME_LAST, R"({"n":1})");
    const auto answered = busy.read_response();
    EXPECT_EQ(answered.body, R"({"n":1})");
    EXPECT_EQ(answered.header("Connection"), "close");
    EXPECT_EQ(busy.read_to_end(), "");
    slow.close();
    busy.close();
    EXPECT_EQ(sut.host.wait(done).result, SIGRUN_OK);
    expect_nothing_left(sut);
}

TEST(http_retire, pipelined_requests_are_all_answered_and_only_the_last_answer_says_close) {
    served_plugin sut;
    sut.on("jobs.get", stays_open);
    sut.on("health.live", "{}");
    auto s = sut.connect();
    std::string burst = "GET /v1/jobs/1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (int i = 0; i < 20; ++i) burst += k_get;
    s.send(burst);
    const auto call = sut.wait_call(1);
    const auto done = sut.retire(k_long);
    s.send(k_get);  // one more, while the first is being answered
    give_reply(sut.host.get(), call.replies, SIGRUN_FRAME_LAST, "{}");
    for (int i = 0; i < 21; ++i) {
        const auto r = s.read_response();
        EXPECT_EQ(r.status, 200);
        EXPECT_EQ(r.header("Connection"), "") << i;
    }
    EXPECT_EQ(s.read_response().header("Connection"), "close");
    EXPECT_EQ(s.read_to_end(), "");
    s.close();
    EXPECT_EQ(sut.host.wait(done).result, SIGRUN_OK);
}

TEST(http_retire, streams_of_events_end_whole_and_can_be_resumed_with_the_last_id) {
    served_plugin old, fresh;
    for (auto* each : {&old, &fresh})
        each->on("events.watch", [each](const seen_call& c, sigrun_error*) {
            const auto seq = c.params.find("after") == std::string::npos ? 7 : 8;
            give_reply(each->host.get(), c.replies, 0, sdk::concat(R"({"seq":)", seq, "}"));
            return SIGRUN_PENDING;
        });
    auto s = old.connect();
    s.send("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    s.read_until("\r\n\r\n");
    s.read_until("data: {\"seq\":7}\n\n");
    const auto done = old.retire(k_long, &fresh);
    EXPECT_EQ(s.read_to_end(), "\r\n0\r\n\r\n") << "a whole chunk, then the proper end";
    old.wait_ended(1);
    s.close();
    EXPECT_EQ(old.host.wait(done).result, SIGRUN_OK);
    auto again = old.connect();  // the same port
    again.send("GET /v1/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 7\r\n\r\n");
    again.read_until("data: {\"seq\":8}\n\n");
    EXPECT_EQ(fresh.wait_call(1).params, R"({"after":7})");
    expect_nothing_left(old);
}

TEST(http_retire, a_stream_that_could_not_be_resumed_yet_goes_on_until_it_can) {
    served_plugin sut;
    sut.on("events.watch", stays_open);
    sut.on("health.live", "{}");
    auto s = sut.connect();
    s.send("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    s.read_until("\r\n\r\n");
    const auto call = sut.wait_call(1);
    auto resumed = sut.connect();
    resumed.send("GET /v1/events?after=3 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    resumed.read_until("\r\n\r\n");
    sut.retire(k_long);
    EXPECT_EQ(resumed.read_to_end(), "0\r\n\r\n");  // every stream was looked at since, and this one needs no id
    give_reply(sut.host.get(), call.replies, 0, R"({"seq":9})");
    s.read_until("id: 9\ndata: {\"seq\":9}\n\n");
    EXPECT_EQ(s.read_to_end(), "\r\n0\r\n\r\n");
}

TEST(http_retire, logs_as_events_end_for_their_reader_and_logs_as_bytes_and_calls_go_on) {
    served_plugin sut;
    sut.on("jobs.logs", stays_open);
    sut.on("a.b", stays_open);
    const auto host = sut.host.get();
    const auto ask = [&](std::string_view request, std::size_t nth) {
        auto s = sut.connect();
        s.send(request);
        return std::pair(std::move(s), sut.wait_call(nth));
    };
    auto [events, for_events] =
        ask("GET /v1/jobs/1/logs?follow=true HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n", 1);
    auto [bytes, for_bytes] = ask("GET /v1/jobs/1/logs?follow=true HTTP/1.1\r\nHost: localhost\r\n\r\n", 2);
    auto [lines, for_lines] = ask(
        sdk::concat("POST /v1/call/a.b HTTP/1.1\r\nHost: localhost\r\n", k_json_type, "Content-Length: 2\r\n\r\n{}"),
        3);
    give_reply(host, for_events.replies, 0, R"({"offset":0,"stream":"stdout"})", "one\n");
    give_reply(host, for_bytes.replies, 0, R"({"offset":0})", "one\n");
    give_reply(host, for_lines.replies, 0, R"({"n":1})");
    events.read_until("id: 4\n");
    bytes.read_until("one\n");
    lines.read_until(R"({"n":1})");
    const auto done = sut.retire(k_long);
    const auto rest = events.read_to_end();
    EXPECT_TRUE(rest.ends_with("\n\n\r\n0\r\n\r\n")) << rest;
    EXPECT_EQ(rest.find("event: end"), std::string::npos) << "the log has not ended";
    give_reply(host, for_bytes.replies, SIGRUN_FRAME_LAST, R"({"offset":4})", "two\n");
    give_reply(host, for_lines.replies, SIGRUN_FRAME_LAST, R"({"n":2})");
    bytes.read_until("two\n");
    bytes.read_until("0\r\n\r\n");
    lines.read_until(R"({"n":2})");
    lines.read_until("0\r\n\r\n");
    EXPECT_FALSE(sut.host.completed(done)) << "their heads did not say close";
    for (auto* s : {&bytes, &lines}) {
        s->send("GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n");
        EXPECT_EQ(s->read_response().header("Connection"), "close");
        EXPECT_EQ(s->read_to_end(), "");
        s->close();
    }
    events.close();
    EXPECT_EQ(sut.host.wait(done).result, SIGRUN_OK);
    expect_nothing_left(sut);
}

TEST(http_retire, shortly_before_the_deadline_idle_connections_end_and_at_it_everything_is_cut) {
    served_plugin sut;
    sut.on("health.live", "{}");
    sut.on("jobs.get", stays_open);
    sut.on("events.watch", stays_open);
    auto idle = sut.connect();
    idle.send(k_get);
    EXPECT_EQ(idle.read_response().status, 200);
    auto busy = sut.connect();
    busy.send("GET /v1/jobs/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const auto call = sut.wait_call(2);
    auto events = sut.connect();
    events.send("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    events.read_until("\r\n\r\n");
    const auto done = sut.retire(2000);
    EXPECT_EQ(idle.read_to_end(), "");
    EXPECT_EQ(events.read_to_end(), "0\r\n\r\n") << "in order, though it gave no id";
    EXPECT_FALSE(sut.host.completed(done));
    EXPECT_EQ(busy.read_to_end(), "");
    sut.wait_ended(call.id);
    EXPECT_EQ(sut.host.wait(done).result, SIGRUN_OK);
    expect_nothing_left(sut);
}

TEST(http_retire, destroying_it_before_the_end_completes_the_op_once) {
    served_plugin sut;
    sut.on("jobs.get", stays_open);
    auto s = sut.connect();
    s.send("GET /v1/jobs/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    sut.wait_call();
    const auto done = sut.retire(k_long);
    expect_nothing_left(sut);
    EXPECT_EQ(sut.host.wait(done).result, SIGRUN_E_CANCELLED);
}

TEST(http_retire, an_idle_timeout_ends_the_connection_and_the_retirement_with_it) {
    served_plugin sut(served_plugin::options{{"idle_timeout", "300ms"}});
    sut.on("health.live", "{}");
    auto s = sut.connect();
    s.send(k_get);
    s.read_response();
    const auto done = sut.retire(k_long);
    EXPECT_EQ(s.read_to_end(), "");
    s.close();
    EXPECT_EQ(sut.host.wait(done).result, SIGRUN_OK);
}

TEST(http_retire, a_peer_that_never_stops_pipelining_is_sent_elsewhere_before_the_deadline) {
    served_plugin sut;
    sut.on("health.live", "{}");
    auto s = sut.connect();
    s.send(sdk::concat(k_get, k_get));
    s.read_response();
    const auto done = sut.retire(1500);
    response last;
    do {
        s.send(k_get);  // one answer is still to be read, so one request always waits behind the one answered
        last = s.read_response();
        ASSERT_EQ(last.status, 200);
    } while (last.header("Connection") != "close");
    s.read_to_end();
    s.close();
    EXPECT_EQ(sut.host.wait(done).result, SIGRUN_OK);
}

TEST(http_retire, a_drain_answers_pipelined_requests_as_well_and_ends_what_is_idle_at_once) {
    served_plugin sut;
    sut.on("jobs.get", stays_open);
    sut.on("health.live", "{}");
    auto idle = sut.connect();
    idle.send(k_get);
    idle.read_response();
    auto s = sut.connect();
    s.send("GET /v1/jobs/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const auto call = sut.wait_call(2);
    const auto retired = sut.retire(k_long);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(k_long);
    const auto drained = sut.host.mint();
    ASSERT_EQ(
        sut.instance->drain(sut.instance, static_cast<std::uint64_t>(deadline.time_since_epoch().count()), drained),
        SIGRUN_PENDING);
    s.send(sdk::concat(k_get, k_get));
    EXPECT_EQ(idle.read_to_end(), "");
    give_reply(sut.host.get(), call.replies, SIGRUN_FRAME_LAST, "{}");
    for (int i = 0; i < 2; ++i) EXPECT_EQ(s.read_response().header("Connection"), "") << i;
    EXPECT_EQ(s.read_response().header("Connection"), "close");
    EXPECT_EQ(s.read_to_end(), "");
    s.close();
    idle.close();
    EXPECT_EQ(sut.host.wait(drained).result, SIGRUN_OK);
    EXPECT_EQ(sut.host.wait(retired).result, SIGRUN_OK);
    expect_nothing_left(sut);
}

TEST(http_retire, curl_with_keep_alive_connects_again_and_loses_no_request) {
    served_plugin old, fresh;
    std::atomic<sigrun_op> done{0};
    old.on("jobs.get", [&](const seen_call& c, sigrun_error*) {
        if (c.params.find("\"3\"") != std::string::npos) done = old.retire(k_long, &fresh);
        give_reply(old.host.get(), c.replies, SIGRUN_FRAME_LAST, R"("old")");
        return SIGRUN_OK;
    });
    fresh.on("jobs.get", R"("new")");
    std::string command = "curl -sS --max-time 20 -w ' %{http_code} %{num_connects}\\n'";
    for (int i = 1; i <= 5; ++i) command += sdk::concat(" ", old.url(), "/v1/jobs/", i);
    EXPECT_EQ(output_of(command), "\"old\" 200 1\n\"old\" 200 0\n\"old\" 200 0\n\"new\" 200 1\n\"new\" 200 0\n");
    EXPECT_EQ(old.host.wait(done).result, SIGRUN_OK);
}

TEST(http_retire, two_hundred_busy_connections_move_without_losing_a_request_and_leave_nothing) {
    const auto before = open_descriptors();
    {
        served_plugin fresh(served_plugin::options{{"threads", "2"}});
        served_plugin old(served_plugin::options{{"threads", "2"}});
        for (auto* each : {&old, &fresh}) each->on("health.live", "{}");
        std::vector<raw_socket> sockets;
        for (int i = 0; i < 200; ++i) sockets.push_back(old.connect());
        std::atomic<int> answered{0}, moved{0};
        std::atomic<bool> all_moved{false};
        const auto work = [&](std::size_t first) {
            std::vector<bool> has_moved(sockets.size());
            for (std::size_t i = first; !all_moved; i = (i + 2) % sockets.size()) {
                sockets[i].send(k_get);
                const auto r = sockets[i].read_response();
                ASSERT_EQ(r.status, 200);
                ++answered;
                if (r.header("Connection") != "close") continue;
                ASSERT_EQ(sockets[i].read_to_end(), "");
                ASSERT_FALSE(has_moved[i]) << "the newer one sends nobody away";
                has_moved[i] = true;
                auto next = old.connect();
                sockets[i].swap(next);
                all_moved = ++moved == 200;
            }
        };
        std::thread first(work, 0), second(work, 1);
        while (answered < 400) std::this_thread::yield();
        const auto done = old.retire(k_long, &fresh);
        first.join();
        second.join();
        EXPECT_EQ(moved, 200);
        EXPECT_EQ(old.host.wait(done).result, SIGRUN_OK);
        expect_nothing_left(old);
    }
    EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace sigrun::http::testing
