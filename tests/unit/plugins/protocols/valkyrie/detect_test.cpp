// Detection and dialling: what is there, what is not, and why.
#include "endpoint.hpp"
#include "raw_peer.hpp"

#include <boost/json/parse.hpp>

using namespace rig;

namespace {

struct detected {
    bool supported;
    std::string evidence;
    boost::json::object all;
};
detected detect(const std::string& uri, int ms = 5000, const options& with = {}) {
    side s;
    s.start(with);
    auto r = s.detect(uri, ms);
    EXPECT_EQ(r.result, SIGRUN_OK) << r.text;
    auto o = boost::json::parse(r.text).as_object();
    s.stop();
    EXPECT_EQ(s.host.open_ops(), 0u);
    EXPECT_EQ(s.host.double_completions(), 0u);
    return {o.at("supported").as_bool(), std::string(o.at("evidence").as_string()), o};
}

/// Accepts one connection and does `act` with it.
struct one_shot {
    raw_listener at;
    std::thread thread;
    explicit one_shot(std::function<void(raw_peer&)> act)
        : thread([this, act] {
              auto peer = raw_peer::accept_from(at);
              act(peer);
          }) {}
    ~one_shot() { thread.join(); }
};

}  // namespace

TEST(valkyrie_detect, a_real_peer_is_found_with_version_features_and_a_measured_latency) {
    for (bool unix_socket : {false, true}) {
        controller server({{"crc", "on"}}, unix_socket);
        auto d = detect(server.uri, 5000, {{"crc", "on"}});
        EXPECT_TRUE(d.supported);
        EXPECT_EQ(d.all.at("version").as_string(), "1");
        EXPECT_GT(d.all.at("latency_us").as_double(), 0.0);
        EXPECT_EQ(d.all.at("features").as_array().at(0).as_string(), "crc32c");
        EXPECT_EQ(server.calls, 0);
        EXPECT_TRUE(eventually([&] { return server.all_ended(); }));
    }
}

TEST(valkyrie_detect, at_least_five_round_trips_are_measured) {
    std::atomic<int> pings{0};
    one_shot peer([&](raw_peer& p) {
        p.accept_handshake();
        for (std::string body;;) {
            auto h = p.hear_frame(body);
            if (h.type != vlk::type::ping) return;
            ++pings;
            p.say(vlk::type::pong, 0, 0, body);
        }
    });
    EXPECT_TRUE(detect(peer.at.uri).supported);
    EXPECT_GE(pings, 5);
}

TEST(valkyrie_detect, a_closed_port_is_absent_with_the_reason) {
    raw_listener at(false);  // bound, but nobody listens
    auto d = detect(at.uri);
    EXPECT_FALSE(d.supported);
    EXPECT_NE(d.evidence.find("refused"), std::string::npos) << d.evidence;
    EXPECT_FALSE(d.all.contains("latency_us"));
    EXPECT_EQ(d.all.at("reached"), false);
    auto u = detect("valkyrie+unix:///nonexistent/socket");
    EXPECT_FALSE(u.supported);
    EXPECT_NE(u.evidence.find("No such file"), std::string::npos) << u.evidence;
}

TEST(valkyrie_detect, a_silent_port_is_absent_within_the_deadline) {
    raw_listener at;  // the kernel completes the connection, nobody accepts it
    auto d = detect(at.uri, 200);
    EXPECT_FALSE(d.supported);
    EXPECT_NE(d.evidence.find("silent"), std::string::npos) << d.evidence;
}

