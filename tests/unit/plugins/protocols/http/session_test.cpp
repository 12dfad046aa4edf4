// Sessions over HTTP from the peer's point of view, request by request.
#include "served_plugin.hpp"
#include "wire/frame_codec.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace sigrun::http::testing {
namespace {

/// A served plugin whose kernel accepts every session and keeps its link.
struct session_host {
    explicit session_host(served_plugin::options given = {}) : sut(std::move(given)) {
        sut.host.on_adopt = [this](std::uint64_t, std::string_view ticket, sigrun_link* l, const sigrun_sink** frames,
                                   sigrun_error* error) {
            if (ticket != "good") return sdk::report(error, SIGRUN_E_DENIED, "no such ticket");
            link = l;
            *frames = sink.abi();
            return static_cast<sigrun_result>(SIGRUN_OK);
        };
        sut.on("runners.register", [this](const seen_call& c, sigrun_error*) {
            give_reply(sut.host.get(), c.replies, SIGRUN_FRAME_LAST | SIGRUN_FRAME_LINK, c.document);
            return SIGRUN_OK;
        });
    }
    ~session_host() {
        if (link) close();
    }
    std::string open() {
        const auto r = sut.post("/v1/sessions?method=runners.register", R"({"ticket":"good"})");
        EXPECT_EQ(r.status, 201) << r.body;
        return r.header("Sigrun-Session");
    }
    void close() {
        const auto op = sut.host.mint();
        sut.table->link->close(link, SIGRUN_OK, op);
        link = nullptr;
        sut.host.wait(op);
    }
    sigrun_result send(std::uint32_t kind, std::string_view json) {
        sigrun_frame f{};
        f.struct_size = sizeof f;
        f.kind = kind;
        f.json = sdk::str(json);
        return sut.table->link->send(link, &f);
    }
    response poll(const std::string& token, std::uint64_t ack, std::string_view wait = "10s") {
        return sut.get(sdk::concat("/v1/sessions/", token, "/frames?wait=", wait, "&ack=", ack));
    }
    response post(const std::string& token, std::string_view frames) {
        return sut.post(sdk::concat("/v1/sessions/", token, "/frames"), frames);
    }

