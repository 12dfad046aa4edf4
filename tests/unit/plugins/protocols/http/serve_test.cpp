// The REST side, asked by plain sockets and by curl.
#include "served_plugin.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace sigrun::http::testing {
namespace {
namespace json = boost::json;

std::string code_of(const response& r) { return std::string(json::parse(r.body).at("code").as_string()); }

TEST(http_serve, each_route_becomes_its_method_with_its_params) {
    struct row {
        const char* verb;
        const char* target;
        const char* headers;
        const char* method;
        const char* params;
    };
    const row rows[] = {
        {"GET", "/v1/jobs", "", "jobs.list", ""},
        {"GET", "/v1/jobs?state=running&limit=5&cursor=a%22b", "", "jobs.list",
         R"({"state":"running","limit":5,"cursor":"a\"b"})"},
        {"GET", "/v1/jobs/7", "", "jobs.get", R"({"id":"7"})"},
        {"POST", "/v1/jobs/7/cancel?grace=3s", "", "jobs.cancel", R"({"id":"7","grace":"3s"})"},
        {"GET", "/v1/jobs/7/explain", "", "jobs.explain", R"({"id":"7"})"},
        {"GET", "/v1/runners?where=cpu%20%3E%201", "", "runners.list", R"({"where":"cpu > 1"})"},
        {"GET", "/v1/runners/a%2Fb", "", "runners.get", R"({"id":"a/b"})"},
        {"DELETE", "/v1/runners/r?force", "", "runners.remove", R"({"id":"r","force":true})"},
        {"DELETE", "/v1/runners/r?force=no", "", "runners.remove", R"({"id":"r","force":false})"},
        {"POST", "/v1/runners/r/drain?reason=x", "", "runners.drain", R"({"id":"r","reason":"x"})"},
        {"POST", "/v1/runners/r/resume", "", "runners.resume", R"({"id":"r"})"},
        {"POST", "/v1/runners/r/maintenance?reason=disk", "", "runners.maintenance", R"({"id":"r","reason":"disk"})"},
        {"POST", "/v1/runners/r/detect", "", "runners.detect", R"({"id":"r"})"},
        {"POST", "/v1/runners/r/reload?plugin=sigrun.process", "", "runners.reload",
         R"({"id":"r","plugin":"sigrun.process"})"},
        {"GET", "/v1/plugins", "", "plugins.list", ""},
        {"POST", "/v1/plugins/sigrun.http/admit", "", "plugins.admit", R"({"id":"sigrun.http"})"},
        {"GET", "/v1/plugins/sigrun.http", "", "plugins.get", R"({"id":"sigrun.http"})"},
        {"GET", "/v1/config", "", "config.get", ""},
        {"GET", "/v1/stats", "", "stats.get", ""},
        {"GET", "/v1/version", "", "version.get", ""},
        {"GET", "/v1/probe?only=cpu,memory", "", "probe.run", R"({"only":"cpu,memory"})"},
        {"GET", "/healthz", "", "health.live", ""},
        {"GET", "/readyz", "", "health.ready", ""},
    };
    served_plugin sut;
    std::size_t n = 0;
    for (const auto& r : rows) {
        sut.on(r.method, R"({"ok":1})");
        const auto got =
            sut.ask(sdk::concat(r.verb, " ", r.target, " HTTP/1.1\r\nHost: localhost\r\n", r.headers, "\r\n"));
        EXPECT_EQ(got.status, 200) << r.target;
        EXPECT_EQ(got.body, R"({"ok":1})");
        EXPECT_EQ(got.header("Content-Type"), "application/json");
        EXPECT_EQ(got.header("X-Content-Type-Options"), "nosniff");
        EXPECT_EQ(got.header("Cache-Control"), "no-store");
        const auto call = sut.wait_call(++n);
        EXPECT_EQ(call.method, r.method);
        EXPECT_EQ(call.params, r.params) << r.target;
    }
}

