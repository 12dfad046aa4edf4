// Requests that web pages make a browser send, and the names a loopback port answers to.
#include "serve/caller_check.hpp"
#include "served_plugin.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace sigrun::http::testing {
namespace {
namespace json = boost::json;

struct caller_host {
    explicit caller_host(served_plugin::options given = {}) : sut(std::move(given)) {
        sut.on("jobs.submit", R"({"id":"1"})");
        sut.on("jobs.cancel", "{}");
        sut.on("runners.remove", "{}");
        sut.on("version.get", "{}");
        here = sdk::concat("127.0.0.1:", sut.port());
    }
    response ask(std::string_view verb_and_target, std::string_view headers, std::string_view body = {}) {
        return sut.ask(sdk::concat(verb_and_target, " HTTP/1.1\r\n", headers,
                                   body.empty() ? std::string() : sdk::concat("Content-Length: ", body.size(), "\r\n"),
                                   "\r\n", body));
    }
    int status(std::string_view verb_and_target, std::string_view headers, std::string_view body = {}) {
        return ask(verb_and_target, headers, body).status;
    }
    served_plugin sut;
    std::string here;
};

std::string member(const response& r, const char* name) {
    return std::string(json::parse(r.body).at(name).as_string());
}

TEST(http_caller, a_body_has_to_say_that_it_is_json) {
    caller_host h;
    const std::string host = "Host: localhost\r\n";
    auto got = h.ask("POST /v1/jobs", host, "{}");  // what a page sends with fetch(..., {body: new Blob([...])})
    EXPECT_EQ(got.status, 415);
    EXPECT_EQ(member(got, "field"), "Content-Type");
    EXPECT_EQ(member(got, "expected"), "application/json");
    EXPECT_EQ(member(got, "found"), "none");
    for (auto type : {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
                      "application/jsonx", "text/json, application/json", ""})
        EXPECT_EQ(h.status("POST /v1/jobs", sdk::concat(host, "Content-Type: ", type, "\r\n"), "{}"), 415) << type;
    got = h.ask("POST /v1/call/jobs.submit", host, "{}");
    EXPECT_EQ(got.status, 415);
    EXPECT_EQ(member(got, "expected"), "application/json or application/vnd.sigrun.frame+json");
    EXPECT_EQ(output_of("curl -sS --max-time 10 -o /dev/null -w '%{http_code}' -d '{}' " + h.sut.url() + "/v1/jobs"),
              "415");
    EXPECT_TRUE(h.sut.calls().empty());
    for (auto type : {"application/json", "Application/JSON ; charset=utf-8"})
        EXPECT_EQ(h.status("POST /v1/jobs", sdk::concat(host, "Content-Type: ", type, "\r\n"), "{}"), 201) << type;
    EXPECT_EQ(h.status("POST /v1/jobs/7/cancel", host), 200) << "nothing needs no type";
}

TEST(http_caller, requests_of_other_origins_are_refused_with_and_without_a_body) {
    caller_host h;
    const auto host = "Host: " + h.here + "\r\n";
    const std::string json_type = "Content-Type: application/json\r\n";
    for (std::string from : {"Origin: http://evil.example\r\n", "Origin: null\r\n", "Origin: http://127.0.0.1:1\r\n",
                             "Origin: http://localhost\r\n", "Origin: ftp://127.0.0.1\r\n", "Origin: \r\n",
                             "Sec-Fetch-Site: cross-site\r\n"}) {
        EXPECT_EQ(h.status("POST /v1/jobs", host + json_type + from, "{}"), 403) << from;
        EXPECT_EQ(h.status("POST /v1/jobs/7/cancel", host + from), 403) << from;
        EXPECT_EQ(h.status("DELETE /v1/runners/r", host + from), 403) << from;
        EXPECT_EQ(h.status("GET /v1/version", host + from), 403) << from;
    }
    EXPECT_EQ(h.status("POST /v1/jobs/7/cancel", host + "Origin: http://" + h.here + "\r\nOrigin: http://evil\r\n"),
              403);
    const auto got = h.ask("POST /v1/jobs/7/cancel", host + "Origin: http://evil.example\r\n");
    EXPECT_EQ(member(got, "field"), "Origin");
    EXPECT_EQ(member(got, "found"), "http://evil.example");
    EXPECT_TRUE(h.sut.calls().empty());
    EXPECT_EQ(h.status("POST /v1/jobs", host + json_type + "Origin: HTTP://" + h.here + "\r\n", "{}"), 201);
    for (auto site : {"same-origin", "none"})
        EXPECT_EQ(h.status("POST /v1/jobs/7/cancel", sdk::concat(host, "Sec-Fetch-Site: ", site, "\r\n")), 200);
}

TEST(http_caller, a_loopback_port_answers_to_loopback_names_only) {
    caller_host h;
    for (auto name :
         {"localhost", "LocalHost:7070", "127.0.0.1", "127.9.8.7:1", "[::1]", "[::1]:7070", "[::ffff:127.0.0.1]:1"})
        EXPECT_EQ(h.status("GET /v1/version", sdk::concat("Host: ", name, "\r\n")), 200) << name;
    for (auto name : {"evil.example", "127.evil.example", "localhost.evil.example", "evil.localhost", "0.0.0.0", "",
                      "10.0.0.1", "[::2]", "[::1", "::1", "localhost:x", "localhost@evil", "evil.example:7070"})
        EXPECT_EQ(h.status("GET /v1/version", sdk::concat("Host: ", name, "\r\n")), 421) << name;
    const auto got = h.ask("GET /v1/version", "Host: evil.example:1\r\nOrigin: http://evil.example:1\r\n");
    EXPECT_EQ(got.status, 421) << "after DNS rebinding its origin is the host it asks for";
    EXPECT_EQ(member(got, "field"), "Host");
    EXPECT_EQ(member(got, "found"), "evil.example:1");
    EXPECT_NE(member(got, "expected").find("allowed_hosts"), std::string::npos);
    EXPECT_EQ(h.sut.ask("GET /v1/version HTTP/1.0\r\n\r\n").status, 200);
    EXPECT_EQ(h.sut.ask("GET /v1/version HTTP/1.0\r\nHost: evil.example\r\n\r\n").status, 421);
}

TEST(http_caller, the_operator_can_allow_more_names_and_unix_peers_may_use_any) {
    caller_host h(served_plugin::options{{"allowed_hosts", "sigrun.test, other.test:8080"}});
    for (auto name : {"sigrun.test", "SIGRUN.test:1", "other.test:8080", "localhost"})
        EXPECT_EQ(h.status("GET /v1/version", sdk::concat("Host: ", name, "\r\n")), 200) << name;
    for (auto name : {"other.test", "other.test:1", "x.sigrun.test"})
        EXPECT_EQ(h.status("GET /v1/version", sdk::concat("Host: ", name, "\r\n")), 421) << name;
    EXPECT_EQ(output_of(sdk::concat("curl -sS --max-time 10 --unix-socket ", h.sut.socket_path(),
                                    " http://any.example/v1/version")),
              "{}");
}

TEST(http_caller, elsewhere_any_host_is_right_and_an_origin_behind_a_tls_proxy_is_the_same) {
    namespace bhttp = boost::beast::http;
    bhttp::fields head;
    head.set(bhttp::field::host, "sigrun.example");
    EXPECT_FALSE(check_caller(head, {}));
    head.set(bhttp::field::origin, "https://sigrun.example");
    EXPECT_FALSE(check_caller(head, {})) << "the proxy ended TLS, the browser left the port out";
    head.set(bhttp::field::origin, "https://sigrun.example:444");
    ASSERT_TRUE(check_caller(head, {}));
    EXPECT_EQ(check_caller(head, {})->status, 403);
    head.erase(bhttp::field::origin);
    head.set(bhttp::field::host, "\xff");
    EXPECT_EQ(check_caller(head, {true, {}})->why.found, "\xef\xbf\xbd");
}

}  // namespace
}  // namespace sigrun::http::testing
