// Recognition and the request for a WebSocket: what is refused, how, and who may come in.
#include "serve/recognise.hpp"
#include "ws_rig.hpp"

using namespace rig;
using sigrun::websocket::recognise;

TEST(websocket_recognise, a_request_is_known_by_its_upgrade_header_as_soon_as_that_is_complete) {
    const auto request = upgrade_request();
    const auto known = request.find("Upgrade: websocket\r\n") + 20;
    for (std::size_t n = 0; n <= request.size(); ++n)
        EXPECT_EQ(recognise(request.substr(0, n)), n < known ? SIGRUN_NEED_MORE : SIGRUN_OK) << n;
    EXPECT_EQ(recognise("GET /anything HTTP/1.1\r\nuPGRADE:\tother, WebSocket\r\n"), SIGRUN_OK);
}

TEST(websocket_recognise, everything_else_is_left_to_others) {
    for (auto foreign : {"POST /v1/session HTTP/1.1\r\nUpgrade: websocket\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                         "VLK1", "GE ", "GET x\r\n", "GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n",
                         "GET / HTTP/1.1\r\nX: websocket\r\n\r\n", "GET / HTTP/1.1\r\nUpgrade: websockets\r\n\r\n",
                         "PRI * HTTP/2.0\r\n\r\n", "GET / HTTP/1.1\r\n\r\nUpgrade: websocket\r\n"})
        EXPECT_EQ(recognise(foreign), SIGRUN_NOT_MINE) << foreign;
    const std::string endless = "GET / HTTP/1.1\r\nX: " + std::string(16 * 1024, 'x');
    EXPECT_EQ(recognise(endless), SIGRUN_NOT_MINE);
    EXPECT_EQ(recognise(endless.substr(0, 10000)), SIGRUN_NEED_MORE);
}

namespace {

struct answered {
    std::string head, body;
    int status() const { return std::stoi(head.substr(9, 3)); }
};
answered ask(controller& server, std::string_view request) {
    auto c = raw_client::dial(server);
    c.say(request);
    answered a;
    a.head = c.hear_head();
    if (a.head.substr(0, 12) != "HTTP/1.1 101") a.body = c.hear_all();
    return a;
}

}  // namespace

TEST(websocket_upgrade, a_right_request_gets_101_with_the_proof_the_subprotocol_and_the_limit) {
    controller server;
    const auto a = ask(server, upgrade_request("Sec-WebSocket-Protocol: other, sigrun.v1\r\n"));
    EXPECT_EQ(a.status(), 101);
    EXPECT_NE(a.head.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos) << a.head;  // RFC 6455, section 1.3
    EXPECT_NE(a.head.find("Sec-WebSocket-Protocol: sigrun.v1\r\n"), std::string::npos) << a.head;
    EXPECT_NE(a.head.find("Sigrun-Max-Message: 16777216\r\n"), std::string::npos) << a.head;
    EXPECT_EQ(a.head.find("Sec-WebSocket-Extensions"), std::string::npos) << "none was offered";
    const auto none = ask(server, upgrade_request(""));
    EXPECT_EQ(none.status(), 101);
    EXPECT_EQ(none.head.find("Sec-WebSocket-Protocol"), std::string::npos) << "who offers none gets none";
}

