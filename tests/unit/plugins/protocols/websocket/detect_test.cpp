// Detection and dialling: what is there, what is not, and why.
#include "dial/endpoint.hpp"
#include "ws_rig.hpp"

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

/// Listens, and answers the head of one request with `answer`; "" = never.
struct scripted {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::string uri;
    std::thread thread;
    explicit scripted(std::string answer, bool listening = true) {
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t n = sizeof a;
        EXPECT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&a), n), 0);
        EXPECT_EQ(listening ? listen(listener, 8) : 0, 0);
        getsockname(listener, reinterpret_cast<sockaddr*>(&a), &n);
        uri = sdk::concat("ws://127.0.0.1:", ntohs(a.sin_port));
        if (answer.empty()) return;
        thread = std::thread([this, answer = std::move(answer)] {
            raw_client peer(accept(listener, nullptr, nullptr));
            peer.hear_head();
            peer.say(answer);
            peer.end_writing();
            peer.hear_all();
        });
    }
    ~scripted() {
        if (thread.joinable()) thread.join();
        close(listener);
    }
};

}  // namespace

TEST(websocket_detect, a_real_peer_is_found_with_version_limit_features_and_a_measured_latency) {
    for (bool unix_socket : {false, true}) {
        controller server({{"max_message", "1MiB"}}, unix_socket);
        auto d = detect(server.uri);
        EXPECT_TRUE(d.supported) << d.evidence;
        EXPECT_EQ(d.all.at("version").as_string(), "sigrun.v1");
        EXPECT_GT(d.all.at("latency_us").as_double(), 0.0);
        EXPECT_EQ(d.all.at("max_message_bytes").to_number<int>(), 1 << 20);
        EXPECT_EQ(d.all.at("features").as_array().at(0).as_string(), "permessage-deflate");
        EXPECT_NE(d.evidence.find("median of 7"), std::string::npos) << d.evidence;
        EXPECT_EQ(server.calls, 0);
        EXPECT_TRUE(eventually([&] { return server.all_ended(); }));
    }
    controller server(options{{"compression", "off"}});
    EXPECT_TRUE(detect(server.uri).all.at("features").as_array().empty());
}

TEST(websocket_detect, other_answers_are_absent_with_what_they_said_as_evidence) {
    struct said {
        std::string answer, evidence;
    };
    const std::string body = "Content-Length: 0\r\n\r\n";
    for (const auto& s : std::vector<said>{
             {"HTTP/1.1 404 Not Found\r\n" + body, "404"},
             {"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 8, 7\r\n" + body, "8, 7"},
             {"HTTP/1.1 400 Bad Request\r\n" + body, "400"},
             {"HTTP/1.1 200 OK\r\n" + body, "200"},
             {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              "Sec-WebSocket-Accept: bm90IHRoZSByaWdodCBvbmU=\r\n\r\n",
              "upgrade"},
             {"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", "upgrade failed"},
             {"\xff\xfe\0", "upgrade failed"},
         }) {
        scripted peer(s.answer);
        const auto d = detect(peer.uri);
        EXPECT_FALSE(d.supported) << s.answer;
        EXPECT_NE(d.evidence.find(s.evidence), std::string::npos) << d.evidence;
        EXPECT_FALSE(d.all.contains("latency_us"));
    }
}

