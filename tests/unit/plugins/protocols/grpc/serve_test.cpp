// Requests as any client of gRPC sends them, and as none should.
#include "call_request.hpp"
#include "grpc/health/v1/health.pb.h"
#include "h2_client.hpp"
#include "rig.hpp"
#include "sigrun/v1/jobs.pb.h"
#include "wire/metadata.hpp"

#include <boost/json.hpp>

using namespace rig;

namespace {
template <class Message>
Message message_in(std::string_view data) {
    Message m;
    EXPECT_GE(data.size(), 5u);
    EXPECT_TRUE(m.ParseFromString(std::string(data.substr(5))));
    return m;
}
}  // namespace

TEST(grpc_recognise, the_preface_byte_by_byte) {
    side s;
    s.start();
    const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for (std::size_t n = 0; n <= preface.size(); ++n)
        EXPECT_EQ(s.table->serve->recognise(s.instance, {preface.data(), n}, 0),
                  n == preface.size() ? SIGRUN_OK : SIGRUN_NEED_MORE);
    for (std::size_t n = 0; n < preface.size(); ++n) {
        auto other = preface;
        other[n] ^= 1;
        EXPECT_EQ(s.table->serve->recognise(s.instance, {other.data(), n + 1}, 0), SIGRUN_NOT_MINE);
    }
    s.stop();
}

TEST(grpc_serve, typed_requests_become_documents) {
    controller c;
    h2_client k(c.uri);
    v1::SubmitRequest r;
    auto& spec = *r.mutable_spec();
    spec.add_command("sh");
    spec.add_command("-c");
    (*spec.mutable_env())["B"] = "2";
    (*spec.mutable_env())["A"] = "1";
    (*spec.mutable_secrets())["KEY"] = "hunter22";
    spec.set_requirement("cpu.cores > 1");
    auto& wish = *spec.add_prefers();
    wish.set_condition("x");
    wish.set_weight(2);
    spec.mutable_timeouts()->set_run("10m");
    spec.mutable_timeouts()->set_start("5s");
    spec.mutable_timeouts()->set_silent("1m");
    spec.mutable_timeouts()->set_total("2h");
    spec.mutable_retry()->set_user(0);
    spec.set_idempotent(false);
    spec.set_hedge(false);
    spec.set_explain(true);
    spec.set_delay("5m");
    r.set_wait("1s");
    r.set_idempotency_key("key");
    r.set_payload("bytes");
    const auto got = k.ask("/sigrun.v1.Jobs/Submit", r.SerializeAsString());
    EXPECT_EQ(got.grpc_status(), 0);
    const auto seen = c.last_seen();
    EXPECT_EQ(seen.method, "jobs.submit");
    EXPECT_EQ(seen.params, R"({"wait":"1s","idempotency_key":"key"})");
    EXPECT_EQ(
        seen.json,
        R"({"command":["sh","-c"],"env":{"A":"1","B":"2"},"secrets":{"KEY":"hunter22"},"requires":"cpu.cores > 1","prefers":[{"if":"x","weight":2}],)"
        R"("timeouts":{"run":"10m","start":"5s","silent":"1m","total":"2h"},"retry":{"user":0},"delay":"5m","idempotent":false,"hedge":false,"explain":true})");
    EXPECT_EQ(seen.payload, "bytes");
    EXPECT_EQ(message_in<v1::Job>(got.data).result(), "bytes");
    // The document as it is.
    r.set_document(
        R"({"id":"j","state":"failed","exit_code":7,"failure":{"class":"user"},"log_bytes":9007199254740993,)"
        R"("outputs":{"version":"1.2"}})");
    const auto job = message_in<v1::Job>(k.ask("/sigrun.v1.Jobs/Submit", r.SerializeAsString()).data);
    EXPECT_EQ(job.id(), "j");
    EXPECT_EQ(job.exit_code(), 7);
    EXPECT_FALSE(job.has_signal());
    EXPECT_EQ(job.failure().failure_class(), "user");
    EXPECT_EQ(job.log_bytes(), 9007199254740993u);
    EXPECT_EQ(job.outputs().at("version"), "1.2");
    EXPECT_EQ(job.json(), r.document());
}

