// Peers that lie, stall, die or speak something else.
#include "raw_peer.hpp"

#include <sys/resource.h>

using namespace rig;
using vlk::flag::last;

namespace {

std::string log_body(std::size_t payload) {
    vlk::byte_buffer out;
    sigrun_frame f{};
    f.kind = SIGRUN_LOG;
    EXPECT_FALSE(vlk::encode_session(out, {vlk::k_stream_session_bulk, 1}, f, std::string(payload, 'x')));
    return std::string(out.view());
}

}  // namespace

TEST(valkyrie_hostile, the_magic_is_recognised_at_every_length) {
    controller server;
    auto ask = [&](std::string_view bytes) {
        return server.table->serve->recognise(server.instance, sdk::bytes(bytes), 0);
    };
    auto magic = vlk::k_magic;
    for (std::size_t n = 0; n < magic.size(); ++n) {
        EXPECT_EQ(ask(magic.substr(0, n)), SIGRUN_NEED_MORE);
        EXPECT_EQ(ask(std::string(magic.substr(0, n)) + "?"), SIGRUN_NOT_MINE);
    }
    EXPECT_EQ(ask(magic), SIGRUN_OK);
    EXPECT_EQ(ask("GET / HTTP/1.1\r\n"), SIGRUN_NOT_MINE);
    EXPECT_EQ(ask("\x16\x03\x01"), SIGRUN_NOT_MINE);
}

TEST(valkyrie_hostile, each_breach_is_answered_with_its_code) {
    struct breach {
        const char* name;
        std::uint32_t code;
        std::function<void(raw_peer&)> commit;
    };
    const breach breaches[] = {
        {"unknown flag", vlk::code::flags, [](raw_peer& p) { p.say(vlk::type::ping, 0x4000, 0, "12345678"); }},
        {"too large", vlk::code::too_large,
         [](raw_peer& p) { p.say(std::string("\xff\xff\xff\xff\x01\0\0\0\0\0\0\0", 12)); }},
        {"second HELLO", vlk::code::order, [](raw_peer& p) { p.say(vlk::type::hello, 0, 0, ""); }},
        {"session without link", vlk::code::no_session, [](raw_peer& p) { p.say(vlk::type::beat, 0, 1, ""); }},
        {"session frame on a call's stream", vlk::code::stream, [](raw_peer& p) { p.say(vlk::type::beat, 0, 99, ""); }},
        {"call on a reserved stream", vlk::code::stream, [](raw_peer& p) { p.say(call_frame(15, "echo")); }},
        {"stream in use", vlk::code::stream_in_use,
         [](raw_peer& p) { p.say(call_frame(16, "hold") + call_frame(16, "echo")); }},
        {"reply to nothing", vlk::code::stream, [](raw_peer& p) { p.say(vlk::type::reply, last, 16, ""); }},
        {"credit of nothing", vlk::code::flow_control,
         [](raw_peer& p) { p.say(vlk::type::credit, 0, 2, std::string_view("\0", 1)); }},
        {"truncated call", vlk::code::protocol,
         [](raw_peer& p) {
             p.say(vlk::type::call, 0, 16,
                   "\x05"
                   "ab");
         }},
        {"text that is not UTF-8", vlk::code::protocol,
         [](raw_peer& p) {
             p.say(vlk::type::call, vlk::flag::json, 16,
                   "\x04"
                   "echo"
                   "\x02\xc3(");
         }},
        {"log on the control stream", vlk::code::stream,
         [](raw_peer& p) {
             p.say(call_frame(16, "link"));
             auto log = log_body(10);
             log[8] = 1;  // the stream
             p.say(log);
         }},
        {"log without credit", vlk::code::flow_control,
         [](raw_peer& p) {
             p.say(call_frame(16, "link"));
             for (int i = 0; i < 20; ++i) p.say(log_body(SIGRUN_LOG_MAX));
         }},
    };
    for (const auto& each : breaches) {
        controller server;
        server.frames.set_result(SIGRUN_E_BUSY);  // so that no log credit is granted
        auto peer = raw_peer::dial(server.uri);
        peer.dial_handshake();
        each.commit(peer);
        EXPECT_EQ(peer.hear_goaway(), each.code) << each.name;
        peer.close();
        EXPECT_TRUE(eventually([&] { return server.all_ended(); })) << each.name;
        if (server.link) {
            EXPECT_EQ(server.close(server.link).result, SIGRUN_OK);
        }
    }
}