    sdk::recording_sink sink;
    served_plugin sut;
    sigrun_link* link = nullptr;
};

bool is_bye(const sdk::recorded_frame& f) { return f.kind == SIGRUN_BYE && (f.flags & SIGRUN_FRAME_LAST); }

TEST(http_session, opens_with_an_unguessable_token_and_a_bad_ticket_opens_none) {
    session_host h;
    const auto token = h.open();
    EXPECT_EQ(token.size(), 32u);
    ASSERT_TRUE(h.link);
    EXPECT_EQ(h.sut.post("/v1/sessions?method=runners.register", R"({"ticket":"bad"})").status, 503);
    h.sut.on("stats.get", "{}");
    EXPECT_EQ(h.sut.post("/v1/sessions?method=stats.get", "{}").status, 400);
    EXPECT_EQ(h.poll("00000000000000000000000000000000", 0).status, 404);
}

TEST(http_session, more_sessions_than_max_connections_are_refused_and_room_comes_back) {
    session_host h(served_plugin::options{{"max_connections", "3"}});
    std::vector<sigrun_link*> links;
    std::string token;
    for (int i = 0; i < 3; ++i) {
        token = h.open();
        links.push_back(h.link);
    }
    auto refused = h.sut.post("/v1/sessions?method=runners.register", R"({"ticket":"good"})", "Connection: close\r\n");
    EXPECT_EQ(refused.status, 429);
    EXPECT_EQ(refused.header("Retry-After"), "1");
    EXPECT_NE(refused.body.find(R"("field":"sessions","expected":"at most 3)"), std::string::npos) << refused.body;
    EXPECT_EQ(h.link, links.back()) << "the kernel was offered none";
    EXPECT_EQ(h.sut.ask(sdk::concat("DELETE /v1/sessions/", token, " HTTP/1.1\r\nHost: localhost\r\n\r\n")).status,
              204);
    h.open();
    links.push_back(h.link);
    for (auto* l : links) {
        h.link = l;
        h.close();
    }
}

TEST(http_session, a_lost_poll_response_loses_no_frame) {
    session_host h;
    const auto token = h.open();
    EXPECT_EQ(h.send(SIGRUN_BEAT, "{\"n\":1}"), SIGRUN_OK);
    EXPECT_EQ(h.send(SIGRUN_DRAIN, "{\"n\":2}"), SIGRUN_OK);
    const std::string both =
        "[{\"kind\":\"beat\",\"seq\":1,\"json\":{\"n\":1}},\n"
        "{\"kind\":\"drain\",\"seq\":2,\"json\":{\"n\":2}}]";
    EXPECT_EQ(h.poll(token, 0).body, both);
    EXPECT_EQ(h.poll(token, 0).body, both) << "not acknowledged: sent again";
    EXPECT_EQ(h.poll(token, 1).body, both.substr(both.find('\n') + 1).insert(0, "["));
    EXPECT_EQ(h.poll(token, 2, "0").body, "[]");
}

TEST(http_session, a_frame_queued_while_a_poll_hangs_answers_it_and_a_new_poll_releases_the_old) {
    session_host h;
    const auto token = h.open();
    auto first = h.sut.connect();
    auto second = h.sut.connect();
    const auto ask =
        sdk::concat("GET /v1/sessions/", token, "/frames?wait=20s&ack=0 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    first.send(ask);
    EXPECT_EQ(h.sut.get("/v1/openapi.json").status,
              200);  // the poll before it on the one loop is hanging now
    second.send(ask);
    EXPECT_EQ(first.read_response().body, "[]");
    EXPECT_EQ(h.send(SIGRUN_BEAT, "{}"), SIGRUN_OK);
    EXPECT_EQ(second.read_response().body, "[{\"kind\":\"beat\",\"seq\":1,\"json\":{}}]");
}

TEST(http_session, a_post_that_waits_gives_its_frames_at_once_and_hangs_as_a_poll) {
    session_host h;
    const auto token = h.open();
    auto peer = h.sut.connect();
    auto exchange = [&](std::string_view frames, int ack) {
        peer.send(sdk::concat("POST /v1/sessions/", token, "/frames?wait=20s&ack=", ack,
                              " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ",
                              frames.size(), "\r\n\r\n", frames));
    };
    exchange(R"([{"kind":"beat","seq":1,"json":{"n":1}}])", 0);
    EXPECT_EQ(h.sink.wait_count(1)[0].json, R"({"n":1})") << "before it is answered";
    EXPECT_EQ(h.send(SIGRUN_BEAT, "{}"), SIGRUN_OK);
    EXPECT_EQ(peer.read_response().body, R"({"ack":1,"busy":false,"frames":[{"kind":"beat","seq":1,"json":{}}]})");
    exchange(R"([{"kind":"beat","seq":3,"json":{}}])", 1);
    EXPECT_EQ(peer.read_response().status, 409) << "a gap is said at once";
    exchange(R"([{"kind":"beat","seq":2,"json":{"n":2}}])", 1);
    EXPECT_EQ(h.sink.wait_count(2)[1].json, R"({"n":2})");
    EXPECT_EQ(h.poll(token, 1, "0").body, "[]");
    EXPECT_EQ(peer.read_response().body, R"({"ack":2,"busy":false,"frames":[]})") << "released by the newer poll";
}

TEST(http_session, posted_frames_arrive_once_and_in_order) {
    session_host h;
    const auto token = h.open();
    const auto two = R"([{"kind":"beat","seq":1,"json":{"n":1}},
        {"kind":"log","seq":2,"attempt":{"job":"j","number":2,"token":"t"},"stream":1,"offset":7,"time_ns":9,"payload":"YWI="}])";
    EXPECT_EQ(h.post(token, two).body, R"({"ack":2,"busy":false})");
    EXPECT_EQ(h.post(token, two).body, R"({"ack":2,"busy":false})") << "a repeated post is no news";
    const auto got = h.sink.wait_count(2);
    ASSERT_EQ(got.size(), 2u);
    EXPECT_EQ(got[1].kind, std::uint32_t{SIGRUN_LOG});
    EXPECT_EQ(got[1].job, "j");
    EXPECT_EQ(got[1].attempt, 2u);
    EXPECT_EQ(got[1].offset, 7u);
    EXPECT_EQ(got[1].payload, "ab");
    EXPECT_EQ(got[1].seq, 2u);
    const auto gap = h.post(token, R"([{"kind":"beat","seq":4}])");
    EXPECT_EQ(gap.status, 409);
    EXPECT_NE(gap.body.find(R"("field":"seq","expected":"3","found":"4")"), std::string::npos) << gap.body;
    EXPECT_EQ(h.post(token, "{}").status, 400);
    EXPECT_EQ(h.post(token, R"([{"kind":"?"}])").status, 400);
    EXPECT_EQ(h.sink.frames().size(), 2u);
    EXPECT_FALSE(h.sink.overlapped());
}

TEST(http_session, a_busy_kernel_is_told_to_the_peer_and_the_frame_stays_with_it) {
    session_host h;
    const auto token = h.open();
    h.sink.set_result(SIGRUN_E_BUSY);
    EXPECT_EQ(h.post(token, R"([{"kind":"beat","seq":1}])").body, R"({"ack":0,"busy":true})");
    h.sink.set_result(SIGRUN_OK);
    EXPECT_EQ(h.post(token, R"([{"kind":"beat","seq":1}])").body, R"({"ack":1,"busy":false})");
    EXPECT_EQ(h.sink.frames().size(), 1u);
}

TEST(http_session, dies_when_the_peer_is_silent_and_says_so_once) {
    session_host h(served_plugin::options{{"session_timeout", "300ms"}});
    const auto token = h.open();
    h.sink.wait_for(is_bye);
    EXPECT_EQ(h.poll(token, 0).status, 404);
    EXPECT_EQ(h.sink.frames().size(), 1u);
}

TEST(http_session, dies_when_the_peer_deletes_it_or_says_bye) {
    session_host h;
    auto token = h.open();
    EXPECT_EQ(h.sut.ask(sdk::concat("DELETE /v1/sessions/", token, " HTTP/1.1\r\nHost: localhost\r\n\r\n")).status,
              204);
    h.sink.wait_for(is_bye);
    EXPECT_EQ(h.post(token, "[]").status, 404);
    h.close();
    token = h.open();
    h.post(token, R"([{"kind":"bye","flags":1,"seq":1,"json":{"reason":"upgrade"}}])");
    EXPECT_EQ(h.sink.wait_count(2)[1].json, R"({"reason":"upgrade"})");
}

TEST(http_session, a_closed_link_says_bye_to_the_polling_peer) {
    session_host h;
    const auto token = h.open();
    auto s = h.sut.connect();
    s.send(sdk::concat("GET /v1/sessions/", token, "/frames?wait=20s HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    EXPECT_EQ(h.sut.get("/v1/openapi.json").status, 200);
    h.close();
    EXPECT_EQ(s.read_response().body, R"([{"kind":"bye","flags":1,"seq":1,"json":{"reason":"closed"}}])");
    EXPECT_EQ(h.poll(token, 1).status, 410);
    EXPECT_EQ(h.poll(token, 1).status, 404);
    EXPECT_EQ(h.sink.frames().size(), 0u) << "the sink of a closed link is silent";
}

TEST(http_session, offers_cancels_and_pings_travel_as_frames) {
    session_host h;
    const auto token = h.open();
    const sigrun_attempt attempt{sizeof attempt, 1, sdk::str("j"), sdk::str("t")};
    {
        const auto host = h.sut.host.get();
        sdk::buffer payload(host, "in");
        sigrun_frame offer{};
        offer.struct_size = sizeof offer;
        offer.kind = SIGRUN_OFFER;
        offer.attempt = &attempt;
        offer.json = sdk::str("{\"kind\":\"call\"}");
        offer.payload = payload.get();
        EXPECT_EQ(h.sut.table->link->execute(h.link, &offer), SIGRUN_OK);
    }
    EXPECT_EQ(h.sut.table->link->cancel(h.link, &attempt, 5), SIGRUN_OK);
    const auto ping = h.sut.host.mint();
    EXPECT_EQ(h.sut.table->link->ping(h.link, ping), SIGRUN_PENDING);
    mismatch why;
    std::vector<wire_frame> got;
    while (got.size() < 3) {
        auto more = decode_frames(h.poll(token, got.size()).body, why);
        ASSERT_TRUE(more) << why.text();
        for (auto& f : *more) got.push_back(std::move(f));
    }
    EXPECT_EQ(got[0].kind, std::uint32_t{SIGRUN_OFFER});
    EXPECT_EQ(got[0].payload, "in");
    EXPECT_EQ(got[0].json, "{\"kind\":\"call\"}");
    EXPECT_EQ(got[1].kind, std::uint32_t{SIGRUN_CANCEL});
    EXPECT_EQ(got[1].time_ns, 5u);
    EXPECT_EQ(got[2].kind, k_kind_ping);
    h.poll(token, 3, "0");
    EXPECT_NE(h.sut.host.wait(ping).text.find("\"rtt_ns\":"), std::string::npos);
    EXPECT_EQ(h.sut.table->link->attach(h.link, &attempt, 0, 0), SIGRUN_E_UNSUPPORTED);
    EXPECT_EQ(h.sut.table->link->describe(h.link, 0), SIGRUN_E_UNSUPPORTED);
}

TEST(http_session, a_window_that_is_full_says_busy_and_has_room_again_after_the_acknowledgement) {
    session_host h;
    const auto token = h.open();
    const auto host = h.sut.host.get();
    sdk::buffer bytes(host, std::string(SIGRUN_LOG_MAX, 'x'));
    sigrun_frame log{};
    log.struct_size = sizeof log;
    log.kind = SIGRUN_LOG;
    log.payload = bytes.get();
    std::uint64_t sent = 0;
    while (h.sut.table->link->send(h.link, &log) == SIGRUN_OK) ASSERT_LT(++sent, 1000u);
    EXPECT_EQ(h.send(SIGRUN_BEAT, "{}"), SIGRUN_OK);
    h.poll(token, sent, "0");
    EXPECT_EQ(h.sut.table->link->send(h.link, &log), SIGRUN_OK);
}

}  // namespace
}  // namespace sigrun::http::testing