TEST(grpc_serve, what_holds_a_job_and_where_it_goes_become_documents) {
    controller c;
    h2_client k(c.uri);
    v1::SubmitRequest r;
    auto& spec = *r.mutable_spec();
    spec.add_prefers()->set_condition("x");
    spec.set_affinity("cache-7");
    spec.set_preferred_protocol("grpc");
    spec.set_max_latency("50ms");
    spec.set_zone("eu");
    spec.mutable_retry()->set_memory_factor(1.5);
    auto& limits = *spec.mutable_limits();
    limits.set_memory("512MiB");
    limits.set_cpus(0.5);
    limits.set_pids(100);
    limits.set_open_files(0);
    limits.set_file_size("1GiB");
    limits.set_core("0");
    limits.set_workspace("2GiB");
    limits.set_enforce("required");
    spec.set_user("build:ci");
    spec.mutable_pty();
    auto& isolation = *spec.mutable_isolation();
    isolation.set_tmp("private");
    isolation.set_network("none");
    isolation.set_files("read_only");
    isolation.add_writable("/var/cache");
    isolation.set_enforce("best_effort");
    spec.mutable_container()->set_image("debian:12");
    spec.mutable_container()->set_pull("never");
    EXPECT_EQ(k.ask("/sigrun.v1.Jobs/Submit", r.SerializeAsString()).grpc_status(), 0);
    EXPECT_EQ(
        c.last_seen().json,
        R"({"prefers":[{"if":"x"}],"affinity":"cache-7","preferred_protocol":"grpc","max_latency":"50ms","zone":"eu",)"
        R"("retry":{"memory_factor":1.5E0},"limits":{"memory":"512MiB","cpus":5E-1,"pids":100,"open_files":0,"file_size":"1GiB",)"
        R"("core":"0","workspace":"2GiB","enforce":"required"},"user":"build:ci","pty":true,)"
        R"("isolation":{"tmp":"private","network":"none","files":"read_only","writable":["/var/cache"],"enforce":"best_effort"},)"
        R"("container":{"image":"debian:12","pull":"never"}})");
    spec.Clear();
    spec.mutable_pty()->set_rows(40);
    EXPECT_EQ(k.ask("/sigrun.v1.Jobs/Submit", r.SerializeAsString()).grpc_status(), 0);
    EXPECT_EQ(c.last_seen().json, R"({"pty":{"rows":40}})");
}

TEST(grpc_serve, problems_are_status_and_trailers) {
    controller c;
    h2_client k(c.uri);
    const auto got = k.ask(k_call, call_request("fail"));
    EXPECT_EQ(got.grpc_status(), 5);
    EXPECT_EQ(got.fields.at("grpc-message"), "no such job; field id, expected one, found none");
    const auto problem = sigrun::grpc::from_base64(got.fields.at("sigrun-problem-bin"));
    ASSERT_TRUE(problem);
    EXPECT_EQ(boost::json::parse(*problem).at("code"), "not_found");
    EXPECT_TRUE(got.data.empty());
    EXPECT_EQ(c.host.metric("sigrun_grpc_calls_failed_total"), 1);
}

