// Peers that are too slow, too greedy, or gone: each is found by its own limit, set small here through options.
#include "ws_rig.hpp"

using namespace rig;

namespace {

constexpr std::string_view k_link = R"({"kind":"call","id":1,"method":"link"})";
constexpr std::string_view k_hold = R"({"kind":"call","id":2,"method":"hold"})";

}  // namespace

TEST(websocket_limits, a_peer_that_takes_nothing_is_disconnected_after_write_timeout) {
    controller server(options{{"write_timeout", "300ms"}, {"max_output", "64MiB"}});
    auto peer = raw_client::open(server);
    peer.say_text(k_link);
    peer.say_text(k_hold);
    ASSERT_TRUE(eventually([&] { return server.link && server.held_count() == 1; }));
    made_frame drain(SIGRUN_DRAIN);
    drain.with_json(sdk::concat("\"", std::string(15'000, 'd'), "\""));
    for (int i = 0; i < 1600; ++i)  // 24 MB: more than the sockets take
        ASSERT_EQ(server.table->link->send(server.link, drain), SIGRUN_OK);
    auto bye = server.frames.wait_for(is(SIGRUN_BYE));
    EXPECT_NE(bye.json.find("write_timeout"), std::string::npos) << bye.json;
    EXPECT_TRUE(eventually([&] { return server.ended == 1 && server.all_ended(); }));
    EXPECT_EQ(server.close(server.link).result, SIGRUN_OK);
}

TEST(websocket_limits, what_waits_for_a_slow_peer_is_bounded_and_logs_are_refused_first) {
    controller server(options{{"max_output", "1MiB"}});
    auto peer = raw_client::open(server);
    peer.say_text(k_link);
    ASSERT_TRUE(eventually([&] { return server.link.load() != nullptr; }));
    const auto& ops = *server.table->link;
    made_frame log(SIGRUN_LOG);
    log.of(1).with(server.host.get(), std::string(SIGRUN_LOG_MAX, 'x'));
    std::size_t logs = 0;
    auto refused = [&](const sigrun_frame* f, std::size_t& taken) {  // twice, with time for the sockets between
        for (int in_a_row = 0; in_a_row < 50 && taken < 100'000;) {
            if (ops.send(server.link, f) == SIGRUN_OK) {
                ++taken;
                in_a_row = 0;
            } else {
                ++in_a_row;
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
        }
    };
    refused(log, logs);
    EXPECT_EQ(ops.send(server.link, log), SIGRUN_E_BUSY);
    EXPECT_LT(logs * SIGRUN_LOG_MAX, 16u << 20);
    made_frame beat(SIGRUN_BEAT);
    beat.with_json(R"({"free":1})");
    EXPECT_EQ(ops.send(server.link, beat), SIGRUN_OK) << "a small frame still finds room";
    beat.with_json(sdk::concat("\"", std::string(16'000, 'b'), "\""));
    std::size_t beats = 0;
    refused(beat, beats);
    EXPECT_EQ(ops.send(server.link, beat), SIGRUN_E_BUSY) << "but not without end";
    EXPECT_LT(beats * 16'000, 2u << 20);
    EXPECT_EQ(server.close(server.link).result, SIGRUN_OK);
}

TEST(websocket_limits, a_peer_that_calls_but_takes_no_answers_is_read_no_further) {
    controller server(options{{"max_output", "1MiB"}, {"write_timeout", "0s"}});
    auto peer = raw_client::open(server);
    const auto one =
        raw_client::frame(0x81, R"({"kind":"call","id":1,"method":"","json":")" + std::string(1000, 'x') + "\"}");
    std::size_t sent = 0;
    for (;;) {  // each is answered with a problem; at last the socket takes no more of them
        const auto n = send(peer.fd(), one.data(), one.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            sent += static_cast<std::size_t>(n);
            if (static_cast<std::size_t>(n) < one.size()) break;
            continue;
        }
        pollfd p{peer.fd(), POLLOUT, 0};
        if (poll(&p, 1, 1000) != 1) break;
        if (sent > (512u << 20)) FAIL() << "it reads on and on";
    }
    EXPECT_GT(sent, 1u << 20);
}

TEST(websocket_limits, a_message_that_is_not_finished_in_time_ends_with_4408) {
    controller server(options{{"message_timeout", "200ms"}});
    auto peer = raw_client::open(server);
    peer.say_frame(0x01, "{\"kind\":");
    EXPECT_EQ(peer.hear_close().code(), 4408u);
    auto drip = raw_client::open(server);  // a byte now and then is no way out
    std::atomic<bool> stop{false};
    std::thread dripper([&] {
        drip.say_frame(0x01, "{");
        while (!stop) {
            drip.say_frame(0x00, " ");
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
    });
    EXPECT_EQ(drip.hear_close().code(), 4408u);
    stop = true;
    dripper.join();
}

TEST(websocket_limits, a_peer_in_use_is_pinged_and_a_silent_one_is_ended) {
    controller server(options{{"ping_interval", "100ms"}, {"pong_timeout", "300ms"}});
    auto peer = raw_client::open(server);
    peer.say_text(k_hold);
    for (int i = 0; i < 3; ++i) {  // one that answers stays
        const auto ping = peer.hear();
        ASSERT_EQ(ping.opcode, 9u);
        peer.say_frame(0x8a, ping.payload);
    }
    EXPECT_EQ(peer.hear().opcode, 9u);
    EXPECT_EQ(peer.hear_close().code(), 4408u);
    EXPECT_TRUE(eventually([&] { return server.ended == 1; }));
    EXPECT_EQ(server.host.metric("sigrun_websocket_silent_peers_total"), 1.0);
}

TEST(websocket_limits, an_idle_peer_is_not_pinged_but_ended_by_idle_timeout) {
    controller server(options{{"ping_interval", "10ms"}, {"idle_timeout", "300ms"}});
    auto peer = raw_client::open(server);
    const auto f = peer.hear();
    EXPECT_EQ(f.opcode, 8u);
    EXPECT_EQ(f.code(), 1001u);
}

TEST(websocket_limits, a_thousand_half_open_connections_time_out_and_the_port_still_serves) {
    controller server(options{{"handshake_timeout", "500ms"}});
    std::vector<raw_client> half;
    for (int i = 0; i < 1000; ++i) {
        half.push_back(raw_client::dial(server));
        half.back().say("GET /v1/session HTTP/1.1\r\n");
    }
    client c(server.uri);
    sdk::recording_sink replies;
    EXPECT_EQ(c.host.wait(c.call(c.link, "echo", replies.abi(), "{}")).result, SIGRUN_OK);
    for (auto& one : half) EXPECT_EQ(one.hear_head().substr(0, 12), "HTTP/1.1 408");
    half.clear();
    EXPECT_EQ(c.close(std::exchange(c.link, nullptr)).result, SIGRUN_OK);
    EXPECT_TRUE(eventually([&] { return server.all_ended(); }));
}

TEST(websocket_limits, a_message_beyond_what_the_peer_takes_is_refused_at_once) {
    controller server(options{{"max_message", "256KiB"}});
    client c(server.uri, {{"max_message", "128KiB"}});
    sdk::recording_sink replies;
    sdk::buffer big(c.host.get(), std::string(300 << 10, 'x'));
    sigrun_call call{sizeof call, 0, str("echo"), str(""), str("{}"), str(""), big.get(), 0};
    auto op = c.host.mint();
    EXPECT_EQ(c.table->link->call(c.link, &call, replies.abi(), op), SIGRUN_E_INVALID);
    c.host.forget(op);
    sdk::buffer half(c.host.get(), std::string(200 << 10, 'x'));  // the other side's answer would be too large
    EXPECT_EQ(c.host.wait(c.call(c.link, "echo", replies.abi(), "{}", half.get())).result, SIGRUN_OK);
    EXPECT_TRUE(replies.frames().at(0).flags & SIGRUN_FRAME_ERROR);
}

TEST(websocket_limits, options_change_while_connections_are_open) {
    controller server;
    auto peer = raw_client::open(server);
    sigrun_hello hello{sizeof hello, SIGRUN_ABI_MAJOR, SIGRUN_ABI_MINOR, 0, str("t"), str(SIGRUN_SDK_VERSION)};
    const auto* entry = sigrun_plugin_entry_v1(&hello);
    EXPECT_EQ(
        server.host.reconfigure(server.instance, *entry, "websocket", {{"idle_timeout", "200ms"}, {"max_calls", "1"}}),
        std::uint32_t{SIGRUN_EFFECT_APPLIED_HOT});
    peer.say_text(k_hold);
    peer.say_text(R"({"kind":"call","id":3,"method":"hold"})");
    EXPECT_NE(peer.hear().payload.find("too many calls"), std::string::npos);
    peer.say_text(R"({"kind":"end","id":2})");
    EXPECT_NE(peer.hear().payload.find("cancelled"), std::string::npos);
    EXPECT_EQ(peer.hear_close().code(), 1001u) << "idle";
}
