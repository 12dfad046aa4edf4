// Peers that are slow, deaf, half closed or too many, and the end of a served plugin.
#include "served_plugin.hpp"

#include <gtest/gtest.h>

namespace sigrun::http::testing {
namespace {

TEST(http_serve, slow_clients_are_closed) {
    served_plugin sut(
        served_plugin::options{{"header_timeout", "300ms"}, {"body_timeout", "300ms"}, {"idle_timeout", "300ms"}});
    sut.on("health.live", "{}");
    auto head = sut.connect();
    head.send("GET /healthz HT");
    EXPECT_EQ(head.read_response().status, 408);
    auto body = sut.connect();
    body.send(
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{");
    EXPECT_EQ(body.read_response().status, 408);
    auto idle = sut.connect();
    idle.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(idle.read_response().status, 200);
    EXPECT_EQ(idle.read_to_end(), "");
    auto silent = sut.connect();
    EXPECT_EQ(silent.read_to_end(), "");
}

TEST(http_serve, a_peer_that_reads_nothing_is_closed) {
    served_plugin sut(served_plugin::options{{"write_timeout", "300ms"}});
    sut.on("config.get", "\"" + std::string(32 << 20, 'x') + "\"");
    auto s = sut.connect();
    s.send("GET /v1/config HTTP/1.1\r\nHost: localhost\r\n\r\n");
    sut.wait_call();
    EXPECT_EQ(sut.host.wait(sut.lifetime_of_last()).result, SIGRUN_OK);
}

TEST(http_serve, a_half_closed_client_still_gets_its_answers) {
    served_plugin sut;
    sut.on("jobs.get", [](const seen_call&, sigrun_error*) { return SIGRUN_PENDING; });
    auto s = sut.connect();
    s.send("GET /v1/jobs/1 HTTP/1.1\r\nHost: localhost\r\n\r\nGET /v1/jobs/2 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    s.shut_writing();
    const auto first = sut.wait_call(1);
    give_reply(sut.host.get(), first.replies, SIGRUN_FRAME_LAST, "{\"n\":1}");
    EXPECT_EQ(s.read_response().body, "{\"n\":1}");
    const auto second = sut.wait_call(2);
    give_reply(sut.host.get(), second.replies, SIGRUN_FRAME_LAST, "{\"n\":2}");
    EXPECT_EQ(s.read_response().body, "{\"n\":2}");
    EXPECT_EQ(s.read_to_end(), "");
}

TEST(http_serve, too_many_connections_are_refused_and_room_comes_back) {
    served_plugin sut(served_plugin::options{{"max_connections", "2"}});
    sut.on("health.live", "{}");
    {
        auto a = sut.connect();
        auto b = sut.connect();
        a.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        b.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        EXPECT_EQ(a.read_response().status, 200);
        EXPECT_EQ(b.read_response().status, 200);
        auto c = sut.connect();
        EXPECT_EQ(c.read_to_end(), "");
        a.close();
        b.close();
    }
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    std::string got;
    while (got.empty() && std::chrono::steady_clock::now() < until) {
        auto s = sut.connect();
        try {
            s.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            got = s.read_to_end();
        } catch (const std::runtime_error&) {
        }
    }
    EXPECT_EQ(got.substr(0, 15), "HTTP/1.1 200 OK");
}

TEST(http_serve, drain_finishes_what_runs_and_destroy_leaves_nothing_behind) {
    auto sut = std::make_unique<served_plugin>(served_plugin::options{{"threads", "2"}});
    sut->on("jobs.get", [](const seen_call&, sigrun_error*) { return SIGRUN_PENDING; });
    sut->on("health.live", "{}");
    auto idle = sut->connect();
    idle.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(idle.read_response().status, 200);
    auto busy = sut->connect();
    busy.send("GET /v1/jobs/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const auto call = sut->wait_call(2);
    const auto done = sut->host.mint();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    ASSERT_EQ(
        sut->instance->drain(sut->instance, static_cast<std::uint64_t>(deadline.time_since_epoch().count()), done),
        SIGRUN_PENDING);
    EXPECT_EQ(idle.read_to_end(), "");
    EXPECT_FALSE(sut->host.completed(done));
    give_reply(sut->host.get(), call.replies, SIGRUN_FRAME_LAST, "{}");
    const auto last = busy.read_response();
    EXPECT_EQ(last.header("Connection"), "close");
    busy.close();
    idle.close();
    EXPECT_EQ(sut->host.wait(done).result, SIGRUN_OK);
    sut->destroy();
    EXPECT_EQ(sut->host.live_threads(), 0u);
    EXPECT_EQ(sut->host.live_buffers(), 0u);
    EXPECT_EQ(sut->host.open_ops(), 0u);
    EXPECT_EQ(sut->host.double_completions(), 0u);
}

}  // namespace
}  // namespace sigrun::http::testing