TEST(grpc_serve, what_is_no_grpc_is_refused_by_name) {
    controller c;
    h2_client k(c.uri);
    auto with = [](const std::string& name, const std::string& value) {
        auto head = h2_client::usual("/sigrun.v1.Jobs/List");
        for (auto& [n, v] : head)
            if (n == name) v = value;
        return head;
    };
    EXPECT_EQ(k.ask(with(":method", "PUT"), grpc_message("")).fields.at(":status"), "405");
    EXPECT_EQ(k.ask(with("content-type", "text/plain"), grpc_message("")).fields.at(":status"), "415");
    EXPECT_EQ(k.ask(with("content-type", "application/grpc-web"), grpc_message("")).fields.at(":status"), "415");
    EXPECT_EQ(k.ask(with("content-type", "application/grpc+json"), grpc_message("")).grpc_status(), 12);
    EXPECT_EQ(k.ask(with("content-type", "application/grpc+proto"), grpc_message("")).grpc_status(), 0);
    EXPECT_EQ(k.ask("/no.Such/Method", "").grpc_status(), 12);
    EXPECT_EQ(k.ask("/sigrun.v1.Jobs/List", "", {{"grpc-timeout", "soon"}}).grpc_status(), 3);
    EXPECT_EQ(k.ask("/sigrun.v1.Jobs/List", "", {{"authorization", "Digest a"}}).grpc_status(), 16);
    EXPECT_EQ(k.ask("/sigrun.v1.Jobs/List", "", {{"authorization", "BEARER a b"}}).grpc_status(), 0);
    EXPECT_EQ(c.last_seen().auth, "bearer a b");
    EXPECT_EQ(k.ask("/sigrun.v1.Jobs/List", "\xff\xff").grpc_status(), 3);
    EXPECT_EQ(k.ask("/sigrun.v1.Jobs/Get", std::string("\x0a\x01\xff", 3)).grpc_status(), 3);  // no UTF-8
    EXPECT_EQ(k.ask(h2_client::usual("/sigrun.v1.Jobs/List"), "").grpc_status(), 12);
    EXPECT_EQ(k.ask(h2_client::usual("/sigrun.v1.Jobs/List"), grpc_message("") + grpc_message("")).grpc_status(), 12);
    EXPECT_EQ(k.ask(h2_client::usual("/sigrun.v1.Jobs/List"), grpc_message("abc").substr(0, 6)).grpc_status(), 13);
    EXPECT_EQ(k.ask(h2_client::usual("/sigrun.v1.Jobs/List"), std::string("\1\0\0\0\0", 5)).grpc_status(), 12);
    EXPECT_EQ(k.ask("/sigrun.v1.Jobs/List", "", {{"x", std::string(20000, 'x')}}).grpc_status(), 8);
    EXPECT_EQ(k.ask(h2_client::usual("/sigrun.v1.Sessions/Open"), "").grpc_status(), 3);
    EXPECT_EQ(k.ask(h2_client::usual("/sigrun.v1.Sessions/Open"), grpc_message("\xff")).grpc_status(), 3);
    EXPECT_EQ(k.ask(k_call, call_request("link")).grpc_status(), 3);  // a method that opens a session
    EXPECT_FALSE(k.over);
}

TEST(grpc_serve, a_uid_is_the_sockets_to_prove) {
    controller c({}, true);
    h2_client k(c.uri);
    EXPECT_EQ(k.ask("/sigrun.v1.Jobs/List", "").grpc_status(), 0);
    EXPECT_EQ(c.last_seen().auth, "uid 4711");
    EXPECT_EQ(k.ask("/sigrun.v1.Jobs/List", "", {{"authorization", "uid 0"}}).grpc_status(), 16);
}

TEST(grpc_serve, calls_know_the_connection_they_came_over) {
    for (bool local : {false, true}) {
        controller c({}, local);
        std::vector<std::unique_ptr<h2_client>> all;
        for (int i = 0; i < 8; ++i) all.push_back(std::make_unique<h2_client>(c.uri));
        ASSERT_TRUE(eventually([&] { return c.accepted() == 8; }));
        std::map<std::uint64_t, int> seen;
        for (int round = 0; round < 3; ++round)
            for (auto& k : all) {
                k->ask("/sigrun.v1.Jobs/List", "");
                ++seen[c.last_seen().session];
            }
        ASSERT_EQ(seen.size(), 8u);
        for (const auto& [session, n] : seen) EXPECT_EQ(n, 3) << session;
        all.clear();
        EXPECT_TRUE(eventually([&] { return c.all_ended(); }));
    }
}

TEST(grpc_serve, a_timeout_is_the_calls_deadline) {
    controller c;
    h2_client k(c.uri);
    const auto got = k.ask(k_call, call_request("hold"), {{"grpc-timeout", "100m"}});
    EXPECT_EQ(got.grpc_status(), 4);
    const auto seen = c.last_seen();
    EXPECT_GT(seen.deadline, in_ms(-5000));
    EXPECT_LT(seen.deadline, in_ms(1));
    EXPECT_TRUE(eventually([&] { return c.ended == 1; }));
}