TEST(websocket_upgrade, each_wrong_request_is_refused_with_its_status_and_what_is_wrong) {
    controller server(options{{"max_header", "4KiB"}});
    const auto good = upgrade_request();
    const auto without = [&](std::string_view line) {
        auto r = good;
        const auto at = r.find(line);
        return r.erase(at, r.find("\r\n", at) + 2 - at);
    };
    struct wrong {
        std::string request;
        int status;
        std::string part;
    };
    const std::vector<wrong> cases{
        {upgrade_request("Sec-WebSocket-Protocol: sigrun.v1\r\n", "/v1/other"), 404, "/v1/session"},
        {upgrade_request("Sec-WebSocket-Protocol: sigrun.v1\r\n", "/"), 404, "target"},
        {upgrade_request("Sec-WebSocket-Protocol: sigrun.v1\r\n", "/v1/session", "8"), 426, "Sec-WebSocket-Version"},
        {upgrade_request("Sec-WebSocket-Protocol: chat\r\n"), 400, "sigrun.v1"},
        {without("Connection:"), 400, "Connection"},
        {without("Sec-WebSocket-Key:"), 400, "Sec-WebSocket-Key"},
        {without("Sec-WebSocket-Version:"), 426, "none"},
        {without("Host:"), 400, "Host"},
        {upgrade_request("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), 400, "several"},
        {upgrade_request("Host: localhost\r\n"), 400, "Host"},
        {upgrade_request("Content-Length: 3\r\n") + "abc", 400, "body"},
        {upgrade_request("Transfer-Encoding: chunked\r\n"), 400, "body"},
        {upgrade_request("Authorization: Digest x\r\n"), 401, "Bearer TOKEN"},
        {upgrade_request("Authorization: Bearer x\r\nSec-WebSocket-Protocol: sigrun.v1, sigrun.bearer.eA\r\n"), 400,
         "both"},
        {upgrade_request("Sec-WebSocket-Protocol: sigrun.v1, sigrun.bearer.!\r\n"), 400, "base64url"},
        {upgrade_request("X: " + std::string(5000, 'x') + "\r\n"), 431, "4096"},
        {"GET / HTTP/1.1\r\nUpgrade: websocket\r\nbad header\r\n\r\n", 400, "RFC 9112"},
    };
    for (const auto& w : cases) {
        const auto a = ask(server, w.request);
        ASSERT_GT(a.head.size(), 12u) << w.request;
        EXPECT_EQ(a.status(), w.status) << w.request << a.body;
        EXPECT_NE(a.body.find(w.part), std::string::npos) << w.request << a.body;
        EXPECT_NE(a.head.find("application/problem+json"), std::string::npos);
        EXPECT_EQ(a.head.find("Sec-WebSocket-Version: 13") != std::string::npos, w.status == 426);
    }
    EXPECT_EQ(server.host.metric("sigrun_websocket_upgrades_refused_total"), static_cast<double>(cases.size()));
    EXPECT_TRUE(eventually([&] { return server.all_ended(); }));
    EXPECT_EQ(server.calls, 0);
}

TEST(websocket_upgrade, web_pages_of_other_origins_and_rebound_names_stay_outside) {
    controller server(options{{"allowed_hosts", "build.example"}});
    EXPECT_EQ(ask(server, upgrade_request("Origin: http://evil.example\r\n")).status(), 403);
    EXPECT_EQ(ask(server, upgrade_request("Origin: null\r\n")).status(), 403);
    EXPECT_EQ(ask(server, upgrade_request("Sec-Fetch-Site: cross-site\r\n")).status(), 403);
    EXPECT_EQ(ask(server, upgrade_request("Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n")).status(),
              101);
    auto rebound = upgrade_request();
    rebound.replace(rebound.find("localhost"), 9, "evil.example");
    EXPECT_EQ(ask(server, rebound).status(), 421);
    rebound.replace(rebound.find("evil.example"), 12, "build.example");
    EXPECT_EQ(ask(server, rebound).status(), 101);
}

TEST(websocket_upgrade, credentials_of_the_request_are_those_of_its_calls) {
    controller server;
    const std::string call = R"({"kind":"call","id":1,"method":"echo","json":{}})";
    auto header = raw_client::open(server, "Authorization: bEARER tok\r\nSec-WebSocket-Protocol: sigrun.v1\r\n");
    header.say_text(call);
    header.hear();
    EXPECT_EQ(server.last_auth, "bearer tok");
    auto browser = raw_client::open(server, "Sec-WebSocket-Protocol: sigrun.v1, sigrun.bearer.dG9rPz4\r\n");
    browser.say_text(call);
    browser.hear();
    EXPECT_EQ(server.last_auth, "bearer tok?>");
    browser.say_text(R"({"kind":"call","id":2,"method":"echo","auth":"bearer other","json":{}})");
    browser.hear();
    EXPECT_EQ(server.last_auth, "bearer other");
    browser.say_text(R"({"kind":"call","id":3,"method":"echo","auth":"uid 0","json":{}})");
    EXPECT_NE(browser.hear().payload.find("unauthenticated"), std::string::npos);
}

TEST(websocket_upgrade, a_head_that_comes_too_slowly_gets_408_and_a_message_that_came_early_is_not_lost) {
    controller server(options{{"handshake_timeout", "100ms"}});
    auto slow = raw_client::dial(server);
    slow.say(upgrade_request().substr(0, 60));
    EXPECT_EQ(slow.hear_head().substr(0, 12), "HTTP/1.1 408");
    auto eager = raw_client::dial(server);
    eager.say(upgrade_request() + raw_client::frame(0x81, R"({"kind":"call","id":1,"method":"echo","json":{"n":2}})"));
    EXPECT_EQ(eager.hear_head().substr(0, 12), "HTTP/1.1 101");
    EXPECT_EQ(eager.hear().payload, R"({"kind":"reply","id":1,"flags":1,"json":{"n":2}})");
}

TEST(websocket_upgrade, connections_beyond_max_connections_get_503_and_are_counted) {
    controller server(options{{"max_connections", "1"}});
    auto first = raw_client::open(server);
    auto second = raw_client::dial(server);
    EXPECT_EQ(second.hear_head().substr(0, 12), "HTTP/1.1 503");
    EXPECT_EQ(server.host.metric("sigrun_websocket_connections_refused_total"), 1.0);
    forget_last(server);
    first.close();
    ASSERT_TRUE(eventually([&] { return server.all_ended(); }));
    auto third = raw_client::open(server);
}
