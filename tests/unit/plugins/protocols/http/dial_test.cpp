// The dialling face against the serving one (and against peers that are something else).
#include "dial/endpoint.hpp"
#include "dialler_host.hpp"
#include "served_plugin.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace sigrun::http::testing {
namespace {
namespace json = boost::json;

/// Accepts one connection after the other and answers each read with the same bytes.
class scripted_peer {
public:
    explicit scripted_peer(std::string answer) : answer_(std::move(answer)) {
        listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t n = sizeof a;
        bind(listener_, reinterpret_cast<sockaddr*>(&a), n);
        listen(listener_, 8);
        getsockname(listener_, reinterpret_cast<sockaddr*>(&a), &n);
        port_ = ntohs(a.sin_port);
        thread_ = std::thread([this] {
            for (int fd; (fd = accept(listener_, nullptr, nullptr)) >= 0; close(fd)) {
                char room[4096];
                while (recv(fd, room, sizeof room, 0) > 0)
                    if (!answer_.empty() && send(fd, answer_.data(), answer_.size(), MSG_NOSIGNAL) < 0) break;
            }
        });
    }
    ~scripted_peer() {
        shutdown(listener_, SHUT_RDWR);
        thread_.join();
        close(listener_);
    }
    std::string url() const { return sdk::concat("http://127.0.0.1:", port_); }

private:
    std::string answer_;
    int listener_;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

TEST(http_endpoint, reads_addresses_and_names_what_is_wrong) {
    std::string why;
    const auto plain = parse_endpoint("http://host:8080/base/", why);
    ASSERT_TRUE(plain) << why;
    EXPECT_EQ(plain->host, "host");
    EXPECT_EQ(plain->port, 8080);
    EXPECT_EQ(plain->base, "/base");
    EXPECT_EQ(plain->authority, "host:8080");
    EXPECT_EQ(parse_endpoint("http://[::1]:7", why)->host, "::1");
    EXPECT_EQ(parse_endpoint("http://h", why)->port, 80);
    EXPECT_EQ(parse_endpoint("https://h", why)->port, 443);
    EXPECT_TRUE(parse_endpoint("https://h", why)->tls);
    EXPECT_EQ(parse_endpoint("http+unix:///run/s", why)->unix_path, "/run/s");
    for (auto bad : {"", "ftp://h", "https://", "http://", "http://h:0", "http://h:99999", "http://h:x", "http://a@b",
                     "http://[::1", "http+unix://rel", "http://h/ x", "http://h/?q", "http://h\r\n"})
        EXPECT_FALSE(parse_endpoint(bad, why)) << bad;
    EXPECT_FALSE(parse_endpoint("http+unix:///" + std::string(200, 'x'), why));
}

TEST(http_detect, a_sigrun_daemon_is_native_and_its_latency_is_measured) {
    served_plugin peer;
    peer.on("version.get", "{}");
    peer.on("health.live", "{}");
    dialler_host d;
    const auto found = json::parse(d.detect(peer.url()).text);
    EXPECT_EQ(found.at("supported"), true);
    EXPECT_EQ(found.at("native"), true);
    EXPECT_EQ(found.at("version"), "HTTP/1.1");
    EXPECT_TRUE(found.at("latency_us").is_int64());
    EXPECT_EQ(found.at("features"), json::parse(R"(["keep-alive","sessions"])"));
    EXPECT_EQ(json::parse(d.detect("http+unix://" + peer.socket_path()).text).at("native"), true);
}

TEST(http_detect, any_status_line_counts_and_everything_else_does_not) {
    dialler_host d;
    const scripted_peer other("HTTP/1.0 500 No\r\nServer: odd/1\r\nContent-Length: 0\r\n\r\n");
    auto found = json::parse(d.detect(other.url()).text);
    EXPECT_EQ(found.at("supported"), true);
    EXPECT_EQ(found.at("native"), false);
    EXPECT_EQ(found.at("server"), "odd/1");
    EXPECT_EQ(found.at("version"), "HTTP/1.0");
    EXPECT_EQ(found.at("health_status"), 500) << "reachable, but not healthy";
    EXPECT_TRUE(found.at("features").as_array().empty());
    EXPECT_EQ(json::parse(d.detect(other.url(), "rustci").text).at("supported"), true);
    const scripted_peer ssh("SSH-2.0-x\r\n");
    found = json::parse(d.detect(ssh.url()).text);
    EXPECT_EQ(found.at("supported"), false);
    EXPECT_FALSE(found.as_object().contains("latency_us"));
    EXPECT_FALSE(found.as_object().contains("reached"));
    const scripted_peer silent("");
    found = json::parse(d.detect(silent.url()).text);
    EXPECT_EQ(found.at("supported"), false);
    EXPECT_NE(found.at("evidence").as_string().find("no answer before the deadline"), std::string::npos);
    found = json::parse(d.detect("http://127.0.0.1:1").text);
    EXPECT_EQ(found.at("supported"), false);
    EXPECT_NE(found.at("evidence").as_string().find("cannot connect"), std::string::npos);
    EXPECT_EQ(found.at("reached"), false);
    found = json::parse(d.detect("http://no-such-host.invalid:1").text);
    EXPECT_EQ(found.at("supported"), false);
    EXPECT_EQ(d.detect("ftp://x").result, SIGRUN_E_INVALID);
    EXPECT_EQ(d.detect("http://x:1", "other").result, SIGRUN_E_INVALID);
}

TEST(http_detect, the_head_of_an_answer_is_bounded_however_it_comes) {
    dialler_host d;
    std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
    for (int i = 0; i < 90; ++i) head += "a: " + std::string(995, 'x') + "\r\n";  // read 32 KiB at a time
    const scripted_peer large(head + "\r\n");
    auto found = json::parse(d.detect(large.url()).text);
    EXPECT_EQ(found.at("supported"), false);
    EXPECT_NE(found.at("evidence").as_string().find("the head of the answer is larger"), std::string::npos);
    for (const int fields : {100, 101}) {
        head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
        for (int i = 1; i < fields; ++i) head += "a:\r\n";
        const scripted_peer many(head + "\r\n");
        EXPECT_EQ(json::parse(d.detect(many.url()).text).at("supported"), fields == 100);
    }
    std::string interim;
    for (int i = 0; i < 3000; ++i) interim += "HTTP/1.1 102 Wait\r\n\r\n";
    const scripted_peer waits(interim + "HTTP/1.1 200 OK\r\n\r\n");
    EXPECT_EQ(json::parse(d.detect(waits.url()).text).at("supported"), true) << "57 kB of interim answers";
    const scripted_peer endless(interim + interim + "HTTP/1.1 200 OK\r\n\r\n");
    EXPECT_EQ(json::parse(d.detect(endless.url()).text).at("supported"), false);
}

TEST(http_dial, opens_only_where_a_sigrun_daemon_answers) {
    dialler_host d;
    const scripted_peer other("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    EXPECT_EQ(d.open(other.url()).result, SIGRUN_E_UNSUPPORTED);
    EXPECT_EQ(d.open("http://127.0.0.1:1").result, SIGRUN_E_IO);
    EXPECT_EQ(d.open("http://127.0.0.1:1", R"({"typo":1})").result, SIGRUN_E_CONFIG);
    EXPECT_EQ(d.open("http://127.0.0.1:1", R"({"auth":"bearer"})").result, SIGRUN_E_CONFIG);
}

TEST(http_dial, calls_carry_params_document_payload_and_credentials_both_ways) {
    served_plugin peer;
    peer.on("version.get", "{}");
    peer.on("a.b", [&](const seen_call& c, sigrun_error*) {
        give_reply(peer.host.get(), c.replies, 0, R"({"n":1})", std::string("\0\xff\n", 3));
        give_reply(peer.host.get(), c.replies, SIGRUN_FRAME_LAST, R"({"n":2})");
        return SIGRUN_OK;
    });
    dialler_host d;
    ASSERT_EQ(d.open(peer.url()).result, SIGRUN_OK);
    sdk::recording_sink replies;
    EXPECT_EQ(d.call("a.b", R"({"x":"&?"})", R"({"doc":1})", replies, "in\0put").result, SIGRUN_OK);
    const auto seen = peer.wait_call(2);
    EXPECT_EQ(seen.params, R"({"x":"&?"})");
    EXPECT_EQ(seen.document, R"({"doc":1})");
    EXPECT_EQ(seen.payload, "in");
    EXPECT_EQ(seen.auth, "bearer me");
    const auto got = replies.frames();
    ASSERT_EQ(got.size(), 2u);
    EXPECT_EQ(got[0].payload, std::string("\0\xff\n", 3));
    EXPECT_EQ(got[1].json, R"({"n":2})");
    EXPECT_EQ(got[1].flags, std::uint32_t{SIGRUN_FRAME_LAST});

    sdk::recording_sink errors;
    EXPECT_EQ(d.call("no.such", "", "", errors).result, SIGRUN_OK);
    ASSERT_EQ(errors.frames().size(), 1u);
    EXPECT_EQ(errors.frames()[0].flags, std::uint32_t{SIGRUN_FRAME_LAST | SIGRUN_FRAME_ERROR});
    EXPECT_EQ(json::parse(errors.frames()[0].json).at("code"), "unsupported");

    const auto ping = d.host.mint();
    peer.on("health.live", "{}");
    EXPECT_EQ(d.table->link->ping(d.link, ping), SIGRUN_PENDING);
    EXPECT_GT(json::parse(d.host.wait(ping).text).at("rtt_ns").as_int64(), 0);
}

TEST(http_dial, a_slow_taker_of_replies_gets_them_all) {
    served_plugin peer;
    peer.on("version.get", "{}");
    peer.on("a.b", [&](const seen_call& c, sigrun_error*) {
        for (int i = 0; i < 20; ++i) give_reply(peer.host.get(), c.replies, 0, sdk::concat("{\"n\":", i, "}"));
        give_reply(peer.host.get(), c.replies, SIGRUN_FRAME_LAST, "{\"n\":20}");
        return SIGRUN_OK;
    });
    dialler_host d;
    ASSERT_EQ(d.open(peer.url()).result, SIGRUN_OK);
    /// Says busy to every other offer of a frame.
    struct reluctant {
        int offers = 0;
        std::vector<std::string> taken;
    } taker;
    const sigrun_sink sink{sizeof sink, 0, &taker, [](void* ctx, const sigrun_frame* f) noexcept -> sigrun_result {
                               auto& t = *static_cast<reluctant*>(ctx);
                               if (++t.offers % 2) return SIGRUN_E_BUSY;
                               t.taken.emplace_back(sdk::view(f->json));
                               return SIGRUN_OK;
                           }};
    const sigrun_call c{sizeof c, 0, sdk::str("a.b"), {}, {}, {}, nullptr, 0};
    const auto op = d.host.mint();
    EXPECT_EQ(d.table->link->call(d.link, &c, &sink, op), SIGRUN_PENDING);
    EXPECT_EQ(d.host.wait(op).result, SIGRUN_OK);
    ASSERT_EQ(taker.taken.size(), 21u);
    for (std::size_t i = 0; i < 21; ++i) EXPECT_EQ(taker.taken[i], sdk::concat("{\"n\":", i, "}"));
}

/// Both ends of one session: `peer` serves, `d` dials and registers.
struct both_ends {
    both_ends() {
        peer.on("version.get", "{}");
        peer.on("runners.register", [this](const seen_call& c, sigrun_error*) {
            give_reply(peer.host.get(), c.replies, SIGRUN_FRAME_LAST | SIGRUN_FRAME_LINK, R"({"ticket":"x"})");
            return SIGRUN_OK;
        });
        peer.host.on_adopt = [this](std::uint64_t, std::string_view, sigrun_link* l, const sigrun_sink** frames,
                                    sigrun_error*) {
            served = l;
            *frames = sink.abi();
            return static_cast<sigrun_result>(SIGRUN_OK);
        };
        EXPECT_EQ(d.open(peer.url()).result, SIGRUN_OK);
        EXPECT_EQ(d.call("runners.register", "", "{}", replies).result, SIGRUN_OK);
    }
    ~both_ends() {
        if (served) close_served();
    }
    void close_served() {
        const auto op = peer.host.mint();
        peer.table->link->close(served, SIGRUN_OK, op);
        served = nullptr;
        peer.host.wait(op);
    }
    static void send(const sigrun_protocol* table, sigrun_link* link, std::uint32_t n) {
        const auto text = sdk::concat("{\"n\":", n, "}");
        const sigrun_attempt attempt{sizeof attempt, n, sdk::str("j"), sdk::str("t")};
        sigrun_frame f{};
        f.struct_size = sizeof f;
        f.kind = SIGRUN_STATE;
        f.attempt = &attempt;
        f.json = sdk::str(text);
        ASSERT_EQ(table->link->send(link, &f), SIGRUN_OK);
    }
    sdk::recording_sink sink;  // what the serving kernel gets
    served_plugin peer;
    sigrun_link* served = nullptr;
    dialler_host d;
    sdk::recording_sink replies;
};

TEST(http_dial, frames_flow_both_ways_in_order) {
    both_ends b;
    ASSERT_TRUE(b.served);
    for (std::uint32_t i = 1; i <= 500; ++i) {
        both_ends::send(b.d.table, b.d.link, i);
        both_ends::send(b.peer.table, b.served, i);
    }
    const auto up = b.sink.wait_count(500);
    const auto down = b.d.sink.wait_count(500);
    for (std::uint32_t i = 0; i < 500; ++i) {
        ASSERT_EQ(up[i].attempt, i + 1);
        ASSERT_EQ(down[i].attempt, i + 1);
        ASSERT_EQ(down[i].seq, i + 1);
    }
    const auto ping = b.peer.host.mint();
    EXPECT_EQ(b.peer.table->link->ping(b.served, ping), SIGRUN_PENDING);
    EXPECT_GT(json::parse(b.peer.host.wait(ping).text).at("rtt_ns").as_int64(), 0);
    EXPECT_EQ(b.d.sink.frames().size(), 500u) << "pings are nobody's business";
    EXPECT_FALSE(b.sink.overlapped() || b.d.sink.overlapped());
}

TEST(http_dial, a_busy_taker_gets_frames_later_and_none_twice) {
    both_ends b;
    b.d.sink.set_result(SIGRUN_E_BUSY);
    for (std::uint32_t i = 1; i <= 5; ++i) both_ends::send(b.peer.table, b.served, i);
    while (b.d.sink.refused() < 3) std::this_thread::yield();
    b.d.sink.set_result(SIGRUN_OK);
    const auto got = b.d.sink.wait_count(5);
    for (std::uint32_t i = 0; i < 5; ++i) EXPECT_EQ(got[i].attempt, i + 1);
}

TEST(http_dial, the_end_of_either_side_reaches_the_other) {
    const auto bye = [](const sdk::recorded_frame& f) { return f.kind == SIGRUN_BYE && (f.flags & SIGRUN_FRAME_LAST); };
    {
        both_ends b;
        both_ends::send(b.d.table, b.d.link, 1);
        b.d.close();
        const auto got = b.sink.wait_count(2);
        EXPECT_EQ(got[0].attempt, 1u) << "what was queued before close still arrives";
        EXPECT_TRUE(bye(got[1]));
    }
    {
        both_ends b;
        both_ends::send(b.peer.table, b.served, 1);
        b.close_served();
        const auto got = b.d.sink.wait_count(2);
        EXPECT_EQ(got[0].attempt, 1u);
        EXPECT_TRUE(bye(got[1]));
        EXPECT_EQ(b.d.sink.frames().size(), 2u);
    }
    {
        both_ends b;
        const auto op = b.peer.host.mint();
        b.peer.table->link->close(b.served, SIGRUN_OK, op);
        b.served = nullptr;
        b.peer.host.wait(op);
        b.peer.destroy();
        b.d.sink.wait_for(bye);
    }
}

}  // namespace
}  // namespace sigrun::http::testing
