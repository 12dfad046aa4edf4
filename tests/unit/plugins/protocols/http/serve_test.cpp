// Each route of the API, and answers that are neither jobs nor refusals: what a client sees of a served plugin.
#include "served_plugin.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace sigrun::http::testing {
namespace {
namespace json = boost::json;

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
        {"GET", "/v1/jobs/7/artifacts", "", "artifacts.list", R"({"id":"7"})"},
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
        {"POST", "/v1/balancers/round_robin/record?picks=5", "", "balancers.record",
         R"({"balancer":"round_robin","picks":5})"},
        {"GET", "/v1/balancers/recording", "", "balancers.recording", ""},
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

TEST(http_serve, bytes_have_their_length_and_a_range_of_them_is_a_range) {
    struct row {
        const char* target;
        const char* headers;
        const char* params;
        const char* json;
        int status;
        const char* range;
    };
    const row rows[] = {
        {"a/b%20c?offset=3", "", R"({"id":"7","name":"a/b c","offset":3})",
         R"({"offset":3,"until":5,"size":5,"sha256":"x"})", 200, ""},
        {"a", "Range: bytes=3-\r\n", R"({"id":"7","name":"a","offset":3})",
         R"({"offset":3,"until":5,"size":5,"sha256":"x"})", 206, "bytes 3-4/5"},
        {"a", "Range: bytes=1-2\r\n", R"({"id":"7","name":"a","offset":1,"length":2})",
         R"({"offset":1,"until":3,"size":5,"sha256":"x"})", 206, "bytes 1-2/5"},
        {"a", "Range: bytes=-2\r\n", R"({"id":"7","name":"a"})", R"({"offset":0,"until":2,"size":2,"sha256":"x"})", 200,
         ""},
        {"a", "Range: bytes=3-1\r\n", R"({"id":"7","name":"a"})", R"({"offset":0,"until":2,"size":2,"sha256":"x"})",
         200, ""},
    };
    served_plugin sut;
    std::size_t n = 0;
    for (const auto& r : rows) {
        const std::string json = r.json;
        sut.on("artifacts.read", [&sut, json](const seen_call& c, sigrun_error*) {
            give_reply(sut.host.get(), c.replies, SIGRUN_FRAME_LAST, json, std::string("xy"));
            return SIGRUN_OK;
        });
        const auto got = sut.ask(
            sdk::concat("GET /v1/jobs/7/artifacts/", r.target, " HTTP/1.1\r\nHost: localhost\r\n", r.headers, "\r\n"));
        EXPECT_EQ(got.status, r.status) << r.target;
        EXPECT_EQ(got.header("Content-Length"), "2");
        EXPECT_EQ(got.header("Content-Range"), r.range);
        EXPECT_EQ(got.header("ETag"), "\"x\"");
        EXPECT_EQ(got.body, "xy");
        EXPECT_EQ(sut.wait_call(++n).params, r.params) << r.target;
    }
}

TEST(http_serve, a_job_that_is_done_again_is_a_new_one_with_its_location) {
    served_plugin sut;
    sut.on("jobs.retry", R"({"id":"b","retry_of":"a"})");
    const auto got = sut.ask("POST /v1/jobs/a/retry HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(got.status, 201);
    EXPECT_EQ(got.header("Location"), "/v1/jobs/b");
    EXPECT_EQ(sut.wait_call().params, R"({"id":"a"})");
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

TEST(http_serve, a_request_is_called_what_its_caller_says_or_something_that_is_told) {
    served_plugin sut;
    sut.on("jobs.get", [&](const seen_call& c, sigrun_error*) {
        give_reply(sut.host.get(), c.replies, SIGRUN_FRAME_LAST, "{}");
        return SIGRUN_OK;
    });
    constexpr std::string_view trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    auto got = sut.get("/v1/jobs/a", sdk::concat("X-Request-Id: mine-1\r\ntraceparent: ", trace, "\r\n"));
    EXPECT_EQ(got.header("X-Request-Id"), "mine-1");
    EXPECT_EQ(sut.wait_call(1).request_id, "mine-1");
    EXPECT_EQ(sut.wait_call(1).trace_parent, trace);
    EXPECT_EQ(sut.wait_call(1).params, R"({"id":"a"})");
    got = sut.get("/v1/jobs/a");
    EXPECT_EQ(got.header("X-Request-Id"), sut.wait_call(2).request_id);
    EXPECT_NE(sut.wait_call(2).request_id, "mine-1");
    EXPECT_EQ(sut.wait_call(2).trace_parent, "");
    got = sut.get("/v1/nothing");
    EXPECT_NE(got.body.find("\"request_id\":\"" + std::string(got.header("X-Request-Id")) + "\""), std::string::npos);
    got = sut.get("/v1/jobs/a", "X-Request-Id: a b\r\ntraceparent: nonsense\r\n");
    EXPECT_EQ(got.status, 400);
    EXPECT_EQ(json::parse(got.body).at("field"), "X-Request-Id");
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

}  // namespace
}  // namespace sigrun::http::testing
