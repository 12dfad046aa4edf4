#include "kernel/serve/settings_table.hpp"

#include "kernel/guard/job_trust.hpp"
#include "kernel/net/net_options.hpp"
#include "kernel/net/span_exporter.hpp"
#include "kernel/plugin/plugin_guard.hpp"
#include "kernel/serve/autoscaling_table.hpp"
#include "kernel/serve/balancer_table.hpp"
#include "kernel/serve/monitoring_tables.hpp"
#include "kernel/serve/queue_tables.hpp"
#include "kernel/serve/scaling_hook.hpp"
#include "kernel/serve/security_settings.hpp"
#include "kernel/serve/zone_tables.hpp"

#include <sigrun/cpp/options.hpp>

#include <array>
#include <charconv>

namespace sigrun {
namespace {

using sdk::option;
constexpr double k_second = 1e9;

constexpr std::array k_server{
    option("listen", SIGRUN_OPT_LIST,
           {.def = "127.0.0.1:7070",
            .doc = "Addresses to listen on; every protocol is served on each. Port 0 takes a free one."}),
    option("socket", SIGRUN_OPT_STRING,
           {.def = "auto",
            .doc = "UNIX socket for local use: a path, auto (sigrun.sock in the state directory) or none."}),
    option(
        "allow_remote", SIGRUN_OPT_BOOL,
        {.def = "no", .doc = "Listen on addresses other machines can reach although [tls] or [auth] is not required."}),
    option(
        "protocol_order", SIGRUN_OPT_LIST,
        {.def = "valkyrie, grpc, websocket, http",
         .doc =
             "Who is asked first whether the bytes of a new connection are its own. http takes every request, so what "
             "begins with one, such as websocket, stands before it."}),
    option("peek_timeout", SIGRUN_OPT_DURATION,
           {.def = "5s",
            .doc = "A connection that has not shown its protocol by then is closed.",
            .min = 0.01 * k_second,
            .max = 300 * k_second}),
    option(
        "zone", SIGRUN_OPT_STRING,
        {.def = "",
         .doc = "The zone that this controller is in: where jobs come from that name no other `zone`. Empty: none of "
                "those that runners name.",
         .flags = SIGRUN_OPT_HOT}),
    option("watch_config", SIGRUN_OPT_BOOL,
           {.def = "yes",
            .doc = "Load the configuration again when its file or plugins.d changes. SIGHUP and `sigrun config reload` "
                   "do it at any time.",
            .flags = SIGRUN_OPT_HOT}),
};
constexpr std::array k_log{
    option("level", SIGRUN_OPT_CHOICE,
           {.def = "info",
            .doc = "What is written.",
            .choices = "error,warning,info,debug,trace",
            .flags = SIGRUN_OPT_HOT}),
    option("file", SIGRUN_OPT_STRING, {.def = "", .doc = "Where; empty is stderr."}),
    option("format", SIGRUN_OPT_CHOICE,
           {.def = "text",
            .doc = "text for people, or json: one object a line, with time, level, source, text, and request where it "
                   "is about one.",
            .choices = "text,json"}),
};
constexpr std::array k_registry{
    option(
        "quarantine_refusals", SIGRUN_OPT_INT,
        {.def = "10",
         .doc = "A runner that is not ready (full disk, no workspace) for so many offers within quarantine_window, and "
                "ends no job between them, is set aside; 0 = never.",
         .max = 1000,
         .flags = SIGRUN_OPT_HOT}),
    option("quarantine_crashes", SIGRUN_OPT_INT,
           {.def = "5",
            .doc = "The same for attempts that fail for the runner's own fault, or are lost with it; those within one "
                   "second count once. 0 = never.",
            .max = 1000,
            .flags = SIGRUN_OPT_HOT}),
    option("quarantine_window", SIGRUN_OPT_DURATION,
           {.def = "5m",
            .doc = "How long such a fault counts.",
            .min = k_second,
            .max = 86400 * k_second,
            .flags = SIGRUN_OPT_HOT}),
    option(
        "quarantine_time", SIGRUN_OPT_DURATION,
        {.def = "30s",
         .doc = "How long a runner is set aside the first time; twice as long each time it fails its trial, or is set "
                "aside again soon.",
         .min = k_second,
         .max = 86400 * k_second,
         .flags = SIGRUN_OPT_HOT}),
    option("quarantine_longest", SIGRUN_OPT_DURATION,
           {.def = "30m",
            .doc = "No longer than that.",
            .min = k_second,
            .max = 7 * 86400 * k_second,
            .flags = SIGRUN_OPT_HOT}),
    option("max_runners", SIGRUN_OPT_INT,
           {.def = "10000", .doc = "Registrations beyond it are refused.", .min = 1, .max = 1'000'000}),
    option("runner_timeout", SIGRUN_OPT_DURATION,
           {.def = "120s",
            .doc = "A runner that has been offline for so long is no candidate any more, until it is back.",
            .min = k_second,
            .max = 86400 * k_second,
            .flags = SIGRUN_OPT_HOT}),
    option("beat_period", SIGRUN_OPT_DURATION,
           {.def = "3s",
            .doc = "How often runners say that they live; lost after 10 s or three periods and a second.",
            .min = k_second,
            .max = 15 * k_second}),
    option("auto_capability_detection", SIGRUN_OPT_BOOL,
           {.def = "yes",
            .doc = "Off: runners keep only declared facts; the rest is unknown and does not match.",
            .flags = SIGRUN_OPT_HOT}),
};
constexpr std::array k_detector{
    option(
        "detection_timeout", SIGRUN_OPT_DURATION,
        {.def = "30s",
         .doc = "Upper bound for the detection of one endpoint. A look that nobody answers takes 0.4 s, and 1.2 s if "
                "it was "
                "asked for; those that follow take longer, up to 4.8 s, so that an endpoint far away is found as well.",
         .min = 0.01 * k_second,
         .max = 300 * k_second,
         .flags = SIGRUN_OPT_HOT}),
    option("cache_ttl", SIGRUN_OPT_DURATION,
           {.def = "300s",
            .doc = "How long the detected protocols of an endpoint are believed.",
            .min = k_second,
            .max = 86400 * k_second,
            .flags = SIGRUN_OPT_HOT}),
    option(
        "parallel_detection", SIGRUN_OPT_BOOL,
        {.def = "yes",
         .doc = "On: the best protocol first, each other one 30 ms later or when those before have answered. Off: one "
                "after another.",
         .flags = SIGRUN_OPT_HOT}),
    option("enable_valkyrie_detection", SIGRUN_OPT_BOOL,
           {.def = "yes", .doc = "Off: no endpoint is asked for Valkyrie.", .flags = SIGRUN_OPT_HOT}),
    option("enable_grpc_detection", SIGRUN_OPT_BOOL,
           {.def = "yes", .doc = "Off: no endpoint is asked for gRPC.", .flags = SIGRUN_OPT_HOT}),
    option("enable_websocket_detection", SIGRUN_OPT_BOOL,
           {.def = "yes", .doc = "Off: no endpoint is asked for WebSocket.", .flags = SIGRUN_OPT_HOT}),
    option("enable_http_detection", SIGRUN_OPT_BOOL,
           {.def = "yes", .doc = "Off: no endpoint is asked for HTTP.", .flags = SIGRUN_OPT_HOT}),
    option("retry_attempts", SIGRUN_OPT_INT,
           {.def = "3",
            .doc = "How often a protocol is looked for again soon when nobody has answered, beside others that did.",
            .max = 100,
            .flags = SIGRUN_OPT_HOT}),
    option("retry_delay", SIGRUN_OPT_DURATION,
           {.def = "1s",
            .doc = "How soon that is.",
            .min = 0.1 * k_second,
            .max = 3600 * k_second,
            .flags = SIGRUN_OPT_HOT}),
    option("disabled", SIGRUN_OPT_LIST,
           {.def = "", .doc = "Protocols that are not looked for.", .flags = SIGRUN_OPT_HOT}),
};
constexpr std::array k_interface{
    option(
        "strategy", SIGRUN_OPT_CHOICE,
        {.def = "valkyrie_first",
         .doc = "Which protocol a job uses when its runner has several: one of them first, the best by measurement, or "
                "adaptive: by measurement, and before that Valkyrie for urgent jobs and HTTP for others.",
         .choices = "valkyrie_first,http_first,performance,adaptive,round_robin",
         .flags = SIGRUN_OPT_HOT}),
    option(
        "auto_protocol_selection", SIGRUN_OPT_BOOL,
        {.def = "yes",
         .doc = "Off: a job runs only over a protocol that it names, or on a runner whose endpoint names one or that "
                "dialled in over one.",
         .flags = SIGRUN_OPT_HOT}),
    option("preferred_protocol", SIGRUN_OPT_STRING,
           {.def = "", .doc = "A protocol that is preferred by preferred_protocol_bias.", .flags = SIGRUN_OPT_HOT}),
    option("enable_protocol_migration", SIGRUN_OPT_BOOL,
           {.def = "yes",
            .doc = "Off: what runs stays with the protocol it began with, also when that one is lost.",
            .flags = SIGRUN_OPT_HOT}),
    option(
        "fallback_timeout", SIGRUN_OPT_DURATION,
        {.def = "5s",
         .doc =
             "How long an offer may take to reach its runner over another protocol when the first one broke or gave no "
             "answer; then it is void.",
         .min = 0.1 * k_second,
         .max = 300 * k_second,
         .flags = SIGRUN_OPT_HOT}),
    option("migration_threshold", SIGRUN_OPT_FLOAT,
           {.def = "0.2",
            .doc = "Another protocol is taken when its score is better by this share.",
            .max = 100,
            .flags = SIGRUN_OPT_HOT}),
    option("min_sample_size", SIGRUN_OPT_INT,
           {.def = "10",
            .doc = "Measurements of a protocol before they decide.",
            .min = 1,
            .max = 1000,
            .flags = SIGRUN_OPT_HOT}),
    option(
        "switch_dwell", SIGRUN_OPT_DURATION,
        {.def = "10s",
         .doc = "New jobs stay at least this long with a protocol that works; one that broke must stand this long, and "
                "twice as long each time it breaks again.",
         .max = 3600 * k_second,
         .flags = SIGRUN_OPT_HOT}),
    option("migration_dwell", SIGRUN_OPT_DURATION,
           {.def = "60s",
            .doc = "Jobs that run change to a better protocol at most once in this time.",
            .max = 3600 * k_second,
            .flags = SIGRUN_OPT_HOT}),
    option("metrics_interval", SIGRUN_OPT_DURATION,
           {.def = "60s",
            .doc = "How often what was measured of a protocol becomes a sample of its history.",
            .min = k_second,
            .max = 3600 * k_second,
            .flags = SIGRUN_OPT_HOT}),
    option("history_retention", SIGRUN_OPT_DURATION,
           {.def = "24h",
            .doc = "How long samples are kept; at most 240 per protocol and runner, neighbours are merged.",
            .min = 60 * k_second,
            .max = 30 * 86400 * k_second,
            .flags = SIGRUN_OPT_HOT}),
    option("performance_weight", SIGRUN_OPT_FLOAT,
           {.def = "0.4",
            .doc = "How much the protocol's latency tier counts; relative to its default, as the next three.",
            .max = 10,
            .flags = SIGRUN_OPT_HOT}),
    option("reliability_weight", SIGRUN_OPT_FLOAT,
           {.def = "0.3", .doc = "How much failures of the transport count.", .max = 10, .flags = SIGRUN_OPT_HOT}),
    option("latency_weight", SIGRUN_OPT_FLOAT,
           {.def = "0.2", .doc = "How much the round trip counts.", .max = 10, .flags = SIGRUN_OPT_HOT}),
    option("throughput_weight", SIGRUN_OPT_FLOAT,
           {.def = "0.1",
            .doc = "How much bytes per second count, for jobs with 64 KiB of payload or more.",
            .max = 10,
            .flags = SIGRUN_OPT_HOT}),
    option("max_retries", SIGRUN_OPT_INT,
           {.def = "3", .doc = "Default of retry.infrastructure.", .max = 100, .flags = SIGRUN_OPT_HOT}),
    option("retry_delay", SIGRUN_OPT_DURATION,
           {.def = "500ms",
            .doc = "Base of the backoff between attempts; doubles up to a minute, with jitter.",
            .min = 0.001 * k_second,
            .max = 60 * k_second,
            .flags = SIGRUN_OPT_HOT}),
};
constexpr std::array k_jobs{
    option("max_waiting", SIGRUN_OPT_INT,
           {.def = "100000",
            .doc = "Jobs that may wait; beyond it submit answers busy.",
            .min = 1,
            .max = 10000000,
            .flags = SIGRUN_OPT_HOT}),
    option(
        "tenant_max_waiting", SIGRUN_OPT_INT,
        {.def = "0",
         .doc = "Jobs of one tenant that may wait, unless its section says otherwise; beyond it submit answers busy. "
                "0: as many as max_waiting allows.",
         .max = 10000000,
         .flags = SIGRUN_OPT_HOT}),
    option("tenant_submit_rate", SIGRUN_OPT_FLOAT,
           {.def = "0",
            .doc = "Jobs that one tenant may submit per second, unless its section says otherwise; beyond it submit "
                   "answers busy, and when to try again. 0: any number.",
            .max = 1000000,
            .flags = SIGRUN_OPT_HOT}),
    option("tenant_submit_burst", SIGRUN_OPT_INT,
           {.def = "10",
            .doc = "So many may be submitted at once after a time in which none was; beside tenant_submit_rate.",
            .min = 1,
            .max = 1000000,
            .flags = SIGRUN_OPT_HOT}),
    option("tenant_weight", SIGRUN_OPT_INT,
           {.def = "1",
            .doc = "Share of a tenant whose section says none.",
            .min = 1,
            .max = 1000,
            .flags = SIGRUN_OPT_HOT}),
    option("ageing", SIGRUN_OPT_DURATION,
           {.def = "10m",
            .doc = "A waiting job counts as one priority higher each time it has waited so long, up to high; never "
                   "critical. 0s: it never does.",
            .max = 30 * 86400 * k_second,
            .flags = SIGRUN_OPT_HOT}),
    option(
        "retry_budget", SIGRUN_OPT_FLOAT,
        {.def = "0.2",
         .doc = "Retries after failures of the infrastructure that may be under way at once, as a share of the other "
                "attempts, for each requirement and in all, but always three; others wait for their turn.",
         .max = 1000,
         .flags = SIGRUN_OPT_HOT}),
    option(
        "early_reoffer", SIGRUN_OPT_BOOL,
        {.def = "no",
         .doc = "A runner that does not acknowledge an offer as soon as 99 of 100 are loses the job to another one; of "
                "50 offers one at most. The first may have begun it, so it is done only for jobs that may run twice.",
         .flags = SIGRUN_OPT_HOT}),
    option("hedge_budget", SIGRUN_OPT_FLOAT,
           {.def = "0.02",
            .doc = "Copies of jobs with `hedge` that may be begun, as a share of all offers; what is not used is kept "
                   "for ten "
                   "copies. 0 = none.",
            .max = 1,
            .flags = SIGRUN_OPT_HOT}),
    option("hedge_quantile", SIGRUN_OPT_FLOAT,
           {.def = "0.95",
            .doc = "A job with `hedge` gets a copy when it runs longer than this share of the jobs of its requirement, "
                   "once 20 "
                   "of them have succeeded.",
            .min = 0.5,
            .max = 0.999,
            .flags = SIGRUN_OPT_HOT}),
    option("hedge_max_load", SIGRUN_OPT_FLOAT,
           {.def = "0.8",
            .doc = "There are no copies while a larger share of the places is taken of the runners that match.",
            .max = 1,
            .flags = SIGRUN_OPT_HOT}),
    option("keep_finished", SIGRUN_OPT_INT,
           {.def = "10000",
            .doc = "Ended jobs that can still be asked for.",
            .min = 1,
            .max = 10000000,
            .flags = SIGRUN_OPT_HOT}),
    option("keep_finished_for", SIGRUN_OPT_DURATION,
           {.def = "7d",
            .doc = "How long after its end a job can still be asked for, unless keep_finished others have ended since; "
                   "then it is forgotten with its output. 0s: however long.",
            .max = 3650 * 86400 * k_second,
            .flags = SIGRUN_OPT_HOT}),
    option("key_lifetime", SIGRUN_OPT_DURATION,
           {.def = "24h",
            .doc = "How long after the end of its job an idempotency key is remembered, also if the job is not.",
            .min = k_second,
            .max = 30 * 86400 * k_second,
            .flags = SIGRUN_OPT_HOT}),
    option("max_keys", SIGRUN_OPT_INT,
           {.def = "1000000",
            .doc = "Idempotency keys that are remembered at once; beyond it a submit with a new key answers busy, as "
                   "none may "
                   "be forgotten early. About 150 bytes of memory each.",
            .min = 1,
            .max = 100000000,
            .flags = SIGRUN_OPT_HOT}),
    option("log_limit", SIGRUN_OPT_SIZE,
           {.def = "256MiB",
            .doc = "Output kept of each attempt of a job: one half for how it began, one for how it ended. What lies "
                   "between is given up, and told as a gap.",
            .min = 4096,
            .max = 1e12,
            .flags = SIGRUN_OPT_HOT}),
    option("artifact_limit", SIGRUN_OPT_SIZE,
           {.def = "4GiB",
            .doc = "The largest artifact that is taken of a job.",
            .min = 1,
            .max = 1e15,
            .flags = SIGRUN_OPT_HOT}),
    option("job_artifacts_limit", SIGRUN_OPT_SIZE,
           {.def = "16GiB", .doc = "All artifacts of a job together.", .min = 1, .max = 1e15, .flags = SIGRUN_OPT_HOT}),
    option(
        "artifact_store_limit", SIGRUN_OPT_SIZE,
        {.def = "64GiB",
         .doc = "What the artifacts of all jobs may take of the disk; equal contents are kept once. Without room for "
                "its artifacts an attempt fails with infra_dependency, and is tried again.",
         .min = 1,
         .max = 1e15,
         .flags = SIGRUN_OPT_HOT}),
    option("poison_after", SIGRUN_OPT_INT,
           {.def = "3",
            .doc = "A job that so many different runners were lost or crashed with is dead: it is not tried again. 0 = "
                   "never.",
            .max = 64,
            .flags = SIGRUN_OPT_HOT}),
    option("lease", SIGRUN_OPT_DURATION,
           {.def = "10s",
            .doc = "How long a runner may not be heard of before its jobs are given to others.",
            .min = k_second,
            .max = 3600 * k_second,
            .flags = SIGRUN_OPT_HOT}),
    option(
        "lost_after", SIGRUN_OPT_DURATION,
        {.def = "10m",
         .doc =
             "How long a job that must not run twice waits for its runner to come back, beyond the lease; then it has "
             "failed with outcome_unknown.",
         .min = k_second,
         .max = 7 * 86400 * k_second}),
    option("restart_grace", SIGRUN_OPT_DURATION,
           {.def = "20s",
            .doc = "After a restart of the daemon: how long runners have to come back with their jobs.",
            .min = k_second,
            .max = 3600 * k_second}),
};
constexpr std::array k_plugins{
    option("watch", SIGRUN_OPT_BOOL,
           {.def = "yes", .doc = "Follow the plugin folder: new and changed files are taken into use by themselves."}),
    option(
        "probation", SIGRUN_OPT_DURATION,
        {.def = "60s",
         .doc =
             "How long a replaced version is kept warm, to have the work back if the new one is in trouble; 0s = not.",
         .max = 3600 * k_second}),
    k_signature_option,
};
constexpr std::array k_runner{
    option("endpoint", SIGRUN_OPT_STRING,
           {.doc = "HOST:PORT (all protocols are tried), tls://HOST:PORT (the same, encrypted) or an address such as "
                   "http://10.0.0.7:8080.",
            .flags = SIGRUN_OPT_REQUIRED}),
    option("profile", SIGRUN_OPT_CHOICE,
           {.def = "native",
            .doc = "native, or rustci for runners of the legacy HTTP contract.",
            .choices = "native,rustci"}),
    option(
        "slots", SIGRUN_OPT_INT,
        {.def = "0", .doc = "Jobs it may run at once; 0 = what the runner says (1 for a legacy one).", .max = 65535}),
    option("labels", SIGRUN_OPT_LIST, {.def = "", .doc = "name=value, ..."}),
    option("options", SIGRUN_OPT_SECRET,
           {.def = "",
            .doc = "JSON object with settings of the protocol, perhaps a token; its member \"tls\" has ca, "
                   "certificate, key and "
                   "server_name for this runner."}),
};

const std::array<documented_section, 21> k_sections{{
    {"[server]", "Where the daemon listens.", k_server},
    {"[tls]", "Encryption, of what is accepted and of what is dialled. Files that change are read again by themselves.",
     tls_server_option_table()},
    {"[auth]", "Who may call.", auth_option_table()},
    {"[net]", "How other machines are reached.", net_option_table()},
    {"[log]", "The daemon's own log.", k_log},
    {"[audit]", "Who did what.", k_audit_options},
    {"[metrics]", "What is told in numbers.", k_metrics_options},
    {"[trace]", "Traces of jobs for OpenTelemetry.", k_trace_options},
    {"[registry]", "Runners.", k_registry},
    {"[detector]", "Finding out what an endpoint speaks.", k_detector},
    {"[interface]", "How jobs reach runners.", k_interface},
    {"[balancer]", "Who chooses the runner.", k_balancer_options},
    {"[jobs]", "Limits and patience.", k_jobs},
    {"[autoscaling]", "Who starts and stops runners as they are needed.", k_autoscaling_options},
    {"[plugins]", "How plugins change while the daemon runs.", k_plugins},
    {"[security]", "Who must have signed a job.", k_job_trust_table},
    {"[queue NAME]", "What jobs with this `queue` share, one section each. Other names need no section.",
     k_queue_options},
    {"[tenant NAME]", "What jobs with this `tenant` share, one section each. Other names need no section.",
     k_tenant_options},
    {"[group NAME]", "What jobs with this `group` share, one section each. Other names need no section.",
     k_group_options},
    {"[zone NAME]", "What is known beforehand of the zone of runners with the label zone=NAME, one section each.",
     k_zone_options},
    {"[runner NAME]", "A runner that the daemon dials, one section each.", k_runner},
}};
constexpr std::size_t k_kinds = 5;  // of them, at the end, have one section for each name

struct section_kind {
    std::string_view prefix;
    std::span<const sigrun_opt> options;
    daemon_settings::by_name daemon_settings::*where;
};
const section_kind k_kind_of[k_kinds]{{"queue ", k_queue_options, &daemon_settings::queues},
                                      {"tenant ", k_tenant_options, &daemon_settings::tenants},
                                      {"group ", k_group_options, &daemon_settings::groups},
                                      {"zone ", k_zone_options, &daemon_settings::zones},
                                      {"runner ", k_runner, &daemon_settings::runners}};

const section_kind* kind_of(std::string_view name) noexcept {
    for (const auto& kind : k_kind_of)
        if (name.starts_with(kind.prefix)) return &kind;
    return nullptr;
}

bool is_local(const std::string& address) {
    return address.starts_with("127.") || address.starts_with("[::1]") || address.starts_with("localhost:") ||
           address.starts_with("unix:");
}

result<void> check_addresses(const bound_section& server, bool guarded) {
    for (const auto& a : server.list("listen")) {
        const auto colon = a.rfind(':');
        std::uint16_t port = 0;
        const char* end = a.data() + a.size();
        const bool numbered = colon != std::string::npos && colon > 0 &&
                              std::from_chars(a.data() + colon + 1, end, port).ptr == end && colon + 1 < a.size();
        if (!numbered && !a.starts_with("unix:"))
            return bad_value("server.listen", "HOST:PORT, [IPv6]:PORT or unix:PATH", "\"" + a + "\"");
        if (!is_local(a) && !guarded && !server.boolean("allow_remote"))
            return problem{
                errc::forbidden, "others could reach this address, and would not be asked who they are",
                "server.listen",
                "a loopback address, [tls] required = yes and [auth] required = yes, or [server] allow_remote = yes "
                "on a trusted network",
                a};
    }
    return {};
}

}  // namespace

problem with_origin(problem p, const settings& from) {
    const auto dot = p.field.rfind('.');
    const auto* section = from.find(p.field.substr(0, dot));
    if (!section || dot == std::string::npos) return p;
    if (auto value = section->values.find(p.field.substr(dot + 1)); value != section->values.end())
        p.found += " (" + value->second.origin + ")";
    return p;
}

result<void> check_daemon_values(const daemon_settings& bound, const settings& from) {
    auto addresses = check_addresses(bound.at("server"), is_guarded(bound));
    if (!addresses) return with_origin(addresses.error(), from);
    if (const auto to = bound.at("trace").text("endpoint"); !to.empty())
        if (auto good = parse_collector(to); !good) return with_origin(good.error(), from);
    if (auto hook = read_scaling_hook(bound); !hook) return with_origin(hook.error(), from);
    return {};
}

bool is_section_of_kind(std::string_view name) noexcept { return kind_of(name) != nullptr; }

std::span<const documented_section> daemon_sections() { return k_sections; }

result<daemon_settings> bind_daemon_settings(const settings& config) {
    daemon_settings out;
    std::vector<std::string> names;
    for (const auto& s : k_sections) names.push_back(s.heading.substr(1, s.heading.size() - 2));
    for (std::size_t i = 0; i + k_kinds < k_sections.size(); ++i) {
        SIGRUN_TRY(bound, bound_section::bind(config.find(names[i]), k_sections[i].options));
        out.sections[names[i]] = bound;
    }
    for (const auto& section : config.sections()) {
        std::string_view name = section.name;
        if (out.sections.contains(name) || name.starts_with("plugin ") || name.starts_with("instance ")) continue;
        if (const auto* kind = kind_of(name)) {
            SIGRUN_TRY(bound, bound_section::bind(&section, kind->options));
            (out.*kind->where)[std::string(name.substr(kind->prefix.size()))] = bound;
            continue;
        }
        auto near = nearest_name(name, names);
        return problem{errc::unknown_field, "unknown section", "[" + section.name + "] (" + section.origin + ")",
                       near.empty() ? "a section of `sigrun config doc`" : "perhaps [" + near + "]",
                       "[" + section.name + "]"};
    }
    return out;
}

}  // namespace sigrun
