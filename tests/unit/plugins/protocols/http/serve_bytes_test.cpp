// Requests as bytes: limits, segments, pipelines, chunks, and HTTP/1.0.
#include "served_plugin.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace sigrun::http::testing {
namespace {
namespace json = boost::json;

TEST(http_serve, limits_answer_413_and_431_and_close) {
    served_plugin sut(served_plugin::options{{"max_header", "4KiB"}, {"max_body", "64KiB"}});
    auto s = sut.connect();
    s.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(8192, 'x') + "\r\n\r\n");
    EXPECT_EQ(s.read_response().status, 431);
    EXPECT_EQ(s.read_to_end(), "");
    auto announced = sut.connect();
    announced.send("POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65537\r\n\r\n");
    EXPECT_EQ(announced.read_response().status, 413);
    EXPECT_EQ(announced.read_to_end(), "");
    auto chunked = sut.connect();
    chunked.send(
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: "
        "chunked\r\n\r\n10001\r\n" +
        std::string(0x10001, 'x'));
    EXPECT_EQ(chunked.read_response().status, 413);
    EXPECT_TRUE(sut.calls().empty());
}

TEST(http_serve, a_head_that_comes_in_many_segments_has_the_same_limits) {
    served_plugin sut;
    sut.on("health.live", "{}");
    const std::string first = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";
    const std::string line = "a: " + std::string(995, 'x') + "\r\n";
    auto fits = sut.connect();
    fits.send(first);
    for (int i = 0; i < 64; ++i) fits.send(line);
    fits.send("\r\n");
    EXPECT_EQ(fits.read_response().status, 200);
    auto large = sut.connect();
    large.send(first);
    for (int i = 0; i < 80; ++i) large.send(line);  // the server reads at most 16 KiB at once
    large.send("\r\n");
    const auto got = large.read_response();
    EXPECT_EQ(got.status, 431);
    EXPECT_EQ(json::parse(got.body).at("field"), "head");
    EXPECT_EQ(large.read_to_end(), "");

    for (const int fields : {100, 101}) {
        auto many = sut.connect();
        many.send(first);
        for (int i = 1; i < fields; ++i) many.send("a:\r\n");
        many.send("\r\n");
        EXPECT_EQ(many.read_response().status, fields == 100 ? 200 : 431);
    }
    auto endless = sut.connect();
    endless.send(first);
    for (int i = 0; i < 20000; ++i) endless.send("a:\r\n");
    EXPECT_EQ(endless.read_response().status, 431) << "without waiting for the end of the head";

    auto trailer = sut.connect();
    trailer.send(
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n");
    for (int i = 0; i < 80; ++i) trailer.send(line);
    EXPECT_EQ(trailer.read_response().status, 431);
}

TEST(http_serve, keep_alive_and_pipelined_requests_are_answered_in_order) {
    served_plugin sut;
    sut.on("jobs.get", [&](const seen_call& c, sigrun_error*) -> sigrun_result {
        if (c.params == R"({"id":"slow"})") return SIGRUN_PENDING;
        give_reply(sut.host.get(), c.replies, SIGRUN_FRAME_LAST, c.params);
        return SIGRUN_OK;
    });
    auto s = sut.connect();
    s.send(
        "GET /v1/jobs/slow HTTP/1.1\r\nHost: localhost\r\n\r\nGET /v1/jobs/fast HTTP/1.1\r\nHost: localhost\r\n\r\n"
        "GET /v1/jobs/last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    const auto slow = sut.wait_call();
    EXPECT_EQ(sut.calls().size(), 1u) << "the next request waits for its turn";
    give_reply(sut.host.get(), slow.replies, SIGRUN_FRAME_LAST, R"({"id":"slow"})");
    EXPECT_EQ(s.read_response().body, R"({"id":"slow"})");
    EXPECT_EQ(s.read_response().body, R"({"id":"fast"})");
    const auto last = s.read_response();
    EXPECT_EQ(last.body, R"({"id":"last"})");
    EXPECT_EQ(last.header("Connection"), "close");
    EXPECT_EQ(s.read_to_end(), "");
}

TEST(http_serve, a_flood_of_pipelined_requests_is_answered_completely_once_the_peer_reads) {
    served_plugin sut;
    sut.on("stats.get", "\"" + std::string(20000, 'x') + "\"");
    auto s = sut.connect();
    constexpr std::size_t k_requests = 3000;
    std::thread writer([&] {
        for (std::size_t i = 0; i < k_requests; ++i) s.send("GET /v1/stats HTTP/1.1\r\nHost: localhost\r\n\r\n");
    });
    sut.wait_call(100);
    for (std::size_t i = 0; i < k_requests; ++i) ASSERT_EQ(s.read_response().body.size(), 20002u) << i;
    writer.join();
}

TEST(http_serve, requests_cut_anywhere_and_chunked_bodies_are_put_together) {
    served_plugin sut;
    sut.on("jobs.submit", R"({"id":"1"})");
    const std::string request =
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: "
        "chunked\r\n\r\n3\r\n{\"a\r\n4;x=y\r\n\":1}\r\n0\r\nT: "
        "r\r\n\r\n";
    auto s = sut.connect();
    for (char c : request) s.send(std::string_view(&c, 1));
    EXPECT_EQ(s.read_response().status, 201);
    EXPECT_EQ(sut.wait_call().document, R"({"a":1})");
}

TEST(http_serve, head_options_and_http_1_0) {
    served_plugin sut;
    sut.on("health.live", R"({"status":"ok"})");
    auto s = sut.connect();
    s.send("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const auto head = s.read_response(true);
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.header("Content-Length"), "15");
    s.send("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(s.read_response().status, 204) << "and nothing of a body came before it";
    s.send("OPTIONS /v1/jobs/7 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(s.read_response().header("Allow"), "GET, HEAD, OPTIONS");
    auto old = sut.connect();
    old.send("GET /healthz HTTP/1.0\r\n\r\n");
    EXPECT_EQ(old.read_response().body, R"({"status":"ok"})");
    EXPECT_EQ(old.read_to_end(), "");
}

}  // namespace
}  // namespace sigrun::http::testing