TEST(grpc_serve, a_reset_or_lost_caller_ends_its_call) {
    controller c;
    {
        h2_client k(c.uri);
        const auto id = k.send(h2_client::usual(k_call), grpc_message(call_request("hold")));
        c.first_held();
        k.reset(id);
        EXPECT_TRUE(eventually([&] { return c.ended == 1; }));
        k.send(h2_client::usual(k_call), grpc_message(call_request("hold")));
        EXPECT_TRUE(eventually([&] { return c.held_count() == 1; }));
    }
    EXPECT_TRUE(eventually([&] { return c.ended == 2 && c.all_ended(); }));
}

TEST(grpc_serve, streams_come_as_they_are_given) {
    controller c;
    h2_client k(c.uri);
    v1::LogsRequest r;
    r.set_id("j");
    r.set_offset(3);
    r.set_follow(true);
    const auto id = k.send(h2_client::usual("/sigrun.v1.Jobs/Logs"), grpc_message(r.SerializeAsString()));
    const auto held = c.first_held();
    EXPECT_EQ(c.last_seen().params, R"({"id":"j","offset":3,"follow":true})");
    ASSERT_TRUE(k.until([&] { return k.all[id].fields.count(":status"); }));  // before there is anything to say
    c.give(held, 0, R"({"offset":3,"stream":"stdout","time_ns":1700000000000000001})", "bytes\xff");
    ASSERT_TRUE(k.until([&] { return !k.all[id].data.empty(); }));
    const auto piece = message_in<v1::LogPiece>(k.all[id].data);
    EXPECT_EQ(piece.data(), "bytes\xff");
    EXPECT_EQ(piece.time_ns(), 1700000000000000001u);
    c.give(held, SIGRUN_FRAME_LAST | SIGRUN_FRAME_ERROR, R"({"code":"busy","title":"later"})");
    ASSERT_TRUE(k.until([&] { return k.all[id].closed; }));
    EXPECT_EQ(k.all[id].grpc_status(), 8);
    std::lock_guard lock(c.mutex);
    c.held.clear();
}

TEST(grpc_serve, health_follows_the_kernel) {
    using answer = ::grpc::health::v1::HealthCheckResponse;
    controller c;
    h2_client k(c.uri);
    ::grpc::health::v1::HealthCheckRequest all, one, none;
    one.set_service("sigrun.v1.Jobs");
    none.set_service("sigrun.v1.Job");
    const std::string check = "/grpc.health.v1.Health/Check";
    EXPECT_EQ(message_in<answer>(k.ask(check, all.SerializeAsString()).data).status(), answer::SERVING);
    EXPECT_EQ(message_in<answer>(k.ask(check, one.SerializeAsString()).data).status(), answer::SERVING);
    EXPECT_EQ(k.ask(check, none.SerializeAsString()).grpc_status(), 5);
    const auto watch = k.send(h2_client::usual("/grpc.health.v1.Health/Watch"), grpc_message(all.SerializeAsString()));
    ASSERT_TRUE(k.until([&] { return !k.all[watch].data.empty(); }));
    const auto first = k.all[watch].data;
    EXPECT_EQ(message_in<answer>(first).status(), answer::SERVING);
    c.is_ready = false;
    EXPECT_EQ(message_in<answer>(k.ask(check, all.SerializeAsString()).data).status(), answer::NOT_SERVING);
    ASSERT_TRUE(k.until([&] { return k.all[watch].data.size() > first.size(); }));
    EXPECT_EQ(message_in<answer>(k.all[watch].data.substr(first.size())).status(), answer::NOT_SERVING);
}