TEST(websocket_detect, a_head_without_end_is_given_up_at_its_limit) {
    std::string endless = "HTTP/1.1 101 Switching Protocols\r\n";
    for (int i = 0; i < 100'000; ++i) endless += sdk::concat("X-", i, ": y\r\n");
    scripted peer(endless);
    const auto d = detect(peer.uri, 20000);
    EXPECT_FALSE(d.supported);
    EXPECT_EQ(d.evidence.find("deadline"), std::string::npos) << d.evidence;
}

TEST(websocket_detect, nobody_and_a_silent_peer_are_absent_within_the_deadline) {
    scripted closed("", false), silent("");
    const auto nobody = detect(closed.uri);
    EXPECT_NE(nobody.evidence.find("refused"), std::string::npos);
    EXPECT_EQ(nobody.all.at("reached"), false);
    const auto begun = in_ms(0);
    const auto d = detect(silent.uri, 300);
    EXPECT_FALSE(d.supported);
    EXPECT_NE(d.evidence.find("deadline"), std::string::npos) << d.evidence;
    EXPECT_FALSE(d.all.contains("reached"));
    EXPECT_LT(in_ms(0) - begun, 5'000'000'000u);
    EXPECT_NE(detect("ws+unix:///nonexistent/socket").evidence.find("No such file"), std::string::npos);
}

TEST(websocket_detect, open_reports_why_it_failed_and_frees_the_link) {
    scripted closed("", false), silent(""), other("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    side s;
    s.start({{"connect_timeout", "300ms"}});
    sdk::recording_sink frames;
    sigrun_link* link = nullptr;
    EXPECT_EQ(s.open(closed.uri, frames.abi(), &link).result, SIGRUN_E_IO);
    EXPECT_EQ(s.open(silent.uri, frames.abi(), &link).result, SIGRUN_E_TIMEOUT);
    const auto refused = s.open(other.uri, frames.abi(), &link);
    EXPECT_EQ(refused.result, SIGRUN_E_IO);
    EXPECT_NE(refused.text.find("404"), std::string::npos) << refused.text;
    const auto wrong = s.open("http://x", frames.abi(), &link);
    EXPECT_EQ(wrong.result, SIGRUN_E_INVALID);
    EXPECT_NE(wrong.text.find("ws://host:port"), std::string::npos) << wrong.text;
    sigrun_endpoint legacy{sizeof legacy, 0, str(closed.uri), str("rustci"), str(""), 0};
    auto op = s.host.mint();
    EXPECT_EQ(s.table->dial->open(s.instance, &legacy, frames.abi(), op, &link), SIGRUN_PENDING);
    EXPECT_EQ(s.host.wait(op).result, SIGRUN_E_UNSUPPORTED);
    sigrun_endpoint odd{sizeof odd, 0, str(closed.uri), str(""), str(R"({"tokn":"x"})"), 0};
    op = s.host.mint();
    EXPECT_EQ(s.table->dial->open(s.instance, &odd, frames.abi(), op, &link), SIGRUN_PENDING);
    const auto unknown = s.host.wait(op);
    EXPECT_EQ(unknown.result, SIGRUN_E_CONFIG);
    EXPECT_NE(unknown.text.find("tokn"), std::string::npos) << unknown.text;
    EXPECT_TRUE(frames.frames().empty());
    s.stop();
    EXPECT_EQ(s.host.open_ops(), 0u);
}

TEST(websocket_detect, destroying_the_plugin_ends_dials_that_are_under_way) {
    scripted silent("");
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
    EXPECT_EQ(s.host.live_threads(), 0u);
}

TEST(websocket_detect, a_host_that_dials_for_nobody_still_serves) {
    // A host of before the service: the same tables, without that one.
    side old;
    static const auto ask = old.host.abi()->get_service;
    sigrun_host without = *old.host.abi();
    without.get_service = [](const sigrun_host* h, sigrun_str id) noexcept -> const void* {
        return sdk::view(id) == SIGRUN_SVC_NET ? nullptr : ask(h, id);
    };
    sigrun_hello hello{sizeof hello, SIGRUN_ABI_MAJOR, SIGRUN_ABI_MINOR, 0, str("t"), str(SIGRUN_SDK_VERSION)};
    const auto* entry = sigrun_plugin_entry_v1(&hello);
    sdk::mock::config config(entry->components[0], {});
    sigrun_instance* made = nullptr;
    ASSERT_EQ(entry->create(&without, str("websocket"), config.abi(), &made, nullptr), SIGRUN_OK);
    ASSERT_EQ(made->start(made, nullptr), SIGRUN_OK);
    const auto* table = static_cast<const sigrun_protocol*>(made->get_interface(made, str(SIGRUN_KIND_PROTOCOL)));
    const auto op = old.host.mint();
    sigrun_endpoint to{sizeof to, 0, str("ws://127.0.0.1:1"), str(""), str(""), 0};
    EXPECT_EQ(table->dial->detect(made, &to, in_ms(1000), op), SIGRUN_PENDING);
    const auto answer = old.host.wait(op);
    EXPECT_EQ(answer.result, SIGRUN_E_UNSUPPORTED);
    EXPECT_NE(answer.text.find("sigrun.host.net/1"), std::string::npos) << answer.text;
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    sigrun_accept a{};
    a.struct_size = sizeof a;
    a.fd = ends[0];
    a.flags = SIGRUN_ACCEPT_UNIX;
    a.session = 1;
    const auto lifetime = old.host.mint();
    EXPECT_EQ(table->serve->on_accept(made, &a, lifetime), SIGRUN_OK);
    raw_client peer(ends[1]);
    peer.say(upgrade_request());
    EXPECT_EQ(peer.hear_head().substr(0, 12), "HTTP/1.1 101");
    peer.close();
    EXPECT_EQ(old.host.wait(lifetime).result, SIGRUN_OK);
    made->destroy(made);
}

TEST(websocket_detect, endpoints_are_parsed_or_refused_by_name) {
    using sigrun::websocket::parse_endpoint;
    const auto plain = parse_endpoint("ws://example:7070", "");
    EXPECT_EQ(plain.address, "example:7070");
    EXPECT_EQ(plain.host, "example:7070");
    EXPECT_EQ(plain.target, "/v1/session");
    EXPECT_FALSE(plain.tls);
    const auto secure = parse_endpoint("wss://[::1]/gate/", R"({"auth":"bearer","token":"t","tls":{"ca":"x"}})");
    EXPECT_EQ(secure.address, "[::1]:443");
    EXPECT_EQ(secure.target, "/gate/v1/session");
    EXPECT_TRUE(secure.tls);
    EXPECT_EQ(secure.headers, "Authorization: Bearer t\r\n");
    EXPECT_EQ(parse_endpoint("ws://h", "").address, "h:80");
    EXPECT_EQ(parse_endpoint("ws+unix:///run/s", "").address, "unix:/run/s");
    for (auto bad : {"ws://", "ws://:80", "ws://h:0", "ws://h:x", "ws://h:70000", "ws://u@h", "ws://h/?q",
                     "ws+unix://rel", "ws+unix://", "wsx://h", "ws://[::1", "http://h", "ws://h/a b"})
        EXPECT_THROW((void)parse_endpoint(bad, ""), sdk::failure) << bad;
}