TEST(valkyrie_detect, a_peer_that_speaks_http_is_absent_and_its_words_are_evidence) {
    one_shot http([](raw_peer& p) {
        p.hear(1);
        p.say("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        while (!p.hear(4096).empty()) continue;
    });
    auto d = detect(http.at.uri);
    EXPECT_FALSE(d.supported);
    EXPECT_NE(d.evidence.find("HTTP/1.1 400 Bad Request"), std::string::npos) << d.evidence;
    EXPECT_FALSE(d.all.contains("reached"));
}

TEST(valkyrie_detect, a_peer_that_hangs_up_is_absent) {
    one_shot rude([](raw_peer& p) { p.hear(12); });
    EXPECT_FALSE(detect(rude.at.uri).supported);
}

TEST(valkyrie_detect, a_peer_with_a_wrong_nonce_or_no_pong_is_absent) {
    one_shot parrot([](raw_peer& p) {
        p.hear_hello();
        vlk::hello h;
        h.echo.fill('?');
        p.greet(h);
        p.hear_goaway();
    });
    auto d = detect(parrot.at.uri);
    EXPECT_FALSE(d.supported);
    EXPECT_NE(d.evidence.find("nonce"), std::string::npos) << d.evidence;
    one_shot mute([](raw_peer& p) {
        p.accept_handshake();
        p.hear_goaway();
    });
    d = detect(mute.at.uri, 200);
    EXPECT_FALSE(d.supported);
    EXPECT_NE(d.evidence.find("PING"), std::string::npos) << d.evidence;
}

TEST(valkyrie_detect, open_reports_why_it_failed_and_frees_the_link) {
    raw_listener closed(false), silent;
    side s;
    s.start({{"connect_timeout", "200ms"}});
    sdk::recording_sink frames;
    sigrun_link* link = nullptr;
    EXPECT_EQ(s.open(closed.uri, frames.abi(), &link).result, SIGRUN_E_IO);
    EXPECT_EQ(s.open(silent.uri, frames.abi(), &link).result, SIGRUN_E_TIMEOUT);
    // Names are the host's affair; this one has none, and what it says is passed on.
    EXPECT_EQ(s.open("valkyrie://name.invalid:1", frames.abi(), &link).result, SIGRUN_E_INVALID);
    EXPECT_EQ(s.open("http://x", frames.abi(), &link).result, SIGRUN_E_INVALID);
    sigrun_endpoint legacy{sizeof legacy, 0, str(closed.uri), str("rustci"), str(""), 0};
    auto op = s.host.mint();
    EXPECT_EQ(s.table->dial->open(s.instance, &legacy, frames.abi(), op, &link), SIGRUN_E_UNSUPPORTED);
    s.host.forget(op);
    EXPECT_TRUE(frames.frames().empty());
    s.stop();
    EXPECT_EQ(s.host.open_ops(), 0u);
}

TEST(valkyrie_detect, destroying_the_plugin_ends_dials_that_are_under_way) {
    raw_listener silent;
    side s;
    s.start();
    sigrun_endpoint to{sizeof to, 0, str(silent.uri), str(""), str(""), 0};
    sdk::recording_sink frames;
    sigrun_link* link = nullptr;
    auto opening = s.host.mint(), detecting = s.host.mint();
    ASSERT_EQ(s.table->dial->open(s.instance, &to, frames.abi(), opening, &link), SIGRUN_PENDING);
    ASSERT_EQ(s.table->dial->detect(s.instance, &to, in_ms(60000), detecting), SIGRUN_PENDING);
    s.stop();
    EXPECT_EQ(s.host.wait(opening).result, SIGRUN_E_CANCELLED);
    EXPECT_EQ(s.host.wait(detecting).result, SIGRUN_E_CANCELLED);
}

TEST(valkyrie_detect, endpoints_are_parsed_or_refused_by_name) {
    using vlk::parse_endpoint;
    EXPECT_EQ(parse_endpoint("valkyrie://a.example:81").host, "a.example");
    EXPECT_EQ(parse_endpoint("valkyrie://a.example:81/").port, 81);
    EXPECT_EQ(parse_endpoint("valkyrie://h").port, vlk::k_default_port);
    EXPECT_EQ(parse_endpoint("valkyrie://[::1]:9").host, "::1");
    EXPECT_EQ(parse_endpoint("valkyrie+unix:///run/x.sock").path, "/run/x.sock");
    for (const char* bad : {"", "valkyrie://", "valkyrie://:1", "valkyrie://h:", "valkyrie://h:0", "valkyrie://h:65536",
                            "valkyrie://h:1x", "valkyrie://::1:9", "valkyrie://[::1", "valkyrie://[::1]9",
                            "valkyrie+unix://rel", "valkyrie+unix://", "http://h:1", "valkyrie://a b:1"})
        EXPECT_THROW(parse_endpoint(bad), sdk::failure) << bad;
    EXPECT_THROW(parse_endpoint("valkyrie+unix:///" + std::string(200, 'p')), sdk::failure);
}
