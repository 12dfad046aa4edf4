// Peers that are too many, too slow, or gone: each is found by its own deadline, set small here through options.
#include "raw_peer.hpp"

using namespace rig;

TEST(valkyrie_limits, connections_beyond_max_connections_are_refused_and_counted) {
    controller server(options{{"max_connections", "2"}});
    auto first = raw_peer::dial(server.uri), second = raw_peer::dial(server.uri);
    first.dial_handshake();
    second.dial_handshake();
    auto third = raw_peer::dial(server.uri);
    EXPECT_EQ(third.hear(12).size(), 12u);
    EXPECT_EQ(third.hear_goaway(), vlk::code::too_many_streams);
    EXPECT_EQ(third.hear(1), "");
    EXPECT_EQ(server.host.metric("sigrun_valkyrie_connections_refused_total"), 1.0);
    {
        std::lock_guard lock(server.mutex);  // the host's op of a refused connection is void
        server.host.forget(server.lifetimes.back());
        server.lifetimes.pop_back();
    }
    first.close();
    ASSERT_TRUE(eventually([&] { return server.host.completed(server.lifetimes[0]); }));
    client again(server.uri);
    sdk::recording_sink replies;
    EXPECT_EQ(again.host.wait(again.call(again.link, "echo", replies.abi(), "{}")).result, SIGRUN_OK);
}

TEST(valkyrie_limits, a_peer_that_takes_nothing_is_disconnected_after_write_timeout) {
    controller server(options{{"write_timeout", "200ms"}});
    auto peer = raw_peer::dial(server.uri);
    peer.dial_handshake();
    peer.say(call_frame(16, "link") + call_frame(17, "hold"));
    ASSERT_TRUE(eventually([&] { return server.link && server.held_count() == 1; }));
    made_frame drain(SIGRUN_DRAIN);
    drain.with_json(sdk::concat("\"", std::string(60'000, 'd'), "\""));
    for (int i = 0; i < 400; ++i)  // 24 MB: more than the sockets take, less than the output may hold
        if (server.table->link->send(server.link, drain) != SIGRUN_OK) break;
    auto bye = server.frames.wait_for(is(SIGRUN_BYE));
    EXPECT_NE(bye.json.find("write_timeout"), std::string::npos) << bye.json;
    EXPECT_TRUE(eventually([&] { return server.ended == 1 && server.all_ended(); }));
    auto code = peer.hear_goaway();  // if it reads within the second that the goodbye lingers
    EXPECT_TRUE(code == vlk::code::stuck || code == ~std::uint64_t{0}) << code;
    EXPECT_EQ(server.close(server.link).result, SIGRUN_OK);
}

TEST(valkyrie_limits, a_frame_or_message_that_stops_half_way_ends_after_read_timeout) {
    controller server(options{{"read_timeout", "100ms"}});
    auto call = call_frame(16, "echo");
    for (std::size_t n : {std::size_t{1}, vlk::k_header_size, call.size() - 1}) {
        auto peer = raw_peer::dial(server.uri);
        peer.dial_handshake();
        peer.say(call.substr(0, n));
        EXPECT_EQ(peer.hear_goaway(), vlk::code::timeout) << n;
    }
    auto pieces = raw_peer::dial(server.uri);
    pieces.dial_handshake();
    pieces.say(vlk::type::call, vlk::flag::more | vlk::flag::payload, 16,
               "\x04"
               "echo");
    EXPECT_EQ(pieces.hear_goaway(), vlk::code::timeout);
    auto skipped = raw_peer::dial(server.uri);  // also one of an unknown type
    skipped.dial_handshake();
    skipped.say(std::string("\x09\0\0\0\x77\0\0\0\0\0\0\0half", 16));
    EXPECT_EQ(skipped.hear_goaway(), vlk::code::timeout);
}

TEST(valkyrie_limits, a_vanished_peer_with_an_open_call_is_found_by_two_pings) {
    controller server(options{{"ping_interval", "50ms"}});
    auto peer = raw_peer::dial(server.uri);
    peer.dial_handshake();
    peer.say(call_frame(16, "hold"));
    std::string body;
    for (int i = 0; i < 5; ++i) {  // one that answers stays
        ASSERT_EQ(peer.hear_frame(body).type, vlk::type::ping);
        peer.say(vlk::type::pong, 0, 0, body);
    }
    EXPECT_EQ(peer.hear_frame(body).type, vlk::type::ping);
    EXPECT_EQ(peer.hear_frame(body).type, vlk::type::ping);
    EXPECT_EQ(peer.hear_frame(body).type, vlk::type::goaway);
    vlk::reason_message reason;
    EXPECT_FALSE(vlk::decode_reason(body, reason));
    EXPECT_EQ(reason.code, vlk::code::timeout);
    EXPECT_TRUE(eventually([&] { return server.ended == 1 && server.all_ended(); }));
}

TEST(valkyrie_limits, the_caller_finds_a_vanished_acceptor_too) {
    raw_listener at;
    side caller;
    caller.start({{"ping_interval", "50ms"}});
    sdk::recording_sink frames, replies;
    sigrun_link* link = nullptr;
    sigrun_endpoint to{sizeof to, 0, str(at.uri), str(""), str(""), 0};
    auto op = caller.host.mint();
    ASSERT_EQ(caller.table->dial->open(caller.instance, &to, frames.abi(), op, &link), SIGRUN_PENDING);
    auto peer = raw_peer::accept_from(at);
    peer.accept_handshake();
    ASSERT_EQ(caller.host.wait(op).result, SIGRUN_OK);
    EXPECT_EQ(caller.host.wait(caller.call(link, "echo", replies.abi())).result, SIGRUN_E_TIMEOUT);
    EXPECT_EQ(caller.close(link).result, SIGRUN_OK);
}

TEST(valkyrie_limits, an_idle_peer_is_not_asked_but_ended_by_idle_timeout) {
    controller server(options{{"ping_interval", "10ms"}, {"idle_timeout", "200ms"}});
    auto peer = raw_peer::dial(server.uri);
    peer.dial_handshake();
    std::string body;
    EXPECT_EQ(peer.hear_frame(body).type, vlk::type::goaway);
}
