// Links over HTTP while the serving plugin is replaced: sessions stay with the old one until they are closed.
#include "dialler_host.hpp"
#include "served_plugin.hpp"
#include "wire/frame_codec.hpp"

namespace sigrun::http::testing {
namespace {

bool is_last(const sdk::recorded_frame& f) { return f.kind == SIGRUN_BYE && (f.flags & SIGRUN_FRAME_LAST); }
bool asks_to_reconnect(const sdk::recorded_frame& f) {
    return f.kind == SIGRUN_BYE && !(f.flags & SIGRUN_FRAME_LAST) && f.json.find(R"("reconnect":true)") != f.json.npos;
}
std::size_t count(const sdk::recording_sink& sink, bool (*fits)(const sdk::recorded_frame&)) {
    std::size_t n = 0;
    for (const auto& f : sink.frames()) n += fits(f);
    return n;
}

/// A served plugin whose kernel takes sessions and answers `who` with its name.
struct generation {
    explicit generation(std::string name) {
        sut.on("version.get", "{}");
        sut.on("who", json_text(name));
        sut.on("runners.register", [this](const seen_call& c, sigrun_error*) {
            give_reply(sut.host.get(), c.replies, SIGRUN_FRAME_LAST | SIGRUN_FRAME_LINK, R"({"ticket":"x"})");
            return SIGRUN_OK;
        });
        sut.host.on_adopt = [this](std::uint64_t, std::string_view, sigrun_link* l, const sigrun_sink** frames,
                                   sigrun_error*) {
            link = l;
            *frames = sink.abi();
            return static_cast<sigrun_result>(SIGRUN_OK);
        };
    }
    ~generation() {
        if (link) close();
    }
    void close() {
        const auto op = sut.host.mint();
        sut.table->link->close(link.exchange(nullptr), SIGRUN_OK, op);
        sut.host.wait(op);
    }
    static std::string json_text(const std::string& name) { return "\"" + name + "\""; }

