// What is refused, with which status, and what the refusal says.
#include "served_plugin.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace sigrun::http::testing {
namespace {
namespace json = boost::json;

std::string code_of(const response& r) { return std::string(json::parse(r.body).at("code").as_string()); }

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
    const auto name = got.header("X-Request-Id");
    EXPECT_EQ(got.body, text.substr(0, text.size() - 1) + ",\"request_id\":\"" + std::string(name) + "\"}");
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

}  // namespace
}  // namespace sigrun::http::testing