TEST(http_serve, a_submitted_job_is_created_with_its_location_and_its_document_is_untouched) {
    served_plugin sut;
    sut.on("jobs.submit", R"({"id":"a b","state":"queued"})");
    const std::string document = "{ \"command\" : [\"x\"],\n\t\"bad\": }";  // the kernel judges it, not the plugin
    auto got = sut.post("/v1/jobs?wait=30s", document,
                        "Content-Type: application/json\r\nIdempotency-Key: k\"1\r\nAuthorization: Bearer ToKen\r\n");
    EXPECT_EQ(got.status, 201);
    EXPECT_EQ(got.header("Location"), "/v1/jobs/a%20b");
    const auto call = sut.wait_call();
    EXPECT_EQ(call.document, document);
    EXPECT_EQ(call.params, R"({"wait":"30s","idempotency_key":"k\"1"})");
    EXPECT_EQ(call.auth, "bearer ToKen");
    sut.on("jobs.submit", R"({"id":"7","idempotency_replayed":true})");
    EXPECT_EQ(sut.post("/v1/jobs", "{}").status, 200);
    sut.on("jobs.submit", R"({"id":"7","labels":{"x":"\"idempotency_replayed\":true"}})");
    EXPECT_EQ(sut.post("/v1/jobs", "{}").status, 201);
}

TEST(http_serve, problems_of_the_kernel_become_statuses_with_their_document) {
    served_plugin sut;
    const std::string text = R"({"code":"busy","title":"full","retry_after_ms":2500})";
    sut.on("jobs.submit", [&](const seen_call& c, sigrun_error*) {
        give_reply(sut.host.get(), c.replies, SIGRUN_FRAME_LAST | SIGRUN_FRAME_ERROR, text);
        return SIGRUN_OK;
    });
    auto got = sut.post("/v1/jobs", "{}");
    EXPECT_EQ(got.status, 429);
    EXPECT_EQ(got.header("Retry-After"), "3");
    EXPECT_EQ(got.header("Content-Type"), "application/problem+json");
    EXPECT_EQ(got.body, text);
    sut.on("jobs.submit", [&](const seen_call&, sigrun_error* e) {
        return sdk::report(e, SIGRUN_E_DENIED, R"({"code":"unauthenticated","title":"who?"})");
    });
    got = sut.post("/v1/jobs", "{}");
    EXPECT_EQ(got.status, 401);
    EXPECT_EQ(got.header("WWW-Authenticate"), "Bearer");
    sut.on("jobs.submit",
           [&](const seen_call&, sigrun_error* e) { return sdk::report(e, SIGRUN_E_NOT_FOUND, "plain"); });
    EXPECT_EQ(sut.post("/v1/jobs", "{}").status, 404);
}