    sdk::recording_sink sink;
    std::atomic<sigrun_link*> link{nullptr};
    served_plugin sut;
};

void send(const sigrun_protocol* table, sigrun_link* link, std::uint32_t n) {
    const sigrun_attempt attempt{sizeof attempt, n, sdk::str("j"), sdk::str("t")};
    sigrun_frame f{};
    f.struct_size = sizeof f;
    f.kind = SIGRUN_STATE;
    f.attempt = &attempt;
    f.json = sdk::str("{}");
    ASSERT_EQ(table->link->send(link, &f), SIGRUN_OK);
}
auto attempt_is(std::uint32_t n) {
    return [n](const sdk::recorded_frame& f) { return f.attempt == n; };
}

std::string who(dialler_host& d) {
    sdk::recording_sink replies;
    EXPECT_EQ(d.call("who", "", "{}", replies).result, SIGRUN_OK);
    return replies.frames().at(0).json;
}

TEST(http_retire_link, a_session_hears_of_it_once_and_its_frames_stay_while_calls_move) {
    generation fresh("new"), old("old");
    dialler_host d;
    sdk::recording_sink replies;
    ASSERT_EQ(d.open(old.sut.url()).result, SIGRUN_OK);
    ASSERT_EQ(d.call("runners.register", "", "{}", replies).result, SIGRUN_OK);
    send(d.table, d.link, 1);
    old.sink.wait_for(attempt_is(1));
    EXPECT_EQ(who(d), "\"old\"");
    const auto done = old.sut.retire(k_long, &fresh.sut);
    EXPECT_EQ(d.sink.wait_for(asks_to_reconnect).attempt, 0u);
    EXPECT_EQ(who(d), "\"new\"") << "connections that carried nothing were given up";
    for (std::uint32_t n = 2; n < 200; ++n) {
        send(d.table, d.link, n);
        send(old.sut.table, old.link, n);
        if (n % 50 == 0) {
            EXPECT_EQ(who(d), "\"new\"");
        }
    }
    old.sink.wait_for(attempt_is(199));
    d.sink.wait_for(attempt_is(199));
    EXPECT_EQ(count(d.sink, is_last), 0u);
    EXPECT_FALSE(old.sut.host.completed(done));

    d.close();  // as the kernel does when its new link is up
    old.sink.wait_for(is_last);
    EXPECT_FALSE(old.sut.host.completed(done)) << "the kernel still holds the served link";
    old.close();
    EXPECT_EQ(old.sut.host.wait(done).result, SIGRUN_OK);
    EXPECT_EQ(count(d.sink, asks_to_reconnect), 1u);
    EXPECT_EQ(fresh.link, nullptr) << "no request of the session went astray";
    old.sut.destroy();
    EXPECT_EQ(old.sut.host.live_threads(), 0u);
    EXPECT_EQ(old.sut.host.open_ops(), 0u);
    EXPECT_EQ(old.sut.host.double_completions(), 0u);
}

TEST(http_retire_link, a_session_that_opens_on_an_old_connection_afterwards_works_and_is_told) {
    generation fresh("new"), old("old");
    dialler_host d;
    ASSERT_EQ(d.open(old.sut.url()).result, SIGRUN_OK);  // its connection stays with the old one
    old.sut.retire(k_long, &fresh.sut);
    sdk::recording_sink replies;
    ASSERT_EQ(d.call("runners.register", "", "{}", replies).result, SIGRUN_OK);
    ASSERT_NE(old.link, nullptr);
    d.sink.wait_for([](const auto& f) { return asks_to_reconnect(f) || is_last(f); });
    // The poll went on over the connection of the call; the posts need a second one, which the newer server gets and does
    // not know. That ends the link at once.
    d.sink.wait_for(is_last);
}

TEST(http_retire_link, a_server_that_does_not_know_the_session_ends_the_link_at_once) {
    generation fresh("new"), old("old");
    dialler_host d;
    sdk::recording_sink replies;
    ASSERT_EQ(d.open(old.sut.url()).result, SIGRUN_OK);
    ASSERT_EQ(d.call("runners.register", "", "{}", replies).result, SIGRUN_OK);
    old.sut.successor = &fresh.sut;
    const auto unknown = fresh.sut.get("/v1/sessions/0123456789abcdef/frames");
    EXPECT_EQ(unknown.status, 404);
    EXPECT_NE(unknown.body.find("there is no such session"), std::string::npos) << unknown.body;
    std::thread cut([&] {
        // The connections of the session break; the next ones reach the other server.
        const auto op = old.sut.host.mint();
        old.sut.table->serve->retire(old.sut.instance, 1, op);
        old.sink.wait_for(is_last);
        old.close();
        EXPECT_EQ(old.sut.host.wait(op).result, SIGRUN_OK);
    });
    d.sink.wait_for(is_last);
    cut.join();
    EXPECT_EQ(count(d.sink, is_last), 1u);
}

TEST(http_retire_link, polls_over_any_connection_of_the_session_say_no_close_until_it_is_over) {
    generation old("old");
    auto poll = old.sut.connect();
    auto post = old.sut.connect();
    const auto opened = old.sut.post("/v1/sessions", "{}");
    const auto token = opened.header("Sigrun-Session");
    ASSERT_NE(token, "");
    poll.send(sdk::concat("GET /v1/sessions/", token, "/frames?wait=20s&ack=0 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    const auto done = old.sut.retire(k_long);
    const auto told = poll.read_response();
    EXPECT_EQ(told.header("Connection"), "");
    mismatch why;
    const auto frames = decode_frames(told.body, why);
    ASSERT_TRUE(frames && frames->size() == 1) << told.body;
    EXPECT_EQ(frames->front().kind, std::uint32_t{SIGRUN_BYE});
    EXPECT_EQ(frames->front().flags, 0u);
    EXPECT_NE(frames->front().json.find(R"("reconnect":true)"), std::string::npos);
    for (int i = 1; i <= 3; ++i) {
        const auto body = sdk::concat(R"([{"kind":"beat","seq":)", i, "}]");
        post.send(sdk::concat("POST /v1/sessions/", token, "/frames HTTP/1.1\r\nHost: localhost\r\n", k_json_type,
                              "Content-Length: ", body.size(), "\r\n\r\n", body));
        const auto r = post.read_response();
        EXPECT_EQ(r.body, sdk::concat(R"({"ack":)", i, R"(,"busy":false})"));
        EXPECT_EQ(r.header("Connection"), "");
    }
    poll.send(sdk::concat("GET /v1/sessions/", token, "/frames?wait=20s&ack=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    post.send(sdk::concat("DELETE /v1/sessions/", token, " HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    const auto gone = post.read_response();
    EXPECT_EQ(gone.status, 204);
    EXPECT_EQ(gone.header("Connection"), "close");
    const auto over = poll.read_response();
    EXPECT_TRUE(over.status == 410 || over.status == 404) << over.status;  // it hung already, or came after the end
    EXPECT_EQ(over.header("Connection"), "close");
    EXPECT_EQ(post.read_to_end() + poll.read_to_end(), "");
    post.close();
    poll.close();
    old.sink.wait_for(is_last);
    old.close();
    EXPECT_EQ(old.sut.host.wait(done).result, SIGRUN_OK);
}

TEST(http_retire_link, before_the_deadline_the_sessions_that_are_left_end_in_order) {
    generation old("old");
    const auto token = old.sut.post("/v1/sessions", "{}").header("Sigrun-Session");
    auto poll = old.sut.connect();
    poll.send(sdk::concat("GET /v1/sessions/", token, "/frames?wait=20s HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    const auto done = old.sut.retire(1500);
    EXPECT_EQ(poll.read_response().status, 200);
    poll.send(sdk::concat("GET /v1/sessions/", token, "/frames?wait=20s&ack=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    EXPECT_EQ(poll.read_response().status, 410);
    EXPECT_EQ(poll.read_to_end(), "");
    poll.close();
    old.sink.wait_for(is_last);
    old.close();
    EXPECT_EQ(old.sut.host.wait(done).result, SIGRUN_OK);
}

TEST(http_retire_link, links_count_until_the_host_closes_them_and_are_reported_after_the_cut) {
    generation peer("peer");
    const auto retire = [](dialler_host& d, int ms) {
        const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
        const auto done = d.host.mint();
        EXPECT_EQ(
            d.table->serve->retire(d.instance, static_cast<std::uint64_t>(until.time_since_epoch().count()), done),
            SIGRUN_OK);
        return done;
    };
    {
        dialler_host d;
        ASSERT_EQ(d.open(peer.sut.url()).result, SIGRUN_OK);
        const auto done = retire(d, k_long);
        EXPECT_EQ(who(d), "\"peer\"");
        EXPECT_FALSE(d.host.completed(done));
        d.close();
        EXPECT_EQ(d.host.wait(done).result, SIGRUN_OK);
    }
    dialler_host d;
    ASSERT_EQ(d.open(peer.sut.url()).result, SIGRUN_OK);
    const auto done = retire(d, 1);
    d.sink.wait_for(is_last);
    const auto outcome = d.host.wait(done);
    EXPECT_EQ(outcome.result, SIGRUN_E_TIMEOUT);
    EXPECT_NE(outcome.text.find("found 1"), std::string::npos) << outcome.text;
}

}  // namespace
}  // namespace sigrun::http::testing