TEST(valkyrie_hostile, an_acceptor_that_begins_a_session_unasked_is_refused) {
    raw_listener at;
    side runner;
    runner.start();
    sdk::recording_sink frames;
    sigrun_link* link = nullptr;
    sigrun_endpoint to{sizeof to, 0, str(at.uri), str(""), str(""), 0};
    auto op = runner.host.mint();
    ASSERT_EQ(runner.table->dial->open(runner.instance, &to, frames.abi(), op, &link), SIGRUN_PENDING);
    auto peer = raw_peer::accept_from(at);
    peer.accept_handshake();
    ASSERT_EQ(runner.host.wait(op).result, SIGRUN_OK);
    peer.say(vlk::type::beat, 0, 1, "");
    EXPECT_EQ(peer.hear_goaway(), vlk::code::no_session);
    frames.wait_for(is(SIGRUN_BYE));
    EXPECT_EQ(frames.frames().size(), 1u);
    EXPECT_EQ(runner.close(link).result, SIGRUN_OK);
}

TEST(valkyrie_hostile, a_frame_whose_content_the_host_finds_malformed_ends_the_connection) {
    for (bool kept : {false, true}) {
        controller server;
        auto peer = raw_peer::dial(server.uri);
        peer.dial_handshake();
        peer.say(call_frame(16, "link"));
        ASSERT_TRUE(eventually([&] { return server.link.load() != nullptr; }));
        server.frames.set_result(kept ? SIGRUN_E_BUSY : SIGRUN_E_INVALID);
        peer.say(vlk::type::beat, vlk::flag::json, 1, "\x01{");
        if (kept) {
            ASSERT_TRUE(eventually([&] { return server.frames.refused() > 0; }));
            server.frames.set_result(SIGRUN_E_INVALID);
        }
        EXPECT_EQ(peer.hear_goaway(), vlk::code::protocol) << kept;
        ASSERT_TRUE(eventually([&] { return server.all_ended(); }));
        EXPECT_EQ(server.close(server.link).result, SIGRUN_OK);
    }
}

TEST(valkyrie_hostile, a_log_that_the_job_does_not_take_is_no_reason_to_end_the_connection) {
    controller server;
    client runner(server.uri);
    runner.become_link(server);
    server.frames.set_result(SIGRUN_E_INVALID);
    made_frame log(SIGRUN_LOG);
    log.of(1).with(runner.host.get(), "after a gap");
    ASSERT_EQ(runner.table->link->send(runner.link, log), SIGRUN_OK);
    ASSERT_TRUE(eventually([&] { return server.frames.refused() > 0; }));
    sdk::recording_sink replies;
    EXPECT_EQ(runner.host.wait(runner.call(runner.link, "echo", replies.abi(), "{}")).result, SIGRUN_OK);
    server.frames.set_result(SIGRUN_OK);
    EXPECT_EQ(server.close(server.link).result, SIGRUN_OK);
}

TEST(valkyrie_hostile, a_handshake_that_cannot_agree_is_answered_with_the_reason) {
    controller server;
    auto old = raw_peer::dial(server.uri);
    old.say(std::string(vlk::k_magic) + std::string("\x02\0\0\0", 4));
    EXPECT_FALSE(vlk::check_preface(old.hear(12)));
    EXPECT_EQ(old.hear_goaway(), vlk::code::version);
    auto future = raw_peer::dial(server.uri);
    vlk::hello h;
    h.version_min = 2;
    h.version_max = 3;
    future.greet(h);
    future.hear(12);
    EXPECT_EQ(future.hear_goaway(), vlk::code::version);
    auto picky = raw_peer::dial(server.uri);
    h = {};
    h.features = h.required = vlk::feature::tls;
    picky.greet(h);
    picky.hear(12);
    EXPECT_EQ(picky.hear_goaway(), vlk::code::feature);
    auto rude = raw_peer::dial(server.uri);
    rude.greet();
    rude.hear_hello();
    auto impatient = raw_peer::dial(server.uri);
    vlk::byte_buffer preface;
    vlk::encode_preface(preface);
    impatient.say(preface.view());
    impatient.say(vlk::type::ping, 0, 0, "12345678");
    EXPECT_EQ(impatient.hear_goaway(), vlk::code::order);
    auto garbage = raw_peer::dial(server.uri);
    garbage.say("GET / HTTP/1.1\r\n\r\n");
    EXPECT_EQ(garbage.hear(1), "");  // closed without a word
}

