// Streams: logs, events, calls as JSON lines; backpressure and the end of either side.
#include "served_plugin.hpp"
#include "wire/frame_codec.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace sigrun::http::testing {
namespace {
namespace json = boost::json;

constexpr const char* k_two_frames_first = R"({"offset":0,"stream":"stdout","time_ns":5})";
constexpr const char* k_two_frames_second = R"({"offset":3,"stream":"stderr","time_ns":6})";
constexpr const char* k_end = R"({"offset":8,"end":true,"state":"succeeded"})";

/// jobs.logs with two frames and the end, given at once.
void script_logs(served_plugin& sut) {
    sut.on("jobs.logs", [&sut](const seen_call& c, sigrun_error*) {
        const auto host = sut.host.get();
        give_reply(host, c.replies, 0, k_two_frames_first, "a\nb");
        give_reply(host, c.replies, 0, k_two_frames_second, "c\r\n\xff!");
        give_reply(host, c.replies, SIGRUN_FRAME_LAST, k_end);
        return SIGRUN_OK;
    });
}

TEST(http_stream, logs_are_raw_bytes_by_default) {
    served_plugin sut;
    script_logs(sut);
    const auto got = sut.get("/v1/jobs/7/logs?offset=4&follow=true");
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(got.header("Content-Type"), "text/plain; charset=utf-8");
    EXPECT_EQ(got.body, "a\nbc\r\n\xff!");
    EXPECT_EQ(sut.wait_call().params, R"({"id":"7","offset":4,"follow":true})");
    EXPECT_EQ(output_of("curl -sS --max-time 10 " + sut.url() + "/v1/jobs/7/logs"), "a\nbc\r\n\xff!");
    EXPECT_EQ(sut.ask("GET /v1/jobs/7/logs HTTP/1.0\r\n\r\n").body, "a\nbc\r\n\xff!");
}

TEST(http_stream, logs_as_events_keep_line_breaks_inside_their_data) {
    served_plugin sut;
    script_logs(sut);
    const auto accept = "Accept: text/event-stream\r\nLast-Event-ID: 3\r\n";
    const auto got = sut.get("/v1/jobs/7/logs", accept);
    EXPECT_EQ(got.header("Content-Type"), "text/event-stream");
    EXPECT_EQ(got.body,
              "event: log\nid: 3\ndata: {\"offset\":0,\"stream\":\"stdout\",\"time_ns\":5,\"text\":\"a\\nb\"}\n\n"
              "event: log\nid: 8\ndata: {\"offset\":3,\"stream\":\"stderr\",\"time_ns\":6,"
              "\"text\":\"c\\r\\n\xef\xbf\xbd!\"}\n\n"
              "event: end\nid: 8\ndata: {\"offset\":8,\"end\":true,\"state\":\"succeeded\"}\n\n");
    EXPECT_EQ(sut.wait_call().params, R"({"id":"7","offset":3})");
    EXPECT_EQ(sut.get("/v1/jobs/7/logs?follow=true&format=sse").header("Content-Type"), "text/event-stream");
    EXPECT_EQ(sut.get("/v1/jobs/7/logs?format=raw", accept).header("Content-Type"), "text/plain; charset=utf-8");
    EXPECT_EQ(sut.get("/v1/jobs/7/logs?format=xml").status, 400);
}

TEST(http_stream, the_header_of_a_resuming_event_source_wins_over_the_query_it_began_with) {
    served_plugin sut;
    script_logs(sut);
    sut.get("/v1/jobs/7/logs?offset=1&follow=true", "Accept: text/event-stream\r\nLast-Event-ID: 8\r\n");
    EXPECT_EQ(sut.wait_call(1).params, R"({"id":"7","offset":8,"follow":true})");
    sut.on("events.watch", [&](const seen_call& c, sigrun_error*) {
        give_reply(sut.host.get(), c.replies, SIGRUN_FRAME_LAST, "{\"seq\":42}");
        return SIGRUN_OK;
    });
    sut.get("/v1/events?after=5", "Last-Event-ID: 41\r\n");
    EXPECT_EQ(sut.wait_call(2).params, R"({"after":41})");
    sut.get("/v1/events?after=5");
    EXPECT_EQ(sut.wait_call(3).params, R"({"after":5})");
}

TEST(http_stream, head_of_logs_tells_whether_there_is_such_a_job) {
    served_plugin sut;
    script_logs(sut);
    sut.on("jobs.get", [&](const seen_call& c, sigrun_error* e) -> sigrun_result {
        if (c.params != R"({"id":"7"})") return sdk::report(e, SIGRUN_E_NOT_FOUND, R"({"code":"not_found"})");
        give_reply(sut.host.get(), c.replies, SIGRUN_FRAME_LAST, R"({"id":"7"})");
        return SIGRUN_OK;
    });
    auto s = sut.connect();
    const auto head = [&](std::string_view id, std::string_view headers) {
        s.send(sdk::concat("HEAD /v1/jobs/", id, "/logs HTTP/1.1\r\nHost: localhost\r\n", headers, "\r\n"));
        return s.read_response(true);
    };
    EXPECT_EQ(head("none", "").status, 404);
    EXPECT_EQ(head("none", "").header("Content-Type"), "application/problem+json");
    EXPECT_EQ(head("7", "").header("Content-Type"), "text/plain; charset=utf-8");
    EXPECT_EQ(head("7", "Accept: text/event-stream\r\n").header("Content-Type"), "text/event-stream");
    EXPECT_EQ(head("7", "").status, 200) << "and no body came in between";
    for (const auto& call : sut.calls()) EXPECT_EQ(call.method, "jobs.get");
}

TEST(http_stream, an_error_before_the_first_frame_is_a_status_and_after_it_breaks_the_stream) {
    served_plugin sut;
    sut.on("jobs.logs", [&](const seen_call& c, sigrun_error*) {
        if (c.params != R"({"id":"late"})" && c.params != R"({"id":"sse"})") {
            give_reply(sut.host.get(), c.replies, SIGRUN_FRAME_LAST | SIGRUN_FRAME_ERROR, R"({"code":"not_found"})");
            return SIGRUN_OK;
        }
        give_reply(sut.host.get(), c.replies, 0, k_two_frames_first, "abc");
        give_reply(sut.host.get(), c.replies, SIGRUN_FRAME_LAST | SIGRUN_FRAME_ERROR, R"({"code":"io"})");
        return SIGRUN_OK;
    });
    EXPECT_EQ(sut.get("/v1/jobs/7/logs").status, 404);
    EXPECT_THROW(sut.get("/v1/jobs/late/logs"), std::runtime_error) << "no last chunk: the peer sees it is incomplete";
    const auto sse = sut.get("/v1/jobs/sse/logs", "Accept: text/event-stream\r\n");
    EXPECT_NE(sse.body.find("event: error\ndata: {\"code\":\"io\"}\n\n"), std::string::npos) << sse.body;
}

TEST(http_stream, events_carry_their_sequence_number_and_the_head_comes_before_the_first) {
    served_plugin sut;
    sut.on("events.watch", [](const seen_call&, sigrun_error*) { return SIGRUN_PENDING; });
    auto s = sut.connect();
    s.send("GET /v1/events?types=Job HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 41\r\n\r\n");
    const auto call = sut.wait_call();
    EXPECT_EQ(call.params, R"({"after":41,"types":"Job"})");
    EXPECT_NE(s.read_until("\r\n\r\n").find("text/event-stream"), std::string::npos);
    give_reply(sut.host.get(), call.replies, 0, "{\"seq\":42,\n\"type\":\"JobSubmitted\"}");
    EXPECT_EQ(s.read_until("\n\n").substr(4), "id: 42\ndata: {\"seq\":42, \"type\":\"JobSubmitted\"}\n\n");
}

TEST(http_stream, a_client_that_disconnects_in_the_middle_ends_the_call) {
    served_plugin sut;
    sut.on("jobs.logs", [&](const seen_call& c, sigrun_error*) {
        give_reply(sut.host.get(), c.replies, 0, k_two_frames_first, "abc");
        return SIGRUN_PENDING;
    });
    const auto lifetime = [&] {
        auto s = sut.connect();
        s.send("GET /v1/jobs/7/logs?follow=true HTTP/1.1\r\nHost: localhost\r\n\r\n");
        s.read_until("abc\r\n");
        return sut.lifetime_of_last();
    }();
    const auto call = sut.wait_call();
    sut.wait_ended(call.id);
    EXPECT_EQ(sut.host.wait(lifetime).result, SIGRUN_OK);
}

TEST(http_stream, destroying_the_plugin_ends_open_streams_and_leaves_nothing_behind) {
    served_plugin sut;
    sut.on("events.watch", [](const seen_call&, sigrun_error*) { return SIGRUN_PENDING; });
    auto s = sut.connect();
    s.send("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const auto call = sut.wait_call();
    give_reply(sut.host.get(), call.replies, 0, "{\"seq\":1}");
    s.read_until("{\"seq\":1}");
    sut.destroy();
    sut.wait_ended(call.id);
    EXPECT_EQ(sut.host.open_ops(), 0u);
    EXPECT_EQ(sut.host.live_threads(), 0u);
    EXPECT_EQ(sut.host.live_buffers(), 0u);
}

TEST(http_stream, a_slow_reader_makes_the_kernel_wait_and_loses_nothing) {
    served_plugin sut;
    sut.on("jobs.logs", [](const seen_call&, sigrun_error*) { return SIGRUN_PENDING; });
    auto s = sut.connect();
    s.send("GET /v1/jobs/7/logs?follow=true HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const auto call = sut.wait_call();
    const std::string piece(64 << 10, 'x');
    const auto host = sut.host.get();
    std::size_t given = 0;
    // Pushed until the plugin says that it is full: with the reader asleep this must happen, and soon.
    while (give_reply(host, call.replies, 0, k_two_frames_first, piece) == SIGRUN_OK) ASSERT_LT(++given, 2000u);
    std::string body;
    std::thread reader([&] { body = s.read_response().body; });
    std::size_t resumed = 0;
    for (std::size_t more = 0; more < 100;) {
        sut.wait_resumed(++resumed);
        while (more < 100 && give_reply(host, call.replies, 0, k_two_frames_first, piece) == SIGRUN_OK) ++more, ++given;
    }
    while (give_reply(host, call.replies, SIGRUN_FRAME_LAST, k_end) == SIGRUN_E_BUSY) sut.wait_resumed(++resumed);
    reader.join();
    EXPECT_EQ(body.size(), given * piece.size());
}

TEST(http_stream, any_method_by_name_answers_with_reply_frames_line_by_line) {
    served_plugin sut;
    sut.on("x.y", [&](const seen_call& c, sigrun_error*) {
        give_reply(sut.host.get(), c.replies, 0, R"({"n":1})", std::string("\0\n", 2));
        give_reply(sut.host.get(), c.replies, SIGRUN_FRAME_LAST, R"({"n":2})");
        return SIGRUN_OK;
    });
    auto got = sut.post("/v1/call/x.y?params=%7B%22a%22%3A1%7D", "{\"doc\":1}");
    EXPECT_EQ(got.header("Content-Type"), "application/x-ndjson");
    EXPECT_EQ(got.body,
              "{\"kind\":\"reply\",\"json\":{\"n\":1},\"payload\":\"AAo=\"}\n"
              "{\"kind\":\"reply\",\"flags\":1,\"json\":{\"n\":2}}\n");
    const auto call = sut.wait_call();
    EXPECT_EQ(call.params, R"({"a":1})");
    EXPECT_EQ(call.document, "{\"doc\":1}");
    wire_frame both;
    both.kind = SIGRUN_REPLY;
    both.json = "{\"doc\":2}";
    both.payload = "bytes";
    both.has_payload = true;
    sut.post("/v1/call/x.y", encode_frame(both), sdk::concat("Content-Type: ", k_frame_type, "\r\n"));
    EXPECT_EQ(sut.wait_call(2).document, "{\"doc\":2}");
    EXPECT_EQ(sut.wait_call(2).payload, "bytes");
    EXPECT_EQ(sut.post("/v1/call/x.y?params=%5B%5D", "").status, 400);
    EXPECT_EQ(sut.post("/v1/call/none", "").status, 501);
}

}  // namespace
}  // namespace sigrun::http::testing