TEST(http_serve, refusals_name_what_is_wrong) {
    served_plugin sut;
    EXPECT_EQ(sut.get("/nothing").status, 404);
    auto got = sut.ask("PUT /v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(got.status, 405);
    EXPECT_EQ(got.header("Allow"), "POST, GET, HEAD, OPTIONS");
    EXPECT_EQ(sut.post("/v1/jobs", "{}", "Content-Type: application/octet-stream\r\n").status, 415);
    got = sut.get("/v1/jobs?stat=running");
    EXPECT_EQ(got.status, 400);
    EXPECT_EQ(code_of(got), "unknown_field");
    EXPECT_EQ(json::parse(got.body).at("field"), "stat");
    got = sut.get("/v1/jobs?limit=ten");
    EXPECT_EQ(got.status, 400);
    EXPECT_EQ(json::parse(got.body).at("field"), "limit");
    EXPECT_EQ(json::parse(got.body).at("found"), "ten");
    for (auto target : {"/v1/runners/r/drain?deadline=1m", "/v1/runners/r/detect?reason=x"}) {
        got = sut.ask(sdk::concat("POST ", target, " HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        EXPECT_EQ(got.status, 400) << "the kernel knows no such param: " << target;
        EXPECT_EQ(code_of(got), "unknown_field");
    }
    EXPECT_EQ(sut.post("/v1/jobs/7/cancel", "{}").status, 400) << "no body is taken there";
    EXPECT_EQ(sut.get("/v1/jobs/%ff").status, 400);
    EXPECT_EQ(sut.get("/v1/jobs?state=%c3%28").status, 400);
    EXPECT_EQ(sut.get("/v1/jobs/\xff").status, 400);
    EXPECT_EQ(sut.ask("GET /healthz HTTP/1.1\r\n\r\n").status, 400) << "no Host";
    EXPECT_EQ(sut.ask("GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").status, 400);
    EXPECT_EQ(sut.ask("GET /healthz HTTP/3.7\r\n\r\n").status, 505);
    EXPECT_EQ(sut.ask("GET /healthz\r\n\r\n").status, 400);
    EXPECT_EQ(sut.get("/v1/jobs", "Upgrade: WebSocket\r\nConnection: upgrade\r\n").status, 426);
    EXPECT_EQ(sut.ask("POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")
                  .status,
              501);
    EXPECT_EQ(sut.ask("POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: "
                      "chunked\r\n\r\n{}")
                  .status,
              400)
        << "two lengths are a smuggling attempt";
    EXPECT_TRUE(sut.calls().empty()) << "none of these reached the kernel";
}

TEST(http_serve, every_refusal_says_which_field_what_was_expected_and_what_was_found) {
    served_plugin sut(served_plugin::options{{"max_body", "64KiB"}});
    struct row {
        const char* line;
        const char* headers;
        int status;
        const char* field;
        const char* found;
    };
    const row rows[] = {
        {"GET /v1/jobs?stat=running", "", 400, "stat", "stat"},
        {"GET /v1/version?x", "", 400, "x", "x"},
        {"GET /nothing", "", 404, "target", "/nothing"},
        {"PUT /v1/jobs", "", 405, "verb", "PUT"},
        {"POST /v1/jobs", "Content-Type: text/plain\r\nContent-Length: 2\r\n", 415, "Content-Type", "text/plain"},
        {"POST /v1/jobs", "Transfer-Encoding: gzip\r\n", 501, "Transfer-Encoding", "gzip"},
        {"POST /v1/jobs", "Content-Length: 65537\r\n", 413, "body", "65537 bytes"},
        {"POST /v1/jobs", "Expect: tea\r\n", 417, "Expect", "tea"},
        {"GET /v1/%zz", "", 400, "target", "%zz"},
        {"GET /v1/jobs?a=1&a=2", "", 400, "a", "it again"},
        {"GET v1", "", 400, "target", "v1"},
        {"GET /v1/sessions/x/frames", "", 404, "token", "one that is unknown or over"},
        {"GET /", "a b: c\r\n", 400, "request", "bad field"},
    };
    for (const auto& r : rows) {
        const auto got = sut.ask(sdk::concat(r.line, " HTTP/1.1\r\nHost: localhost\r\n", r.headers, "\r\n"));
        EXPECT_EQ(got.status, r.status) << r.line;
        const auto p = json::parse(got.body);
        EXPECT_EQ(p.at("field"), r.field) << r.line;
        EXPECT_FALSE(p.at("expected").as_string().empty()) << r.line;
        EXPECT_EQ(p.at("found"), r.found) << r.line << got.body;
    }
    const auto got = sut.post("/v1/call/x", "[]", "Content-Type: application/vnd.sigrun.frame+json\r\n");
    EXPECT_EQ(got.status, 400);
    EXPECT_NE(got.body.find(R"("field":"frame","expected":"an object","found":"an array")"), std::string::npos);
    EXPECT_NE(sut.ask("GET / HTTP/3.7\r\n\r\n").body.find(R"("found":)"), std::string::npos);
}

TEST(http_serve, a_body_whose_end_is_in_doubt_ends_the_connection) {
    served_plugin sut;
    sut.on("jobs.submit", R"({"id":"1"})");
    sut.on("health.live", "{}");
    const std::string smuggled = "2\r\n{}\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct row {
        const char* headers;
        int status;
    };
    const row rows[] = {{"Transfer-Encoding: chunked, x\r\n", 501},
                        {"Transfer-Encoding: xchunked\r\n", 501},
                        {"Transfer-Encoding: identity\r\n", 501},
                        {"Transfer-Encoding:\r\n", 501},
                        {"Transfer-Encoding: xchunked\r\nUpgrade: websocket\r\n", 501},
                        {"Transfer-Encoding: xchunked\r\nHost: b\r\nOrigin: x\r\n", 501},
                        {"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501},
                        {"Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n", 400},
                        {"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", 400},
                        {"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", 400}};
    for (const auto& r : rows) {
        auto s = sut.connect();
        s.send(sdk::concat("POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n", k_json_type, r.headers, "\r\n", smuggled));
        const auto got = s.read_response();
        EXPECT_EQ(got.status, r.status) << r.headers;
        EXPECT_EQ(got.header("Connection"), "close") << r.headers;
        EXPECT_EQ(s.read_to_end(), "") << r.headers;
    }
    EXPECT_TRUE(sut.calls().empty());
    auto old = sut.connect();
    old.send(sdk::concat("POST /v1/jobs HTTP/1.0\r\nConnection: keep-alive\r\n", k_json_type,
                         "Transfer-Encoding: chunked\r\n\r\n", smuggled));
    EXPECT_EQ(old.read_response().status, 201);
    EXPECT_EQ(old.read_to_end(), "");
    EXPECT_EQ(sut.calls().size(), 1u);
}

TEST(http_serve, only_bearer_and_basic_credentials_reach_the_kernel) {
    served_plugin sut;
    sut.on("version.get", "{}");
    struct row {
        const char* value;
        const char* found;
    };
    const row rows[] = {
        {"uid 0", "uid"},       {"UID 0", "UID"}, {"Digest username=x", "Digest"}, {"secret", "one word"},
        {"Bearer", "one word"}, {"", "one word"}, {"x\xff y", "x\xef\xbf\xbd"},    {"Bearerx y", "Bearerx"}};
    for (const auto& r : rows) {
        const auto got = sut.get("/v1/version", sdk::concat("Authorization: ", r.value, "\r\n"));
        EXPECT_EQ(got.status, 401) << r.value;
        EXPECT_EQ(got.header("WWW-Authenticate"), "Bearer");
        const auto p = json::parse(got.body);
        EXPECT_EQ(p.at("field"), "Authorization");
        EXPECT_EQ(p.at("expected"), "Bearer TOKEN or Basic CREDENTIALS");
        EXPECT_EQ(p.at("found"), r.found);
    }
    EXPECT_EQ(sut.get("/v1/version", "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n").status, 401);
    EXPECT_EQ(output_of(sdk::concat(
                  "curl -sS --max-time 10 -o /dev/null -w '%{http_code}' -H 'Authorization: uid 0' --unix-socket ",
                  sut.socket_path(), " http://localhost/v1/version")),
              "401");
    EXPECT_TRUE(sut.calls().empty());
    EXPECT_EQ(sut.get("/v1/version", "Authorization: BASIC dTpw\r\n").status, 200);
    EXPECT_EQ(sut.wait_call(1).auth, "basic dTpw");
}

TEST(http_serve, the_fields_of_a_trailer_say_nothing_about_the_request) {
    served_plugin sut;
    sut.on("x.y", "{}");
    const auto got = sut.ask(sdk::concat("POST /v1/call/x.y HTTP/1.1\r\nHost: localhost\r\n", k_json_type,
                                         "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nAuthorization: uid 0\r\n"
                                         "Content-Type: application/vnd.sigrun.frame+json\r\n\r\n"));
    EXPECT_EQ(got.status, 200) << got.body;
    EXPECT_EQ(sut.wait_call().auth, "");
    EXPECT_EQ(sut.wait_call().document, "{}");
}

TEST(http_serve, limits_answer_413_and_431_and_close) {
    served_plugin sut(served_plugin::options{{"max_header", "4KiB"}, {"max_body", "64KiB"}});
    auto s = sut.connect();
    s.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(8192, 'x') + "\r\n\r\n");
    EXPECT_EQ(s.read_response().status, 431);
    EXPECT_EQ(s.read_to_end(), "");
    auto announced = sut.connect();
    announced.send("POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65537\r\n\r\n");
    EXPECT_EQ(announced.read_response().status, 413);
    EXPECT_EQ(announced.read_to_end(), "");
    auto chunked = sut.connect();
    chunked.send(
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: "
        "chunked\r\n\r\n10001\r\n" +
        std::string(0x10001, 'x'));
    EXPECT_EQ(chunked.read_response().status, 413);
    EXPECT_TRUE(sut.calls().empty());
}

TEST(http_serve, a_head_that_comes_in_many_segments_has_the_same_limits) {
    served_plugin sut;
    sut.on("health.live", "{}");
    const std::string first = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";
    const std::string line = "a: " + std::string(995, 'x') + "\r\n";
    auto fits = sut.connect();
    fits.send(first);
    for (int i = 0; i < 64; ++i) fits.send(line);
    fits.send("\r\n");
    EXPECT_EQ(fits.read_response().status, 200);
    auto large = sut.connect();
    large.send(first);
    for (int i = 0; i < 80; ++i) large.send(line);  // the server reads at most 16 KiB at once
    large.send("\r\n");
    const auto got = large.read_response();
    EXPECT_EQ(got.status, 431);
    EXPECT_EQ(json::parse(got.body).at("field"), "head");
    EXPECT_EQ(large.read_to_end(), "");

    for (const int fields : {100, 101}) {
        auto many = sut.connect();
        many.send(first);
        for (int i = 1; i < fields; ++i) many.send("a:\r\n");
        many.send("\r\n");
        EXPECT_EQ(many.read_response().status, fields == 100 ? 200 : 431);
    }
    auto endless = sut.connect();
    endless.send(first);
    for (int i = 0; i < 20000; ++i) endless.send("a:\r\n");
    EXPECT_EQ(endless.read_response().status, 431) << "without waiting for the end of the head";

    auto trailer = sut.connect();
    trailer.send(
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n");
    for (int i = 0; i < 80; ++i) trailer.send(line);
    EXPECT_EQ(trailer.read_response().status, 431);
}

TEST(http_serve, keep_alive_and_pipelined_requests_are_answered_in_order) {
    served_plugin sut;
    sut.on("jobs.get", [&](const seen_call& c, sigrun_error*) -> sigrun_result {
        if (c.params == R"({"id":"slow"})") return SIGRUN_PENDING;
        give_reply(sut.host.get(), c.replies, SIGRUN_FRAME_LAST, c.params);
        return SIGRUN_OK;
    });
    auto s = sut.connect();
    s.send(
        "GET /v1/jobs/slow HTTP/1.1\r\nHost: localhost\r\n\r\nGET /v1/jobs/fast HTTP/1.1\r\nHost: localhost\r\n\r\n"
        "GET /v1/jobs/last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    const auto slow = sut.wait_call();
    EXPECT_EQ(sut.calls().size(), 1u) << "the next request waits for its turn";
    give_reply(sut.host.get(), slow.replies, SIGRUN_FRAME_LAST, R"({"id":"slow"})");
    EXPECT_EQ(s.read_response().body, R"({"id":"slow"})");
    EXPECT_EQ(s.read_response().body, R"({"id":"fast"})");
    const auto last = s.read_response();
    EXPECT_EQ(last.body, R"({"id":"last"})");
    EXPECT_EQ(last.header("Connection"), "close");
    EXPECT_EQ(s.read_to_end(), "");
}

TEST(http_serve, a_flood_of_pipelined_requests_is_answered_completely_once_the_peer_reads) {
    served_plugin sut;
    sut.on("stats.get", "\"" + std::string(20000, 'x') + "\"");
    auto s = sut.connect();
    constexpr std::size_t k_requests = 3000;
    std::thread writer([&] {
        for (std::size_t i = 0; i < k_requests; ++i) s.send("GET /v1/stats HTTP/1.1\r\nHost: localhost\r\n\r\n");
    });
    sut.wait_call(100);
    for (std::size_t i = 0; i < k_requests; ++i) ASSERT_EQ(s.read_response().body.size(), 20002u) << i;
    writer.join();
}

TEST(http_serve, requests_cut_anywhere_and_chunked_bodies_are_put_together) {
    served_plugin sut;
    sut.on("jobs.submit", R"({"id":"1"})");
    const std::string request =
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: "
        "chunked\r\n\r\n3\r\n{\"a\r\n4;x=y\r\n\":1}\r\n0\r\nT: "
        "r\r\n\r\n";
    auto s = sut.connect();
    for (char c : request) s.send(std::string_view(&c, 1));
    EXPECT_EQ(s.read_response().status, 201);
    EXPECT_EQ(sut.wait_call().document, R"({"a":1})");
}

TEST(http_serve, head_options_and_http_1_0) {
    served_plugin sut;
    sut.on("health.live", R"({"status":"ok"})");
    auto s = sut.connect();
    s.send("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const auto head = s.read_response(true);
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.header("Content-Length"), "15");
    s.send("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(s.read_response().status, 204) << "and nothing of a body came before it";
    s.send("OPTIONS /v1/jobs/7 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(s.read_response().header("Allow"), "GET, HEAD, OPTIONS");
    auto old = sut.connect();
    old.send("GET /healthz HTTP/1.0\r\n\r\n");
    EXPECT_EQ(old.read_response().body, R"({"status":"ok"})");
    EXPECT_EQ(old.read_to_end(), "");
}

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

TEST(http_serve, unix_peers_are_known_by_their_user_and_a_header_wins) {
    served_plugin sut;
    sut.on("version.get", "{}");
    const auto curl = sdk::concat("curl -sS --max-time 10 --unix-socket ", sut.socket_path(), " http://x/v1/version");
    EXPECT_EQ(output_of(curl), "{}");
    EXPECT_EQ(output_of(curl + " -H 'Authorization: Bearer t'"), "{}");
    EXPECT_EQ(sut.wait_call(1).auth, sdk::concat("uid ", getuid()));
    EXPECT_EQ(sut.wait_call(2).auth, "bearer t");
}

TEST(http_serve, curl_submits_with_expect_chunks_and_keep_alive) {
    served_plugin sut;
    sut.on("jobs.submit", R"({"id":"1"})");
    sut.on("health.live", R"({"status":"ok"})");
    const auto big = "{\"payload\":\"" + std::string(3 << 20, 'p') + "\"}";
    const auto file = sut.socket_path() + ".json";
    FILE* f = fopen(file.c_str(), "w");
    fwrite(big.data(), 1, big.size(), f);
    fclose(f);
    const auto base = sdk::concat(
        "curl -sS --max-time 20 -o /dev/null -w '%{http_code} %{num_connects}\\n' -H "
        "'Content-Type: application/json' ");
    EXPECT_EQ(output_of(base + "-H 'Expect: 100-continue' --data-binary @" + file + " " + sut.url() + "/v1/jobs"),
              "201 1\n");
    EXPECT_EQ(output_of(base + "-H 'Transfer-Encoding: chunked' --data-binary @" + file + " " + sut.url() + "/v1/jobs"),
              "201 1\n");
    EXPECT_EQ(output_of(base + sut.url() + "/healthz -o /dev/null " + sut.url() + "/healthz"), "200 1\n200 0\n")
        << "the second request of one curl uses the connection of the first";
    unlink(file.c_str());
    EXPECT_EQ(sut.wait_call(1).document, big);
    EXPECT_EQ(sut.wait_call(2).document, big);
}

TEST(http_serve, metrics_openapi_and_index) {
    served_plugin sut;
    sut.on("metrics.get", [&](const seen_call& c, sigrun_error*) {
        give_reply(sut.host.get(), c.replies, SIGRUN_FRAME_LAST, "{}", "sigrun_jobs 7\n");
        return SIGRUN_OK;
    });
    const auto metrics = sut.get("/metrics");
    EXPECT_EQ(metrics.body, "sigrun_jobs 7\n");
    EXPECT_EQ(metrics.header("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_EQ(json::parse(sut.get("/v1/openapi.json").body).at("openapi"), "3.1.0");
    EXPECT_EQ(json::parse(sut.get("/").body).at("name"), "Sigrun");
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