TEST(valkyrie_hostile, a_peer_killed_in_the_middle_of_a_frame_is_a_lost_connection) {
    controller server;
    auto peer = raw_peer::dial(server.uri);
    peer.dial_handshake();
    peer.say(call_frame(16, "link") + call_frame(17, "hold"));
    ASSERT_TRUE(eventually([&] { return server.link && server.held_count() == 1; }));
    auto frame = log_body(1000);
    peer.say(std::string_view(frame).substr(0, frame.size() / 2));
    peer.close();
    auto bye = server.frames.wait_for(is(SIGRUN_BYE));
    EXPECT_EQ(bye.flags, std::uint32_t{SIGRUN_FRAME_LAST});
    EXPECT_EQ(server.frames.frames().size(), 1u);
    EXPECT_TRUE(eventually([&] { return server.ended == 1 && server.all_ended(); }));
    EXPECT_EQ(server.close(server.link).result, SIGRUN_OK);
    EXPECT_EQ(server.frames.frames().size(), 1u);
}

TEST(valkyrie_hostile, a_thousand_half_open_connections_time_out_and_the_port_still_serves) {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = std::min<rlim_t>(files.rlim_max, 8192);
    setrlimit(RLIMIT_NOFILE, &files);
    ASSERT_GE(files.rlim_cur, 2200u);
    controller server(options{{"preface_timeout", "300ms"}});
    std::vector<raw_peer> peers;
    for (int i = 0; i < 1000; ++i) {
        peers.push_back(raw_peer::dial(server.uri));
        if (i % 2) peers.back().say(vlk::k_magic.substr(0, static_cast<std::size_t>(1 + i % 7)));
    }
    client c(server.uri);
    sdk::recording_sink replies;
    EXPECT_EQ(c.host.wait(c.call(c.link, "echo", replies.abi(), "{}")).result, SIGRUN_OK);
    for (auto& p : peers) EXPECT_EQ(p.hear(1), "");  // ended by the server, not by this side
    EXPECT_EQ(c.host.wait(c.call(c.link, "echo", replies.abi(), "{}")).result, SIGRUN_OK);
    EXPECT_EQ(server.accepted(), 1001u);
}

TEST(valkyrie_hostile, a_socketpair_serves_as_well_and_a_descriptor_that_is_refused_stays_the_hosts) {
    controller server;
    int both[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both), 0);
    ASSERT_EQ(server.hand_over(both[0]), SIGRUN_OK);
    raw_peer peer(both[1]);
    peer.dial_handshake();
    peer.say(call_frame(16, "echo"));
    std::string body;
    EXPECT_EQ(peer.hear_frame(body).type, vlk::type::reply);
    auto op = server.host.mint();
    EXPECT_EQ(server.instance->drain(server.instance, in_ms(5000), op), SIGRUN_PENDING);
    EXPECT_EQ(server.host.wait(op).result, SIGRUN_OK);
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both), 0);
    EXPECT_EQ(server.hand_over(both[0]), SIGRUN_E_CANCELLED);
    EXPECT_EQ(write(both[1], "x", 1), 1);
    char c;
    EXPECT_EQ(read(both[0], &c, 1), 1);  // still open and ours
    ::close(both[0]);
    ::close(both[1]);
    server.host.forget(server.lifetimes.back());
    server.lifetimes.pop_back();
}