TEST(grpc_limits, connections_streams_and_time) {
    controller c(options{{"max_connections", "2"}, {"preface_timeout", "200ms"}, {"idle_timeout", "300ms"}});
    h2_client a(c.uri), b(c.uri);
    EXPECT_EQ(a.ask("/sigrun.v1.Jobs/List", "").grpc_status(), 0);
    EXPECT_EQ(b.ask("/sigrun.v1.Jobs/List", "").grpc_status(), 0);
    h2_client third(c.uri);
    EXPECT_TRUE(third.until([&] { return !third.goaways.empty(); }));
    EXPECT_EQ(third.goaway_error, std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
    EXPECT_EQ(c.host.metric("sigrun_grpc_connections_refused_total"), 1);
    // Idle ones are told and closed, a silent one, too.
    EXPECT_TRUE(a.until([&] { return a.over; }));
    EXPECT_EQ(a.goaways.size(), 1u);
    EXPECT_TRUE(b.until([&] { return b.over; }));
    int silent = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(static_cast<std::uint16_t>(std::stoi(c.uri.substr(c.uri.rfind(':') + 1))));
    ASSERT_EQ(connect(silent, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    char room[16];
    EXPECT_GE(recv(silent, room, sizeof room, MSG_WAITALL), 0);
    ::close(silent);
    EXPECT_TRUE(eventually([&] { return c.all_ended(); }));
}

TEST(grpc_limits, a_message_that_stops_half_way_ends_its_call) {
    controller c(options{{"read_timeout", "150ms"}});
    h2_client k(c.uri);
    const auto id =
        k.send(h2_client::usual("/sigrun.v1.Jobs/List"), grpc_message(std::string(100, 'x')).substr(0, 50), false);
    ASSERT_TRUE(k.until([&] { return k.all[id].closed; }));
    EXPECT_EQ(k.all[id].grpc_status(), 4);
    EXPECT_EQ(k.ask("/sigrun.v1.Jobs/List", "").grpc_status(), 0);
}

TEST(grpc_limits, unfinished_messages_are_bounded_on_a_connection) {
    controller c(options{{"max_message", "128KiB"}});
    h2_client k(c.uri);
    // Six messages of 120 KiB that never end: the connection holds four times the largest.
    std::vector<std::int32_t> ids;
    for (int i = 0; i < 6; ++i)
        ids.push_back(k.send(h2_client::usual("/sigrun.v1.Jobs/List"),
                             grpc_message(std::string(120 << 10, 'x')).substr(0, 119 << 10), false));
    ASSERT_TRUE(k.until([&] {
        int refused = 0;
        for (auto id : ids) refused += k.all[id].grpc_status() == 8;
        return refused >= 1;
    }));
    EXPECT_EQ(k.ask("/sigrun.v1.Jobs/List", "").grpc_status(), 0);
}

TEST(grpc_limits, endless_resets_end_the_connection) {
    controller c;
    h2_client k(c.uri);
    ASSERT_TRUE(k.until([&] { return k.settings; }));
    for (int i = 0; i < 1500 && !k.over; ++i) {
        k.reset(k.send(h2_client::usual(k_call), grpc_message(call_request("hold"))));
        if (i % 100 == 99) k.until([] { return false; }, 1);
    }
    EXPECT_TRUE(k.until([&] { return k.over; }));
    EXPECT_EQ(k.goaway_error, std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
    EXPECT_EQ(c.host.metric("sigrun_grpc_connections_broken_total"), 1);
    EXPECT_TRUE(eventually([&] { return c.all_ended() && c.held_count() == 0; }));
}

TEST(grpc_options, hot_ones_hold_for_what_begins_later) {
    controller c;
    h2_client k(c.uri);
    v1::GetJobRequest r;
    r.set_id(std::string(200 << 10, 'x'));
    EXPECT_EQ(k.ask("/sigrun.v1.Jobs/Get", r.SerializeAsString()).grpc_status(), 0);
    sigrun_hello hello{sizeof hello, SIGRUN_ABI_MAJOR, SIGRUN_ABI_MINOR, 0, str("t"), str("0")};
    const auto* entry = sigrun_plugin_entry_v1(&hello);
    EXPECT_EQ(c.host.reconfigure(c.instance, *entry, "grpc", {{"max_message", "128KiB"}}),
              std::uint32_t{SIGRUN_EFFECT_APPLIED_HOT});
    EXPECT_EQ(k.ask("/sigrun.v1.Jobs/Get", r.SerializeAsString()).grpc_status(), 8);
    EXPECT_EQ(c.host.reconfigure(c.instance, *entry, "grpc", {{"max_message", "1MiB"}}),
              std::uint32_t{SIGRUN_EFFECT_APPLIED_HOT});
    EXPECT_EQ(k.ask("/sigrun.v1.Jobs/Get", r.SerializeAsString()).grpc_status(), 0);
}
